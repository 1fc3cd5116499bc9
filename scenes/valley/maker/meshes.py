"""Triangle meshes of the scene: terrain in nested grids and rocks; one `Mesh` type for all, figures included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from . import light, world

wp.set_module_options({"enable_backward": False})  # half the time to compile

TERRAIN, ROCK, CLOTH, PLAIN, METAL, BANNER, FUR, MATT = range(8)
F32 = NDArray[np.float32]
#: A piece of land, (x0, x1, z0, z1) in metres.
Clear = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mesh:
    """position_m, normal, albedo: float32 [V, 3]; open_: float32 [V, 2] = (sunlight left by the land, sky seen);
    material: float32 [V]; triangle: int32 [T, 3]."""

    position_m: F32
    normal: F32
    albedo: F32
    open_: F32
    material: F32
    triangle: NDArray[np.int32]


def join(meshes: list[Mesh]) -> Mesh:
    start = np.cumsum([0] + [len(m.position_m) for m in meshes])
    names = ("position_m", "normal", "albedo", "open_", "material")
    parts = [np.concatenate([getattr(m, n) for m in meshes]) for n in names]
    return Mesh(*parts, np.concatenate([m.triangle + s for m, s in zip(meshes, start[:-1], strict=True)]))


def uniform(position: F32, normal: F32, triangle: NDArray[np.int32], albedo: tuple[float, ...], material: int) -> Mesh:
    n = len(position)
    return Mesh(
        position.astype(np.float32),
        normal.astype(np.float32),
        np.broadcast_to(np.float32(albedo), (n, 3)).copy(),
        np.ones((n, 2), np.float32),
        np.full(n, material, np.float32),
        triangle.astype(np.int32),
    )


@wp.kernel
def _terrain_vertices(
    x: wp.array(dtype=float),
    z: wp.array(dtype=float),
    step: float,
    p: wp.array(dtype=wp.vec3),
    n: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    p[i] = wp.vec3(x[i], world.height(x[i], z[i]), z[i])
    n[i] = world.normal(x[i], z[i], step)


@wp.kernel
def _sunlit(
    p: wp.array(dtype=wp.vec3),
    grid: wp.array2d(dtype=float),
    x0: float,
    z0: float,
    cell: float,
    out: wp.array(dtype=wp.vec2),
):
    """Soft shadow of the land on itself, by marching a coarse height grid towards the sun."""
    i = wp.tid()
    q = p[i]
    lit = float(1.0)
    s = float(30.0)
    while s < 6500.0:
        w = q + light.SUN_V * s
        u = (w[0] - x0) / cell
        v = (w[2] - z0) / cell
        iu = int(wp.floor(u))
        iv = int(wp.floor(v))
        if iu >= 0 and iv >= 0 and iu < grid.shape[1] - 1 and iv < grid.shape[0] - 1:
            fu = u - float(iu)
            fv = v - float(iv)
            a = grid[iv, iu] * (1.0 - fu) + grid[iv, iu + 1] * fu
            b = grid[iv + 1, iu] * (1.0 - fu) + grid[iv + 1, iu + 1] * fu
            clear = (w[1] - (a * (1.0 - fv) + b * fv)) / s
            lit = wp.min(lit, wp.clamp(0.5 + clear / 0.016, 0.0, 1.0))
        s = s * 1.035 + 4.0
    out[i] = wp.vec2(lit, 1.0)


def _grid(x0: float, x1: float, z0: float, z1: float, step: float, hole: tuple[float, ...] | None) -> Mesh:
    xs = np.arange(x0, x1 + step / 2, step, dtype=np.float32)
    zs = np.arange(z0, z1 + step / 2, step, dtype=np.float32)
    gx, gz = np.meshgrid(xs, zs)
    flat = [wp.array(g.ravel(), dtype=float, device="cpu") for g in (gx, gz)]
    p = wp.zeros(gx.size, dtype=wp.vec3, device="cpu")
    n = wp.zeros(gx.size, dtype=wp.vec3, device="cpu")
    wp.launch(_terrain_vertices, dim=gx.size, inputs=[*flat, max(step, 0.2), p, n], device="cpu")
    i = np.arange(gx.size, dtype=np.int32).reshape(gx.shape)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
    keep = np.ones(a.shape, bool)
    if hole is not None:
        keep = ~(
            (gx[:-1, :-1] > hole[0] + step)
            & (gx[1:, 1:] < hole[1] - step)
            & (gz[:-1, :-1] > hole[2] + step)
            & (gz[1:, 1:] < hole[3] - step)
        )
    # cells well outside the picture go too
    keep &= (-gz[:-1, :-1] * 0.80 + 90.0) > np.abs(gx[:-1, :-1])
    quads = np.concatenate([np.stack([a, d, b], -1)[keep], np.stack([b, d, c], -1)[keep]])
    return uniform(p.numpy(), n.numpy(), quads, (0.1, 0.1, 0.1), TERRAIN)


LEVELS = (
    (-22.0, 22.0, -34.0, -3.0, 0.2),
    (-66.0, 66.0, -132.0, -2.0, 0.55),
    (-190.0, 190.0, -430.0, 0.0, 1.6),
    (-1000.0, 1000.0, -1900.0, 0.0, 6.5),
    (-5600.0, 5600.0, -9200.0, 0.0, 16.0),
)


def terrain() -> Mesh:
    """The land as nested regular grids, finest near the camera; the same grid in every frame."""
    levels: list[Mesh] = []
    hole: tuple[float, ...] | None = None
    for x0, x1, z0, z1, step in LEVELS:
        levels.append(_grid(x0, x1, z0, z1, step, hole))
        hole = (x0, x1, z0, 1.0e9)  # nothing coarse behind the finest level's near edge
    cell = 22.0
    xs, zs = np.arange(-7800, 7800, cell, np.float32), np.arange(-11000, 2400, cell, np.float32)
    coarse = world.height_m(xs[None, :], zs[:, None])
    grid = wp.array(coarse, dtype=float, device="cpu")
    land = join(levels)
    p = wp.array(land.position_m, dtype=wp.vec3, device="cpu")
    out = wp.zeros(len(land.position_m), dtype=wp.vec2, device="cpu")
    wp.launch(_sunlit, dim=len(out), inputs=[p, grid, float(xs[0]), float(zs[0]), cell, out], device="cpu")
    land.open_[:] = out.numpy()
    return land


def icosphere(level: int) -> tuple[F32, NDArray[np.int32]]:
    g = (1 + 5**0.5) / 2
    v = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g), (0, -1, -g), (0, 1, -g)]
    v += [(g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    f = [
        (0, 11, 5),
        (0, 5, 1),
        (0, 1, 7),
        (0, 7, 10),
        (0, 10, 11),
        (1, 5, 9),
        (5, 11, 4),
        (11, 10, 2),
        (10, 7, 6),
        (7, 1, 8),
    ]
    f += [
        (3, 9, 4),
        (3, 4, 2),
        (3, 2, 6),
        (3, 6, 8),
        (3, 8, 9),
        (4, 9, 5),
        (2, 4, 11),
        (6, 2, 10),
        (8, 6, 7),
        (9, 8, 1),
    ]
    p, t = np.array(v, np.float64), np.array(f)
    for _ in range(level):
        e = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), 1)
        u, inv = np.unique(e, axis=0, return_inverse=True)
        m = inv.reshape(3, -1).T + len(p)
        p = np.concatenate([p, p[u].mean(1)])
        t = np.concatenate(
            [
                np.stack([t[:, 0], m[:, 0], m[:, 2]], 1),
                np.stack([t[:, 1], m[:, 1], m[:, 0]], 1),
                np.stack([t[:, 2], m[:, 2], m[:, 1]], 1),
                m,
            ]
        )
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    return p.astype(np.float32), t.astype(np.int32)


def vertex_normals(p: F32, t: NDArray[np.int32]) -> F32:
    n = np.zeros_like(p)
    face = np.cross(p[t[:, 1]] - p[t[:, 0]], p[t[:, 2]] - p[t[:, 0]])
    for k in range(3):
        np.add.at(n, t[:, k], face)
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-9)


def rocks(clear: Clear | None = None) -> list[Mesh]:
    """Weathered boulders: spheres cut by random planes, half sunk; singly and in loose groups. None in `clear`."""
    rng = np.random.default_rng(77)
    places: list[tuple[float, float, float]] = [
        (-4.9, -11.6, 0.75),
        (-5.9, -12.6, 0.45),
        (-4.2, -10.9, 0.28),
        (5.8, -15.5, 0.55),
        (6.9, -16.4, 0.34),
        (1.6, -8.2, 0.20),
        (2.1, -8.5, 0.13),
        (-9.5, -21.0, 0.9),
        (-10.8, -22.2, 0.5),
        (15.0, -27.0, 0.8),
    ]
    for _ in range(34):
        d = rng.uniform(78, 240)
        x = rng.uniform(-0.56, 0.56) * d
        if 146 < d < 170 and abs(x) < 64:
            continue  # a host will stand there
        for _ in range(int(rng.integers(1, 5))):
            s = float(np.exp(rng.normal(-1.1, 0.5)) * (1.0 + d / 160))
            places.append((x + rng.normal(0, 1.6 + d / 60), -(d + rng.normal(0, 2.2)), s))
    out = []
    for number, (x, z, size) in enumerate(places):
        if clear is not None and clear[0] < x < clear[1] and clear[2] < z < clear[3]:
            continue
        rng = np.random.default_rng(500 + number)
        near = np.hypot(x, z) < 30
        p, t = icosphere(5 if near else 3)
        q = p.astype(np.float64)
        for _ in range(11):
            n = rng.normal(size=3)
            n /= np.linalg.norm(n)
            c = rng.uniform(0.55, 0.92)
            over = np.maximum(q @ n - c, 0)
            q -= np.outer(over, n) * 0.80
        wobble = sum(np.sin(q @ rng.normal(0, k, 3) + rng.uniform(0, 6)) / k for k in (3, 6, 11, 19, 31)) * 0.085
        q *= (1 + wobble)[:, None]
        q *= size * np.array([rng.uniform(0.9, 1.5), rng.uniform(0.55, 0.85), rng.uniform(0.9, 1.3)])
        a = rng.uniform(0, 6.28)
        q = q @ np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        ground = float(world.height_m(np.float32(x), np.float32(z)))
        w = (q + np.array([x, ground + size * 0.16, z])).astype(np.float32)
        tone = rng.uniform(0.85, 1.15)
        mesh = uniform(w, vertex_normals(w, t), t, (0.20 * tone, 0.185 * tone, 0.165 * tone), ROCK)
        mesh.open_[:, 1] = np.clip(0.45 + (w[:, 1] - ground) / (size * 0.7), 0.4, 1)
        out.append(mesh)
    return out
