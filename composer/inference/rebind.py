"""Guide passes for the painted crowd: ids, samples, depth and the rest follow its alpha and its colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses, LightSet, Samples
from composer.inference.around import given_way
from composer.inference.reach import Reach

F32 = NDArray[np.float32]
#: Below this share of a pixel's mean light a channel is too dark to be scaled.
DARK = 1e-3


def rebound(guides: GuidePasses, reach: Reach, light: F32, alpha: F32) -> GuidePasses:
    """The passes with `light` float32 [h, w, 3] as the premultiplied beauty and `alpha` float32 [h, w] as the coverage
    of the reach's box. alpha is above 0 wherever the coverage was.

    A soldier's share of a pixel's coverage, and what he adds to its light, stay in proportion to what they were. Pixels
    that were empty go to whoever stands nearest, at his depth and with his motion and normal there. The place behind gives way.
    """
    cut = reach.cut
    before = guides.coverage[cut]
    added = (before <= 0) & (alpha > 0)

    def whole(picture: NDArray, box: NDArray) -> NDArray:  # type: ignore[type-arg]
        out = picture.copy()
        out[cut] = box
        return out

    def carried(picture: NDArray) -> NDArray:  # type: ignore[type-arg]
        mask = added.reshape(*added.shape, *[1] * (picture.ndim - 2))
        return whole(picture, np.where(mask, reach.outwards(picture), picture[cut]))

    light = np.where((alpha > 0)[..., None], light, 0).astype(np.float32)
    coverage, beauty = whole(guides.coverage, alpha), whole(guides.beauty, light)
    reflectance = np.divide(guides.albedo, guides.coverage[..., None], where=guides.coverage[..., None] > 0,
                            out=np.zeros_like(guides.albedo))  # fmt: skip
    return replace(
        guides,
        depth_m=carried(guides.depth_m),
        normal=carried(guides.normal),
        agent_id=carried(guides.agent_id),
        motion_px=carried(guides.motion_px),
        motion_back_px=carried(guides.motion_back_px),
        coverage=coverage,
        albedo=np.where(
            (coverage == guides.coverage)[..., None], guides.albedo, carried(reflectance) * coverage[..., None]
        ).astype(np.float32),
        beauty=beauty,
        samples=_samples(guides, whole(np.zeros(guides.coverage.shape, bool), added), coverage, beauty, carried),
        place=given_way(guides, coverage),
        lights=None if guides.lights is None else _lights(guides.lights, guides.beauty, beauty),
    )


def _samples(guides: GuidePasses, added: NDArray[np.bool_], coverage: F32, beauty: F32, carried) -> Samples:  # type: ignore[no-untyped-def]
    """Those there were, scaled; and one for each pixel of `added`, bool [H, W]."""
    old = guides.samples
    count = np.diff(old.start)
    pixel = np.repeat(np.arange(len(count)), count)
    scale = np.divide(coverage, guides.coverage, where=guides.coverage > 0, out=np.ones_like(coverage)).ravel()
    share = old.coverage / np.maximum(guides.coverage.ravel()[pixel], 1e-9)
    rgb = _shared_light(old.rgb, share, guides.beauty.reshape(-1, 3)[pixel], beauty.reshape(-1, 3)[pixel])
    fresh = np.flatnonzero(added)
    start = np.concatenate([[0], np.cumsum(count + added.ravel())]).astype(np.int64)
    if not len(fresh):
        return replace(old, coverage=(old.coverage * scale[pixel]).astype(np.float32), rgb=rgb)
    to = np.arange(len(pixel)) + np.searchsorted(fresh, pixel)

    def joined(mine: NDArray, new: NDArray) -> NDArray:  # type: ignore[type-arg]
        out = np.empty((int(start[-1]), *mine.shape[1:]), mine.dtype)
        out[to], out[start[fresh]] = mine, new
        return out

    return Samples(
        start,
        joined(old.agent_id, carried(guides.agent_id).ravel()[fresh]),
        joined((old.coverage * scale[pixel]).astype(np.float32), coverage.ravel()[fresh]),
        joined(old.depth_m, carried(guides.depth_m).ravel()[fresh]),
        joined(rgb, beauty.reshape(-1, 3)[fresh]),
    )


def _shared_light(part: F32, share: F32, before: F32, after: F32) -> F32:
    """What each part [E, 3] of `before` is of `after`: in proportion by channel, by `share` [E] where `before` is too
    dark to say. Parts of one pixel that summed to `before` sum to `after`."""
    floor = DARK * np.maximum(before.max(axis=-1, keepdims=True), 1e-6)
    lit = before > floor
    ratio = np.divide(after, before, where=lit, out=np.zeros_like(after))
    return np.where(lit, part * ratio, share[:, None] * after).astype(np.float32)


def _lights(lights: LightSet, before: F32, after: F32) -> LightSet:
    """The light set of the painted crowd: each light's share of a pixel's light stays, so that they still sum to it.
    Where the flat render was black, all of it is sky."""
    parts = {}
    for name, falls in (("sun", 0.0), ("sky", 1.0), ("bounce", 0.0)):
        part = getattr(lights, name).reshape(-1, 3)
        share = np.full(len(part), falls, np.float32)
        parts[name] = _shared_light(part, share, before.reshape(-1, 3), after.reshape(-1, 3)).reshape(after.shape)
    return LightSet(**parts)
