"""The signatures of a delivery: that each holds, belongs to its file, and says what the delivery says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from composer.deliver.claims import MIME, Told, check, sidecar_of
from composer.errors import InputError
from composer.io.files import whole_files
from composer.render.manifest import same
from composer.render.sign import Signature


class Listing(Protocol):
    """What is known of a delivered file."""

    @property
    def frame(self) -> int | None: ...


def inside(name: str) -> bool:
    """Whether a listed name is that of a file in the delivery, and not a way out of it."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


@dataclass
class Findings:
    """wrong: frame, file, what. signers: whose signatures hold."""

    wrong: list[tuple[int | None, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    signers: tuple[str, ...] = ()


def check_signatures(
    delivery: Path,
    signatures: Sequence[Signature],
    listed: Mapping[str, Listing],
    shot: tuple[str, str] | None,
    anchors_pem: str | None,
) -> Findings:
    """All that the manifest lists, and any that it does not."""
    found = Findings()
    names = {s.file: s for s in signatures}
    beside = {p.with_suffix(".exr") for d in ("exr", "deep") for p in whole_files(delivery / d, "*.c2pa")}
    for path in sorted(beside):
        name = path.relative_to(delivery).as_posix()
        if name not in names:
            frame = listed[name].frame if name in listed else None
            sidecar = sidecar_of(Path(name)).as_posix()
            found.wrong.append((frame, sidecar, "extra: the manifest knows no such signature"))
    sheets = [p.name for p in whole_files(delivery, "*.png")]
    if not names and not sheets:
        return found
    told: dict[str, Told] = {}
    try:
        for name, note in sorted(names.items()):
            frame = listed[name].frame if name in listed else None
            one = _one(delivery, note, found, frame, anchors_pem)
            if one is None:
                continue
            told[name] = one
            found.wrong += [(frame, name, what) for what in _says(one, shot, frame)]
        for name in sheets:
            one = check(delivery / name, anchors_pem)
            if one is None:
                if names:
                    found.notes.append(f"{name}: not signed")
                continue
            told[name] = one
            found.wrong += [(None, name, f"signature: {what}") for what in one.wrong]
    except InputError as error:
        if names:
            found.wrong.append((None, "manifest.json", f"signatures could not be checked: {error.line()}"))
        return found
    good = [t for t in told.values() if not t.wrong]
    found.signers = tuple(sorted({t.signer for t in good}))
    if any(t.test for t in good):
        found.notes.append("signed with a local test certificate: it shows that nothing was changed, not who made it")
    if good and anchors_pem is None:
        found.notes.append("no --trust was given: anybody's certificate is accepted")
    return found


def _one(
    delivery: Path, note: Signature, found: Findings, frame: int | None, anchors_pem: str | None
) -> Told | None:  # fmt: skip
    """One signature that the manifest lists; None where file or sidecar is not there (files are found missing elsewhere)."""
    path = delivery / note.file
    if not inside(note.file) or path.suffix not in MIME:
        found.wrong.append((frame, note.file, "not the name of a signed file in the delivery"))
        return None
    if note.sidecar is not None:
        expected = sidecar_of(Path(note.file)).as_posix()
        if note.sidecar != expected or not (delivery / expected).is_file():
            found.wrong.append((frame, expected, "missing"))
            return None
        if not same(delivery / expected, note.sidecar_sha256 or ""):
            found.wrong.append((frame, expected, "touched: not the signature that the manifest lists"))
            return None
    if not path.is_file() or (path.suffix == ".exr" and note.sidecar is None):
        return None
    told = check(path, anchors_pem)
    if told is None:
        found.wrong.append((frame, note.file, "its signature is gone"))
        return None
    found.wrong += [(frame, note.file, f"signature: {what}") for what in told.wrong]
    return told


def _says(told: Told, shot: tuple[str, str] | None, frame: int | None) -> list[str]:
    """Where a signature that holds speaks of something else than this file."""
    if told.wrong:
        return []
    wrong = []
    if shot is not None and (told.shot, told.version) != shot:
        wrong.append(f"signature: it is for {told.shot} {told.version}, not {' '.join(shot)}")
    if frame is not None and told.frames != str(frame):
        wrong.append(f"signature: it is for frame {told.frames}")
    return wrong
