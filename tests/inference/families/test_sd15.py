"""Stable Diffusion 1.5 against the pipeline itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetInpaintPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from support.adapters import nchw
from support.painting import batch_of, noise_of, request_of, sample
from transformers import CLIPTextModel, CLIPTokenizer

from composer.errors import InputError
from composer.inference.adapter import Adapter
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.families import open_adapter


def pipeline_of(bundle: Bundle) -> StableDiffusionControlNetInpaintPipeline:
    """The real pipeline out of the same folders."""
    parts = bundle.components
    nets = [ControlNetModel.from_pretrained(bundle.controls[name]) for name in ("depth", "pose")]
    pipe = StableDiffusionControlNetInpaintPipeline(
        vae=AutoencoderKL.from_pretrained(parts["vae"]),
        text_encoder=CLIPTextModel.from_pretrained(parts["text_encoder"]),
        tokenizer=CLIPTokenizer.from_pretrained(parts["tokenizer"]),
        unet=UNet2DConditionModel.from_pretrained(parts["unet"]),
        controlnet=MultiControlNetModel(nets),
        scheduler=DDIMScheduler.from_pretrained(parts["scheduler"]),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("variant", ["sd15", "sd15-inpaint"])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_our_loop_gives_what_the_pipeline_gives(
    variant: str, guidance: float, bundle_folder: Callable[[str], Path], adapter_of: Callable[[str], Adapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Four steps, of which strength leaves out the first; the same noise; the picture to paint is also the plate, as the
    pipeline has one for both. It samples where we take the mean of the latents."""
    adapter = adapter_of(variant)
    request = request_of(guidance=guidance)
    request = replace(request, plate=request.guide)
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
    expected = pipeline_of(load_bundle(bundle_folder(variant)))(
        prompt=request.prompts[0].text, negative_prompt="", image=nchw(request.guide), mask_image=nchw(request.mask),
        control_image=[nchw(request.depth).expand(-1, 3, -1, -1), nchw(request.pose)], height=64, width=64, strength=0.75,
        num_inference_steps=4, guidance_scale=guidance, generator=torch.Generator().manual_seed(5), output_type="latent",
        controlnet_conditioning_scale=1.0,
    ).images[0]  # fmt: skip
    # an inpainting UNet's pipeline does not put the known latents back
    ours = sample(adapter, request, noise[0][:, None], first=1, hold=variant == "sd15")[:, 0]
    assert torch.allclose(ours, expected, atol=3e-5), float((ours - expected).abs().max())


def test_the_hole_is_shown_to_an_inpainting_unet(adapter_of: Callable[[str], Adapter]) -> None:
    adapter, plain = adapter_of("sd15-inpaint"), adapter_of("sd15")
    request = request_of()
    inside = request.plate.copy()
    inside[:, 16:48, 16:48] = 0.9
    elsewhere = request.plate * 0.5

    def predicted(who: Adapter, **changes: object) -> torch.Tensor:
        changed = replace(request, **changes)
        return who.denoise(batch_of(who, who.prepare(changed), noise_of(changed, who), 0, 500.0))

    assert torch.equal(predicted(adapter, plate=inside), predicted(adapter)), (
        "the plate inside the mask must not be seen"
    )
    assert not torch.allclose(predicted(adapter, plate=elsewhere), predicted(adapter))
    assert not torch.allclose(predicted(adapter, mask=1 - request.mask), predicted(adapter))
    assert torch.equal(predicted(plain, plate=elsewhere), predicted(plain)) and "plate" not in plain.takes


def test_conditions_that_share_a_folder_share_a_network(bundle_folder: Callable[[str], Path], tmp_path: Path) -> None:
    """Depth with normals and albedo in one ControlNet of seven channels, zeros for a text, and pixels for latents: the class
    that a small model of our own is made of."""
    bundle = load_bundle(bundle_folder("sd15-inpaint"))
    shared = {"block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 8, "attention_head_dim": 2,
              "norm_num_groups": 4, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "in_channels": 12}  # fmt: skip
    net = ControlNetModel(conditioning_channels=7, conditioning_embedding_out_channels=(4, 8), **shared)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    net.save_pretrained(tmp_path / "controlnet")
    unet = UNet2DConditionModel(
        out_channels=12, up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **{**shared, "in_channels": 25}
    )
    unet.save_pretrained(tmp_path / "unet")
    own = replace(
        bundle, components={"unet": tmp_path / "unet", "scheduler": bundle.components["scheduler"]},
        controls={name: tmp_path / "controlnet" for name in ("albedo", "depth", "normal")},
        options={"masked_picture": "guide"},
    )  # fmt: skip
    with pytest.raises(InputError, match="sd15 needs this component"):
        open_adapter(own)
    from composer.inference.families.sd15 import open_family

    adapter = open_family(own, "cpu", None)
    assert adapter.takes == {"depth", "normal", "albedo", "mask", "guide"} and adapter.space.factor == 2
    request = request_of(size=(64, 64))

    def predicted(**changes: object) -> torch.Tensor:
        changed = replace(request, **changes)
        return adapter.denoise(batch_of(adapter, adapter.prepare(changed), noise_of(changed, adapter), 0, 500.0))

    base = predicted()
    for name in ("normal", "albedo"):
        assert not torch.allclose(predicted(**{name: 0 * getattr(request, name)}), base)
    assert not torch.allclose(predicted(depth=0 * request.depth), base)
    assert not torch.allclose(predicted(guide=0 * request.guide), base)
    video = torch.rand(1, 3, 1, 64, 64)
    assert torch.allclose(adapter.codec().decode(adapter.codec().encode(video)), video, atol=1e-6)
