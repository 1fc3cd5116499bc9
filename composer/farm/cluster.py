"""A Ray cluster: this machine by itself, or one that is running. Nothing is reported to anybody."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from composer.errors import InputError, MachineError, Where
from composer.farm.graph import Needs

_ADDRESS = re.compile(r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$")
#: How long a cluster may take to answer: to be there, and to be one.
_ANSWER_S, _HEALTH_S = 5.0, 30.0
#: Objects are small here: a command there, a few lines back.
_STORE_BYTES = 80 * 2**20


def check_ray(address: str | None) -> None:
    """Whether Ray is there and the address is one, before any work. Raises InputError, MachineError."""
    if find_spec("ray") is None:
        raise InputError(
            "Ray is not installed", where=Where(field="--to"), expected="the extra `ray`",
            hint="pip install 'muster-vfx[ray]', here and on every node",
        )  # fmt: skip
    if address is not None and address != "auto":
        host, port = _parts(address)
        _reach(address, host, port)


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connected to a cluster for the time being. address: None for this machine by itself, `auto` for the cluster that runs
    on it, HOST:PORT. Raises MachineError where nobody answers in time."""
    check_ray(address)
    # read when Ray is imported: no reports to its makers; cards are chosen by --device
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ.setdefault(name, "0")
    import ray

    if address is not None and address != "auto":
        _healthy(address)
    kind: dict[str, object] = {"address": address or "local", "log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        kind |= {
            "num_cpus": len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
    with _own_stdout():
        try:
            ray.init(**kind)
        except (ConnectionError, OSError, RuntimeError, TimeoutError, ValueError) as error:
            raise _unreachable(address or "this machine", str(error).splitlines()[0]) from error
        try:
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _own_stdout() -> Iterator[None]:
    """Ray prints long notices on stdout, where programs read results; what they say of tasks and nodes is told in short."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def nodes() -> tuple[tuple[str, Needs], ...]:
    """Names of the nodes that are alive, and what each has (GPU memory is not known to Ray)."""
    import ray

    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            needs = Needs(int(has.get("CPU", 0)), int(has.get("memory", 0)) // 2**20, int(has.get("GPU", 0)))
            found.append((f"{node['NodeManagerHostname']} {node['NodeID'][:6]}", needs))
    return tuple(found)


def slots(needs: Needs) -> int:
    """How many tasks the cluster can run at once."""
    return sum(_at_once(has, needs) for _, has in nodes())


def _at_once(has: Needs, needs: Needs) -> int:
    most = min(has.cores // needs.cores, has.memory_mib // needs.memory_mib)
    return min(most, has.gpus // needs.gpus) if needs.gpus else most


def _parts(address: str) -> tuple[str, int]:
    match = _ADDRESS.match(address)
    if match is None or not 0 < int(match[2]) < 65536:
        raise InputError(
            "not a cluster's address", where=Where(field="--address"), expected="HOST:PORT or auto", got=address
        )
    return match[1].strip("[]"), int(match[2])


def _reach(address: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_ANSWER_S).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error


def _healthy(address: str) -> None:
    """Ray itself would wait long for something that takes connections and is no cluster, or of another version."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_HEALTH_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer in {_HEALTH_S:.0f} s") from error
    if done.returncode:
        raise _unreachable(address, "something that is no Ray cluster of this version")


def _unreachable(address: str, got: str) -> MachineError:
    hint = "`ray status` on the head node tells whether it runs"
    return MachineError("no cluster answers", where=Where(field="--address"), expected=address, got=got, hint=hint)
