"""Ground that people tread down: where, how much, and the same whichever frames are rendered."""

from __future__ import annotations

import numpy as np

from composer.environment.trampled import trodden, trodden_frames

EYE = np.array([0.0, 2.0, 0.0])
RATE = 24.0


def walked(frames: tuple[int, ...], speed: float, people: int = 1, file: bool = True) -> np.ndarray:
    """[F, N, 2]: people along +x from x = -10, in a file one behind the other, or side by side."""
    along = np.array(frames)[:, None] / RATE * speed - 10 - (1.2 * np.arange(people) if file else 0)
    along = along + np.zeros(people)
    side = np.zeros(people) if file else 1.2 * np.arange(people)
    return np.stack([along, np.broadcast_to(-20.0 - side, along.shape)], axis=-1)


def read(worn, x: float, z: float) -> float:  # type: ignore[no-untyped-def]
    i, k = (round((v - c) / worn.cell_m) for v, c in zip((x, z), worn.corner_m, strict=True))
    inside = 0 <= k < worn.share.shape[0] and 0 <= i < worn.share.shape[1]
    return float(worn.share[k, i]) if inside else 0.0


def test_it_lies_on_the_way_and_only_where_it_was_walked() -> None:
    frames = trodden_frames(0, 120, RATE)
    worn = trodden(walked(frames, 2.0), frames, RATE, EYE)
    assert worn is not None and worn.share.min() >= 0 and worn.share.max() <= 1
    assert read(worn, -5.0, -20.0) > 0.1
    assert read(worn, -5.0, -17.5) == 0 and read(worn, 3.5, -20.0) == 0 and read(worn, -14.0, -20.0) == 0


def test_a_column_wears_more_than_one_man_and_its_track_is_even() -> None:
    frames = trodden_frames(0, 240, RATE)
    one, many = (trodden(walked(frames, 2.0, n), frames, RATE, EYE) for n in (1, 8))
    assert one is not None and many is not None
    assert read(many, -4.0, -20.0) > 2.5 * read(one, -4.0, -20.0)
    along = [read(many, x, -20.0) for x in np.arange(-6, 4, 0.35)]
    assert max(along) < 1.15 * min(along)


def test_it_only_grows_and_keeps_its_cells() -> None:
    first, then = (trodden_frames(0, f, RATE) for f in (72, 96))
    a, b = (trodden(walked(f, 2.0, 4, file=False), f, RATE, EYE) for f in (first, then))
    assert a is not None and b is not None and a.cell_m == b.cell_m and set(first) < set(then)
    for x, z in ((-9.0, -20.0), (-7.0, -21.2), (-5.0, -23.6)):
        assert read(b, x, z) >= read(a, x, z) - 1e-6 > 0


def test_nobody_near_treads_nothing() -> None:
    frames = trodden_frames(0, 24, RATE)
    assert trodden(walked(frames, 1.0) + 5000.0, frames, RATE, EYE) is None
