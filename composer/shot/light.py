"""The light that the shot asks for, as the guides need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera
from composer.errors import InputError
from composer.shot.ground import Ground
from composer.shot.light_measure import EXPOSURE_FRAMES, GROUND_ALBEDO, REACH_M, measure_light, with_measured
from composer.shot.plate import Plate
from composer.shot.schema import ShotFile
from composer.shot.schema_crowd import RegionSpec
from composer.shot.schema_light import LightSpec
from composer.shot.sun import angles_of, direction_of, sun_of_picks

F64 = NDArray[np.float64]
Rgb = tuple[float, float, float]

DEFAULT_SKY: Rgb = (0.85, 0.93, 1.0)


@dataclass(frozen=True)
class ShotLight:
    """Light on the crowd, ACEScg: radiance of a white diffuse surface that faces it. Same fields as
    `guides.passes.Light`. sun_direction: unit, from the ground TO the sun."""

    sun_direction: Rgb
    sun: Rgb
    sky: Rgb
    bounce: Rgb


def light_of(shot: ShotFile, plate: Plate, camera: Camera, ground: Ground) -> tuple[ShotLight, tuple[str, ...]]:
    """The shot's light, and notes on what was found or assumed.

    exposure auto: a ground of albedo 0.2 under sun and sky gets the plate's median luminance over the ground (where the
    regions lie; where that shows nothing, all ground within 150 m), on the first, middle and last frame.
    """
    spec, notes = shot.light, []
    if spec.measure or spec.ball is not None:
        spec, notes = with_measured(spec, measure_light(shot, plate, camera, ground))
    direction, sun = np.array([0.0, 1.0, 0.0]), np.zeros(3)
    if spec.sun is None:
        notes.append("light: no sun given: an overcast sky")
    else:
        sun = np.array(spec.sun.color) * spec.sun.strength
        if spec.sun.pick is not None or spec.sun.picks is not None:
            direction, scatter_deg = sun_of_picks(
                (spec.sun.pick,) if spec.sun.pick else spec.sun.picks or (), camera, ground
            )
            told = "light: sun picked at elevation {:.1f}, azimuth {:.1f} degrees".format(*angles_of(direction))
            notes.append(told + (f"; the picks scatter by {scatter_deg:.1f} degrees" if spec.sun.picks else ""))
        else:
            assert spec.sun.elevation_deg is not None and spec.sun.azimuth_deg is not None
            direction = direction_of(spec.sun.elevation_deg, spec.sun.azimuth_deg)
    sky = np.array(DEFAULT_SKY if spec.sky is None or spec.sky.color is None else spec.sky.color)
    sky = sky * (1.0 if spec.sky is None else spec.sky.strength)
    on_ground = GROUND_ALBEDO * (sun * max(float(direction[1]), 0.0) + sky)
    gain, ground_rgb = _exposure(spec, shot, plate, camera, ground, on_ground, notes)
    bounce = _bounce(spec, gain, ground_rgb, notes)
    if not np.isfinite(gain * (sun + sky)).all():
        raise InputError("the light is not finite")
    return ShotLight(_rgb(direction), _rgb(sun * gain), _rgb(sky * gain), _rgb(bounce)), tuple(notes)


def _bounce(spec: LightSpec, gain: float, ground_rgb: F64, notes: list[str]) -> F64:
    strength = 1.0 if spec.bounce is None else spec.bounce.strength
    if spec.bounce is not None and spec.bounce.color is not None:
        return np.array(spec.bounce.color) * strength * gain
    notes.append("light: bounce is the ground's own radiance")
    return ground_rgb * strength


def _exposure(
    spec: LightSpec, shot: ShotFile, plate: Plate, camera: Camera, ground: Ground, on_ground: F64, notes: list[str]
) -> tuple[float, F64]:
    """Gain on sun and sky, and the ground's RGB after it."""
    if spec.exposure != "auto":
        gain = float(2.0**spec.exposure)
        return gain, on_ground * gain
    weights = np.asarray(plate.color.luminance_weights(), dtype=np.float64)
    modelled = float(on_ground @ weights)
    if modelled <= 0:
        raise InputError(
            "exposure auto needs some light", where=shot.where("light"), hint="give sun or sky a strength above 0"
        )
    rgb, where = ground_pixels(shot.crowd.regions, plate, camera, ground)
    if not len(rgb):
        notes.append("light: exposure 1.0: no ground is seen in the plate to take it from")
        return 1.0, on_ground
    luminance = rgb @ weights
    median = float(np.median(luminance))
    if not np.isfinite(median) or median <= 0:
        notes.append("light: exposure 1.0: the ground in the plate is black")
        return 1.0, on_ground
    gain = median / modelled
    notes.append(f"light: exposure auto: x{gain:.4g}, from a median luminance of {median:.4g} over {where}")
    return gain, np.median(rgb, axis=0)


def ground_pixels(regions: tuple[RegionSpec, ...], plate: Plate, camera: Camera, ground: Ground) -> tuple[F64, str]:
    """ACEScg pixels [N, 3] of the ground in the plate, thinned, and what they are in words."""
    n = len(plate.frames)
    picked = sorted({plate.frames[round(i * (n - 1) / max(EXPOSURE_FRAMES - 1, 1))] for i in range(EXPOSURE_FRAMES)})
    polygons = [p for p in (region_polygon_m(r, camera, ground) for r in regions) if p is not None]
    inside: list[F64] = []
    everywhere: list[F64] = []
    w, h = plate.size_px
    step = max(1, round((w * h / 40_000) ** 0.5))
    ys, xs = np.mgrid[step // 2 : h : step, step // 2 : w : step]
    for frame in picked:
        view = camera.view(frame)
        places = ground.intersect(view.position_m, view.rays(np.stack([xs + 0.5, ys + 0.5], axis=-1)))
        with np.errstate(invalid="ignore"):
            near = np.linalg.norm(places - view.position_m, axis=-1) < REACH_M
        pixels = plate.read_working(frame)[ys, xs].astype(np.float64)
        everywhere.append(pixels[near])
        for polygon in polygons:
            inside.append(pixels[near & in_polygon(places[..., [0, 2]], polygon)])
    rgb = np.concatenate(inside) if inside else np.zeros((0, 3))
    if len(rgb) >= 50:
        return rgb, f"the regions in frames {', '.join(map(str, picked))}"
    return np.concatenate(everywhere), f"all ground in frames {', '.join(map(str, picked))}"


def region_polygon_m(region: RegionSpec, camera: Camera, ground: Ground) -> F64 | None:
    """A region's polygon [K, 2] in world x, z; None where one drawn on the plate does not come down on the ground,
    and for paths and maps painted on the plate."""
    if region.polygon_m is not None:
        return np.array(region.polygon_m)
    if region.density is not None and region.density.extent_m is not None:
        (x0, z0), (x1, z1) = region.density.extent_m
        return np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]])
    if region.polygon_px is None:
        return None
    if not camera.covers(region.polygon_px.frame):
        return None
    view = camera.view(region.polygon_px.frame)
    places = ground.intersect(view.position_m, view.rays(np.array(region.polygon_px.points)))
    places = places[np.isfinite(places).all(axis=1)]
    return places[:, [0, 2]] if len(places) >= 3 else None


def in_polygon(places: F64, polygon: F64) -> NDArray[np.bool_]:
    """Which of places [..., 2] lie in polygon [K, 2] (even-odd); NaN is outside."""
    x, y = places[..., 0], places[..., 1]
    inside = np.zeros(x.shape, dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _rgb(v: F64) -> Rgb:
    return float(v[0]), float(v[1]), float(v[2])
