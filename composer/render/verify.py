"""Whether a delivery is what was rendered: every file against the records and the manifest, the records against the manifest,
the plate's untouched pixels against their digest, the signatures, the decisions.

Nothing here trusts a single list: a file is held against the digest of its record, of the manifest and of its own header.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.comp.composite import untouched_digest
from composer.comp.layer import ELEMENTS
from composer.errors import InputError, MusterError, Where
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.files import is_temporary, sha256_file
from composer.io.window import Window
from composer.render.manifest import FrameRecord, all_records, record_of
from composer.render.sign import Signature, signature_of
from composer.render.verify_decisions import check_decisions
from composer.render.verify_signatures import check_signatures, inside

#: Where only listed files belong.
FOLDERS = ("exr", "deep", "proxy")


@dataclass(frozen=True)
class Finding:
    """frame: None for what belongs to no single frame. file: relative to the delivery. what: in one line."""

    frame: int | None
    file: str
    what: str

    def line(self) -> str:
        frame = "" if self.frame is None else f"frame {self.frame}: "
        return f"{frame}{self.file}: {self.what}"


@dataclass(frozen=True)
class Verified:
    """findings: all that is wrong. notes: what could not be looked at. signers: whose signatures hold."""

    delivery: Path
    frames: int
    files: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    signers: tuple[str, ...]


@dataclass(frozen=True)
class _Manifest:
    """What `manifest.json` lists. digests: file to SHA-256, by frame where it has one."""

    records: Mapping[int, FrameRecord]
    proxy: Mapping[str, str]
    signatures: tuple[Signature, ...]
    shot: str
    version: str


def verify_delivery(delivery: Path, anchors_pem: str | None = None) -> Verified:
    """Look at everything; raises InputError only where there is no delivery at all. anchors_pem: certificates of those who
    may have signed."""
    if not (delivery / "manifest.json").exists() and not (delivery / ".muster" / "frames").is_dir():
        raise InputError(
            "no delivery here",
            where=Where(file=delivery),
            expected="a folder that `muster render` wrote (OUT/<shot>/<version>), with its manifest.json",
        )
    found: list[Finding] = []
    notes: list[str] = []
    manifest = _manifest(delivery, found)
    records = _records(delivery, manifest, found, notes)
    listed = _listed(manifest, records)
    digests = _digests(delivery, sorted(listed))
    touched = set()
    for name, told in sorted(listed.items()):
        what = _wrong_file(delivery, name, told, digests.get(name))
        if what:
            touched.add(name)
            found.append(Finding(told.frame, name, what))
    for record in records.values():
        found += _untouched(delivery, record, touched, notes)
    found += _extra(delivery, listed, notes)
    signatures = manifest.signatures if manifest else ()
    signed = check_signatures(delivery, signatures, listed, manifest and (manifest.shot, manifest.version), anchors_pem)
    found += [Finding(*told) for told in signed.wrong]
    notes += signed.notes
    found += [Finding(None, *told) for told in check_decisions(delivery, notes)]
    found = sorted(set(found), key=lambda f: (f.frame is None, f.frame or 0, f.file, f.what))
    return Verified(delivery, len(records), len(listed), tuple(found), tuple(dict.fromkeys(notes)), signed.signers)


def verify_options(folder: Path, anchors_pem: str | None = None) -> Verified:
    """The same for a folder of `muster options`: each option, and what was decided about them."""
    deliveries = sorted(p.parent for p in folder.glob("*/manifest.json"))
    each = [(path, verify_delivery(path, anchors_pem)) for path in deliveries]
    found = [replace(f, file=f"{path.name}/{f.file}") for path, seen in each for f in seen.findings]
    notes = [f"{path.name}: {note}" for path, seen in each for note in seen.notes]
    found += [Finding(None, *told) for told in check_decisions(folder, notes)]
    signers = sorted({name for _, seen in each for name in seen.signers})
    frames, files = (sum(getattr(seen, what) for _, seen in each) for what in ("frames", "files"))
    return Verified(folder, frames, files, tuple(found), tuple(notes), tuple(signers))


# --- what is listed ---


@dataclass(frozen=True)
class Listed:
    """sha256: by who lists it ('the manifest', 'the record')."""

    frame: int | None
    sha256: Mapping[str, str]


def _manifest(delivery: Path, found: list[Finding]) -> _Manifest | None:
    name = "manifest.json"
    try:
        told = json.loads((delivery / name).read_bytes())
        records = [record_of(frame) for frame in told["frames"]]
        proxy = told.get("proxy")
        return _Manifest(
            {r.frame: r for r in records},
            {str(proxy["file"]): str(proxy["sha256"])} if proxy else {},
            tuple(signature_of(s) for s in told.get("signatures", ())),
            str(told["shot"]),
            str(told["version"]),
        )
    except FileNotFoundError:
        found.append(Finding(None, name, "missing"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        found.append(Finding(None, name, f"touched: cannot be read ({type(error).__name__}: {str(error)[:80]})"))
    return None


def _records(
    delivery: Path, manifest: _Manifest | None, found: list[Finding], notes: list[str]
) -> dict[int, FrameRecord]:  # fmt: skip
    """The records, or those of the manifest where a delivery came without."""
    folder = ".muster/frames"
    listed = dict(manifest.records) if manifest else {}
    if not (delivery / folder).is_dir():
        notes.append("the delivery came without its records (.muster): only the manifest tells what it was")
        return listed
    records, unreadable = all_records(delivery)
    here = {r.frame: r for r in records}
    broken = {_number(Path(name)) for name in unreadable}
    found += [Finding(_number(Path(n)), f"{folder}/{n}", "touched: cannot be read") for n in unreadable]
    if manifest is None:
        return here
    for number in sorted(set(here) | set(listed)):
        name = f"{folder}/{number:04d}.json"
        if number not in listed:
            found.append(Finding(number, "manifest.json", "the frame is not in it, but has a record"))
        elif number not in here:
            if number not in broken:
                found.append(Finding(number, name, "missing"))
        elif differ := _differ(here[number], listed[number]):
            found.append(Finding(number, name, f"record and manifest do not agree on {', '.join(differ)}"))
    return {**listed, **here}


def _differ(one: FrameRecord, other: FrameRecord) -> list[str]:
    a, b = (json.loads(json.dumps(asdict(r), default=str)) for r in (one, other))
    return [f.name for f in dataclasses.fields(FrameRecord) if a[f.name] != b[f.name]]


def _listed(manifest: _Manifest | None, records: Mapping[int, FrameRecord]) -> dict[str, Listed]:
    """Every file that should be there."""
    told: dict[str, Listed] = {}

    def add(frame: int | None, files: object, by: str) -> None:
        for name, digest in files.items() if isinstance(files, dict) else ():
            old = told.get(str(name))
            told[str(name)] = Listed(frame, {**(old.sha256 if old else {}), by: str(digest)})

    for record in records.values():
        add(record.frame, record.files, "the record")
    for record in manifest.records.values() if manifest else ():
        add(record.frame, record.files, "the manifest")
    if manifest:
        add(None, dict(manifest.proxy), "the manifest")
    return told


# --- what is there ---


def _digests(delivery: Path, names: list[str]) -> dict[str, str | None]:
    """SHA-256 of each; None where it cannot be read."""

    def digest(name: str) -> str | None:
        try:
            return sha256_file(delivery / name) if inside(name) else None
        except OSError:
            return None

    with ThreadPoolExecutor(4, "verify") as pool:
        return dict(zip(names, pool.map(digest, names), strict=True))


def _wrong_file(delivery: Path, name: str, told: Listed, digest: str | None) -> str | None:
    if not inside(name):
        return "not the name of a file in the delivery"
    if not (delivery / name).is_file():
        return "missing"
    if digest is None:
        return "cannot be read"
    against = [by for by, expected in told.sha256.items() if expected != digest]
    if not against:
        return None
    expected = told.sha256[against[0]]
    return f"touched: not the file of {' and '.join(against)}: expected sha256 {expected[:12]}, got {digest[:12]}"


def _extra(delivery: Path, listed: Mapping[str, Listed], notes: list[str]) -> Iterator[Finding]:
    for folder in FOLDERS:
        for path in sorted((delivery / folder).rglob("*")):
            name = path.relative_to(delivery).as_posix()
            if path.is_dir() or name in listed or path.suffix == ".c2pa":
                continue
            if is_temporary(path):
                notes.append(f"{name}: being written, or left by a run that was stopped")
            else:
                yield Finding(_number(path), name, "extra: neither record nor manifest knows it")


def _number(path: Path) -> int | None:
    """1001 of `x_v001.1001.exr`."""
    last = path.stem.rsplit(".", 1)[-1]
    return int(last) if last.isdecimal() else None


# --- the plate ---


def _untouched(
    delivery: Path, record: FrameRecord, touched: set[str], notes: list[str]
) -> Iterator[Finding]:  # fmt: skip
    """The untouched pixels of a frame's EXR, hashed anew, against record and header."""
    name = next((n for n in record.files if str(n).startswith("exr/") and inside(str(n))), None)
    if name is None or not (delivery / name).is_file():
        return
    try:
        parts = {p.name: p for p in read_exr_parts(delivery / name)}
        digest = untouched_of(parts)
        header = str(parts["rgba"].attributes.get("muster:untouched_sha256", ""))
    except (MusterError, KeyError, ValueError) as error:
        yield Finding(record.frame, name, f"touched: the picture cannot be read ({str(error)[:100]})")
        return
    if digest != record.untouched_sha256 and (absent := record.undelivered):
        why = f"{', '.join(absent)}: drawn, but not among delivery: parts"
        notes.append(f"the plate's own pixels cannot be told ({why}): only the digests of whole files were looked at")
    elif digest != record.untouched_sha256:
        yield Finding(record.frame, name, "touched: pixels that should be the plate's are not those that were rendered")
    elif name in touched:
        notes.append(f"frame {record.frame}: {name}: the plate's own pixels are as they were rendered")
    if header != record.untouched_sha256:
        yield Finding(record.frame, name, "touched: its header tells another digest of the plate than its record")


def untouched_of(parts: Mapping[str, ExrPart]) -> str:
    """The digest of the plate's pixels as a file has them: `rgba` where no element has alpha."""
    rgb = np.stack([parts["rgba"].channels[c] for c in "RGB"], axis=-1)
    height, width = rgb.shape[:2]
    touched: NDArray[np.bool_] = np.zeros((height, width), bool)
    whole = Window(0, 0, width, height)
    for name in ELEMENTS:
        if name in parts:
            part = parts[name]
            touched[(part.window or whole).slices(whole)] |= part.channels["A"] > 0
    return untouched_digest(rgb.astype(np.float16), touched)
