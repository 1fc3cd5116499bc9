"""What the layout tests stand on: crowds laid out on plain ground, regions of every kind, and how two crowds
compare."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from composer.camera.camera import View
from composer.crowd.cast import default_cast
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.shot.ground import Ground, mesh_ground, plane_ground
from composer.shot.schema_crowd import CrowdSpec

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CAST = default_cast()
FORMATIONS = ("rank_and_file", "phalanx", "column", "wedge", "skirmish_line", "square", "loose", "mob", "camp")
#: Narrow enough for ten thousand on the field below.
CLOSE = {
    "rank_and_file": (0.8, 0.9), "phalanx": (0.6, 0.8), "column": (0.8, 1.4), "wedge": (0.7, 0.7),
    "skirmish_line": (1.2, 1.3), "square": (0.6, 0.6), "loose": (0.9, 0.9), "mob": (0.7, 0.7), "camp": (5.0, 5.0),
}  # fmt: skip
FIELD = ((-120.0, -330.0), (125.0, -300.0), (130.0, -20.0), (10.0, -60.0), (-115.0, -10.0))
ROAD = ((-130.0, -40.0), (-40.0, -140.0), (60.0, -120.0), (120.0, -280.0))


def no_view(frame: int) -> View:
    raise AssertionError("no region is drawn on the plate")


def high_view(frame: int) -> View:
    """From 150 m up, tilted 30 degrees down: 1600 x 900 at 1000 px."""
    tilt = math.radians(-30)
    world_from_camera = np.eye(4)
    world_from_camera[1:3, 1:3] = [[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]]
    world_from_camera[1, 3] = 150.0
    return View(frame, (1600, 900), world_from_camera, (1000.0, 1000.0), (800.0, 450.0))


def laid(regions: list[dict], total: int | None, ground: Ground = FLAT, **options) -> Layout:
    obstacles, seed = tuple(options.pop("obstacles", ())), options.pop("seed", 7)
    view = options.pop("view_at", no_view)
    spec = CrowdSpec(seed=seed, count=total, regions=tuple(regions), obstacles=obstacles)
    return layout(spec, CAST, ground, view, frame_rate=Fraction(24), first_frame=1001, **options)


def nearest(crowd: Layout, frame: int = 1001) -> float:
    place = crowd.at([frame]).position_m[0][:, [0, 2]].astype(np.float64)
    return float(cKDTree(place).query(place, k=2)[0][:, 1].min()) if len(place) > 1 else math.inf


def assert_part_of(some: Layout, more: Layout) -> None:
    """Everybody in `some` is in `more`, with the same everything, at rest and later."""
    if len(some) == 0:
        return
    few, many = some.at([1001, 1040]), more.at([1001, 1040])
    index = np.searchsorted(many.agent_id, few.agent_id)
    assert index.max(initial=0) < len(many) and (many.agent_id[index] == few.agent_id).all()
    for name in ("position_m", "heading_rad", "clip", "phase"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:, index]), name
    for name in ("cast", "side", "height_scale", "albedo", "seed"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[index]), name


def paint(folder: Path, name: str = "map.png") -> Path:
    """A map of 200 x 150 px: a soft white patch on the left, three bars of 1, 0.5 and 0.25 on the right, black
    between."""
    y, x = np.mgrid[0:150, 0:200]
    value = np.clip(1.3 - np.hypot((x - 60) / 50, (y - 75) / 60), 0, 1)
    value[:, 115:] = 0
    for bar, grey in ((125, 1.0), (150, 0.5), (175, 0.25)):
        value[10:140, bar : bar + 20] = grey
    path = folder / name
    cv2.imwrite(str(path), np.round(value * 255).astype(np.uint8))
    return path


def region(formation: str, kind: str, folder: Path, **more) -> dict:
    """A region with room for ten thousand: drawn as a polygon, on the plate, as a path, or painted."""
    spec = {"name": "host", "formation": formation, "spacing_m": CLOSE[formation], **more}
    if formation == "column":
        spec["files"] = 40
    if kind == "polygon":
        spec["polygon_m"] = FIELD
    elif kind == "plate":
        spec["polygon_px"] = {
            "frame": 1001,
            "points": ((100.0, 250.0), (1500.0, 260.0), (1590.0, 890.0), (10.0, 880.0)),
        }
    elif kind == "path":
        spec["path_m"] = ROAD
        if formation in ("loose", "mob", "camp"):
            spec["width_m"] = {"loose": 40.0, "mob": 50.0, "camp": 160.0}[formation]
        elif formation != "column":
            spec["ranks"] = 30
    else:
        spec["density"] = {"map": str(paint(folder)), "extent_m": ((-180.0, -330.0), (180.0, -10.0))}
    return spec


_NOT = {("wedge", "path"), ("square", "path"), ("column", "density")}
KINDS = [(f, k) for f in FORMATIONS for k in ("polygon", "plate", "path", "density") if (f, k) not in _NOT]


def cliff() -> Ground:
    """Flat for x < 0, a slope of 60 degrees from 0 to 10, and nothing from there."""
    rise = 10 * math.tan(math.radians(60))
    rows = [(-400, 0), (0, 0), (10, rise)]
    position = [(x, y, z) for z in (-400, 0) for x, y in rows]
    triangle = [(0, 4, 1), (0, 3, 4), (1, 5, 2), (1, 4, 5)]
    return mesh_ground(np.array(position, np.float32), np.array(triangle, np.int32))
