"""The plate's look on a crowd: grade, air, lens, edge and grain, into the plate. See `PlateLook` for each of them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import warp as wp

from composer.camera.camera import View
from composer.comp.composite import Composite
from composer.comp.layer import F32, F64
from composer.comp.look_blend import Under, blend, box_of, grown, occupied, reach_px
from composer.comp.look_drawn import Around, Drawn, SampleAir
from composer.comp.look_lens import MOST_PATH_PX, Lens, blurred_layer, cuts_of, paths_of, reached
from composer.comp.look_tint import entries_of, tint_of, tinted_layer
from composer.comp.plate_look import PlateLook
from composer.comp.shade import Shade
from composer.guides.device import Pool, upload
from composer.guides.passes import GuidePasses


@dataclass(frozen=True)
class Setting:
    """What the look needs to know of a frame. view: of this frame; focal_m: its true focal length. ahead_m: float32
    [H, W], planar depth of what on the plate stands in front of a crowd that is further away, inf where nothing does.
    seed: the shot's."""

    view: View
    focal_m: float
    delivery_from_working: F64
    ahead_m: F32 | None
    seed: int
    frame: int


def grain_key(seed: int, frame: int, what: str = "grain") -> int:
    """Where the noise of a frame begins among all counters: 64 bits. what: two layers over one another need two noises."""
    return int.from_bytes(hashlib.sha256(f"{what} {seed} {frame}".encode()).digest()[:8], "little")


def spread_px(look: PlateLook, guides: GuidePasses, focal_m: float, view: View) -> int:
    """How far the look takes a pixel's light, at the most."""
    px = float(reach_px(look, guides.coverage.shape))
    if look.edge is not None and look.edge.wrap > 0:
        px += 3 * look.edge.wrap_px
    if look.optics is not None and look.optics.blurs and len(guides.samples.depth_m):
        lens = Lens.of(look.optics, focal_m, view.focal_px)
        depth = guides.samples.depth_m
        ends = np.array([max(float(depth.min()), 1e-3), float(depth.max())])
        px += 1.5 * float(np.abs(lens.circle.radius_px(ends)).max()) * max(lens.pixel, 1.0) + 2
        ways = (np.linalg.norm(m[guides.coverage > 0], axis=-1) for m in (guides.motion_px, guides.motion_back_px))
        longest = max(float(np.nan_to_num(w, posinf=0.0).max(initial=0.0)) for w in ways)
        px += min(longest * lens.open_for, MOST_PATH_PX)
    return math.ceil(px)


def composite_with_look(
    look: PlateLook,
    guides: GuidePasses,
    pictures: tuple[F32, Shade, F32, F32 | None],
    setting: Setting,
    *,
    around: Around | None = None,
    air: SampleAir | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Composite:
    """As `composite`, with the plate's look on the crowd. pictures: plate, shadow, matte, clean as there. around: what stands
    around the crowd and goes through the same lens together with it; then the layer `environment` is there too, below the
    crowd, and both add. air: volumes before the samples of both.

    Depth, normals, ids and the samples of `guides` are not changed by any of it.
    """
    drawn = Drawn.of(guides, around, air)
    pool = Pool(device, threads)
    try:
        under = Under.of(*pictures, device)
        alpha = upload(drawn.coverage, wp.float32, device)
        tint = tint_of(look, setting.view, setting.delivery_from_working, drawn.mist)
        blocks = occupied(alpha, under, pool, device)
        if look.optics is None or not look.optics.blurs:
            blocks = grown(blocks, reach_px(look, under.size))
            placed = tinted_layer(drawn, tint, alpha, box_of(blocks, under.size), pool, device)
        else:
            lens = Lens.of(look.optics, setting.focal_m, setting.view.focal_px)
            entries, paths = entries_of(drawn, device), paths_of(drawn, lens, device)
            cuts = cuts_of(drawn, lens, entries, paths, pool, device)
            blocks = grown(reached(blocks, cuts), reach_px(look, under.size))
            box = box_of(blocks, under.size)
            placed = blurred_layer(cuts, lens, entries, paths, tint, under, setting.ahead_m, box, pool, device)
        return blend(placed, under, blocks, look, grain_key(setting.seed, setting.frame), pool, device)
    finally:
        pool.close()
