"""The demo's frames by Ray on one node and on two, each held to one core of this machine: seconds, and how well it scales.

Run by itself, `python benchmarks/farm.py`: it needs the extra `ray` and two idle cores.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import machine

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
SCENE = Path(__file__).resolve().parents[1] / "scenes" / "valley" / "shot.yaml"
FRAMES, CHUNK, STORE_BYTES = tuple(range(1001, 1025)), 3, 80 * 2**20


def seconds(out: Path, cores: Sequence[int]) -> tuple[float, int]:
    """Of the whole job, proxy and manifest included, on a node for each of these cores; and how many tasks were tried again."""
    from ray.cluster_utils import Cluster

    from composer.farm.plan import FarmAsk, plan_farm
    from composer.farm.ray_run import run_on_ray
    from composer.farm.settings import load_farm
    from composer.render.quality import load_quality
    from composer.shot.load import load_shot

    settings = replace(load_farm(), cores=1)
    ask = FarmAsk(SCENE, out, load_quality("preview"), FRAMES, chunk=CHUNK, memory_mib=1024)
    graph = plan_farm(load_shot(SCENE), ask, settings).graph
    whole = os.sched_getaffinity(0)
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})  # what a node starts stays on its core
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        os.sched_setaffinity(0, whole)
        begin = time.perf_counter()
        done = run_on_ray(graph, settings, cluster.address, spread=False)
        took = time.perf_counter() - begin
    finally:
        os.sched_setaffinity(0, whole)
        cluster.shutdown()
    assert len(done.rendered) == len(FRAMES) and done.slots == len(cores)
    return took, len(done.retries)


def measure() -> dict[str, object]:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        seconds(Path(folder) / "warm", cores[:1])  # compiles kernels where that was never done
        one, again_1 = seconds(Path(folder) / "one", cores[:1])
        two, again_2 = seconds(Path(folder) / "two", cores[:2])
    return {
        "what": f"scenes/valley, {len(FRAMES)} frames in tasks of {CHUNK}, by Ray; each node held to one core",
        "seconds_one_node": round(one, 1),
        "seconds_two_nodes": round(two, 1),
        "times_as_fast": round(one / two, 2),
        "tried_again": again_1 + again_2,
        "load_after": os.getloadavg()[0],
    }


if __name__ == "__main__":
    print(json.dumps({"benchmark": "farm", **measure(), "machine": machine.describe()}, indent=1))
