"""Where in a pixel its samples lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Sample places within a pixel, in 1/16: one in each row and each column of the pixel, the same in every pixel.
PATTERNS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((8, 8),),
    4: ((6, 2), (14, 6), (2, 10), (10, 14)),
    8: ((9, 5), (7, 11), (13, 9), (5, 3), (3, 13), (1, 7), (11, 15), (15, 1)),
    16: ((9, 9), (7, 5), (5, 10), (12, 7), (3, 6), (10, 13), (13, 11), (11, 3),
         (6, 14), (8, 1), (4, 2), (2, 12), (0, 8), (15, 4), (14, 15), (1, 0)),
}  # fmt: skip


def sample_places(samples: int) -> NDArray[np.int32]:
    """int32 [samples + 1, 2]: places in 1/256 pixel from its top left corner, and last the inset (twice): no sample is
    nearer than that to any side of its pixel."""
    places = np.array(PATTERNS[samples], np.int32) * 16
    inset = min(int(places.min()), 256 - int(places.max()))
    return np.concatenate([places, np.full((1, 2), inset, np.int32)])
