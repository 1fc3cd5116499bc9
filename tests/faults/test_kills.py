"""SIGKILL at random times while frames are written: every file is absent or complete, and the next run leaves no trace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults import context, digests, is_whole, job_of, temporaries, write_for_ever

from composer.render.job import run_job
from composer.render.verify import verify_delivery

MakeShot = Callable[..., Path]


@pytest.mark.parametrize(
    "kills", [4, pytest.param(100, marks=pytest.mark.slow)], ids=["a few kills", "a hundred kills"]
)
def test_every_file_is_absent_or_complete(make_shot: MakeShot, tmp_path: Path, kills: int) -> None:
    first = _shot(make_shot, 7, "a")
    shots = first, _shot(make_shot, 8, "b")
    whole: dict[str, set[str]] = {}
    for i, shot in enumerate(shots):
        made = digests(run_job(job_of(shot, tmp_path / f"straight{i}")).delivery, "exr", "deep")
        for name, digest in made.items():
            whole.setdefault(name, set()).add(digest)
    assert all(len(both) == 2 for both in whole.values())
    out, rng, start = tmp_path / "out", random.Random(kills), context()
    delivery, caught = out / "tiny" / "v001", 0
    for done in range(kills + 20):
        if done >= kills and caught:
            break
        ready = start.Event()
        process = start.Process(target=write_for_ever, args=(shots, out, ready))
        process.start()
        assert ready.wait(120)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.join()
        caught += bool(temporaries(delivery))
        _check(delivery, whole)
    assert caught, "no kill came while a file was being written"
    result = run_job(job_of(first, out))
    assert result.rendered == (1001,) and temporaries(out) == []
    assert digests(delivery, "exr", "deep") == digests(tmp_path / "straight0" / "tiny" / "v001", "exr", "deep")
    assert verify_delivery(delivery).findings == ()
    assert run_job(job_of(first, out)).skipped == (1001,)


def _shot(make_shot: MakeShot, seed: int, name: str) -> Path:
    shot = make_shot(seed=seed, frames=1)
    shot.write_text(shot.read_text() + "delivery: {deep: true}\n")
    return shot.rename(shot.with_name(f"{name}.yaml"))


def _check(delivery: Path, whole: dict[str, set[str]]) -> None:
    for name, digest in digests(delivery).items():
        if "muster-tmp" in name or name == ".muster/lock":
            continue
        if name in whole:
            assert digest in whole[name], name
        else:
            assert is_whole(delivery / name), name
