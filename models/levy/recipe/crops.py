"""Crops for training: cut out of pairs in memory, and turned into what the networks see, as the sd15 family does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pixel_unshuffle

from models.levy.recipe.data import Stored, in_memory, read, slices
from models.levy.recipe.net import FACTOR
from models.levy.recipe.words import LENGTH, tokenizer

#: How often the guide is left out, and each of text, depth with normals, pose, and albedo; without a guide there is no albedo.
WITHOUT_GUIDE, WITHOUT = 0.15, 0.10
#: Share of the crops that come two by two, in two states of wear: their difference is what the text tells.
COUPLES = 0.5
#: Share of the crops that are centred on somebody.
ON_SOMEBODY = 0.9
#: Weights in the loss: of the rim that may be painted but shows nobody, where the answer is the plate, of the crowd, and of
#: pixels that it covers by half, above that.
RIM, CROWD, EDGE = 4.0, 4.0, 4.0
#: The networks halve their pictures four times.
WHOLE_PX = 16
#: Covered places that are remembered of each picture.
_PLACES = 400


@dataclass(frozen=True)
class Batch:
    """B crops, float32 but for ids. clean: [B, 12, h, w], what is to be said. mask: [B, 1, h, w]. masked: [B, 12, h, w].
    hints: depth with normals and albedo [B, 7, H, W], pose [B, 3, H, W]. ids: int64 [B, L]. weight: [B, 12, h, w], of the loss.
    guided: [B], 1 where `masked` is the guide, 0 where it is the plate with a hole. agent: int64 [B, H, W], who is measured
    in a pixel; 0 nobody, no number is in two crops. couples: so many first are two by two the same crop, in two states of
    wear."""

    clean: Tensor
    mask: Tensor
    masked: Tensor
    hints: tuple[Tensor, Tensor]
    ids: Tensor
    weight: Tensor
    guided: Tensor
    agent: Tensor
    couples: int = 0


class Crops:
    """Pairs in memory. `add` may bring more while training goes on."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._bytes: list[Tensor] = []
        self._depth: list[Tensor] = []
        self._agent: list[Tensor] = []
        self._ids: list[tuple[list[int], list[int]]] = []
        self._places: list[np.ndarray] = []
        self._tokenizer = tokenizer()
        self._empty = self._tokens("")

    def __len__(self) -> int:
        return len(self._bytes)

    @property
    def held_bytes(self) -> int:
        return sum(t.nbytes for t in (*self._bytes, *self._depth, *self._agent))

    def read(self, paths: Sequence[Path], most_bytes: int = 1 << 40) -> None:
        for path in in_memory(paths, most_bytes):
            self.add(read(path))

    def add(self, pair: Stored) -> None:
        """A pair nobody is seen in is left out."""
        covered = np.argwhere(pair.bytes[..., slices()["coverage"]][..., 0] > 100)
        if not len(covered):
            return
        rng = np.random.default_rng((6, pair.number))
        self._places.append(covered[rng.integers(len(covered), size=_PLACES)])
        self._bytes.append(torch.from_numpy(pair.bytes).permute(2, 0, 1).contiguous().to(self.device))
        self._depth.append(torch.from_numpy(pair.depth).to(self.device))
        self._agent.append(torch.from_numpy(pair.agent.astype(np.int16)).to(self.device))
        self._ids.append((self._tokens(pair.text), self._tokens(pair.other_text)))

    def _tokens(self, text: str) -> list[int]:
        return self._tokenizer(text, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]

    def batch(self, rng: np.random.Generator, count: int, side_px: int) -> Batch:
        """`count` crops of side_px pixels, of pictures that have as many or of the largest, COUPLES of them two by two the
        same; a single one is of either state."""
        sides = np.array([min(depth.shape) for depth in self._depth])
        side_px = min(side_px, int(sides.max()) // WHOLE_PX * WHOLE_PX)
        fit = np.flatnonzero(sides >= side_px)
        couples = int(COUPLES * count / 2)
        cuts = [self._cut(rng, int(i), side_px) for i in rng.choice(fit, size=count - couples)]
        cuts = [cut for cut in cuts[:couples] for _ in (0, 1)] + cuts[couples:]
        other = np.concatenate([np.tile([0, 1], couples), rng.integers(2, size=count - 2 * couples)])
        raw = torch.stack([self._bytes[i][:, y : y + side_px, x : x + side_px] for i, y, x in cuts]).float() / 255
        depth = torch.stack([self._depth[i][None, y : y + side_px, x : x + side_px] for i, y, x in cuts]).float()
        agent = torch.stack([self._agent[i][y : y + side_px, x : x + side_px] for i, y, x in cuts]).long()
        raw[other == 1, slices()["target"]] = raw[other == 1, slices()["other"]]
        keep = rng.random((5, count)).astype(np.float32)
        keep[:, 1 : 2 * couples : 2] = keep[:, : 2 * couples : 2]
        ids = torch.tensor(
            [
                self._empty if drop < WITHOUT else self._ids[i][state]
                for (i, _, _), state, drop in zip(cuts, other, keep[0], strict=True)
            ]
        )
        batch = prepare(raw, depth, agent, ids.to(self.device), torch.from_numpy(keep).to(self.device))
        return replace(batch, couples=couples)

    def _cut(self, rng: np.random.Generator, i: int, side: int) -> tuple[int, int, int]:
        h, w = self._depth[i].shape
        if rng.random() < ON_SOMEBODY:
            y, x = self._places[i][rng.integers(_PLACES)] - rng.integers(side // 4, 3 * side // 4 + 1, size=2)
        else:
            y, x = rng.integers(h - side + 1), rng.integers(w - side + 1)
        return i, int(np.clip(y, 0, h - side)), int(np.clip(x, 0, w - side))


def prepare(raw: Tensor, depth: Tensor, agent: Tensor, ids: Tensor, keep: Tensor) -> Batch:
    """raw: [B, CHANNELS, H, W] in 0..1. depth: [B, 1, H, W]. agent: int64 [B, H, W], numbered anew in each picture. keep:
    [5, B], chances of text, guide, depth, pose, albedo."""
    at = slices()
    part = {name: raw[:, s] for name, s in at.items()}

    def kept(row: int, chance: float) -> Tensor:
        return (keep[row] >= chance).float()[:, None, None, None]

    mask = (part["mask"] > 0.5).float()
    hole = torch.lerp(part["plate"], torch.full_like(part["plate"], 0.5), mask)
    guided = kept(1, WITHOUT_GUIDE)
    seen = part["guide"] * guided + hole * (1 - guided)
    shape, colour = kept(2, WITHOUT), guided * kept(4, WITHOUT)
    hint = torch.cat([depth * shape, part["normal"] * shape, part["albedo"] * colour], 1)
    cover = pixel_unshuffle(part["coverage"], FACTOR).repeat(1, 3, 1, 1)
    inside = pixel_unshuffle(mask, FACTOR).repeat(1, 3, 1, 1)
    return Batch(
        clean=pixel_unshuffle(part["target"] * 2 - 1, FACTOR),
        mask=max_pool2d(mask, FACTOR),
        masked=pixel_unshuffle(seen * 2 - 1, FACTOR),
        hints=(hint, part["pose"] * kept(3, WITHOUT)),
        ids=ids,
        weight=0.15 + RIM * inside * (1 - cover) + CROWD * cover + 4 * EDGE * cover * (1 - cover),
        guided=guided[:, 0, 0, 0],
        agent=_told_apart(agent * (part["coverage"][:, 0] > 0.5)),
    )


def _told_apart(agent: Tensor) -> Tensor:
    """Numbers that no two pictures [B, H, W] share; 0 stays."""
    count = int(agent.max()) + 1
    crop = torch.arange(len(agent), device=agent.device)[:, None, None]
    return torch.where(agent > 0, agent + crop * count, 0)
