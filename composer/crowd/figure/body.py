"""The man himself: head, trunk, arms, hands, legs and feet. Metres in bind pose (see `composer.crowd.skeleton`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from composer.crowd.agents import Mesh
from composer.crowd.figure.coarse import shared, shared_part
from composer.crowd.figure.loft import (
    F64,
    MATERIAL,
    Ring,
    Skin,
    box,
    chain,
    loft,
    merge,
    mirrored,
    part,
    rigid,
    ring_points,
    tube,
)
from composer.crowd.skeleton import JOINT, SKELETON

BIND = SKELETON.bind_m.astype(np.float64)
TRUNK: Skin = chain(("hips", "spine", "chest", "neck"), (1.06, 1.20, 1.475), (0, 1, 0), (0.12, 0.12, 0.05))


@dataclass(frozen=True)
class Build:
    """How a man is built: girth of trunk, limbs and belly relative to the middling man, and the breadth of his
    shoulders."""

    name: str
    trunk: float = 1.0
    limb: float = 1.0
    belly_m: float = 0.0
    beard: str = "none"


BUILDS: tuple[Build, ...] = (
    Build("lean", trunk=0.93, limb=0.92, beard="none"),
    Build("sturdy", trunk=1.0, limb=1.0, beard="short"),
    Build("broad", trunk=1.09, limb=1.10, belly_m=0.022, beard="full"),
)

#: Trunk in a tunic: height, half width, front, back, middle in z.
_TRUNK_ROWS = (
    (0.870, 0.165, 0.108, 0.122, 0.000),
    (0.950, 0.172, 0.114, 0.126, 0.000),
    (1.035, 0.158, 0.108, 0.108, 0.004),
    (1.120, 0.160, 0.116, 0.104, 0.006),
    (1.220, 0.177, 0.128, 0.112, 0.008),
    (1.310, 0.194, 0.132, 0.122, 0.010),
    (1.375, 0.192, 0.116, 0.122, 0.014),
    (1.425, 0.170, 0.090, 0.106, 0.018),
    (1.458, 0.116, 0.074, 0.086, 0.020),
    (1.490, 0.064, 0.062, 0.068, 0.018),
)


_TRUNK = np.array(_TRUNK_ROWS).T


@cache
def trunk_ring(y: float, build: Build, out_m: float = 0.0, power: float = 2.3, material: str = "tunic") -> Ring:
    """The trunk's cross-section at height y, `out_m` further out."""
    side, front, back, z = (float(np.interp(y, _TRUNK[0], column)) for column in _TRUNK[1:])
    belly = build.belly_m * float(np.exp(-(((y - 1.08) / 0.11) ** 2)))
    slim = 1.0 + (build.trunk - 1.0) * float(np.clip((1.50 - y) / 0.10, 0.0, 1.0))
    return Ring((0.0, y, z), side * slim + out_m, front * slim + belly + out_m, back * slim + out_m, power, material)


@shared_part
def trunk(build: Build, *, upper: str = "tunic", out_m: float = 0.0, from_y: float = 0.90) -> Mesh:
    """Trunk from the hips to the collar in one cloth."""
    heights = [from_y] + [row[0] for row in _TRUNK_ROWS if row[0] > from_y + 0.02 and row[0] != 1.12]
    rings = [trunk_ring(y, build, out_m if y < 1.44 else out_m * 0.4, material=upper) for y in heights]
    return loft(rings, 11, TRUNK, caps=("flat", "round"))


def _on_arm(reach_m: float) -> F64:
    """A place on the right arm, so far beyond the shoulder along its bones (negative: into the trunk)."""
    shoulder, elbow, wrist = (BIND[JOINT[f"r_{n}"]] for n in ("upper_arm", "forearm", "hand"))
    if reach_m < 0.0:
        return shoulder + np.array([0.96, 0.28, 0.0]) * reach_m
    upper = float(np.linalg.norm(elbow - shoulder))
    if reach_m <= upper:
        return shoulder + (elbow - shoulder) / upper * reach_m
    return elbow + (wrist - elbow) / float(np.linalg.norm(wrist - elbow)) * (reach_m - upper)


