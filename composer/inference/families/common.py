"""What the families share: an adapter's outside, the schedule out of the bundle, and how a request becomes `Prepared`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from composer.errors import InputError, Where
from composer.inference.adapter import Canvas, Codec, LatentSpace, Prepared, Schedule, TileBatch
from composer.inference.families import FAMILIES
from composer.inference.families.loading import option, read_config
from composer.inference.families.pictures import check_size, dropped, picture, texts_of
from composer.inference.families.texts import TextBank
from composer.inference.request import CONDITIONS, PaintRequest
from composer.inference.schedule import schedule_of, substitution
from composer.inference.varied import STATES, reworded

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle


class FamilyAdapter:
    """An `Adapter` but for what the denoiser sees: `canvases` and `predict` are each family's own. wears: states of wear that
    its texts name, from the least worn, of which some are mixed (see `varied`); empty: none."""

    family: str
    takes: frozenset[str]
    space: LatentSpace
    wears: tuple[str, ...] = ()

    def __init__(self, bundle: Bundle, device: torch.device, dtype: torch.dtype, codec: Codec, texts: TextBank) -> None:
        self.family = bundle.family
        self.bundle, self.device, self.dtype = bundle, device, dtype
        self.texts = texts
        self._codec = codec

    def codec(self) -> Codec:
        return self._codec

    def scheduler_config(self) -> Mapping[str, object]:
        return read_config(self.bundle.components["scheduler"], "scheduler_config.json")

    def schedule(self, steps: int) -> Schedule:
        try:
            return self._schedule(self.scheduler_config(), steps)
        except InputError as error:
            at = Where(self.bundle.components["scheduler"] / "scheduler_config.json")
            raise InputError(error.what, where=at, expected=error.expected, got=error.got, hint=error.hint) from error

    def _schedule(self, config: Mapping[str, object], steps: int) -> Schedule:
        return schedule_of(config, steps)

    def notes(self) -> tuple[str, ...]:
        """What is run in place of what the bundle names, for the record."""
        note = substitution(self.scheduler_config())
        return (note,) if note else ()

    def stage(self, timestep: float) -> int:
        """Which of the family's networks works at a timestep."""
        return 0

    def work_key(self, text: int) -> tuple[object, ...]:
        """Where the text's embeddings lie (the bank keeps them there), and how strongly they guide."""
        slot = self.texts.slots[text]
        return (self.texts.guidance, *(tensor.data_ptr() for tensor in (*slot.positive, *slot.negative)))

    @torch.no_grad()
    def prepare(self, request: PaintRequest) -> Prepared:
        check_size(request, self.space)
        texts = texts_of(request, self.space, self.device, str(option(self.bundle, "default_prompt")))
        others = reworded(texts.prompts, self.wears) if self.wears else ()
        cut = self.texts.set((*texts.prompts, *others), request.guidance)
        known = self.encode(picture(request.guide, self.device))
        lost = dropped(request, self.takes) + cut
        return Prepared(known, self.canvases(request), texts.weights, lost, STATES if self.wears else 0)

    @torch.no_grad()
    def denoise(self, batch: TileBatch) -> Tensor:
        return self.predict(batch)

    def canvases(self, request: PaintRequest) -> dict[str, Canvas]:
        """The family's conditions for the whole picture."""
        raise NotImplementedError

    def predict(self, batch: TileBatch) -> Tensor:
        """[B, C, T', h, w], guidance done."""
        raise NotImplementedError

    def encode(self, pictures: Tensor) -> Tensor:
        """[3, T, H, W] in 0..1 to latents float32 [C, T', h, w]."""
        return self._codec.encode(pictures[None])[0].float()

    def keep(self, tensor: Tensor, scale: int) -> Canvas:
        """A canvas in the denoiser's own numbers. tensor: [C, T, H, W]."""
        return Canvas(tensor.to(self.dtype), scale)


def native(bundle: Bundle, factor: int, multiple: int) -> tuple[int, int]:
    """The model's own tile in latents, whole multiples of what its network halves."""
    step = factor * multiple
    height, width = (max(1, round(side / step)) * multiple for side in bundle.native_px)
    return height, width


def controls_of(bundle: Bundle) -> dict[str, str]:
    """The control networks' folders: condition -> folder, in the order of CONDITIONS."""
    return {name: str(bundle.controls[name]) for name in CONDITIONS if name in bundle.controls}


def control_picture(request: PaintRequest, name: str, device: torch.device) -> Tensor:
    """float32 [1 or 3, T, H, W] in 0..1: the guide that a control network stands under."""
    shown = {"depth": request.depth, "pose": request.pose, "normal": request.normal, "albedo": request.albedo}
    return picture(shown[name], device)


def as_rgb(tensor: Tensor) -> Tensor:
    """[B, 1 or 3, ...] to three channels."""
    return tensor.expand(-1, 3, *tensor.shape[2:])


def scale_of(bundle: Bundle, name: str) -> float:
    """How strongly a condition works."""
    return float(option(bundle, f"{name}_scale"))


def unfit(bundle: Bundle, field: str, what: str, expected: str, got: object) -> InputError:
    """A component whose config this family cannot drive."""
    return InputError(what, where=Where(bundle.folder / "bundle.yaml", field=field), expected=expected, got=str(got))


def check_reach(bundle: Bundle, name: str, controlnet: torch.nn.Module, factor: int) -> None:
    """InputError where a ControlNet shrinks its picture to another size than the codec does."""
    reach = 2 ** (len(controlnet.config.conditioning_embedding_out_channels) - 1)  # type: ignore[union-attr,arg-type]
    if reach != factor:
        raise unfit(
            bundle,
            f"controls.{name}",
            "this ControlNet is made for another codec",
            f"{factor} px a latent",
            f"{reach} px",
        )


def listens(bundle: Bundle, *more: str) -> frozenset[str]:
    """What this very bundle takes: its controls, and what its family always does."""
    return (frozenset(bundle.controls) | {"mask", "guide", *more}) & FAMILIES[bundle.family].takes


def one_device(device: str | torch.device) -> torch.device:
    """The device, once it is there. InputError."""
    found = torch.device(device)
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device", hint="use --device cpu")
    return found
