"""Atomic writes: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from composer.errors import MachineError
from composer.io.files import (
    atomic_write,
    clean_stale,
    clean_stale_under,
    is_temporary,
    sha256_bytes,
    sha256_file,
    whole_files,
)


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
    """A real writer: while it lives its file is its own; when it is killed the next write cleans up."""
    code = (
        "import sys, time\nfrom composer.io.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as t:\n    t.write_bytes(b'half'); print(t, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.exr")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    half = Path(writer.stdout.readline().strip())
    assert half.exists() and is_temporary(half) and whole_files(tmp_path, "*.exr") == []
    _write(tmp_path / "b")
    assert half.exists()
    writer.kill()
    writer.communicate()
    _write(tmp_path / "b")
    assert sorted(os.listdir(tmp_path)) == ["b"]


def test_another_machine_s_files_are_left_until_they_are_old(tmp_path: Path) -> None:
    """Its process numbers mean nothing here."""
    foreign = tmp_path / "exr" / ".a.muster-tmp-00000000-1-1-1.exr"
    foreign.parent.mkdir()
    foreign.write_bytes(b"half")
    assert clean_stale_under(tmp_path) == () and foreign.exists()
    os.utime(foreign, (0, 0))
    assert clean_stale_under(tmp_path) == (foreign,) and not foreign.exists()


def test_a_process_number_that_was_given_again_is_not_the_writer(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("the system does not tell when a process began")
    with atomic_write(tmp_path / "a") as own:
        own.write_bytes(b"")
        machine, pid, start, number = own.name.partition("muster-tmp-")[2].split("-")
        reused = own.with_name(own.name.replace(f"-{start}-{number}", f"-{int(start) - 1}-{number}"))
        reused.write_bytes(b"")
        assert clean_stale(tmp_path) == (reused,) and own.exists()
    assert pid == str(os.getpid()) and len(machine) == 8


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(MachineError, match="cannot be written: got No space left on device"), atomic_write(target):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(PermissionError), atomic_write(target):
        raise PermissionError(errno.EACCES, "of something that is read")
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def _write(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"")


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
