"""One task on a node: the command as a process of its own, which does not outlive the worker that runs it.

Nothing heavy is imported here: a worker starts in no time and leaves the node's memory to the task.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import composer

_PR_SET_PDEATHSIG = 1
_TAIL = 2000


@dataclass(frozen=True)
class Outcome:
    """code: of the process; 0 done, 2 wrong input, anything else the machine's (a negative one: the signal that ended it).
    errors: as `--json` tells them. rendered, skipped: frames."""

    code: int
    node: str
    seconds: float
    errors: tuple[dict[str, object], ...] = ()
    rendered: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    peak_memory_mib: int = 0

    @property
    def why(self) -> str:
        """In one line."""
        told = "; ".join(str(e.get("what")) + (f": got {e['got']}" if e.get("got") else "") for e in self.errors)
        return told or (f"ended by {signal.Signals(-self.code).name}" if self.code < 0 else f"exit code {self.code}")


def run_command(argv: Sequence[str], timeout_s: float, version: str) -> Outcome:
    """Run `muster` with these arguments and `--json`. version: of the Muster that sends it."""
    begin, node = time.monotonic(), platform.node()
    if composer.__version__ != version:
        error = {"what": f"node {node} has another Muster", "expected": version, "got": composer.__version__}
        return Outcome(2, node, 0.0, (error,))
    command = [sys.executable, "-m", "composer.farm.task", str(os.getpid()), *argv, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            error = {"what": "the task hangs", "expected": f"at most {timeout_s:.0f} s"}
            return Outcome(1, node, time.monotonic() - begin, (error,))
        except BaseException:
            process.kill()
            raise
    return _outcome(process.returncode, node, time.monotonic() - begin, out, err)


def run_on_node(argv: Sequence[str], timeout_s: float, version: str) -> Outcome:
    """The same inside a Ray worker, and which node it was (several may share a machine)."""
    import ray

    outcome = run_command(argv, timeout_s, version)
    return replace(outcome, node=f"{outcome.node} {ray.get_runtime_context().get_node_id()[:6]}")


def _outcome(code: int, node: str, seconds: float, out: bytes, err: bytes) -> Outcome:
    try:
        told = json.loads(out)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    errors = tuple(told.get("errors", ()))
    if code and not errors and (tail := err.decode(errors="replace").strip()[-_TAIL:]):
        errors = ({"what": tail.splitlines()[-1], "got": None},)
    return Outcome(
        code, node, seconds, errors, tuple(told.get("rendered", ())), tuple(told.get("skipped", ())),
        tuple(told.get("notes", ())), int(told.get("peak_memory_mib", 0)),
    )  # fmt: skip


def _become(parent: int, argv: Sequence[str]) -> None:
    """Turn into `muster`, after asking the system to end this process with `parent`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:  # else it is gone already
        os.execv(sys.executable, [sys.executable, "-m", "composer", *argv])


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
