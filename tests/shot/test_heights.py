"""Heights by the grid of triangles against a plain search through all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.shot.ground import mesh_ground


def highest(corner: np.ndarray, x: float, z: float) -> float:
    """Of all triangles [T, 3, 3] over (x, z), by solving for the barycentric coordinates; NaN for none."""
    best = np.nan
    for a, b, c in corner:
        matrix = np.array([[a[0], b[0], c[0]], [a[2], b[2], c[2]], [1, 1, 1]])
        if abs(np.linalg.det(matrix)) < 1e-9:
            continue
        share = np.linalg.solve(matrix, [x, z, 1])
        if (share >= -1e-9).all():
            best = np.fmax(best, share @ [a[1], b[1], c[1]])
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([1.0, 30.0, 3000.0]), st.sampled_from([0.0, 5000.0]))
def test_heights_of_a_soup(seed: int, count: int, size: float, away: float) -> None:
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-size, size, (count, 1, 3))
    reach = size * rng.choice([0.02, 0.3, 2.0], (count, 1, 1))  # small ones beside one that covers all
    corner = (middle + reach * rng.uniform(-1, 1, (count, 3, 3)) + away).astype(np.float32)
    corner[0, :, 0] = corner[0, 0, 0]  # an upright one
    ground = mesh_ground(corner.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))
    x, z = rng.uniform(-2 * size, 2 * size, (2, 60)) + away
    found = ground.height_m(x, z)
    true = np.array([highest(corner.astype(np.float64), *p) for p in zip(x, z, strict=True)])
    assert np.array_equal(np.isnan(found), np.isnan(true))
    assert np.allclose(found, true, rtol=1e-6, atol=1e-5 * size, equal_nan=True)


def test_edges_have_no_gaps_and_the_rim_belongs() -> None:
    line = np.linspace(-7.3, 11.1, 24)
    x, z = np.meshgrid(line, line)
    index = np.arange(24 * 24).reshape(24, 24)
    a, b, c, d = (v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    position = np.stack([x, 0.1 * x + np.sin(z), z], axis=-1).reshape(-1, 3).astype(np.float32)
    ground = mesh_ground(position, np.concatenate([np.stack([a, b, c], 1), np.stack([c, b, d], 1)]))
    for points in (position, (position[a] + position[c]) / 2, (position[b] + position[c]) / 2):
        assert np.allclose(ground.height_m(points[:, 0], points[:, 2]), points[:, 1], atol=1e-5)
    assert np.isnan(ground.height_m(np.array([12.0, -8.0, np.nan, np.inf, 1e30]), np.zeros(5))).all()
