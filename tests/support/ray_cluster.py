"""Ray nodes on this machine, and accidents that happen to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

STORE_BYTES = 80 * 2**20
STEPS = ("Cache", "Frames", "Finish")


@contextlib.contextmanager
def cluster_of(nodes: int, cores: int = 2, cards: Sequence[int] = ()) -> Iterator[object]:
    """A head that takes no work, and nodes of so many cores. cards: that each is said to have."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for i in range(nodes):
            _add(cluster, cores, cards[i] if cards else 0)
        yield cluster
    finally:
        cluster.shutdown()


def _add(cluster, cores: int, cards: int) -> None:  # type: ignore[no-untyped-def]
    node = cluster.add_node(num_cpus=cores, num_gpus=cards, object_store_memory=STORE_BYTES)
    node.what = cores, cards


def workers(cluster) -> list[int]:  # type: ignore[no-untyped-def]
    """Processes of the cluster that run a task now."""
    raylets = {
        n.all_processes["raylet"][0].process.pid for n in cluster.list_all_nodes() if "raylet" in n.all_processes
    }
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError):
                title = (path / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
                parent = int((path / "stat").read_bytes().rpartition(b")")[2].split()[1])
                if parent in raylets and title.removeprefix("ray::").startswith(STEPS):
                    found.append(int(path.name))
    return found


class Accidents(threading.Thread):
    """Kills workers at random times until there were `kills`; takes a node away in between, and brings another one like it at
    the end. killed, removed: how many."""

    def __init__(self, cluster, kills: int, between_s: tuple[float, float], seed: int) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.cluster, self.kills, self.between_s, self.rng = cluster, kills, between_s, random.Random(seed)
        self.killed = self.removed = 0
        self.gone: list[tuple[int, int]] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(self.rng.uniform(*self.between_s)) and (self.killed < self.kills or not self.removed):
            running = workers(self.cluster)
            if running and self.killed < self.kills:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.rng.choice(running), signal.SIGKILL)
                    self.killed += 1
            if not self.removed and self.killed >= (self.kills + 1) // 2:
                nodes = [n for n in self.cluster.list_all_nodes() if not n.head]
                node = self.rng.choice(nodes)
                self.cluster.remove_node(node)
                self.gone.append(node.what)
                self.removed += 1

    def stop(self) -> None:
        self.over.set()
        self.join(30)
        for what in self.gone:
            _add(self.cluster, *what)
