"""What a bundle of each family must hold, and which classes its config files may name: nothing else is ever opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Every part that a family may have, by the folder that diffusers gives it.
COMPONENTS = (
    "unet",
    "transformer",
    "transformer_2",
    "vae",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "scheduler",
    "network",
)


@dataclass(frozen=True)
class Kind:
    """classes: component to the classes that its config may name. needs: components that must be there. controls: classes of
    its ControlNets, empty where it takes none. pipelines: beginning of the class in model_index.json. root: the component that
    lies in the base source's own folder, as transformers has it; None where each has a folder."""

    classes: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...]
    controls: tuple[str, ...]
    pipelines: tuple[str, ...]
    root: str | None = None


_SCHEDULERS = tuple(
    f"{name}Scheduler"
    for name in (
        "DDIM", "DDPM", "PNDM", "LCM", "TCD", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "LMSDiscrete",
        "DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep", "KDPM2Discrete",
    )
)  # fmt: skip
_CLIP = ("CLIPTokenizer", "CLIPTokenizerFast")
_FLOW = ("FlowMatchEulerDiscreteScheduler", "UniPCMultistepScheduler", "DPMSolverMultistepScheduler")
_QWEN = ("Qwen2Tokenizer", "Qwen2TokenizerFast")
_T5 = ("T5Tokenizer", "T5TokenizerFast")

#: Families that paint.
KINDS: Mapping[str, Kind] = {
    "sd15": Kind(
        {
            "unet": ("UNet2DConditionModel",),
            "vae": ("AutoencoderKL",),
            "text_encoder": ("CLIPTextModel",),
            "tokenizer": _CLIP,
            "scheduler": _SCHEDULERS,
        },
        ("unet", "vae", "text_encoder", "tokenizer", "scheduler"),
        ("ControlNetModel",),
        ("StableDiffusionPipeline", "StableDiffusionInpaint", "StableDiffusionControlNet"),
    ),
    "sdxl": Kind(
        {
            "unet": ("UNet2DConditionModel",),
            "vae": ("AutoencoderKL",),
            "text_encoder": ("CLIPTextModel",),
            "text_encoder_2": ("CLIPTextModelWithProjection",),
            "tokenizer": _CLIP,
            "tokenizer_2": _CLIP,
            "scheduler": _SCHEDULERS,
        },
        ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"),
        ("ControlNetModel", "ControlNetUnionModel"),
        ("StableDiffusionXL",),
    ),
    "qwen-image": Kind(
        {
            "transformer": ("QwenImageTransformer2DModel",),
            "vae": ("AutoencoderKLQwenImage",),
            "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
            "tokenizer": _QWEN,
            "scheduler": _FLOW,
        },
        ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
        ("QwenImageControlNetModel",),
        ("QwenImage",),
    ),
    "wan-vace": Kind(
        {
            "transformer": ("WanVACETransformer3DModel",),
            "transformer_2": ("WanVACETransformer3DModel",),
            "vae": ("AutoencoderKLWan",),
            "text_encoder": ("UMT5EncoderModel",),
            "tokenizer": _T5,
            "scheduler": _FLOW,
        },
        ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
        (),
        ("WanVACE",),
    ),
    # Muster's own: sd15's networks, small, over pixels rearranged without loss in place of a VAE
    "levy": Kind(
        {
            "unet": ("UNet2DConditionModel",),
            "text_encoder": ("CLIPTextModel",),
            "tokenizer": _CLIP,
            "scheduler": _SCHEDULERS,
        },
        ("unet", "text_encoder", "tokenizer", "scheduler"),
        ("ControlNetModel",),
        ("MusterLevy",),
    ),
}


#: Families that find: holdouts on the plate. One network of transformers each, in the folder itself.
FINDERS: Mapping[str, Kind] = {
    "depth-anything": Kind(
        {"network": ("DepthAnythingForDepthEstimation", "DPTForDepthEstimation")}, ("network",), (), (), "network"
    ),
    "sam2": Kind({"network": ("Sam2VideoModel", "Sam2Model")}, ("network",), (), (), "network"),
}
#: Every family there is.
EVERY: Mapping[str, Kind] = {**KINDS, **FINDERS}


@dataclass(frozen=True)
class Usual:
    """What a new bundle of a family is written with until somebody knows better. native_px: (height, width). steps: for
    preview, draft, final. conditions: besides those of its ControlNets."""

    native_px: tuple[int, int]
    steps: tuple[int, int, int]
    guidance: float
    conditions: tuple[str, ...]


_PAINTED = ("mask", "plate", "guide")
USUAL: Mapping[str, Usual] = {
    "sd15": Usual((512, 512), (6, 16, 30), 7.0, (*_PAINTED, "text")),
    "levy": Usual((768, 768), (4, 8, 8), 1.0, (*_PAINTED, "text")),
    "sdxl": Usual((1024, 1024), (6, 16, 30), 5.0, (*_PAINTED, "text")),
    "qwen-image": Usual((1328, 1328), (6, 16, 40), 4.0, (*_PAINTED, "text")),
    "wan-vace": Usual((480, 832), (6, 16, 40), 5.0, ("depth", "pose", *_PAINTED, "references", "text")),
}
#: The same for those that find. They see the plate, once.
USUAL_FINDERS: Mapping[str, Usual] = {
    "depth-anything": Usual((518, 518), (1, 1, 1), 1.0, ("plate",)),
    "sam2": Usual((1024, 1024), (1, 1, 1), 1.0, ("plate",)),
}


def usual_of(family: str) -> Usual:
    """What a new bundle of any family is written with."""
    return USUAL[family] if family in USUAL else USUAL_FINDERS[family]
