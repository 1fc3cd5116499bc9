"""Grade and air: the crowd's own light, taken to the plate's colours, sample by sample."""

from __future__ import annotations

import numpy as np
import warp as wp

from composer.camera.camera import View
from composer.comp import kernel_tint
from composer.comp.kernel_tint import Entries, Tint, tint_picture_kernel, tint_samples_kernel
from composer.comp.layer import F64
from composer.comp.look_blend import Placed
from composer.comp.plate_look import PlateLook
from composer.guides.device import Pool, empty, load_kernels, upload
from composer.guides.passes import GuidePasses, Samples


def tint_of(look: PlateLook, view: View, delivery_from_working: F64) -> Tint:
    """What happens to a sample's light on its way into the plate's space."""

    def matrix(values: F64) -> wp.mat33:
        return wp.mat33(*np.asarray(values, np.float64).ravel().tolist())

    t, grade, air = Tint(), look.grade, look.air
    t.matrix = matrix(np.eye(3) if grade is None else grade.matrix)
    t.offset = wp.vec3(*((0.0,) * 3 if grade is None else np.asarray(grade.offset, np.float64).tolist()))
    t.air = int(air is not None)
    t.take = wp.vec3(*((0.0,) * 3 if air is None else air.extinction_per_m))
    t.glow = wp.vec3(*((0.0,) * 3 if air is None else air.inscatter))
    t.to_plate = matrix(delivery_from_working)
    t.centre, t.focal = wp.vec2(*view.centre_px), wp.vec2(*view.focal_px)
    return t


def entries_of(samples: Samples, device: str) -> Entries:
    e = Entries()
    e.start = upload(samples.start, wp.int64, device)
    e.depth, e.coverage = (upload(a, wp.float32, device) for a in (samples.depth_m, samples.coverage))
    e.rgb = upload(samples.rgb, wp.vec3, device)
    return e


def tinted_layer(
    guides: GuidePasses, tint: Tint, alpha: wp.array, box: tuple[int, int, int, int], pool: Pool, device: str
) -> Placed:  # fmt: skip
    """The crowd within a box (top, left, bottom, right), graded and in its air, in the plate's space. alpha: its coverage
    on the device."""
    load_kernels(device, kernel_tint)
    top, left, bottom, right = box
    placed = Placed(empty((max(bottom - top, 1), max(right - left, 1)), wp.vec4, device), top, left)
    if tint.air:
        kernel, before, after = (
            tint_samples_kernel,
            [guides.coverage.shape[1], tint, entries_of(guides.samples, device)],
            [],
        )
    else:
        kernel, before, after = tint_picture_kernel, [tint], [upload(guides.beauty, wp.vec3, device), alpha]

    def work(rows: tuple[int, int]) -> None:
        inputs = [rows[0], top, left, *before, *after, placed.rgba]
        wp.launch(kernel, dim=(rows[1] - rows[0], placed.shape[1]), device=device, inputs=inputs)

    pool.run(work, pool.split(placed.shape[0], 16))
    return placed
