"""A sky to put behind everything: made from the shot's own sun, or an artist's lat-long picture.

The made sky is light scattered once in air and haze round the earth (Nishita and others, "Display of the Earth Taking into
Account Atmospheric Scattering", SIGGRAPH 1993), with ozone, and a little of it again as from every side. Its brightness is
set so that a level white surface sends out what `light.sky` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.dyes import AP1_FROM_REC709
from composer.errors import InputError
from composer.io.image import read_image
from composer.shot.schema_environment import SkySpec
from composer.shot.sky_matte import open_sky_matte
from composer.shot.stage import Stage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

EARTH_M, TOP_M = 6_371_000.0, 60_000.0
#: Scattering and absorption a metre at sea level for the red, green and blue of Rec.709.
RAYLEIGH = np.array([5.8e-6, 13.5e-6, 33.1e-6])
MIE = 4.0e-6
OZONE = np.array([0.65e-6, 1.88e-6, 0.085e-6])
ROWS, COLUMNS = 160, 181
LOWEST_DEG = -4.0


@dataclass(frozen=True)
class Clouds:
    """cover 0..1; height, size and drift (x, z a second) in metres; seed."""

    cover: float
    height_m: float
    size_m: float
    drift_m_s: tuple[float, float]
    seed: int


@dataclass(frozen=True)
class Sky:
    """picture: float32 [H, W, 3], ACEScg; rows from the zenith down. Made: azimuth from the sun 0..180 degrees across
    its columns, elevation by its square root down to LOWEST_DEG. latlong: the whole sphere, its middle column at
    `azimuth_rad`. toward: unit, to the sun; sun: ACEScg radiance of a white surface that faces it. strength: on the picture.
    """

    picture: F32
    latlong: bool
    azimuth_rad: float
    toward: tuple[float, float, float]
    sun: tuple[float, float, float]
    strength: float
    clouds: Clouds | None
    key: float
    start_frame: int
    frame_rate: float


def sky_of(stage: Stage, spec: SkySpec) -> tuple[Sky, tuple[str, ...]]:
    """The sky that a shot asks for, and notes. Raises InputError."""
    light = stage.light
    clouds = None
    if spec.clouds is not None:
        turn = np.radians(spec.clouds.wind_azimuth_deg)
        drift = (spec.clouds.wind_m_s * float(np.sin(turn)), -spec.clouds.wind_m_s * float(np.cos(turn)))
        clouds = Clouds(spec.clouds.cover, spec.clouds.height_m, spec.clouds.size_m, drift, spec.clouds.seed)
    if spec.latlong is not None:
        picture, notes = _latlong(stage, spec), ()
        strength = spec.strength
    else:
        picture = made_sky(light.sun_direction, spec.haze)
        strength, note = _fitted(picture, light.sun_direction, light.sky)
        strength, notes = strength * spec.strength, (note,)
    sky = Sky(
        picture, spec.latlong is not None, float(np.radians(spec.azimuth_deg)), light.sun_direction, light.sun, strength, clouds,
        spec.key, stage.plate.frames[0], float(stage.plate.frame_rate),
    )  # fmt: skip
    open_sky_matte(stage)
    return sky, notes


def _latlong(stage: Stage, spec: SkySpec) -> F32:
    assert spec.latlong is not None
    path = stage.shot.path(spec.latlong)
    where = stage.shot.where("environment", "sky", "latlong")
    if not path.is_file():
        raise InputError("no such file", where=where, got=spec.latlong)
    picture, _ = read_image(path)
    if picture.shape[2] < 3 or abs(picture.shape[1] / picture.shape[0] - 2) > 0.02:
        raise InputError(
            "not a lat-long picture", where=where, expected="RGB, twice as wide as high", got=str(list(picture.shape))
        )
    return np.ascontiguousarray(np.nan_to_num(picture[..., :3], nan=0, posinf=65504, neginf=0), np.float32)


def row_of(elevation_rad: F64) -> F64:
    """Row of the made sky for an elevation; finer towards the horizon."""
    low = np.radians(LOWEST_DEG)
    return (ROWS - 1) * (1 - np.sqrt(np.clip((elevation_rad - low) / (np.pi / 2 - low), 0, 1)))


def made_sky(toward: tuple[float, float, float], haze: float) -> F32:
    """float32 [ROWS, COLUMNS, 3]: radiance under a sun of irradiance 1, see `Sky.picture`."""
    low = np.radians(LOWEST_DEG)
    elevation = low + (np.pi / 2 - low) * (1 - np.arange(ROWS) / (ROWS - 1)) ** 2
    azimuth = np.linspace(0, np.pi, COLUMNS)
    e, a = np.meshgrid(np.maximum(elevation, 0.0008), azimuth, indexing="ij")
    way = np.stack([np.cos(e) * np.cos(a), np.sin(e), np.cos(e) * np.sin(a)], axis=-1).reshape(-1, 3)
    height = float(np.arcsin(np.clip(toward[1], -1, 1)))
    sun = np.array([np.cos(height), np.sin(height), 0.0])
    out = _scattered(way, sun, MIE * haze) @ AP1_FROM_REC709.T
    return out.reshape(ROWS, COLUMNS, 3).astype(np.float32)


def _depth_to_sun(points: F64, sun: F64, mie: float) -> F64:
    """Optical depth [N, 3] from points towards the sun; large where the earth is between."""
    b = points @ sun
    c = (points * points).sum(1) - (EARTH_M + TOP_M) ** 2
    far = -b + np.sqrt(np.maximum(b * b - c, 0.0))
    steps = 10
    total = np.zeros((len(points), 3))
    for k in range(steps):
        p = points + sun * (far * (k + 0.5) / steps)[:, None]
        h = np.maximum(np.linalg.norm(p, axis=1) - EARTH_M, 0.0)
        total += _extinction(h, mie) * (far / steps)[:, None]
    under = (b < 0) & ((points * points).sum(1) - b * b < EARTH_M**2)
    total[under] += 50.0
    return total


def _extinction(h: F64, mie: float) -> F64:
    ozone = np.maximum(0.0, 1 - np.abs(h - 25_000) / 15_000)
    return np.exp(-h / 8000)[:, None] * RAYLEIGH + (np.exp(-h / 1200) * mie * 1.1)[:, None] + ozone[:, None] * OZONE


def _scattered(way: F64, sun: F64, mie: float) -> F64:
    """Radiance [N, 3] along directions from the ground."""
    eye = np.array([0.0, EARTH_M + 2.0, 0.0])
    b = way @ eye
    far = -b + np.sqrt(b * b - (eye @ eye - (EARTH_M + TOP_M) ** 2))
    cosine = way @ sun
    g = 0.76
    phase_air = 3 / (16 * np.pi) * (1 + cosine**2)
    phase_haze = 3 / (8 * np.pi) * (1 - g * g) * (1 + cosine**2) / ((2 + g * g) * (1 + g * g - 2 * g * cosine) ** 1.5)
    steps = 28
    edge = (np.arange(steps + 1) / steps) ** 2.2  # finer near the eye
    out, depth = np.zeros((len(way), 3)), np.zeros((len(way), 3))
    for k in range(steps):
        t0, t1 = far * edge[k], far * edge[k + 1]
        p = eye + way * (0.5 * (t0 + t1))[:, None]
        h = np.maximum(np.linalg.norm(p, axis=1) - EARTH_M, 0.0)
        own = _extinction(h, mie) * (t1 - t0)[:, None]
        light = np.exp(-_depth_to_sun(p, sun, mie))
        seen = np.exp(-(depth + 0.5 * own)) * (t1 - t0)[:, None]
        air, dust = np.exp(-h / 8000)[:, None] * RAYLEIGH, (np.exp(-h / 1200) * mie)[:, None]
        once = light * (air * phase_air[:, None] + dust * phase_haze[:, None])
        again = (light * 0.28 + 0.02) * (air + dust) / (4 * np.pi)  # from every side
        out += (once + again) * seen
        depth += own
    return out


def _fitted(picture: F32, toward: tuple[float, float, float], wanted: tuple[float, float, float]) -> tuple[float, str]:
    """What brings the sky's light on a level surface to `light.sky`, by luminance."""
    low = np.radians(LOWEST_DEG)
    elevation = low + (np.pi / 2 - low) * (1 - np.arange(ROWS) / (ROWS - 1)) ** 2
    up = elevation > 0
    weight = np.sin(elevation) * np.cos(elevation) * np.abs(np.gradient(elevation)) * up
    mean = (picture.mean(1) * weight[:, None]).sum(0) / weight.sum()
    luma = np.array([0.2722, 0.6741, 0.0537])
    strength = float(luma @ np.array(wanted) / max(float(luma @ mean), 1e-12))
    return strength, f"sky: made for a sun {np.degrees(np.arcsin(toward[1])):.1f} degrees high, as bright as light.sky"
