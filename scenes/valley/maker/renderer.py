"""The renderer: builds the scene once, then draws a frame as many shifted passes that are averaged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from . import figures, light, meadow, meshes, move, raster, shade, sky, trees, world
from .raster import EMPTY, Lens

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
#: World from camera, float64 [4, 4], at a (fractional) frame and the height of the ground at the origin.
Move = Callable[[float, float], F64]
SAMPLES = 14  # a pixel, in the committed plate
FRINGE_M = 19.0
#: The sun's map of a host: its width in pixels, and how far it reaches beyond them.
HOST_PX, HOST_RIM_M = 8192, 2.0
SOFTNESS_PX = 0.58  # standard deviation of the pixel filter: a good lens, not a perfect one


@dataclass(frozen=True)
class Picture:
    """rgb: float32 [h, w, 3] ACEScg without grain; matte: float32 [h, w]; depth_m: float32 [h, w] planar, inf = sky."""

    rgb: F32
    matte: F32
    depth_m: F32


def _vec(values: object) -> wp.vec3:
    return wp.vec3(*(float(v) for v in np.asarray(values)))


def lens_at(m: F64, scale: float, crop: tuple[int, int, int, int], shift: tuple[float, float]) -> Lens:
    """The camera that stands at `m` (world from camera) for a crop (x, y, width, height) of the picture at `scale`."""
    cam = Lens()
    cam.origin, cam.right, cam.up, cam.back = _vec(m[:3, 3]), _vec(m[:3, 0]), _vec(m[:3, 1]), _vec(m[:3, 2])
    cam.focal = move.focal_px() * scale
    cam.centre = wp.vec2(move.SIZE_PX[0] * scale / 2, move.SIZE_PX[1] * scale / 2)
    cam.k1, cam.k2 = move.K1, move.K2
    cam.crop = wp.vec2(float(crop[0]), float(crop[1]))
    cam.shift = wp.vec2(*shift)
    cam.width, cam.height = crop[2], crop[3]
    return cam


def _sun_lens(centre: tuple[float, float, float], width_m: float, height_m: float, px: int) -> Lens:
    cam = Lens()
    back = np.array(light.SUN_DIRECTION)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    cam.origin, cam.right, cam.up, cam.back = _vec(np.array(centre) + back * 400.0), _vec(right), _vec(up), _vec(back)
    cam.focal = px / width_m
    cam.width, cam.height = px, int(px * height_m / width_m)
    cam.centre = wp.vec2(cam.width / 2.0, cam.height / 2.0)
    cam.ortho = 1
    return cam


def _lens_on(host: meshes.Mesh) -> Lens:
    """The sun's view of all that stands there, `HOST_PX` wide."""
    cam = _sun_lens((0.0, 0.0, 0.0), 1.0, 1.0, 16)
    across, up = (host.position_m @ np.array([*axis], np.float32) for axis in (cam.right, cam.up))
    wide, high = np.ptp(across) + 2 * HOST_RIM_M, np.ptp(up) + 2 * HOST_RIM_M
    low, top = (np.array([v.min() + v.max()]) / 2 for v in (across, up))
    middle = np.array([*cam.right]) * low + np.array([*cam.up]) * top
    middle = middle + np.array(light.SUN_DIRECTION) * float(np.median(host.position_m @ np.array(light.SUN_DIRECTION)))
    return _sun_lens(tuple(middle.tolist()), float(wide), float(high), HOST_PX)


def passes(count: int) -> list[tuple[float, float, float]]:
    """(x, y, shutter) of each pass: an R3 sequence through a Gaussian pixel filter; shutter in frames."""
    out = []
    g = 1.2207440846057596
    for k in range(count):
        u, v, t = ((0.5 + (k + 1) / g**e) % 1.0 for e in (1, 2, 3))
        r = SOFTNESS_PX * math.sqrt(-2.0 * math.log(1.0 - 0.985 * u))
        lo, hi = move.SHUTTER
        out.append((r * math.cos(2 * math.pi * v), r * math.sin(2 * math.pi * v), lo + (hi - lo) * t))
    return out


