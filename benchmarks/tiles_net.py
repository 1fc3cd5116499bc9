"""An SDXL-like network with random weights: as the engine drives it, and as a plain per-tile loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from composer.inference.adapter import Canvas, Codec, LatentSpace, Prepared, Schedule, TileBatch
from composer.inference.networks import PictureEmbedding, settle, share_texts, sided
from composer.inference.plan import TilePlan
from composer.inference.request import CONDITIONS, PaintRequest

GUIDANCE = 5.0


@dataclass(frozen=True)
class Size:
    """Of the network. depth: transformer blocks, heads: of attention, both by level; text, pooled, time: vectors' lengths."""

    channels: tuple[int, ...]
    depth: tuple[int, ...]
    heads: tuple[int, ...]
    text: int
    pooled: int
    time: int


#: The widths and depths that diffusers tests its own SDXL pipelines with, but heads of 64 channels as SDXL has them; one
#: between; SDXL's own.
TINY = Size((32, 64), (1, 2), (1, 1), 64, 32, 8)
SMALL = Size((64, 128, 256), (1, 2, 4), (1, 2, 4), 256, 128, 32)
SDXL = Size((320, 640, 1280), (1, 2, 10), (5, 10, 20), 2048, 1280, 256)


def build(size: Size, device: str = "cpu", dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """(UNet, ControlNet), attention from the second level on as in SDXL."""
    torch.manual_seed(0)
    levels = len(size.channels)
    with torch.device(device):
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=size.channels,
            layers_per_block=2,
            down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (levels - 1),
            up_block_types=("CrossAttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
            transformer_layers_per_block=size.depth,
            attention_head_dim=size.heads,
            cross_attention_dim=size.text,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=size.time,
            projection_class_embeddings_input_dim=size.time * 6 + size.pooled,
        )
        control = ControlNetModel.from_unet(unet)
        for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block):
            nn.init.normal_(layer.weight, std=0.02)  # a fresh ControlNet ends in zeros
        nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, std=0.02)
    return unet.to(dtype).eval().requires_grad_(False), control.to(dtype).eval().requires_grad_(False)


@dataclass(frozen=True)
class Texts:
    """Without and with the prompt: states [2, 77, C], pooled [2, P], time_ids [2, 6]."""

    states: Tensor
    pooled: Tensor
    time_ids: Tensor


