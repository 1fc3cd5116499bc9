"""Who stands in the foreground: distance fields turned into meshes, placed on the knoll, and the banner in the wind."""

from __future__ import annotations

import math

import numpy as np
import warp as wp
from numpy.typing import NDArray

from . import meshes, sdf, world
from .meshes import BANNER, CLOTH, FUR, METAL, PLAIN, Mesh

F32 = NDArray[np.float32]
STEP_M = 0.0072
COARSER = 4

#: (kind, x, z, heading in degrees (positive turns left), height over 1.80 m, cloak, tunic, shield), ACEScg reflectance
PLACES = (
    (sdf.COMMANDER, -1.95, -8.9, -14.0, 1.04, (0.170, 0.028, 0.022), (0.080, 0.060, 0.042), None),
    (sdf.BEARER, -3.45, -10.1, -24.0, 1.01, (0.085, 0.075, 0.058), (0.155, 0.050, 0.028), None),
    (sdf.POINTING, -0.55, -11.4, 16.0, 1.00, (0.060, 0.062, 0.072), (0.125, 0.095, 0.060), (0.185, 0.045, 0.030)),
    (sdf.HOODED, 4.85, -12.9, 26.0, 1.02, (0.072, 0.078, 0.050), (0.095, 0.080, 0.060), None),
)
PALETTE: dict[int, tuple[tuple[float, float, float], int]] = {
    sdf.HEAD: ((0.32, 0.205, 0.145), PLAIN),
    sdf.HELM: ((0.20, 0.195, 0.19), METAL),
    sdf.MAIL: ((0.085, 0.083, 0.080), METAL),
    sdf.FURS: ((0.085, 0.060, 0.040), FUR),
    sdf.BOOT: ((0.060, 0.040, 0.026), PLAIN),
    sdf.WOOD: ((0.135, 0.088, 0.050), PLAIN),
    sdf.BELT: ((0.085, 0.050, 0.028), PLAIN),
    sdf.HOSE: ((0.080, 0.068, 0.052), CLOTH),
    sdf.IRON: ((0.20, 0.195, 0.19), METAL),
    sdf.HAIR: ((0.075, 0.046, 0.026), PLAIN),
    sdf.GOLD: ((0.34, 0.24, 0.10), METAL),
}
BANNER_SIZE_M = (1.55, 0.98)
BANNER_GRID = (96, 150)


def _surface_nets(d: F32, origin: NDArray[np.float64], step: float) -> tuple[F32, NDArray[np.int32]]:
    """Zero surface of a sampled distance field: a vertex in each cell that it crosses, a quad for each crossed edge."""
    inside = d < 0
    corners = [
        inside[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for i in (0, 1) for j in (0, 1) for k in (0, 1)
    ]
    count = sum(c.astype(np.int8) for c in corners)
    cells = np.argwhere((count > 0) & (count < 8))
    index = np.full(count.shape, -1, np.int32)
    index[tuple(cells.T)] = np.arange(len(cells))
    total, n = np.zeros((len(cells), 3)), np.zeros((len(cells), 1))
    steps = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    for a in range(8):
        for axis in range(3):
            if steps[a][axis]:
                continue
            b = steps[a].copy()
            b[axis] = 1
            va, vb = d[tuple((cells + steps[a]).T)], d[tuple((cells + b).T)]
            cross = (va < 0) != (vb < 0)
            t = np.where(cross, va / np.where(va == vb, 1, va - vb), 0)[:, None]
            total += np.where(cross[:, None], cells + steps[a] + t * (b - steps[a]), 0)
            n += cross[:, None]
    points = origin + total / np.maximum(n, 1) * step
    quads = []
    for axis in range(3):
        lo, hi = np.take(inside, range(d.shape[axis] - 1), axis), np.take(inside, range(1, d.shape[axis]), axis)
        e = np.argwhere(lo != hi)
        u, v = (axis + 1) % 3, (axis + 2) % 3
        e = e[(e[:, u] > 0) & (e[:, v] > 0) & (e[:, u] < count.shape[u]) & (e[:, v] < count.shape[v])]
        du, dv = np.eye(3, dtype=int)[u], np.eye(3, dtype=int)[v]
        q = np.stack([index[tuple(c.T)] for c in (e - du - dv, e - dv, e, e - du)], 1)
        flip = ~lo[tuple(e.T)]
        q[flip] = q[flip][:, ::-1]
        quads.append(q)
    q = np.concatenate(quads)
    q = q[(q >= 0).all(1)]
    return points.astype(np.float32), np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]).astype(np.int32)


