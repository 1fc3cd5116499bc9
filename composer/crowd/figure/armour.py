"""Iron, bronze and boiled leather: helmets, mail, cuirass, greaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Mesh
from composer.crowd.figure.body import TRUNK, Build, arm_tube, trunk_ring
from composer.crowd.figure.coarse import shared, shared_part
from composer.crowd.figure.dress import skirt
from composer.crowd.figure.loft import F64, Ring, box, chain, loft, mirrored, rigid, rumpled, tube
from composer.crowd.skeleton import JOINT

_HEAD = rigid("head")


def _dome(
    rows: tuple[tuple[float, float, float, float, float], ...],
    material: str = "metal",
    count: int = 11,
    creases: tuple[int, ...] = (),
) -> Mesh:
    rings = [Ring((0.0, y, z), side, front, back, 2.05, material) for y, side, front, back, z in rows]
    return loft(rings, count, _HEAD, caps=("flat", "round"), creases=creases)


@shared
def conical_helmet() -> list[Mesh]:
    """A spangenhelm: rim band, tapering bowl, a knob, and a nasal down to the tip of the nose."""
    bowl = _dome(
        (
            (1.655, 0.098, 0.120, 0.127, 0.002),
            (1.684, 0.098, 0.119, 0.126, 0.002),
            (1.688, 0.093, 0.114, 0.121, 0.002),
            (1.735, 0.083, 0.101, 0.107, 0.003),
            (1.790, 0.055, 0.066, 0.070, 0.005),
            (1.835, 0.024, 0.028, 0.029, 0.006),
            (1.862, 0.009, 0.010, 0.010, 0.006),
        ),
        creases=(1, 2),
    )
    nasal = box((0.0, 1.640, -0.1245), (0.012, 0.048, 0.004), "metal", _HEAD, taper=0.75)
    return [bowl, nasal]


@shared
def kettle_hat() -> list[Mesh]:
    """A brimmed iron hat."""
    return [
        _dome(
            (
                (1.682, 0.088, 0.108, 0.114, 0.002),
                (1.655, 0.152, 0.178, 0.182, 0.000),
                (1.660, 0.154, 0.180, 0.184, 0.000),
                (1.700, 0.100, 0.120, 0.126, 0.002),
                (1.735, 0.093, 0.111, 0.117, 0.002),
                (1.775, 0.068, 0.081, 0.086, 0.002),
                (1.798, 0.028, 0.033, 0.034, 0.002),
            ),
            creases=(1, 2, 3),
        ),
        box((0.0, 1.782, 0.0), (0.006, 0.018, 0.085), "metal", _HEAD),
    ]


@shared
def crested_helmet(crest: str = "along") -> list[Mesh]:
    """A close bowl with brow band, neck guard, cheek pieces and a horsehair crest: 'along', 'across' or 'none'."""
    bowl = _dome(
        (
            (1.600, 0.080, -0.020, 0.150, 0.010),
            (1.640, 0.090, -0.010, 0.124, 0.004),
            (1.668, 0.094, 0.116, 0.124, 0.002),
            (1.676, 0.099, 0.123, 0.127, 0.002),
            (1.696, 0.098, 0.121, 0.126, 0.002),
            (1.700, 0.093, 0.115, 0.121, 0.002),
            (1.745, 0.078, 0.095, 0.102, 0.002),
            (1.780, 0.048, 0.056, 0.060, 0.004),
            (1.792, 0.018, 0.020, 0.022, 0.004),
        ),
        creases=(3, 4),
    )
    turn = np.array([[0.94, 0.0, 0.34], [0.0, 1.0, 0.0], [-0.34, 0.0, 0.94]])
    cheek = box((0.0735, 1.598, -0.050), (0.006, -0.056, 0.030), "metal", _HEAD, turn, taper=0.55)
    parts = [bowl, cheek, mirrored(cheek)]
    if crest != "none":
        parts.append(_crest(crest))
    return parts


def _crest(way: str) -> Mesh:
    """An upright brush over the bowl, from brow to nape or from ear to ear."""
    rows = []
    first, last = (-62.0, 112.0) if way == "along" else (-82.0, 82.0)
    for share in np.linspace(0.0, 1.0, 9):
        angle = np.radians(first + (last - first) * share)
        rise = 0.088 * (0.55 + 0.45 * np.sin(np.pi * min(1.0, share * 0.9 + 0.12)))
        inner, outer = 0.112, 0.122 + rise
        half = 0.017 + 0.006 * np.sin(np.pi * share)
        ring = []
        for radius, across in ((inner, -0.6 * half), (inner, 0.6 * half), (outer, half), (outer, -half)):
            s, c = np.sin(angle) * radius, np.cos(angle) * radius
            ring.append((across, 1.675 + c, s * 1.06) if way == "along" else (s * 0.92, 1.675 + c, 0.012 - across))
        rows.append(ring)
    return tube(np.array(rows), ["crest"] * 8, _HEAD, hard=False, creases=())


@shared_part
def aventail(build: Build) -> Mesh:
    """A curtain of mail from the helmet over neck and shoulders; the face looks out."""
    rows = (
        (1.385, 0.222, 0.146, 0.156, 0.012),
        (1.425, 0.192, 0.122, 0.136, 0.015),
        (1.470, 0.124, 0.090, 0.102, 0.014),
        (1.520, 0.084, 0.055, 0.096, 0.008),
        (1.575, 0.082, 0.050, 0.108, 0.004),
        (1.665, 0.088, 0.050, 0.118, 0.002),
    )
    grow = build.trunk
    rings = [
        Ring(
            (0.0, y, z),
            a * (grow if y < 1.48 else 1.0),
            f * (grow if y < 1.48 else 1.0),
            b * (grow if y < 1.48 else 1.0),
            2.2,
            "metal",
        )
        for y, a, f, b, z in rows
    ]

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        t = np.clip((points[:, 1] - 1.44) / 0.09, 0.0, 1.0)
        return np.tile(np.array([JOINT["head"], JOINT["chest"]], np.int16), (len(points), 1)), t

    return rumpled(loft(rings, 11, skin, creases=(1, 2, 3), roll=0.5), 0.20)


@shared
def mail_shirt(build: Build, *, hem_y: float = 0.74, sleeve_m: float = 0.20) -> list[Mesh]:
    """A mail shirt to the thigh with short wide sleeves and a pointed hem."""
    body = loft(
        [
            trunk_ring(y, build, o, material="metal")
            for y, o in (
                (1.00, 0.020),
                (1.055, 0.014),
                (1.095, 0.028),
                (1.17, 0.026),
                (1.245, 0.022),
                (1.315, 0.018),
                (1.375, 0.014),
                (1.428, 0.010),
                (1.468, 0.006),
            )
        ],
        11,
        TRUNK,
        caps=("flat", "flat"),
        creases=(1, 2, 3, 4, 5, 6),
        roll=0.38,
    )
    sleeve = arm_tube(
        [
            (-0.07, -0.018, "metal"),
            (-0.03, 0.010, "metal"),
            (0.03, 0.015, "metal"),
            (0.11, 0.018, "metal"),
            (sleeve_m, 0.025, "metal"),
        ],
        build,
        creases=(3,),
    )
    skirts = skirt(build, hem_y=hem_y, material="metal", out_m=0.024, pleats=5, depth=0.03, dagged_m=0.03)
    return [rumpled(p, 0.20) for p in (body, sleeve, mirrored(sleeve), skirts)]


@shared
def cuirass(build: Build, material: str = "metal") -> list[Mesh]:
    """A breast and back plate with modelled chest and waist, shoulder straps and a rolled lower edge."""
    rows = (
        (1.030, 0.034),
        (1.050, 0.022),
        (1.110, 0.020),
        (1.180, 0.022),
        (1.250, 0.027),
        (1.320, 0.028),
        (1.375, 0.020),
        (1.410, 0.006),
    )
    rings = []
    for y, out in rows:
        ring = trunk_ring(y, build, out, 2.5, material)
        chest = 0.014 * float(np.exp(-(((y - 1.30) / 0.06) ** 2)))
        rings.append(Ring(ring.centre, ring.side, ring.front + chest, ring.back, 2.5, material))
    plate = loft(rings, 14, TRUNK, creases=(1,))
    strap = []
    for t in np.linspace(0.0, 1.0, 5):
        angle = np.radians(-72 + 144 * t)
        centre = np.array([0.118, 1.385 + 0.088 * np.cos(angle), 0.012 + 0.125 * np.sin(angle)])
        out = np.array([0.25, np.cos(angle), np.sin(angle)])
        out /= np.linalg.norm(out)
        side = np.array([0.032, 0.0, 0.0])
        strap.append(
            [
                centre - side,
                centre + side - np.array([0, 0.012, 0]),
                centre + side + out * 0.014 - np.array([0, 0.012, 0]),
                centre - side + out * 0.014,
            ]
        )
    band = tube(np.array(strap), ["leather"] * 4, rigid("chest"), hard=True)
    return [plate, band, mirrored(band)]


@shared
def shoulder_flaps(build: Build, material: str = "leather", sleeve_m: float = 0.13) -> list[Mesh]:
    """Leather straps or scales that hang over the upper arms."""
    flap = arm_tube(
        [
            (-0.07, -0.012, material),
            (-0.03, 0.018, material),
            (0.02, 0.024, material),
            (0.065, 0.026, material),
            (0.065, 0.018, material),
            (sleeve_m, 0.034, material),
        ],
        build,
        count=9,
        creases=(3, 4),
    )
    return [flap, mirrored(flap)]


@shared
def greaves(build: Build) -> list[Mesh]:
    """Shin guards of sheet metal with a knee cup, over the front of the leg."""
    rows = (
        (0.535, 0.046, 0.070, -0.030, -0.006),
        (0.500, 0.060, 0.080, -0.010, -0.006),
        (0.455, 0.060, 0.068, 0.020, -0.004),
        (0.360, 0.064, 0.063, 0.030, 0.000),
        (0.240, 0.056, 0.056, 0.025, 0.008),
        (0.125, 0.046, 0.056, 0.015, 0.018),
    )
    k = build.limb
    rings = [Ring((0.103, y, z), a * k + 0.008, f * k + 0.010, b, 2.0, "metal") for y, a, f, b, z in rows]
    skin = chain(("r_thigh", "r_shin"), (-0.53,), (0, -1, 0), (0.02,))
    plate = loft(rings, 8, skin, start=0.5)
    return [plate, mirrored(plate)]