ARM_ALONG = (BIND[JOINT["r_hand"]] - BIND[JOINT["r_upper_arm"]]) / np.linalg.norm(
    BIND[JOINT["r_hand"]] - BIND[JOINT["r_upper_arm"]]
)
ARM_SIDE = np.cross(np.array([0.0, 0.0, -1.0]), ARM_ALONG)
ARM_SIDE /= np.linalg.norm(ARM_SIDE)
ARM_FRONT = np.cross(ARM_ALONG, ARM_SIDE)
ELBOW_M = float(np.linalg.norm(BIND[JOINT["r_forearm"]] - BIND[JOINT["r_upper_arm"]]))
WRIST_M = ELBOW_M + float(np.linalg.norm(BIND[JOINT["r_hand"]] - BIND[JOINT["r_forearm"]]))


def _arm_cuts() -> tuple[float, float, float]:
    joints = ("r_upper_arm", "r_forearm", "r_hand")
    a, b, c = (float(BIND[JOINT[j]] @ ARM_ALONG) for j in joints)
    return a, b, c


ARM: Skin = chain(
    ("r_clavicle", "r_upper_arm", "r_forearm", "r_hand"), _arm_cuts(), tuple(ARM_ALONG), (0.10, 0.085, 0.03)
)

#: Reach beyond the shoulder, half thickness (outwards, front, back).
_ARM_ROWS = (
    (-0.075, 0.034, 0.040, 0.044),
    (-0.035, 0.047, 0.052, 0.055),
    (0.000, 0.054, 0.057, 0.059),
    (0.070, 0.055, 0.058, 0.058),
    (0.160, 0.050, 0.054, 0.050),
    (0.250, 0.043, 0.045, 0.045),
    (0.305, 0.043, 0.044, 0.048),
    (0.365, 0.046, 0.047, 0.045),
    (0.460, 0.036, 0.037, 0.036),
    (0.553, 0.027, 0.031, 0.030),
)


@cache
def arm_ring(reach_m: float, build: Build, out_m: float = 0.0, material: str = "skin") -> Ring:
    """The right arm's cross-section at a reach beyond the shoulder."""
    rows = np.array(_ARM_ROWS)
    side, front, back = (float(np.interp(reach_m, rows[:, 0], rows[:, k])) * build.limb + out_m for k in (1, 2, 3))
    return Ring(tuple(_on_arm(reach_m)), side, front, back, 2.0, material)


def arm_tube(
    reaches: list[tuple[float, float, str]],
    build: Build,
    count: int = 7,
    creases: tuple[int, ...] = (),
    caps: tuple[str, str] = ("round", "flat"),
) -> Mesh:
    """A tube about the right arm: (reach, extra radius, material) rows."""
    rings = [arm_ring(r, build, out, m) for r, out, m in reaches]
    return loft(rings, count, ARM, side=tuple(ARM_SIDE), front=tuple(ARM_FRONT), creases=creases, caps=caps)


@shared_part
def arm(
    build: Build,
    *,
    sleeve_m: float,
    sleeve: str = "tunic",
    bracer: str = "",
    fore: str = "skin",
    from_m: float = -0.075,
) -> Mesh:
    """The right arm: a sleeve to `sleeve_m` beyond the shoulder, skin (or `fore`) below it, a bracer where named. It
    starts at `from_m`, under whatever covers the shoulder."""
    rows: list[tuple[float, float, str]] = [(from_m, 0.008, sleeve)]
    rows += [
        (r, 0.011, sleeve)
        for r in (-0.035, 0.005, 0.075, 0.165, 0.255, 0.31, 0.37, 0.46)
        if from_m + 0.03 < r < sleeve_m - 0.03
    ]
    creases = []
    if sleeve_m < WRIST_M - 0.02:
        rows += [(sleeve_m, 0.015, sleeve), (sleeve_m, 0.0, fore)]
        creases = [len(rows) - 2, len(rows) - 1]
        rows += [(r, 0.0, fore) for r in (0.165, 0.255, 0.31, 0.37) if r > sleeve_m + 0.03]
        if bracer:
            rows += [(0.385, 0.0, fore), (0.385, 0.008, bracer)]
            creases += [len(rows) - 2, len(rows) - 1]
            rows += [(0.46, 0.008, bracer), (WRIST_M - 0.012, 0.007, bracer)]
        else:
            rows += [(0.46, 0.0, fore)]
    rows += [(WRIST_M, 0.001, rows[-1][2])]
    return arm_tube(rows, build, creases=tuple(creases))


