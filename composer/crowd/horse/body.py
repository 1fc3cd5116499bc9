"""The horse: barrel, neck, head, legs, mane and tail as closed lofts on its joints; saddle, cloth and bridle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Mesh
from composer.crowd.figure.coarse import shared
from composer.crowd.figure.loft import (
    F64,
    MATERIAL,
    Ring,
    Skin,
    box,
    chain,
    loft,
    rigid,
    ring_points,
    rumpled,
    sheet,
    tube,
)
from composer.crowd.horse.skeleton import HORSE, MOUNTED
from composer.crowd.skeleton import mirrored_name

BIND = MOUNTED.bind_m.astype(np.float64)


#: As those of `loft`, on the horse's joints.
_rigid = partial(rigid, numbers=HORSE)
_chain = partial(chain, numbers=HORSE)


def mirrored(mesh: Mesh) -> Mesh:
    """The same part on the other side."""
    swap = np.array([HORSE[mirrored_name(n)] for n in MOUNTED.names], np.int16)
    flip = np.array([-1, 1, 1], np.float32)
    triangle = np.ascontiguousarray(mesh.triangle[:, ::-1])
    return Mesh(mesh.position_m * flip, mesh.normal * flip, swap[mesh.joint], mesh.weight, triangle, mesh.material)


def _both(mesh: Mesh) -> list[Mesh]:
    return [mesh, mirrored(mesh)]


TRUNK = _chain(("horse_chest", "horse_back", "horse_rump"), (-0.22, 0.30), (0, 0, 1), (0.30, 0.30))
_ALONG = np.array([0.0, 0.62, -0.46]) / np.hypot(0.62, 0.46)
_NECK = _chain(
    ("horse_chest", "horse_neck", "horse_crest", "horse_head"),
    tuple(float(np.array([0.0, y, z]) @ _ALONG) for y, z in ((1.26, -0.62), (1.64, -0.90), (1.90, -1.06))),
    tuple(_ALONG),
    (0.34, 0.24, 0.10),
)


def head_and_neck(points: F64) -> tuple[NDArray[np.int16], F64]:
    """The neck's skin, with all that lies before the poll on the head."""
    joint, weight = _NECK(points)
    head = points[:, 2] < -1.2
    return np.where(head[:, None], HORSE["horse_head"], joint).astype(np.int16), np.where(head, 1.0, weight)


TAIL = _chain(("horse_rump", "horse_tail", "horse_tail_tip"), (-1.37, -1.00), (0, -1, 0), (0.06, 0.20))
FORE = _chain(
    ("horse_chest", "r_fore_shoulder", "r_fore_arm", "r_fore_cannon", "r_fore_hoof"),
    (-1.25, -0.96, -0.46, -0.155),
    (0, -1, 0),
    (0.20, 0.16, 0.09, 0.05),
)
HIND = _chain(
    ("horse_rump", "r_hind_thigh", "r_hind_gaskin", "r_hind_cannon", "r_hind_hoof"),
    (-1.18, -0.93, -0.54, -0.165),
    (0, -1, 0),
    (0.20, 0.18, 0.10, 0.05),
)
#: Barrel: z, middle y, half width, up, down.
_BARREL = (
    (-0.80, 1.20, 0.10, 0.12, 0.13),
    (-0.74, 1.20, 0.18, 0.21, 0.21),
    (-0.62, 1.20, 0.225, 0.28, 0.27),
    (-0.44, 1.21, 0.245, 0.31, 0.31),
    (-0.22, 1.20, 0.270, 0.27, 0.33),
    (0.04, 1.19, 0.295, 0.245, 0.34),
    (0.28, 1.20, 0.290, 0.255, 0.31),
    (0.48, 1.22, 0.275, 0.275, 0.26),
    (0.68, 1.22, 0.260, 0.265, 0.24),
    (0.82, 1.20, 0.200, 0.225, 0.22),
    (0.90, 1.18, 0.100, 0.150, 0.15),
)


