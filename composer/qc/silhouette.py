"""Does the crowd's alpha keep to the shapes that its ids and depth tell?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from composer.qc.frames import Delivered
from composer.qc.reading import Blocks, Reading

#: Alpha from which on depth must know somebody, and below which it need not.
SEEN = 1.0 / 64.0
#: Side of the blocks over which a blurred alpha is compared.
SPREAD = 64


def silhouette_readings(frame: Delivered, spread: bool = False) -> Iterator[Reading]:
    """Soft intersection over union of the crowd's alpha with the coverage that the Cryptomatte holds (sum of minima over sum of
    maxima), and the hard one with the pixels that have a depth.

    spread: the shot asks for defocus, motion blur or softer edges. Ids and depth stay sharp then, so that alpha and ids are
    compared over blocks of some pixels, and depth not at all.
    """
    alpha = frame.planes("crowd", "A")
    if alpha is None:
        yield from (Reading(name, frame.number, None, "no crowd in the frame") for name in ("id_iou", "depth_iou"))
        return
    a = np.clip(np.nan_to_num(alpha[..., 0]), 0, 1)
    known = id_coverage(frame)
    if known is None:
        yield Reading("id_iou", frame.number, None, "no crypto_agent in the delivery")
    else:
        at = _worst(np.abs(a - known))
        pair = (block_sums(a, SPREAD), block_sums(known, SPREAD)) if spread else (a, known)
        detail = f"alpha is blurred: compared over blocks of {SPREAD} px" if spread else ""
        yield Reading("id_iou", frame.number, _share(np.minimum(*pair), np.maximum(*pair)), at=at, detail=detail)
    depth = frame.planes("depth", "Z", np.inf)
    if depth is None or spread:
        why = "alpha is blurred, depth is not" if spread else "no depth in the delivery"
        yield Reading("depth_iou", frame.number, None, why)
        return
    there = np.isfinite(depth[..., 0])
    miss = (there & (a <= 0)) | (~there & (a > SEEN))
    both = there & (a > 0)
    total = int(both.sum() + miss.sum())
    yield Reading("depth_iou", frame.number, float(both.sum()) / total if total else 1.0, at=_worst(miss))


def id_coverage(frame: Delivered) -> np.ndarray | None:
    """float32 [H, W]: what all ranks of `crypto_agent` cover together; None without it."""
    total = None
    for part in sorted(n for n in frame.parts if n.startswith("crypto_agent")):
        ranks = frame.planes(part, "GA")
        if ranks is not None:
            total = ranks.sum(-1) if total is None else total + ranks.sum(-1)
    return None if total is None else np.clip(np.nan_to_num(total), 0, 1)


def first_ids(frame: Delivered, part: str = "crypto_agent00") -> np.ndarray | None:
    """uint32 [H, W]: who covers most of each pixel, 0 for nobody; None without the Cryptomatte."""
    rank = frame.planes(part, "R")
    return None if rank is None else np.ascontiguousarray(rank[..., 0]).view(np.uint32)


def _share(least: np.ndarray, most: np.ndarray) -> float:
    total = float(most.sum(dtype=np.float64))
    return float(least.sum(dtype=np.float64)) / total if total else 1.0


def _worst(miss: np.ndarray) -> tuple[int, int] | None:
    """(x, y): middle of the block in which most is missed."""
    sums = block_sums(miss.astype(np.float32))
    if not sums.any():
        return None
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return Blocks().middle(int(row), int(column))


def block_sums(values: np.ndarray, size: int = Blocks().size_px) -> np.ndarray:
    """float64 [rows, columns]: sums over square blocks; those at the right and lower edge may be cut."""
    down = np.add.reduceat(values, np.arange(0, values.shape[0], size), axis=0, dtype=np.float64)
    return np.add.reduceat(down, np.arange(0, values.shape[1], size), axis=1)
