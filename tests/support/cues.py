"""Small crowds with cues."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from composer.crowd.cast import default_cast
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.shot.ground import plane_ground
from composer.shot.schema_crowd import CrowdSpec

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CAST = default_cast()
NAMES = np.array([c.name for c in CAST.clips])


def box(x0: float, z0: float, x1: float, z1: float) -> tuple[tuple[float, float], ...]:
    return ((x0, z0), (x1, z0), (x1, z1), (x0, z1))


def laid(*regions: dict, last: int = 1100, cache: Path | None = None, **crowd) -> Layout:
    spec = CrowdSpec(seed=5, regions=regions, **crowd)
    return layout(
        spec, CAST, FLAT, lambda f: None, frame_rate=Fraction(24), first_frame=1001, last_frame=last, cache=cache
    )


def host(name: str = "red", z: float = 0.0, heading: float = 0.0, count: int = 60, **more) -> dict:
    """A block 12 m wide that looks along -Z from z on (heading 180: along +Z)."""
    depth = 1.3 * math.ceil(count / 12) + 1.5
    edge = box(-6, z, 6, z + depth) if heading == 0 else box(-6, z - depth, 6, z)
    return {"name": name, "polygon_m": edge, "heading_deg": heading, "side": name, "count": count, **more}


def charge(n: int = 500, gap: float = 10.0, **crowd) -> Layout:
    """Two blocks of n men run at each other."""
    wide = math.sqrt(n) * 1.4
    deep = n * 1.1 / wide + 3
    cue = {"at": 1004, "do": "charge"}
    red = {"name": "red", "polygon_m": box(-wide / 2, 0, wide / 2, deep), "heading_deg": 0.0, "count": n}
    blue = {"name": "blue", "polygon_m": box(-wide / 2, -gap - deep, wide / 2, -gap), "heading_deg": 180.0, "count": n}
    return laid(
        {**red, "cues": ({**cue, "target": "blue"},)},
        {**blue, "side": "blue", "cues": ({**cue, "target": "red"},)},
        last=1140,
        **crowd,
    )
