"""Errors travel between processes whole: workers of a pool and of a farm hand them back pickled."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import composer.errors
from composer.errors import InputError, InputErrors, MachineError, MusterError, Where

CLASSES = sorted(
    (c for c in vars(composer.errors).values() if isinstance(c, type) and issubclass(c, MusterError)),
    key=lambda c: c.__name__,
)


def one(kind: type[MusterError]) -> MusterError:
    """With every field filled in."""
    where = Where(Path("shot.yaml"), 3, 7, 1001, "plate.path")
    return kind("no such plate", where=where, expected="a sequence", got="nothing", hint="is the disk there?")


def several() -> InputErrors:
    """Some in some."""
    return InputErrors([one(InputError), InputErrors([one(MachineError)]), InputError("plain")])


def told(error: MusterError) -> list[object]:
    """All that a person or a program can learn of it."""
    own = [type(error), str(error), error.args, error.exit_code, error.as_json(), error.where]
    return own + [told(e) for e in error.errors if e is not error]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_an_error_is_the_same_after_pickling_and_copying(kind: type[MusterError]) -> None:
    error = several() if issubclass(kind, InputErrors) else one(kind)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert told(pickle.loads(pickle.dumps(error, protocol))) == told(error)
    assert told(copy.copy(error)) == told(copy.deepcopy(error)) == told(error)
    assert "shot.yaml:3:7 frame 1001: plate.path: no such plate" in str(pickle.loads(pickle.dumps(error)))


class Busy(MachineError):
    """A class with a constructor and a field of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__("the port is taken", got=str(port))


def test_an_error_with_a_constructor_of_its_own_travels_too() -> None:
    back = pickle.loads(pickle.dumps(Busy(8080)))
    assert told(back) == told(Busy(8080)) and back.port == 8080


FAILS = """
from composer.errors import InputError, InputErrors, Where
raise InputErrors([InputError("one", where=Where(line=1)), InputError("two", got="2")])
"""


def test_what_a_worker_raises_arrives() -> None:
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(InputErrors) as caught,
    ):
        pool.submit(exec, FAILS).result()
    assert [e.line() for e in caught.value.errors] == [":1: one", "two: got 2"]
