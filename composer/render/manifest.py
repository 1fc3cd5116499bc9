"""The manifest: what was made, from what, and what fell back.

Every frame leaves a record of its own under `.muster/frames/`, written at once, so that render nodes never write into each
other's file; `manifest.json` is put together from the records.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from composer.io.files import atomic_write, sha256_file, whole_files
from composer.io.lock import held

_SHOT = ".muster/shot.json"
_UNREADABLE = (OSError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class FrameRecord:
    """One delivered frame.

    key: digest of everything that the frame depends on. files: path relative to the delivery to SHA-256.
    seconds: by stage. left_out: EXR parts that would have held nothing. paint: as in
    `PaintRecord`, None where nothing was painted. elements: the layers that lie on the plate, delivered or not; None where
    an earlier version did not say.
    """

    frame: int
    key: str
    files: Mapping[str, str]
    parts: Sequence[str]
    left_out: Sequence[str]
    untouched_sha256: str
    soldiers_visible: int
    seed: int
    code_version: str
    notes: Sequence[str]
    seconds: Mapping[str, float]
    peak_memory_mib: int
    paint: Mapping[str, object] | None = None
    elements: Sequence[str] | None = None

    @property
    def undelivered(self) -> tuple[str, ...]:
        """Layers that may lie on the plate and were not asked for: what they cover cannot be told from the plate."""
        drawn = ("crowd", "shadow") if self.elements is None else self.elements
        return tuple(e for e in drawn if e not in self.parts and e not in self.left_out)


def record_path(delivery: Path, frame: int) -> Path:
    return delivery / ".muster" / "frames" / f"{frame:04d}.json"


def write_record(delivery: Path, record: FrameRecord) -> None:
    path = record_path(delivery, record.frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1))


def read_record(delivery: Path, frame: int) -> FrameRecord | None:
    """The record of a frame, or None where there is none that can be read."""
    try:
        return record_of(json.loads(record_path(delivery, frame).read_text()))
    except _UNREADABLE:
        return None


def record_of(told: dict[str, object]) -> FrameRecord:
    """A record out of JSON. Raises TypeError where it is none."""
    record = FrameRecord(**told)  # type: ignore[arg-type]
    texts = (
        record.key,
        record.untouched_sha256,
        *record.parts,
        *record.left_out,
        *(record.elements or ()),
        *record.files,
        *record.files.values(),
    )
    if type(record.frame) is not int or not all(isinstance(t, str) for t in texts):
        raise TypeError("not a frame's record")
    return record


def remember_shot(delivery: Path, shot_file: Path) -> None:
    """Note which shot file a delivery was made from, by its way from there: for those who look at both. It lies with the records,
    so it does not travel with the manifest."""
    with contextlib.suppress(ValueError), atomic_write(delivery / _SHOT) as temporary:
        told = os.path.relpath(shot_file.resolve(), delivery.resolve())
        temporary.write_text(json.dumps({"shot": Path(told).as_posix()}) + "\n")


def shot_of(delivery: Path) -> Path | None:
    """The shot file that `remember_shot` noted."""
    try:
        told = json.loads((delivery / _SHOT).read_text())
        return Path(os.path.normpath(delivery.resolve() / str(told["shot"])))
    except (*_UNREADABLE, KeyError):
        return None


def is_done(delivery: Path, frame: int, key: str) -> bool:
    """Whether the frame was made from the same inputs and its files are still the ones that were written."""
    record = read_record(delivery, frame)
    if record is None or record.key != key:
        return False
    return all(same(delivery / name, digest) for name, digest in record.files.items())


def same(path: Path, digest: str) -> bool:
    """Whether a file is there with this SHA-256."""
    return path.is_file() and sha256_file(path) == digest


def all_records(delivery: Path) -> tuple[tuple[FrameRecord, ...], tuple[str, ...]]:
    """Every frame's record, by number, and the names of records that cannot be read."""
    records, unreadable = [], []
    for path in whole_files(delivery / ".muster" / "frames", "*.json"):
        try:
            records.append(record_of(json.loads(path.read_text())))
        except _UNREADABLE:
            unreadable.append(path.name)
    return tuple(sorted(records, key=lambda r: r.frame)), tuple(unreadable)


@contextlib.contextmanager
def put_together(delivery: Path) -> Iterator[None]:
    """Held while proxy and manifest are made of what is there, so that of several processes the last one to do so has seen
    what all have written."""
    with held(delivery / ".muster" / "lock"):
        yield


def write_manifest(delivery: Path, head: Mapping[str, object]) -> Path:
    """Put `manifest.json` together from `head` and every frame's record."""
    records, unreadable = all_records(delivery)
    told = dict(head)
    if unreadable:
        notes = [f"the record {name} cannot be read: its frame is left out, render it again" for name in unreadable]
        told["notes"] = [*_texts(head.get("notes")), *notes]
    path = delivery / "manifest.json"
    with atomic_write(path) as temporary:
        text = json.dumps({**told, "frames": [asdict(r) for r in records]}, indent=1, default=str)
        temporary.write_text(text + "\n")
    return path


def _texts(notes: object) -> list[str]:
    return [str(n) for n in notes] if isinstance(notes, list | tuple) else []
