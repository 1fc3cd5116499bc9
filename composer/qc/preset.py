"""Delivery presets: what a client asks of the files, as `configs/delivery/*.yaml` have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from composer.errors import InputError, Where
from composer.io.content import content_roots, find_content
from composer.io.exr_header import COMPRESSIONS
from composer.qc.delivery import Source
from composer.qc.limits import Limit, check_names
from composer.qc.reading import Finding
from composer.qc.rules import Head
from composer.shot.load import read_strictly
from composer.shot.schema_base import Part, Rate, Text, mistake

_FOLDER = "configs/delivery"
Size = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class _Rule(Part):
    """from: which paper asks for it."""

    model_config = ConfigDict(populate_by_name=True)
    source: Text = Field(alias="from")


class _Sizes(_Rule):
    least: Size | None = None
    just: tuple[Size, ...] | None = None


class _Rates(_Rule):
    any_of: tuple[Rate, ...]


class _Names(_Rule):
    any_of: tuple[Text, ...]


class _AllOf(_Rule):
    all_of: tuple[Text, ...]


class _Numbers(_Rule):
    any_of: tuple[float, ...]


class _Plain(_Rule):
    needed: bool


class _Pattern(_Rule):
    pattern: Text

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise mistake("not a regular expression", got=str(error)) from error
        return value


class _Rules(Part):
    """whole: every frame of the plate. full_data_window: pixels everywhere in the picture. one_part: no multi-part file."""

    size_px: _Sizes | None = None
    frame_rate: _Rates | None = None
    colorspace: _Names | None = None
    pixel_type: _Names | None = None
    compression: _Names | None = None
    channels: _Names | None = None
    pixel_aspect: _Numbers | None = None
    naming: _Pattern | None = None
    attributes: _AllOf | None = None
    whole: _Plain | None = None
    full_data_window: _Plain | None = None
    one_part: _Plain | None = None
    scanlines: _Plain | None = None
    timecode: _Plain | None = None


class _PresetFile(Part):
    muster_delivery: Literal[1]
    title: Text
    about: Text
    rules: _Rules
    limits: dict[str, Limit] = Field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """limits: changes to the usual ones."""

    name: str
    title: str
    rules: _Rules
    limits: Mapping[str, Limit]

    @property
    def whole(self) -> bool:
        return self.rules.whole is not None and self.rules.whole.needed


def preset_names() -> tuple[str, ...]:
    """Those there are, sorted."""
    return tuple(sorted({p.stem for root in content_roots() for p in (root / _FOLDER).glob("*.yaml")}))


def load_preset(name: str) -> Preset:
    """By name, or a file. Raises InputError."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if name not in preset_names():
            raise InputError(
                "no such delivery preset",
                where=Where(field="--preset"),
                expected=f"{', '.join(preset_names())}, or a .yaml file",
                got=repr(name),
            )
        path = find_content(f"{_FOLDER}/{name}.yaml")
    spec, _ = read_strictly(path, _PresetFile, "a delivery preset")
    check_names(spec.limits, Where(file=path, field="limits"))
    return Preset(path.stem, spec.title, spec.rules, spec.limits)


def preset_findings(preset: Preset, heads: Mapping[int, Head], source: Source) -> list[Finding]:
    """Every rule of the preset that a frame does not keep; frames that are missing are told by their own measure."""
    found = []
    for head in heads.values():
        for rule, what, asked in _broken(preset.rules, head):
            found.append(Finding(head.number, rule, f"{what} ({asked.source})"))
    if preset.whole and source.stage is None:
        asked_by = preset.rules.whole.source if preset.rules.whole else ""
        found.append(Finding(None, "whole", f"cannot be told without the shot: name it with --shot ({asked_by})"))
    return found


def _broken(rules: _Rules, head: Head) -> Iterator[tuple[str, str, _Rule]]:
    picture = head.picture
    size, sizes = head.size_px, rules.size_px
    if sizes and sizes.least and (size[0] < sizes.least[0] or size[1] < sizes.least[1]):
        yield "size", f"expected at least {sizes.least[0]} x {sizes.least[1]}, got {size[0]} x {size[1]}", sizes
    if sizes and sizes.just and size not in sizes.just:
        allowed = " or ".join(f"{w} x {h}" for w, h in sizes.just)
        yield "size", f"expected {allowed}, got {size[0]} x {size[1]}", sizes
    if rules.frame_rate and head.rate not in rules.frame_rate.any_of:
        allowed = ", ".join(map(_told_rate, rules.frame_rate.any_of))
        yield "frame rate", f"expected one of {allowed}, got {head.rate}", rules.frame_rate
    if rules.pixel_aspect and not any(abs(picture.pixel_aspect - a) < 1e-5 for a in rules.pixel_aspect.any_of):
        yield "pixel aspect", f"got {picture.pixel_aspect:g}", rules.pixel_aspect
    if rules.naming and not re.fullmatch(rules.naming.pattern, head.path.name):
        yield "naming", f"{head.path.name} does not match {rules.naming.pattern}", rules.naming
    yield from _of_colour(rules, head)
    yield from _of_container(rules, head)


def _of_colour(rules: _Rules, head: Head) -> Iterator[tuple[str, str, _Rule]]:
    space = str(head.get("muster:colorspace"))
    if rules.colorspace and space not in rules.colorspace.any_of:
        allowed = " or ".join(rules.colorspace.any_of)
        yield "colour space", f"expected {allowed}, got {space}", rules.colorspace
    types = sorted({c.dtype.replace("float16", "half").replace("float32", "float") for c in head.picture.channels})
    if rules.pixel_type and not set(types) <= set(rules.pixel_type.any_of):
        yield "pixel type", f"expected {' or '.join(rules.pixel_type.any_of)}, got {', '.join(types)}", rules.pixel_type
    letters = "".join(c for c in "RGBA" if any(c == own.name for own in head.picture.channels))
    if rules.channels and letters not in rules.channels.any_of:
        yield "channels", f"expected {' or '.join(rules.channels.any_of)}, got {letters}", rules.channels


def _of_container(rules: _Rules, head: Head) -> Iterator[tuple[str, str, _Rule]]:
    used = sorted({COMPRESSIONS[p.compression] for p in head.parts})
    if rules.compression and not set(used) <= set(rules.compression.any_of):
        yield (
            "compression",
            f"expected {' or '.join(rules.compression.any_of)}, got {', '.join(used)}",
            rules.compression,
        )
    if (
        rules.full_data_window
        and rules.full_data_window.needed
        and head.picture.data_window != head.picture.display_window
    ):
        yield "data window", f"expected the display window, got {head.picture.data_window}", rules.full_data_window
    if rules.one_part and rules.one_part.needed and len(head.parts) > 1:
        yield "one part", f"expected one part, got {len(head.parts)}", rules.one_part
    if rules.scanlines and rules.scanlines.needed and head.picture.tiles is not None:
        yield "scanlines", "expected scanlines, got tiles", rules.scanlines
    if rules.timecode and rules.timecode.needed and head.timecode is None:
        yield "time code", "there is none", rules.timecode
    if rules.attributes:
        absent = [n for n in rules.attributes.all_of if head.get(n) is None]
        if absent:
            yield "attributes", f"no {', '.join(absent)}", rules.attributes


def _told_rate(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.3f}"
