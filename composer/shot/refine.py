"""A matte's edge refined to soft alpha out of the plate itself, in linear light.

A hair or a moving limb covers a part of a pixel: there plate = alpha * front + (1 - alpha) * back, which holds in linear
light only. Both ways rest on what follows from it: where the two colours change little within a small window, alpha is a
linear function of the plate's colour there.

- `guided`: He, Sun, Tang, "Guided Image Filtering" (ECCV 2010), with the plate's three channels as guide. Quick.
- `closed_form`: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (PAMI 2008), see `closed_form`.

Both change a band round the matte's border and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from composer.shot.plate import Plate
    from composer.shot.schema_holdout import Refine

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Way = Literal["guided", "closed_form"]

#: A matte between these is soft already.
SOFT = (0.02, 0.98)
#: Noise that is no edge, as a part of the window's own light (squared in the filter).
NOISE = 0.1
#: How far the refined alpha is pulled out to 0 and 1: a box window smears a little beyond the edge.
PULL = 0.04
#: The share of a matte's variance that the plate's colours explain: below the first they say nothing, above the second all.
UNTOLD, TOLD = 0.3, 0.7
#: What the guess weighs in closed form where the colours say nothing.
UNTOLD_PRIOR = 10.0
#: Side of what is filtered at once: most of a plate has no edge in it, and memory stays low.
_TILE_PX = 192
#: The band's half width on a plate 1280 pixels wide, where the shot says nothing.
USUAL_EDGE_PX = 6.0


@dataclass(frozen=True)
class Refiner:
    """`refine:` of one holdout. edge_px: half the width of the band, in the plate's pixels."""

    way: Way
    edge_px: float
    plate: Plate

    def __call__(self, matte: F32, frame: int) -> F32:
        """matte: float32 [H, W] of the plate's frame; the same with its edge refined."""
        return refine_matte(self.plate.read(frame), matte, self.way, self.edge_px)

    @property
    def note(self) -> str:
        return f"edge refined: {self.way.replace('_', '-')}, within {self.edge_px:g} px"


def refiner_of(asked: Refine, edge_px: float | None, plate: Plate) -> Refiner | None:
    """What `refine:` and `edge_px:` ask for. Without an `edge_px` the band grows with the plate."""
    if asked == "none":
        return None
    usual = round(USUAL_EDGE_PX * max(1.0, max(plate.size_px) / 1280), 1)
    return Refiner(asked, edge_px or usual, plate)


def refine_matte(rgb: F32, matte: F32, way: Way, edge_px: float) -> F32:
    """float32 [H, W] in 0..1: the matte with its edge refined.

    rgb: float32 [H, W, 3], scene-linear. matte: float32 [H, W], hard or soft. Outside the band the matte comes back bit for
    bit. Raises nothing for a matte without an edge: there is nothing to do.
    """
    band = edge_band(matte, edge_px)
    if not band.any():
        return matte
    result = matte.copy()
    for box in _boxes(band, round(2 * edge_px) + 2):
        result[box] = _refined(_sound(rgb[box]), matte[box], band[box], way, edge_px)
    return result


def _refined(rgb: F32, matte: F32, band: Mask, way: Way, edge_px: float) -> F32:
    """One box of `refine_matte`."""
    size = 2 * max(1, round(edge_px)) + 1
    guided, told = guided_by_colour(rgb, matte, size, NOISE**2, band)
    guided = np.clip((guided - PULL) / (1 - 2 * PULL), 0, 1)
    # where front and back are of one colour the plate says nothing: there the matte is believed, a little softened
    trust = np.clip((told - UNTOLD) / (TOLD - UNTOLD), 0, 1)
    guess = trust * guided + (1 - trust) * cv2.GaussianBlur(matte, (0, 0), 0.8)
    if way == "closed_form":
        from composer.shot.closed_form import PRIOR, closed_form

        guess = closed_form(rgb, np.where(band, guess, matte), ~band, prior=PRIOR + UNTOLD_PRIOR * (1 - trust) ** 2)
    return np.where(band, np.clip(guess, 0, 1), matte).astype(np.float32)


