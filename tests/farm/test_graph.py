"""Frame texts that two programs read, tasks that cover every frame once, and when what failed is tried again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import InputErrors
from composer.farm.graph import Graph, Needs, Slot, Step, frame_text
from composer.farm.settings import load_farm
from composer.farm.task import Outcome
from composer.farm.tries import Task, Tries, backoff_s, input_error
from composer.shot.frames import frames_of

SETTINGS = replace(load_farm(), backoff_s=2.0, most_backoff_s=20.0, losses=4)


@settings(deadline=None)
@given(st.sets(st.integers(0, 400), min_size=1, max_size=60))
def test_a_frame_text_is_read_back_as_the_same_frames(numbers: set[int]) -> None:
    assert frames_of(frame_text(tuple(sorted(numbers)))) == tuple(sorted(numbers))


@settings(deadline=None)
@given(st.sets(st.integers(0, 400), min_size=1, max_size=60))
def test_open_job_description_reads_the_same_frames(numbers: set[int]) -> None:
    model = pytest.importorskip("openjd.model", reason="the extra `farm` is not installed")
    assert list(model.IntRangeExpr.from_str(frame_text(tuple(sorted(numbers))))) == sorted(numbers)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (range(1001, 1011), "1001-1010"), (range(1001, 1010, 2), "1001-1009:2"), ((1001,), "1001"), ((1001, 1005), "1001,1005"),
        ((1001, 1002), "1001-1002"), ((1001, 1003, 1004, 1005), "1001,1003-1005"),
    ],
)  # fmt: skip
def test_a_frame_text_is_short(frames: range, text: str) -> None:
    assert frame_text(tuple(frames)) == text


def test_tasks_hold_every_frame_once() -> None:
    step = Step("Frames", "", ("render",), Needs(1, 1024), tuple(range(1001, 1012)), 4)
    assert [len(t) for t in step.tasks()] == [4, 4, 3]
    assert sum(step.tasks(), ()) == step.frames
    assert replace(step, frames=()).tasks() == ((),)


def test_a_command_is_filled_in() -> None:
    step = Step(
        "Frames", "", ("render", Slot.SHOT, "--frames", Slot.FRAMES, "--out", Slot.OUT), Needs(1, 1), (1, 2, 3), 2
    )
    graph = Graph("a", "v001", Path("/s/shot.yaml"), Path("/o"), (1, 2, 3), (step,))
    assert graph.argv(step, (1, 2)) == ["render", "/s/shot.yaml", "--frames", "1-2", "--out", "/o"]
    assert graph.delivery == Path("/o/a/v001")


def test_waits_double_up_to_a_limit_and_differ_between_tasks() -> None:
    waits = [backoff_s(n, SETTINGS, "Frames 0") for n in range(1, 9)]
    bare = [2, 4, 8, 16, 20, 20, 20, 20]
    assert all(b <= w <= 1.5 * b for w, b in zip(waits, bare, strict=True))
    assert (
        waits
        == [backoff_s(n, SETTINGS, "Frames 0") for n in range(1, 9)]
        != [backoff_s(n, SETTINGS, "Frames 1") for n in range(1, 9)]
    )


def test_failures_and_losses_have_limits_of_their_own() -> None:
    task = Task(Step("Frames", "", (), Needs(1, 1), attempts=3), 0, (1,))
    tries = Tries()
    assert tries.again(task, SETTINGS, False, 100.0) == pytest.approx(tries.not_before - 100)
    for _ in range(4):
        assert tries.again(task, SETTINGS, True, 0.0) is not None
    assert tries.again(task, SETTINGS, False, 0.0) is not None
    assert tries.again(task, SETTINGS, False, 0.0) is None  # the third attempt failed
    lost = Tries(lost=4)
    assert lost.again(task, SETTINGS, True, 0.0) is None


def test_what_a_task_says_is_wrong_comes_back_as_the_error_that_it_was() -> None:
    told = {
        "what": "too few",
        "file": "shot.yaml",
        "line": 3,
        "column": 1,
        "field": "crowd",
        "expected": "2",
        "got": "1",
    }
    error = input_error(Task(Step("Cache", "", (), Needs(1, 1)), 0, ()), Outcome(2, "n", 1.0, (told,)))
    assert isinstance(error, InputErrors) and error.exit_code == 2
    assert error.line() == "shot.yaml:3:1: crowd: too few: expected 2, got 1"
    assert Outcome(-9, "n", 1.0).why == "ended by SIGKILL" and Outcome(1, "n", 1.0).why == "exit code 1"


def test_wrong_settings_are_all_told(tmp_path: Path) -> None:
    text = (
        "\n".join(f"{n}: 1" for n in vars(SETTINGS)).replace("cores: 1", "cores: 0").replace("losses: 1", "losses: 0.5")
    )
    (tmp_path / "farm.yaml").write_text(text)
    with pytest.raises(InputErrors) as caught:
        load_farm(tmp_path / "farm.yaml")
    assert [e.where.field for e in caught.value.errors] == ["cores", "losses"]
