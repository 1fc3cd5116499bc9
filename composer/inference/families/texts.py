"""Texts as embeddings. A text encoder is often larger than the denoiser and is needed once a text: it is loaded when a new
text is met, and let go again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.inference.request import Prompt

#: The embeddings of one text: tensors whose first axis is 1, and what of it was cut off (empty: nothing).
Encoded = tuple[tuple[Tensor, ...], str]
Encoder = Callable[[str], Encoded]


@dataclass(frozen=True)
class Slot:
    """What the denoiser reads for one of a request's texts. positive, negative: tensors [1, ...]; negative is empty
    without guidance."""

    positive: tuple[Tensor, ...]
    negative: tuple[Tensor, ...]

    def both(self, index: int, count: int) -> Tensor:
        """Tensor `index` for a batch of `count` tiles: with guidance the negatives first, as pipelines order them."""
        sides = (self.negative, self.positive) if self.negative else (self.positive,)
        return torch.cat([side[index].expand(count, *side[index].shape[1:]) for side in sides])


class TextBank:
    """Encodes each text once, and holds what the denoiser reads for the request at hand. slots: one for each of its texts."""

    def __init__(self, open_encoder: Callable[[], Encoder], blank_negative: Callable[[Encoded], Encoded] | None = None):
        """open_encoder: loads the networks and gives a function of a text. blank_negative: what stands for an empty
        negative text, where that is not the empty text's own embedding."""
        self._open = open_encoder
        self._blank = blank_negative
        # kept for good, at one place: captured graphs read them there
        self._known: dict[str, Encoded] = {}
        self._blanks: dict[str, Encoded] = {}
        self.slots: list[Slot] = []
        self.guidance = 1.0

    @property
    def guided(self) -> bool:
        return self.guidance > 1.0

    def set(self, prompts: Sequence[Prompt], guidance: float) -> tuple[str, ...]:
        """Fill the slots; the cut-off rests, for the record."""
        self.guidance = guidance
        self._encode(prompts)
        self.slots = [Slot(self._known[p.text][0], self._negative(p)) for p in prompts]
        cut = [self._known[text][1] for p in prompts for text in self._asked(p)]
        return tuple(dict.fromkeys(c for c in cut if c))

    def _asked(self, prompt: Prompt) -> tuple[str, ...]:
        negative = self.guided and not (self._blank and not prompt.negative)
        return (prompt.text, prompt.negative) if negative else (prompt.text,)

    def _encode(self, prompts: Sequence[Prompt]) -> None:
        new = dict.fromkeys(t for p in prompts for t in self._asked(p) if t not in self._known)
        if new:
            encoder = self._open()
            with torch.no_grad():
                self._known.update({text: encoder(text) for text in new})
            # the networks hold themselves in cycles: without this their memory would be the tiles' to miss
            del encoder
            gc.collect()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def _negative(self, prompt: Prompt) -> tuple[Tensor, ...]:
        if not self.guided:
            return ()
        if self._blank and not prompt.negative:
            if prompt.text not in self._blanks:
                self._blanks[prompt.text] = self._blank(self._known[prompt.text])
            return self._blanks[prompt.text][0]
        return self._known[prompt.negative][0]

    def guide(self, prediction: Tensor) -> Tensor:
        """Classifier-free guidance (Ho and Salimans 2022) over a batch of negatives and positives: [2 B, ...] to [B, ...]
        in float32; as it is without guidance."""
        if not self.guided:
            return prediction.float()
        negative, positive = prediction.float().chunk(2)
        return negative + self.guidance * (positive - negative)


def blank(text: Encoded) -> Encoded:
    """Zeros of the same shapes."""
    return tuple(torch.zeros_like(t) for t in text[0]), ""
