"""Two processes that render the same frame at the same time: one complete file, and lists that agree with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults import SIGN, context, digests, job_of, render_together, temporaries

from composer.io.files import sha256_file
from composer.io.lock import held
from composer.render.job import run_job
from composer.render.verify import verify_delivery

MakeShot = Callable[..., Path]


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_the_same_frame_at_the_same_time(make_shot: MakeShot, tmp_path: Path, rounds: int) -> None:
    shot = make_shot(frames=2)
    shot.write_text(shot.read_text() + f"delivery: {{deep: true, sign: {SIGN}}}\n")
    straight = run_job(job_of(shot, tmp_path / "straight", [1002])).delivery
    expected = {n: d for n, d in digests(straight, "exr", "deep").items() if n.endswith(".exr")}
    start, out = context(), tmp_path / "out"
    barrier = start.Barrier(2)
    processes = [start.Process(target=render_together, args=(shot, out, rounds, 1002, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30 + 20 * rounds)
    assert [p.exitcode for p in processes] == [0, 0]
    for i in range(rounds):
        delivery = out / str(i)
        made = {n: d for n, d in digests(delivery, "exr", "deep").items() if n.endswith(".exr")}
        assert made == expected and temporaries(delivery) == []
        assert sorted(p.name for p in (delivery / ".muster" / "frames").iterdir()) == ["1002.json"]
        assert [f.line() for f in verify_delivery(delivery).findings] == []


def test_files_that_another_process_is_writing_are_in_nobody_s_way(make_shot: MakeShot, tmp_path: Path) -> None:
    """Half a frame, half a record: of a process on another machine, which cannot be told dead."""
    shot = make_shot(frames=1)
    delivery = run_job(job_of(shot, tmp_path)).delivery
    before = sha256_file(delivery / "exr" / "tiny_v001.1001.exr")
    writing = [
        delivery / "exr" / ".tiny_v001.1001.muster-tmp-00000000-77-123-1.exr",
        delivery / ".muster" / "frames" / ".1001.muster-tmp-00000000-77-123-2.json",
    ]
    for path in writing:
        path.write_bytes(b'{"frame": 10')
    again = run_job(job_of(shot, tmp_path))
    assert again.skipped == (1001,) and all(path.exists() for path in writing)
    assert sha256_file(delivery / "exr" / "tiny_v001.1001.exr") == before
    seen = verify_delivery(delivery)
    assert seen.findings == () and len(seen.notes) == 1


def test_a_lock_that_cannot_be_had_does_not_stop_the_work(tmp_path: Path) -> None:
    with held(tmp_path / "lock") as mine, held(tmp_path / "lock", patience_s=0.2) as theirs:
        assert mine and not theirs
    with held(tmp_path / "lock", patience_s=0.2) as again:
        assert again
