"""Levy's networks: the classes of Stable Diffusion 1.5 with ControlNets, small, over pixels rearranged without loss.

UNet2DConditionModel sees the noisy picture, the mask and the masked picture (the guide, or the plate with a hole); one
ControlNet sees depth, normals and albedo, the other the pose. Attention, to itself and to the text, stands at the lowest level
only: small heads over many places are slow on a CPU.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.levy.recipe.words import LENGTH, save_tokenizer, tokenizer

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

FACTOR = 2
LATENTS = 3 * FACTOR * FACTOR
#: Channels of depth with normals and albedo, and of pose.
HINTS = (7, 3)
TEXT_WIDTH = 64


@dataclass(frozen=True)
class Size:
    """channels: by level, of the UNet and both ControlNets. hints: the ControlNets' own first convolutions, of depth with
    normals and albedo, and of pose. heads: of the attention, at the lowest level."""

    channels: tuple[int, ...]
    hints: tuple[tuple[int, int], tuple[int, int]] = ((24, 48), (16, 32))
    heads: int = 4


#: The top level has half the picture's sides and costs the square of its channels: at 64 it is three quarters of all work.
SIZES = {
    "thin": Size((32, 80, 128, 192)),
    "small": Size((48, 80, 112, 160)),
    "middle": Size((48, 96, 144, 176)),
    "full": Size((64, 96, 128, 176)),
}


class Levy(nn.Module):
    """All that is trained. `forward` is what the engine's adapter does: hints into the ControlNets, their words into the UNet."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        from diffusers import ControlNetModel, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel

        levels = len(size.channels)
        shared = {
            "block_out_channels": size.channels, "layers_per_block": 1, "cross_attention_dim": TEXT_WIDTH,
            "attention_head_dim": size.heads, "norm_num_groups": 16, "resnet_time_scale_shift": "scale_shift",
            "down_block_types": ("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
            # the text reaches every level beside the time, not the lowest alone, and scales what it speaks of
            "addition_embed_type": "text", "addition_embed_type_num_heads": 4,
        }  # fmt: skip
        self.unet = UNet2DConditionModel(
            sample_size=64, in_channels=2 * LATENTS + 1, out_channels=LATENTS,
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1), **shared,
        )  # fmt: skip
        nets = [
            ControlNetModel(
                in_channels=LATENTS, conditioning_channels=c, conditioning_embedding_out_channels=hint, **shared
            )
            for c, hint in zip(HINTS, size.hints, strict=True)
        ]
        self.depth, self.pose = nets
        known = tokenizer()
        self.text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(known), hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=2,
                num_attention_heads=2, max_position_embeddings=LENGTH, projection_dim=TEXT_WIDTH,
                bos_token_id=known.bos_token_id, eos_token_id=known.eos_token_id, pad_token_id=known.pad_token_id,
            )
        )  # fmt: skip
        nn.init.normal_(self.text.get_input_embeddings().weight, std=0.3)
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        for part in (self.unet, *nets):
            nn.init.constant_(part.add_embedding.norm2.weight, 0.1)

    def forward(
        self, x: Tensor, mask: Tensor, masked: Tensor, hints: tuple[Tensor, Tensor], ids: Tensor, t: Tensor
    ) -> Tensor:
        """The clean picture [B, 12, h, w]: the UNet says how it differs from `masked`. x: noisy latents; mask [B, 1, h, w];
        masked: latents; hints: [B, 7 and 3, 2h, 2w]; ids: tokens [B, L]; t: [B]."""
        states = self.text(ids)[0]
        down, middle = None, None
        for net, hint in zip((self.depth, self.pose), hints, strict=True):
            d, m = net(x, t, states, hint, return_dict=False)
            down = d if down is None else [a + b for a, b in zip(down, d, strict=True)]
            middle = m if middle is None else middle + m
        change = self.unet(
            torch.cat([x, mask, masked], 1), t, encoder_hidden_states=states, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip
        return masked + change

    def parts(self) -> dict[str, nn.Module]:
        """By their folders in a bundle."""
        return {
            "unet": self.unet, "controlnet_depth": self.depth, "controlnet_pose": self.pose, "text_encoder": self.text
        }  # fmt: skip

    def save(self, base: Path) -> None:
        """As a bundle's folder of weights, half precision."""
        for name, part in self.parts().items():
            deepcopy(part).half().save_pretrained(base / name, safe_serialization=True)
        save_tokenizer(base / "tokenizer")
        scheduler().save_pretrained(base / "scheduler")


def size_of(base: Path) -> str:
    """Which of SIZES a bundle's weights are of; empty where it is none of them."""
    channels = tuple(json.loads((base / "unet/config.json").read_text(encoding="utf-8"))["block_out_channels"])
    return next((name for name, size in SIZES.items() if size.channels == channels), "")


def loaded(base: Path) -> Levy:
    """The network of a bundle's folder of weights, whose size must be one of SIZES."""
    from diffusers import ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel

    net = Levy(SIZES[size_of(base)])
    kinds = {"unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}
    for name, part in net.parts().items():
        kept = kinds.get(name, ControlNetModel).from_pretrained(base / name, torch_dtype=torch.float32)
        part.load_state_dict(kept.state_dict())
    return net


def scheduler() -> DDIMScheduler:
    """Cosine (Nichol and Dhariwal 2021) with zero terminal SNR and trailing steps (Lin et al. 2024); the network says the
    clean picture."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="sample", rescale_betas_zero_snr=True,
        timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True,
    )  # fmt: skip
