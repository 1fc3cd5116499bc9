"""A frame that was never rendered: two soldiers who are discs, one half before the other, over a textured plate."""

from __future__ import annotations

import numpy as np

from composer.guides.passes import GuidePasses, LightSet, Samples
from composer.inference.conditions import Sight
from composer.inference.reach import reach_of

H, W = 96, 128
NEAR, FAR = 4711, 7
CENTRES = {NEAR: (48.3, 50.6), FAR: (44.0, 78.2)}
RADIUS = 20.0
DEPTH_M = {NEAR: 8.0, FAR: 14.0}
COLOUR = {NEAR: (0.5, 0.1, 0.05), FAR: (0.05, 0.12, 0.5)}


def disc(centre: tuple[float, float], radius: float = RADIUS) -> np.ndarray:
    """float32 [H, W]: how much of each pixel a disc covers, by 8 x 8 points."""
    y, x = (np.arange(n * 8) / 8 + 1 / 16 for n in (H, W))
    inside = np.hypot(y[:, None] - centre[0], x[None] - centre[1]) < radius
    return inside.reshape(H, 8, W, 8).mean((1, 3)).astype(np.float32)


def plate() -> np.ndarray:
    rng = np.random.default_rng(3)
    ramp = np.linspace(0.6, 1.4, W, dtype=np.float32)[None, :, None]
    return (ramp * np.array([0.5, 0.55, 0.45], np.float32) + rng.normal(0, 0.01, (H, W, 3))).astype(np.float32)


def guides(radius: float = RADIUS, colour: dict[int, tuple[float, float, float]] = COLOUR) -> GuidePasses:
    """The near one hides what is behind him."""
    near = disc(CENTRES[NEAR], radius)
    cover = {NEAR: near, FAR: np.clip(disc(CENTRES[FAR], radius) - near, 0, None)}
    entries = [
        (int(p), agent, float(c.flat[p]), DEPTH_M[agent]) for agent, c in cover.items() for p in np.flatnonzero(c > 0)
    ]
    entries.sort(key=lambda e: (e[0], e[3]))
    pixel = np.array([e[0] for e in entries])
    agent = np.array([e[1] for e in entries], np.uint32)
    coverage = np.array([e[2] for e in entries], np.float32)
    rgb = coverage[:, None] * np.array([colour[int(a)] for a in agent], np.float32)
    start = np.searchsorted(pixel, np.arange(H * W + 1)).astype(np.int64)
    total = near + cover[FAR]
    beauty = np.stack([np.bincount(pixel, rgb[:, i], H * W) for i in range(3)], -1).reshape(H, W, 3).astype(np.float32)
    some = total > 0
    first = np.zeros((H, W), np.uint32)
    first[cover[FAR] > 0], first[near >= np.maximum(cover[FAR], 1e-6)] = FAR, NEAR
    depth = np.where(near > 0, DEPTH_M[NEAR], np.where(some, DEPTH_M[FAR], np.inf)).astype(np.float32)
    return GuidePasses(
        depth_m=depth,
        normal=np.where(some[..., None], (0.0, 0.0, 1.0), 0.0).astype(np.float32),
        agent_id=first,
        motion_px=np.where(some[..., None], (2.0, 1.0), 0.0).astype(np.float32),
        motion_back_px=np.where(some[..., None], (-2.0, -1.0), 0.0).astype(np.float32),
        coverage=total,
        albedo=beauty * np.float32(0.5),
        beauty=beauty,
        shadow=np.zeros((H, W), np.float32),
        contact=np.zeros((H, W), np.float32),
        pose_px=np.zeros((0, 18, 3), np.float32),
        pose_agent=np.zeros(0, np.uint32),
        pose_visible=np.zeros((0, 18), bool),
        samples=Samples(start, agent, coverage, np.array([e[3] for e in entries], np.float32), rgb),
        lights=LightSet(*(beauty * np.float32(s) for s in (0.6, 0.3, 0.1))),
    )


def over(passes: GuidePasses, back: np.ndarray) -> np.ndarray:
    """The crowd over a plate."""
    return passes.beauty + (1 - passes.coverage[..., None]) * back


def sight(grow_px: int = 12, holdouts: tuple = (), ground_m: float = np.inf) -> Sight:
    own, back = guides(), plate()
    filled = over(own, back)
    reach = reach_of(own, holdouts, np.full((H, W), ground_m, np.float32), grow_px)
    none = np.zeros((H, W), np.float32)
    return Sight(1001, back, filled, filled - own.beauty, own, np.zeros((H, W, 3), np.float32), none, reach)
