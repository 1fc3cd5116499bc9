"""The air of one frame: what comes through smoke, dust and fog to the camera, and the light that they add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.environment.feet import Raised
from composer.environment.noise import noise2
from composer.environment.volumes import Fog, Volumes
from composer.guides import kernel_air, kernel_through
from composer.guides.beside import beside
from composer.guides.clouds import Clouds, HeightAt, clouds_of
from composer.guides.device import Pool, empty, eye_of, load_kernels, upload, zeros
from composer.guides.kernel_air import NODES, Mist, Sunlight, march_kernel
from composer.guides.kernel_through import Seen, through_kernel
from composer.guides.kernel_view import Eye
from composer.guides.lens_table import lens_tables
from composer.guides.passes import GuidePasses, Holdout, Light, Samples

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Rows of rays that are held at once; rays to the width of a picture, and the most pixels that one serves (to a side).
BAND_ROWS = 20
RAYS_WIDE, MOST_PX = 640, 4
PATCH_REACH_M = 500.0
MOST_PATCHES = 160


@dataclass(frozen=True)
class AirSetting:
    """What the air of one frame is seen with. raised: what hangs at people's feet. height_at: the ground's (x, z), world."""

    volumes: Volumes
    raised: Raised | None
    view: View
    light: Light
    height_at: HeightAt

    @property
    def toward(self) -> F64:
        """To the sun: float64 [3], unit."""
        toward = np.array(self.light.sun_direction, np.float64)
        return toward / max(float(np.linalg.norm(toward)), 1e-9)

    def clouds(self, device: str = "cpu", threads: int | None = None) -> Clouds:
        """The frame's smoke and dust."""
        pool = Pool(device, threads)
        try:
            toward = tuple(self.toward.tolist())
            return clouds_of(
                self.volumes, self.raised, self.view, self.view.frame, self.height_at, toward, pool, device
            )
        finally:
            pool.close()


@dataclass(frozen=True)
class AirPasses:
    """All float32, ACEScg, at plate size. crowd, place: [H, W, 3], premultiplied: what is left of them. front: [H, W, 3], light
    that the air before them adds, by their coverage. back: [H, W, 4], light and what is let through as far as the plate. before:
    the same as far as the nearest matte in the pixel, 0 0 0 1 where there is none. by_sample: [E, 4], the same as far as each
    sample of the crowd, and of the place, where that was asked for; then back is known behind them too."""

    crowd: F32
    place: F32
    front: F32
    back: F32
    before: F32
    by_sample: tuple[F32, F32 | None] | None = None


def plate_depth(ground_m: F32, holdouts: Sequence[Holdout]) -> F32:
    """float32 [H, W], planar: how far away what the plate shows is, as far as it is known, drawn mattes left aside. Under a
    matte depth pictures say nothing: there it is as deep as beside it."""
    depth = np.asarray(ground_m, np.float32)
    pictures = [one for one in holdouts if np.ndim(one.depth_m)]
    for one in pictures:
        known = (one.alpha > 0.5) & np.isfinite(one.depth_m)
        depth = np.where(known, np.minimum(depth, one.depth_m), depth)
    drawn = [one.alpha > 0 for one in holdouts if not np.ndim(one.depth_m)]
    if pictures and drawn:
        depth = beside(depth, np.logical_or.reduce(drawn))
    return np.ascontiguousarray(depth, np.float32)


