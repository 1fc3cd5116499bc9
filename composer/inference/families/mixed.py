"""One control picture out of several guides, as VACE's authors advise for crowds: pose for the figures near the camera, depth
for the terrain and for those who are only a few pixels tall."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

#: Pose lines reach a little over the silhouette.
GROWN_PX = 4


def tall(agent_id: NDArray[np.uint32], height_px: float) -> NDArray[np.bool_]:
    """bool [H, W]: pixels of figures whose visible part is at least so tall. agent_id: uint32 [H, W], 0 for nobody."""
    width = agent_id.shape[1]
    flat = agent_id.ravel()
    place = np.flatnonzero(flat)
    names, first, inverse = np.unique(flat[place], return_index=True, return_inverse=True)
    # places are in order of rows: a figure's first is in its top row, and its last in its bottom row
    last = np.zeros(len(names), np.int64)
    np.maximum.at(last, inverse, place)
    enough = last // width - place[first] // width + 1 >= height_px
    shown = np.zeros(flat.shape, bool)
    shown[place] = enough[inverse]
    return shown.reshape(agent_id.shape)


def mixed_control(depth: Tensor, pose: Tensor, agent_id: NDArray[np.uint32], pose_from_px: float) -> Tensor:
    """float32 [3, T, H, W] in 0..1. depth: [1, T, H, W]. pose: [3, T, H, W]. agent_id: uint32 [T, H, W]."""
    near = np.stack([tall(ids, pose_from_px) for ids in agent_id])
    mask = torch.from_numpy(near).to(depth.device).float()[None]
    size = 2 * GROWN_PX + 1
    grown = max_pool2d(mask, (size, 1), stride=1, padding=(GROWN_PX, 0))
    grown = max_pool2d(grown, (1, size), stride=1, padding=(0, GROWN_PX))
    return torch.where(grown > 0, pose, depth.expand(3, -1, -1, -1))
