"""The place around a painted crowd: what of it is behind a soldier, and how it gives way where his edge is drawn elsewhere."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses, Holdout, PlacePasses, Samples

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
#: With less than this left of a pixel, what the crowd leaves of the place in it says too little: the nearest that says more.
ENOUGH = np.float32(0.25)
#: Coverage below this is none.
NOTHING = 1e-4


def place_ahead(guides: GuidePasses) -> list[Holdout]:
    """The place as what stands in front of those soldiers who are further away."""
    return [] if guides.place is None else [Holdout(guides.place.coverage, guides.place.depth_m)]


def place_behind(rgba: F32, guides: GuidePasses) -> F32:
    """The place, float32 [H, W, 4] premultiplied as the crowd leaves it, as it would be without the crowd: what each pixel
    itself shows of it, and what is beside where a soldier hides all. What stands in front of the soldiers stays."""
    assert guides.place is not None
    left = 1 - guides.coverage
    whole = rgba / np.maximum(left, ENOUGH)[..., None]
    known = left >= ENOUGH
    if known.any() and not known.all():
        whole = np.where(known[..., None], whole, whole.reshape(-1, 4)[_nearest(known)])
    whole = whole / np.maximum(whole[..., 3:], 1)
    return np.where(_in_front(guides)[..., None], rgba, whole).astype(np.float32)


def _in_front(guides: GuidePasses) -> Bools:
    assert guides.place is not None
    return (guides.place.depth_m <= guides.depth_m) | (guides.coverage <= 0)


def _nearest(known: Bools) -> NDArray[np.int64]:
    """int64 [H, W]: the nearest pixel that is known, row-major."""
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(label.max()) + 1, np.int64)
    table[label[known]] = np.flatnonzero(known.ravel())
    return table[label]


def given_way(guides: GuidePasses, coverage: F32) -> PlacePasses | None:
    """The place where the crowd's coverage is `coverage`, float32 [H, W], instead of the guides': it is covered by as much as
    the crowd grew, and seen where the crowd shrank."""
    place = guides.place
    more = guides.coverage - coverage
    if place is None or not more.any():
        return place
    before = np.concatenate([place.beauty, place.coverage[..., None]], axis=2)
    whole = place_behind(before, guides)
    # what is in front of a soldier is not changed by him; what he is grown over lies behind him
    behind = ~_in_front(guides) | ((guides.coverage <= 0) & (coverage > 0))
    after = np.maximum(before + np.where(behind, more, 0)[..., None] * whole, 0)
    room = np.maximum(1 - coverage, 0)
    after = after * np.minimum(1, room / np.maximum(after[..., 3], 1e-9))[..., None]
    after = np.where((more == 0)[..., None], before, np.where(after[..., 3:] < NOTHING, 0, after)).astype(np.float32)
    fresh = (after[..., 3] > 0) & (before[..., 3] <= 0)
    source = _nearest(before[..., 3] > 0) if fresh.any() else None

    def carried(picture: NDArray) -> NDArray:  # type: ignore[type-arg]
        if source is None:
            return picture
        flat = picture.reshape(-1, *picture.shape[2:])
        return np.where(fresh.reshape(*fresh.shape, *[1] * (picture.ndim - 2)), flat[source], picture)

    share = np.divide(after[..., 3], carried(before[..., 3]), out=np.zeros_like(coverage), where=after[..., 3] > 0)
    depth, ids = carried(place.depth_m), carried(place.piece_id)
    gone = after[..., 3] <= 0
    return replace(
        place,
        depth_m=np.where(gone, np.float32(np.inf), depth),
        normal=np.where(gone[..., None], 0, carried(place.normal)).astype(np.float32),
        piece_id=np.where(gone, 0, ids).astype(np.uint32),
        motion_px=carried(place.motion_px),
        motion_back_px=carried(place.motion_back_px),
        coverage=after[..., 3],
        albedo=(carried(place.albedo) * share[..., None]).astype(np.float32),
        beauty=after[..., :3],
        samples=_samples(place.samples, before, after, fresh, depth, ids),
    )


def _samples(old: Samples, before: F32, after: F32, fresh: Bools, depth: F32, ids: NDArray[np.uint32]) -> Samples:
    """Those there were, by as much as their pixel's coverage and light changed; one for each pixel of `fresh`."""
    count = np.diff(old.start)
    pixel = np.repeat(np.arange(len(count)), count)
    flat, was = after.reshape(-1, 4), before.reshape(-1, 4)
    ratio = np.divide(flat, was, out=np.zeros_like(flat), where=was > 0)[pixel]
    mine = (flat[pixel, 3] > 0) & (ratio[:, 3] > 0)
    new = np.flatnonzero(fresh)
    # where a channel was black, what is in it now is by coverage
    share = (old.coverage / np.maximum(was[pixel, 3], NOTHING))[:, None] * flat[pixel, :3]
    rgb = np.where(was[pixel, :3] > 0, old.rgb * ratio[:, :3], share)[mine]
    where = np.concatenate([pixel[mine], new])
    order = np.argsort(where, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=len(count)))]).astype(np.int64)
    parts = (
        (old.agent_id[mine], ids.ravel()[new]), ((old.coverage * ratio[:, 3])[mine], flat[new, 3]),
        (old.depth_m[mine], depth.ravel()[new]), (rgb, flat[new, :3]),
    )  # fmt: skip
    agent, cover, at, light = (np.concatenate(p)[order] for p in parts)
    return Samples(
        start, agent.astype(np.uint32), cover.astype(np.float32), at.astype(np.float32), light.astype(np.float32)
    )
