"""Atomic writes: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from composer.io.files import atomic_write, sha256_bytes, sha256_file


def test_appears_whole_and_keeps_its_extension(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.exr"
    with atomic_write(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".exr"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["a.exr"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == []


def test_cleans_after_dead_processes_only(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    stale = tmp_path / f".a.muster-tmp-{int(dead.stdout)}-1.exr"
    alive = tmp_path / f".a.muster-tmp-{os.getppid()}-1.exr"
    stale.write_bytes(b"")
    alive.write_bytes(b"")
    with atomic_write(tmp_path / "b") as temporary:
        temporary.write_bytes(b"")
    assert not stale.exists() and alive.exists()


def test_two_writers_in_one_process_do_not_meet(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as one, atomic_write(tmp_path / "a") as two:
        assert one != two
        one.write_bytes(b"1")
        two.write_bytes(b"2")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_digests(tmp_path: Path) -> None:
    data = bytes(range(256)) * 999
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()