def texts(size: Size, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Texts:
    torch.manual_seed(1)
    made = torch.randn(2, 77, size.text), torch.randn(2, size.pooled), torch.tensor([[512.0, 512, 0, 0, 512, 512]] * 2)
    states, pooled, ids = (v.to(device, dtype) for v in made)
    return Texts(states, pooled, ids)


def euler(steps: int) -> Schedule:
    """Noise prediction on SDXL's sigmas, Euler steps."""
    beta = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    alpha = np.cumprod(1 - beta)
    at = np.linspace(999, 0, steps)
    sigma = np.append(np.interp(at, np.arange(1000), np.sqrt((1 - alpha) / alpha)), 0).astype(np.float32)
    one, none = np.ones(steps, np.float32), np.zeros(steps, np.float32)
    return Schedule(
        timestep=at.astype(np.float32), scale_in=(1 / np.sqrt(sigma[:-1] ** 2 + 1)).astype(np.float32), keep=one,
        pred=np.diff(sigma), previous=none, noise=none, signal=np.ones(steps + 1, np.float32), sigma=sigma,
    )  # fmt: skip


class NoCodec:
    """Latents out of a picture by averaging: this benchmark is about the denoiser."""

    factor = 8

    def modules(self) -> dict[str, nn.Module]:
        return {}

    def encode(self, pictures: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(pictures[:, :, 0], 8)
        return torch.cat([mean, mean[:, :1]], 1)[:, :, None]

    def decode(self, latents: Tensor) -> Tensor:
        return nn.functional.interpolate(latents[:, :3, 0], scale_factor=8.0)[:, :, None]


class Vae:
    """SDXL's autoencoder with random weights (width: of its first level, 128 in SDXL) as a codec."""

    factor = 8

    def __init__(self, width: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(2)
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.vae = AutoencoderKL(
            block_out_channels=widths, down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2,
            up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=min(32, width // 2),
            sample_size=1024,
        )  # fmt: skip
        self.vae.to(device, dtype).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._dtype = dtype

    def modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.vae.encoder, "decoder": self.vae.decoder}

    def encode(self, pictures: Tensor) -> Tensor:
        return self.vae.encode(pictures[:, :, 0].to(self._dtype)).latent_dist.mean.float()[:, :, None]

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents[:, :, 0].to(self._dtype)).sample.float()[:, :, None]


class Ours:
    """The adapter: networks channels-last, the ControlNet's picture embedded once, a text's keys once a batch."""

    family, takes = "benchmark", frozenset(CONDITIONS)

    def __init__(
        self, unet: nn.Module, control: nn.Module, told: Texts, native: int = 64, codec: Codec | None = None
    ) -> None:
        self.unet, self.control, self.told = settle(unet), settle(control), told
        share_texts(self.unet)
        share_texts(self.control)
        self._embed = PictureEmbedding(self.control)
        self.device, self.dtype = told.states.device, told.states.dtype
        self.space = LatentSpace(4, 8, (native, native), 4)
        self._codec = codec or NoCodec()

    def schedule(self, steps: int) -> Schedule:
        return euler(steps)

    def codec(self) -> Codec:
        return self._codec

    def notes(self) -> tuple[str, ...]:
        return ()

    def stage(self, timestep: float) -> int:
        return 0

    def work_key(self, text: int) -> tuple[object, ...]:
        return ()

    def prepare(self, request: PaintRequest) -> Prepared:
        guide = torch.from_numpy(request.guide).permute(0, 3, 1, 2).to(self.device)
        known = self._codec.encode(guide[:, :, None])[0]
        pose = torch.from_numpy(request.pose).permute(0, 3, 1, 2).to(self.device, self.dtype)
        shown = self._embed(pose).permute(1, 0, 2, 3)
        weights = torch.ones(1, *known.shape[1:], device=self.device)
        return Prepared(known, {"pose": Canvas(shown, 1)}, weights, ())

    def denoise(self, batch: TileBatch) -> Tensor:
        count, told = len(batch.latents), self.told
        x, t = sided(batch.latents[:, :, 0], 2), batch.timestep.repeat(2)
        shown = sided(batch.canvases["pose"][:, :, 0], 2)
        more = {
            "text_embeds": told.pooled.repeat_interleave(count, 0),
            "time_ids": told.time_ids.repeat_interleave(count, 0),
        }
        down, middle = self.control(
            x, t, encoder_hidden_states=told.states, controlnet_cond=shown, added_cond_kwargs=more, return_dict=False
        )
        out = self.unet(
            x, t, encoder_hidden_states=told.states, added_cond_kwargs=more, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip
        without, with_text = out.chunk(2)
        return (without + GUIDANCE * (with_text - without))[:, :, None]


@torch.no_grad()
def loop(
    unet: nn.Module,
    control: nn.Module,
    told: Texts,
    plan: TilePlan,
    start: Tensor,
    pose: NDArray[np.float32],
    steps: int,
) -> Tensor:
    """A per-tile loop as it is written with diffusers: at each step for each tile the ControlNet sees its crop of the
    picture, the UNet its latents, with and without the text in one call; predictions are added up by the same windows.
    start: [4, h, w] noise times sigma. Returns latents [4, h, w]."""
    schedule, x = euler(steps), start.clone()
    picture = torch.from_numpy(pose)[0].permute(2, 0, 1)[None].to(start.device, told.states.dtype)
    more = {"text_embeds": told.pooled, "time_ids": told.time_ids}
    (_, h, w), dtype = plan.tile, told.states.dtype
    for i in range(steps):
        value = torch.zeros_like(x)
        t = torch.tensor(float(schedule.timestep[i]), device=start.device)
        for job in plan.jobs:
            _, r, c = job.at
            y, xx = int(plan.rows.starts[r]), int(plan.columns.starts[c])
            tile = (x[:, y : y + h, xx : xx + w] * float(schedule.scale_in[i]))[None].to(dtype)
            both = torch.cat([tile, tile])
            crop = picture[:, :, y * 8 : (y + h) * 8, xx * 8 : (xx + w) * 8]
            shown = torch.cat([crop, crop])
            down, middle = control(
                both, t, encoder_hidden_states=told.states, controlnet_cond=shown, added_cond_kwargs=more,
                return_dict=False,
            )  # fmt: skip
            out = unet(
                both, t, encoder_hidden_states=told.states, added_cond_kwargs=more,
                down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False,
            )[0]  # fmt: skip
            without, with_text = out.chunk(2)
            p = (without + GUIDANCE * (with_text - without))[0].float()
            window = np.outer(plan.rows.weights[r], plan.columns.weights[c]).astype(np.float32)
            value[:, y : y + h, xx : xx + w] += p * torch.from_numpy(window).to(x.device)
        x = x + float(schedule.pred[i]) * value
    return x
