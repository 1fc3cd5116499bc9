"""`decisions.jsonl`: every line signed and chained, whatever was done to it is found, and nobody's line is lost."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from composer.deliver import local_key as keys
from composer.deliver.local_key import local_key
from composer.errors import InputError, MachineError
from composer.render import decisions
from composer.render.decisions import NAME, Decision, add, read, standing

ONE = Decision(
    "comment",
    "option",
    "tiny",
    "30",
    30,
    {"count": 30},
    1001,
    "30/exr/a.exr",
    "ab" * 32,
    "Ada",
    "hm",
    (((0, 0), (0.5, 1)),),
)


def fill(folder: Path, count: int = 4) -> Path:
    for i in range(count):
        add(folder, replace(ONE, text=f"note {i}"), local_key())
    return folder / NAME


def test_a_line_is_signed_by_a_key_that_another_program_can_check(tmp_path: Path) -> None:
    file = fill(tmp_path, 2)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    for told in (first, second):
        signature = base64.b64decode(told.pop("signature"))
        said = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
        Ed25519PublicKey.from_public_bytes(base64.b64decode(told["key"])).verify(signature, said)
    assert (first["who"], first["sha256"], first["frame"], first["n"]) == ("Ada", "ab" * 32, 1001, 1)
    assert first["previous"] == "" and len(second["previous"]) == 64 and first["at"].endswith("Z")
    lines = read(tmp_path)
    assert [line.wrong for line in lines] == ["", ""] and lines[0].decision == replace(ONE, text="note 0")
    assert read(tmp_path / "elsewhere") == ()


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        (lambda a: [a[0].replace(b"note 0", b"note 9"), *a[1:]], {1, 2}),
        (lambda a: a[1:], {1, 2, 3}),
        (lambda a: [a[0], *a[2:]], {2, 3}),
        (lambda a: [a[1], a[0], *a[2:]], {1, 2, 3}),
        (lambda a: [a[0], a[0], *a[1:]], {2, 3, 4, 5}),
        (lambda a: [a[0].replace(b'":', b'": ', 1), *a[1:]], {1, 2}),
        (lambda a: [*a, b"{}"], {5}),
        (lambda a: [*a, b"\xff["], {5}),
        (lambda a: [*a[:3], a[3].replace(b'"comment"', b'"approve"')], {4}),
    ],
)  # fmt: skip
def test_what_was_done_to_the_file_is_found(tmp_path: Path, change, bad: set[int]) -> None:
    file = fill(tmp_path)
    file.write_bytes(b"\n".join(change(file.read_bytes().splitlines())) + b"\n")
    assert {line.number for line in read(tmp_path) if line.wrong} == bad


def test_every_single_byte_counts(tmp_path: Path) -> None:
    file = fill(tmp_path, 2)
    whole = file.read_bytes()
    for at in range(0, len(whole) - 1, 7):
        touched = bytearray(whole)
        touched[at] ^= 1
        file.write_bytes(bytes(touched))
        assert any(line.wrong for line in read(tmp_path)), at


def test_another_persons_key_makes_no_forgery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line under somebody else's public key does not hold; one under the forger's own key has his fingerprint."""
    file = fill(tmp_path, 1)
    mine = local_key()
    monkeypatch.setenv("MUSTER_DATA", str(tmp_path / "other"))
    assert local_key().fingerprint != mine.fingerprint
    add(tmp_path, replace(ONE, do="approve"), replace(local_key(), public=mine.public))
    assert [bool(line.wrong) for line in read(tmp_path)] == [False, True]
    assert standing(read(tmp_path)) == {}
    file.unlink()
    add(tmp_path, replace(ONE, do="approve"), local_key())
    assert set(standing(read(tmp_path))) == {"30"} and not standing(read(tmp_path), (mine.fingerprint,))


def test_the_last_verdict_stands_until_it_is_withdrawn(tmp_path: Path) -> None:
    for deed, now in (("approve", "approve"), ("comment", "approve"), ("reject", "reject"), ("withdraw", None)):
        add(tmp_path, replace(ONE, do=deed), local_key())
        last = standing(read(tmp_path)).get("30")
        assert (last and last.decision.do) == now


def _write_some(folder: Path, who: str, count: int) -> None:
    for i in range(count):
        add(folder, replace(ONE, who=who, text=str(i)), local_key())


def test_several_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    begin = multiprocessing.get_context("spawn")
    people = [begin.Process(target=_write_some, args=(tmp_path, who, 8)) for who in ("Ada", "Bea", "Cy")]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
        assert person.exitcode == 0
    lines = read(tmp_path)
    assert len(lines) == 24 and not [line for line in lines if line.wrong]
    for who in ("Ada", "Bea", "Cy"):
        assert [line.decision.text for line in lines if line.decision.who == who] == [str(i) for i in range(8)]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fill(tmp_path, 2).read_bytes()
    write = os.write
    monkeypatch.setattr(decisions.os, "write", lambda handle, data: write(handle, data[:40]))
    with pytest.raises(MachineError, match="cannot be written"):
        add(tmp_path, ONE, local_key())
    assert (tmp_path / NAME).read_bytes() == before
    monkeypatch.undo()
    add(tmp_path, ONE, local_key())
    assert not [line for line in read(tmp_path) if line.wrong]


def test_a_line_that_a_dead_process_left_is_named_and_kept(tmp_path: Path) -> None:
    file = fill(tmp_path, 2)
    with file.open("ab") as stream:
        stream.write(b'{"asked":nu')
    add(tmp_path, ONE, local_key())
    assert [bool(line.wrong) for line in read(tmp_path)] == [False, False, True, False]
    assert b'{"asked":nu\n' in file.read_bytes()


def test_a_lock_that_cannot_be_had_is_an_error_and_not_a_risk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    @contextlib.contextmanager
    def never(path: Path, patience_s: float):
        yield False

    monkeypatch.setattr(decisions, "held", never)
    with pytest.raises(MachineError, match="somebody else"):
        add(tmp_path, ONE, local_key())
    assert not (tmp_path / NAME).exists()


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_DATA", str(tmp_path))
    first = local_key()
    assert local_key().public == first.public and len(first.fingerprint) == 16
    file = tmp_path / "review-key.pem"
    assert file.stat().st_mode & 0o077 == 0
    assert keys.holds(first.public, first.sign(b"x"), b"x") and not keys.holds(first.public, first.sign(b"x"), b"y")
    file.write_text("no key")
    with pytest.raises(InputError, match="not a key"):
        local_key()
