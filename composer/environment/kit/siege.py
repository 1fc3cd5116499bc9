# ruff: noqa: RUF005 (vectors of numpy are added, not joined)
"""Siege engines: a counterweight trebuchet, a covered ram, a siege tower."""

from __future__ import annotations

import numpy as np

from composer.environment.solid import Builder, Shape, moved_by

OAK = (0.16, 0.108, 0.066)
OLD = (0.10, 0.075, 0.052)
HIDE = (0.16, 0.11, 0.075)
IRON = (0.06, 0.055, 0.05)
ROPE = (0.25, 0.20, 0.13)


def _wheel(b: Builder, x: float, z: float, radius: float) -> None:
    """A solid wheel of planks in the plane across x."""
    disc = Builder(cell_m=0.6)
    disc.lathe(
        [(0.0, -0.09), (radius, -0.09), (radius, -0.09), (radius, 0.09), (radius, 0.09), (0.0, 0.09)],
        "wood",
        OLD,
        sides=20,
    )
    disc.lathe(
        [(0.0, -0.16), (0.17, -0.16), (0.17, -0.16), (0.17, 0.16), (0.17, 0.16), (0.0, 0.16)], "iron", IRON, sides=10
    )
    lay = np.eye(4)
    lay[:3, :3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    lay[:3, 3] = x, radius, z
    b.merge(disc.shape(), lay)


def trebuchet(cocked: bool = True) -> Shape:
    """A trestle 6 m high, a 12 m beam drawn down, a box of stones, a sling; it throws towards -Z."""
    b = Builder()
    axle = 6.0
    for x in (-1.3, 1.3):
        b.beam((x, 0.15, -4.2), (x, 0.15, 4.8), 0.34, 0.34, OAK)
        b.beam((x, 0.2, -3.4), (x, axle, 0.0), 0.30, 0.30, OAK)
        b.beam((x, 0.2, 3.4), (x, axle, 0.0), 0.30, 0.30, OAK)
        b.beam((x, 0.2, 0.0), (x, axle, 0.0), 0.26, 0.26, OAK)
        b.beam((x, 2.6, -1.95), (x, 2.6, 1.95), 0.2, 0.2, OLD)
        b.beam((x * 2.3, 0.15, 0.0), (x, 3.6, 0.0), 0.2, 0.2, OLD)
    for z in (-4.0, -1.4, 1.4, 4.4):
        b.beam((-3.1 if abs(z) < 2 else -1.6, 0.1, z), (3.1 if abs(z) < 2 else 1.6, 0.1, z), 0.28, 0.26, OLD)
    b.beam((-1.75, axle, 0), (1.75, axle, 0), 0.2, 0.2, IRON, "iron")
    lift = np.radians(-33.0 if cocked else 62.0)
    way = np.array([0.0, np.sin(lift), np.cos(lift)])
    middle = np.array([0.0, axle, 0.0])
    tip, butt = middle + 8.6 * way, middle - 3.0 * way
    b.beam(butt, middle + 3.0 * way, 0.42, 0.46, OAK)
    b.beam(middle + 2.6 * way, tip, 0.26, 0.3, OAK)
    for k in np.linspace(-2.4, 5.5, 7):  # bands
        p = middle + k * way
        b.beam(p - 0.07 * way, p + 0.07 * way, 0.5 if k < 3 else 0.34, 0.52 if k < 3 else 0.38, IRON, "iron")
    low = butt + [0, -2.9, 0]
    for x in (-0.7, 0.7):
        b.beam(butt + [x * 0.4, 0.1, 0], low + [x, 1.4, 0], 0.14, 0.14, OAK)
    b.box(low + [-1.0, -0.1, -0.9], low + [1.0, 1.5, 0.9], "wood", OAK, bottom=True)
    for x in (-1.02, 1.02):
        for z in (-0.8, 0.8):
            b.beam(low + [x, -0.15, z], low + [x, 1.55, z], 0.12, 0.12, IRON, "iron")
    for k in range(9):
        stone = Builder(cell_m=0.6)
        r = 0.26 + 0.05 * (k % 3)
        stone.lathe(
            [(0.0, -r), (0.8 * r, -0.6 * r), (r, 0.0), (0.7 * r, 0.7 * r), (0.0, r)], "rock", (0.24, 0.22, 0.2), sides=8
        )
        b.merge(stone.shape(), moved_by(*(low + [-0.55 + 0.55 * (k % 3), 1.6, -0.55 + 0.55 * (k // 3)]), k))
    pouch = np.array([0.0, 0.35, 0.6])
    for x in (-0.12, 0.12):
        b.beam(tip + [x, 0, 0], pouch + [2 * x, 0, 0], 0.035, 0.035, ROPE)
    ball = Builder(cell_m=0.6)
    ball.lathe([(0.0, 0.0), (0.3, 0.12), (0.38, 0.36), (0.28, 0.62), (0.0, 0.74)], "rock", (0.26, 0.24, 0.22), sides=10)
    b.merge(ball.shape(), moved_by(0, 0.1, 0.5))
    drum = Builder(cell_m=1.0)
    drum.lathe([(0.0, -1.2), (0.24, -1.2), (0.24, -1.2), (0.24, 1.2), (0.24, 1.2), (0.0, 1.2)], "wood", OLD, sides=12)
    lay = np.eye(4)
    lay[:3, :3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    lay[:3, 3] = 0, 0.85, 4.0
    b.merge(drum.shape(), lay)
    return b.shape()


def ram() -> Shape:
    """A trunk with an iron head slung under a roof of hides, on four wheels."""
    b = Builder(cell_m=0.8)
    long, half, eave, ridge = 3.4, 1.35, 1.75, 2.9
    for x in (-half, half):
        b.beam((x, 0.75, -long), (x, 0.75, long), 0.24, 0.26, OAK)
        for z in np.linspace(-long + 0.15, long - 0.15, 4):
            b.beam((x, 0.75, z), (x, eave, z), 0.18, 0.18, OAK)
            b.beam((x, eave, z), (0, ridge, z), 0.16, 0.16, OLD)
        for z in (-long * 0.7, long * 0.7):
            _wheel(b, x * 1.22, z, 0.62)
        for k in range(3):  # hides lap like tiles, and hang over the sides
            a, c = k / 3, (k + 1) / 3 + 0.06
            low = np.array([x * 1.25 * (1 - a), eave - 0.32 + (ridge - eave + 0.42) * a, 0])
            top = np.array([x * 1.25 * (1 - min(c, 1)), eave - 0.32 + (ridge - eave + 0.42) * min(c, 1) + 0.04, 0])
            z0, z1 = (-long - 0.3, long + 0.3) if x > 0 else (long + 0.3, -long - 0.3)
            s = np.linspace(0, 1, 12)
            lower = low + np.stack([0 * s, 0.07 * np.sin(19 * s + k), z0 + (z1 - z0) * s], 1)
            upper = top + np.stack([0 * s, 0 * s, z0 + (z1 - z0) * s], 1)
            sheet = np.stack([lower, 0.5 * (lower + upper) - [0, 0.03, 0], upper])
            b.grid(sheet, "cloth", np.multiply(HIDE, 0.8 + 0.25 * k), smooth=True, both=True)
    for z in (-long * 0.7, long * 0.7):
        b.beam((-half * 1.3, 0.62, z), (half * 1.3, 0.62, z), 0.18, 0.18, IRON, "iron")
    trunk = Builder(cell_m=0.8)
    trunk.lathe([(0.0, -3.6), (0.3, -3.6), (0.3, -3.6), (0.27, 3.4)], "wood", OAK, sides=14)
    trunk.lathe([(0.34, 3.0), (0.34, 3.6), (0.34, 3.6), (0.12, 4.3), (0.0, 4.35)], "iron", IRON, sides=14)
    lay = np.eye(4)
    lay[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    lay[:3, 3] = 0, 1.15, -0.3
    b.merge(trunk.shape(), lay)
    for z in (-2.2, 2.0):
        for x in (-0.22, 0.22):
            b.beam((x, 1.2, z), (x * 0.4, ridge - 0.1, z), 0.05, 0.05, ROPE)
    return b.shape()


def siege_tower(height_m: float = 12.0) -> Shape:
    """Four floors of planks on wheels, hides on the front, a bridge drawn up at the top."""
    b = Builder()
    foot, head, h = 2.7, 2.05, height_m
    corner = [(-1, -1), (1, -1), (1, 1), (-1, 1)]

    def at(k: int, y: float) -> np.ndarray:
        r = foot + (head - foot) * y / h
        return np.array([corner[k][0] * r, y, corner[k][1] * r])

    for k in range(4):
        b.beam(at(k, 0.5), at(k, h + 1.3), 0.34, 0.34, OAK)
        n = (k + 1) % 4
        for y in np.linspace(0.8, h, 5):
            b.beam(at(k, y), at(n, y), 0.26, 0.26, OLD)
        for y0, y1 in zip(np.linspace(0.8, h, 5)[:-1], np.linspace(0.8, h, 5)[1:], strict=True):
            if k != 2:
                p, q, r, s = at(n, y0) * 0.985, at(k, y0) * 0.985, at(k, y1) * 0.985, at(n, y1) * 0.985
                for a in (p, q):
                    a[1] = y0
                for a in (r, s):
                    a[1] = y1
                b.quad(p, q, r, s, "wood", np.multiply(OAK, 0.85 + 0.1 * k))
                b.quad(q, p, s, r, "wood", OLD)
            b.beam(at(k, y0), at(n, y1), 0.16, 0.16, OLD)
    for y in np.linspace(0.8, h, 5):
        r = (foot + (head - foot) * y / h) * 0.97
        b.box((-r, y - 0.08, -r), (r, y, r), "wood", OLD, bottom=True)
    for y0, y1, x in zip(np.linspace(0.8, h, 5)[:-1], np.linspace(0.8, h, 5)[1:], (-0.9, 0.9, -0.9, 0.9), strict=True):
        foot_z, head_z = 1.9, 1.2
        for side in (-0.3, 0.3):
            b.beam((x + side, y0, foot_z), (x + side, y1 + 0.6, head_z), 0.09, 0.09, OAK)
        for t in np.linspace(0.08, 0.95, 8):
            z = foot_z + (head_z - foot_z) * t
            b.beam((x - 0.3, y0 + (y1 + 0.6 - y0) * t, z), (x + 0.3, y0 + (y1 + 0.6 - y0) * t, z), 0.06, 0.06, OLD)
    for k in range(4):
        n = (k + 1) % 4
        for j in range(5):
            p = at(k, h) + (at(n, h) - at(k, h)) * (j + 0.15) / 5
            q = at(k, h) + (at(n, h) - at(k, h)) * (j + 0.75) / 5
            b.quad(q, p, p + [0, 1.25, 0], q + [0, 1.25, 0], "wood", OAK)
            b.quad(p, q, q + [0, 1.25, 0], p + [0, 1.25, 0], "wood", OLD)
    for k in range(6):  # hides on the front
        y = 0.8 + 1.55 * k
        r0, r1 = (foot + (head - foot) * v / h + 0.24 for v in (y, y + 1.75))
        s = np.linspace(1, -1, 9)
        low = np.stack([r0 * 0.98 * s, y + 0.1 * np.sin(7 * s + k), 0 * s - r0 - 0.05], 1)
        top = np.stack([r1 * 0.98 * s, 0 * s + y + 1.75, 0 * s - r1], 1)
        b.grid(
            np.stack([low, 0.5 * (low + top) - [0, 0, 0.06], top]),
            "cloth",
            np.multiply(HIDE, 0.7 + 0.5 * (k % 2)),
            smooth=True,
            both=True,
        )
    bridge = [
        (1.5, h - 2.6, -head - 0.5),
        (-1.5, h - 2.6, -head - 0.5),
        (-1.5, h + 1.0, -head - 1.3),
        (1.5, h + 1.0, -head - 1.3),
    ]
    b.quad(*bridge, "wood", OAK)
    b.quad(bridge[1], bridge[0], bridge[3], bridge[2], "wood", OLD)
    for x in (-foot - 0.25, foot + 0.25):
        for z in (-foot * 0.72, foot * 0.72):
            _wheel(b, x, z, 0.85)
    for z in (-foot * 0.72, foot * 0.72):
        b.beam((-foot - 0.5, 0.85, z), (foot + 0.5, 0.85, z), 0.22, 0.22, IRON, "iron")
    return b.shape()