def _model(kind: int, step: float) -> tuple[F32, F32, NDArray[np.int32], F32]:
    """(position, normal, triangle, part and sky seen) of one figure in its own space."""
    tall = {sdf.BEARER: 4.0, sdf.HOODED: 2.7}.get(kind, 1.95)
    boxes = [((-0.72, -0.04, -0.55), (0.95, min(tall, 2.02), 0.78))]
    if tall > 2.02:
        boxes.append(((0.20, 2.02, -0.50), (0.52, tall, -0.20)))
    parts = []
    for lo, hi in boxes:
        shape = tuple(math.ceil((b - a) / step) + 1 for a, b in zip(lo, hi, strict=True))
        coarse = wp.zeros(tuple(n // COARSER + 2 for n in shape), dtype=float, device="cpu")
        d = wp.zeros(shape, dtype=float, device="cpu")
        wp.launch(sdf.sample, dim=coarse.shape, inputs=[wp.vec3(*lo), step * COARSER, kind, coarse], device="cpu")
        wp.launch(sdf.refine, dim=shape, inputs=[wp.vec3(*lo), step, kind, coarse, COARSER, d], device="cpu")
        parts.append(_surface_nets(d.numpy(), np.array(lo), step))
    p = np.concatenate([q[0] for q in parts])
    start = np.cumsum([0] + [len(q[0]) for q in parts])
    t = np.concatenate([q[1] + s for q, s in zip(parts, start[:-1], strict=True)])
    points = wp.array(p, dtype=wp.vec3, device="cpu")
    normal, part = wp.zeros(len(p), dtype=wp.vec3, device="cpu"), wp.zeros(len(p), dtype=wp.vec2, device="cpu")
    wp.launch(sdf.surface, dim=len(p), inputs=[points, kind, normal, part], device="cpu")
    return p, normal.numpy(), t, part.numpy()


def figure(place: tuple, step: float = STEP_M) -> Mesh:
    """One figure, standing on the knoll."""
    kind, x, z, heading, tall, cloak, tunic, shield = place
    p, n, t, part = _model(kind, step)
    a = math.radians(heading)
    turn = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]], np.float32)
    ground = float(world.height_m(np.float32(x), np.float32(z)))
    palette = {
        **PALETTE,
        sdf.CLOAK: (cloak, CLOTH),
        sdf.TUNIC: (tunic, CLOTH),
        sdf.SHIELD: (shield or (0.1, 0.1, 0.1), PLAIN),
    }
    ids = part[:, 0].round().astype(int)
    albedo, material = np.zeros_like(p), np.zeros(len(p), np.float32)
    for key, (colour, stuff) in palette.items():
        albedo[ids == key] = colour
        material[ids == key] = stuff
    if shield is not None:
        q = p - [-0.02, 1.20, 0.0]
        angle = np.arctan2(q[:, 1], q[:, 0])
        pale = (ids == sdf.SHIELD) & (np.sin(2 * angle + 0.6) > 0)
        albedo[pale] = (0.30, 0.26, 0.19)
    mesh = meshes.uniform(p @ turn.T * tall + [x, ground - 0.015, z], n @ turn.T, t, (0, 0, 0), CLOTH)
    mesh.albedo[:], mesh.material[:], mesh.open_[:, 1] = albedo, material, part[:, 1]
    return mesh


def banner(time_s: float) -> tuple[F32, F32]:
    """Position and normal of the banner's vertices: a swallow-tailed flag that flies to the right, waving with time."""
    _, x0, z0, heading, tall, *_ = PLACES[1]
    u, v = np.meshgrid(np.linspace(0, 1, BANNER_GRID[1]), np.linspace(0, 1, BANNER_GRID[0]))
    length, drop = BANNER_SIZE_M
    tail = 1.0 - 0.30 * (1 - np.abs(2 * v - 1)) * np.clip((u - 0.35) / 0.65, 0, 1)
    s = u * length * tail
    wave = (
        0.19 * u**0.8 * np.sin(6.0 * s - 8.5 * time_s + 1.3 * v) + 0.05 * np.sin(13.0 * s - 14.0 * time_s + 4 * v) * u
    )
    wave += 0.030 * np.sin(5 * v + 9 * s) + 0.022 * np.sin(17 * s + 7 * v - 11.0 * time_s) * np.clip(3 * u, 0, 1)
    sag = 0.20 * s * s / length + 0.05 * np.sin(4.2 * s - 7.0 * time_s) * u
    a = math.radians(heading)
    px, pz = 0.345 * tall, -0.33 * tall
    pole = np.array([x0 + px * math.cos(a) + pz * math.sin(a), 0, z0 - px * math.sin(a) + pz * math.cos(a)])
    ground = float(world.height_m(np.float32(x0), np.float32(z0)))
    out = np.stack(
        [pole[0] + s * 0.93 * np.cos(0.25), ground + 3.66 * tall - v * drop - sag, pole[2] + wave + s * 0.20], -1
    )
    n = np.cross(np.gradient(out, axis=1), np.gradient(out, axis=0))
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    return out.reshape(-1, 3).astype(np.float32), n.reshape(-1, 3).astype(np.float32)


def banner_mesh() -> Mesh:
    p, n = banner(0.0)
    i = np.arange(len(p), dtype=np.int32).reshape(BANNER_GRID)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel(), i[1:, :-1].ravel()
    mesh = meshes.uniform(
        p, n, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]), (0.20, 0.026, 0.020), BANNER
    )
    u, v = np.meshgrid(np.linspace(0, 1, BANNER_GRID[1]), np.linspace(0, 1, BANNER_GRID[0]))
    # a pale sun with rays in the cloth's own coordinates, and a pale border
    cx, cy = (u - 0.34) * BANNER_SIZE_M[0], (v - 0.5) * BANNER_SIZE_M[1]
    r, angle = np.hypot(cx, cy), np.arctan2(cy, cx)
    rays = 0.18 + 0.13 * np.clip(np.cos(8 * angle), 0, 1) ** 0.8
    soft = 0.010
    mark = np.clip((0.15 - r) / soft + 0.5, 0, 1) + np.clip((rays - r) / soft + 0.5, 0, 1) * np.clip(
        (r - 0.175) / soft + 0.5, 0, 1
    )
    edge = np.minimum(v, 1 - v) * BANNER_SIZE_M[1]
    border = np.clip((0.055 - edge) / soft + 0.5, 0, 1)
    pale = np.clip(mark + border, 0, 1).ravel()[:, None]
    mesh.albedo[:] = mesh.albedo * (1 - pale) + np.float32((0.42, 0.31, 0.13)) * pale
    return mesh


def all_figures(step: float = STEP_M) -> list[Mesh]:
    """The four figures, then the banner (last, so that the renderer can move it)."""
    return [*(figure(p, step) for p in PLACES), banner_mesh()]
