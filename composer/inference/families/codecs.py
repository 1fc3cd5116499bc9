"""Pictures to latents and back: the diffusers VAEs with their scaling, and a rearrangement that loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderKLQwenImage, AutoencoderKLWan


class PictureCodec:
    """`AutoencoderKL`: each picture by itself, latents shifted and scaled by the config's numbers."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae = vae
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels = int(vae.config.latent_channels)
        self._scale = float(vae.config.scaling_factor)
        self._shift = float(vae.config.get("shift_factor") or 0.0)

    def modules(self) -> Mapping[str, torch.nn.Module]:
        return {"encoder": self.vae.encoder, "decoder": self.vae.decoder}

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        flat = _fold(pictures).to(self.vae.dtype) * 2 - 1
        latents = self.vae.encode(flat).latent_dist.mode()
        return _unfold((latents.float() - self._shift) * self._scale, pictures.shape[0])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        flat = _fold(latents).float() / self._scale + self._shift
        return _unfold(self.vae.decode(flat.to(self.vae.dtype)).sample.float() / 2 + 0.5, latents.shape[0])


class VideoCodec:
    """`AutoencoderKLWan` and its picture twin `AutoencoderKLQwenImage`: causal in time, each channel of the latents with
    its own mean and deviation."""

    def __init__(self, vae: AutoencoderKLWan | AutoencoderKLQwenImage) -> None:
        self.vae = vae
        self.factor = 2 ** len(vae.config.temperal_downsample)
        self.time_factor = 2 ** sum(vae.config.temperal_downsample)
        self.channels = int(vae.config.z_dim)
        view = (1, -1, 1, 1, 1)
        self._mean = torch.tensor(vae.config.latents_mean, dtype=torch.float32, device=vae.device).view(view)
        self._deviation = torch.tensor(vae.config.latents_std, dtype=torch.float32, device=vae.device).view(view)

    def modules(self) -> Mapping[str, torch.nn.Module]:
        return {"encoder": self.vae.encoder, "decoder": self.vae.decoder}

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        latents = self.vae.encode(pictures.to(self.vae.dtype) * 2 - 1).latent_dist.mode()
        return (latents.float() - self._mean) / self._deviation

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        raw = latents.float() * self._deviation + self._mean
        return self.vae.decode(raw.to(self.vae.dtype), return_dict=False)[0].float() / 2 + 0.5


class UnshuffleCodec:
    """No network at all: factor x factor pixels become channels, 0..1 becomes -1..1. For small models of small figures,
    which a learned codec of that size blurs."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.channels = 3 * factor * factor

    def modules(self) -> Mapping[str, torch.nn.Module]:
        return {}

    def encode(self, pictures: Tensor) -> Tensor:
        return _unfold(pixel_unshuffle(_fold(pictures) * 2 - 1, self.factor), pictures.shape[0])

    def decode(self, latents: Tensor) -> Tensor:
        return _unfold(pixel_shuffle(_fold(latents.float()), self.factor) / 2 + 0.5, latents.shape[0])


def _fold(video: Tensor) -> Tensor:
    """[N, C, T, H, W] to [N * T, C, H, W]."""
    return video.transpose(1, 2).flatten(0, 1)


def _unfold(flat: Tensor, count: int) -> Tensor:
    """[N * T, C, H, W] to [N, C, T, H, W]."""
    return flat.unflatten(0, (count, -1)).transpose(1, 2).contiguous()
