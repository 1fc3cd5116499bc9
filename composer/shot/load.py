"""Strict reading of `shot.yaml`: every mistake at once, each with its line and column.

YAML is read down to nodes by ruamel and turned into plain values here, so that nothing is constructed by tag, nothing
is expanded from an alias, and each key keeps its place. pydantic then checks the values against `schema`.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema import ShotFile, place_of
from composer.shot.schema_base import Loc

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12

Value = None | bool | int | float | str | tuple["Value", ...] | dict[str, "Value"]
Places = dict[Loc, tuple[int, int]]

_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("null", "bool", "int", "float", "str", "timestamp")}


M = TypeVar("M", bound=BaseModel)


def load_shot(path: str | Path) -> ShotFile:
    """Read and check one `shot.yaml`. Raises InputErrors with everything that is wrong with it (files that it names are
    looked at later, by `check` and `prepare`)."""
    path = Path(path)
    return parse_shot(_text_of(path, "a shot"), path)


def read_strictly(path: Path, model: type[M], what: str) -> tuple[M, Places]:
    """Any YAML file, as strictly as a shot: its model, and where its keys stand. what: 'a cast'. Raises InputErrors."""
    return _parse(_text_of(path, what), path, model, what)


def _text_of(path: Path, what: str) -> str:
    where = Where(file=path)
    try:
        if path.is_dir():
            raise InputError("this is a folder", where=where, expected=f"{what}, a .yaml file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputErrors([InputError("no such file", where=where)]) from error
    except OSError as error:
        raise InputErrors([InputError(f"cannot be read ({error.strerror})", where=where)]) from error
    except InputError as error:
        raise InputErrors([error]) from error
    if len(data) > MAX_BYTES:
        raise InputErrors([InputError(f"too big for {what}", where=where, expected=f"at most {MAX_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputErrors([InputError("not UTF-8 text", where=Where(file=path, line=line))]) from error


def parse_shot(text: str, file: str | Path = "shot.yaml") -> ShotFile:
    """The same for text; `file` is what paths are relative to and what errors name."""
    file = Path(file)
    shot, places = _parse(text, file, ShotFile, "a shot")
    shot._file, shot._places = file, places
    return shot


def _parse(text: str, file: Path, model: type[M], what: str) -> tuple[M, Places]:
    value, places, mistakes = read_yaml(text, file, what)
    if mistakes:
        raise InputErrors(mistakes)
    try:
        return model.model_validate(value), places
    except ValidationError as error:
        raise InputErrors(_told(error, value, places, file, model)) from error


# --- YAML down to plain values ---


def read_yaml(text: str, file: Path, what: str = "a shot") -> tuple[Value, Places, list[MusterError]]:
    """Plain values, the place (line, column, from 1) of each key and item, and what is not allowed in a shot."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    def fail(what: str, line: int | None = None, column: int | None = None) -> tuple[Value, Places, list[MusterError]]:
        return None, {}, [InputError(what, where=Where(file=file, line=line, column=column))]

    try:
        mistakes = _forbidden(text, file, what)
        if mistakes:
            return None, {}, mistakes
        node = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"not YAML: {error.problem or error.context}"
        return fail(what, *((mark.line + 1, mark.column + 1) if mark else ()))
    except (YAMLError, ValueError, AttributeError, IndexError, AssertionError) as error:
        return fail(f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    if node is None:
        return fail("empty", 1, 1)
    places: Places = {(): (node.start_mark.line + 1, node.start_mark.column + 1)}
    value = _plain(node, (), places, mistakes, file)
    if not mistakes and not isinstance(value, dict):
        return fail(f"{what} is a list of keys and values (key: value)", 1, 1)
    return value, places, mistakes


def _forbidden(text: str, file: Path, kind: str) -> list[MusterError]:
    """Anchors, aliases, tags, depth, more than one document: seen in the event stream, before anything is built."""
    from ruamel.yaml import YAML
    from ruamel.yaml import events as ev

    found: list[MusterError] = []
    depth = documents = 0

    def add(what: str, event: ev.Event, hint: str = "") -> None:
        mark = event.start_mark
        found.append(
            InputError(what, where=Where(file=file, line=mark.line + 1, column=mark.column + 1), hint=hint or None)
        )

    for event in YAML(typ="rt", pure=True).parse(text):
        if isinstance(event, ev.DocumentStartEvent):
            documents += 1
            if documents == 2:
                add("a second document", event, f"{kind} a file")
        elif isinstance(event, ev.AliasEvent):
            add(f"alias *{event.anchor}", event, "write the value out")
        elif isinstance(event, ev.NodeEvent):
            if event.anchor is not None:
                add(f"anchor &{event.anchor}", event, "write the value out where it is needed")
            if getattr(event, "tag", None) is not None:
                add(f"tag {event.tag}", event, "plain values only")
        if isinstance(event, ev.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                add("nested too deep", event, f"at most {MAX_DEPTH} levels")
                return found
        elif isinstance(event, ev.CollectionEndEvent):
            depth -= 1
    return found


def _plain(node: object, loc: Loc, places: Places, mistakes: list[MusterError], file: Path) -> Value:
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    if isinstance(node, ScalarNode):
        return _scalar(node, loc, places, mistakes, file)
    if isinstance(node, SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            places[(*loc, index)] = (item.start_mark.line + 1, item.start_mark.column + 1)
            items.append(_plain(item, (*loc, index), places, mistakes, file))
        return tuple(items)
    assert isinstance(node, MappingNode)
    out: dict[str, Value] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        where = Where(file=file, line=mark.line + 1, column=mark.column + 1, field=".".join(map(str, loc)) or None)
        if not isinstance(key_node, ScalarNode):
            mistakes.append(InputError("a key must be a word", where=where))
            continue
        key = str(key_node.value)
        if key == "<<" or str(key_node.tag).endswith(":merge"):
            mistakes.append(InputError("merge key <<", where=where, hint="write the values out"))
            continue
        if key in out:
            first = places[(*loc, key)][0]
            mistakes.append(InputError(f"{key} is given twice", where=where, hint=f"the first is on line {first}"))
            continue
        places[(*loc, key)] = (mark.line + 1, mark.column + 1)
        out[key] = _plain(value_node, (*loc, key), places, mistakes, file)
    return out


def _scalar(node: object, loc: Loc, places: Places, mistakes: list[MusterError], file: Path) -> Value:
    text = str(node.value)
    kind = _TAGS.get(str(node.tag), "str")
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            digits = text.replace("_", "")
            return int(digits, 0 if digits.lstrip("+-")[:2].lower() in ("0x", "0o") else 10)
        if kind == "float":
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        mistakes.append(InputError("not a number", where=place_of(file, places, loc), got=text[:40]))
        return None
    return text


# --- mistakes in words ---

_WORDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "mapping_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "finite_number": "a finite number",
}


def _told(error: ValidationError, value: Value, places: Places, file: Path, root: type[BaseModel]) -> list[MusterError]:
    told: list[MusterError] = []
    for detail in error.errors(include_url=False):
        if detail["type"] == "default_factory_not_called":
            continue  # what it depends on has been told
        given, least = detail["input"], detail.get("ctx", {}).get("min_length", 0)
        if detail["type"] == "too_short" and isinstance(given, tuple) and len(given) >= least:
            continue  # pydantic counts only the items without mistakes, and those have been told
        told.append(_one(detail, value, places, file, root))
    told.sort(key=lambda e: (e.where.line or 0, e.where.column or 0))
    unique: dict[str, MusterError] = {e.line(): e for e in told}
    return list(unique.values())


def _one(detail: ErrorDetails, value: Value, places: Places, file: Path, root: type[BaseModel]) -> InputError:
    kind, context = detail["type"], detail.get("ctx", {})
    loc = _real_loc(detail["loc"], value, keep_last=kind in ("missing", "extra_forbidden"))
    if kind == "shot":
        loc = (*loc, context["key"]) if context["key"] else loc
        parts = {k: str(context[k]) or None for k in ("expected", "got", "hint")}
        return InputError(str(context["what"]), where=place_of(file, places, loc), **parts)
    where = place_of(file, places, loc)
    if kind == "extra_forbidden":
        return _unknown_key(loc, value, where, root)
    if kind == "missing":
        if isinstance(loc[-1], int):
            return InputError(
                "too few values", where=place_of(file, places, loc[:-1]), got=_shown(_at(value, loc[:-1]))
            )
        return InputError("missing", where=where)
    got = _shown(detail["input"])
    if kind == "too_long":
        return InputError("too many values", where=where, expected=f"{context.get('max_length')}", got=got)
    if kind in ("too_short", "string_too_short"):
        return InputError(
            "too few values" if kind == "too_short" else "empty",
            where=where,
            expected=f"at least {context.get('min_length')}",
            got=got,
        )
    if kind == "literal_error":
        return InputError(
            "unknown value",
            where=where,
            expected=str(context.get("expected")),
            got=got,
            hint=_nearest(detail["input"], str(context.get("expected"))),
        )
    if kind == "string_pattern_mismatch":
        return InputError("not a name", where=where, expected="letters, digits, _ and -, at most 64", got=got)
    if kind in _WORDS:
        hint = "write it in quotes" if kind == "string_type" and isinstance(detail["input"], int | float) else None
        return InputError("wrong kind of value", where=where, expected=_WORDS[kind], got=got, hint=hint)
    limits = {
        "greater_than": "more than {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "less than {lt}",
        "less_than_equal": "at most {le}",
    }
    if kind in limits:
        return InputError("out of range", where=where, expected=limits[kind].format(**context), got=got)
    return InputError(detail["msg"], where=where, got=got)


def _nearest(given: object, expected: str) -> str | None:
    words = [w.strip("' ") for w in expected.replace(" or ", ",").split(",")]
    close = difflib.get_close_matches(str(given), words, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None


def _unknown_key(loc: Loc, value: Value, where: Where, root: type[BaseModel]) -> InputError:
    known = _keys_at(loc[:-1], value, root)
    close = difflib.get_close_matches(str(loc[-1]).lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}" if known else None
    return InputError("unknown key", where=where, hint=hint)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        text = "[" + ", ".join(_shown(v) for v in value[:8]) + (", ..." if len(value) > 8 else "") + "]"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(map(str, list(value)[:6])) + ("...}" if len(value) > 6 else "}")
    else:
        text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 80 else text[:77] + "..."


def _at(value: Value, loc: Loc) -> Value:
    for part in loc:
        value = value[part]  # type: ignore[index]
    return value


def _real_loc(loc: Loc, value: Value, *, keep_last: bool) -> Loc:
    """pydantic's loc without what it puts in for unions (tags, type names): only steps that exist in the value."""
    out: list[str | int] = []
    for number, part in enumerate(loc):
        if (isinstance(value, Mapping) and part in value) or (
            isinstance(value, tuple) and isinstance(part, int) and part < len(value)
        ):
            value = value[part]
        elif not (keep_last and number == len(loc) - 1):
            continue
        out.append(part)
    return tuple(out)


def _keys_at(loc: Loc, value: Value, root: type[BaseModel]) -> list[str]:
    """The keys that the schema knows at `loc`."""
    models: list[type[BaseModel]] = [root]
    for part in loc:
        kinds = [m.model_fields[part].annotation for m in models if isinstance(part, str) and part in m.model_fields]
        value = _at(value, (part,))
        models = [m for kind in kinds for m in _models_in(kind)] or models
    if isinstance(value, Mapping) and len(models) > 1:
        given = str(value.get("model", ""))
        fitting = [m for m in models if ("model" in m.model_fields) == bool(given) and _takes(m, given)]
        models = fitting or models
    return sorted({name for m in models for name in m.model_fields})


def _takes(model: type[BaseModel], kind: str) -> bool:
    return not kind or kind in typing.get_args(model.model_fields["model"].annotation)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) is None and not isinstance(annotation, types.UnionType):
        return []
    return [m for arg in typing.get_args(annotation) for m in _models_in(arg)]
