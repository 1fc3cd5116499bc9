"""Another sky into the plate: which share of a pixel is sky, and what else is in it.

Where is known from depth; how much, at the edge, from the plate: there each pixel lies between the colour of the sky
beside it and that of the land beside it (linear light, so the mix is a straight line). Taking the old sky's share out of
the edge leaves the land's own colour, and no bright fringe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.comp.edges import background_behind
from composer.comp.layer import F32
from composer.guides.beside import beside
from composer.guides.passes import Holdout

#: Half the width of the edge that is looked at, pixels for a picture 1080 high.
EDGE_PX = 4.0
#: Sky this near to the land beside it in colour cannot be told from it: depth decides.
LEAST_CONTRAST = 0.02


@dataclass(frozen=True)
class SkyEdge:
    """alpha: float32 [H, W], the sky's share of each plate pixel, 0 wherever the plate stays as it is. land: float32
    [H, W, 3], in the plate's space, the colour of what is not sky where 0 < alpha < 1."""

    alpha: F32
    land: F32


def sky_edge(
    plate: F32, ground_m: F32, holdouts: Sequence[Holdout], matte: F32 | None = None, key: float = 1.0
) -> SkyEdge:
    """The plate's sky. ground_m: the ground's depth, inf above the horizon. holdouts: their depth pictures know hills and
    trees; without one the sky is keyed from the plate. matte: the artist's own, that wins. key: above 1 takes more for
    sky."""
    if matte is not None:
        alpha = np.clip(np.nan_to_num(matte), 0, 1).astype(np.float32)
        return SkyEdge(_settled(alpha), _land(plate, alpha, background_behind(plate, 1 - alpha, None)))
    hard = ~np.isfinite(ground_m)
    pictures = [h for h in holdouts if isinstance(h.depth_m, np.ndarray)]
    for one in pictures:
        hard &= ~(np.isfinite(one.depth_m) & (one.alpha > 0.5))
    drawn = [one.alpha > 0 for one in holdouts if not isinstance(one.depth_m, np.ndarray)]
    if pictures and drawn:  # under a matte depth pictures say nothing: what is behind an actor is what is beside him
        hard = beside(hard, np.logical_or.reduce(drawn))
    if not pictures:
        hard = _keyed(plate, hard, key)
    alpha = _soft(plate, hard, key)
    for one in holdouts:
        if not isinstance(one.depth_m, np.ndarray):
            alpha = alpha * (1 - np.clip(one.alpha, 0, 1))
    alpha = _settled(alpha.astype(np.float32))
    return SkyEdge(alpha, _land(plate, alpha, background_behind(plate, (~hard).astype(np.float32), None)))


def _settled(alpha: F32) -> F32:
    """Next to nothing is nothing, and next to all is all."""
    return np.where(alpha < 1 / 128, 0, np.where(alpha > 1 - 1 / 128, 1, alpha)).astype(np.float32)


def _keyed(plate: F32, above: NDArray[np.bool_], key: float) -> NDArray[np.bool_]:
    """Sky by its colour: a smooth surface fitted to the brightest of what lies above the horizon, and what is near it."""
    if not above.any():
        return above
    h, w = above.shape
    y, x = np.mgrid[0:h, 0:w]
    basis = np.stack([np.ones((h, w)), x / w, y / h, x * y / (w * h), (x / w) ** 2, (y / h) ** 2], axis=-1)
    light = np.log(np.maximum(plate, 1e-4))
    step = max(1, int(np.sqrt(above.sum() / 20_000)))
    pick = np.zeros_like(above)
    pick[::step, ::step] = above[::step, ::step]
    a, b = basis[pick], light[pick].astype(np.float64)
    keep = b.mean(1) >= np.quantile(b.mean(1), 0.5)
    fit = np.zeros((6, 3))
    for _ in range(6):
        fit = np.linalg.lstsq(a[keep], b[keep], rcond=None)[0]
        away = np.abs(b - a @ fit).max(1)
        keep = away < max(2.5 * float(np.median(away[keep])), 0.05)
    near = np.abs(light - basis @ fit).max(-1) < 0.45 * key
    small = cv2.morphologyEx((above & near).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return small.astype(bool)


def _soft(plate: F32, hard: NDArray[np.bool_], key: float) -> F32:
    """The hard matte, and in a band along its edge the share that the plate's colours say."""
    reach = max(2, round(EDGE_PX * plate.shape[0] / 1080))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    solid = hard.astype(np.uint8)
    inner, outer = cv2.erode(solid, disc).astype(bool), cv2.dilate(solid, disc).astype(bool)
    band = outer & ~inner
    alpha = hard.astype(np.float32)
    if not band.any():
        return alpha
    sky = background_behind(plate, (~inner).astype(np.float32), None, 64)
    land = background_behind(plate, outer.astype(np.float32), None, 64)
    apart = sky - land
    size = (apart * apart).sum(-1)
    share = ((plate - land) * apart).sum(-1) / np.maximum(size, 1e-9)
    # grain and leaves: a little at both ends counts as all or nothing
    share = np.clip((share - 0.12 / key) / 0.76, 0, 1)
    told = np.clip(np.sqrt(size) / LEAST_CONTRAST - 1, 0, 1)
    mixed = told * share + (1 - told) * alpha
    return np.where(band, mixed, alpha).astype(np.float32)


def _land(plate: F32, alpha: F32, sky: F32) -> F32:
    """What is not sky: the pixel without the old sky's share, and where little of it is left the land beside."""
    a = alpha[..., None]
    own = (plate - a * sky) / np.maximum(1 - a, 0.05)
    beside = background_behind(plate, (alpha > 0).astype(np.float32), None, 16)
    trust = np.clip((1 - a) * 2.5 - 0.25, 0, 1)
    held = np.clip(own, 0, np.maximum(1.35 * beside + 0.01, plate * 0))
    return (held * trust + beside * (1 - trust)).astype(np.float32)


def with_sky(plate: F32, edge: SkyEdge, sky: F32) -> tuple[F32, F32]:
    """The plate with another sky, float32 [H, W, 3] in the plate's space, and what of it is premultiplied new: so that plate
    * (1 - alpha) + new is that picture. Where alpha is 0 the first is the plate, bit for bit."""
    a = edge.alpha[..., None]
    touched = edge.alpha > 0
    mixed = np.where(a < 1, (1 - a) * edge.land, 0) + a * sky
    base = plate.copy()
    np.copyto(base, mixed.astype(np.float32), where=touched[..., None])
    new = np.where(touched[..., None], base - (1 - a) * plate, 0).astype(np.float32)
    return base, new
