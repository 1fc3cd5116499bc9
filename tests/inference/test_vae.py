"""Codecs by bands: the result is the untiled one, where diffusers' own tiling is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLWan
from torch import Tensor, nn

from composer.inference.bands import Bands, Moments
from composer.inference.memory import LiveBytes
from composer.inference.vae import banded


class Wrapped:
    """A VAE as a codec."""

    factor = 8

    def __init__(self, vae: nn.Module) -> None:
        self.vae = vae

    def modules(self) -> Mapping[str, nn.Module]:
        return {"encoder": self.vae.encoder, "decoder": self.vae.decoder}

    def encode(self, pictures: Tensor) -> Tensor:
        return self.vae.encode(pictures).latent_dist.mean

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents).sample


@pytest.fixture(scope="module")
def picture_codec() -> Wrapped:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32), down_block_types=("DownEncoderBlock2D",) * 3, norm_num_groups=8,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, sample_size=64,
    )  # fmt: skip
    return Wrapped(vae.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def video_codec() -> Wrapped:
    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=8, z_dim=4, dim_mult=[1, 2, 2, 2], num_res_blocks=1, attn_scales=[],
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    return Wrapped(vae.eval().requires_grad_(False))


@pytest.mark.parametrize("band_bytes", [1 << 13, 1 << 16])
def test_a_picture_codec(picture_codec: Wrapped, band_bytes: int) -> None:
    latents, pictures = torch.randn(1, 4, 41, 28), torch.rand(1, 3, 164, 112)
    decoded, encoded = picture_codec.decode(latents), picture_codec.encode(pictures)
    with banded(picture_codec, band_bytes):
        torch.testing.assert_close(picture_codec.decode(latents), decoded, atol=1e-4, rtol=0)
        torch.testing.assert_close(picture_codec.encode(pictures), encoded, atol=1e-4, rtol=0)
    assert decoded.std() > 0.1


def test_a_video_codec_with_causal_convolutions(video_codec: Wrapped) -> None:
    latents, pictures = torch.randn(1, 4, 2, 10, 12), torch.rand(1, 3, 5, 80, 96)
    decoded, encoded = video_codec.decode(latents), video_codec.encode(pictures)
    with banded(video_codec, 1 << 13):
        torch.testing.assert_close(video_codec.decode(latents), decoded, atol=1e-4, rtol=0)
        torch.testing.assert_close(video_codec.encode(pictures), encoded, atol=1e-4, rtol=0)


def test_tiles_that_normalise_by_themselves_change_the_tone(picture_codec: Wrapped) -> None:
    latents = torch.randn(1, 4, 40, 40)
    whole = picture_codec.decode(latents)
    picture_codec.vae.enable_tiling()
    picture_codec.vae.tile_latent_min_size, picture_codec.vae.tile_sample_min_size = 16, 64
    theirs = picture_codec.decode(latents)
    picture_codec.vae.disable_tiling()
    with banded(picture_codec, 1 << 13):
        ours = picture_codec.decode(latents)
    assert (theirs - whole).abs().max() > 1000 * (ours - whole).abs().max()


def test_it_takes_less_memory(picture_codec: Wrapped) -> None:
    latents, peak = torch.randn(1, 4, 64, 64), []
    for band_bytes in (1 << 30, 1 << 16):
        with banded(picture_codec, band_bytes), LiveBytes() as live:
            picture_codec.decode(latents)
        peak.append(live.peak)
    assert peak[1] < 0.75 * peak[0]


def test_the_codec_is_itself_again_afterwards(picture_codec: Wrapped) -> None:
    with pytest.raises(KeyError), banded(picture_codec, 1 << 13):
        raise KeyError
    for module in picture_codec.vae.modules():
        assert "forward" not in module.__dict__ and "_conv_forward" not in module.__dict__


def test_moments_of_a_far_off_mean() -> None:
    torch.manual_seed(0)
    x = 1000 + 0.1 * torch.randn(2, 8, 40, 30, dtype=torch.float64)
    found = Moments(4)
    for first, end in Bands(1).of(40, 100):
        found.add(x[:, :, first:end].float())
    grouped = x.reshape(2, 4, -1)
    torch.testing.assert_close(found.mean, grouped.mean(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.square / found.count, grouped.var(-1, correction=0), atol=1e-4, rtol=0)
