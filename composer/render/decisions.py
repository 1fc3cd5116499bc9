"""What people decided about pictures: `decisions.jsonl`, one signed line a decision, never changed, only added to.

Each line names who, when, what, which frame and the SHA-256 of that frame's file. It carries the SHA-256 of the line before
it and a signature over all of it, so that a line that was changed, taken out, put in or moved is found. That the last lines
were cut off can't be seen from what is left: a manifest that needed an approval keeps the digest of its line.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from composer.deliver.local_key import LocalKey, fingerprint_of, holds
from composer.errors import InputError, MachineError, Where
from composer.io.files import not_written, sha256_bytes
from composer.io.lock import held

NAME = "decisions.jsonl"
VERDICTS = ("approve", "reject", "withdraw")
LARGEST_LINE, LARGEST_FILE = 128 * 1024, 64 << 20
Deed = Literal["approve", "reject", "withdraw", "comment"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Decision:
    """item: name of the option or version. soldiers: how many stand in it. asked: what the option was made of. file: the
    frame's, relative to the ledger's folder. marks: strokes drawn on the picture, points from (0, 0) upper left to (1, 1)
    lower right."""

    do: Deed
    kind: Literal["option", "version"]
    shot: str
    item: str
    soldiers: int
    asked: Mapping[str, object] | None
    frame: int
    file: str
    sha256: str
    who: str
    text: str = ""
    marks: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of the ledger. number: from 1. at: UTC. sha256: of the line itself. key: fingerprint of whose signature it has.
    wrong: what does not hold; empty where all does."""

    number: int
    decision: Decision | None
    at: str
    sha256: str
    key: str
    wrong: str = ""


def add(folder: Path, decision: Decision, key: LocalKey) -> Line:
    """Append a decision; several processes may do so at once. It is on disk when this returns. Raises MachineError where it
    cannot be written, and the file is as before then."""
    path = folder / NAME
    with held(folder / f".{NAME}.lock", patience_s=20) as mine:
        if not mine:
            raise MachineError("somebody else has been writing for too long", where=Where(file=path), hint="try again")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            return _append(path, handle, decision, key)
        finally:
            os.close(handle)


def read(folder: Path) -> tuple[Line, ...]:
    """All lines, each checked. Raises InputError where the file cannot be read at all."""
    path = folder / NAME
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError("too big", where=Where(file=path), expected=f"at most {LARGEST_FILE} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None
    lines, before = [], ""
    for number, raw in enumerate(data.splitlines(keepends=True), 1):
        lines.append(_checked(number, raw, before))
        before = sha256_bytes(raw.rstrip(b"\n"))
    return tuple(lines)


def standing(lines: tuple[Line, ...], keys: tuple[str, ...] = ()) -> dict[str, Line]:
    """The last verdict on each item, withdrawn ones left out. keys: fingerprints that count; all where none is given."""
    last: dict[str, Line] = {}
    for line in lines:
        decision = line.decision
        if line.wrong or decision is None or decision.do not in VERDICTS or (keys and line.key not in keys):
            continue
        last[decision.item] = line
    return {item: line for item, line in last.items() if line.decision and line.decision.do != "withdraw"}


def _append(path: Path, handle: int, decision: Decision, key: LocalKey) -> Line:
    size = os.fstat(handle).st_size
    if size > LARGEST_FILE - LARGEST_LINE:
        raise MachineError("the file is full", where=Where(file=path), expected=f"at most {LARGEST_FILE} bytes")
    number, before, whole = _end(path)
    told = {
        **asdict(decision),
        "n": number + 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "previous": before,
        "key": base64.b64encode(key.public).decode(),
    }
    signature = base64.b64encode(key.sign(_canonical(told))).decode()
    raw = _canonical({**told, "signature": signature})
    if len(raw) > LARGEST_LINE:
        raise InputError("too much for one decision", expected=f"at most {LARGEST_LINE} bytes", got=str(len(raw)))
    data = (b"" if whole else b"\n") + raw + b"\n"  # a line that a dead process left is kept as it is
    try:
        if os.write(handle, data) != len(data):
            raise OSError("cut short")
        os.fsync(handle)
    except OSError as error:
        os.ftruncate(handle, size)
        raise not_written(path, error.strerror or str(error)) from error
    return _checked(number + 1, raw + b"\n", before)


def _end(path: Path) -> tuple[int, str, bool]:
    """How many lines there are, the digest of the last one, and whether it ends as a line does."""
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    last = lines[-1] if lines else b"\n"
    return len(lines), sha256_bytes(last.rstrip(b"\n")) if lines else "", last.endswith(b"\n")


def _canonical(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _checked(number: int, raw: bytes, before: str) -> Line:
    """One line, and what is wrong with it."""
    text, digest = raw.rstrip(b"\n"), sha256_bytes(raw.rstrip(b"\n"))
    try:
        told = json.loads(text)
        signature = base64.b64decode(told.pop("signature"), validate=True)
        public = base64.b64decode(told["key"], validate=True)
        decision = _decision(told)
        n, at, previous = told["n"], str(told["at"]), told["previous"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Line(number, None, "", digest, "", "touched: cannot be read")
    wrong = ""
    if _canonical({**told, "signature": base64.b64encode(signature).decode()}) != text or not holds(
        public, signature, _canonical(told)
    ):
        wrong = "touched: its signature does not hold"
    elif previous != before or n != number:
        wrong = "touched: a line before it was changed, taken out or put in"
    return Line(number, decision, at, digest, fingerprint_of(public), wrong)


def _decision(told: Mapping[str, object]) -> Decision:
    """Out of JSON. Raises TypeError or KeyError where it is none."""
    given = {f.name: told[f.name] for f in fields(Decision)}
    marks = given["marks"]
    if not isinstance(marks, list) or not isinstance(given["frame"], int) or given["do"] not in (*VERDICTS, "comment"):
        raise TypeError("not a decision")
    given["marks"] = tuple(tuple((float(x), float(y)) for x, y in stroke) for stroke in marks)
    texts = (given[k] for k in ("kind", "shot", "item", "file", "sha256", "who", "text"))
    if not all(isinstance(t, str) for t in texts):
        raise TypeError("not a decision")
    return Decision(**given)  # type: ignore[arg-type]