def edge_band(matte: F32, edge_px: float) -> Mask:
    """bool [H, W]: within `edge_px` of the border (alpha one half), and softness that touches it up to twice as far. What is
    thinner than the band keeps its middle, so that it is not lost."""
    inside = (matte > 0.5).astype(np.uint8)
    if inside.all() or not inside.any():
        return np.zeros(matte.shape, dtype=bool)
    deep = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    side = 2 * round(edge_px) + 1
    thickest = cv2.dilate(deep, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    inner = (inside > 0) & (deep <= np.minimum(edge_px, np.maximum(0.7 * thickest, 1.0)))
    soft = (matte > SOFT[0]) & (matte < SOFT[1]) & (np.maximum(deep, away) <= 2 * edge_px)
    return inner | ((inside == 0) & (away <= edge_px)) | soft


def guided_by_colour(guide: F32, image: F32, size: int, noise: float, wanted: Mask | None = None) -> tuple[F32, F32]:
    """The guided filter with three channels as guide, over box windows of `size` pixels: float32 [H, W], and how much of the
    image's variance the guide explains there, 0..1.

    guide: float32 [H, W, 3], linear light. image: float32 [H, W]. noise: the filter's epsilon, as a part of the window's own
    mean square: so that what it does is the same in light and shade, at any exposure. wanted: bool [H, W]; tiles without any
    are left as they are, and nothing is explained there.
    """
    height, width = image.shape
    side = max(_TILE_PX, size)
    filtered, told = image.astype(np.float32), np.zeros(image.shape, dtype=np.float32)
    for y in range(0, height, side):
        for x in range(0, width, side):
            tile = np.s_[y : min(y + side, height), x : min(x + side, width)]
            if wanted is not None and not wanted[tile].any():
                continue
            top, left = max(0, y - size), max(0, x - size)
            part = np.s_[top : y + side + size, left : x + side + size]
            inside = np.s_[y - top : tile[0].stop - top, x - left : tile[1].stop - left]
            for out, values in zip((filtered, told), _guided(guide[part], image[part], size, noise), strict=True):
                out[tile] = values[inside]
    return filtered, told


def _guided(guide: F32, image: F32, size: int, noise: float) -> tuple[F32, F32]:
    """`guided_by_colour` in one piece."""

    def mean(a: NDArray[np.float64]) -> NDArray[np.float64]:
        return cv2.blur(a, (size, size), borderType=cv2.BORDER_REFLECT)

    r, g, b = (np.ascontiguousarray(guide[..., c], dtype=np.float64) for c in range(3))
    p = image.astype(np.float64)
    mr, mg, mb, mp = mean(r), mean(g), mean(b), mean(p)
    rr, gg, bb = mean(r * r), mean(g * g), mean(b * b)
    epsilon = noise / 3 * (rr + gg + bb) + 1e-12
    rr, gg, bb = rr - mr * mr + epsilon, gg - mg * mg + epsilon, bb - mb * mb + epsilon
    rg, rb, gb = mean(r * g) - mr * mg, mean(r * b) - mr * mb, mean(g * b) - mg * mb
    rp, gp, bp = mean(r * p) - mr * mp, mean(g * p) - mg * mp, mean(b * p) - mb * mp
    # the symmetric 3 x 3 system by its cofactors
    c_rr, c_rg, c_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    whole = rr * c_rr + rg * c_rg + rb * c_rb
    sr = (c_rr * rp + c_rg * gp + c_rb * bp) / whole
    sg = (c_rg * rp + c_gg * gp + c_gb * bp) / whole
    sb = (c_rb * rp + c_gb * gp + c_bb * bp) / whole
    offset = mp - sr * mr - sg * mg - sb * mb
    spread = np.maximum(mean(p * p) - mp * mp, 0)
    told = mean(sr * rp + sg * gp + sb * bp) / (mean(spread) + 1e-6)
    filtered = mean(sr) * r + mean(sg) * g + mean(sb) * b + mean(offset)
    return filtered.astype(np.float32), told.astype(np.float32)


def _boxes(band: Mask, margin: int) -> list[tuple[slice, slice]]:
    """Boxes that hold each connected part of the band, joined where they overlap: memory follows the edge, not the plate."""
    grown = cv2.dilate(band.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown, connectivity=8)
    found = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count].tolist()]
    joined: list[tuple[int, int, int, int]] = []
    for box in found:
        while (other := next((o for o in joined if _meet(o, box)), None)) is not None:
            joined.remove(other)
            box = (min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]))
        joined.append(box)
    return [np.s_[y0:y1, x0:x1] for x0, y0, x1, y1 in sorted(joined, key=lambda b: (b[1], b[0]))]


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _sound(rgb: F32) -> F32:
    """A plate may hold values that are not finite; they say nothing about an edge."""
    return rgb if np.isfinite(rgb).all() else np.nan_to_num(rgb, nan=0.0, posinf=0.0, neginf=0.0)
