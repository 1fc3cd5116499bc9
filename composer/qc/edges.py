"""Edge fringe: is the generated side of a soft edge, or the plate just beside it, darker or brighter than its neighbours?

What an edge pixel shows of the generated layer, over what its coverage of the solid colour beside it would be, is one at any
coverage, where the matte was applied once. Multiplied in twice it falls with the coverage (a dark line), never multiplied
in, or with another background's light in it, it rises as coverage goes (a bright line). So the slope over coverage is the
measure: rims that the sun lights are brighter at every coverage alike and do not count. Sums over many edge pixels are
compared, so that texture averages out.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from composer.qc.frames import F32, Delivered, grown, luminance
from composer.qc.reading import Blocks, Reading
from composer.qc.silhouette import block_sums

#: Coverage of an edge pixel, in steps; how many of them a frame, a step and a block must have.
STEPS = np.linspace(0.1, 0.9, 9)
ENOUGH, IN_STEP, IN_BLOCK = 400, 40, 48
#: An edge pixel counts as no less and no more than this share of what is due.
ODD = (-0.5, 12.0)
#: Side of the window in which the solid colour beside an edge is looked for.
REACH = 9
_TINY = 1e-6


def fringe_readings(frame: Delivered, plate: F32 | None) -> Iterator[Reading]:
    """plate: float32 [H, W, 3] or None; without it only the elements are looked at, not what became of them in the composite."""
    alpha = np.clip(np.nan_to_num(frame.generated[..., 3]), 0, 1)
    shown = frame.light
    if not (alpha > 0).any():
        yield from (Reading(n, frame.number, None, "nothing generated") for n in ("fringe_inside", "fringe_outside"))
        return
    yield _inside(frame, alpha, shown, plate)
    yield _outside(frame, alpha, shown, plate)


def _inside(frame: Delivered, alpha: F32, shown: F32, plate: F32 | None) -> Reading:
    """Stops that the generated side of an edge gains for each halving of its coverage: 0 right, -1 multiplied twice, 1 never."""
    inner, beside = _mean_around(shown, frame.solid, REACH)
    edge = (alpha > STEPS[0]) & (alpha < STEPS[-1]) & (beside > 0)
    if int(edge.sum()) < ENOUGH:
        return Reading("fringe_inside", frame.number, None, f"fewer than {ENOUGH} soft edge pixels beside solid ones")
    known = plate is not None and plate.shape[:2] == alpha.shape
    own = luminance(frame.generated[..., :3])
    if known:
        own = shown - (1 - alpha) * ((1 - frame.shadow) * luminance(plate) + frame.kept)
    due = np.where(edge, alpha * inner, 0)
    # where an actor's soft edge stands in front, more than the crowd has changed: such pixels must not outweigh the others
    plain = edge & (own > ODD[0] * due) & (own < ODD[1] * due)
    own = np.where(edge, np.clip(own, ODD[0] * due, ODD[1] * due), 0)
    points: list[tuple[float, float, int]] = []
    step = np.where(edge, np.digitize(alpha, STEPS), 0)
    for k in range(1, len(STEPS)):
        mine = step == k
        count = int(mine.sum())
        if count >= IN_STEP:
            stops = _stops(own[mine].sum(dtype=np.float64), due[mine].sum(dtype=np.float64))
            points.append((float(np.log2(alpha[mine].mean())), float(np.clip(stops, -6, 6)), count))
    if len(points) < 3:
        return Reading("fringe_inside", frame.number, None, "edges of less than three coverages")
    x, y, count = np.array(points).T
    detail = f"{edge.sum()} edge pixels" + ("" if known else ", of the elements alone: the plate is not known")
    slope = float(np.polyfit(x, y, 1, w=np.sqrt(count))[0])
    return Reading("fringe_inside", frame.number, -slope, at=_worst_block(own, due, plain), detail=detail)


def _outside(frame: Delivered, alpha: F32, shown: F32, plate: F32 | None) -> Reading:
    """The ring just outside the matte against the one a little further out, shadow taken off, in stops; less what the plate
    itself has there, where it is known."""
    covered = alpha > 0
    one, three, six = (grown(covered, n) for n in (2, 4, 7))
    near, far = one & ~covered, six & ~three
    if min(int(near.sum()), int(far.sum())) < ENOUGH:
        return Reading("fringe_outside", frame.number, None, f"fewer than {ENOUGH} pixels around the matte")
    lit = (shown - frame.kept) / np.maximum(1 - np.clip(frame.shadow, 0, 0.95), 0.05)
    stops = _stops(lit[near].mean(dtype=np.float64), lit[far].mean(dtype=np.float64))
    if plate is not None and plate.shape[:2] == alpha.shape:
        bare = luminance(plate)
        stops -= _stops(bare[near].mean(dtype=np.float64), bare[far].mean(dtype=np.float64))
        return Reading("fringe_outside", frame.number, stops)
    return Reading("fringe_outside", frame.number, stops, detail="without the plate: its own picture is in it")


def _mean_around(values: F32, where: np.ndarray, side: int) -> tuple[F32, F32]:
    """Mean over the pixels of `where` in a square window, 0 where there is none, and the share of the window they are."""
    weight = where.astype(np.float32)
    share = cv2.blur(weight, (side, side), borderType=cv2.BORDER_CONSTANT)
    total = cv2.blur(np.where(where, values, 0).astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT)
    enough = share > 1.5 / side**2
    return np.where(enough, total / np.maximum(share, _TINY), 0).astype(np.float32), np.where(enough, share, 0)


def _worst_block(own: F32, due: F32, plain: np.ndarray) -> tuple[int, int] | None:
    """(x, y): middle of the block whose edges are furthest from what they should be, by the pixels that are no actor's."""
    enough = block_sums(plain.astype(np.float32)) >= IN_BLOCK
    if not enough.any():
        return None
    ours, theirs = (np.maximum(block_sums(np.where(plain, v, 0)), _TINY) for v in (own, due))
    off = np.where(enough, np.abs(np.log2(ours / theirs)), -1)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return Blocks().middle(int(row), int(column))


def _stops(a: float, b: float) -> float:
    return float(np.log2(max(a, _TINY) / max(b, _TINY)))