def _across(rows: Sequence[tuple[float, float, float, float, float]], material: str) -> list[Ring]:
    return [Ring((0.0, y, z), side, up, down, 2.15, material) for z, y, side, up, down in rows]


@shared
def trunk() -> list[Mesh]:
    """The barrel from the breast to the buttocks."""
    return [loft(_across(_BARREL, "coat"), 14, TRUNK, side=(1, 0, 0), front=(0, 1, 0), caps=("round", "round"))]


@shared
def neck_and_head() -> list[Mesh]:
    """Neck, head with its long face, ears and eyes, and the mane."""
    front = np.array([0.0, _ALONG[2], -_ALONG[1]])  # to the throat
    rows = (  # y, z of the middle, half width, to the throat, to the crest
        (1.10, -0.50, 0.185, 0.26, 0.31),
        (1.28, -0.68, 0.165, 0.235, 0.275),
        (1.46, -0.80, 0.130, 0.19, 0.215),
        (1.64, -0.92, 0.108, 0.15, 0.165),
        (1.82, -1.03, 0.092, 0.120, 0.120),
        (1.95, -1.10, 0.078, 0.090, 0.080),
    )
    rings = [Ring((0.0, y, z), a, f, b, 2.1, "coat") for y, z, a, f, b in rows]
    neck = loft(rings, 10, _NECK, side=(1, 0, 0), front=tuple(front), caps=("flat", "round"))
    down = np.array([0.0, -0.74, -0.67])
    down /= np.linalg.norm(down)
    face = np.array([0.0, -down[2], down[1]])  # to the forehead
    poll = np.array([0.0, 1.955, -1.06])
    head_rows = ((-0.03, 0.060, 0.055, 0.085), (0.06, 0.088, 0.085, 0.120), (0.17, 0.092, 0.085, 0.125),
                 (0.30, 0.068, 0.070, 0.090), (0.44, 0.054, 0.058, 0.066), (0.54, 0.058, 0.058, 0.066),
                 (0.60, 0.042, 0.040, 0.046))  # fmt: skip
    head_rings = [Ring(tuple(poll + down * t), a, f, b, 2.3, "coat") for t, a, f, b in head_rows]
    on_head = _rigid("horse_head")
    skull = loft(head_rings, 10, on_head, side=(1, 0, 0), front=tuple(face), caps=("round", "round"))
    ear = loft(
        [Ring((0.045, 2.00, -1.055), 0.024, 0.014, 0.014, 2.0, "coat"),
         Ring((0.052, 2.07, -1.060), 0.022, 0.010, 0.012, 2.0, "coat"),
         Ring((0.050, 2.13, -1.075), 0.003, 0.003, 0.003, 2.0, "coat")],
        6, on_head, side=(1, 0, 0), front=(0, 0, -1),
    )  # fmt: skip
    eye = box(poll + down * 0.15 + face * 0.035 + np.array([0.083, 0, 0]), (0.010, 0.016, 0.022), "mane", on_head)
    nose = box(poll + down * 0.555 + np.array([0.048, 0, 0]) + face * 0.02, (0.012, 0.014, 0.016), "mane", on_head)
    return [neck, skull, *_both(ear), *_both(eye), *_both(nose), *_mane(_NECK, on_head)]


