"""Warp error: how far the picture slips off true motion from one frame to the next.

Each pixel is followed to the next frame along motion that is known, not estimated (the crowd's from the `motion` part, the
plate's from camera and ground), where both frames see the point. The root mean square difference, in stops, is divided by
that of pixels side by side: 0 holds perfectly still, 1 is no nearer than the pixel next to it. So a soft picture is not
better than a sharp one only for being soft. (NOTES: mean over non-occluded pixels of the squared difference, as in Lai et
al., "Learning Blind Video Temporal Consistency", ECCV 2018.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.qc.frames import F16, F32, SOLID, Delivered, eroded
from composer.qc.reading import Reading
from composer.qc.silhouette import first_ids

F64 = NDArray[np.float64]
Place = tuple[NDArray[np.int64], NDArray[np.int64]]
#: Layers that are followed, with the names of their error and of its ratio to the plate's; their motion and ids.
LAYERS = {"crowd": ("warp_error", "warp_ratio"), "environment": ("place_warp_error", "place_warp_ratio")}
MOTION = {"crowd": ("motion", "crypto_agent00"), "environment": ("environment_motion", "crypto_environment00")}
#: A plate below this error is a still without grain.
STILL = 0.02
#: The most points that are followed from a frame; the fewest that say anything.
MOST, ENOUGH = 200_000, 500
#: Light below this is as good as black: 2 ** -7.
FLOOR = 2.0**-7
#: Motion there and back must meet within this many pixels; depths within this share.
BACK_PX, SAME_DEPTH = 1.0, 0.02


@dataclass(frozen=True)
class Ground:
    """What the plate shows of the ground at one frame. depth_m: float32 [H, W], inf for none."""

    view: View
    depth_m: F32


@dataclass(frozen=True)
class Warped:
    """stops: root mean square difference along motion. beside: the same between neighbours. points: that were followed."""

    stops: float
    beside: float
    points: int

    @property
    def error(self) -> float:
        return self.stops / max(self.beside, 1e-9)


def motion_readings(now: Delivered, later: Delivered, ground: tuple[Ground, Ground] | None) -> Iterator[Reading]:
    """Of a frame and the next. ground: at both, where shot and camera are known."""
    plate = None if ground is None else _plate(now, later, *ground)
    no_plate = "camera and ground are not known" if ground is None else "too little ground in both frames"
    yield _error("plate_warp_error", now, plate, no_plate)
    if plate is not None and plate.error < STILL:
        plate, no_plate = None, "the plate has neither grain nor anything that moves: no error of its own"
    for layer, names in LAYERS.items():
        if layer != "crowd" and layer not in now.parts:
            continue
        made = _layer(now, later, layer)
        why = f"too few points of the {layer} that both frames see, with motion"
        yield _error(names[0], now, made, why)
        if made and plate:
            yield Reading(names[1], now.number, made.error / plate.error)
        else:
            yield Reading(names[1], now.number, None, no_plate if made else why)


def _error(name: str, now: Delivered, warped: Warped | None, why: str) -> Reading:
    if warped is None:
        return Reading(name, now.number, None, why)
    return Reading(name, now.number, warped.error, detail=f"{warped.stops:.4f} stops over {warped.points} points")


def _layer(now: Delivered, later: Delivered, layer: str) -> Warped | None:
    motion, crypto = MOTION[layer]
    forward = now.planes(motion, ("forward.u", "forward.v"))
    back = later.planes(motion, ("backward.u", "backward.v"))
    alpha, alpha_later = (f.planes(layer, "A") for f in (now, later))
    if forward is None or back is None or alpha is None or alpha_later is None or now.size_px != later.size_px:
        return None
    y, x = _some(eroded(alpha[..., 0] >= SOLID, 1))
    flip = np.array([1.0, -1.0])
    to = np.stack([x + 0.5, y + 0.5], -1) + forward[y, x] * flip
    inside, v, u = _nearest(to, later.size_px)
    ok = inside & eroded(alpha_later[..., 0] >= SOLID, 1)[v, u]
    ok &= np.abs(forward[y, x] + back[v, u]).max(-1) < BACK_PX
    ids, ids_later = (first_ids(f, crypto) for f in (now, later))
    if ids is not None and ids_later is not None:
        own = ids[y, x]
        ok &= (ids[y, x + 1] == own) & (ids[y + 1, x] == own)
        for v, u in _corners(np.where(ok[:, None], to, 1.0)):
            ok &= ids_later[v, u] == own
    return _warped(now.rgb, later.rgb, (y[ok], x[ok]), to[ok])


def _plate(now: Delivered, later: Delivered, ground: Ground, ground_later: Ground) -> Warped | None:
    if now.size_px != later.size_px or ground.depth_m.shape != now.touched.shape:
        return None
    y, x = _some(eroded(~now.touched, 1) & _as_far_as_the_crowd(now, ground.depth_m))
    at = np.stack([x + 0.5, y + 0.5], -1)
    point = ground.view.position_m + ground.view.rays(at) * ground.depth_m[y, x, None]
    to, depth = ground_later.view.project(point)
    inside, v, u = _nearest(to, later.size_px)
    ok = inside & eroded(~later.touched, 1)[v, u]
    with np.errstate(invalid="ignore"):
        ok &= np.abs(ground_later.depth_m[v, u] / depth - 1) < SAME_DEPTH
    return _warped(now.rgb, later.rgb, (y[ok], x[ok]), to[ok])


def _as_far_as_the_crowd(frame: Delivered, depth_m: F32) -> NDArray[np.bool_]:
    """The ground at the crowd's distances, where there is enough of it; else all. What is nearer moves more, and grass that
    stands up from the ground moves otherwise."""
    there = np.isfinite(depth_m)
    crowd = frame.planes("depth", "Z", np.inf)
    known = np.zeros(0) if crowd is None else crowd[np.isfinite(crowd)]
    if len(known) < ENOUGH:
        return there
    near, far = np.percentile(known, (1, 99))
    like = (depth_m >= near) & (depth_m <= far)
    return like if int(like.sum()) >= 4 * ENOUGH else there


def _some(mask: NDArray[np.bool_]) -> Place:
    """(rows, columns) of the mask's pixels, evenly thinned to at most `MOST`."""
    flat = np.flatnonzero(mask)
    if len(flat) > MOST:
        flat = flat[np.linspace(0, len(flat) - 1, MOST).astype(np.int64)]
    return np.divmod(flat, mask.shape[1])


