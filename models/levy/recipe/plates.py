"""A plate for a random scene: ground, hills and sky of no place in particular, in the scene's own light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.crowd.dyes import AP1_FROM_REC709
from models.levy.recipe.scenes import LevyScene

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Linear Rec.709 reflectances: two tones of ground a row.
SOILS = (
    ((0.10, 0.13, 0.04), (0.22, 0.22, 0.09)),  # grass
    ((0.20, 0.15, 0.09), (0.32, 0.26, 0.17)),  # dry earth
    ((0.10, 0.075, 0.05), (0.16, 0.12, 0.085)),  # mud
    ((0.34, 0.30, 0.24), (0.44, 0.40, 0.33)),  # gravel, sand
    ((0.62, 0.65, 0.70), (0.74, 0.76, 0.79)),  # snow
    ((0.11, 0.11, 0.11), (0.20, 0.19, 0.18)),  # rock
)


def plate_of(scene: LevyScene, ground_m: F32) -> F32:
    """float32 [H, W, 3], ACEScg. ground_m: float32 [H, W], planar depth of the ground, inf above the horizon."""
    rng = np.random.default_rng((92, scene.number))
    w, h = scene.view.size_px
    y, x = np.mgrid[:h, :w] + 0.5
    rays = scene.view.rays(np.stack([x, y], -1))
    light = scene.light
    sun, sky = np.array(light.sun), np.array(light.sky)
    toward = np.array(light.sun_direction)
    away = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    rise = away[..., 1:2]
    air = sky * (1.15 + 0.5 * np.exp(-np.clip(rise, 0, 1) * 6)) + 0.10 * sun
    glare = np.clip(away @ toward, 0, 1)[..., None]
    picture = air + sun * (0.35 * glare**60 + 0.1 * glare**6)
    picture = _hills(rng, picture, away, air, sun, sky)
    here = np.isfinite(ground_m)
    point = scene.view.position_m + rays * np.where(here, ground_m, 0)[..., None]
    low, high = (AP1_FROM_REC709 @ np.array(c) for c in SOILS[int(rng.integers(len(SOILS)))])
    tone = np.zeros((h, w))
    across = np.where(here, ground_m, 1)[..., None] / scene.view.focal_px[0]
    for k, per_m in enumerate((0.12, 0.5, 2.0, 7.0, 25.0)):
        keep = 1 / (1 + (3 * per_m * across[..., 0]) ** 2)
        tone += (0.9**k) * keep * (value_noise(point[..., [0, 2]] * per_m, scene.number * 7 + k) - 0.5)
    tone = np.clip(0.5 + 0.75 * tone, 0, 1)[..., None]
    lit = sun * max(toward[1], 0.0) + sky
    earth = (low * (1 - tone) + high * tone) * lit * (0.86 + 0.28 * tone)
    fog = 1 - np.exp(-np.where(here, ground_m, 0) * float(np.exp(rng.uniform(np.log(2e-4), np.log(4e-3)))))
    earth = earth * (1 - fog[..., None]) + air * fog[..., None] * 0.8
    picture = np.where(here[..., None], earth, picture)
    noise = rng.normal(0, 0.012, picture.shape) * np.sqrt(np.maximum(picture, 0))
    return np.maximum(picture + noise, 0).astype(np.float32)


def _hills(rng: np.random.Generator, picture: F64, away: F64, air: F64, sun: F64, sky: F64) -> F64:
    """Two ridges in haze, where a coin says so."""
    turn = np.arctan2(away[..., 0], away[..., 2])
    for k in range(int(rng.integers(0, 3))):
        top = 0.02 + 0.05 * rng.random() * (2 - k)
        line = top * (0.6 + 0.5 * np.sin(turn * (3 + 4 * k) + rng.uniform(0, 6)) + 0.3 * np.sin(turn * 17 + k))
        wood = np.array([0.06, 0.07, 0.04]) * (sun * 0.5 + sky)
        haze = 0.65 - 0.25 * k
        picture = np.where((away[..., 1] < line)[..., None], wood * (1 - haze) + air * haze, picture)
    return picture


def value_noise(p: F64, seed: int) -> F64:
    """0..1, one cell a unit. p: float64 [..., 2]."""
    cell = np.floor(p).astype(np.int64)
    f = p - cell
    f = f * f * (3 - 2 * f)

    def at(dx: int, dy: int) -> F64:
        k = (cell[..., 0] + dx) * 374761393 + (cell[..., 1] + dy) * 668265263 + seed * 974634777
        k = (k ^ (k >> 13)) * 1274126177
        return ((k ^ (k >> 16)) & 0xFFFF) / 65535.0

    top = at(0, 0) * (1 - f[..., 0]) + at(1, 0) * f[..., 0]
    bottom = at(0, 1) * (1 - f[..., 0]) + at(1, 1) * f[..., 0]
    return top * (1 - f[..., 1]) + bottom * f[..., 1]
