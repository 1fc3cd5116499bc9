"""Model families: each drives its diffusers networks behind `composer.inference.adapter.Adapter`. Loading this loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from composer.errors import InputError, Where
from composer.inference.kinds import KINDS

if TYPE_CHECKING:
    import torch

    from composer.inference.adapter import Adapter
    from composer.inference.bundle import Bundle


@dataclass(frozen=True)
class Family:
    """What a family is made of.

    takes: the most that a bundle of it can take, out of CONDITIONS. controls: conditions that its control networks may
    stand under. options: the plain settings that bundle.yaml may change, with what they are otherwise. module: where
    `open_family` lies. Its parts and their classes stand in `kinds.KINDS`.
    """

    takes: frozenset[str]
    controls: tuple[str, ...]
    module: str
    options: Mapping[str, str | int | float | bool]


_PICTURE = frozenset({"depth", "pose", "normal", "mask", "guide", "text"})
_SCALES: dict[str, float] = {"depth_scale": 1.0, "pose_scale": 1.0, "normal_scale": 1.0}
#: default_prompt: the text where a shot says none.
_EVERY: dict[str, str | int | float | bool] = {"default_prompt": ""}
_HERE = "composer.inference.families"
#: masked_picture: what an inpainting UNet sees beside the noise: the plate with a hole, or the whole guide. unshuffle: pixels a
#: latent along a side of the lossless codec that stands in for a VAE, where there is none. says_change: the UNet says how the
#: picture differs from the one it sees, in place of the whole picture. hold_px: sigma of the averages that a picture keeps of
#: the first prediction. noise_gain: how much the noise grows over the steps, over what the network is told of. beside_px: what
#: the network wants to see about all that is painted, 0: the whole picture. varied: states of wear that texts name, from the
#: least worn and with commas between, which the noise mixes on each man.
_SD15: dict[str, str | int | float | bool] = {
    **_EVERY, **_SCALES, "albedo_scale": 1.0, "masked_picture": "plate", "unshuffle": 2, "says_change": False,
    "hold_px": 0.0, "noise_gain": 1.0, "beside_px": 0, "varied": "",
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    "sd15": Family(
        takes=_PICTURE | {"plate", "albedo"},
        controls=("depth", "pose", "normal", "albedo"),
        module=f"{_HERE}.sd15",
        options=_SD15,
    ),
    "levy": Family(
        takes=_PICTURE | {"plate", "albedo"},
        controls=("depth", "pose", "normal", "albedo"),
        module=f"{_HERE}.sd15",
        options={**_SD15, "masked_picture": "guide"},
    ),
    "sdxl": Family(
        takes=_PICTURE | {"plate"},
        controls=("depth", "pose", "normal", "plate"),
        module=f"{_HERE}.sdxl",
        options={**_EVERY, **_SCALES, "plate_scale": 1.0, "zero_empty_negative": True},
    ),
    "qwen-image": Family(
        takes=_PICTURE,
        controls=("depth", "pose", "normal"),
        module=f"{_HERE}.qwen_image",
        options={**_EVERY, **_SCALES, "text_tokens": 1024},
    ),
    "wan-vace": Family(
        takes=frozenset({"depth", "pose", "id", "mask", "plate", "guide", "references", "text"}),
        controls=(),
        module=f"{_HERE}.wan_vace",
        # pose_from_px: figures at least so tall are shown to the model as pose, smaller ones as depth.
        # boundary_ratio: share of the noise above which the first of two transformers works.
        # frames: pictures of a window, a multiple of four and one more
        options={
            **_EVERY,
            "control_scale": 1.0,
            "pose_from_px": 96,
            "boundary_ratio": 0.875,
            "frames": 81,
            "text_tokens": 512,
        },
    ),
}


def check_shape(bundle: Bundle) -> Family:
    """The bundle's family, once it is known and the bundle has the parts and options that it may have. InputError."""
    at = bundle.folder / "bundle.yaml"
    family = FAMILIES.get(bundle.family)
    if family is None:
        raise InputError(
            "unknown model family", where=Where(at, field="family"), expected=", ".join(FAMILIES), got=bundle.family
        )
    for part in KINDS[bundle.family].needs:
        if part not in bundle.components:
            raise InputError(f"{bundle.family} needs this component", where=Where(at, field=f"components.{part}"))
    for group, given, known in (
        ("controls", bundle.controls, family.controls), ("options", bundle.options, tuple(family.options)),
    ):  # fmt: skip
        for name in given:
            if name not in known:
                raise InputError(
                    f"{bundle.family} does not know this",
                    where=Where(at, field=f"{group}.{name}"),
                    expected=", ".join(sorted(known)) or "nothing",
                )
    return family


def cannot_inpaint(bundle: Bundle) -> str | None:
    """Why a bundle cannot fill a hole in one picture; None where it can."""
    family = FAMILIES.get(bundle.family)
    usual = {} if family is None else family.options
    if int(bundle.options.get("frames", usual.get("frames", 1))) > 1:
        return "it paints windows of frames, not one picture"
    if bundle.options.get("masked_picture", usual.get("masked_picture")) == "guide":
        return "it is shown a whole picture to change, never one with a hole"
    if "mask" not in bundle.conditions:
        return "it takes no mask"
    return None


def open_adapter(bundle: Bundle, device: str | torch.device = "cpu", dtype: str | torch.dtype | None = None) -> Adapter:
    """Load a bundle's networks from its own files and put them on a device: nothing is fetched, and nothing but
    safetensors is read as weights.

    dtype: of the denoiser; None: bfloat16 (float16 on cards without it) on CUDA, float32 on a CPU. The codec stays in
    float32: eight bits of mantissa would band a sky. InputError where a part is missing or of another class.
    """
    family = check_shape(bundle)
    adapter: Adapter = import_module(family.module).open_family(bundle, device, dtype)
    adapter.schedule(1)  # a sampler that cannot be run is told now, not after the guides are made
    return adapter
