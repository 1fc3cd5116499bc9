"""Stable Diffusion 1.5's class: the parts of `StableDiffusionControlNetInpaintPipeline` with `MultiControlNetModel`.

The UNet is a plain one (4 channels in) or an inpainting one (9: noise, mask, picture with a hole). Conditions that stand
under one control folder go into that network together, as channels. Without a VAE the latents are a lossless rearrangement
of pixels; without a text encoder the model is told zeros. The scheduler's config says what the network predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from torch import Tensor
from transformers import CLIPTextModel

from composer.inference.adapter import Canvas, Codec, LatentSpace, Schedule, TileBatch
from composer.inference.families.clip import ClipText
from composer.inference.families.codecs import PictureCodec, UnshuffleCodec
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
from composer.inference.families.pictures import any_in, painted, picture
from composer.inference.families.texts import Encoded, Encoder, TextBank
from composer.inference.networks import PictureEmbedding, share_where_plain, sided
from composer.inference.request import PaintRequest
from composer.inference.schedule import inflated
from composer.inference.varied import STATES

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle


#: The widest averages that are held, sigma, the most that noise may grow, and that is seen beside what is painted.
MOST_HOLD_PX, MOST_NOISE_GAIN, MOST_BESIDE_PX = 64.0, 4.0, 1024


@dataclass(frozen=True)
class Control:
    """One ControlNet's input. names: its conditions, in order. rgb: depth goes in as three equal channels. scale: of its
    output. embed: its first layers, which see the whole picture once instead of each tile at each step."""

    names: tuple[str, ...]
    rgb: bool
    scale: float
    embed: PictureEmbedding

    @property
    def canvas(self) -> str:
        return " and ".join(self.names)

    def shown(self, request: PaintRequest, device: torch.device) -> Tensor:
        """float32 [1, channels, H, W] in 0..1."""
        parts = [control_picture(request, name, device).transpose(0, 1) for name in self.names]
        return torch.cat([as_rgb(part) if self.rgb else part for part in parts], 1)


class SD15(FamilyAdapter):
    def __init__(
        self, bundle: Bundle, device: torch.device, dtype: torch.dtype, codec: Codec, texts: TextBank,
        unet: UNet2DConditionModel, nets: list[ControlNetModel], controls: list[Control],
    ) -> None:  # fmt: skip
        super().__init__(bundle, device, dtype, codec, texts)
        self.unet, self.controls = unet, controls
        self.controlnet = MultiControlNetModel(nets).eval()
        self._shares = share_where_plain(unet, *nets)
        latent_channels = codec.channels  # type: ignore[attr-defined]
        self.inpaints = unet.config.in_channels == 2 * latent_channels + 1
        if not self.inpaints and unet.config.in_channels != latent_channels:
            raise unfit(
                bundle, "components.unet", "this UNet takes another number of channels",
                f"{latent_channels} or, with mask and masked picture, {2 * latent_channels + 1}", unet.config.in_channels,
            )  # fmt: skip
        self._sees_guide = self.inpaints and option(bundle, "masked_picture") == "guide"
        if option(bundle, "masked_picture") not in ("plate", "guide"):
            raise unfit(
                bundle, "options.masked_picture", "unknown picture", "plate or guide", option(bundle, "masked_picture")
            )
        more = ("plate",) if self.inpaints and not self._sees_guide else ()
        self._says_change = bool(option(bundle, "says_change"))
        if self._says_change and not self.inpaints:
            raise unfit(bundle, "options.says_change", "this UNet sees no picture to change", "false", True)
        self.takes = listens(bundle, *more, *(("text",) if "text_encoder" in bundle.components else ()))
        self.wears = self._wears()
        self._noise_gain = self._of_clean("noise_gain", 1, MOST_NOISE_GAIN)
        multiple = 2 ** (len(unet.config.block_out_channels) - 1)
        self.space = LatentSpace(
            latent_channels, codec.factor, native(bundle, codec.factor, multiple), multiple,
            hold=self._of_clean("hold_px", 0, MOST_HOLD_PX) / codec.factor, beside=self._beside_px(),
        )  # fmt: skip

    def _wears(self) -> tuple[str, ...]:
        states = tuple(s.strip() for s in str(option(self.bundle, "varied")).split(",") if s.strip())
        if states and (len(set(states)) <= STATES or len(set(states)) < len(states)):
            raise unfit(
                self.bundle,
                "options.varied",
                "too few states of wear",
                f"at least {STATES + 1}, each once",
                len(states),
            )
        if states and ("vae" in self.bundle.components or self._predicts() != "sample"):
            raise unfit(
                self.bundle, "options.varied", "this network does not predict clean pixels",
                "prediction_type: sample, and no vae", self._predicts(),
            )  # fmt: skip
        return states

    def _predicts(self) -> object:
        return self.scheduler_config().get("prediction_type")

    def _beside_px(self) -> int:
        value = option(self.bundle, "beside_px")
        if not isinstance(value, int) or not 0 <= value <= MOST_BESIDE_PX:
            raise unfit(self.bundle, "options.beside_px", "out of range", f"0 to {MOST_BESIDE_PX}, whole", value)
        return value

    def _of_clean(self, name: str, least: float, most: float) -> float:
        """One of the bundle's options that, unless it is at its least, asks for a network that predicts the clean picture."""
        value, where = float(option(self.bundle, name)), f"options.{name}"
        if not least <= value <= most:
            raise unfit(self.bundle, where, "out of range", f"{least:g} to {most:g}", value)
        predicts = self._predicts()
        if value != least and predicts != "sample":
            raise unfit(
                self.bundle,
                where,
                "this network does not predict the clean picture",
                "prediction_type: sample",
                predicts,
            )
        return value

    def _schedule(self, config: Mapping[str, object], steps: int) -> Schedule:
        schedule = super()._schedule(config, steps)
        return schedule if self._noise_gain == 1 else inflated(schedule, self._noise_gain)

    def canvases(self, request: PaintRequest) -> dict[str, Canvas]:
        factor = self.space.factor
        found = {
            c.canvas: self.keep(c.embed(c.shown(request, self.device).to(self.dtype)).transpose(0, 1), 1)
            for c in self.controls
        }
        if self.inpaints:
            mask = painted(request, self.device)
            found["mask"] = self.keep(any_in(mask, factor), 1)
            if self._sees_guide:
                seen = picture(request.guide, self.device)
            else:
                # the hole is grey, the middle of -1..1, as the pipeline has it
                seen = torch.lerp(picture(request.plate, self.device), torch.full_like(mask, 0.5), mask)
            found["masked"] = self.keep(self.encode(seen), 1)
        return found

    def predict(self, batch: TileBatch) -> Tensor:
        count = len(batch.latents)
        sides = 2 if self.texts.guided else 1
        cuts = {name: c[:, :, 0].to(self.dtype) for name, c in batch.canvases.items()}
        states = self.texts.slots[batch.text].both(0, 1 if self._shares else count)
        x = sided(batch.latents[:, :, 0].to(self.dtype), sides)
        t = batch.timestep.repeat(sides)
        down, middle = None, None
        if self.controls:
            down, middle = self.controlnet(
                x, t, states, [sided(cuts[c.canvas], sides) for c in self.controls],
                [c.scale for c in self.controls], return_dict=False,
            )  # fmt: skip
        if self.inpaints:
            beside = torch.cat([cuts["mask"], cuts["masked"]], 1)
            x = torch.cat([x, sided(beside, sides)], 1)
        out = self.unet(
            x, t, encoder_hidden_states=states, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip
        out = self.texts.guide(out)
        return (out + cuts["masked"] if self._says_change else out)[:, :, None]


def open_family(bundle: Bundle, device: str | torch.device, dtype: str | torch.dtype | None) -> SD15:
    where = one_device(device)
    numbers = pick_dtype(where, dtype or _own_dtype(bundle, where))
    parts = bundle.components
    texts = TextBank(_text_opener(bundle, where, numbers))
    unet = load(parts["unet"], UNet2DConditionModel, where, numbers)
    codec = (
        PictureCodec(load(parts["vae"], AutoencoderKL, where, torch.float32))
        if "vae" in parts
        else UnshuffleCodec(int(option(bundle, "unshuffle")))
    )
    nets, controls = _load_controls(bundle, where, numbers, codec.factor)
    return SD15(bundle, where, numbers, codec, texts, unet, nets, controls)


def _own_dtype(bundle: Bundle, device: torch.device) -> torch.dtype | None:
    """Levy is trained in bfloat16: a CPU that multiplies in it paints in half the time."""
    fast = bundle.family == "levy" and device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else None


def _text_opener(bundle: Bundle, device: torch.device, dtype: torch.dtype) -> Callable[[], Encoder]:
    """What loads the text encoder; for a bundle without one, zeros as wide as the UNet wants."""
    parts = bundle.components
    if "text_encoder" in parts:
        check_class(parts["text_encoder"], CLIPTextModel.__name__)
        if "tokenizer" not in parts:
            raise unfit(bundle, "components.tokenizer", "a text encoder needs its tokenizer", "a folder", "none")
        check_tokenizer(parts["tokenizer"])

        def open_clip() -> Encoder:
            clip = ClipText(parts["text_encoder"], parts["tokenizer"], CLIPTextModel, device, dtype)

            def encode(text: str) -> Encoded:
                states, cut = clip.last(text)
                return (states.to(dtype),), cut

            return encode

        return open_clip
    width = int(check_class(parts["unet"], UNet2DConditionModel.__name__)["cross_attention_dim"])  # type: ignore[call-overload]
    zeros = torch.zeros(1, 1, width, device=device, dtype=dtype)
    return lambda: lambda text: ((zeros,), "")


def _load_controls(
    bundle: Bundle, device: torch.device, dtype: torch.dtype, factor: int
) -> tuple[list[ControlNetModel], list[Control]]:
    """The control networks, and what each is shown: conditions that share a folder share its network."""
    shared: dict[str, list[str]] = {}
    for name, folder in controls_of(bundle).items():
        shared.setdefault(folder, []).append(name)
    nets, controls = [], []
    for folder, names in shared.items():
        net = load(Path(folder), ControlNetModel, device, dtype)
        channels = int(net.config.conditioning_channels)
        plain = sum(1 if name == "depth" else 3 for name in names)
        if channels not in (plain, 3 * len(names)):
            raise unfit(
                bundle, f"controls.{names[0]}", f"this ControlNet does not take {' with '.join(names)}",
                f"{plain} or {3 * len(names)} channels", channels,
            )  # fmt: skip
        nets.append(net)
        check_reach(bundle, names[0], net, factor)
        rgb, scale = channels == 3 * len(names), scale_of(bundle, names[0])
        controls.append(Control(tuple(names), rgb, scale, PictureEmbedding(net)))
    return nets, controls
