"""What a lens and a shutter see, by brute force: a crowd rendered from many places on the lens at many times, and the mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.look_apply import Setting, composite_with_look
from composer.comp.plate_look import Optics, PlateLook
from composer.comp.shade import Shade
from composer.guides.passes import GuidePasses, Light
from composer.guides.render import render_guides
from support.soldiers import cast, crowd, ground, view

F64 = NDArray[np.float64]
LIGHT = Light((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.35, 0.3, 0.25))


@dataclass(frozen=True)
class Take:
    """walk_m, pan_deg: of the crowd and the camera from frame to frame. focal_m: true focal length."""

    optics: Optics
    walk_m: float = 0.0
    pan_deg: float = 0.0
    focal_m: float = 0.05
    count: int = 60
    size: tuple[int, int] = (288, 162)

    def guides(
        self, times: tuple[float, float, float], lens_m: tuple[float, float] = (0.0, 0.0), samples: int = 16
    ) -> GuidePasses:
        who = replace(
            crowd(self.count), position_m=np.stack([crowd(self.count, self.walk_m, t).position_m[1] for t in times])
        )
        tones = np.random.default_rng(9).uniform(0.05, 0.9, (self.count, 1, 3)).astype(np.float32)
        who = replace(who, albedo=np.broadcast_to(tones, who.albedo.shape).copy())
        views = tuple(self._view(t, lens_m) for t in times)
        return render_guides(who, cast(), views, ground(views[1]), [], LIGHT, samples=samples, threads=1)

    def _view(self, t: float, lens_m: tuple[float, float]) -> View:
        """From a place on the lens, turned so that what is in focus stays where it is."""
        at = view(self.pan_deg * t, size=self.size)
        m = at.world_from_camera.copy()
        m[:3, 3] += m[:3, 0] * lens_m[0] + m[:3, 1] * lens_m[1]
        fx, fy = at.focal_px
        shift = np.array([fx * lens_m[0], -fy * lens_m[1]]) / self.optics.focus_m
        return replace(at, world_from_camera=m, centre_px=(at.centre_px[0] + shift[0], at.centre_px[1] + shift[1]))

    def truth(self, views: int) -> tuple[F64, F64]:
        """The crowd's light [H, W, 3] and alpha [H, W], mean over so many places and times."""
        places = _spread(views)
        radius = 0.0 if not np.isfinite(self.optics.f_stop) else self.focal_m / self.optics.f_stop / 2
        opens, length = self.optics.shutter_offset_deg / 360, self.optics.shutter_deg / 360
        light, alpha = 0.0, 0.0
        for n in range(views):
            r, turn = radius * np.sqrt(places[n, 0]), 2 * np.pi * places[n, 1]
            t = opens + length * places[n, 2]
            guides = self.guides((t, t, t), (r * np.cos(turn), r * np.sin(turn)), samples=4)
            light = light + guides.beauty.astype(np.float64) / views
            alpha = alpha + guides.coverage.astype(np.float64) / views
        return light, alpha

    def ours(self) -> tuple[F64, F64]:
        """The same by the optics, from the guides of one frame."""
        guides = self.guides((-1.0, 0.0, 1.0))
        black = np.zeros((*guides.coverage.shape, 3), np.float32)
        none = np.zeros_like(guides.coverage)
        setting = Setting(self._view(0.0, (0.0, 0.0)), self.focal_m, np.eye(3), None, 0, 0)
        pictures = (black, Shade.grey(none), none, None)
        done = composite_with_look(PlateLook(optics=self.optics), guides, pictures, setting, threads=1)
        rgba = done.layers[-1].rgba.astype(np.float64)
        return rgba[..., :3], rgba[..., 3]


def _spread(n: int) -> F64:
    """n points, float64 [n, 3]: over the lens (share of its area, turn) as in a sunflower, over the time by halving."""
    i = np.arange(n)
    halved = np.array([int(f"{k:032b}"[::-1], 2) / 2**32 for k in i]) + 0.5 / n
    return np.stack([(i + 0.5) / n, i * (3 - 5**0.5) / 2 % 1, halved], axis=1)


@lru_cache(maxsize=1)
def plates(size: tuple[int, int]) -> tuple[F64, ...]:
    """Bright, dark, and stripes: what leaks through shows on one of them."""
    w, h = size
    stripes = np.where((np.arange(w) // 6 % 2)[None, :, None] > 0, 0.9, 0.05) * np.ones((h, 1, 3))
    return np.full((h, w, 3), 1.0), np.full((h, w, 3), 0.02), stripes


def psnr(a: tuple[F64, F64], b: tuple[F64, F64], plate: F64, where: NDArray[np.bool_]) -> float:
    """dB, peak 1, of the two layers over the plate."""
    difference = (a[0] - b[0]) - (a[1] - b[1])[..., None] * plate
    return float(-10 * np.log10(np.mean(difference[where] ** 2)))
