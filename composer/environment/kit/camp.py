# ruff: noqa: RUF005 (vectors of numpy are added, not joined)
"""A camp: tents, palisades, banners and fires."""

from __future__ import annotations

import numpy as np

from composer.crowd.seeds import hash01
from composer.environment.solid import Builder, Shape, moved_by

Colour = tuple[float, float, float]

CANVAS: Colour = (0.42, 0.37, 0.28)
OAK: Colour = (0.15, 0.10, 0.06)
ASH: Colour = (0.22, 0.16, 0.10)
ROPE: Colour = (0.20, 0.16, 0.10)
SOOT: Colour = (0.02, 0.018, 0.016)
EMBER: Colour = (5.0, 1.1, 0.14)
FLAME: Colour = (9.0, 3.0, 0.42)


def _sag(points: np.ndarray, deep_m: float) -> np.ndarray:
    """Cloth hung between its edges: the middle of a sheet [M, N, 3] sinks along its normal."""
    m, n = points.shape[:2]
    s, t = np.linspace(0, 1, n), np.linspace(0, 1, m)[:, None]
    normal = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0)).mean((0, 1))
    normal /= np.linalg.norm(normal)
    return points - (deep_m * 16 * s * (1 - s) * t * (1 - t))[..., None] * normal


def _between(a, b, c, d, m: int, n: int) -> np.ndarray:
    """A sheet [m, n, 3] over four corners, from the lower left counter-clockwise."""
    a, b, c, d = (np.asarray(p, float) for p in (a, b, c, d))
    s, t = np.linspace(0, 1, n)[None, :, None], np.linspace(0, 1, m)[:, None, None]
    return (a * (1 - s) + b * s) * (1 - t) + (d * (1 - s) + c * s) * t


def tent(colour: Colour = CANVAS, seed: int = 0) -> Shape:
    """A ridge tent or, every third, a round pavilion with a valance in a darker tone."""
    return _pavilion(colour) if hash01(seed, "tent kind") < 0.34 else _ridge_tent(colour, seed)


def _ridge_tent(colour: Colour, seed: int) -> Shape:
    b = Builder()
    half, long, high = 1.25, 1.9 + 0.5 * float(hash01(seed, "tent length")), 2.1
    for side in (1, -1):
        front, back = -long * side, long * side
        sheet = _between((side * half, 0, front), (side * half, 0, back), (0, high, back), (0, high, front), 7, 9)
        b.grid(_sag(sheet, 0.13), "cloth", colour, smooth=True, both=True)
    for z, flip in ((-long, 1), (long, -1)):
        for side in (1, -1):
            if flip * side > 0:
                corner = (
                    (half, 0, z),
                    (0.28 if flip > 0 else 0.0, 0, z + 0.1 * flip),
                    (0, high, z),
                    (0, high - 0.01, z),
                )
            else:
                corner = (
                    (-0.2 if flip > 0 else 0.0, 0, z + 0.12 * flip),
                    (-half, 0, z),
                    (0, high - 0.01, z),
                    (0, high, z),
                )
            sheet = _between(*(np.array(p) * (flip, 1, 1) for p in corner), 5, 4)
            b.grid(_sag(sheet, 0.05), "cloth", np.multiply(colour, 0.92), smooth=True, both=True)
    for z in (-long - 0.05, long + 0.05):
        b.beam((0, 0, z), (0, high + 0.25, z), 0.07, 0.07, ASH)
    for side in (-1, 1):
        for z in (-long * 0.9, 0.0, long * 0.9):
            b.beam((side * half * 0.62, high * 0.38, z), (side * (half + 0.9), 0.0, z), 0.018, 0.018, ROPE)
            b.beam((side * (half + 0.9), -0.1, z), (side * (half + 1.0), 0.2, z), 0.05, 0.05, ASH)
    return b.shape()


def _pavilion(colour: Colour) -> Shape:
    b = Builder(cell_m=0.5)
    trim = tuple(0.45 * c for c in colour)
    r = 2.1
    b.lathe([(r, -0.05), (r * 0.98, 1.0), (r * 0.96, 1.9)], "cloth", colour, sides=20, smooth=False)
    b.lathe([(r * 1.05, 1.62), (r * 1.05, 1.98)], "cloth", trim, sides=20, smooth=False)
    b.lathe([(r * 1.05, 1.98), (r * 0.62, 2.62), (r * 0.3, 3.25), (0.03, 4.1)], "cloth", colour, sides=20, smooth=False)
    b.beam((0, 3.9, 0), (0, 4.8, 0), 0.06, 0.06, ASH)
    pennon = _between((0.0, 4.45, 0.0), (0.0, 4.45, 0.9), (0.0, 4.6, 0.95), (0.0, 4.75, 0.0), 3, 8)
    pennon[..., 0] += 0.1 * np.sin(np.linspace(0, 5, 8))
    b.grid(pennon, "cloth", trim, smooth=True, both=True)
    door = _between(
        (0.42, 0.0, -r - 0.02), (-0.42, 0.0, -r - 0.02), (-0.1, 1.6, -r * 0.99), (0.1, 1.6, -r * 0.99), 4, 4
    )
    b.grid(door, "plain", SOOT)
    for k in range(10):
        a = 2 * np.pi * (k + 0.5) / 10
        s, c = np.sin(a), np.cos(a)
        b.beam((1.04 * r * s, 1.95, 1.04 * r * c), (1.75 * r * s, 0.0, 1.75 * r * c), 0.018, 0.018, ROPE)
    return b.shape()


