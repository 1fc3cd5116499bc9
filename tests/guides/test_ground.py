"""ground_depth against View.rays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from composer.guides.ground import ground_depth, split_long

NONE = np.zeros((0, 3), np.float32)


def plane(normal: tuple[float, float, float], point: tuple[float, float, float]) -> SimpleNamespace:
    n = np.array(normal) / np.linalg.norm(normal)
    return SimpleNamespace(
        kind="plane", point_m=np.array(point), plane_normal=n, position_m=NONE, triangle=np.zeros((0, 3), np.int32)
    )


def mesh(position: np.ndarray, triangle: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(
        kind="mesh", point_m=np.zeros(3), plane_normal=np.array([0.0, 1, 0]),
        position_m=np.asarray(position, np.float32), triangle=np.asarray(triangle, np.int32),
    )  # fmt: skip


def rays_of(view) -> np.ndarray:  # type: ignore[no-untyped-def]
    w, h = view.size_px
    return view.rays(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1))


@pytest.mark.parametrize("distorted", [False, True])
def test_plane(kit, distorted) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(lens=kit.Radial() if distorted else None)
    ground = plane((0.1, 1.0, -0.05), (0.0, 0.2, -3.0))
    depth = ground_depth(ground, view)
    rays = rays_of(view)
    with np.errstate(divide="ignore"):
        true = ((ground.point_m - view.position_m) @ ground.plane_normal) / (rays @ ground.plane_normal)
    near = (true > 0) & (true < 200)
    assert near.mean() > 0.3
    # a hundredth of a pixel, which near the horizon is a long way
    hundredth = 0.01 * true[near] / (1.6 * view.focal_px[1])
    assert (np.abs(depth[near] / true[near] - 1) < 2e-5 + hundredth).all()
    assert np.isinf(depth[true < 0]).all() and depth.dtype == np.float32


@pytest.mark.parametrize("distorted", [False, True])
def test_one_large_quad_is_the_plane(kit, distorted) -> None:  # type: ignore[no-untyped-def]
    """Two triangles of a kilometre, reaching behind the camera, bent by the lens: the plane's depth all the same."""
    view = kit.view(lens=kit.Radial() if distorted else None)
    corners = [[-400, 0, 300], [400, 0, 300], [400, 0, -700], [-400, 0, -700]]
    depth = ground_depth(mesh(corners, [[0, 1, 2], [0, 2, 3]]), view)
    true = ground_depth(plane((0, 1, 0), (0, 0, 0)), view)
    near = true < 300
    assert near.mean() > 0.4
    assert np.abs(depth[near] / true[near] - 1).max() < 2e-4
    assert np.isinf(depth[np.isinf(true)]).all()


@pytest.mark.parametrize("distorted", [False, True])
def test_hills(kit, distorted) -> None:  # type: ignore[no-untyped-def]
    """A rolling height field against a ray cast of every triangle at random pixels."""
    view = kit.view(lens=kit.Radial() if distorted else None, height=2.5)
    n = 40
    x, z = np.meshgrid(np.linspace(-15, 15, n), np.linspace(-30, 2, n))
    y = 0.8 * np.sin(x * 0.5) * np.cos(z * 0.4)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = (q.ravel() for q in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    position = np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32)
    depth = ground_depth(mesh(position, faces), view)
    corner = position[faces].astype(np.float64)
    rng = np.random.default_rng(4)
    w, h = view.size_px
    px = np.stack([rng.integers(0, w, 300), rng.integers(0, h, 300)], -1)
    rays = rays_of(view)[px[:, 1], px[:, 0]]
    o, ab, ac = view.position_m, corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    wrong = 0
    for p, ray in zip(px, rays, strict=True):
        across = np.cross(ray, ac)
        det = (ab * across).sum(-1)
        u = ((o - corner[:, 0]) * across).sum(-1) / det
        q = np.cross(o - corner[:, 0], ab)
        v, t = (q @ ray) / det, (ac * q).sum(-1) / det
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0.25)
        true = t[hit].min() if hit.any() else np.inf
        got = depth[p[1], p[0]]
        wrong += not (got == true or abs(got - true) < 1e-3 + 1e-4 * true)
    assert np.isfinite(depth).mean() > 0.3
    assert wrong <= 2  # a ray along a silhouette may fall on either side


def test_split_keeps_the_surface() -> None:
    position = np.array([[0, 0, 0], [300, 0, 0], [300, 30, 200], [0, 5, 200]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    p, t = split_long(position, faces, 40.0)
    corner = p[t].astype(np.float64)
    side = np.linalg.norm(corner[:, [1, 2, 0]] - corner, axis=2)
    assert side.max() <= 40.0

    def area(c: np.ndarray) -> np.ndarray:
        return 0.5 * np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0])

    assert np.allclose(area(corner).sum(0), area(position[faces].astype(np.float64)).sum(0), rtol=1e-5)
    edge = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
    _, count = np.unique(edge, axis=0, return_counts=True)
    rim = edge[np.isin(np.arange(len(edge)), np.arange(len(edge)))]
    assert (count <= 2).all() and len(rim)
    # an edge with one triangle lies on the rim of the quad, so no crack opened inside
    unique = np.unique(edge, axis=0)[count == 1]
    middle = 0.5 * (p[unique[:, 0]] + p[unique[:, 1]])
    on_rim = (
        (np.abs(middle[:, 2]) < 1e-3) | (np.abs(middle[:, 2] - 200) < 1e-3) | (np.abs(middle[:, 0]) < 1e-3)
        | (np.abs(middle[:, 0] - 300) < 1e-3)
    )  # fmt: skip
    assert on_rim.all()
