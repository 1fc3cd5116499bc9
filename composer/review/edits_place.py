"""Edits of `environment.paintings` in `shot.yaml` that leave every other byte of it alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from composer.errors import InputError, Where
from composer.review.edits import (
    Value,
    _changed,
    _checked,
    _end,
    _entry,
    _into_flow,
    _line_after,
    _line_end,
    _read,
    _splice,
    _value,
)

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode

#: What told a bundle how to paint goes when a picture takes its place.
_OF_A_BUNDLE = ("bundle", "prompt", "negative", "strength", "steps", "guidance", "seed", "colorspace")


def set_painting(text: str, frame: int, picture: str, colorspace: str | None, file: Path = Path("shot.yaml")) -> str:
    """The painting of a frame: a new entry of `environment.paintings`, or in place of what the last one of that frame
    says."""
    root, before = _read(text, file)
    node, place = _value(root, "environment"), before.get("environment")
    if node is None or not isinstance(place, Mapping):
        raise InputError("this shot has no place to paint", where=Where(file), expected="environment:")
    paintings = list(place.get("paintings") or ())
    wanted: dict[str, Value] = {"frame": frame, "picture": picture}
    if colorspace is not None:
        wanted["colorspace"] = colorspace
    number = next((i for i in reversed(range(len(paintings))) if paintings[i].get("frame") == frame), None)
    if number is not None:
        gone = {key: None for key in _OF_A_BUNDLE if key in paintings[number] and key not in wanted}
        kept = {key: value for key, value in paintings[number].items() if key not in gone}
        changes = {key: value for key, value in {**wanted, **gone}.items() if paintings[number].get(key) != value}
        new = text
        if changes:
            new = _changed(text, _value(node, "paintings").value[number], changes)  # type: ignore[union-attr]
        paintings[number] = {**kept, **wanted}
    else:
        new = _with_entry(text, node, _entry(wanted))  # type: ignore[arg-type]
        paintings.append(wanted)
    return _checked(text, new, before, {"environment": {**place, "paintings": tuple(paintings)}}, file)


def _with_entry(text: str, place: MappingNode, entry: str) -> str:
    """One more painting at the end of the list, which is made at the end of `environment:` where there is none."""
    node, line = _value(place, "paintings"), _line_end(text)
    if node is not None and (node.flow_style or not node.value):
        return _splice(text, [_into_flow(text, node, entry)])
    if node is not None:
        at = _line_after(text, _end(node))
        return _splice(text, [(at, at, f"{line}{' ' * node.start_mark.column}- {entry}")])
    if place.flow_style:
        return _splice(text, [_into_flow(text, place, f"paintings: [{entry}]")])
    at, margin = _line_after(text, _end(place)), " " * place.start_mark.column
    return _splice(text, [(at, at, f"{line}{margin}paintings:{line}{margin}  - {entry}")])
