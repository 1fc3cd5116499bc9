"""SDXL against the pipeline itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetUnionModel,
    EulerDiscreteScheduler,
    StableDiffusionXLControlNetUnionInpaintPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from support.adapters import nchw
from support.painting import batch_of, noise_of, request_of, sample
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from composer.inference.adapter import Adapter
from composer.inference.bundle import Bundle, load_bundle

MODES = {"pose": 0, "depth": 1, "normal": 4, "plate": 7}


def pipeline_of(bundle: Bundle) -> StableDiffusionXLControlNetUnionInpaintPipeline:
    """The real pipeline out of the same folders."""
    parts = bundle.components
    pipe = StableDiffusionXLControlNetUnionInpaintPipeline(
        vae=AutoencoderKL.from_pretrained(parts["vae"]),
        text_encoder=CLIPTextModel.from_pretrained(parts["text_encoder"]),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(parts["text_encoder_2"]),
        tokenizer=CLIPTokenizer.from_pretrained(parts["tokenizer"]),
        tokenizer_2=CLIPTokenizer.from_pretrained(parts["tokenizer_2"]),
        unet=UNet2DConditionModel.from_pretrained(parts["unet"]),
        controlnet=ControlNetUnionModel.from_pretrained(bundle.controls["depth"]),
        scheduler=EulerDiscreteScheduler.from_pretrained(parts["scheduler"]), add_watermarker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (4.0, None), (4.0, "fog")])
def test_our_loop_gives_what_the_pipeline_gives(
    guidance: float, negative: str | None, bundle_folder: Callable[[str], Path], adapter_of: Callable[[str], Adapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    adapter = adapter_of("sdxl")
    request = request_of(guidance=guidance)
    prompt = replace(request.prompts[0], negative=negative or "")
    request = replace(request, plate=request.guide, prompts=(prompt,))
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
    hole = nchw(request.guide) * (1 - nchw(request.mask))
    shown = {"pose": nchw(request.pose), "depth": nchw(request.depth).expand(-1, 3, -1, -1),
             "normal": nchw(request.normal), "plate": hole}  # fmt: skip
    expected = pipeline_of(load_bundle(bundle_folder("sdxl")))(
        prompt=prompt.text, negative_prompt=negative, image=nchw(request.guide), mask_image=nchw(request.mask),
        control_image=list(shown.values()), control_mode=[MODES[n] for n in shown], height=64, width=64, strength=0.75,
        num_inference_steps=4, guidance_scale=guidance, generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images[0]  # fmt: skip
    ours = sample(adapter, request, noise[0][:, None], first=1)[:, 0]
    assert torch.allclose(ours, expected, atol=3e-5), float((ours - expected).abs().max())


def test_a_tile_knows_its_place_in_the_picture(adapter_of: Callable[[str], Adapter]) -> None:
    """The micro-conditions are those of the pipeline's `crops_coords_top_left`: height, width, top, left, then the tile."""
    adapter = adapter_of("sdxl")
    request = request_of(size=(128, 2304))
    prepared = adapter.prepare(request)
    whole = batch_of(adapter, prepared, noise_of(request, adapter), 0, 500.0)
    rows, columns = slice(4, 12), slice(270, 286)
    cut = replace(whole, latents=whole.latents[..., rows, columns], places=torch.tensor([[4, 270]], dtype=torch.int32))
    assert adapter._time_ids(cut).tolist() == [[128, 2304, 32, 2160, 64, 128]]
    assert adapter._time_ids(whole).tolist() == [[128, 2304, 0, 0, 128, 2304]]


def test_repaint_sees_the_plate_but_not_the_hole(adapter_of: Callable[[str], Adapter]) -> None:
    adapter, request = adapter_of("sdxl"), request_of()
    changed = request.plate.copy()
    changed[:, 16:48, 16:48] = 0.9
    shown = [
        adapter.prepare(replace(request, plate=p)).canvases["plate"].data for p in (request.plate, changed, changed / 2)
    ]
    assert torch.equal(shown[0], shown[1]) and not torch.equal(shown[0], shown[2])


def test_tiles_of_a_batch_do_not_see_each_other(adapter_of: Callable[[str], Adapter]) -> None:
    """diffusers' union network attends across the batch; as it is, a tile's picture would depend on the batch it is in."""
    block = adapter_of("sdxl").controlnet.transformer_layes[0]
    tokens = torch.randn(3, 5, block.attn.embed_dim)
    alone = torch.cat([block(t[None]) for t in tokens])
    assert torch.allclose(block(tokens), alone, atol=1e-6)
    # what it replaces is the same for one picture and its twin, and not for others
    own = type(block).attention
    assert torch.allclose(
        own(block, tokens[:1].repeat(2, 1, 1)), block.attention(tokens[:1].repeat(2, 1, 1)), atol=1e-6
    )
    assert not torch.allclose(own(block, tokens), block.attention(tokens), atol=1e-3)