def palisade(length_m: float = 6.0, height_m: float = 3.2, seed: int = 0) -> Shape:
    """Sharpened trunks side by side along x, a rail behind them."""
    b = Builder()
    count = max(2, round(length_m / 0.3))
    for k in range(count):
        x = length_m * ((k + 0.5) / count - 0.5)
        own = float(hash01(seed * 977 + k, "stake"))
        other = float(hash01(seed * 977 + k, "lean"))
        top, r = height_m * (0.9 + 0.2 * own), 0.135 + 0.03 * other
        stake = Builder(cell_m=2.0)
        stake.lathe(
            [(r * 1.05, -0.8), (r, top - 0.45), (0.01, top)], "wood", np.multiply(OAK, 0.75 + 0.6 * other), sides=7
        )
        lean = moved_by(x, 0, 0.05 * (own - 0.5), 6.28 * own)
        lean[0, 1], lean[2, 1] = 0.05 * (other - 0.5), 0.05 * (own - 0.5)
        b.merge(stake.shape(), lean)
    for y in (0.45, 0.72):
        b.beam((-length_m / 2, y * height_m, 0.2), (length_m / 2, y * height_m, 0.2), 0.12, 0.1, OAK)
    return b.shape()


def banner(colour: Colour = (0.20, 0.030, 0.026), height_m: float = 6.0, seed: int = 0) -> Shape:
    """A long flag on a pole, blown out to the piece's right."""
    b = Builder()
    b.lathe([(0.06, -0.5), (0.045, height_m), (0.0, height_m + 0.25)], "wood", ASH, sides=8)
    n, m = 22, 9
    phase = 6.28 * float(hash01(seed, "wind"))
    s, t = np.linspace(0, 1, n)[None], np.linspace(0, 1, m)[:, None]
    long, tall = 0.5 * height_m, 0.24 * height_m
    wave = 0.16 * long * s * np.sin(7.5 * s + phase + 1.3 * t)
    x = 0.05 + long * s * (1 - 0.04 * np.cos(6 * s + phase)) + 0 * t
    taper = (1 - 0.45 * s) * (t - 0.5)
    y = height_m - 0.6 * tall + tall * taper - 0.25 * long * s**2 * 0.5
    b.grid(np.stack([-x, y, wave + 0 * x], axis=-1), "cloth", colour, smooth=True, both=True)
    band = np.stack([-x, y, wave + 0 * x], axis=-1)[3:6]
    b.grid(band + [0, 0, -0.012], "cloth", (0.36, 0.27, 0.09), smooth=True)
    b.grid((band + [0, 0, 0.012])[:, ::-1], "cloth", (0.36, 0.27, 0.09), smooth=True)
    return b.shape()


def fire(seed: int = 0) -> Shape:
    """A camp fire: a ring of stones, logs, embers and tongues of flame."""
    b = Builder()
    for k in range(11):
        a = 2 * np.pi * k / 11 + 0.2 * float(hash01(seed + k, "stone"))
        r = 0.11 + 0.05 * float(hash01(seed + k, "size"))
        stone = Builder()
        stone.lathe([(0.01, -0.05), (r, 0.02), (r * 0.9, 0.1), (0.01, 0.16)], "rock", (0.13, 0.12, 0.11), sides=7)
        b.merge(stone.shape(), moved_by(0.72 * np.sin(a), 0, 0.72 * np.cos(a), a, (1.3, 1.0, 1.0)))
    for k in range(6):
        a = 2 * np.pi * k / 6 + 0.3
        s, c = np.sin(a), np.cos(a)
        b.beam((0.62 * s, 0.06, 0.62 * c), (0.06 * s, 0.42, 0.06 * c), 0.12, 0.12, SOOT)
    b.lathe([(0.42, 0.04), (0.2, 0.12), (0.01, 0.14)], "fire", EMBER, sides=10)
    for k in range(7):
        own, other = float(hash01(seed + k, "flame")), float(hash01(seed + k, "flame place"))
        tall, a = 0.35 + 0.65 * own * own, 6.28 * other
        y = np.linspace(0, 1, 8)
        r = 0.13 * np.sqrt(y + 0.05) * (1 - y) ** 0.9 * 1.9
        tongue = Builder(cell_m=5.0)
        hot = np.multiply(FLAME, 0.45 + 0.55 * other)
        tongue.lathe([(float(q) + 0.001, float(h * tall)) for q, h in zip(r, y, strict=True)], "fire", hot, sides=7)
        lean = moved_by(0.2 * np.sin(a), 0.1, 0.2 * np.cos(a), a)
        lean[0, 1], lean[2, 1] = -0.35 * np.sin(a), -0.35 * np.cos(a)
        b.merge(tongue.shape(), lean)
    return b.shape()
