"""Grade and air: the crowd's own light, taken to the plate's colours, sample by sample; and its shadow in the air."""

from __future__ import annotations

import cv2
import numpy as np
import warp as wp

from composer.camera.camera import View
from composer.comp import kernel_tint
from composer.comp.kernel_tint import Entries, Tint, tint_picture_kernel, tint_samples_kernel
from composer.comp.layer import F32, F64
from composer.comp.look_blend import Placed
from composer.comp.look_drawn import Drawn
from composer.comp.plate_look import Air, PlateLook, Rgb
from composer.comp.shade import Shade
from composer.guides.device import Pool, empty, load_kernels, upload


def tint_of(look: PlateLook, view: View, delivery_from_working: F64, mist: Rgb) -> Tint:
    """What happens to a sample's light on its way into the plate's space. mist: as in `Drawn`."""

    def matrix(values: F64) -> wp.mat33:
        return wp.mat33(*np.asarray(values, np.float64).ravel().tolist())

    t, grade, air = Tint(), look.grade, look.air
    t.matrix = matrix(np.eye(3) if grade is None else grade.matrix)
    t.offset = wp.vec3(*((0.0,) * 3 if grade is None else np.asarray(grade.offset, np.float64).tolist()))
    t.air = int(air is not None)
    t.take = wp.vec3(*((0.0,) * 3 if air is None else air.extinction_per_m))
    t.glow = wp.vec3(*((0.0,) * 3 if air is None else air.inscatter))
    t.mist = wp.vec3(*mist)
    t.to_plate = matrix(delivery_from_working)
    t.centre, t.focal = wp.vec2(*view.centre_px), wp.vec2(*view.focal_px)
    return t


def entries_of(drawn: Drawn, device: str) -> Entries:
    e, samples = Entries(), drawn.samples
    e.start = upload(samples.start, wp.int64, device)
    e.depth, e.coverage = (upload(a, wp.float32, device) for a in (samples.depth_m, samples.coverage))
    e.rgb = upload(samples.rgb, wp.vec3, device)
    if drawn.around is not None:
        e.around = upload(drawn.around, wp.uint8, device)
        e.clear = upload(drawn.clear, wp.float32, device)
    if drawn.air is not None:
        e.air = upload(drawn.air, wp.vec4, device)
    return e


def tinted_layer(
    drawn: Drawn, tint: Tint, alpha: wp.array, box: tuple[int, int, int, int], pool: Pool, device: str
) -> Placed:  # fmt: skip
    """What was drawn within a box (top, left, bottom, right), graded and in its air, in the plate's space. alpha: its
    coverage on the device."""
    load_kernels(device, kernel_tint)
    top, left, bottom, right = box
    shape = (max(bottom - top, 1), max(right - left, 1))
    own = empty(shape, wp.vec4, device) if drawn.parted else None
    placed = Placed(empty(shape, wp.vec4, device), top, left, own)
    if tint.air or drawn.parted or drawn.air is not None:
        kernel, before = tint_samples_kernel, [drawn.coverage.shape[1], tint, entries_of(drawn, device)]
        after = [placed.rgba, own]
    else:
        kernel, before = tint_picture_kernel, [tint, upload(drawn.beauty, wp.vec3, device), alpha]
        after = [placed.rgba]

    def work(rows: tuple[int, int]) -> None:
        inputs = [rows[0], top, left, *before, *after]
        wp.launch(kernel, dim=(rows[1] - rows[0], placed.shape[1]), device=device, inputs=inputs)

    pool.run(work, pool.split(placed.shape[0], 16))
    return placed


#: Pixels that the plate's light is averaged over, before the air's share of it is told.
_SHARE_PX = 9


def shadow_in_air(shadow: Shade, plate: F32, ground_m: F32, air: Air, view: View, delivery_from_working: F64) -> Shade:
    """The shadow without what it would take from the air before the ground: it darkens the ground alone. ground_m: planar
    depth."""
    rows, columns = (np.flatnonzero(shadow.sun.any(axis=n) | shadow.sky.any(axis=n)) for n in (1, 0))
    if not len(rows):
        return shadow
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y, x = np.mgrid[box].astype(np.float32) + np.float32(0.5)
    (cx, cy), (fx, fy) = view.centre_px, view.focal_px
    reach = np.nan_to_num(ground_m[box], posinf=0.0) * np.sqrt(1 + ((x - cx) / fx) ** 2 + ((y - cy) / fy) ** 2)
    light = cv2.blur(np.ascontiguousarray(plate[box]), (_SHARE_PX, _SHARE_PX)).mean(axis=-1)
    glow = (delivery_from_working @ np.asarray(air.inscatter)).astype(np.float32)
    kept = [np.exp(-np.float32(take) * reach) for take in air.extinction_per_m]
    before = sum((1 - k) * g for k, g in zip(kept, glow, strict=True)) / 3
    ground = np.zeros_like(shadow.sun)
    ground[box] = np.clip(1 - before / np.maximum(light, 1e-6), 0.0, 1.0)
    return shadow.each(lambda taken: taken * ground)
