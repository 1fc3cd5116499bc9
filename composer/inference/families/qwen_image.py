"""Qwen-Image: the parts of `QwenImageModularPipeline`, workflow `controlnet_inpainting`, with `QwenImageMultiControlNetModel`:
one union ControlNet, run once for each condition. Conditions are shown to it as latents; 2x2 latents make a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageControlNetModel, QwenImageTransformer2DModel
from diffusers.models.controlnets.controlnet_qwenimage import QwenImageMultiControlNetModel
from diffusers.modular_pipelines.qwenimage.prompt_templates import (
    QWENIMAGE_PROMPT_TEMPLATE,
    QWENIMAGE_PROMPT_TEMPLATE_START_IDX,
)
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from composer.inference.adapter import Canvas, LatentSpace, Schedule, TileBatch
from composer.inference.families.codecs import VideoCodec
from composer.inference.families.common import (
    FamilyAdapter,
    as_rgb,
    control_picture,
    controls_of,
    listens,
    native,
    one_device,
    scale_of,
    unfit,
)
from composer.inference.families.loading import check_class, check_tokenizer, load, load_tokenizer, option, pick_dtype
from composer.inference.families.texts import Encoded, Encoder, TextBank
from composer.inference.request import PaintRequest
from composer.inference.schedule import schedule_of

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle

PATCH = 2


class QwenImage(FamilyAdapter):
    def __init__(
        self, bundle: Bundle, device: torch.device, dtype: torch.dtype, codec: VideoCodec, texts: TextBank,
        transformer: QwenImageTransformer2DModel, controlnet: QwenImageControlNetModel | None,
    ) -> None:  # fmt: skip
        super().__init__(bundle, device, dtype, codec, texts)
        self.transformer = transformer
        self.controlnet = None if controlnet is None else QwenImageMultiControlNetModel([controlnet])
        for field, network in (("components.transformer", transformer), ("controls", controlnet)):
            if network is not None and network.config.in_channels != codec.channels * PATCH**2:
                raise unfit(
                    bundle, field, "this network takes another number of channels", str(codec.channels * PATCH**2),
                    network.config.in_channels,
                )  # fmt: skip
        if controlnet is not None and controlnet.config.extra_condition_channels:
            raise unfit(
                bundle, "controls", "an inpainting ControlNet takes no depth or pose", "a union ControlNet", "mask"
            )
        self.controls = list(controls_of(bundle))
        self.scales = [scale_of(bundle, name) for name in self.controls]
        self.takes = listens(bundle, "text")
        self.space = LatentSpace(codec.channels, codec.factor, native(bundle, codec.factor, PATCH), PATCH)

    def _schedule(self, config: Mapping[str, object], steps: int) -> Schedule:
        """The pipeline's own levels, shifted for the tokens of the model's own tile: its noise is that of a tile, however
        large the picture is."""
        height, width = self.space.native
        if steps == 1:
            # stretched to end at the terminal level, the one level there is would be lost
            config = {**config, "shift_terminal": None}
        levels = np.linspace(1.0, 1 / steps, steps)
        return schedule_of(config, steps, mu=size_shift(config, height * width // PATCH**2), sigmas=levels)

    def canvases(self, request: PaintRequest) -> dict[str, Canvas]:
        shown = {n: as_rgb(control_picture(request, n, self.device)[None])[0] for n in self.controls}
        return {name: self.keep(self.encode(rgb), 1) for name, rgb in shown.items()}

    def predict(self, batch: TileBatch) -> Tensor:
        slot = self.texts.slots[batch.text]
        count, _, _, height, width = batch.latents.shape
        x = pack(batch.latents.to(self.dtype))
        common = {
            "hidden_states": x,
            "timestep": batch.timestep / 1000,
            "img_shapes": [[(1, height // PATCH, width // PATCH)]] * count,
            "return_dict": False,
        }
        states = slot.positive[0].expand(count, -1, -1)
        samples = None
        if self.controlnet is not None:
            shown = [pack(batch.canvases[name].to(self.dtype)) for name in self.controls]
            samples = self.controlnet(
                controlnet_cond=shown, conditioning_scale=self.scales, encoder_hidden_states=states, **common
            )
        positive = self.transformer(encoder_hidden_states=states, controlnet_block_samples=samples, **common)[0].float()
        if not self.texts.guided:
            return unpack(positive, height, width)
        negative = self.transformer(
            encoder_hidden_states=slot.negative[0].expand(count, -1, -1), controlnet_block_samples=samples, **common
        )[0].float()
        guided = negative + self.texts.guidance * (positive - negative)
        # the pipeline keeps each token as long as it was without guidance
        return unpack(guided * (positive.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True)), height, width)


def pack(latents: Tensor) -> Tensor:
    """[B, C, 1, h, w] to tokens [B, h / 2 * w / 2, C * 4]."""
    tokens = latents[:, :, 0].unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))
    return tokens.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens [B, h / 2 * w / 2, C * 4] to [B, C, 1, h, w]."""
    cells = tokens.unflatten(2, (-1, PATCH, PATCH)).unflatten(1, (height // PATCH, width // PATCH))
    return cells.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)[:, :, None]


def size_shift(config: Mapping[str, object], tokens: int) -> float:
    """mu: larger pictures want more noise (Esser et al. 2024), a straight line in the number of tokens."""
    usual = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": 1.15}
    low, high, least, most = (float(str(config.get(name, value))) for name, value in usual.items())
    return least + (most - least) / (high - low) * (tokens - low)


def open_family(bundle: Bundle, device: str | torch.device, dtype: str | torch.dtype | None) -> QwenImage:
    where = one_device(device)
    numbers = pick_dtype(where, dtype)
    parts = bundle.components
    check_class(parts["text_encoder"], Qwen2_5_VLForConditionalGeneration.__name__)
    check_tokenizer(parts["tokenizer"])
    folders = sorted(set(controls_of(bundle).values()))
    if len(folders) > 1:
        raise unfit(
            bundle, "controls", "Qwen-Image takes one union ControlNet for all conditions", "one folder", len(folders)
        )
    transformer = load(parts["transformer"], QwenImageTransformer2DModel, where, numbers)
    net = load(Path(folders[0]), QwenImageControlNetModel, where, numbers) if folders else None
    codec = VideoCodec(load(parts["vae"], AutoencoderKLQwenImage, where, torch.float32))
    return QwenImage(bundle, where, numbers, codec, TextBank(_text_opener(bundle, where, numbers)), transformer, net)


def _text_opener(bundle: Bundle, device: torch.device, dtype: torch.dtype) -> Callable[[], Encoder]:
    parts, longest = bundle.components, int(option(bundle, "text_tokens"))

    def open_qwen() -> Encoder:
        network = load(parts["text_encoder"], Qwen2_5_VLForConditionalGeneration, device, dtype)
        tokenizer = load_tokenizer(parts["tokenizer"], Qwen2Tokenizer)
        head = QWENIMAGE_PROMPT_TEMPLATE_START_IDX

        def encode(text: str) -> Encoded:
            whole = tokenizer(QWENIMAGE_PROMPT_TEMPLATE.format(text), return_tensors="pt").to(device)  # type: ignore[operator]
            ids = whole.input_ids[:, : longest + head]
            out = network(
                input_ids=ids, attention_mask=whole.attention_mask[:, : longest + head], output_hidden_states=True
            )
            cut = f"text after {longest} tokens" if whole.input_ids.shape[1] > longest + head else ""
            # the template's own head is not shown to the denoiser
            return (out.hidden_states[-1][:, head:].to(dtype),), cut

        return encode

    return open_qwen
