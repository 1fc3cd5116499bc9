"""Wan VACE 2.1 and 2.2: the parts of `WanVACEPipeline`, for windows of frames.

What the model is shown is one video, latent by latent: the plate where nothing is painted (inactive), one mixed control
picture where something is (reactive), and the mask, packed 8x8 pixels to channels. 2.2 has two transformers, for much and for
little noise. Reference pictures are latents before the first; each tile sees them whole, at its own size, and at the
noise of the step, since a reference is known and need not be found again.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import T5Tokenizer, UMT5EncoderModel

from composer.inference.adapter import Canvas, LatentSpace, TileBatch
from composer.inference.families import FAMILIES
from composer.inference.families.codecs import VideoCodec
from composer.inference.families.common import FamilyAdapter, native, one_device, unfit
from composer.inference.families.loading import (
    check_class,
    check_tokenizer,
    load,
    load_tokenizer,
    number,
    option,
    pick_dtype,
)
from composer.inference.families.mixed import mixed_control
from composer.inference.families.pictures import painted, picture
from composer.inference.families.texts import Encoded, Encoder, TextBank
from composer.inference.request import F32, PaintRequest
from composer.inference.schedule_levels import training_steps

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle


class WanVACE(FamilyAdapter):
    def __init__(
        self, bundle: Bundle, device: torch.device, dtype: torch.dtype, codec: VideoCodec, texts: TextBank,
        transformers: tuple[WanVACETransformer3DModel, ...],
    ) -> None:  # fmt: skip
        super().__init__(bundle, device, dtype, codec, texts)
        self.transformers = transformers
        config = transformers[0].config
        channels = 2 * codec.channels + codec.factor**2
        if (config.in_channels, config.vace_in_channels) != (codec.channels, channels):
            raise unfit(
                bundle, "components.transformer", "this transformer takes other numbers of channels",
                f"{codec.channels} and {channels}", f"{config.in_channels} and {config.vace_in_channels}",
            )  # fmt: skip
        self.takes = FAMILIES[bundle.family].takes
        frames = int(option(bundle, "frames"))
        if (frames - 1) % codec.time_factor:
            wanted = f"a multiple of {codec.time_factor} and one more"
            raise unfit(bundle, "options.frames", "a window has whole latents", wanted, frames)
        patch = int(config.patch_size[1])
        size = native(bundle, codec.factor, patch)
        self.space = LatentSpace(codec.channels, codec.factor, size, patch, frames, codec.time_factor)
        self.training_steps = training_steps(self.scheduler_config())
        self.pose_from_px = number(bundle, "pose_from_px")
        self.boundary = number(bundle, "boundary_ratio") * self.training_steps
        self.scale = torch.full((len(config.vace_layers),), number(bundle, "control_scale"), device=device, dtype=dtype)
        self.references = References(self)

    def stage(self, timestep: float) -> int:
        return int(len(self.transformers) > 1 and timestep < self.boundary)

    def work_key(self, text: int) -> tuple[object, ...]:
        return (*super().work_key(text), self.references.number)

    def canvases(self, request: PaintRequest) -> dict[str, Canvas]:
        self.references.set(request.references)
        mask = painted(request, self.device)
        depth, pose = picture(request.depth, self.device), picture(request.pose, self.device)
        control = mixed_control(depth, pose, request.agent_id, self.pose_from_px)
        plate, grey = picture(request.plate, self.device), torch.full_like(control, 0.5)
        # grey is the middle of -1..1: where one of the two shows nothing, the pipeline multiplies by zero
        inactive, reactive = torch.where(mask > 0, grey, plate), torch.where(mask > 0, control, grey)
        shown = torch.cat([self.encode(inactive), self.encode(reactive), self._packed(mask)])
        return {"vace": self.keep(shown, 1)}

    def _packed(self, mask: Tensor) -> Tensor:
        """[1, T, H, W] to [64, T', h, w]: the pixels of a latent as channels, the nearest of its pictures."""
        factor, time = self.space.factor, self.space.time_factor
        cells = mask[0].unflatten(2, (-1, factor)).unflatten(1, (-1, factor)).permute(2, 4, 0, 1, 3).flatten(0, 1)
        count = (cells.shape[1] + time - 1) // time
        return interpolate(cells[None], size=(count, *cells.shape[2:]), mode="nearest-exact")[0]

    def predict(self, batch: TileBatch) -> Tensor:
        network = self.transformers[self.stage(batch.host_timestep)]
        count = len(batch.latents)
        x, control = self.references.before(batch.latents, batch.canvases["vace"], batch.timestep)
        slot = self.texts.slots[batch.text]
        sides = [
            network(
                hidden_states=x.to(self.dtype), timestep=batch.timestep, control_hidden_states=control.to(self.dtype),
                encoder_hidden_states=states[0].expand(count, -1, -1), control_hidden_states_scale=self.scale,
                return_dict=False,
            )[0]
            for states in (slot.negative, slot.positive)
            if states
        ]  # fmt: skip
        return self.texts.guide(torch.cat(sides))[:, :, len(self.references.pictures) :]


class References:
    """Reference pictures as latents before a window's own, for tiles of any size. number: of the set of pictures; while it
    stays, their latents stay where they are."""

    def __init__(self, adapter: WanVACE) -> None:
        self._adapter = adapter
        self.pictures: tuple[F32, ...] = ()
        self.number = 0
        self._by_size: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def set(self, pictures: tuple[F32, ...]) -> None:
        """float32 [h, w, 3] each."""
        same = len(pictures) == len(self.pictures) and all(
            np.array_equal(a, b) for a, b in zip(pictures, self.pictures, strict=True)
        )
        if not same:
            self.pictures, self.number = pictures, self.number + 1
            self._by_size.clear()

    def before(self, latents: Tensor, control: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and control of a batch with the references before them: [B, C, R + T', h, w] each."""
        if not self.pictures:
            return latents, control
        size = (int(latents.shape[3]), int(latents.shape[4]))
        if size not in self._by_size:
            self._by_size[size] = self._latents(size)
        clean, noise = self._by_size[size]
        level = (timestep / self._adapter.training_steps).view(-1, 1, 1, 1, 1)
        noisy = (1 - level) * clean + level * noise
        # a reference stands in the inactive half, its reactive half and its mask are empty
        shown = torch.cat([clean, clean.new_zeros(control.shape[1] - clean.shape[0], *clean.shape[1:])])
        shown = shown.expand(len(latents), *shown.shape)
        return torch.cat([noisy.to(latents.dtype), latents], 2), torch.cat([shown.to(control.dtype), control], 2)

    def _latents(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Clean latents and noise, float32 [C, R, h, w] each; the last reference stands first, as the pipeline stacks them."""
        adapter = self._adapter
        factor = adapter.space.factor
        pairs = []
        for shown in reversed(self.pictures):
            fitted = letterbox(picture(shown[None], adapter.device), (size[0] * factor, size[1] * factor))
            clean = adapter.encode(fitted)
            seed = hashlib.sha256(np.ascontiguousarray(shown).tobytes()).digest()[:8]
            generator = torch.Generator().manual_seed(int.from_bytes(seed, "little") >> 1)
            pairs.append((clean, torch.randn(clean.shape, generator=generator).to(adapter.device)))
        clean, noise = (torch.cat(parts, 1) for parts in zip(*pairs, strict=True))
        return clean, noise


def letterbox(shown: Tensor, size: tuple[int, int]) -> Tensor:
    """[3, 1, h, w] scaled to fit [3, 1, H, W], on white."""
    height, width = shown.shape[2:]
    scale = min(size[0] / height, size[1] / width)
    new = (max(1, int(height * scale)), max(1, int(width * scale)))
    small = interpolate(shown.transpose(0, 1), size=new, mode="bilinear", align_corners=False).transpose(0, 1)
    canvas = torch.ones(3, 1, *size, device=shown.device)
    top, left = (size[0] - new[0]) // 2, (size[1] - new[1]) // 2
    canvas[:, :, top : top + new[0], left : left + new[1]] = small
    return canvas


def open_family(bundle: Bundle, device: str | torch.device, dtype: str | torch.dtype | None) -> WanVACE:
    where = one_device(device)
    numbers = pick_dtype(where, dtype)
    parts = bundle.components
    check_class(parts["text_encoder"], UMT5EncoderModel.__name__)
    check_tokenizer(parts["tokenizer"])
    names = [name for name in ("transformer", "transformer_2") if name in parts]
    networks = tuple(load(parts[name], WanVACETransformer3DModel, where, numbers) for name in names)
    codec = VideoCodec(load(parts["vae"], AutoencoderKLWan, where, torch.float32))
    return WanVACE(bundle, where, numbers, codec, TextBank(_text_opener(bundle, where, numbers)), networks)


def _text_opener(bundle: Bundle, device: torch.device, dtype: torch.dtype) -> Callable[[], Encoder]:
    parts, length = bundle.components, int(option(bundle, "text_tokens"))

    def open_t5() -> Encoder:
        network = load(parts["text_encoder"], UMT5EncoderModel, device, dtype)
        tokenizer = load_tokenizer(parts["tokenizer"], T5Tokenizer)

        def encode(text: str) -> Encoded:
            clean = " ".join(html.unescape(html.unescape(text)).split())
            whole = tokenizer(clean, return_tensors="pt").input_ids.shape[1]  # type: ignore[operator]
            found = tokenizer(  # type: ignore[operator]
                clean, padding="max_length", max_length=length, truncation=True, add_special_tokens=True,
                return_attention_mask=True, return_tensors="pt",
            ).to(device)  # fmt: skip
            states = network(found.input_ids, found.attention_mask).last_hidden_state
            # the model was trained on zeros after the text, which the encoder does not give
            states = states * found.attention_mask[..., None].to(states.dtype)
            return (states.to(dtype),), f"text after {length} tokens" if whole > length else ""

        return encode

    return open_t5
