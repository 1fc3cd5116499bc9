"""Where wear lies on each man: what varies from seed to seed.

A small network that predicts the clean picture knows how worn somebody is, for the text says so, but not where: its answer is
the mean of all places, a tint, and the steps after it can draw weave upon that, no dirt of a hand's breadth. It knows the same
man in other words, though. So the first step asks it again with other states of wear, and which answer shows where is read from
the noise, in fields as broad as a hand or a limb. Colours stay between those of the states, edges and cloth stay where they
are, each agent's mean stays his own, and as the noise holds to the world, so does the dirt. The answers that this takes are
taken from the steps: a painting costs as much as without."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from composer.inference.adapter import LatentSpace
from composer.inference.hold import silhouettes
from composer.inference.padding import latent_frames, pictures_of
from composer.inference.request import PaintRequest, Prompt

#: So many other states are mixed in.
STATES = 2
#: Sigmas in pixels of the averages of noise that make a field, and their amplitudes.
FIELD = ((3.0, 0.5), (8.0, 1.0), (16.0, 0.8))
#: How sharply one state borders on another.
SHARP = 3.0
#: How far the mixture is taken. The answer for a word is a mean already, and pale.
STRENGTH = 1.3
#: A Gaussian's tail is cut here, in sigmas.
_REACH = 2.5
#: Parts of 1 that sums are counted in.
_WHOLE = 2.0**30


def other_words(states: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Two other texts: the least and the most worn of the bundle's states that this one does not name, in place of the one it
    names, or after it. states: from the least to the most worn."""
    named = [s for s in sorted(states, key=len, reverse=True) if re.search(rf"\b{re.escape(s)}\b", text)]
    rest = [s for s in states if s not in named[:1]]
    picked = (rest[0], rest[-1])
    if not named:
        return tuple(f"{text}, {state}" if text else state for state in picked)
    return tuple(re.sub(rf"\b{re.escape(named[0])}\b", state, text, count=1) for state in picked)


def reworded(prompts: tuple[Prompt, ...], states: tuple[str, ...]) -> tuple[Prompt, ...]:
    """All prompts in their first other words, then all in their second."""
    words = [other_words(states, p.text) for p in prompts]
    return tuple(replace(p, text=w[k]) for k in range(STATES) for p, w in zip(prompts, words, strict=True))


@dataclass(frozen=True)
class Varied:
    """Of a request. agents: int64 [T', h, w], who stands in the middle of each latent, 0: nobody, or an edge, where nothing
    varies. factor: pixels a latent."""

    agents: Tensor
    factor: int

    def mixed(self, own: Tensor, others: Tensor, noise: Tensor) -> Tensor:
        """[C, T', h, w]: the picture `own`, mixed with the same in other states [STATES, C, T', h, w] as the noise
        [C, T', h, w] has it."""
        share = shares(noise, self.factor)[1:]
        off = STRENGTH * (share[:, None] * (others - own)).sum(0)
        return own + torch.where(self.agents > 0, off - self._means(off), 0)

    def _means(self, picture: Tensor) -> Tensor:
        """[C, T', h, w]: each agent's own mean in each picture."""
        time = torch.arange(len(self.agents), device=picture.device)[:, None, None]
        numbers = torch.where(self.agents > 0, self.agents + time * (int(self.agents.max()) + 1), 0).flatten()
        _, index, counts = torch.unique(numbers, return_inverse=True, return_counts=True)
        sums = torch.zeros((len(picture), len(counts)), dtype=torch.int64, device=picture.device)
        # in whole numbers: their order does not matter, which is any on a GPU
        sums.index_add_(1, index, (picture.flatten(1).double() * _WHOLE).round().long())
        return (sums.double() / _WHOLE / counts).float()[:, index].view_as(picture)


def varied_of(request: PaintRequest, space: LatentSpace, begin: Tensor) -> Varied:
    """begin: int16 [T', h, w], the first step that paints a latent: what begins later is nearer to its guide, and stays."""
    count = latent_frames(len(request.frames), space.time_factor)
    first = [pictures_of(k, space.time_factor)[0] for k in range(count)]
    middle = slice(space.factor // 2, None, space.factor)
    agents = torch.from_numpy(request.agent_id[first][:, middle, middle].astype("int64"))
    agents = torch.where(silhouettes(request, space), 0, agents).to(begin.device)
    return Varied(torch.where(begin == 0, agents, 0), space.factor)


def shares(noise: Tensor, factor: int) -> Tensor:
    """[1 + STATES, T', h, w]: how much of each place is its own state's, and each other's; their sum is 1. noise: white,
    [C, T', h, w], of which equal parts are read for each state. factor: pixels a latent."""
    each = len(noise) // STATES
    white = noise[: each * STATES].unflatten(0, (STATES, each)).mean(1) * math.sqrt(each)
    field = torch.zeros_like(white)
    for sigma_px, amplitude in FIELD:
        sigma = max(sigma_px / factor, 0.5)
        field = field + amplitude * 2 * math.sqrt(math.pi) * sigma * _blurred(white, sigma)
    field = field / math.sqrt(sum(amplitude**2 for _, amplitude in FIELD))
    return torch.softmax(SHARP * torch.cat([torch.zeros_like(field[:1]), field]), 0)


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    """[N, T', h, w] with a Gaussian along both sides; nothing lies beyond the edge."""
    reach = math.ceil(_REACH * sigma)
    x = torch.arange(-reach, reach + 1, device=picture.device, dtype=torch.float32)
    line = torch.exp(-0.5 * (x / sigma) ** 2)
    line = line / line.sum()
    flat = picture.flatten(0, 1)[:, None]
    flat = conv2d(conv2d(flat, line.view(1, 1, 1, -1), padding=(0, reach)), line.view(1, 1, -1, 1), padding=(reach, 0))
    return flat[:, 0].view_as(picture)
