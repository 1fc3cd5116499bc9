"""The job on Ray: workers that are killed, a node that goes, wrong input, a stop in the middle. What comes out is what one
machine makes by itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.digests import digests
from support.ray_cluster import Accidents, cluster_of

from composer.errors import InputError, MachineError
from composer.farm.plan import FarmAsk, plan_farm
from composer.farm.ray_run import RayRun, run_on_ray, spread_over_slots
from composer.farm.settings import load_farm
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot

pytest.importorskip("ray", reason="the extra `ray` is not installed")

Make = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
VALLEY = ROOT / "scenes" / "valley" / "shot.yaml"
SETTINGS = replace(load_farm(), backoff_s=0.05, most_backoff_s=1.0, patience_s=30.0, losses=40)


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two nodes; the second has a card, as far as Ray knows. Whoever takes one away brings another."""
    with cluster_of(2, cards=(0, 1)) as made:
        yield made


def run(shot: Path, out: Path, address: str, chunk: int = 1, **settings: object) -> RayRun:
    ask = FarmAsk(shot, out, load_quality("preview"), chunk=chunk, memory_mib=512)
    graph = plan_farm(load_shot(shot), ask, SETTINGS).graph
    return run_on_ray(graph, replace(SETTINGS, **settings), address, spread=False)  # type: ignore[arg-type]


def straight(shot: Path, out: Path) -> dict[str, str]:
    """The frames as one machine makes them, undisturbed."""
    return digests(run_job(prepare_job(load_shot(shot), out, load_quality("preview"))).delivery)


@pytest.mark.parametrize(
    ("demo", "kills", "between_s"),
    [(False, 1, (0.2, 1.5)), pytest.param(True, 10, (0.5, 6.0), marks=pytest.mark.slow)],
    ids=["a few frames", "24 frames of the demo"],
)
def test_kills_and_a_lost_node_change_nothing(
    make_shot: Make, tmp_path: Path, cluster: object, demo: bool, kills: int, between_s: tuple[float, float]
) -> None:
    shot = VALLEY if demo else make_shot(frames=3)
    whole = straight(shot, tmp_path / "straight")
    accidents = Accidents(cluster, kills, between_s, seed=1066)
    accidents.start()
    try:
        done = run(shot, tmp_path / "out", cluster.address)  # type: ignore[attr-defined]
    finally:
        accidents.stop()
    assert accidents.killed == kills and accidents.removed == 1
    assert digests(done.delivery) == whole and len(whole) == (24 if demo else 3)
    assert sum(r.lost for r in done.retries) >= kills
    seen = verify_delivery(done.delivery)
    assert seen.findings == () and seen.frames == len(whole)
    told = json.loads((done.delivery / ".muster" / "farm.json").read_text())
    assert len(told["retries"]) == len(done.retries) and told["tasks"] == len(whole) + 2


def test_two_nodes_share_the_work_and_a_second_run_finds_it_done(
    make_shot: Make, tmp_path: Path, cluster: object
) -> None:
    shot = make_shot(frames=2)
    done = run(shot, tmp_path / "out", cluster.address)  # type: ignore[attr-defined]
    assert done.rendered == (1001, 1002) and done.slots == 2 and not done.retries
    assert sum(done.nodes.values()) == 4
    again = run(shot, tmp_path / "out", cluster.address, chunk=2)  # type: ignore[attr-defined]
    assert again.rendered == () and again.skipped == (1001, 1002) and sum(again.nodes.values()) == 3


def test_what_needs_a_card_goes_where_one_is(make_shot: Make, tmp_path: Path, cluster: object) -> None:
    ask = FarmAsk(make_shot(frames=1), tmp_path / "out", load_quality("preview"), chunk=1, memory_mib=512)
    graph = plan_farm(load_shot(ask.shot_file), ask, SETTINGS).graph
    steps = tuple(replace(s, needs=replace(s.needs, gpus=1)) for s in graph.steps)
    done = run_on_ray(replace(graph, steps=steps), SETTINGS, cluster.address)  # type: ignore[attr-defined]
    with_card = [n["NodeID"][:6] for n in _ray_nodes(cluster) if n["Resources"].get("GPU")]
    assert done.slots == 1 and [name.split()[1] for name in done.nodes] == with_card


def _ray_nodes(cluster: object) -> list[dict]:  # type: ignore[type-arg]
    import ray

    from composer.farm.cluster import connected

    with connected(cluster.address):  # type: ignore[attr-defined]
        return [n for n in ray.nodes() if n["Alive"]]


def test_wrong_input_is_never_tried_again(make_shot: Make, tmp_path: Path, cluster: object) -> None:
    shot = make_shot(frames=2)
    ask = FarmAsk(shot, tmp_path / "out", load_quality("preview"), chunk=1, memory_mib=512)
    graph = plan_farm(load_shot(shot), ask, SETTINGS).graph
    shot.write_text(shot.read_text().replace("focal_mm: 32", "focal_mm: -32"))  # after it was sent
    said: list[str] = []
    with pytest.raises(InputError) as caught:
        run_on_ray(graph, SETTINGS, cluster.address, say=said.append)  # type: ignore[attr-defined]
    assert "focal_mm" in caught.value.line() and caught.value.exit_code == 2
    assert not [s for s in said if "again" in s] and not (tmp_path / "out").exists()


