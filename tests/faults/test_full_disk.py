"""A disk that takes no more: one clear line, the old files as they were, nothing left over."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faults import SIGN, digests, file_size_limit, job_of, temporaries

from composer.cli.main import main
from composer.errors import MachineError
from composer.render.job import run_job
from composer.render.verify import verify_delivery

MakeShot = Callable[..., Path]


def _shot(make_shot: MakeShot, seed: int, sign: str = "false") -> Path:
    shot = make_shot(seed=seed, frames=1)
    shot.write_text(shot.read_text() + f"delivery: {{deep: true, sign: {sign}}}\n")
    return shot


def test_a_file_size_limit_at_every_stage(
    make_shot: MakeShot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    delivery = run_job(job_of(_shot(make_shot, 7), out)).delivery
    before = digests(delivery)
    sizes = sorted(p.stat().st_size for d in ("exr", "deep", "proxy") for p in (delivery / d).iterdir())
    shot, largest = _shot(make_shot, 8), sizes[-1]
    run_job(job_of(shot, tmp_path / "other"))  # what is compiled on first use is compiled now
    for most in (0, 600, largest // 4, largest // 2, (largest * 9) // 10):
        with file_size_limit(most):
            code = main(["render", str(shot), "--out", str(out), "--device", "cpu"])
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("muster:")]
        assert code == 1 and len(said) == 1, said
        assert "cannot be written: got File too large" in said[0] and "make room and run it again" in said[0]
        assert temporaries(delivery) == []
        now = digests(delivery)
        assert all(now[name] == digest for name, digest in before.items() if name.startswith("exr/"))
        assert now[".muster/frames/1001.json"] == before[".muster/frames/1001.json"]
    rest = run_job(job_of(shot, out))
    assert rest.rendered == (1001,) and verify_delivery(delivery).findings == ()


@pytest.mark.skipif(SIGN == "false", reason="the extra `provenance` is not installed")
def test_a_signature_that_has_no_room(make_shot: MakeShot, tmp_path: Path) -> None:
    """All fits but the signed movie, which is larger than the plain one."""
    out = tmp_path / "out"
    delivery = run_job(job_of(_shot(make_shot, 7), out)).delivery
    proxy = next((delivery / "proxy").iterdir())
    job = job_of(_shot(make_shot, 7, "true"), out)
    from composer.deliver.claims import Claim, embed

    plain = proxy.read_bytes()
    with file_size_limit(len(plain) + 100), pytest.raises(MachineError, match="cannot be"):
        embed(proxy, Claim("tiny", "v001", "1001", "0"), job.signing)
    assert proxy.read_bytes() == plain and temporaries(delivery) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(make_shot: MakeShot, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = _shot(make_shot, 7)
    delivery = run_job(job_of(shot, small_disk)).delivery
    before = digests(delivery, "exr", "deep")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as handle:
        with pytest.raises(OSError, match="No space"):
            while True:
                handle.write(bytes(4096))
        handle.truncate(handle.tell() - 40960)  # room for a part of the frame
    shot = _shot(make_shot, 8)
    assert main(["render", str(shot), "--out", str(small_disk), "--device", "cpu"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("muster:")]
    assert len(said) == 1 and "cannot be written: got No space left on device" in said[0]
    assert digests(delivery, "exr", "deep") == before and temporaries(small_disk) == []
    filler.unlink()
    assert run_job(job_of(shot, small_disk)).rendered == (1001,)
    assert temporaries(small_disk) == [] and verify_delivery(delivery).findings == ()
