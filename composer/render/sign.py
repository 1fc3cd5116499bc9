"""Signing what was delivered: sidecars for the frames, the proxy's own manifest, and the note of both in `manifest.json`.

A signature is never the same twice, so it stays out of the frame's record: which file it belongs to stands in a note of its
own, and a frame that is there is signed without being rendered again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import composer
from composer.deliver.claims import Claim, Model, embed, sidecar_of, try_out, write_sidecar
from composer.deliver.signing import Signing, open_signing
from composer.errors import InputError, Where
from composer.io.files import atomic_write, sha256_file, whole_files
from composer.render.manifest import FrameRecord, all_records, read_record, record_path, same
from composer.shot.schema import ShotFile


@dataclass(frozen=True)
class SignAsk:
    """That `--sign` was given, and with which files; both or none."""

    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Signature:
    """One signed file. file, sidecar: relative to the delivery; no sidecar where the manifest is in the file. sha256: of
    `file` as it lies there. certificate_sha256: its fingerprint."""

    file: str
    sha256: str
    sidecar: str | None
    sidecar_sha256: str | None
    signer: str
    certificate_sha256: str
    test: bool


def signing_for(shot: ShotFile | None, ask: SignAsk | None) -> Signing | None:
    """What a delivery of this shot is signed with; None where nobody asked. Raises InputError."""
    if ask is None and not (shot and shot.delivery.sign):
        return None
    files = None if ask is None or ask.certificate is None or ask.key is None else (ask.certificate, ask.key)
    signing = open_signing(files)
    try_out(signing)
    return signing


def sign_frames(delivery: Path, numbers: Sequence[int], shot: tuple[str, str], signing: Signing | None) -> None:
    """Sign the EXRs of these frames, where they are not signed yet by the same certificate. shot: its name and version.
    signing None: only drop signatures of files that were written anew."""
    for number in numbers:
        record = read_record(delivery, number)
        if record is None:
            continue
        notes = {n.file: n for n in _read(_note_file(delivery, number))}
        kept = {f: n for f, n in notes.items() if _fits(delivery, record, n, signing)}
        for gone in set(notes) - set(kept):
            with contextlib.suppress(OSError):
                sidecar_of(delivery / gone).unlink()
        for name in sorted(record.files) if signing else ():
            if name not in kept:
                kept[name] = _signed(delivery, name, record, shot, signing)
        if list(kept.values()) != list(notes.values()):
            _write(_note_file(delivery, number), list(kept.values()))


def sign_proxy(delivery: Path, proxy: Path, shot: tuple[str, str], signing: Signing) -> Signature:
    """Put the manifest into the movie."""
    records, _ = all_records(delivery)
    embed(proxy, claim_of(records, shot, {"what": "proxy"}), signing)
    name = proxy.relative_to(delivery).as_posix()
    return Signature(name, sha256_file(proxy), None, None, signing.signer, signing.sha256, signing.test)


def signatures(delivery: Path) -> tuple[Signature, ...]:
    """Those of all frames that are signed."""
    notes = whole_files(delivery / ".muster" / "signed", "*.json")
    return tuple(signature for path in notes for signature in _read(path))


def claim_of(records: Sequence[FrameRecord], shot: tuple[str, str], more: dict[str, str]) -> Claim:
    """What a file made of these frames says: all the models that painted any of them."""
    models = {
        str(r.paint["sha256"]): Model(str(r.paint["bundle"]), str(r.paint["sha256"]), str(r.paint["licence"]))
        for r in records
        if r.paint is not None
    }
    numbers = [r.frame for r in records]
    first, last = (min(numbers), max(numbers)) if numbers else ("", "")
    frames = str(first) if first == last else f"{first}-{last}"
    return Claim(*shot, frames, composer.__version__, tuple(models.values()), more)


def sign_sheet(delivery: Path, sheet: Path, frame: int, shot: tuple[str, str], signing: Signing) -> None:
    """Put what a frame says into its contact sheet. Raises InputError where the frame has no record."""
    record = read_record(delivery, frame)
    if record is None:
        where = Where(file=record_path(delivery, frame), frame=frame)
        raise InputError("no record to sign from", where=where, hint="render the frame again")
    embed(sheet, claim_of([record], shot, {"what": "contact sheet"}), signing)


def signature_of(told: dict[str, object]) -> Signature:
    """Out of JSON. Raises TypeError where it is none."""
    signature = Signature(**told)  # type: ignore[arg-type]
    texts = (signature.file, signature.sha256, signature.sidecar or "", signature.sidecar_sha256 or "")
    if not all(isinstance(t, str) for t in texts):
        raise TypeError("not a signature")
    return signature


def _signed(
    delivery: Path, name: str, record: FrameRecord, shot: tuple[str, str], signing: Signing
) -> Signature:  # fmt: skip
    more = {"seed": str(record.seed), "untouched_sha256": record.untouched_sha256}
    sidecar = write_sidecar(delivery / name, claim_of([record], shot, more), signing)
    return Signature(
        name,
        record.files[name],
        sidecar.relative_to(delivery).as_posix(),
        sha256_file(sidecar),
        signing.signer,
        signing.sha256,
        signing.test,
    )


def _fits(delivery: Path, record: FrameRecord, note: Signature, signing: Signing | None) -> bool:
    """Whether a signature is still that of the delivered file, and by this certificate where one is given."""
    if record.files.get(note.file) != note.sha256 or note.sidecar is None or note.sidecar_sha256 is None:
        return False
    if signing is not None and note.certificate_sha256 != signing.sha256:
        return False
    return same(delivery / note.sidecar, note.sidecar_sha256)


def _note_file(delivery: Path, number: int) -> Path:
    return delivery / ".muster" / "signed" / f"{number:04d}.json"


def _read(path: Path) -> tuple[Signature, ...]:
    try:
        return tuple(signature_of(note) for note in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return ()


def _write(path: Path, notes: Sequence[Signature]) -> None:
    if not notes:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps([asdict(n) for n in notes], indent=1))
