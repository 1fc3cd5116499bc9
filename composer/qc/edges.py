"""Edge fringe: is the generated side of a soft edge, or the plate just beside it, darker or brighter than its neighbours?

A matte that was multiplied in twice leaves a dark line, one that was never multiplied in a bright one, whatever the ground.
Both show as the ratio of what edge pixels hold to what their coverage and the colours beside them call for. Sums over many
edge pixels are compared, so that texture averages out.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from composer.qc.frames import F32, Delivered, grown, luminance
from composer.qc.reading import Blocks, Reading
from composer.qc.silhouette import block_sums

#: Coverage of an edge pixel, and how many edge pixels a frame and a block must have.
SOFT, ENOUGH, IN_BLOCK = (0.1, 0.9), 400, 48
_TINY = 1e-6


def fringe_readings(frame: Delivered, plate: F32 | None) -> Iterator[Reading]:
    """plate: float32 [H, W, 3] or None; without it, the colour behind an edge is that of the plate's pixels around it."""
    alpha = np.clip(np.nan_to_num(frame.generated[..., 3]), 0, 1)
    shown = luminance(frame.rgb)
    if not (alpha > 0).any():
        yield from (Reading(n, frame.number, None, "nothing generated") for n in ("fringe_inside", "fringe_outside"))
        return
    yield _inside(frame, alpha, shown, plate)
    yield _outside(frame, alpha, shown, plate)


def _inside(frame: Delivered, alpha: F32, shown: F32, plate: F32 | None) -> Reading:
    """Light that edge pixels hold of the generated layers over what their coverage of the solid pixels' colour beside them
    would be, in stops."""
    inner, beside = _mean_around(shown, frame.solid)
    if plate is None or plate.shape[:2] != alpha.shape:
        behind, known = _mean_around(shown, (alpha <= 0) & (frame.shadow <= 0), 9)
    else:
        behind, known = luminance(plate), np.ones_like(alpha)
    edge = (alpha > SOFT[0]) & (alpha < SOFT[1]) & (beside > 0) & (known > 0)
    if int(edge.sum()) < ENOUGH:
        return Reading("fringe_inside", frame.number, None, f"fewer than {ENOUGH} soft edge pixels beside solid ones")
    own = np.where(edge, shown - (1 - alpha) * (1 - frame.shadow) * behind, 0)
    due = np.where(edge, alpha * inner, 0)
    at = _worst_block(own, due, edge)
    return Reading("fringe_inside", frame.number, _stops(own.sum(dtype=np.float64), due.sum(dtype=np.float64)), at=at)


def _outside(frame: Delivered, alpha: F32, shown: F32, plate: F32 | None) -> Reading:
    """The ring just outside the matte against the one a little further out, shadow taken off, in stops; less what the plate
    itself has there, where it is known."""
    covered = alpha > 0
    one, three, six = (grown(covered, n) for n in (2, 4, 7))
    near, far = one & ~covered, six & ~three
    if min(int(near.sum()), int(far.sum())) < ENOUGH:
        return Reading("fringe_outside", frame.number, None, f"fewer than {ENOUGH} pixels around the matte")
    lit = shown / np.maximum(1 - np.clip(frame.shadow, 0, 0.95), 0.05)
    stops = _stops(lit[near].mean(dtype=np.float64), lit[far].mean(dtype=np.float64))
    if plate is not None and plate.shape[:2] == alpha.shape:
        bare = luminance(plate)
        stops -= _stops(bare[near].mean(dtype=np.float64), bare[far].mean(dtype=np.float64))
        return Reading("fringe_outside", frame.number, stops)
    return Reading("fringe_outside", frame.number, stops, detail="without the plate: its own picture is in it")


def _mean_around(values: F32, where: np.ndarray, side: int = 5) -> tuple[F32, F32]:
    """Mean over the pixels of `where` in a square window, 0 where there is none, and the share of the window they are."""
    weight = where.astype(np.float32)
    share = cv2.blur(weight, (side, side), borderType=cv2.BORDER_CONSTANT)
    total = cv2.blur(np.where(where, values, 0).astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT)
    enough = share > 1.5 / side**2
    return np.where(enough, total / np.maximum(share, _TINY), 0).astype(np.float32), np.where(enough, share, 0)


def _worst_block(own: F32, due: F32, edge: np.ndarray) -> tuple[int, int] | None:
    """(x, y): middle of the block whose edges are furthest from what they should be."""
    count = block_sums(edge.astype(np.float32))
    enough = count >= IN_BLOCK
    if not enough.any():
        return None
    off = np.where(enough, np.abs(block_sums(own) - block_sums(due)) / np.maximum(block_sums(due), _TINY), -1)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return Blocks().middle(int(row), int(column))


def _stops(a: float, b: float) -> float:
    return float(np.log2(max(a, _TINY) / max(b, _TINY)))