class Renderer:
    """Holds the scene. Smaller `density` and larger `figure_step_m` give quick, coarser looks. host: who else stands in the
    field; they cast shadows and count as figures in the matte. thick: air, times the valley's own."""

    def __init__(
        self,
        density: float = 1.0,
        figure_step_m: float = figures.STEP_M,
        at: Move = move.world_from_camera,
        clear: meshes.Clear | None = None,
        host: meshes.Mesh | None = None,
        thick: float = 1.0,
    ) -> None:
        self.at = at
        self.ground_m = float(world.height_m(0.0, 0.0))
        rocks = meshes.rocks(clear)
        hosts = [] if host is None else [host]
        things = rocks + hosts + figures.all_figures(figure_step_m)
        land = meshes.terrain()
        mesh = meshes.join([land, *things])
        self.first_thing = len(land.triangle)
        s = shade.Scene()
        s.position = wp.array(mesh.position_m, dtype=wp.vec3, device="cpu")
        s.normal = wp.array(mesh.normal, dtype=wp.vec3, device="cpu")
        s.albedo = wp.array(mesh.albedo, dtype=wp.vec3, device="cpu")
        s.open_ = wp.array(mesh.open_, dtype=wp.vec2, device="cpu")
        s.material = wp.array(mesh.material, dtype=float, device="cpu")
        s.triangle = wp.array(mesh.triangle, dtype=wp.vec3i, device="cpu")
        s.blade = meadow.blades(density)
        s.card, card_colour = trees.cards()
        s.thick = thick
        self.scene = s
        self.triangles = len(mesh.triangle)
        self._things = wp.array(mesh.triangle[self.first_thing :], dtype=wp.vec3i, device="cpu")
        last = self.first_thing + sum(len(r.triangle) for r in rocks)
        self._behind = wp.array(mesh.triangle[self.first_thing : last], dtype=wp.vec3i, device="cpu")
        self._land = wp.array(mesh.triangle[: self.first_thing], dtype=wp.vec3i, device="cpu")
        self._shadows(host)
        self._light(card_colour)

    def _shadows(self, host: meshes.Mesh | None) -> None:
        s = self.scene
        maps = (
            (_sun_lens((0, 2.5, -14.0), 34.0, 18.0, 4096), False),
            (_sun_lens((0, 4, -170.0), 520.0, 130.0, 5120), True),
            (_sun_lens((0, 0, 0), 1.0, 1.0, 16) if host is None else _lens_on(host), False),
        )
        for name, (cam, with_cards) in zip(("near", "wide", "host"), maps, strict=True):
            vis = wp.full((cam.height, cam.width), value=EMPTY, dtype=wp.uint64, device="cpu")
            screen = wp.zeros(len(s.position), dtype=wp.vec3, device="cpu")
            wp.launch(raster.project_vertices, dim=len(screen), inputs=[cam, s.position, screen], device="cpu")
            wp.launch(raster.draw_mesh, dim=len(self._things), inputs=[cam, screen, self._things, 0, vis], device="cpu")
            if with_cards:
                wp.launch(raster.draw_cards, dim=len(s.card), inputs=[cam, s.card, vis], device="cpu")
            m = shade.Shadow()
            m.cam = cam
            m.depth = wp.zeros((cam.height, cam.width), dtype=float, device="cpu")
            wp.launch(shade.unpack_depth, dim=vis.shape, inputs=[vis, m.depth], device="cpu")
            setattr(s, name, m)

    def _light(self, card_colour: wp.array) -> None:
        """Light on grass and leaves does not depend on the frame: the move is small against their distances."""
        s = self.scene
        eye = _vec(self.at(move.FIRST_FRAME, self.ground_m)[:3, 3])
        n = len(s.blade)
        point, turn = wp.zeros(n, dtype=wp.vec3, device="cpu"), wp.zeros(n, dtype=float, device="cpu")
        lit = wp.zeros(n, dtype=float, device="cpu")
        wp.launch(shade.blade_points, dim=n, inputs=[s.blade, point, turn], device="cpu")
        s.root_rgb, s.tip_rgb = (wp.zeros(n, dtype=wp.vec3, device="cpu") for _ in range(2))
        s.card_rgb = wp.zeros(len(s.card), dtype=wp.vec3, device="cpu")
        wp.launch(shade.shade_points, dim=n, inputs=[s, point, turn, lit], device="cpu")
        wp.launch(meadow.light_blades, dim=n, inputs=[s.blade, eye, lit, s.root_rgb, s.tip_rgb], device="cpu")
        wp.launch(shade.light_cards, dim=len(s.card), inputs=[s, card_colour, eye, s.card_rgb], device="cpu")

    def _visible(
        self, cam: Lens, time_s: float, grass: bool, things: wp.array | None = None
    ) -> tuple[wp.array, wp.array]:
        """(visibility buffer, planar depth of everything but grass)."""
        s = self.scene
        vis = wp.full((cam.height, cam.width), value=EMPTY, dtype=wp.uint64, device="cpu")
        screen = wp.zeros(len(s.position), dtype=wp.vec3, device="cpu")
        wave, face = figures.banner(time_s)
        s.position.numpy()[-len(wave) :], s.normal.numpy()[-len(wave) :] = wave, face
        wp.launch(raster.project_vertices, dim=len(screen), inputs=[cam, s.position, screen], device="cpu")
        wp.launch(raster.draw_mesh, dim=len(self._land), inputs=[cam, screen, self._land, 0, vis], device="cpu")
        things = self._things if things is None else things
        inputs = [cam, screen, things, self.first_thing, vis]
        wp.launch(raster.draw_mesh, dim=len(things), inputs=inputs, device="cpu")
        wp.launch(raster.draw_cards, dim=len(s.card), inputs=[cam, s.card, vis], device="cpu")
        depth = wp.zeros(vis.shape, dtype=float, device="cpu")
        wp.launch(shade.unpack_depth, dim=vis.shape, inputs=[vis, depth], device="cpu")
        if grass:
            wp.launch(raster.draw_blades, dim=len(s.blade), inputs=[cam, s.blade, time_s, vis], device="cpu")
        return vis, depth

    def draw(
        self, frame: int, samples: int, scale: float = 1.0, crop: tuple[int, int, int, int] | None = None
    ) -> Picture:
        """One frame, without grain. crop: (x, y, width, height) in pixels of the picture at `scale`."""
        w, h = (round(v * scale) for v in move.SIZE_PX)
        crop = crop or (0, 0, w, h)
        shape = (crop[3], crop[2])
        rgb = wp.zeros(shape, dtype=wp.vec3, device="cpu")
        matte = wp.zeros(shape, dtype=float, device="cpu")
        back = wp.zeros(shape, dtype=wp.vec3, device="cpu")
        still = lens_at(self.at(frame, self.ground_m), scale, crop, (0.0, 0.0))
        wp.launch(sky.draw_sky, dim=shape, inputs=[still, back], device="cpu")
        for k, (x, y, t) in enumerate(passes(samples)):
            cam = lens_at(self.at(frame + t, self.ground_m), scale, crop, (x, y))
            vis, depth = self._visible(cam, (frame + t - move.FIRST_FRAME) / move.FRAME_RATE, True)
            inputs = [cam, self.scene, vis, depth, back, 2.4 * k, 1.0 / samples, FRINGE_M, rgb, matte]
            wp.launch(shade.shade_pass, dim=shape, inputs=inputs, device="cpu")
        time_s = (frame - move.FIRST_FRAME) / move.FRAME_RATE
        _, with_figures = self._visible(still, time_s, False)
        _, without = self._visible(still, time_s, False, self._behind)
        alpha = matte.numpy().copy()
        # at soft edges depth is that of what lies behind, so that matte and depth together hold out softly
        z = np.where(alpha > 0.995, with_figures.numpy(), without.numpy())
        z[z > 1e8] = np.inf
        return Picture(rgb.numpy().copy(), alpha, z)
