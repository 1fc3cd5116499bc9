"""A small crowd on level ground before a moving camera, and its surfaces, for the tests of `inference`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Pinhole, View
from composer.crowd.agents import MATERIALS, Agents, Cast, Clip, Figure, Mesh, Skeleton
from composer.guides.surface import Surface, surface_pass

F64 = NDArray[np.float64]
SIZE = (384, 216)


def _mesh(rings: int = 16, segments: int = 20) -> Mesh:
    """An ellipsoid 1.8 m high."""
    t, p = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.arange(segments) * 2 * np.pi / segments, indexing="ij")
    unit = np.stack([np.sin(t) * np.cos(p), np.cos(t), np.sin(t) * np.sin(p)], -1).reshape(-1, 3)
    place = unit * [0.35, 0.9, 0.25] + [0.0, 0.9, 0.0]
    a = np.arange(rings * segments)
    b = a - a % segments + (a + 1) % segments
    triangle = np.concatenate([np.stack([a, b, a + segments], 1), np.stack([b, b + segments, a + segments], 1)])
    n = len(place)
    return Mesh(
        place.astype(np.float32), unit.astype(np.float32), np.zeros((n, 2), np.int16), np.ones(n, np.float32),
        triangle.astype(np.int32), np.zeros(len(triangle), np.int16),
    )  # fmt: skip


@lru_cache(maxsize=1)
def cast() -> Cast:
    """One figure of one joint that stands still."""
    joint = np.zeros(18, np.int16)
    skeleton = Skeleton(("hips",), np.array([-1], np.int16), np.array([[0, 0.9, 0]], np.float32), joint,
                        np.zeros((18, 3), np.float32))  # fmt: skip
    turn = np.zeros((1, 1, 4), np.float32)
    turn[..., 3] = 1
    clip = Clip("still", 1.0, turn, skeleton.bind_m[None].astype(np.float32))
    return Cast(skeleton, (Figure("soldier", (_mesh(),)),), (clip,))


def crowd(count: int = 60, walk_m: float = 0.0, frame: int = 0, past: int = 0) -> Agents:
    """Soldiers in ranks, ids 1 .. count in a fixed order of places; `walk_m` a frame to the right. At (past, frame, frame)."""
    rng = np.random.default_rng(4)
    x, z = np.meshgrid(np.linspace(-6, 6, 12), -np.linspace(6, 24, 10))
    order = rng.permutation(x.size)[:count]
    place = np.stack([x.ravel()[order] * (1 - z.ravel()[order] / 24), 0 * order, z.ravel()[order]], -1)
    walked = np.stack([place + np.array([walk_m * f, 0.0, 0.0]) for f in (past, frame, frame)])
    n = len(order)
    still = np.zeros((3, n))
    return Agents(
        frames=(frame - 1, frame, frame + 1), agent_id=np.arange(1, n + 1, dtype=np.uint32),
        position_m=walked.astype(np.float32), heading_rad=np.tile(rng.uniform(-3, 3, 120)[:n], (3, 1)).astype(np.float32),
        clip=still.astype(np.int16), phase=still.astype(np.float32), cast=np.zeros(n, np.int16), side=np.zeros(n, np.int8),
        height_scale=np.ones(n, np.float32), albedo=np.ones((n, len(MATERIALS), 3), np.float32),
        seed=np.zeros(n, np.uint32),
    )  # fmt: skip


def view(pan_deg: float = 0.0, x_m: float = 0.0, size: tuple[int, int] = SIZE) -> View:
    a, b = np.radians(-8.0), np.radians(pan_deg)
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    m = np.eye(4)
    m[:3, :3], m[:3, 3] = turn @ tilt, [x_m, 3.0, 0.0]
    return View(0, size, m, (0.9 * size[0], 0.9 * size[0]), (0.5 * size[0], 0.5 * size[1]), Pinhole())


def ground(at: View) -> NDArray[np.float32]:
    """Depth of y = 0."""
    w, h = at.size_px
    rays = at.rays(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -at.position_m[1] / rays[..., 1]
    return np.where(np.isfinite(depth) & (depth > 0) & (depth < 1e4), depth, np.inf).astype(np.float32)


def surface(who: Agents, at: View, past: View | None = None, samples: int = 4, device: str = "cpu") -> Surface:
    """The surface at one view, traced into another where that is given."""
    views = (past or at, at, at)
    return surface_pass(who, cast(), views, ground(at), samples, device, trace=past is not None)
