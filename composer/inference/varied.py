"""Where wear lies on each man: what varies from seed to seed.

A small network that predicts the clean picture knows how worn somebody is, for the text says so, but not where: its answer is
the mean of all places, a tint, and the steps after it can draw weave upon that, no dirt of a hand's breadth. It knows the same
man in other words, though. So the first step asks it again with other states of wear, and smooth noise says which answer shows
where, in patches of a hand or a limb that lie on his body. Colours stay between those of the states, edges and cloth stay where
they are, and each agent's mean stays his own. The answers that this takes are taken from the steps: from pure noise a painting
costs as much as without. On people who are so small that a hand's breadth is a pixel or two nothing of it would be seen: they
are not mixed, and where all are, the other states are not asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from composer.inference.adapter import LatentSpace
from composer.inference.padding import begin_steps, latent_frames, pictures_of, smooth_latents
from composer.inference.request import F32, PaintRequest, Prompt

#: So many other states are mixed in.
STATES = 2
#: How sharply one state borders on another.
SHARP = 4.4
#: How far the mixture is taken. The answer for a word is a mean already, and pale.
STRENGTH = 1.3
#: The height of a man, in metres; and in pixels, of those who are not mixed and of those who are wholly.
MAN_M, SMALL_PX, LARGE_PX = 1.75, 48.0, 72.0
#: Parts of 1 that sums are counted in.
_WHOLE = 2.0**30


def other_words(states: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Two other texts: the least and the most worn of the bundle's states that this one does not name, in place of the one it
    names, or after it. states: from the least to the most worn."""
    found = (re.search(rf"\b{re.escape(s)}\b", text) for s in sorted(states, key=len, reverse=True))
    named = next((match for match in found if match), None)
    rest = [s for s in states if named is None or s != named[0]]
    before, after = (text[: named.start()], text[named.end() :]) if named else (f"{text}, " if text else "", "")
    return tuple(f"{before}{state}{after}" for state in (rest[0], rest[-1]))


def reworded(prompts: tuple[Prompt, ...], states: tuple[str, ...]) -> tuple[Prompt, ...]:
    """All prompts in their first other words, then all in their second."""
    words = [other_words(states, p.text) for p in prompts]
    return tuple(replace(p, text=w[k]) for k in range(STATES) for p, w in zip(prompts, words, strict=True))


class Varied:
    """Of a request. agents: int64 [T', h, w], who stands in the middle of each latent, 0: nobody, or where nothing varies.
    shares: float32 [1 + STATES, T', h, w], how much of each place is its own state's, and each other's; their sum is 1. None
    where nobody varies."""

    def __init__(self, agents: Tensor, shares: Tensor | None) -> None:
        self.agents, self.shares = agents, shares
        time = torch.arange(len(agents), device=agents.device)[:, None, None]
        numbers = torch.where(agents > 0, agents + time * (int(agents.max()) + 1), 0).flatten()
        _, self._index, self._counts = torch.unique(numbers, return_inverse=True, return_counts=True)

    def mixed(self, own: Tensor, others: Sequence[Tensor]) -> Tensor:
        """[C, T', h, w]: the picture `own`, mixed with the same in STATES others, alike."""
        off = torch.zeros_like(own)
        assert self.shares is not None
        for share, other in zip(self.shares[1:], others, strict=True):
            off += STRENGTH * share * (other - own)
        for channel in off:
            channel -= self._means(channel)
        return own + torch.where(self.agents > 0, off, 0)

    def _means(self, picture: Tensor) -> Tensor:
        """[T', h, w]: each agent's own mean in each picture."""
        sums = torch.zeros(len(self._counts), dtype=torch.int64, device=picture.device)
        # in whole numbers: their order does not matter, which is any on a GPU
        sums.index_add_(0, self._index, (picture.flatten().double() * _WHOLE).round().long())
        return (sums.double() / _WHOLE / self._counts).float()[self._index].view_as(picture)


def varied_of(request: PaintRequest, space: LatentSpace, steps: int, edges: Tensor) -> Varied | None:
    """Who varies where it is painted in so many steps. Those who begin later than others are to be nearer to their guide, and
    stay; so do those who are small. None: there is nobody else, whatever his size, or a single step would be left to draw on
    the mixture. edges: bool [T', h, w] on the device, of `silhouettes`, which stay too."""
    begin = begin_steps(request, space, steps)
    if steps - begin.min() < 2:
        return None
    count = latent_frames(len(request.frames), space.time_factor)
    first = [pictures_of(k, space.time_factor)[0] for k in range(count)]
    middle = slice(space.factor // 2, None, space.factor)
    who = request.agent_id[first][:, middle, middle].astype(np.int64)
    who[begin > begin.min()] = 0
    agents = torch.from_numpy(who).to(edges.device).masked_fill(edges, 0)
    if not agents.any():
        return None
    large = torch.from_numpy(largeness(request.depth[first][:, middle, middle], request.metre_px)).to(edges.device)
    agents = agents.masked_fill(large == 0, 0)
    if not agents.any():
        return Varied(agents, None)
    noise = torch.from_numpy(smooth_latents(request, space, STATES)).to(edges.device)
    return Varied(agents, shares_of(noise, large))


def largeness(depth: F32, metre_px: tuple[float, float]) -> F32:
    """0..1 for each place: how far a man there is as large as to be mixed. depth, metre_px: of `PaintRequest`."""
    far, near = metre_px
    if not np.isfinite(near):
        return np.ones_like(depth)
    height = MAN_M * (far + depth * (near - far))
    return ((height - SMALL_PX) / (LARGE_PX - SMALL_PX)).clip(0, 1).astype(np.float32)


def shares_of(noise: Tensor, large: Tensor) -> Tensor:
    """Of smooth noise [STATES, T', h, w] for each other state. large: [T', h, w], 0..1, what of it the others have."""
    shares = torch.softmax(SHARP * torch.cat([torch.zeros_like(noise[:1]), noise]), 0)
    return torch.cat([1 - large + large * shares[:1], large * shares[1:]])
