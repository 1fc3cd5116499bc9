"""What is not known behind something is what is known beside it."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


def beside(picture: NDArray[Kind], unknown: NDArray[np.bool_]) -> NDArray[Kind]:
    """[H, W]: the picture, and where it is unknown the nearest pixel that is known; itself where none is."""
    if not unknown.any() or unknown.all():
        return picture
    _, label = cv2.distanceTransformWithLabels(unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    known = np.zeros(int(label.max()) + 1, picture.dtype)
    known[label[~unknown]] = picture[~unknown]
    return np.where(unknown, known[label], picture)
