"""The plate's look on a crowd: grade, air, lens, edge and grain, into the plate. See `PlateLook` for each of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import warp as wp

from composer.camera.camera import View
from composer.comp.composite import Composite
from composer.comp.layer import F32, F64
from composer.comp.look_blend import Under, blend, box_of, grown, occupied, reach_px
from composer.comp.look_lens import Lens, blurred_layer, cuts_of, reached
from composer.comp.look_tint import tint_of, tinted_layer
from composer.comp.plate_look import PlateLook
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


def grain_key(seed: int, frame: int) -> int:
    """Where the noise of a frame begins among all counters: 64 bits."""
    return int.from_bytes(hashlib.sha256(f"grain {seed} {frame}".encode()).digest()[:8], "little")


def composite_with_look(
    look: PlateLook,
    guides: GuidePasses,
    pictures: tuple[F32, F32, F32, F32 | None],
    setting: Setting,
    *,
    device: str = "cpu",
    threads: int | None = None,
) -> Composite:
    """As `composite`, with the plate's look on the crowd. pictures: plate, shadow, matte, clean as there.

    Depth, normals, ids and the samples of `guides` are not changed by any of it.
    """
    pool = Pool(device, threads)
    try:
        under = Under.of(*pictures, device)
        alpha = upload(guides.coverage, wp.float32, device)
        tint = tint_of(look, setting.view, setting.delivery_from_working)
        blocks = occupied(alpha, under.shadow_d, pool, device)
        if look.optics is None or not look.optics.blurs:
            blocks = grown(blocks, reach_px(look, under.size))
            placed = tinted_layer(guides, tint, alpha, box_of(blocks, under.size), pool, device)
        else:
            lens = Lens.of(look.optics, setting.focal_m, setting.view.focal_px)
            cuts = cuts_of(guides, lens)
            blocks = grown(reached(blocks, cuts), reach_px(look, under.size))
            box = box_of(blocks, under.size)
            placed = blurred_layer(guides, cuts, lens, tint, under, setting.ahead_m, box, pool, device)
        return blend(placed, under, blocks, look, grain_key(setting.seed, setting.frame), pool, device)
    finally:
        pool.close()
