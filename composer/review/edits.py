"""Edits of `shot.yaml` that leave every other byte of it alone: comments, order, quotes, line ends, white space.

ruamel reads the text down to nodes that know where they stand; an edit replaces or inserts only the text of what
changes. The result is read again and compared with what was meant, so a file whose style is not understood is refused,
never spoilt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from composer.errors import InputError, InputErrors, Where
from composer.shot.load import read_yaml

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Pair = tuple[float, float]
#: What an override's key is set to; None takes the key away.
Value = str | int | float | bool | Pair | None
#: (from, to, the new text), in characters.
Splice = tuple[int, int, str]
#: Places to a tenth of a millimetre, angles to a ten thousandth of a degree.
_DIGITS = 4
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_PLAIN = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def set_override(text: str, soldier: str, changes: Mapping[str, Value], file: Path = Path("shot.yaml")) -> str:
    """Set or take away keys of what the shot asks of one soldier.

    They go into the last entry that is his alone, or into a new one at the end where a later entry (a region's, a
    list's) has the last word. An entry with nothing left goes; an empty list stays as `[]`.
    """
    rounded = {key: _rounded(value) for key, value in changes.items()}
    root, before = _read(text, file)
    entries = list(before.get("overrides", ()))
    number = _entry_of(entries, soldier)
    given = {key: value for key, value in rounded.items() if value is not None}
    if number is None:
        if not given:
            return text
        entries.append({"soldier": soldier, **given})
        return _checked(
            text, _appended(text, root, {"soldier": soldier, **given}), before, {"overrides": entries}, file
        )
    entry = dict(entries[number])
    for key, value in rounded.items():
        if value is None:
            entry.pop(key, None)
        else:
            entry[key] = value
    node = _value(root, "overrides")
    assert node is not None
    if len(entry) == 1:
        del entries[number]
        new = _without(text, node, number)
    else:
        entries[number] = entry
        new = _changed(text, node.value[number], rounded)
    return _checked(text, new, before, {"overrides": entries}, file)


def remove_override(text: str, number: int, file: Path = Path("shot.yaml")) -> str:
    """Take entry `number` out of the list."""
    root, before = _read(text, file)
    entries = list(before.get("overrides", ()))
    node = _value(root, "overrides")
    if node is None or not 0 <= number < len(entries):
        raise InputError("no such override", where=Where(file), expected=f"below {len(entries)}", got=str(number))
    del entries[number]
    return _checked(text, _without(text, node, number), before, {"overrides": entries}, file)


def set_polygon(text: str, region: str, points: Sequence[Pair], file: Path = Path("shot.yaml")) -> str:
    """Give a region's polygon or path new vertices, in metres or in pixels as the region has it. Numbers that stay stay as they
    are written."""
    root, before = _read(text, file)
    regions = list(before["crowd"]["regions"])
    number = next((i for i, r in enumerate(regions) if r.get("name") == region), None)
    if number is None:
        raise InputError("no such region", where=Where(file), got=region)
    item = _value(_value(root, "crowd"), "regions").value[number]
    key = "path_m" if "path_m" in regions[number] else "polygon_m"
    node = _value(item, key)
    wanted = tuple((_rounded(x), _rounded(z)) for x, z in points)
    if node is not None:
        regions[number] = {**regions[number], key: wanted}
    else:
        node = _value(_value(item, "polygon_px"), "points")
        regions[number] = {**regions[number], "polygon_px": {**regions[number]["polygon_px"], "points": wanted}}
    new = _splice(text, _points(node, wanted))
    return _checked(text, new, before, {"crowd": {**before["crowd"], "regions": tuple(regions)}}, file)


# --- reading and comparing ---


def _read(text: str, file: Path) -> tuple[MappingNode, dict[str, object]]:
    from ruamel.yaml import YAML

    value, _, mistakes = read_yaml(text, file)
    if mistakes:
        raise InputErrors(mistakes)
    assert isinstance(value, dict)
    return YAML(typ="rt", pure=True).compose(text), value


def _checked(old: str, new: str, before: Mapping[str, object], meant: Mapping[str, object], file: Path) -> str:
    value, _, mistakes = read_yaml(new, file)
    wanted = {**before, **meant}
    if mistakes or _same(value) != _same(wanted):
        raise InputError(
            "this edit can't be written without spoiling the file's own style",
            where=Where(file),
            hint="write `overrides:` as a list with one entry a line, then it can",
        )
    return new


def _same(value: object) -> object:
    """Lists and tuples alike, whole floats as they compare."""
    if isinstance(value, Mapping):
        return {k: _same(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_same(v) for v in value]
    return value


def _entry_of(entries: Sequence[Mapping[str, object]], soldier: str) -> int | None:
    """The last entry that is this soldier's alone, unless a later one may mean him too."""
    region = soldier.rpartition(".")[0]
    for number in range(len(entries) - 1, -1, -1):
        who = entries[number].get("soldier")
        if who == soldier or who == (soldier,):
            return number
        if isinstance(who, tuple) and soldier in who:
            return None
        if isinstance(who, int) or entries[number].get("region") == region or "pixel" in entries[number]:
            return None
    return None


def _value(node: Node | None, key: str) -> Node | None:
    for key_node, value_node in node.value if node is not None else ():
        if key_node.value == key:
            return value_node
    return None


# --- text ---


def _rounded(value: Value) -> Value:
    if isinstance(value, tuple | list):
        return tuple(_rounded(v) for v in value)
    return round(value, _DIGITS) + 0.0 if isinstance(value, float) else value


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".") if value else "0"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(v) for v in value) + "]"
    plain = _PLAIN.fullmatch(str(value)) and str(value).lower() not in _NOT_PLAIN
    return str(value) if plain else json.dumps(value)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _splice(text: str, splices: Sequence[Splice]) -> str:
    for start, end, new in sorted(splices, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _end(node: Node) -> int:
    """Where a node's own text ends: a block collection's mark lies after the comments behind it."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, MappingNode) else last)
    return int(node.end_mark.index)


def _line_after(text: str, index: int) -> int:
    """The end of the line that `index` is on, before its line end."""
    found = text.find("\n", index)
    if found < 0:
        return len(text)
    return found - 1 if found > 0 and text[found - 1] == "\r" and found - 1 >= index else found


def _entry(entry: Mapping[str, Value]) -> str:
    return "{" + ", ".join(f"{key}: {_written(value)}" for key, value in entry.items()) + "}"


def _appended(text: str, root: MappingNode, entry: Mapping[str, Value]) -> str:
    """One more entry at the end of the list, which is made at the end of the file where there is none."""
    node, line = _value(root, "overrides"), _line_end(text)
    if node is None:
        gap = "" if not text or text.endswith("\n") else line
        return f"{text}{gap}{line}overrides:{line}  - {_entry(entry)}{line}"
    if node.flow_style or not node.value:
        return _splice(text, [_into_flow(text, node, _entry(entry))])
    at = _line_after(text, _end(node))
    return _splice(text, [(at, at, f"{line}{' ' * node.start_mark.column}- {_entry(entry)}")])


def _into_flow(text: str, node: MappingNode | SequenceNode, new: str) -> Splice:
    """`new` as the last item between the brackets."""
    close = int(node.end_mark.index) - 1
    if not node.value:
        return close, close, new
    last = node.value[-1]
    end = _end(last[1] if isinstance(last, tuple) else last)
    comma = "" if "," in text[end:close] else ", "
    at = close if not comma else end
    return at, at, comma + new


def _changed(text: str, item: MappingNode, changes: Mapping[str, Value]) -> str:
    """The item with these keys set or taken away."""
    keys = {key.value: (number, key, value) for number, (key, value) in enumerate(item.value)}
    splices: list[Splice] = []
    fresh: list[str] = []
    gone: set[int] = set()
    for name, new in changes.items():
        if name not in keys:
            fresh += [] if new is None else [f"{name}: {_written(new)}"]
        elif new is None:
            gone.add(keys[name][0])
        else:
            value = keys[name][2]
            splices.append((int(value.start_mark.index), _end(value), _written(new)))
    if item.flow_style:
        splices += _out_of_flow(text, item, gone)
        if fresh:
            left = [pair for number, pair in enumerate(item.value) if number not in gone]
            at = _end(left[-1][1])
            splices.append((at, at, ", " + ", ".join(fresh)))
    else:
        for number in gone:
            key, value = item.value[number]
            start = text.rfind("\n", 0, int(key.start_mark.index)) + 1
            if text[start : key.start_mark.index].strip():  # it stands behind the dash: the next key moves up
                after = item.value[number + 1][0].start_mark.index if number + 1 < len(item.value) else _end(value)
                splices.append((int(key.start_mark.index), int(after), ""))
            else:
                splices.append((start, min(_line_after(text, _end(value)) + len(_line_end(text)), len(text)), ""))
        if fresh:
            at = _line_after(text, _end(item))
            margin = _line_end(text) + " " * int(item.start_mark.column)
            splices.append((at, at, "".join(margin + one for one in fresh)))
    return _splice(text, _merged(splices))


def _out_of_flow(text: str, node: MappingNode | SequenceNode, gone: set[int]) -> list[Splice]:
    """Take items out from between brackets, each with one comma."""
    bounds = [
        (int((n[0] if isinstance(n, tuple) else n).start_mark.index), _end(n[1] if isinstance(n, tuple) else n))
        for n in node.value
    ]
    splices = []
    for number in gone:
        if number + 1 < len(bounds) and not all(i in gone for i in range(number)):
            splices.append((bounds[number - 1][1], bounds[number][1], ""))
        elif number + 1 < len(bounds):
            splices.append((bounds[number][0], bounds[number + 1][0], ""))
        else:
            start = bounds[number - 1][1] if number else bounds[number][0]
            splices.append((start, bounds[number][1], ""))
    return splices


def _merged(splices: Sequence[Splice]) -> list[Splice]:
    """Insertions at the very start or end of what is taken away stay in order."""
    return sorted(splices, key=lambda s: (s[0], s[1]))


def _without(text: str, node: SequenceNode, number: int) -> str:
    """The list without one entry; `[]` where it was the last."""
    item = node.value[number]
    if node.flow_style:
        return _splice(text, _out_of_flow(text, node, {number}))
    start = text.rfind("\n", 0, int(item.start_mark.index)) + 1
    end = _line_after(text, _end(item))
    if len(node.value) == 1:
        dash = text.rfind("-", 0, int(item.start_mark.index))
        return _splice(text, [(dash, _end(item), "[]")])
    return _splice(text, [(start, min(end + len(_line_end(text)), len(text)), "")])


def _points(node: SequenceNode, wanted: Sequence[Pair]) -> list[Splice]:
    """New numbers for a list of pairs; the whole list anew where the number of pairs changes."""
    if len(node.value) != len(wanted) or any(len(p.value) != 2 for p in node.value):
        return [(int(node.start_mark.index), _end(node), _written(tuple(wanted)))]
    return [
        (int(scalar.start_mark.index), int(scalar.end_mark.index), _written(new))
        for pair, values in zip(node.value, wanted, strict=True)
        for scalar, new in zip(pair.value, values, strict=True)
        if float(scalar.value) != new
    ]
