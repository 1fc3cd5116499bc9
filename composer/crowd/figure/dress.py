"""Cloth and leather: tunic skirts that follow the thighs, belts, cloaks, caps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Mesh
from composer.crowd.figure.body import Build, trunk_ring
from composer.crowd.figure.coarse import shared, shared_part
from composer.crowd.figure.loft import F64, MATERIAL, Ring, Skin, box, loft, rigid, ring_points, sheet, tube
from composer.crowd.skeleton import JOINT


def skirt_skin(waist_y: float, follow: float = 1.0) -> Skin:
    """Follows the thigh of its side from the waist downwards; between the legs it goes half with each."""
    hips, right, left = JOINT["hips"], JOINT["r_thigh"], JOINT["l_thigh"]

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        down = np.clip((waist_y - points[:, 1]) / 0.24, 0.0, 1.0)
        share = follow * down * down * (3.0 - 2.0 * down)
        side = np.clip(points[:, 0] / 0.08, -1.0, 1.0)
        r, major = 0.5 + 0.5 * side, np.maximum(0.5 + 0.5 * side, 0.5 - 0.5 * side)
        upper = share < 0.55
        joint = np.empty((len(points), 2), np.int16)
        joint[:, 0] = np.where(upper, np.where(side >= 0, right, left), right)
        joint[:, 1] = np.where(upper, hips, left)
        return joint, np.where(upper, share * (2.0 * major - 1.0), r)

    return skin


@shared_part
def skirt(
    build: Build,
    *,
    hem_y: float,
    material: str,
    waist_y: float = 1.03,
    out_m: float = 0.0,
    pleats: int = 6,
    depth: float = 0.07,
    trim: str = "",
    flare: float = 1.0,
    dagged_m: float = 0.0,
    from_y: float = 2.0,
) -> Mesh:
    """A skirt from the belt to `hem_y`, pleated towards the hem, closed underneath.

    dagged_m: the hem's points. from_y: what lies above is hidden under other dress and left out.
    """
    count = 3 * pleats
    fold, dag = np.tile((1.0, 0.15, -1.0), pleats), np.tile((0.0, 0.5, 1.0), pleats)
    rows, paint = [], []
    length = waist_y - hem_y
    shares = (0.0, 0.22, 0.45, 0.72, 0.93, 1.0) if trim else (0.0, 0.22, 0.48, 0.76, 1.0)
    first = max(0.0, (waist_y - from_y) / length)
    for share in [first, *(s for s in shares if s > first + 0.05)]:
        y = waist_y - share * length
        fall = waist_y - y
        grow = np.interp(fall, (0.0, 0.12, 0.30, 0.50, 0.70), (0.0, 0.018, 0.036, 0.056, 0.075)) * flare
        top = trunk_ring(min(waist_y, 1.035), build, out_m)
        hips = trunk_ring(max(y, 0.93), build, out_m)
        mid = trunk_ring(0.95, build, out_m)
        base = hips if y > 0.95 else mid
        ring = Ring(
            (0.0, y, (top.centre[2] + base.centre[2]) / 2 - 0.004),
            base.side + grow,
            base.front + grow * 0.95,
            base.back + grow * 1.05,
            2.2,
        )
        points = ring_points(ring, count, np.array([1.0, 0, 0]), np.array([0, 0, -1.0]), 0.5)
        wave = 1.0 + depth * min(1.0, 0.25 + share * 1.1) * fold
        points[:, [0, 2]] *= wave[:, None]
        if share == 1.0:
            points[:, 1] += dagged_m * dag
        rows.append(points)
        paint.append(material)
    if trim:
        paint[-2] = trim
    return tube(np.array(rows), paint[:-1], skirt_skin(waist_y - 0.02), caps=("flat", "flat"), cap_lift=(0.0, 0.10))


@shared_part
def strips(
    build: Build,
    *,
    waist_y: float = 1.03,
    hem_y: float = 0.76,
    colours: tuple[str, str] = ("leather", "leather"),
    count: int = 18,
) -> Mesh:
    """Pteruges: a short skirt of leather straps, every second one set back."""
    rows = []
    angle_odd = np.arange(count) % 2 == 1
    for share in (0.0, 0.45, 1.0):
        y = waist_y - share * (waist_y - hem_y)
        base = trunk_ring(max(y, 0.95), build, 0.026 + 0.042 * share)
        points = ring_points(
            Ring((0, y, 0), base.side, base.front, base.back, 2.2), count, np.array([1.0, 0, 0]), np.array([0, 0, -1.0])
        )
        points[angle_odd] *= np.array([1.0 - 0.03 * share, 1.0, 1.0 - 0.03 * share])
        if share == 1.0:
            points[:, 1] += np.where(angle_odd, 0.03, 0.0)
        rows.append(points)
    paint = np.where(np.arange(count) % 2, MATERIAL[colours[1]], MATERIAL[colours[0]])
    return tube(np.array(rows), np.tile(paint, (2, 1)), skirt_skin(waist_y - 0.02), cap_lift=(0.0, 0.08))


@shared
def belt(build: Build, *, out_m: float, y: float = 1.035, half_m: float = 0.024, buckle: bool = True) -> list[Mesh]:
    """A leather belt with a metal buckle."""
    rings = [trunk_ring(y + d, build, out_m + o, material="leather") for d, o in ((-half_m, 0.010), (half_m, 0.010))]
    parts = [loft(rings, 12, rigid("hips" if y < 1.05 else "spine"))]
    if buckle:
        front = trunk_ring(y, build, out_m + 0.016)
        parts.append(
            box((0.0, y, front.centre[2] - front.front - 0.001), (0.026, half_m * 0.95, 0.007), "metal", rigid("hips"))
        )
    return parts


def cloak_skin(points: F64) -> tuple[NDArray[np.int16], F64]:
    chest, upper, lower = JOINT["chest"], JOINT["cloak_upper"], JOINT["cloak_lower"]
    y = points[:, 1]
    t = np.clip((1.40 - y) / 0.18, 0.0, 1.0)
    b = np.clip((1.00 - y) / 0.26, 0.0, 1.0)
    low = y < 1.05
    joint = np.empty((len(points), 2), np.int16)
    joint[:, 0] = np.where(low, lower, upper)
    joint[:, 1] = np.where(low, upper, chest)
    share = np.where(low, b * b * (3 - 2 * b), t * t * (3 - 2 * t))
    over_arm = (y > 1.30) & (np.abs(points[:, 0]) > 0.17)
    joint[:, 0] = np.where(
        over_arm, np.where(points[:, 0] > 0, JOINT["r_upper_arm"], JOINT["l_upper_arm"]), joint[:, 0]
    )
    joint[:, 1] = np.where(over_arm, chest, joint[:, 1])
    share = np.where(over_arm, np.clip((np.abs(points[:, 0]) - 0.17) / 0.12, 0.0, 0.45), share)
    return joint, share


@shared_part
def cloak(
    build: Build,
    *,
    hem_y: float = 0.36,
    material: str = "cloak",
    columns: int = 14,
    width: float = 1.0,
    folds: float = 1.0,
) -> Mesh:
    """A cloak from the collar over the shoulders and down the back, in folds that deepen towards the hem."""
    table = np.array(
        (  # height, half width, back, middle z, opening (degrees from straight back)
            (1.492, 0.078, 0.078, 0.020, 128.0),
            (1.462, 0.150, 0.110, 0.018, 122.0),
            (1.415, 0.240, 0.160, 0.016, 112.0),
            (1.330, 0.266, 0.182, 0.016, 96.0),
            (1.170, 0.260, 0.194, 0.016, 84.0),
            (0.960, 0.262, 0.208, 0.016, 78.0),
            (0.700, 0.290, 0.240, 0.014, 76.0),
            (0.360, 0.325, 0.282, 0.010, 76.0),
        )
    )
    heights = [1.492, 1.462, 1.415, 1.33, 1.18, 0.98, 0.76, (0.76 + hem_y) / 2, hem_y]
    u = np.linspace(-1.0, 1.0, columns)
    grid = np.empty((len(heights), columns, 3))
    for i, y in enumerate(heights):
        side, back, z, opening = (float(np.interp(-y, -table[:, 0], table[:, k])) for k in range(1, 5))
        angle = np.radians(opening) * u
        fall = float(np.clip((1.42 - y) / 0.9, 0.0, 1.0)) ** 0.75
        fold = folds * fall * 0.075 * np.resize((1.0, 0.2, -1.0), columns) * (1.0 - 0.35 * u**2)
        grow = build.trunk**0.8
        reach = np.where(np.cos(angle) > 0, back, 0.085) * grow
        grid[i, :, 0] = np.sin(angle) * (side * grow * (width if y < 1.3 else 1.0) + fold * 0.5)
        grid[i, :, 1] = y + (0.015 * np.cos(u * 9.0) * fall if i == len(heights) - 1 else 0.0)
        grid[i, :, 2] = z + np.cos(angle) * reach + np.cos(angle) ** 2 * fold
        if i == 2:
            grid[i, :, 1] -= 0.02 * u**2
    return sheet(grid, material, cloak_skin, 0.014, outward=np.array([0.0, 0.0, 1.0]))


@shared_part
def cap(material: str = "leather", peaked: bool = False) -> Mesh:
    """A felt or leather cap with a rolled edge; peaked: its top falls forward."""
    tip = -0.05 if peaked else 0.0
    rows = (
        (1.655, 0.086, 0.112, 0.122, 0.002),
        (1.690, 0.094, 0.120, 0.128, 0.002),
        (1.700, 0.086, 0.110, 0.118, 0.002),
        (1.745, 0.072, 0.088, 0.098, 0.002),
        (1.790 if peaked else 1.775, 0.040, 0.046, 0.050, 0.004 + tip),
        (1.812 if peaked else 1.785, 0.016, 0.02, 0.02, tip * 1.5),
    )
    rings = [Ring((0.0, y, z), a, f, b, 2.1, material) for y, a, f, b, z in rows]
    return loft(rings, 10, rigid("head"), caps=("flat", "round"), creases=(2,))


@shared
def hood(material: str = "cloak") -> list[Mesh]:
    """A hood with its short cape over the shoulders; the face looks out."""
    rows = (
        (1.400, 0.215, 0.118, 0.140, 0.014),
        (1.452, 0.150, 0.100, 0.112, 0.016),
        (1.500, 0.088, 0.070, 0.094, 0.010),
        (1.560, 0.088, 0.050, 0.112, 0.004),
        (1.640, 0.092, 0.055, 0.128, 0.004),
        (1.690, 0.091, 0.106, 0.134, 0.004),
        (1.745, 0.070, 0.086, 0.112, 0.008),
        (1.778, 0.030, 0.040, 0.060, 0.022),
    )
    rings = [Ring((0.0, y, z), a, f, b, 2.1, material) for y, a, f, b, z in rows]

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        t = np.clip((points[:, 1] - 1.45) / 0.09, 0.0, 1.0)
        joint = np.tile(np.array([JOINT["head"], JOINT["chest"]], np.int16), (len(points), 1))
        return joint, t

    return [loft(rings, 12, skin, caps=("flat", "round"))]


@shared_part
def collar(material: str = "cloak") -> Mesh:
    """A scarf about the neck."""
    rows = (
        (1.448, 0.100, 0.088, 0.096, 0.016),
        (1.470, 0.096, 0.094, 0.094, 0.012),
        (1.505, 0.080, 0.078, 0.084, 0.008),
        (1.520, 0.066, 0.060, 0.074, 0.008),
    )
    return loft(
        [Ring((0.0, y, z), a, f, b, 2.1, material) for y, a, f, b, z in rows], 9, rigid("neck"), caps=("flat", "flat")
    )


@shared_part
def bandage() -> Mesh:
    """A strip of linen about brow and one ear."""
    rows = ((1.640, 0.089, 0.112, 0.122), (1.668, 0.092, 0.116, 0.126), (1.700, 0.091, 0.114, 0.124))
    rings = [Ring((0.004, y, 0.002), a, f, b, 2.1, "crest") for y, a, f, b in rows]
    return loft(rings, 11, rigid("head"), roll=0.3)