def _mane(skin: Skin, on_head: Skin) -> list[Mesh]:
    crest = np.array([(1.475, -0.43), (1.575, -0.585), (1.68, -0.71), (1.79, -0.815), (1.915, -0.94), (2.01, -1.04)])
    grid = np.empty((len(crest), 4, 3))
    for i, (y, z) in enumerate(crest):
        fall = 0.20 if 0 < i < 5 else 0.12
        for k, t in enumerate((0.0, 0.3, 0.7, 1.0)):
            grid[i, k] = (0.012 + 0.105 * t**0.8, y + 0.02 - fall * t**1.3, z + 0.05 * t + 0.02 * (i % 2) * t)
    hang = sheet(grid, "mane", skin, 0.02, outward=np.array([1.0, 0.3, 0.0]))
    ridge = loft(
        [Ring((0.0, y - 0.012, z), 0.020, 0.032, 0.05, 2.0, "mane") for y, z in crest],
        6, skin, side=(1, 0, 0), front=(0, 0.8, 0.6),
    )  # fmt: skip
    lock = loft(
        [Ring((0.0, 2.02, -1.09), 0.030, 0.016, 0.016, 2.0, "mane"),
         Ring((0.0, 1.95, -1.175), 0.030, 0.012, 0.012, 2.0, "mane"),
         Ring((0.0, 1.86, -1.235), 0.008, 0.006, 0.006, 2.0, "mane")],
        6, on_head, side=(1, 0, 0), front=(0, 0.6, -0.8),
    )  # fmt: skip
    return [hang, ridge, lock]


@shared
def tail() -> list[Mesh]:
    """A full tail to below the hocks."""
    rows = (
        (1.40, 0.85, 0.035, 0.04), (1.30, 0.95, 0.050, 0.05), (1.10, 0.99, 0.062, 0.055), (0.85, 1.00, 0.066, 0.055),
        (0.62, 0.99, 0.050, 0.042), (0.45, 0.975, 0.012, 0.012),
    )  # fmt: skip
    rings = [Ring((0.0, y, z), a, b, b, 2.0, "mane") for y, z, a, b in rows]
    return [loft(rings, 7, TAIL, caps=("flat", "round"))]


def _leg(rows: Sequence[tuple[float, float, float, float, float, float]], skin: Skin, hoof_z: float) -> list[Mesh]:
    """Rows: y, z, x of the middle, half width, front, back; a hoof at its foot."""
    rings = [Ring((x, y, z), a, f, b, 2.1, "mane" if y < 0.20 else "coat") for y, z, x, a, f, b in rows]
    leg = loft(rings, 8, skin, caps=("round", "flat"))
    x = rows[-1][2]
    hoof = [
        ring_points(Ring((x, y, hoof_z + shift), w, f, b, 2.4), 8, np.array([1.0, 0, 0]), np.array([0, 0, -1.0]))
        for y, w, f, b, shift in ((0.085, 0.047, 0.048, 0.050, 0.010), (0.0, 0.062, 0.072, 0.058, -0.004))
    ]
    return [leg, tube(np.array(hoof), ["leather"], skin, grow=False)]


@shared
def legs() -> list[Mesh]:
    """Four, with knees, hocks, fetlocks and hooves."""
    fore = (
        (1.30, -0.50, 0.130, 0.085, 0.14, 0.14),
        (1.10, -0.52, 0.150, 0.090, 0.135, 0.135),
        (0.95, -0.50, 0.155, 0.078, 0.098, 0.105),
        (0.78, -0.50, 0.152, 0.060, 0.070, 0.072),
        (0.60, -0.50, 0.147, 0.046, 0.050, 0.050),
        (0.50, -0.50, 0.145, 0.046, 0.052, 0.044),
        (0.44, -0.50, 0.144, 0.042, 0.050, 0.044),
        (0.34, -0.495, 0.142, 0.030, 0.032, 0.036),
        (0.20, -0.49, 0.140, 0.030, 0.032, 0.038),
        (0.155, -0.49, 0.140, 0.036, 0.038, 0.046),
        (0.075, -0.525, 0.140, 0.036, 0.036, 0.036),
    )
    hind = (
        (1.32, 0.56, 0.120, 0.10, 0.20, 0.20),
        (1.14, 0.54, 0.155, 0.112, 0.215, 0.23),
        (0.98, 0.50, 0.165, 0.100, 0.165, 0.21),
        (0.84, 0.53, 0.162, 0.074, 0.110, 0.125),
        (0.70, 0.63, 0.155, 0.054, 0.072, 0.078),
        (0.59, 0.725, 0.148, 0.044, 0.050, 0.064),
        (0.52, 0.775, 0.145, 0.044, 0.050, 0.056),
        (0.44, 0.775, 0.143, 0.036, 0.040, 0.044),
        (0.34, 0.765, 0.142, 0.031, 0.033, 0.036),
        (0.21, 0.745, 0.140, 0.031, 0.033, 0.038),
        (0.165, 0.74, 0.140, 0.036, 0.038, 0.046),
        (0.075, 0.705, 0.140, 0.036, 0.036, 0.036),
    )
    made = _leg(fore, FORE, -0.535) + _leg(hind, HIND, 0.695)
    return [m for part in made for m in _both(part)]


