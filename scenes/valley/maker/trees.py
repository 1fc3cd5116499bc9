"""Woods: trees and shrubs as clouds of leaf cards in lobed crowns, finer near the camera."""

from __future__ import annotations

import numpy as np
import warp as wp

from . import world
from .raster import Card


def _stand(rng: np.random.Generator, n: int, d0: float, d1: float, slope: float) -> np.ndarray:
    """Trees [k, 4] = x, z, height, woods density, scattered over a fan in front of the camera."""
    d = np.sqrt(rng.uniform(d0 * d0, d1 * d1, n))
    x = d * rng.uniform(-slope, slope, n)
    w = world.cover(x.astype(np.float32), (-d).astype(np.float32))[:, 2]
    keep = rng.random(n) < w
    return np.stack([x, -d, rng.uniform(0.7, 1.25, n), w], 1)[keep]


def _crown(rng: np.random.Generator, x: float, z: float, h: float, cards: int, kind: int) -> tuple[np.ndarray, ...]:
    """Centres, normals, sizes, inner shade of one crown's cards."""
    lobes = 1 if cards < 30 else int(rng.integers(4, 8))
    spread = {0: 0.40, 1: 0.21, 2: 0.75}[kind]
    tall = {0: 0.42, 1: 0.52, 2: 0.45}[kind]
    mid = {0: 0.60, 1: 0.52, 2: 0.45}[kind] * h
    c = rng.normal(0, 0.38, (lobes, 3)) * [spread * h, tall * h * 0.7, spread * h] if lobes > 1 else np.zeros((1, 3))
    size = rng.uniform(0.5, 0.85, lobes) if lobes > 1 else np.ones(1)
    which = rng.integers(0, lobes, cards)
    v = rng.normal(size=(cards, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    r = rng.uniform(0.55, 1.0, cards) ** 0.5
    p = c[which] + v * (size[which] * r)[:, None] * [spread * h, tall * h, spread * h]
    if kind == 1:  # taper to a point
        p[:, [0, 2]] *= np.clip(1.15 - (p[:, 1:2] / (tall * h) + 1) * 0.5, 0.08, 1.2)
    n = (
        v * 0.75
        + p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-6) * 0.5
        + rng.normal(0, 0.25, (cards, 3))
    )
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    ground = float(world.height_m(np.float32(x), np.float32(z)))
    p[:, 1] = np.maximum(p[:, 1] + mid, 0.06 * h)
    centre = p + np.array([x, ground, z])
    leaf = h * (0.062 if cards > 250 else 0.085 if cards > 100 else 0.20) * rng.uniform(0.6, 1.3, cards)
    return centre, n, leaf, r


def cards() -> tuple[wp.array, wp.array]:
    """All leaf cards, and each card's colour (vec4: albedo, share of sky seen)."""
    rng = np.random.default_rng(4242)
    trees = [
        (_stand(rng, 1600, 45, 330, 0.95), 420, 8.5),
        (_stand(rng, 5600, 330, 900, 0.72), 170, 9.5),
        (_stand(rng, 30000, 900, 3300, 0.62), 20, 12.0),
    ]
    shrubs = _shrubs(rng)
    parts: list[tuple[np.ndarray, ...]] = []
    for stand, count, mean_height in trees:
        for x, z, size, w in stand:
            kind = 1 if rng.random() < 0.16 else 0
            h = mean_height * size * (0.55 + 0.5 * w)
            parts.append((*_crown(rng, x, z, h, count, kind), _tone(rng, count, kind)))
    for x, z, h, count in shrubs:
        parts.append((*_crown(rng, x, z, h, int(count), 2), _tone(rng, int(count), 2)))
    centre, normal, size, inner, tone = (np.concatenate([p[i] for p in parts]) for i in range(5))
    data = np.zeros(len(centre), dtype=Card.numpy_dtype())
    data["centre"], data["normal"], data["size"] = centre, normal, size
    data["seed"] = rng.random(len(centre))
    colour = np.concatenate([tone * (0.45 + 0.55 * inner[:, None] ** 2), (0.35 + 0.65 * inner**2)[:, None]], 1)
    return wp.array(data, dtype=Card, device="cpu"), wp.array(colour.astype(np.float32), dtype=wp.vec4, device="cpu")


def _tone(rng: np.random.Generator, n: int, kind: int) -> np.ndarray:
    green, gold, dark = (
        np.array([0.060, 0.085, 0.024]),
        np.array([0.145, 0.115, 0.032]),
        np.array([0.034, 0.052, 0.022]),
    )
    t = np.clip(rng.beta(1.2, 2.6), 0, 1)
    base = green + (gold - green) * t if kind != 1 else dark
    return base * rng.uniform(0.75, 1.25, (n, 1)) * rng.uniform(0.8, 1.15)


def _shrubs(rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    out = []
    for _ in range(46):  # loose bushes along the field's edges
        d = rng.uniform(60, 300)
        side = -1 if rng.random() < 0.5 else 1
        x = side * rng.uniform(0.36, 0.62) * d + (8 if side > 0 else -12)
        for _ in range(int(rng.integers(1, 5))):
            out.append((x + rng.normal(0, 3.0), -(d + rng.normal(0, 3.0)), rng.uniform(0.7, 2.0), 130))
    return out