@shared_part
def hand(build: Build) -> Mesh:
    """The right fist, closed about the weapon's shaft, with its thumb."""
    wrist, grip = BIND[JOINT["r_hand"]], BIND[JOINT["spear"]]
    along = (grip - wrist) / np.linalg.norm(grip - wrist)
    knuckles = np.array([0.0, 1.0, 0.0]) - along * along[1]
    knuckles /= np.linalg.norm(knuckles)
    palm = np.cross(along, knuckles)
    rows = ((-0.015, 0.027, 0.024), (0.022, 0.036, 0.027), (0.062, 0.046, 0.034), (0.103, 0.034, 0.022))
    rings = [Ring(tuple(wrist + along * t), a, b, b, 2.6, "skin") for t, a, b in rows]
    fist = loft(rings, 7, rigid("r_hand"), side=tuple(knuckles), front=tuple(palm), caps=("flat", "round"))
    thumb = box(
        wrist + along * 0.052 - palm * 0.034 + knuckles * 0.016,
        (0.011, 0.026, 0.010),
        "skin",
        rigid("r_hand"),
        np.array([palm, along, knuckles]),
        taper=0.7,
    )
    return merge([fist, thumb])


@shared_part
def leg(
    build: Build,
    *,
    to_y: float,
    upper: str = "trousers",
    lower: str = "leather",
    lower_out_m: float = 0.008,
    wrapped: bool = False,
) -> Mesh:
    """The right leg from under the tunic to the ankle: `upper` down to `to_y`, then `lower` (boot or wraps), a
    little thicker; wrapped: in turns of cloth."""
    table = np.array(
        (
            (0.860, 0.090, 0.084, 0.092, 0.102, 0.000),
            (0.780, 0.095, 0.086, 0.092, 0.100, 0.000),
            (0.680, 0.098, 0.076, 0.083, 0.086, -0.002),
            (0.570, 0.100, 0.063, 0.068, 0.066, -0.004),
            (0.500, 0.101, 0.056, 0.063, 0.054, -0.006),
            (0.440, 0.102, 0.053, 0.055, 0.058, -0.004),
            (0.360, 0.103, 0.055, 0.048, 0.068, 0.002),
            (0.250, 0.105, 0.046, 0.042, 0.054, 0.010),
            (0.140, 0.106, 0.037, 0.038, 0.042, 0.020),
            (0.085, 0.107, 0.038, 0.044, 0.046, 0.024),
        )
    )

    def ring(y: float, out: float, material: str) -> Ring:
        x, side, front, back, z = (float(np.interp(-y, -table[:, 0], table[:, k])) for k in range(1, 6))
        thick = build.limb
        return Ring((x, y, z), side * thick + out, front * thick + out, back * thick + out, 2.0, material)

    rings = [ring(y, 0.006, upper) for y in table[:, 0] if y > to_y + 0.03]
    rings += [ring(to_y, 0.006, upper), ring(to_y, 0.006 + lower_out_m, lower)]
    creases = (len(rings) - 2, len(rings) - 1)
    rings += [ring(y, 0.004 + lower_out_m, lower) for y in table[:, 0] if y < to_y - 0.03]
    if wrapped:
        creases = tuple(range(creases[0], len(rings) - 1))
    skin = chain(("hips", "r_thigh", "r_shin", "r_foot"), (-0.93, -0.497, -0.088), (0, -1, 0), (0.06, 0.11, 0.07))
    return loft(rings, 8, skin, creases=creases, roll=0.4 if wrapped else 0.0)


@shared_part
def foot(build: Build, material: str = "leather") -> Mesh:
    """The right foot in its shoe: flat on y = 0, heel at z = +0.09, toes at -0.2."""
    rows = []
    shape = (
        (0.088, 0.060, 0.026, 0.105),
        (0.060, 0.110, 0.038, 0.105),
        (0.012, 0.124, 0.041, 0.106),
        (-0.045, 0.098, 0.043, 0.108),
        (-0.105, 0.068, 0.049, 0.111),
        (-0.160, 0.052, 0.044, 0.112),
        (-0.196, 0.032, 0.024, 0.110),
    )
    for z, height, half, x in shape:
        ring = ring_points(Ring((x, 0.0, z), half, 1.0, 1.0, 2.5), 8, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 0.5)
        span = ring[:, 1].max()
        ring[:, 1] = height * (ring[:, 1] / span + 1.0) / 2
        rows.append(ring)
    skin = chain(("r_foot", "r_toe"), (0.115,), (0, 0, -1), (0.05,))
    return tube(np.array(rows), [material] * (len(rows) - 1), skin, caps=("round", "round"), grow=False)


