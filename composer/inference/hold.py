"""What a picture keeps of its first prediction.

A network that predicts the clean picture answers pure noise with the mean of all pictures that fit the conditions: the best
estimate of light and colour there is. The steps after it draw one of those pictures, with its detail, and with light and
colour that stray by as much again: twice the error, seen as clouds. So averages are held at the first prediction, and the
detail below them is the sampler's. Where the crowd's silhouette runs, and beside it, there is no detail to be drawn, only an
edge to be missed or to boil from frame to frame: such latents are held whole."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from composer.inference.adapter import LatentSpace
from composer.inference.padding import latent_frames, pictures_of
from composer.inference.request import PaintRequest

#: A Gaussian's tail is cut here, in sigmas.
_REACH = 3.0
#: How far from somebody what shows nobody is held.
_BESIDE_PX = 8
#: Where less than this of the averages' weight is painted, they say nothing.
_LEAST = 1e-4


def silhouettes(request: PaintRequest, space: LatentSpace) -> Tensor:
    """bool [T', h, w]: the latents within a pixel of which nobody stands, but somebody not far away, in a latent's first
    picture."""
    count = latent_frames(len(request.frames), space.time_factor)
    first = [pictures_of(k, space.time_factor)[0] for k in range(count)]
    crowd = torch.from_numpy((request.agent_id[first] > 0).astype(np.float32))
    reach = 2 * _BESIDE_PX + 1
    near = max_pool2d(max_pool2d(crowd, (1, reach), 1, (0, _BESIDE_PX)), (reach, 1), 1, (_BESIDE_PX, 0))
    beside = max_pool2d(1 - crowd, 3, 1, 1) * near
    return max_pool2d(beside, space.factor) > 0


class Hold:
    """Gathers first predictions over the steps. begin: int16 [T', h, w], the first step that paints a latent. sigma: of the
    averages, in latents. edges: bool [T', h, w], what is held whole."""

    def __init__(self, begin: Tensor, sigma: float, edges: Tensor) -> None:
        self._begin, self._sigma, self._edges = begin, sigma, edges
        self._first: Tensor | None = None
        self._due = set(torch.unique(begin).tolist())

    def see(self, number: int, clean: Tensor) -> None:
        """clean: [C, T', h, w], the blended prediction of a step; kept where this step is the first that paints."""
        if self._first is None:
            self._first = torch.zeros_like(clean)
        torch.where(self._begin == number, clean, self._first, out=self._first)

    def due(self, number: int) -> bool:
        """Whether some latents are painted from this step on."""
        return number in self._due

    def apply(self, latents: Tensor, steps: int) -> None:
        """Into the finished latents [C, T', h, w], where anything was painted."""
        if self._first is None:
            return
        painted = (self._begin < steps).float()
        share = _blurred(painted, self._sigma)
        for channel, first in zip(latents, self._first, strict=True):
            low = _blurred((first - channel) * painted, self._sigma)
            channel.add_(low / share.clamp(min=_LEAST) * painted)
            torch.where(self._edges & (painted > 0), first, channel, out=channel)


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    """[N, h, w] with a Gaussian along both sides; nothing lies beyond the edge. sigma: in latents."""
    reach = max(1, round(_REACH * sigma))
    x = torch.arange(-reach, reach + 1, device=picture.device, dtype=torch.float32)
    line = torch.exp(-0.5 * (x / sigma) ** 2)
    line = line / line.sum()
    across = conv2d(picture[:, None], line.view(1, 1, 1, -1), padding=(0, reach))
    return conv2d(across, line.view(1, 1, -1, 1), padding=(reach, 0))[:, 0]
