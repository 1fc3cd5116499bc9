"""Wan VACE against the pipeline itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from support.painting import batch_of, noise_of, request_of, sample

from composer.errors import InputError
from composer.inference.adapter import Adapter
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.families import open_adapter
from composer.inference.families.mixed import mixed_control, tall
from composer.inference.families.wan_vace import letterbox
from composer.inference.request import PaintRequest


def pipeline_of(bundle: Bundle, boundary: float | None) -> WanVACEPipeline:
    """The real pipeline out of the same folders, without its text encoder."""
    parts = bundle.components
    networks = {name: WanVACETransformer3DModel.from_pretrained(parts[name]) for name in parts if "transformer" in name}
    pipe = WanVACEPipeline(
        tokenizer=None, text_encoder=None, vae=AutoencoderKLWan.from_pretrained(parts["vae"]),
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(parts["scheduler"]), boundary_ratio=boundary, **networks,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def expected_of(
    pipe: WanVACEPipeline, adapter: Adapter, request: PaintRequest, latents: torch.Tensor, **more: object
) -> torch.Tensor:  # fmt: skip
    """Latents as the pipeline's own call makes them, with the texts as the adapter encoded them."""
    adapter.prepare(request)
    slot = adapter.texts.slots[0]
    pose, plate = (torch.from_numpy(a).permute(3, 0, 1, 2) for a in (request.pose, request.plate))
    control = mixed_control(torch.from_numpy(request.depth)[None], pose, request.agent_id, 12)
    mask = torch.from_numpy(request.mask)[None]
    video = torch.where(mask > 0.5, control, plate)
    return pipe(
        video=video.permute(1, 0, 2, 3)[None], mask=mask.expand(3, -1, -1, -1).permute(1, 0, 2, 3)[None],
        prompt_embeds=slot.positive[0], negative_prompt_embeds=slot.negative[0] if slot.negative else None,
        height=64, width=64, num_frames=len(request.frames), num_inference_steps=request.steps,
        guidance_scale=request.guidance, latents=latents, output_type="latent", **more,
    ).frames[0]  # fmt: skip


@pytest.mark.parametrize(("variant", "boundary"), [("wan-vace", None), ("wan-vace-2.2", 0.875)])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_our_loop_gives_what_the_pipeline_gives(
    variant: str, boundary: float | None, guidance: float, bundle_folder: Callable[[str], Path],
    adapter_of: Callable[[str], Adapter],
) -> None:  # fmt: skip
    adapter = adapter_of(variant)
    request = request_of(5, guidance=guidance)
    noise = noise_of(request, adapter)
    pipe = pipeline_of(load_bundle(bundle_folder(variant)), boundary)
    expected = expected_of(pipe, adapter, request, noise[None])
    ours = sample(adapter, request, noise, from_noise=True, hold=False)
    assert torch.allclose(ours, expected, atol=3e-5), float((ours - expected).abs().max())


def test_references_are_what_the_pipeline_puts_before_the_window(
    bundle_folder: Callable[[str], Path], adapter_of: Callable[[str], Adapter]
) -> None:
    """One step from pure noise: the pipeline's own reference latents are noise then, as ours are. Later we keep to the known
    reference where it finds it again."""
    adapter = adapter_of("wan-vace")
    levels = np.random.default_rng(3).integers(0, 256, (2, 40, 64, 3)).astype(np.uint8)
    request = request_of(5, steps=1, guidance=1.0, references=tuple((levels / np.float32(255)).astype(np.float32)))
    noise = noise_of(request, adapter)
    adapter.prepare(request)
    _, before = adapter.references._latents((8, 8))
    pipe = pipeline_of(load_bundle(bundle_folder("wan-vace")), None)
    pictures = [PIL.Image.fromarray(p) for p in levels]
    expected = expected_of(pipe, adapter, request, torch.cat([before, noise], 1)[None], reference_images=pictures)[
        :, 2:
    ]
    ours = sample(adapter, request, noise, from_noise=True, hold=False)
    assert torch.allclose(ours, expected, atol=3e-5), float((ours - expected).abs().max())
    without = sample(adapter, replace(request, references=()), noise, from_noise=True, hold=False)
    assert not torch.allclose(without, ours, atol=1e-4)


