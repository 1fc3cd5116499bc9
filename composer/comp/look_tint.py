"""Grade and air: the crowd's own light, taken to the plate's colours, sample by sample."""

from __future__ import annotations

import numpy as np
import warp as wp

from composer.camera.camera import View
from composer.comp import kernel_tint
from composer.comp.kernel_tint import Entries, Tint, tint_picture_kernel, tint_samples_kernel
from composer.comp.layer import F64
from composer.comp.look_blend import Placed
from composer.comp.look_drawn import Drawn
from composer.comp.plate_look import PlateLook, Rgb
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
    if tint.air or drawn.parted:
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