def _nearest(to: F64, size_px: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Which places have all four neighbours in the picture, and (row, column) of their pixel."""
    w, h = size_px
    with np.errstate(invalid="ignore"):
        inside = (to[:, 0] > 1) & (to[:, 0] < w - 1) & (to[:, 1] > 1) & (to[:, 1] < h - 1)
    safe = np.where(inside[:, None], to, 1.0)
    return inside, safe[:, 1].astype(np.int64), safe[:, 0].astype(np.int64)


def _warped(a: F16, b: F16, at: Place, to: F64) -> Warped | None:
    y, x = at
    if len(y) < ENOUGH:
        return None
    corners = _corners(to)
    fy, fx = ((to[:, i] - 0.5 - corners[0][1 - i])[:, None] for i in (1, 0))
    weights = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy)
    there = sum(w * _stops(b[c]) for w, c in zip(weights, corners, strict=True))
    here = _stops(a[y, x])
    beside = (here - _stops(a[y, x + 1])) ** 2 + (here - _stops(a[y + 1, x])) ** 2
    return Warped(float(np.sqrt(((here - there) ** 2).mean())), float(np.sqrt(beside.mean() / 2)), len(y))


def _corners(to: F64) -> tuple[Place, Place, Place, Place]:
    """(rows, columns) of the four pixels around places [N, 2]: upper left, upper right, lower left, lower right."""
    x, y = (np.floor(to[:, i] - 0.5).astype(np.int64) for i in (0, 1))
    return (y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)


def _stops(rgb: F16) -> F64:
    values = np.nan_to_num(rgb.astype(np.float64), nan=0.0, posinf=65504.0, neginf=0.0)
    return np.log2(np.maximum(values, 0) + FLOOR)
