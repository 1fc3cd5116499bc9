"""Rules that every delivery keeps, read off the headers: names, numbers, sizes, rates, time codes, colour spaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from composer.deliver.attributes import INTEROP_ID
from composer.errors import InputError
from composer.io.exr_attributes import Chromaticities
from composer.io.exr_header import FileHeader, PartHeader
from composer.io.timecode import Timecode, add_frames
from composer.qc.delivery import Listing, Source
from composer.qc.reading import Finding


@dataclass(frozen=True)
class Head:
    """What the headers of one delivered EXR say. picture: of the composite's part."""

    number: int
    path: Path
    parts: tuple[PartHeader, ...]
    picture: PartHeader

    @staticmethod
    def of(number: int, path: Path, header: FileHeader) -> Head | None:
        """None where there is no composite."""
        picture = next((p for p in header.parts if p.name == "rgba"), None)
        return None if picture is None else Head(number, path, tuple(header.parts), picture)

    @property
    def size_px(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self.picture.display_window
        return x1 - x0 + 1, y1 - y0 + 1

    def get(self, name: str) -> object:
        return self.picture.attributes.get(name)

    @property
    def timecode(self) -> str | None:
        code = self.get("muster:timecode") or self.get("timeCode")
        return str(code) if code else None

    @property
    def rate(self) -> Fraction | None:
        rate = self.get("framesPerSecond")
        return rate if isinstance(rate, Fraction) else None


def rule_findings(heads: Mapping[int, Head], listing: Listing, source: Source) -> list[Finding]:
    """Every rule that is not kept."""
    found: list[Finding] = []
    first = next(iter(heads.values()), None)
    if first is None:
        return found
    for head in heads.values():
        found += (Finding(head.number, rule, what) for rule, what in _of_one(head, listing))
        found += (Finding(head.number, rule, what) for rule, what in _against(head, first, listing, source))
    found += _timecodes(heads, listing, source)
    return sorted(found, key=lambda f: (f.frame or 0, f.rule))


def _of_one(head: Head, listing: Listing) -> Iterator[tuple[str, str]]:
    due = f"{listing.shot}_{listing.version}.{head.number:04d}.exr"
    if head.path.name != due:
        yield "name", f"expected {due}, got {head.path.name}"
    for key, expected in (("frame", head.number), ("shot", listing.shot), ("version", listing.version)):
        told = head.get(f"muster:{key}")
        if told is not None and str(told) != str(expected):
            yield "header", f"muster:{key} says {told}, the file is of {expected}"
    if head.picture.data_window != head.picture.display_window:
        yield "data window", f"expected the display window, got {head.picture.data_window}"
    record = listing.records.get(head.number)
    names = [p.name for p in head.parts]
    if record is not None and list(record.parts) != names:
        other = sorted(set(record.parts) ^ set(names))
        yield "parts", f"the record lists other parts than the file has: {', '.join(other)[:80]}"


def _against(head: Head, first: Head, listing: Listing, source: Source) -> Iterator[tuple[str, str]]:
    """Against the plate where it is known, else against the manifest or the first frame."""
    plate = source.stage.plate if source.stage else None
    size = plate.size_px if plate else first.size_px
    if head.size_px != size:
        yield "size", f"expected {size[0]} x {size[1]}, got {head.size_px[0]} x {head.size_px[1]}"
    rate = listing.rate or (plate.frame_rate if plate else first.rate)
    if head.rate is None or head.rate != rate:
        yield "frame rate", f"expected {rate}, got {head.rate}"
    aspect = plate.pixel_aspect if plate else first.picture.pixel_aspect
    if abs(head.picture.pixel_aspect - aspect) > 1e-5:
        yield "pixel aspect", f"expected {aspect:g}, got {head.picture.pixel_aspect:g}"
    space = listing.colorspace or (plate.delivery_colorspace if plate else str(first.get("muster:colorspace")))
    if head.get("muster:colorspace") != space:
        yield "colour space", f"expected {space}, got {head.get('muster:colorspace')}"
    interop = head.get("colorInteropID")
    if interop is not None and INTEROP_ID.get(space, interop) != interop:
        yield "colour space", f"colorInteropID {interop} is not that of {space}"
    primaries = head.get("chromaticities")
    due = _primaries(source, space) or first.get("chromaticities")
    if isinstance(due, Chromaticities) and not (isinstance(primaries, Chromaticities) and primaries.close_to(due)):
        yield "colour space", f"chromaticities are not those of {space}"


def _primaries(source: Source, space: str) -> Chromaticities | None:
    if source.stage is None:
        return None
    known = source.stage.color.chromaticities(space)
    return Chromaticities.of(known) if known else None


def _timecodes(heads: Mapping[int, Head], listing: Listing, source: Source) -> Iterator[Finding]:
    """Each frame's against the plate's, or against that of the first frame that has one."""
    plate = source.stage.plate if source.stage else None
    start: tuple[int, str] | None = (plate.frames[0], plate.timecode) if plate and plate.timecode else None
    for head in heads.values():
        code, rate = head.timecode, listing.rate or head.rate
        if code is None:
            if start is not None:
                yield Finding(head.number, "time code", "there is none")
            continue
        if start is None or rate is None:
            start = start or (head.number, code)
            continue
        try:
            due = add_frames(start[1], head.number - start[0], rate)
        except InputError as error:
            yield Finding(head.number, "time code", error.what)
            continue
        if code != due:
            yield Finding(head.number, "time code", f"expected {due}, got {code}")
        standard = head.get("timeCode")
        if isinstance(standard, Timecode) and str(standard) != code:
            yield Finding(head.number, "time code", f"timeCode says {standard}, muster:timecode {code}")