HEAD: Skin = chain(("chest", "neck", "head"), (1.465, 1.525), (0, 1, 0), (0.03, 0.04))


@shared
def head(covered: bool = False) -> list[Mesh]:
    """Neck and head with a jaw, brow, nose, ears and dark eyes; covered: a helmet hides crown and ears."""
    rows = [
        (1.435, 0.060, 0.058, 0.064, 0.020),
        (1.507, 0.055, 0.050, 0.062, 0.016),
        (1.527, 0.040, 0.074, 0.064, 0.006),
        (1.546, 0.053, 0.092, 0.074, 0.004),
        (1.585, 0.064, 0.100, 0.088, 0.002),
        (1.622, 0.070, 0.096, 0.098, 0.002),
        (1.642, 0.072, 0.091, 0.102, 0.002),
        (1.662, 0.074, 0.101, 0.104, 0.002),
    ]
    rows += [(1.690, 0.074, 0.095, 0.106, 0.002)]
    if not covered:
        rows += [(1.730, 0.060, 0.070, 0.088, 0.004), (1.750, 0.032, 0.036, 0.046, 0.008)]
    rings = [Ring((0.0, y, z), side, front, back, 2.15, "skin") for y, side, front, back, z in rows]
    skull = loft(rings, 10, HEAD, caps=("flat", "flat" if covered else "round"), start=0.0)
    on_head = rigid("head")
    nose = np.array(
        [(0, 1.652, -0.094), (0, 1.600, -0.127), (0.018, 1.594, -0.092), (-0.018, 1.594, -0.092), (0, 1.615, -0.085)],
        float,
    )
    sides = np.array([(0, 1, 2), (0, 3, 1), (1, 3, 2), (0, 2, 4), (2, 3, 4), (3, 0, 4)])
    parts = [skull, part(nose, sides, np.full(6, MATERIAL["skin"]), on_head, True)]
    eye = box((0.031, 1.646, -0.0855), (0.017, 0.0085, 0.006), "leather", on_head, _turned_y(0.34))
    parts += [eye, mirrored(eye)]
    if not covered:
        ear = box((0.073, 1.628, 0.012), (0.006, 0.026, 0.016), "skin", on_head)
        parts += [ear, mirrored(ear)]
    return parts


def _turned_y(angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@shared
def beard(kind: str) -> list[Mesh]:
    """A short or full beard with moustache; none for 'none'."""
    if kind == "none":
        return []
    drop = 0.0 if kind == "short" else 0.045
    rows = (
        (1.503 - drop, 0.024, 0.078, -0.040, -0.012),
        (1.520 - drop * 0.5, 0.046, 0.100, 0.0, 0.0),
        (1.550, 0.062, 0.107, 0.03, 0.002),
        (1.580, 0.068, 0.107, 0.04, 0.002),
        (1.594, 0.071, 0.102, 0.05, 0.002),
    )
    rings = [Ring((0.0, y, z), side, front, back, 2.2, "hair") for y, side, front, back, z in rows]
    return [loft(rings, 8, rigid("head"), caps=("round", "flat"), start=0.5)]


@shared_part
def hair() -> Mesh:
    """Short thick hair over crown, temples and nape."""
    rows = (
        (1.530, 0.050, -0.035, 0.090, 0.004),
        (1.575, 0.070, -0.020, 0.106, 0.002),
        (1.630, 0.082, 0.000, 0.116, 0.002),
        (1.672, 0.084, 0.070, 0.120, 0.002),
        (1.700, 0.083, 0.106, 0.118, 0.002),
        (1.742, 0.066, 0.080, 0.096, 0.004),
        (1.768, 0.034, 0.040, 0.050, 0.008),
    )
    rings = [Ring((0.0, y, z), side, front, back, 2.2, "hair") for y, side, front, back, z in rows]
    return loft(rings, 10, rigid("head"), caps=("flat", "round"), start=0.5)
