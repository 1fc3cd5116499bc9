"""The manifest: what was made, from what, and what fell back.

Every frame leaves a record of its own under `.muster/frames/`, written at once, so that render nodes never write into each
other's file; `manifest.json` is put together from the records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from composer.io.files import atomic_write, sha256_file


@dataclass(frozen=True)
class FrameRecord:
    """One delivered frame.

    key: digest of everything that the frame depends on. files: path relative to the delivery to SHA-256.
    seconds: by stage. left_out: EXR parts that would have held nothing. paint: as in
    `PaintRecord`, None where nothing was painted.
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
        return FrameRecord(**json.loads(record_path(delivery, frame).read_text()))
    except (OSError, ValueError, TypeError):
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


def write_manifest(delivery: Path, head: Mapping[str, object]) -> Path:
    """Put `manifest.json` together from `head` and every frame's record."""
    records = sorted((delivery / ".muster" / "frames").glob("*.json"))
    frames = [json.loads(r.read_text()) for r in records]
    path = delivery / "manifest.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps({**head, "frames": frames}, indent=1, default=str) + "\n")
    return path