def air_passes(
    setting: AirSetting, guides: GuidePasses, crowd_rgb: F32, place_rgb: F32 | None, behind_m: F32, mattes: Sequence[Holdout],
    *, clouds: Clouds | None = None, by_sample: bool = False, device: str = "cpu", threads: int | None = None,
) -> AirPasses:  # fmt: skip
    """guides: whose samples say how far away everything is. crowd_rgb, place_rgb: float32 [H, W, 3], ACEScg, premultiplied, as
    they are in the picture without air. behind_m: as `plate_depth`. mattes: holdouts with one depth each. clouds: the
    setting's own, where they are made already. by_sample: whether the air before each sample is told."""
    load_kernels(device, kernel_air, kernel_through)
    clouds = clouds or setting.clouds(device, threads)
    pool = Pool(device, threads)
    try:
        view = setting.view
        eye = eye_of(view, lens_tables(view), view.position_m, device)
        work = _Work.of(setting, clouds, eye, guides, crowd_rgb, place_rgb, behind_m, mattes, by_sample, device)
        pool.run(work.band, work.bands())
        return work.passes()
    finally:
        pool.close()


def _far(behind_m: F32, every: int) -> F32:
    """float32 [rows, columns] of rays: the furthest that any pixel looks which reads this ray."""
    h, w = behind_m.shape
    even = np.pad(behind_m, ((0, -h % every), (0, -w % every)), mode="edge")
    fewer = even.reshape(len(even) // every, every, -1, every).max(axis=(1, 3))
    return cv2.dilate(np.minimum(fewer, np.float32(1e9)), np.ones((3, 3), np.uint8))


@dataclass(frozen=True)
class _Work:
    """Arrays on the device and what the kernels take. every: pixels to a ray; fewer: rows and columns of rays."""

    march: list[object]
    every: int
    fewer: tuple[int, int]
    size: tuple[int, int]
    seen: list[object]
    rgb: tuple[wp.array, wp.array]
    out: tuple[wp.array, wp.array, wp.array]
    by_sample: tuple[Seen, Seen | None] | None
    device: str

    @staticmethod
    def of(
        setting: AirSetting, clouds: Clouds, eye: Eye, guides: GuidePasses, crowd_rgb: F32, place_rgb: F32 | None,
        behind_m: F32, mattes: Sequence[Holdout], by_sample: bool, device: str,
    ) -> _Work:  # fmt: skip
        h, w = behind_m.shape
        every = int(np.clip(round(w / RAYS_WIDE), 1, MOST_PX))
        far = _far(behind_m, every)
        light, given = Sunlight(), setting.light
        light.toward = wp.vec3(*setting.toward.tolist())
        light.sun, light.sky, light.bounce = (wp.vec3(*map(float, v)) for v in (given.sun, given.sky, given.bounce))
        mist = mist_of(setting.volumes, setting.view, device)
        march = [eye, light, mist, clouds.clouds, clouds.many, clouds.pools, upload(far, wp.float32, device)]
        place = guides.place
        cover = guides.coverage if place is None else np.minimum(guides.coverage + place.coverage, 1.0)
        own = np.array(crowd_rgb, np.float32, order="C")
        around = np.zeros((1, 1, 3), np.float32) if place_rgb is None else np.array(place_rgb, np.float32, order="C")
        rgb = (upload(own, wp.vec3, device), upload(around, wp.vec3, device))
        drawn = sorted((m for m in mattes if not np.ndim(m.depth_m)), key=lambda m: float(m.depth_m))
        alpha = np.stack([np.asarray(m.alpha, np.float32) for m in drawn]) if drawn else np.zeros((0, h, w), np.float32)
        crowd = _seen(guides.samples, device, by_sample)
        behind = crowd if place is None else _seen(place.samples, device, by_sample)
        seen = [
            crowd, behind, int(place is not None and place_rgb is not None), *rgb, upload(cover, wp.float32, device),
            upload(behind_m, wp.float32, device), upload(alpha, wp.float32, device),
            upload(np.array([float(m.depth_m) for m in drawn], np.float32), wp.float32, device),
        ]  # fmt: skip
        out = (empty((h, w), wp.vec3, device), empty((h, w), wp.vec4, device), empty((h, w), wp.vec4, device))
        told = (crowd, None if place is None else behind) if by_sample else None
        return _Work(march, every, far.shape, (h, w), seen, rgb, out, told, device)  # type: ignore[arg-type]

    def bands(self) -> list[tuple[int, int]]:
        """Rows of the picture; whole rows of rays."""
        rows = self.every * BAND_ROWS
        return [(a, min(a + rows, self.size[0])) for a in range(0, self.size[0], rows)]

    def band(self, rows: tuple[int, int]) -> None:
        """March the rays that these rows of the picture read, and read them."""
        a, b = rows
        n = self.every
        first, last = max(a // n - 1, 0), min((b - 1) // n + 2, self.fewer[0])
        shape = (last - first, self.fewer[1])
        count = zeros(shape, wp.int32, self.device)
        node = empty((*shape, NODES), wp.float32, self.device)
        curve = empty((*shape, NODES), wp.vec4, self.device)
        rays = [count, node, curve]
        wp.launch(march_kernel, dim=shape, device=self.device, inputs=[*self.march, n, first, *rays])
        inputs = [a, n, first, self.fewer[0], *rays, *self.seen, *self.out]
        wp.launch(through_kernel, dim=(b - a, self.size[1]), device=self.device, inputs=inputs)

    def passes(self) -> AirPasses:
        told = None
        if self.by_sample is not None:
            crowd, place = self.by_sample
            told = (crowd.air.numpy(), None if place is None else place.air.numpy())
        return AirPasses(*(array.numpy() for array in (*self.rgb, *self.out)), told)


def _seen(samples: Samples, device: str, with_air: bool) -> Seen:
    s = Seen()
    s.start = upload(samples.start, wp.int64, device)
    s.depth, s.coverage = (upload(a, wp.float32, device) for a in (samples.depth_m, samples.coverage))
    s.rgb = upload(samples.rgb, wp.vec3, device)
    if with_air:
        clear = np.tile(np.array([0, 0, 0, 1], np.float32), (max(len(samples.depth_m), 1), 1))
        s.air = upload(clear, wp.vec4, device)
    return s


def mist_of(volumes: Volumes, view: View, device: str) -> Mist:
    """The fog for kernels, with its patches around the camera."""
    m, fog = Mist(), volumes.fog
    m.rate = -1.0
    patch = np.ones((2, 2), np.float32)
    if fog is not None:
        m.rate, m.base, m.fall = fog.extinction_per_m, fog.base_m - float(view.position_m[1]), fog.fall_m
        m.albedo, m.forward = wp.vec3(*fog.albedo), fog.forward
        patch, corner, m.cell = _patches(fog, view, volumes.seconds(view.frame))
        m.corner = wp.vec2(*(float(v) for v in corner - view.position_m[[0, 2]]))
    m.patch = upload(patch, wp.float32, device)
    return m


def _patches(fog: Fog, view: View, seconds: float) -> tuple[F32, F64, float]:
    """float32 [n, n]: what the fog is multiplied with around the camera, on the world's own cells; their corner (x, z)."""
    cell = max(fog.size_m / 6, 2 * PATCH_REACH_M / MOST_PATCHES)
    n = int(np.ceil(2 * PATCH_REACH_M / cell)) + 1
    corner = (np.floor(view.position_m[[0, 2]] / cell) - n // 2) * cell
    x, z = np.meshgrid(corner[0] + cell * np.arange(n), corner[1] + cell * np.arange(n))
    thick = np.zeros((n, n))
    for k, (share, pace) in enumerate(((1.0, 1.0), (0.6, 0.8), (0.35, 1.1))):
        size = fog.size_m / 1.9**k
        if size >= 2.5 * cell:
            u, v = (p - d * seconds * pace for p, d in zip((x, z), fog.wind_m_s, strict=True))
            thick += share * noise2(u / size, v / size, fog.seed % 65_536 + k)
    away = np.hypot(x - view.position_m[0], z - view.position_m[2]) / PATCH_REACH_M
    fade = np.clip((1 - away) / 0.3, 0, 1)
    return np.maximum(1 + fog.patches * 1.3 * thick * fade, 0).astype(np.float32), corner, cell
