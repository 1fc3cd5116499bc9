"""SDXL: the parts of `StableDiffusionXLControlNetUnionInpaintPipeline`. One union ControlNet takes pose, depth, normals and
the plate with a hole (its repaint mode); every tile is told the picture's size and its own place in it as crop coordinates,
SDXL's micro-conditions (Podell et al. 2023, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKL, ControlNetUnionModel, UNet2DConditionModel
from torch import Tensor
from torch.nn.functional import linear
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from composer.inference.adapter import Canvas, LatentSpace, TileBatch
from composer.inference.families.clip import ClipText
from composer.inference.families.codecs import PictureCodec
from composer.inference.families.common import (
    FamilyAdapter,
    as_rgb,
    check_reach,
    control_picture,
    controls_of,
    listens,
    native,
    one_device,
    scale_of,
    unfit,
)
from composer.inference.families.loading import check_class, check_tokenizer, load, option, pick_dtype
from composer.inference.families.pictures import painted, picture
from composer.inference.families.texts import Encoded, Encoder, TextBank, blank
from composer.inference.networks import PictureEmbedding, share_where_plain, sided
from composer.inference.request import PaintRequest

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle

#: The union network's numbers for what we show it ("plate" is its repaint mode).
MODES = {"pose": 0, "depth": 1, "normal": 4, "plate": 7}


class SDXL(FamilyAdapter):
    def __init__(
        self, bundle: Bundle, device: torch.device, dtype: torch.dtype, codec: PictureCodec, texts: TextBank,
        unet: UNet2DConditionModel, controlnet: ControlNetUnionModel | None,
    ) -> None:  # fmt: skip
        super().__init__(bundle, device, dtype, codec, texts)
        self.unet, self.controlnet = unet, controlnet
        self._shares = share_where_plain(unet, *([] if controlnet is None else [controlnet]))
        if unet.config.in_channels != codec.channels:
            raise unfit(
                bundle, "components.unet", "this UNet takes another number of channels", str(codec.channels),
                unet.config.in_channels,
            )  # fmt: skip
        self.controls = sorted(controls_of(bundle), key=MODES.__getitem__)
        self.modes = [MODES[name] for name in self.controls]
        self.scales = [scale_of(bundle, name) for name in self.controls]
        self._embed: PictureEmbedding | None = None
        if controlnet is not None:
            kinds = int(controlnet.config.num_control_type)
            if max(self.modes) >= kinds:
                raise unfit(
                    bundle, f"controls.{self.controls[-1]}", "this union ControlNet has no such mode",
                    f"a mode below {kinds}", self.modes[-1],
                )  # fmt: skip
            chosen = torch.zeros(1, kinds, device=device, dtype=dtype)
            chosen[0, self.modes] = 1
            self._kinds = chosen
            check_reach(bundle, self.controls[0], controlnet, codec.factor)
            self._embed = PictureEmbedding(controlnet)
            keep_tiles_apart(controlnet)
        self.takes = listens(bundle, "text")
        multiple = 2 ** (len(unet.config.block_out_channels) - 1)
        self.space = LatentSpace(codec.channels, codec.factor, native(bundle, codec.factor, multiple), multiple)

    def canvases(self, request: PaintRequest) -> dict[str, Canvas]:
        found = {}
        for name in self.controls:
            if name == "plate":
                # repaint wants black where it is to paint
                shown = picture(request.plate, self.device) * (1 - painted(request, self.device))
            else:
                shown = control_picture(request, name, self.device)
            assert self._embed is not None
            rows = as_rgb(shown.transpose(0, 1)).to(self.dtype)
            found[name] = self.keep(self._embed(rows).transpose(0, 1), 1)
        return found

    def predict(self, batch: TileBatch) -> Tensor:
        count = len(batch.latents)
        sides = 2 if self.texts.guided else 1
        slot = self.texts.slots[batch.text]
        states = slot.both(0, 1 if self._shares else count)
        more = {"text_embeds": slot.both(1, count), "time_ids": self._time_ids(batch).repeat(sides, 1)}
        x = sided(batch.latents[:, :, 0].to(self.dtype), sides)
        t = batch.timestep.repeat(sides)
        down, middle = None, None
        if self.controlnet is not None:
            shown = [sided(batch.canvases[n][:, :, 0].to(self.dtype), sides) for n in self.controls]
            down, middle = self.controlnet(
                x, t, encoder_hidden_states=states, controlnet_cond=shown,
                control_type=self._kinds.expand(len(x), -1), control_type_idx=self.modes,
                conditioning_scale=self.scales, added_cond_kwargs=more, return_dict=False,
            )  # fmt: skip
        out = self.unet(
            x, t, encoder_hidden_states=states, added_cond_kwargs=more, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip
        return self.texts.guide(out)[:, :, None]

    def _time_ids(self, batch: TileBatch) -> Tensor:
        """float32 [B, 6], px: the whole picture's height and width, the tile's top and left, the tile's height and width.
        Half precision would round places in a large picture. Made on the device: a captured graph makes them anew for the
        places of each replay, and may copy nothing from the host."""
        tile = (batch.latents.shape[-2], batch.latents.shape[-1])
        whole, own = (
            torch.cat([batch.places.new_full((len(batch.places), 1), side) for side in sides], 1)
            for sides in (batch.size, tile)
        )
        return torch.cat([whole, batch.places, own], 1).float() * self.space.factor


def keep_tiles_apart(controlnet: ControlNetUnionModel) -> None:
    """The union network weighs its conditions by an attention that takes [batch, condition, channels] for a sequence first:
    it looks across the batch, and a tile would change with its neighbours. A picture alone, as in the pipeline, sees only
    itself there (guidance's two halves are alike), and attention to one is its value: so each tile is given that."""
    for block in controlnet.transformer_layes:
        block.attention = _value_of(block.attn)


def _value_of(attention: torch.nn.MultiheadAttention) -> Callable[[Tensor], Tensor]:
    start = 2 * attention.embed_dim

    def value(x: Tensor) -> Tensor:
        bias = attention.in_proj_bias
        inner = linear(x, attention.in_proj_weight[start:], None if bias is None else bias[start:])
        return attention.out_proj(inner)

    return value


def open_family(bundle: Bundle, device: str | torch.device, dtype: str | torch.dtype | None) -> SDXL:
    where = one_device(device)
    numbers = pick_dtype(where, dtype)
    parts = bundle.components
    zeros = bool(option(bundle, "zero_empty_negative"))
    check_class(parts["text_encoder"], CLIPTextModel.__name__)
    check_class(parts["text_encoder_2"], CLIPTextModelWithProjection.__name__)
    check_tokenizer(parts["tokenizer"])
    check_tokenizer(parts["tokenizer_2"])

    def open_clips() -> Encoder:
        first = ClipText(parts["text_encoder"], parts["tokenizer"], CLIPTextModel, where, numbers)
        second = ClipText(parts["text_encoder_2"], parts["tokenizer_2"], CLIPTextModelWithProjection, where, numbers)

        def encode(text: str) -> Encoded:
            states, _, cut = first.penultimate(text)
            states_2, pooled, _ = second.penultimate(text)
            return (torch.cat([states, states_2], -1).to(numbers), pooled.to(numbers)), cut

        return encode

    texts = TextBank(open_clips, blank if zeros else None)
    unet = load(parts["unet"], UNet2DConditionModel, where, numbers)
    folders = sorted(set(controls_of(bundle).values()))
    if len(folders) > 1:
        raise unfit(
            bundle, "controls", "SDXL here takes one union ControlNet for all conditions", "one folder", len(folders)
        )
    net = load(Path(folders[0]), ControlNetUnionModel, where, numbers) if folders else None
    codec = PictureCodec(load(parts["vae"], AutoencoderKL, where, torch.float32))
    return SDXL(bundle, where, numbers, codec, texts, unet, net)
