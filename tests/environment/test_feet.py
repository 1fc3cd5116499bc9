"""Dust at people's feet: who raises it, where it stays, and that it does not depend on which frames are rendered."""

from __future__ import annotations

import numpy as np
import pytest

from composer.environment.feet import Raised, cell_for, puffs_of, raised, step_frames
from composer.environment.volumes import Feet

FEET = Feet(1.0, 0.9, 3.0, (0.0, 0.0), (0.7, 0.6, 0.5), 0.4, 1)
EYE = np.array([0.0, 2.0, 0.0])
RATE = 24.0


def walk(speed: float, frames: tuple[int, ...], people: int = 1) -> np.ndarray:
    """People side by side who go along +x; [F, N, 2]."""
    x = np.array(frames)[:, None] / RATE * speed + np.zeros(people)
    return np.stack([x, np.tile(-20.0 - 0.9 * np.arange(people), (len(frames), 1))], axis=-1)


def dust(speed: float, frame: int = 60, feet: Feet = FEET, people: int = 1) -> Raised | None:
    frames = step_frames(frame, feet, RATE)
    puffs = puffs_of(walk(speed, frames, people), frames, frame, feet, RATE, np.ones(people))
    return raised(puffs, feet, 0.5, EYE)


def total(made: Raised) -> float:
    """Square metres of optical depth 1, seen from above."""
    level = made.top_m * (np.arange(12) / 11) ** 2
    return float(np.trapezoid(made.extinction, level, axis=0).sum() * made.cell_m**2)


def test_who_stands_raises_nothing_and_who_runs_more_than_who_walks() -> None:
    assert dust(0.0) is None and dust(0.4) is None
    walks, runs = dust(1.4), dust(4.0)
    assert walks is not None and runs is not None
    assert total(runs) > 4 * total(walks) > 0
    two = dust(4.0, people=2)
    assert two is not None and total(two) == pytest.approx(2 * total(runs), rel=1e-3)


def test_it_lies_behind_the_runner_and_the_oldest_is_the_widest() -> None:
    made = dust(4.0, frame=96)
    assert made is not None
    flat = made.extinction[3]
    z, x = (c + made.cell_m * np.arange(n) for c, n in zip(made.corner_m[::-1], flat.shape, strict=True))
    here = 96 / RATE * 4.0
    assert flat[:, x > here + 2.5].sum() < 0.02 * flat.sum()
    middle = np.average(x, weights=flat.sum(0))
    assert here - 9 < middle < here - 1

    def wide(at: float) -> float:
        column = flat[:, np.abs(x - at).argmin()]
        mean = np.average(z, weights=column)
        return float(np.sqrt(np.average((z - mean) ** 2, weights=column)))

    assert wide(here - 8) > wide(here - 1) * 1.3


def test_puffs_stay_in_the_world_from_frame_to_frame() -> None:
    """What hangs at frame 61 is what hung at 60, a little older: no puff is put elsewhere."""
    first = puffs_of(walk(4.0, f := step_frames(60, FEET, RATE)), f, 60, FEET, RATE, np.ones(1))
    then = puffs_of(walk(4.0, f := step_frames(61, FEET, RATE)), f, 61, FEET, RATE, np.ones(1))
    old = {tuple(np.round(p.place_m[0], 6)) for p in first}
    new = {tuple(np.round(p.place_m[0], 6)) for p in then}
    assert len(old & new) >= len(old) - 1
    assert {round(p.age_s * 24) for p in then} == {round(p.age_s * 24) + 1 for p in first}


def test_it_changes_little_from_frame_to_frame() -> None:
    """No pulse where a step begins: the whole amount is nearly even."""
    amounts = [total(made) for f in range(96, 104) if (made := dust(4.0, frame=f)) is not None]
    assert len(amounts) == 8 and max(amounts) / min(amounts) < 1.06


def test_the_lattice_is_the_worlds() -> None:
    a, b = dust(4.0, frame=60), dust(4.0, frame=75)
    assert a is not None and b is not None
    for one in (a, b):
        assert np.allclose(np.array(one.corner_m) / one.cell_m, np.round(np.array(one.corner_m) / one.cell_m))
    assert cell_for((10, 10)) == 0.5 and cell_for((400, 400)) == 1.5 and cell_for((1e5, 1e5)) == 8.0


def test_somebody_who_is_put_elsewhere_raises_nothing_on_his_way() -> None:
    frames = step_frames(60, FEET, RATE)
    place = np.tile(np.array([0.0, -20.0]), (len(frames), 1, 1))
    place[:3] += 50.0
    assert puffs_of(place, frames, 60, FEET, RATE, np.ones(1)) == []
