# ruff: noqa: RUF005 (vectors of numpy are added, not joined)
"""Walls with battlements, round and square towers, a gatehouse, a keep, and the fortress made of them.

Pieces stand on y = 0 with footings below it, front towards -Z. Measures follow castles of about 1300: a curtain of
8 to 10 m, walks 2 m wide, merlons of 1 m by 1.5 m a metre apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.environment.solid import Builder, Shape, moved_by

F64 = NDArray[np.float64]

STONE = (0.30, 0.265, 0.21)
DARK = (0.012, 0.011, 0.010)
OAK = (0.13, 0.088, 0.052)
SLATE = (0.085, 0.085, 0.092)
FOOTING_M = 3.0


def _merlons(
    b: Builder, x0: float, x1: float, y: float, z0: float, z1: float, stone: tuple[float, float, float]
) -> None:
    """A parapet along x with merlons on it."""
    b.box((x0, y, z0), (x1, y + 1.0, z1), "stone", stone)
    count = max(1, round((x1 - x0) / 2.1))
    pitch = (x1 - x0) / count
    for k in range(count):
        left = x0 + k * pitch + 0.25 * pitch
        b.box((left, y + 1.0, z0), (left + 0.52 * pitch, y + 1.95, z1), "stone", stone)


def _slit(b: Builder, at: tuple[float, float, float], tall: float, wide: float, turn: float = 0.0) -> None:
    """An arrow slit or window: a dark face a hair before the wall, looking out to `turn` (0: -Z)."""
    c, s = np.cos(turn), np.sin(turn)
    side, out = np.array([c, 0, -s]), np.array([-s, 0, -c])
    p = np.asarray(at) + 0.03 * out
    up = np.array([0, tall, 0])
    a, d = p + side * wide / 2, p - side * wide / 2
    b.quad(a, d, d + up, a + up, "plain", DARK)


def wall(length_m: float = 8.0, height_m: float = 9.0, thick_m: float = 2.4, *, slits: bool = True) -> Shape:
    """A piece of curtain wall, its middle at the origin, along x; battered foot, walk, battlements before it."""
    b = Builder()
    half, t = length_m / 2, thick_m / 2
    foot = 0.55
    for front in (1, -1):
        z, out = -t * front, -(t + foot) * front
        ends = (half, -half) if front > 0 else (-half, half)
        low = [(x, -FOOTING_M, out) for x in ends]
        mid = [(x, 1.8, z) for x in ends]
        top = [(x, height_m, z) for x in ends]
        b.quad(low[0], low[1], mid[1], mid[0], "stone", STONE, (0.0, -FOOTING_M))
        b.quad(mid[0], mid[1], top[1], top[0], "stone", STONE, (0.0, 1.8))
    b.quad((-half, height_m, t), (half, height_m, t), (half, height_m, -t), (-half, height_m, -t), "stone", STONE)
    for x, flip in ((half, 1), (-half, -1)):
        a, c = (x, -FOOTING_M, t * flip), (x, -FOOTING_M, -t * flip)
        b.quad(a, c, (x, height_m, c[2]), (x, height_m, a[2]), "stone", STONE)
    _merlons(b, -half, half, height_m, -t - 0.12, -t + 0.42, STONE)
    b.box((-half, height_m, t - 0.35), (half, height_m + 0.55, t), "stone", STONE)
    # a string course casts the line under the battlements
    b.box((-half, height_m - 0.35, -t - 0.2), (half, height_m, -t), "stone", STONE, bottom=True)
    if slits:
        for x in np.arange(-half + 2.0, half - 1.0, 4.2):
            _slit(b, (float(x), height_m * 0.52, -t), 1.3, 0.16)
    return b.shape()


def tower(height_m: float = 14.0, radius_m: float = 3.6, *, roof: bool = False) -> Shape:
    """A round tower: battered foot, corbelled battlements or a slate cone."""
    b = Builder()
    r, h = radius_m, height_m
    b.lathe([(r * 1.18, -FOOTING_M), (r * 1.14, 0.0), (r, 3.2), (r, h - 1.6)], "stone", STONE, sides=28)
    b.lathe([(r, h - 1.6), (r + 0.55, h - 0.9), (r + 0.55, h - 0.9), (r + 0.55, h)], "stone", STONE, sides=28)
    for k in range(14):  # corbels
        a = 2 * np.pi * k / 14
        x, z = (r + 0.28) * np.sin(a), (r + 0.28) * np.cos(a)
        corbel = Builder()
        corbel.box((-0.2, h - 2.1, -0.35), (0.2, h - 1.25, 0.35), "stone", STONE, bottom=True)
        b.merge(corbel.shape(), moved_by(x, 0, z, a))
    b.lathe([(r + 0.55, h), (0.001, h)], "stone", STONE, sides=28, smooth=True)
    out, inner = r + 0.55, r + 0.1
    b.lathe(
        [(out, h), (out, h + 1.0), (out, h + 1.0), (inner, h + 1.0), (inner, h + 1.0), (inner, h)],
        "stone",
        STONE,
        sides=28,
    )
    merlons = max(8, round(2 * np.pi * out / 2.1))
    for k in range(merlons):
        a0, a1 = 2 * np.pi * k / merlons, 2 * np.pi * (k + 0.52) / merlons
        ring = [
            (out, h + 1.0),
            (out, h + 1.95),
            (out, h + 1.95),
            (inner, h + 1.95),
            (inner, h + 1.95),
            (inner, h + 1.0),
        ]
        b.lathe(ring, "stone", STONE, sides=2, turn=(a0, a1))
        for a, way in ((a0, 1.0), (a1, -1.0)):
            d = np.array([np.sin(-a), 0, np.cos(-a)])
            p, q = d * inner + [0, h + 1, 0], d * out + [0, h + 1, 0]
            up = np.array([0, 0.95, 0])
            if way > 0:
                b.quad(p, q, q + up, p + up, "stone", STONE)
            else:
                b.quad(q, p, p + up, q + up, "stone", STONE)
    if roof:
        b.lathe(
            [(r + 0.2, h + 1.6), (r * 0.5, h + 1.6 + 1.1 * r), (0.02, h + 1.6 + 2.3 * r)], "thatch", SLATE, sides=28
        )
        b.lathe([(r + 0.15, h), (r + 0.15, h + 1.7)], "stone", STONE, sides=28)
    for k, y in enumerate((0.34 * h, 0.55 * h, 0.72 * h)):
        for a in np.arange(3) * 2.1 + 0.7 * k:
            at = (-r * np.sin(a), y, -r * np.cos(a))
            _slit(b, at, 1.25, 0.17, float(a))
    return b.shape()


def _box_tower(b: Builder, half: float, height: float, middle: tuple[float, float] = (0.0, 0.0)) -> None:
    """A square tower with battlements on every side."""
    x, z = middle
    b.box((x - half, -FOOTING_M, z - half), (x + half, height, z + half), "stone", STONE)
    b.box(
        (x - half - 0.3, height - 0.5, z - half - 0.3),
        (x + half + 0.3, height, z + half + 0.3),
        "stone",
        STONE,
        bottom=True,
    )
    side = Builder()
    _merlons(side, -half - 0.3, half + 0.3, height, -half - 0.3, -half + 0.25, STONE)
    parapet = side.shape()
    for k in range(4):
        b.merge(parapet, moved_by(x, 0, z, k * np.pi / 2))


def gate(height_m: float = 11.0) -> Shape:
    """A gatehouse: two square towers, an arch between them, a portcullis and doors behind it."""
    b = Builder()
    h, half, arch = height_m, 2.6, 2.1
    for x in (-1, 1):
        _box_tower(b, half, h + 2.5, (x * (arch + half), 0.0))
        _slit(b, (x * (arch + half), 0.5 * h, -half), 1.4, 0.18)
        _slit(b, (x * (arch + half), 0.8 * h, -half), 1.4, 0.18)
    spring, z = 3.4, -half + 0.5
    turn = np.linspace(0, np.pi, 13)
    rim = np.stack([arch * np.cos(turn), spring + arch * np.sin(turn), np.full(13, z)], axis=1)
    top = np.stack([arch * np.cos(turn), np.full(13, h), np.full(13, z)], axis=1)
    top[:, 0] = rim[:, 0]
    b.grid(np.stack([rim, top]), "stone", STONE, uv=np.stack([rim * [1, 1, 0], top * [1, 1, 0]]))
    back = rim + [0, 0, 2.0]
    b.grid(np.stack([rim, back])[::-1], "stone", STONE)
    for x, way in ((arch, 1), (-arch, -1)):
        ends = (z, z + 2.0) if way > 0 else (z + 2.0, z)
        b.quad((x, -1, ends[1]), (x, -1, ends[0]), (x, spring, ends[0]), (x, spring, ends[1]), "stone", STONE)
    b.box((-arch, h - 0.01, z - 0.02), (arch, h, half), "stone", STONE)
    _merlons(b, -arch, arch, h, z - 0.12, z + 0.42, STONE)
    b.box((-arch, h - 0.4, z - 0.25), (arch, h, z), "stone", STONE, bottom=True)
    # planks in the dark, iron before them
    b.quad(
        (arch, -1, z + 1.6),
        (-arch, -1, z + 1.6),
        (-arch, spring + arch, z + 1.6),
        (arch, spring + arch, z + 1.6),
        "wood",
        (0.06, 0.04, 0.024),
    )
    for x in np.arange(-1.75, 1.8, 0.5):
        b.beam(
            (x, 0.4, z + 0.8),
            (x, spring + 0.95 * np.sqrt(max(arch**2 - x * x, 0.01)), z + 0.8),
            0.09,
            0.06,
            (0.05, 0.045, 0.04),
            "iron",
        )
    for y in np.arange(0.9, spring + 1.2, 0.6):
        b.beam((-arch, y, z + 0.8), (arch, y, z + 0.8), 0.07, 0.05, (0.05, 0.045, 0.04), "iron")
    return b.shape()


def keep(height_m: float = 20.0, half_m: float = 6.5) -> Shape:
    """A great tower: flat buttresses, windows in rows, a turret above one corner."""
    b = Builder()
    _box_tower(b, half_m, height_m)
    for k in range(4):
        turn = k * np.pi / 2
        pier = Builder()
        for x in (-half_m + 0.6, 0.0, half_m - 0.6):
            pier.box((x - 0.6, -FOOTING_M, -half_m - 0.45), (x + 0.6, height_m - 1.2, -half_m), "stone", STONE)
        for y, tall in ((0.32, 1.2), (0.55, 1.7), (0.76, 1.7)):
            for x in (-0.5, 0.5):
                _slit(pier, (x * half_m, y * height_m, -half_m), tall, 0.55 if y > 0.5 else 0.22)
        b.merge(pier.shape(), moved_by(0, 0, 0, turn))
    turret = Builder()
    _box_tower(turret, 1.9, height_m + 5.0)
    b.merge(turret.shape(), moved_by(half_m - 1.6, 0, half_m - 1.6))
    hip = half_m - 0.9
    peak = height_m + 4.2
    for k in range(4):
        roof = Builder()
        roof.grid(
            np.array([[[hip, height_m, -hip], [-hip, height_m, -hip]], [[0.4, peak, 0], [-0.4, peak, 0]]], float),
            "thatch", SLATE,
        )  # fmt: skip
        b.merge(roof.shape(), moved_by(0, 0, 0, k * np.pi / 2))
    return b.shape()


def hall(length_m: float = 16.0, wide_m: float = 8.0, height_m: float = 6.0) -> Shape:
    """A hall with a steep roof, along x."""
    b = Builder()
    x, z, h = length_m / 2, wide_m / 2, height_m
    b.box((-x, -FOOTING_M, -z), (x, h, z), "stone", STONE)
    peak = h + 0.95 * wide_m
    b.quad(
        (x + 0.4, h - 0.3, -z - 0.5),
        (-x - 0.4, h - 0.3, -z - 0.5),
        (-x - 0.4, peak, 0),
        (x + 0.4, peak, 0),
        "thatch",
        SLATE,
    )
    b.quad(
        (-x - 0.4, h - 0.3, z + 0.5),
        (x + 0.4, h - 0.3, z + 0.5),
        (x + 0.4, peak, 0),
        (-x - 0.4, peak, 0),
        "thatch",
        SLATE,
    )
    for side in (1, -1):
        gable = np.array([[side * x, h, -z * side], [side * x, h, z * side], [side * x, peak - 0.6, 0]], float)[::-1]
        uv = np.stack([gable[:, 2], gable[:, 1], np.zeros(3)], axis=1)
        b.add(gable, np.array([[0, 1, 2]]), np.tile([side, 0.0, 0.0], (3, 1)), STONE, uv, "stone")
    for k in np.arange(-x + 2, x - 1, 3.2):
        _slit(b, (float(k), 0.45 * h, -z), 1.8, 0.6)
    return b.shape()


def fortress(wide_m: float = 70.0, deep_m: float = 50.0, seed: int = 0) -> Shape:
    """A castle on its own court: an uneven curtain with towers, the gate in front, keep and hall within."""
    from composer.crowd.seeds import hash01

    def chance(what: str) -> float:
        return float(hash01(seed, f"fortress {what}"))

    b = Builder(cell_m=1.6)
    w, d = wide_m / 2, deep_m / 2
    corners = np.array(
        [
            (-w, -0.75 * d),
            (-0.22 * w, -d),
            (0.30 * w, -d),
            (w, -0.62 * d),
            (0.92 * w, 0.55 * d),
            (0.25 * w, d),
            (-0.62 * w, 0.9 * d),
        ]
    )
    corners = (
        corners + 0.06 * np.array([[chance(f"x{k}") - 0.5, chance(f"z{k}") - 0.5] for k in range(len(corners))]) * w
    )
    corners[1, 1] = corners[2, 1]
    heights = 8.5 + 2.0 * np.array([chance(f"h{k}") for k in range(len(corners))])
    for k, (p, q) in enumerate(zip(corners, np.roll(corners, -1, axis=0), strict=True)):
        along, middle = q - p, 0.5 * (p + q)
        length = float(np.hypot(*along))
        # front looks outwards: the ring runs clockwise seen from above
        heading = np.arctan2(-along[1], along[0])
        if k == 1:
            gap = 6.8
            b.merge(gate(11.0), moved_by(middle[0], 0, middle[1], heading))
            for side in (-1, 1):
                part = (length - 2 * gap) / 2
                if part > 1.0:
                    at = middle + side * along / length * (gap + part / 2)
                    b.merge(wall(part + 0.6, heights[k]), moved_by(at[0], 0, at[1], heading))
        else:
            b.merge(wall(length, heights[k]), moved_by(middle[0], 0, middle[1], heading))
    for k, p in enumerate(corners):
        tall = heights[k] + 4.5 + 4.0 * chance(f"t{k}")
        b.merge(
            tower(tall, 3.2 + 1.2 * chance(f"r{k}"), roof=k in (0, 4)), moved_by(p[0], 0, p[1], 6.28 * chance(f"a{k}"))
        )
    b.merge(keep(21.0 + 4 * chance("keep"), min(6.8, 0.2 * wide_m)), moved_by(0.22 * w, 0, 0.12 * d, 0.2))
    b.merge(hall(), moved_by(-0.45 * w, 0, 0.2 * d, 0.1 + 0.3 * chance("hall")))
    b.merge(hall(10, 6, 4.5), moved_by(0.62 * w, 0, -0.25 * d, 1.5))
    return b.shape()
