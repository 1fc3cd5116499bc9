"""The air into the picture: crowd and place as they are seen through it, the plate behind it, and the air as a layer.

The layers `crowd`, `environment` and `air` add up (premultiplied), and their sum goes over the plate with its shadow: crowd
and place hold what is left of their own light, `air` all the light that the air adds, and as alpha what it takes from
the plate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.comp import kernel_air_over
from composer.comp.composite import Composite, composite, untouched_digest
from composer.comp.kernel_air_over import Aired, air_over_kernel
from composer.comp.layer import F16, F32, F64, Layer
from composer.comp.shade import Shade
from composer.guides.air import AirPasses
from composer.guides.device import Pool, load_kernels, upload


@dataclass(frozen=True)
class Scenery:
    """What the air lies over. plate: float32 [H, W, 3], in the delivery space, with the new sky; clean: the same without actors,
    or None. sky, sky_alpha: what the new sky brought, and how much of the plate it took. matte: share of mattes before crowd and
    shadow. crowd_alpha, place_alpha: float32 [H, W]."""

    plate: F32
    clean: F32 | None
    sky: F32
    sky_alpha: F32
    crowd_alpha: F32
    place_alpha: F32
    shadow: Shade
    matte: F32


@dataclass(frozen=True)
class AirLayers:
    """plate, clean: as seen through the air before the mattes. front, alpha: float32, premultiplied: what goes over it. crowd,
    place, air: float16 [H, W, 4]. touched: bool [H, W], by sky or air."""

    plate: F32
    clean: F32 | None
    front: F32
    alpha: F32
    crowd: F16
    place: F16
    air: F16
    touched: NDArray[np.bool_]


def air_layers(air: AirPasses, scene: Scenery, delivery_from_working: F64) -> AirLayers:
    """The layers of a frame, in the delivery space."""
    load_kernels("cpu", kernel_air_over)
    h, w = scene.matte.shape
    out = Aired()
    plate, front = (np.empty((h, w, 3), np.float32) for _ in range(2))
    alpha, touched = np.empty((h, w), np.float32), np.empty((h, w), bool)
    layers = [np.empty((h, w, 4), np.float16) for _ in range(3)]
    out.plate, out.front = upload(plate, wp.vec3, "cpu"), upload(front, wp.vec3, "cpu")
    out.alpha, out.touched = upload(alpha, wp.float32, "cpu"), upload(touched.view(np.uint8), wp.uint8, "cpu")
    out.crowd, out.place, out.air = (upload(la.view(np.uint16), wp.uint16, "cpu") for la in layers)
    place = air.place if air.place.shape == air.crowd.shape else np.zeros_like(air.crowd)
    vectors = [upload(p, wp.vec3, "cpu") for p in (scene.plate, air.crowd, place)]
    cover = [upload(p, wp.float32, "cpu") for p in (scene.crowd_alpha, scene.place_alpha)]
    rest = [upload(scene.sky, wp.vec3, "cpu")]
    rest += [upload(p, wp.float32, "cpu") for p in (scene.sky_alpha, scene.matte)]
    rest += [upload(air.front, wp.vec3, "cpu"), *(upload(p, wp.vec4, "cpu") for p in (air.back, air.before))]
    matrix = wp.mat33(*np.asarray(delivery_from_working, np.float64).ravel().tolist())

    def work(rows: tuple[int, int]) -> None:
        inputs = [rows[0], matrix, *vectors, *cover, *rest, out]
        wp.launch(air_over_kernel, dim=(rows[1] - rows[0], w), device="cpu", inputs=inputs)

    pool = Pool("cpu", None)
    try:
        pool.run(work, pool.split(h))
    finally:
        pool.close()
    clean = scene.clean
    if clean is not None:
        near = (air.before[..., :3] @ np.asarray(delivery_from_working, np.float32).T).astype(np.float32)
        clean = np.where(scene.matte[..., None] > 0, clean * air.before[..., 3:] + near, clean)
    return AirLayers(plate, clean, front, alpha, *layers, touched)


def composite_through_air(air: AirPasses, scene: Scenery, delivery_from_working: F64) -> Composite:
    """Plate, shadow, place and crowd with the air between them. Where none of them is the result is the plate, bit for bit."""
    made = air_layers(air, scene, delivery_from_working)
    done = composite(made.plate, made.front, made.alpha, scene.shadow, scene.matte, made.clean)
    touched = done.touched | made.touched
    layers = [la for la in done.layers if la.name != "crowd"]
    layers += [Layer("environment", made.place), Layer("crowd", made.crowd), Layer("air", made.air)]
    digest = untouched_digest(done.rgb, touched)
    return replace(done, layers=tuple(layers), touched=touched, untouched_sha256=digest)
