"""Texts through CLIP, as the Stable Diffusion pipelines read them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from composer.inference.families.loading import load, load_tokenizer


def tokens(tokenizer: object, text: str, places: int) -> tuple[Tensor, str]:
    """int64 [1, L] of the tokenizer's full length, and what was cut off in words. places: that the network has."""
    length = min(int(tokenizer.model_max_length), places)  # type: ignore[attr-defined]
    ids = tokenizer(  # type: ignore[operator]
        text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    whole = tokenizer(text, padding="longest", return_tensors="pt").input_ids  # type: ignore[operator]
    return ids, f"text after {length} tokens" if whole.shape[1] > length else ""


class ClipText:
    """One CLIP text encoder and its tokenizer."""

    def __init__(self, encoder: Path, tokenizer: Path, kind: type, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import CLIPTokenizer

        self.network = load(encoder, kind, device, dtype)
        self.tokenizer = load_tokenizer(tokenizer, CLIPTokenizer)
        self.device = device

    def last(self, text: str) -> tuple[Tensor, str]:
        """float [1, L, D] of the last layer, normalised (SD 1.5)."""
        ids, cut = tokens(self.tokenizer, text, self.network.config.max_position_embeddings)
        return self.network(ids.to(self.device))[0], cut

    def penultimate(self, text: str) -> tuple[Tensor, Tensor, str]:
        """float [1, L, D] of the layer before the last, and the first output: pooled where it has two axes (SDXL)."""
        ids, cut = tokens(self.tokenizer, text, self.network.config.max_position_embeddings)
        out = self.network(ids.to(self.device), output_hidden_states=True)
        return out.hidden_states[-2], out[0], cut
