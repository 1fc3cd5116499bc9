"""Trees and rocks: what makes a ridge look grown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.seeds import hash01
from composer.environment.noise import noise3
from composer.environment.solid import Builder, Shape

F64 = NDArray[np.float64]

BARK = (0.055, 0.045, 0.036)
LEAVES = ((0.085, 0.10, 0.028), (0.12, 0.115, 0.03), (0.20, 0.13, 0.03), (0.065, 0.085, 0.03), (0.10, 0.11, 0.03))


def ball(level: int) -> tuple[F64, NDArray[np.int64]]:
    """An icosphere: unit points [V, 3] and triangles [T, 3]."""
    g = (1 + 5**0.5) / 2
    p = [
        (-1, g, 0),
        (1, g, 0),
        (-1, -g, 0),
        (1, -g, 0),
        (0, -1, g),
        (0, 1, g),
        (0, -1, -g),
        (0, 1, -g),
        (g, 0, -1),
        (g, 0, 1),
        (-g, 0, -1),
        (-g, 0, 1),
    ]
    t = [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
        (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
    ]  # fmt: skip
    points, triangles = np.array(p, float), np.array(t)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(level):
        edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
        unique, inverse = np.unique(edges, axis=0, return_inverse=True)
        middle = points[unique].mean(1)
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        ab, bc, ca = (len(points) + inverse.reshape(3, -1)[k] for k in range(3))
        a, b, c = triangles.T
        points = np.concatenate([points, middle])
        triangles = np.concatenate([np.stack(s, 1) for s in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return points, triangles


def _lump(
    b: Builder, middle: F64, size: F64, seed: int, rough: float, scale: float, level: int, surface: str,
    colour: tuple[float, float, float],
) -> None:  # fmt: skip
    """A ball made uneven."""
    points, triangles = ball(level)
    swell = (
        1 + rough * noise3(points * scale + seed * 7.31, seed) + 0.5 * rough * noise3(points * scale * 2.3, seed + 1)
    )
    at = points * swell[:, None] * size
    corner = at[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = np.zeros_like(at)
    for k in range(3):
        np.add.at(normal, triangles[:, k], face)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    b.add(at + middle, triangles, normal, colour, at + middle + 13.7 * seed, surface)


def _sprays(
    b: Builder, middle: F64, size: F64, seed: int, count: int, scale: float, colour: tuple[float, float, float]
) -> None:
    """Sprays of leaves that stand out of a lump, so that its outline is no ball's: both sides of small triangles, lit as
    the crown that they belong to."""
    k = np.arange(count)
    u = np.stack([hash01(k + 4099 * seed, f"spray {what}") for what in "abcdefgh"], axis=1).astype(float)
    z, turn = 2 * u[:, 0] - 0.85, 2 * np.pi * u[:, 1]
    z = np.clip(z, -1, 1)
    r = np.sqrt(1 - z * z)
    out = np.stack([r * np.cos(turn), z, r * np.sin(turn)], axis=1)
    at = middle + out * size * (0.78 + 0.34 * u[:, 2:3])
    wide = (0.30 + 0.34 * u[:, 3:4]) * scale * size.mean()
    one = u[:, 4:7] - 0.5
    one = one - (one * out).sum(1, keepdims=True) * out * 0.5
    one /= np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-6)
    two = np.cross(out, one) + 0.45 * out * (2 * u[:, 7:8] - 1)
    corner = np.stack(
        [at + one * wide, at - 0.5 * one * wide + 0.8 * two * wide, at - 0.5 * one * wide - 0.8 * two * wide], 1
    )
    points = corner.reshape(-1, 3)
    normal = np.repeat(out, 3, axis=0)
    shade = np.asarray(colour) * np.repeat(0.75 + 0.5 * u[:, 5:6], 3, axis=0)
    triangle = np.arange(3 * count).reshape(-1, 3)
    for faces in (triangle, triangle[:, ::-1]):
        b.add(points, faces, normal, shade, points + 13.7 * seed, "leaves")


def tree(seed: int = 0, height_m: float = 9.0, fine: int = 2) -> Shape:
    """A broad-leaved tree: a trunk, and a crown of clumps."""
    b = Builder(cell_m=3.0)
    own = [float(hash01(seed * 31 + k, "tree")) for k in range(40)]
    h = height_m
    b.lathe([(0.035 * h, -0.6), (0.025 * h, 0.2 * h), (0.012 * h, 0.6 * h)], "wood", BARK, sides=6)
    colour = np.array(LEAVES[int(own[0] * len(LEAVES))]) * (0.8 + 0.5 * own[1])
    wide = 0.24 + 0.10 * own[2]
    for k in range(9):
        ring = 0 if k < 4 else 1 if k < 8 else 2
        turn = 1.57 * k + 0.8 * ring + 6.3 * own[3] + 0.5 * own[4 + k]
        up = (0.30, 0.55, 0.80)[ring] + 0.08 * (own[13 + k] - 0.5)
        out = wide * h * (0.72, 0.55, 0.05)[ring]
        size = h * ((0.20, 0.19, 0.17)[ring] + 0.05 * own[22 + k])
        middle = np.array([out * np.cos(turn), up * h, out * np.sin(turn)])
        shade = tuple(colour * (0.85 + 0.3 * own[30 + k]))
        _lump(b, middle, 0.86 * size * np.array([1.1, 0.92, 1.1]), seed * 13 + k, 0.45, 2.1, fine - 1, "leaves", shade)
        _sprays(
            b,
            middle,
            size * np.array([1.12, 0.95, 1.12]),
            seed * 29 + k,
            14 * 3 ** (fine - 1),
            0.5 ** (fine - 1),
            shade,
        )
    return b.shape()


def rock(seed: int = 0, size_m: float = 1.6) -> Shape:
    """A boulder, half sunk."""
    b = Builder()
    own = [float(hash01(seed * 17 + k, "rock")) for k in range(4)]
    size = size_m * np.array([0.6 + 0.35 * own[0], 0.42 + 0.2 * own[1], 0.5 + 0.3 * own[2]])
    grey = 0.15 + 0.05 * own[3]
    _lump(b, np.array([0.0, 0.12 * size_m, 0.0]), size, seed, 0.5, 1.3, 3, "rock", (grey, grey * 0.94, grey * 0.86))
    return b.shape()