def test_a_machine_that_fails_is_tried_again_and_then_given_up(
    make_shot: Make, tmp_path: Path, cluster: object
) -> None:
    shot = make_shot(frames=2)
    ask = FarmAsk(shot, tmp_path / "out", load_quality("preview"), chunk=1, memory_mib=512)
    graph = plan_farm(load_shot(shot), ask, SETTINGS).graph
    steps = tuple(replace(s, timeout_s=0 if s.name == "Frames" else s.timeout_s) for s in graph.steps)
    said: list[str] = []
    with pytest.raises(MachineError, match="Frames 1001 failed for good, and 1 more: got the task hangs"):
        run_on_ray(replace(graph, steps=steps), SETTINGS, cluster.address, say=said.append)  # type: ignore[attr-defined]
    assert sum("again in" in s for s in said) == 4 and sum("not tried again" in s for s in said) == 2


def test_no_node_is_large_enough(make_shot: Make, tmp_path: Path, cluster: object) -> None:
    begin = time.monotonic()
    ask = FarmAsk(make_shot(frames=1), tmp_path / "out", load_quality("preview"), chunk=1, memory_mib=2**24)
    graph = plan_farm(load_shot(ask.shot_file), ask, SETTINGS).graph
    with pytest.raises(
        MachineError, match=r"no node is large enough: expected 2 cores, 16,777,216 MiB, got vm|no node"
    ):
        run_on_ray(graph, replace(SETTINGS, patience_s=0.5), cluster.address)  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 60  # it waits for half a second, not for minutes


@pytest.mark.slow  # that frames which are there are skipped, the kills show too
def test_stopped_and_run_again(make_shot: Make, tmp_path: Path, cluster: object) -> None:
    shot, out = make_shot(frames=6), tmp_path / "out"
    whole = straight(shot, tmp_path / "straight")
    command = [sys.executable, "-m", "composer", "farm", str(shot), "--to", "ray", "--address", cluster.address,  # type: ignore[attr-defined]
               "--out", str(out), "--chunk", "1", "--memory", "512", "--device", "cpu"]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "1/6" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(60) == 1 and "run it again to go on" in rest
    there = digests(out / "tiny" / "v001")
    assert 0 < len(there) < 6 and there.items() <= whole.items()
    done = run(shot, out, cluster.address)  # type: ignore[attr-defined]
    assert set(done.skipped) | set(done.rendered) == set(range(1001, 1007)) and done.skipped
    assert digests(done.delivery) == whole and verify_delivery(done.delivery).findings == ()


def test_a_task_ends_with_its_worker(tmp_path: Path) -> None:
    """Nothing goes on rendering after a worker was killed."""
    code = (
        "import os, sys; from composer.farm.task import run_command; run_command(['render', sys.argv[1]], 60, '0.1.0')"
    )
    fifo = tmp_path / "shot.yaml"
    os.mkfifo(fifo)  # whoever reads the shot waits
    with subprocess.Popen([sys.executable, "-c", code, str(fifo)], cwd=ROOT) as worker:
        child = _child_of(worker.pid)
        worker.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()


def _child_of(pid: int) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children and b"-m\0composer\0" in Path(f"/proc/{children[0]}/cmdline").read_bytes():
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("no task was started")


def test_chunks_are_cut_for_the_cluster(make_shot: Make, tmp_path: Path) -> None:
    ask = FarmAsk(make_shot(frames=6), tmp_path, load_quality("preview"), chunk=6, memory_mib=512)
    graph = plan_farm(load_shot(ask.shot_file), ask, SETTINGS).graph
    assert [len(s.tasks()) for s in spread_over_slots(graph, 3).steps] == [1, 3, 1]
    assert [len(s.tasks()) for s in spread_over_slots(graph, 100).steps] == [1, 6, 1]
    windows = replace(graph, steps=tuple(replace(s, least_per_task=4) for s in graph.steps))
    assert [len(s.tasks()) for s in spread_over_slots(windows, 100).steps] == [1, 2, 1]


@pytest.mark.parametrize("address", ["nowhere", "ray://10.0.0.1:10001", "host:0", "host:99999", ""])
def test_no_address_at_all(address: str) -> None:
    from composer.farm.cluster import check_ray

    with pytest.raises(InputError, match="--address: not a cluster's address: expected HOST:PORT or auto"):
        check_ray(address)


def test_nobody_answers() -> None:
    from composer.farm.cluster import check_ray

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(MachineError, match=r"--address: no cluster answers: expected 127\.0\.0\.1") as caught:
        check_ray(f"127.0.0.1:{port}")
    assert caught.value.exit_code == 1 and time.monotonic() - begin < 60


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from composer.farm import cluster

    monkeypatch.setattr(cluster, "_HEALTH_S", 3.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(MachineError, match="no cluster answers"), cluster.connected(address):
            pass
