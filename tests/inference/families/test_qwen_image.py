"""Qwen-Image against the modular pipeline itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    QwenImageControlNetModel,
    QwenImageTransformer2DModel,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.controlnets.controlnet_qwenimage import QwenImageMultiControlNetModel
from diffusers.modular_pipelines.qwenimage import QwenImageAutoBlocks
from diffusers.modular_pipelines.qwenimage.modular_pipeline import QwenImageModularPipeline, QwenImagePachifier
from support.adapters import nchw
from support.painting import request_of, sample
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from composer.inference.adapter import Adapter
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.families.qwen_image import pack, unpack


def pipeline_of(bundle: Bundle, guidance: float) -> QwenImageModularPipeline:
    """The real modular pipeline out of the same folders."""
    parts = bundle.components
    pipe = QwenImageAutoBlocks().init_pipeline()
    net = QwenImageControlNetModel.from_pretrained(bundle.controls["depth"])
    pipe.update_components(
        text_encoder=Qwen2_5_VLForConditionalGeneration.from_pretrained(parts["text_encoder"]),
        tokenizer=Qwen2Tokenizer.from_pretrained(parts["tokenizer"]),
        vae=AutoencoderKLQwenImage.from_pretrained(parts["vae"]),
        transformer=QwenImageTransformer2DModel.from_pretrained(parts["transformer"]),
        controlnet=QwenImageMultiControlNetModel([net]),
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(parts["scheduler"]),
        guider=ClassifierFreeGuidance(guidance_scale=guidance),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_our_loop_gives_what_the_pipeline_gives(
    guidance: float, bundle_folder: Callable[[str], Path], adapter_of: Callable[[str], Adapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    adapter = adapter_of("qwen-image")
    prompt = replace(request_of().prompts[0], negative="fog")
    request = request_of(guidance=guidance, prompts=(prompt,))
    noise = torch.randn((4, 1, 8, 8), generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
    pipe = pipeline_of(load_bundle(bundle_folder("qwen-image")), guidance)
    raw = pipe(
        prompt=prompt.text, negative_prompt="fog", image=nchw(request.guide), mask_image=nchw(request.mask),
        control_image=[nchw(request.depth).expand(-1, 3, -1, -1), nchw(request.pose)], height=64, width=64, strength=0.75,
        num_inference_steps=4, latents=pack(noise[None]), output="latents",
    )  # fmt: skip
    # its decoder puts mean and deviation back in place
    mean, deviation = (torch.tensor(pipe.vae.config[k]).view(4, 1, 1, 1) for k in ("latents_mean", "latents_std"))
    expected = (raw[0] - mean) / deviation
    ours = sample(adapter, request, noise, first=1)
    assert torch.allclose(ours, expected, atol=3e-5), float((ours - expected).abs().max())


def test_packing_is_the_pipelines_own() -> None:
    latents = torch.rand(2, 4, 1, 6, 8)
    assert torch.equal(pack(latents), QwenImagePachifier().pack_latents(latents))
    assert torch.equal(unpack(pack(latents), 6, 8), latents)


def test_noise_is_that_of_a_tile(adapter_of: Callable[[str], Adapter]) -> None:
    """The shift belongs to the model's own tile: a larger picture has the same levels, and its tiles agree."""
    adapter = adapter_of("qwen-image")
    schedule = adapter.schedule(4)
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(adapter.bundle.components["scheduler"])
    mu = 0.5 + (0.9 - 0.5) / (8192 - 256) * (16 - 256)
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25], mu=mu)
    assert torch.allclose(torch.from_numpy(schedule.sigma), scheduler.sigmas.float(), atol=1e-6)
