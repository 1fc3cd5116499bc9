"""What a delivery folder holds and what it should hold, and the plate that it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from composer.errors import InputError, MusterError, Where
from composer.io.files import sha256_file, whole_files
from composer.io.timecode import frame_rate
from composer.qc.reading import Finding
from composer.render.manifest import FrameRecord, all_records, record_of, shot_of
from composer.shot.load import load_shot
from composer.shot.reduced import reduced
from composer.shot.stage import Stage, prepare


@dataclass(frozen=True)
class Listing:
    """width_px: that the manifest tells. records: by frame. files: the EXR of each frame that is there. extra: names in exr/
    that nobody lists. notes: what could not be read."""

    folder: Path
    shot: str
    version: str
    quality: str
    colorspace: str | None
    rate: Fraction | None
    width_px: int | None
    records: Mapping[int, FrameRecord]
    files: Mapping[int, Path]
    extra: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Frames that are there or listed, ascending."""
        return tuple(sorted({*self.files, *self.records}))


def list_delivery(folder: Path) -> Listing:
    """Raises InputError where there is no delivery."""
    head, notes = _manifest(folder)
    told = head.get("frames")
    records = {r.frame: r for r in map(_record, told if isinstance(told, list) else ()) if r is not None}
    own = {r.frame: r for r in all_records(folder)[0]}
    if missing := sorted(set(own) - set(records)):
        notes.append(f"{len(missing)} frames have a record and are not in the manifest")
    records = {**own, **records}
    there = whole_files(folder / "exr", "*")
    if not records and not any(p.suffix == ".exr" for p in there):
        raise InputError(
            "no delivery here",
            where=Where(file=folder),
            expected="a folder that `muster render` wrote (OUT/<shot>/<version>), with its manifest.json",
        )
    listed = {str(name) for r in records.values() for name in r.files}
    files: dict[int, Path] = {}
    extra = []
    for path in there:
        name = f"exr/{path.name}"
        if path.suffix != ".exr":
            extra += [name] if path.suffix != ".c2pa" else []
            continue
        number = number_of(path)
        if name not in listed and records:
            extra.append(name)
        if number is not None and (name in listed or number not in records) and number not in files:
            files[number] = path
    first = next(iter(sorted(files.values())), None)
    return Listing(
        folder,
        str(head.get("shot") or (first.stem.rsplit("_", 1)[0] if first else folder.parent.name)),
        str(head.get("version") or folder.name),
        str(head.get("quality", "")),
        str(head["colorspace"]) if "colorspace" in head else None,
        _rate(head.get("frame_rate")),
        _width(head.get("size_px")),
        dict(sorted(records.items())),
        dict(sorted(files.items())),
        tuple(extra),
        tuple(notes),
    )


def _manifest(folder: Path) -> tuple[dict[str, object], list[str]]:
    try:
        told = json.loads((folder / "manifest.json").read_bytes())
        return (told, []) if isinstance(told, dict) else ({}, ["manifest.json is no manifest"])
    except FileNotFoundError:
        return {}, ["there is no manifest.json"]
    except (OSError, ValueError) as error:
        return {}, [f"manifest.json cannot be read ({str(error)[:80]})"]


def _record(told: object) -> FrameRecord | None:
    try:
        return record_of(told)  # type: ignore[arg-type]
    except (TypeError, AttributeError):
        return None


def _rate(told: object) -> Fraction | None:
    try:
        return frame_rate(str(told))
    except InputError:
        return None


def _width(told: object) -> int | None:
    return told[0] if isinstance(told, list) and told and isinstance(told[0], int) and told[0] > 0 else None


def number_of(path: Path) -> int | None:
    """1001 of `x_v001.1001.exr`."""
    last = path.stem.rsplit(".", 1)[-1]
    return int(last) if last.isdecimal() and len(last) < 10 else None


@dataclass(frozen=True)
class Source:
    """stage: the shot, opened again; None where it cannot be, and `why`. smaller: made smaller, as the delivery was."""

    stage: Stage | None
    why: str = ""
    smaller: bool = False

    @property
    def spread(self) -> bool:
        """Whether the shot asks for something that makes the crowd's alpha softer than its ids."""
        match = getattr(self.stage.shot, "match", None) if self.stage else None
        return any(getattr(match, name, None) is not None for name in ("defocus", "motion_blur", "edge"))

    @property
    def frames(self) -> tuple[int, ...]:
        return self.stage.plate.frames if self.stage else ()


def open_source(listing: Listing, shot: Path | None = None) -> Source:
    """The shot that was rendered: the one given, else the one that the delivery remembers. Raises InputError where the one
    given is wrong."""
    if shot is not None:
        stage = prepare(load_shot(shot))
        if stage.shot.shot != listing.shot:
            raise InputError(
                "not the shot of this delivery", where=Where(file=shot), expected=listing.shot, got=stage.shot.shot
            )
        return _as_delivered(stage, listing)
    remembered = shot_of(listing.folder)
    if remembered is None:
        return Source(None, "the delivery does not know its shot file; name it with --shot")
    try:
        return _as_delivered(prepare(load_shot(remembered)), listing)
    except MusterError as error:
        return Source(None, f"the shot cannot be opened again ({str(error.errors[0])[:160]}); name it with --shot")


def _as_delivered(stage: Stage, listing: Listing) -> Source:
    """The stage, made smaller where the delivery was (`muster render --width`) and says so."""
    width = listing.width_px
    if width is None or width >= stage.plate.size_px[0]:
        return Source(stage)
    return Source(reduced(stage, width), smaller=True)


def missing_of(listing: Listing, source: Source, asked: Sequence[int] | None, whole: bool = False) -> tuple[int, ...]:
    """Frames that should be there and are not. asked: those that must be; None: from the first to the last that is there or
    listed, as far as the plate has them. whole: all of the plate."""
    if asked is not None:
        due = set(asked)
    else:
        numbers = listing.numbers
        due = set(range(numbers[0], numbers[-1] + 1)) if numbers else set()
        if source.frames:
            due = set(source.frames) if whole else due & set(source.frames)
    return tuple(sorted((due | set(listing.records)) - set(listing.files)))


def changed_files(listing: Listing, record: FrameRecord) -> list[Finding]:
    """Files of a record that are gone (its EXR aside, which counts as a missing frame) or have another digest."""
    found = []
    for name, digest in record.files.items():
        path = listing.folder / str(name)
        if ".." in Path(name).parts or Path(name).is_absolute():
            found.append(Finding(record.frame, "file", f"{name}: not the name of a file in the delivery"))
        elif not path.is_file():
            if not str(name).startswith("exr/"):
                found.append(Finding(record.frame, "file", f"{name}: missing"))
        elif sha256_file(path) != digest:
            found.append(Finding(record.frame, "file", f"{name}: not the file that was rendered"))
    return found