@shared
def tack() -> list[Mesh]:
    """Saddle with its cantle, the cloth under it in the side's colour, girth, breast band and bridle."""
    cloth = _shell(_BARREL, (-0.34, 0.46), 0.014, (-38.0, 218.0), "cloak", hem=0.10)
    saddle = [
        Ring((0.0, 1.435, z), side, up, down, 2.6, "leather")
        for z, side, up, down in (
            (-0.26, 0.135, 0.130, 0.02), (-0.20, 0.165, 0.060, 0.04), (-0.04, 0.190, 0.030, 0.06),
            (0.12, 0.195, 0.045, 0.06), (0.24, 0.185, 0.140, 0.05), (0.29, 0.165, 0.150, 0.03),
        )
    ]  # fmt: skip
    seat = loft(saddle, 10, _rigid("horse_back"), side=(1, 0, 0), front=(0, 1, 0))
    girth = loft(
        [Ring((0.0, 1.195, z), 0.279, 0.25, 0.345, 2.15, "leather") for z in (-0.24, -0.15)],
        14, TRUNK, side=(1, 0, 0), front=(0, 1, 0),
    )  # fmt: skip
    breast = loft([Ring((0.0, y, -0.50), 0.250, 0.318, 0.02, 2.2, "leather") for y in (1.17, 1.22)], 12, TRUNK)
    down = np.array([0.0, -0.74, -0.67])
    down /= np.linalg.norm(down)
    face = np.array([0.0, -down[2], down[1]])
    poll = np.array([0.0, 1.955, -1.06])
    straps = []
    for t, a, f, b in ((0.045, 0.094, 0.092, 0.125), (0.335, 0.069, 0.072, 0.090)):
        rings = [Ring(tuple(poll + down * (t + d)), a, f, b, 2.3, "leather") for d in (-0.013, 0.013)]
        straps.append(loft(rings, 10, _rigid("horse_head"), side=(1, 0, 0), front=tuple(face)))
    return [rumpled(cloth, 0.2), seat, girth, breast, *straps]


def _shell(
    rows: Sequence[tuple[float, float, float, float, float]],
    span: tuple[float, float],
    out_m: float,
    degrees: tuple[float, float],
    material: str,
    hem: float,
) -> Mesh:
    """A cloth over the barrel between two z, from one angle to the other over the back."""
    table = np.array(rows).T
    zs = np.linspace(*span, 7)
    turn = np.radians(np.linspace(*degrees, 11))
    grid = np.empty((len(zs), len(turn), 3))
    for i, z in enumerate(zs):
        y, side, up, low = (float(np.interp(z, table[0], column)) for column in table[1:])
        depth = np.where(np.sin(turn) > 0, up, low)
        grid[i, :, 0] = np.cos(turn) * (side + out_m + hem * 0.25 * np.clip(-np.sin(turn), 0, 1))
        grid[i, :, 1] = y + np.sin(turn) * (depth + out_m)
        grid[i, :, 2] = z
    paint = np.full((len(zs) - 1, len(turn) - 1), MATERIAL[material])
    paint[:, [0, -1]] = MATERIAL["crest"]
    return sheet(grid, paint, TRUNK, 0.012, outward=np.array([0.0, 1.0, 0.0]))


def horse() -> list[Mesh]:
    """All of the horse, tacked up."""
    return trunk() + neck_and_head() + tail() + legs() + tack()
