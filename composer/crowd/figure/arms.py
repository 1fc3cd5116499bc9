"""What he carries: spear, sword and scabbard, shields, bow, banner. Bound upright at the joints of their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from composer.crowd.agents import Mesh
from composer.crowd.figure.coarse import shared, shared_part
from composer.crowd.figure.loft import F64, MATERIAL, Ring, box, loft, rigid, ring_points, sheet, tube
from composer.crowd.motion.rig import SPEAR_GRIP_M
from composer.crowd.skeleton import JOINT, SKELETON

_X, _Y, _Z = np.eye(3)
SPEAR_AT, SWORD_AT, SHIELD_AT = (SKELETON.bind_m[JOINT[n]].astype(np.float64) for n in ("spear", "sword", "shield"))
#: Corners of a shield at the two coarse levels, all and half: its outline is the largest plain shape on a man, and its
#: painted arms stay whole.
SHIELD_COLUMNS = (20, 10)
#: Which of its four paints a shield shows at (ring, angle in degrees): True the charge, False the field.
Charge = Callable[[int, F64], np.ndarray]


@shared
def spear(length_m: float = 2.4, head: str = "leaf") -> list[Mesh]:
    """An ash shaft with an iron head and butt, upright."""
    skin = rigid("spear")
    foot = SPEAR_AT[1] - SPEAR_GRIP_M
    top = foot + length_m
    x, z = SPEAR_AT[0], SPEAR_AT[2]
    blade = 0.26 if head == "leaf" else 0.20

    def ring(y: float, a: float, b: float, material: str) -> Ring:
        return Ring((x, y, z), a, b, b, 2.0, material)

    shaft = loft(
        [
            ring(foot + 0.02, 0.006, 0.006, "metal"),
            ring(foot + 0.10, 0.014, 0.014, "wood"),
            ring(foot + 1.2, 0.0165, 0.0165, "wood"),
            ring(top - blade, 0.0135, 0.0135, "wood"),
        ],
        5,
        skin,
        creases=(1,),
    )
    iron = loft(
        [
            ring(top - blade - 0.07, 0.016, 0.016, "metal"),
            ring(top - blade, 0.015, 0.014, "metal"),
            ring(top - blade * 0.72, 0.038, 0.009, "metal"),
            ring(top - blade * 0.35, 0.026, 0.007, "metal"),
            ring(top, 0.002, 0.002, "metal"),
        ],
        4,
        skin,
        hard=True,
    )
    return [shaft, iron]


@shared
def sword(blade_m: float = 0.70) -> list[Mesh]:
    """A straight double-edged sword in the fist, point up."""
    skin = rigid("sword")
    x, y, z = SWORD_AT

    def ring(dy: float, a: float, b: float, material: str) -> Ring:
        return Ring((x, y + dy, z), b, a, a, 2.0, material)

    blade = loft(
        [
            ring(0.062, 0.027, 0.008, "metal"),
            ring(0.062 + blade_m * 0.8, 0.021, 0.006, "metal"),
            ring(0.062 + blade_m, 0.002, 0.002, "metal"),
        ],
        4,
        skin,
        hard=True,
    )
    guard = box((x, y + 0.055, z), (0.011, 0.010, 0.075), "metal", skin)
    grip = loft([ring(-0.055, 0.014, 0.012, "leather"), ring(0.05, 0.014, 0.012, "leather")], 6, skin)
    pommel = box((x, y - 0.07, z), (0.016, 0.017, 0.022), "metal", skin)
    return [blade, guard, grip, pommel]


@shared
def mace(length_m: float = 0.62) -> list[Mesh]:
    """A short shaft with a flanged head, in the fist."""
    skin = rigid("sword")
    x, y, z = SWORD_AT
    rows = ((-0.12, 0.014, "wood"), (length_m - 0.14, 0.013, "metal"), (length_m - 0.10, 0.048, "metal"))
    rings = [Ring((x, y + dy, z), r, r, r, 2.0, m) for dy, r, m in (*rows, (length_m - 0.02, 0.046, "metal"))]
    return [loft([*rings, Ring((x, y + length_m, z), 0.012, 0.012, 0.012, 2.0, "metal")], 8, skin, creases=(1, 2))]


@shared
def sling() -> list[Mesh]:
    """Two cords and a pouch with its stone, hanging from the right fist; a bag of stones at the hip."""
    skin = rigid("sword")
    x, y, z = SWORD_AT
    cords = [box((x, y + 0.33, z + dz), (0.004, 0.33, 0.003), "leather", skin) for dz in (-0.008, 0.008)]
    rows = ((0.62, 0.012), (0.66, 0.030), (0.70, 0.030), (0.735, 0.012))
    pouch = loft([Ring((x, y + dy, z), r * 0.7, r, r, 2.0, "leather") for dy, r in rows], 6, skin)
    bag = ((0.80, 0.030), (0.84, 0.062), (0.92, 0.058), (0.97, 0.024))
    stones = loft(
        [Ring((0.20, dy, 0.03), r * 0.7, r, r, 2.2, "leather") for dy, r in bag],
        7,
        rigid("hips"),
        caps=("round", "flat"),
    )
    return [*cords, pouch, stones]


@shared
def scabbard(side_m: float) -> list[Mesh]:
    """An empty or filled scabbard at the left hip, slanting back."""
    skin = rigid("hips")
    top, tip = np.array([-side_m, 1.00, -0.03]), np.array([-side_m - 0.07, 0.46, 0.30])
    along = (tip - top) / np.linalg.norm(tip - top)
    side = np.cross(along, _X)
    side /= np.linalg.norm(side)
    rings = [
        Ring(tuple(top + (tip - top) * t), a, b, b, 2.5, m)
        for t, a, b, m in ((0.0, 0.034, 0.014, "leather"), (0.9, 0.028, 0.012, "metal"), (1.0, 0.014, 0.010, "metal"))
    ]
    return [loft(rings, 6, skin, side=tuple(side), front=tuple(np.cross(side, along)), creases=(1,))]


def charge(name: str) -> Charge:
    """Painted shields: 'plain', 'cross', 'quarters', 'ring', 'pale' (an upright band), 'rays'."""

    def painted(ring: int, angle: F64) -> np.ndarray:
        turn = np.mod(angle, 360.0)
        if name == "cross":
            return np.abs(np.mod(turn + 45.0, 90.0) - 45.0) < 12.0
        if name == "quarters":
            return np.mod(turn // 90.0, 2.0) == 0
        if name == "ring":
            return np.full(len(turn), ring == 1)
        if name == "pale":
            return np.abs(np.abs(np.mod(turn, 180.0)) - 90.0) < 23.0
        if name == "rays":
            return np.mod(turn // 22.5, 2.0) == 0
        return np.zeros(len(turn), bool)

    return painted


@shared_part
def shield(
    *,
    half_width_m: float = 0.42,
    half_height_m: float = 0.42,
    curve: float = 0.0,
    dome_m: float = 0.05,
    rim: str = "leather",
    boss: bool = True,
    paint: str = "plain",
    point: float = 0.0,
    count: int = 20,
    power: float = 2.0,
) -> Mesh:
    """A shield facing -Z on the left fist: board with rim and boss, its back of wood.

    curve: how far the sides bend back (1/m); dome_m: how far the middle stands out; point: 0 round, 1 a kite's tail.
    """
    x, y, z = SHIELD_AT
    rows: list[F64] = []
    bands: list[str] = []
    plan = [(1.0, 0.0, rim), (0.955, -0.022, "field1"), (0.55, -0.022 - 0.55 * dome_m, "field0")]
    plan += (
        [(0.24, -0.022 - dome_m, "metal"), (0.15, -0.070 - dome_m, "metal")]
        if boss
        else [(0.12, -0.022 - dome_m, "field0"), (0.04, -0.024 - dome_m, "field0")]
    )
    for scale, out, band in plan:
        a, b = half_width_m * scale, half_height_m * scale
        if scale < 0.3:
            a = b = 0.42 * scale
        points = ring_points(Ring((0.0, 0.0, 0.0), a, b, b, power), count, _X, _Y)
        if point and scale > 0.3:
            low = np.clip(-points[:, 1] / b, 0.0, 1.0)
            points[:, 0] *= 1.0 - point * 0.72 * low**1.4
            points[:, 1] -= point * 0.45 * b * low
        bend = curve * np.minimum(np.abs(points[:, 0]), half_width_m) ** 2 if scale > 0.3 else 0.0
        points[:, 2] = out + bend
        rows.append(points + np.array([x, y, z - 0.048]))
        bands.append(band)
    angle = (np.arange(count) + 0.5) / count * 360.0
    pattern = charge(paint)
    paints = np.empty((len(plan) - 1, count), np.int64)
    for i, band in enumerate(bands[:-1]):
        if band.startswith("field"):
            paints[i] = np.where(pattern(int(band[-1]), angle), MATERIAL["crest"], MATERIAL["shield"])
        else:
            paints[i] = MATERIAL[band]
    creases = (1, 3) if boss else (1,)
    return tube(
        np.array(rows), paints, rigid("shield"), caps=("flat", "round"), creases=creases, cap_material=("wood", ""),
        columns=SHIELD_COLUMNS,
    )  # fmt: skip


@shared
def bow(length_m: float = 1.35) -> list[Mesh]:
    """A long self bow in the left fist, string towards the body."""
    x, y, z = SHIELD_AT
    rows = []
    for t in np.linspace(-1.0, 1.0, 7):
        thick = 0.014 * (1.0 - 0.6 * abs(t))
        centre = np.array([x, y + t * length_m / 2, z + 0.20 * t * t])
        rows.append(ring_points(Ring(tuple(centre), thick, thick, thick), 5, _X, -_Z))
    stave = tube(np.array(rows), ["wood"] * 6, rigid("shield"))
    string = box((x, y, z + 0.20), (0.0025, length_m / 2, 0.0025), "leather", rigid("shield"))
    return [stave, string]


@shared_part
def quiver() -> Mesh:
    """A quiver on the right of the back, feathers showing."""
    low, high = np.array([0.05, 1.02, 0.17]), np.array([0.16, 1.46, 0.19])
    along = (high - low) / np.linalg.norm(high - low)
    rings = [
        Ring(tuple(low + (high - low) * t), r, r, r, 2.0, m)
        for t, r, m in (
            (0.0, 0.036, "leather"),
            (0.85, 0.046, "leather"),
            (0.85, 0.034, "crest"),
            (1.08, 0.042, "crest"),
        )
    ]
    return loft(rings, 7, rigid("chest"), side=tuple(np.cross(along, _Z)), front=(0, 0, -1), creases=(1, 2))


@shared
def banner(length_m: float = 3.1) -> list[Mesh]:
    """A pole with a hanging banner from a crossbar."""
    skin = rigid("spear")
    foot = SPEAR_AT[1] - SPEAR_GRIP_M
    x, z = SPEAR_AT[0], SPEAR_AT[2]
    pole = loft(
        [
            Ring((x, foot + 0.02, z), 0.018, 0.018, 0.018, 2.0, "wood"),
            Ring((x, foot + length_m, z), 0.016, 0.016, 0.016, 2.0, "wood"),
        ],
        6,
        skin,
    )
    finial = loft(
        [
            Ring((x, foot + length_m - 0.02, z), 0.02, 0.02, 0.02, 2.0, "metal"),
            Ring((x, foot + length_m + 0.08, z), 0.045, 0.02, 0.02, 2.0, "metal"),
            Ring((x, foot + length_m + 0.2, z), 0.004, 0.004, 0.004, 2.0, "metal"),
        ],
        6,
        skin,
    )
    bar = box((x, foot + length_m - 0.10, z - 0.03), (0.36, 0.014, 0.014), "wood", skin)
    u, v = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(0, 1, 6))
    grid = np.stack(
        [
            x + 0.33 * u * (1 - 0.05 * v),
            foot + length_m - 0.10 - 0.85 * v + 0.10 * v**4 * (np.abs(u) < 0.9) * np.cos(u * 6.3) ** 2,
            z - 0.045 - 0.035 * v * np.sin(u * 5.0 + 2.5 * v),
        ],
        -1,
    )
    paint = np.full((5, 6), MATERIAL["shield"])
    paint[:, 2:4] = MATERIAL["crest"]
    return [pole, finial, bar, sheet(grid, paint, skin, 0.01, outward=-_Z)]
