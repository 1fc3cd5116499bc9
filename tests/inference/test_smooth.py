"""Smooth noise: its statistics, that it lies on the bodies, and that no part of it depends on what else is asked for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from support import soldiers
from support.in_time import shot, traced

from composer.errors import InputError
from composer.guides.surface import AGENT
from composer.inference.carry import carry
from composer.inference.noise import ScreenNoise, WorldNoise
from composer.inference.request import F32, NoiseSource, Part
from composer.inference.smooth import AMPLITUDE, SIGMA_PX, margin

FACTOR = 2
WIDTH, HEIGHT = soldiers.SIZE
GRID = (HEIGHT // FACTOR, WIDTH // FACTOR)
SLOW = 0.3


@lru_cache(maxsize=4)
def world(seed: int = 5) -> WorldNoise:
    return WorldNoise(shot(SLOW).__getitem__, seed)


def somebody(frame: int = 0) -> np.ndarray:
    """bool [h, w]: where all of a latent is on agents."""
    there = (shot(SLOW)[frame].kind == AGENT).all(-1)
    return there.reshape(GRID[0], FACTOR, GRID[1], FACTOR).all((1, 3))


def test_on_the_screen_it_is_white_noise_averaged() -> None:
    """Against SciPy's Gaussians."""
    noise, edge = ScreenNoise(3), margin(FACTOR)
    found = noise.smooth(1001, 2, (40, 60), FACTOR)
    wide = noise.latents(7, 2, (40 + 2 * edge, 60 + 2 * edge), FACTOR, "smooth", Part((-edge, -edge)))
    sigmas = [s / FACTOR for s in SIGMA_PX]
    for one, got in zip(wide, found, strict=True):
        parts = [2 * np.sqrt(np.pi) * s * gaussian_filter(one, s, radius=edge) for s in sigmas]
        expected = sum(a * p for a, p in zip(AMPLITUDE, parts, strict=True))[edge:-edge, edge:-edge]
        ratio = float((got * expected).sum() / (expected**2).sum())
        assert ratio == pytest.approx(1 / 1.476, rel=0.01)  # as the three are of the same noise
        np.testing.assert_allclose(got, ratio * expected, atol=0.02)


def test_it_has_unit_variance() -> None:
    """Three sizes of which the broadest has few patches in a picture; two of one seed have nothing to do with each other."""
    there = somebody()
    on_bodies = np.stack([world(seed).smooth(0, 2, GRID, FACTOR)[:, there] for seed in range(12)])
    on_screen = np.stack([ScreenNoise(seed).smooth(0, 2, GRID, FACTOR) for seed in range(40)])
    assert abs(on_bodies.mean()) < 0.1 and 0.75 < on_bodies.std() < 1.1
    assert abs(on_screen.mean()) < 0.1 and 0.9 < on_screen.std() < 1.1
    for noise in (on_bodies, on_screen):
        assert abs(np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]) < 0.1
    assert not np.allclose(on_bodies[0], on_bodies[1])


def test_where_nobody_is_there_is_none() -> None:
    nobody = (shot(SLOW)[0].kind != AGENT).all(-1).reshape(GRID[0], FACTOR, GRID[1], FACTOR).all((1, 3))
    assert nobody.any() and not world().smooth(0, 2, GRID, FACTOR)[:, nobody].any()


def test_everybody_has_his_own() -> None:
    """The same clothes in the same pose, and another pattern."""
    surface = shot(SLOW)[0]
    who = surface.agent_id[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR, 0]
    noise = world().smooth(0, 1, GRID, FACTOR)[0]
    large = [i for i, n in zip(*np.unique(who[somebody()], return_counts=True), strict=True) if n > 40]
    means = [noise[(who == i) & somebody()].mean() for i in large]
    assert len(large) > 5 and np.std(means) > 0.2


@pytest.mark.parametrize("source", [ScreenNoise(5), world()], ids=["screen", "world"])
def test_a_part_is_that_part_of_the_whole(source: NoiseSource) -> None:
    whole = source.smooth(0, 2, GRID, FACTOR)
    y, x, h, w = 21, 34, 40, 51
    where = np.zeros((h, w), bool)
    where[10:30] = True
    part = source.smooth(0, 2, (h, w), FACTOR, Part((y, x), where))
    np.testing.assert_allclose(part, whole[:, y : y + h, x : x + w], atol=1e-5)


def test_it_goes_with_the_bodies() -> None:
    """Carried over five frames of a slow pan and walking people, it is the same but for the resampling."""
    first, last = 0, 5
    surfaces = shot(SLOW)
    far = traced(SLOW, last, first)

    def error(source: NoiseSource) -> float:
        one, five = (_enlarged(source.smooth(n, 3, GRID, FACTOR)) for n in (first, last))
        moved = carry(one, surfaces[first], far)
        seen = (moved.seen > 0.99) & (surfaces[last].kind == AGENT).all(-1)
        assert seen.sum() > 1000
        return float(np.sqrt(((moved.picture - five)[seen] ** 2).mean() / (2 * five[seen].var())))

    world_error, screen_error = error(world()), error(ScreenNoise(5))
    print(
        f"of what two pictures differ by that have nothing in common: {world_error:.3f}, the screen's {screen_error:.3f}"
    )
    assert world_error < 0.2 and world_error < 0.5 * screen_error


def _enlarged(noise: F32) -> F32:
    return np.ascontiguousarray(noise.repeat(FACTOR, 1).repeat(FACTOR, 2).transpose(1, 2, 0)[:HEIGHT, :WIDTH])


def test_shapes_that_are_not_made_are_refused() -> None:
    for source in (ScreenNoise(1), world()):
        with pytest.raises(InputError, match="noise of that shape"):
            source.smooth(0, 0, GRID, FACTOR)