def test_the_second_transformer_takes_over_below_the_boundary(adapter_of: Callable[[str], Adapter]) -> None:
    adapter = adapter_of("wan-vace-2.2")
    assert [adapter.stage(t) for t in (1000.0, 875.0, 874.9, 10.0)] == [0, 0, 1, 1]
    request = request_of(5)
    prepared = adapter.prepare(request)
    calls = []
    hooks = [
        net.register_forward_hook(lambda *_, number=number: calls.append(number))
        for number, net in enumerate(adapter.transformers)
    ]
    for t in (900.0, 800.0):
        batch = batch_of(adapter, prepared, noise_of(request, adapter), 0, t)
        adapter.denoise(batch)
    for hook in hooks:
        hook.remove()
    assert calls == [0] * 2 + [1] * 2
    assert [adapter_of("wan-vace").stage(t) for t in (900.0, 10.0)] == [0, 0]


def test_near_figures_are_shown_as_pose_and_the_rest_as_depth() -> None:
    ids = np.zeros((1, 40, 60), np.uint32)
    ids[0, 5:30, 10:20] = 7
    ids[0, 10:16, 40:44] = 4_000_000_000
    assert tall(ids[0], 20).sum() == 25 * 10 and tall(ids[0], 6).sum() == 25 * 10 + 6 * 4
    assert not tall(ids[0], 26).any()
    depth, pose = torch.full((1, 1, 40, 60), 0.25), torch.zeros(3, 1, 40, 60)
    pose[0] = 1.0
    mixed = mixed_control(depth, pose, ids, 20)
    near = torch.zeros(40, 60, dtype=torch.bool)
    near[1:34, 6:24] = True  # four pixels around the silhouette
    assert torch.equal(mixed[0, 0] == 1.0, near) and bool((mixed[:, 0][:, ~near] == 0.25).all())


def test_a_reference_is_fitted_on_white() -> None:
    fitted = letterbox(torch.zeros(3, 1, 20, 40), (32, 32))
    assert fitted[:, :, 8:24].abs().max() == 0 and bool(
        (fitted[:, :, :8] == 1).all() and (fitted[:, :, 24:] == 1).all()
    )


def test_a_window_that_is_no_whole_number_of_latents_is_refused(adapter_of: Callable[[str], Adapter]) -> None:
    with pytest.raises(InputError, match="multiple of 4 frames and one more: got 4"):
        adapter_of("wan-vace").prepare(request_of(4))
    with pytest.raises(InputError, match="multiples of 16 px: got 64x72"):
        adapter_of("wan-vace").prepare(request_of(5, size=(72, 64)))


def test_the_sampler_that_wan_ships_with_is_run_in_another_way_and_that_is_noted(
    bundle_folder: Callable[[str], Path], adapter_of: Callable[[str], Adapter], tmp_path: Path
) -> None:
    config = {"_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction", "use_flow_sigmas": True,
              "flow_shift": 3.0, "num_train_timesteps": 1000, "solver_order": 2, "final_sigmas_type": "zero"}  # fmt: skip
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    bundle = load_bundle(bundle_folder("wan-vace"))
    adapter = open_adapter(replace(bundle, components={**bundle.components, "scheduler": tmp_path}))
    assert ["UniPC" in note for note in adapter.notes()] == [True] and adapter_of("wan-vace").notes() == ()
    request = request_of(5, steps=6, guidance=1.0)
    painted = sample(adapter, request, noise_of(request, adapter))
    # both samplers end near each other: the same network, nearly the same way
    other = sample(adapter_of("wan-vace"), request, noise_of(request, adapter))
    assert (painted - other).abs().mean() < 0.3 * other.std()
