"""The plate's lens on the crowd's shadow. It lies on the plate's ground, so the ground's own depth says how soft it is, and the
camera's way how it is smeared; the ground's own light, in the plate, has been through that lens already."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import warp as wp

from composer.camera.camera import View
from composer.comp import kernel_shadow
from composer.comp.kernel_shadow import GroundLens, defocus_kernel, prefix_kernel, smear_shadow_kernel
from composer.comp.layer import F32
from composer.comp.look_lens import Lens
from composer.comp.plate_look import PlateLook
from composer.guides.device import Pool, empty, load_kernels, upload

BLOCK = 16
#: Nothing is looked for further away than this, px.
MOST_PX = 256


@dataclass(frozen=True)
class GroundSeen:
    """depth_m: float32 [H, W], planar, of the plate's ground, inf where there is none. share: float32 [H, W], how much of the
    pixel shows it: 0 where something on the plate stands before it. views: before, at and after the frame. focal_m: the
    lens' true focal length."""

    depth_m: F32
    share: F32
    views: tuple[View, View, View]
    focal_m: float


def shadow_through(
    look: PlateLook, shadow: F32, ground: GroundSeen, device: str = "cpu", threads: int | None = None
) -> F32:  # fmt: skip
    """The shadow, float32 [H, W] after holdouts, as the plate's lens would have seen it. Where no ground is seen it stays."""
    if look.optics is None or not look.optics.blurs or not shadow.any():
        return shadow
    load_kernels(device, kernel_shadow)
    lens = Lens.of(look.optics, ground.focal_m, ground.views[1].focal_px)
    seen = np.where(np.isfinite(ground.depth_m) & (ground.depth_m > 0), ground.share, 0).astype(np.float32)
    near = _near(shadow, _reach_px(ground, seen, lens))
    rows, width = shadow.shape
    g = _lens(lens, ground)
    depth, dark, share = (upload(a, wp.float32, device) for a in (ground.depth_m, shadow, seen))
    where, sums = upload(near, wp.uint8, device), empty((rows, width + 1), wp.vec2d, device)
    lost, out = empty((rows, width), wp.float32, device), upload(shadow.copy(), wp.float32, device)
    pool = Pool(device, threads)
    try:
        for kernel, columns, inputs in (
            (prefix_kernel, None, [dark, share, sums]),
            (defocus_kernel, width, [BLOCK, where, g, depth, dark, share, sums, lost]),
            (smear_shadow_kernel, width, [BLOCK, where, g, depth, lost, share, out]),
        ):

            def work(part: tuple[int, int], kernel=kernel, columns=columns, inputs=inputs) -> None:  # type: ignore[no-untyped-def]
                n = part[1] - part[0]
                dim = n if columns is None else (n, columns)
                wp.launch(kernel, dim=dim, device=device, inputs=[part[0], *inputs])

            pool.run(work, pool.split(rows, 8))
    finally:
        pool.close()
    return out.numpy()


def _reach_px(ground: GroundSeen, seen: F32, lens: Lens) -> int:
    """How far the lens may take a shadow: by the nearest and the furthest ground, and by the corners' way."""
    depth = ground.depth_m[seen > 0]
    if len(depth) == 0:
        return 0
    ends = np.array([depth.min(), depth.max()], np.float64)
    px = float(np.abs(lens.circle.radius_px(ends)).max()) * max(lens.pixel, 1.0)
    if lens.closes > lens.opens:
        before, now, after = ground.views
        width, height = now.size_px
        corners = np.array([[x, y] for x in (0.5, width / 2, width) for y in (0.5, height / 2, height)])
        rays = now.rays(corners)
        for z in ends:
            there = now.position_m + z * rays
            ways = [np.linalg.norm(v.project(there)[0] - corners, axis=-1) for v in (before, after)]
            px = max(px, px + lens.open_for * float(np.nan_to_num(ways).max()))
    return min(math.ceil(px) + 2, MOST_PX)


def _near(shadow: F32, reach: int) -> np.ndarray:
    """uint8 [H / BLOCK, W / BLOCK], rounded up: blocks that any shadow may come to."""
    rows, columns = (-(-n // BLOCK) for n in shadow.shape)
    padded = np.zeros((rows * BLOCK, columns * BLOCK), bool)
    padded[: shadow.shape[0], : shadow.shape[1]] = shadow > 0
    held = padded.reshape(rows, BLOCK, columns, BLOCK).any(axis=(1, 3)).astype(np.uint8)
    n = -(-2 * reach // BLOCK)
    return cv2.dilate(held, np.ones((2 * n + 1, 2 * n + 1), np.uint8))


def _lens(lens: Lens, ground: GroundSeen) -> GroundLens:
    before, now, after = ground.views
    g = GroundLens()
    g.scale, g.focus, g.pixel = lens.circle.scale_px, lens.circle.focus_m, lens.pixel
    g.opens, g.closes = lens.opens, lens.closes
    for name, other in (("to_next", after), ("to_last", before)):
        setattr(g, name, wp.mat44(*(other.camera_from_world @ now.world_from_camera).ravel().tolist()))
    g.focal, g.centre = wp.vec2(*now.focal_px), wp.vec2(*now.centre_px)
    return g
