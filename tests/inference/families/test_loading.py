"""A bundle that is not what it says gives one clear error, and only safetensors of the right class are ever opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from support.bundles import VARIANTS
from support.painting import batch_of, noise_of, request_of

from composer.errors import InputError, MachineError
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_verify import verify_bundle
from composer.inference.families import FAMILIES, open_adapter
from composer.inference.families.loading import load, pick_dtype
from composer.inference.kinds import KINDS


@pytest.fixture
def copy_of(bundle_folder: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Bundle]:
    """A tiny bundle to spoil."""

    def copy(variant: str) -> Bundle:
        shutil.copytree(bundle_folder(variant), tmp_path / "copy")
        return load_bundle(tmp_path / "copy")

    return copy


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tiny_bundle_passes_the_check_of_bundles(variant: str, bundle_folder: Callable[[str], Path]) -> None:
    """So what the families' tests open is what a studio may have."""
    verified = verify_bundle(load_bundle(bundle_folder(variant)))
    assert verified.parameters > 10_000


def _refused(bundle: Bundle, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        open_adapter(bundle)
    line = str(caught.value)
    assert "\n" not in line and all(word in line for word in words), line


PARTS = [(family, part) for family in FAMILIES for part in KINDS[family].needs if part not in ("scheduler",)]


@pytest.mark.parametrize(("family", "part"), PARTS)
def test_a_component_whose_files_are_gone_is_named(family: str, part: str, copy_of: Callable[[str], Bundle]) -> None:
    """A text encoder too, though it is loaded only when a text is met."""
    bundle = copy_of(family)
    shutil.rmtree(bundle.components[part])
    _refused(bundle, f"/{part}")


@pytest.mark.parametrize(("family", "part"), [p for p in PARTS if "tokenizer" not in p[1]])
def test_a_component_of_another_class_is_named(family: str, part: str, copy_of: Callable[[str], Bundle]) -> None:
    bundle = copy_of(family)
    path = bundle.components[part] / "config.json"
    config = json.loads(path.read_text())
    config |= {"_class_name": "FluxTransformer2DModel"} if "_class_name" in config else {"architectures": ["BertModel"]}
    path.write_text(json.dumps(config))
    _refused(bundle, f"{part}/config.json: a model component is of another class: expected", "got")


def test_a_scheduler_that_is_not_known_is_named(copy_of: Callable[[str], Bundle]) -> None:
    bundle = copy_of("sd15")
    (bundle.components["scheduler"] / "scheduler_config.json").write_text('{"_class_name": "DancingScheduler"}')
    _refused(bundle, "scheduler_config.json", "sampler is not known", "DancingScheduler")


@pytest.mark.parametrize("change", ["missing", "misshapen"])
def test_weights_that_do_not_fit_their_config_are_refused(change: str, copy_of: Callable[[str], Bundle]) -> None:
    """The libraries would draw them at random and go on."""
    bundle = copy_of("sd15")
    path = bundle.components["unet"] / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    if change == "missing":
        del weights["conv_in.weight"]
    else:
        weights["conv_in.weight"] = torch.zeros(3, 3)
    path.unlink()
    save_file(weights, path)
    _refused(bundle, "/unet", "conv_in.weight")


def test_text_weights_that_are_missing_are_refused_when_a_text_is_met(copy_of: Callable[[str], Bundle]) -> None:
    bundle = copy_of("sd15")
    path = bundle.components["text_encoder"] / "model.safetensors"
    weights = load_file(path)
    name = next(n for n in weights if n.endswith("final_layer_norm.weight"))
    del weights[name]
    path.unlink()
    save_file(weights, path)
    adapter = open_adapter(bundle)
    with pytest.raises(InputError, match=r"final_layer_norm\.weight"):
        adapter.prepare(request_of())


def test_a_card_that_is_too_small_is_the_machine_s_fault(
    bundle_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    folder = load_bundle(bundle_folder("sd15")).components["unet"]
    with monkeypatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "to", full)
        with pytest.raises(MachineError, match="does not hold this UNet2DConditionModel: expected 0"):
            load(folder, UNet2DConditionModel, torch.device("cpu"), torch.float32)


def test_a_pickle_is_never_opened(copy_of: Callable[[str], Bundle]) -> None:
    bundle = copy_of("sd15")
    folder = bundle.components["unet"]
    path = folder / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), folder / "diffusion_pytorch_model.bin")
    path.unlink()
    _refused(bundle, "/unet", "no weights", "safetensors")
    path.write_bytes((folder / "diffusion_pytorch_model.bin").read_bytes())
    _refused(bundle, "/unet", "does not load")


def test_weights_under_a_half_precision_name_are_found(copy_of: Callable[[str], Bundle]) -> None:
    folder = copy_of("sd15").components["unet"]
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    assert load(folder, UNet2DConditionModel, torch.device("cpu"), torch.bfloat16).dtype == torch.bfloat16


def test_what_the_family_does_not_know_is_refused(bundle_folder: Callable[[str], Path]) -> None:
    bundle = load_bundle(bundle_folder("sd15"))
    nowhere = Path("nowhere")
    _refused(replace(bundle, family="sd99"), "unknown model family", "sd15", "sd99")
    _refused(replace(bundle, options={"depth_scael": 1.0}), "options.depth_scael", "depth_scale")
    _refused(replace(bundle, options={"depth_scale": "much"}), "options.depth_scale", "float", "much")
    _refused(replace(bundle, options={"masked_picture": "sky"}), "masked_picture", "plate or guide")
    _refused(replace(bundle, options={"says_change": True}), "says_change", "no picture to change")
    _refused(replace(bundle, options={"hold_px": 2.0}), "hold_px", "does not predict the clean picture", "sample")
    _refused(replace(bundle, options={"hold_px": -1}), "hold_px", "0 to 64")
    _refused(replace(bundle, options={"noise_gain": 2.0}), "noise_gain", "does not predict the clean picture", "sample")
    _refused(replace(bundle, options={"noise_gain": 0.5}), "noise_gain", "1 to 4")
    _refused(replace(bundle, options={"beside_px": -1}), "beside_px", "0 to 1024, whole")
    _refused(replace(bundle, options={"varied": "clean, worn"}), "varied", "at least 3, each once", "2")
    _refused(replace(bundle, options={"varied": "clean, worn, muddy"}), "varied", "does not predict clean pixels")
    _refused(replace(bundle, controls={"id": nowhere}), "controls.id", "depth")
    _refused(replace(bundle, controls={"depth": nowhere}), "nowhere", "no config")


def test_one_union_network_and_no_more(bundle_folder: Callable[[str], Path]) -> None:
    for family in ("sdxl", "qwen-image"):
        bundle = load_bundle(bundle_folder(family))
        _refused(replace(bundle, controls={**bundle.controls, "pose": bundle.folder}), "union ControlNet", "got 2")


def test_networks_that_do_not_belong_together_are_refused(bundle_folder: Callable[[str], Path]) -> None:
    plain, inpaint = (load_bundle(bundle_folder(v)) for v in ("sd15", "sdxl"))
    swapped = replace(plain, controls={"depth": inpaint.controls["depth"]})
    _refused(swapped, "ControlNetModel", "ControlNetUnionModel")


def test_numbers_by_device(bundle_folder: Callable[[str], Path]) -> None:
    assert pick_dtype(torch.device("cpu"), None) == torch.float32
    assert pick_dtype(torch.device("cpu"), "bfloat16") == torch.bfloat16
    with pytest.raises(InputError, match="float32, bfloat16, float16"):
        pick_dtype(torch.device("cpu"), "float8")
    adapter = open_adapter(load_bundle(bundle_folder("sdxl")), "cpu", "bfloat16")
    assert (
        adapter.unet.dtype == adapter.controlnet.dtype == torch.bfloat16 and adapter.codec().vae.dtype == torch.float32
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_is_near_full(family: str, bundle_folder: Callable[[str], Path]) -> None:
    bundle = load_bundle(bundle_folder(family))
    found = []
    for numbers in ("float32", "bfloat16"):  # eight bits of mantissa through a few layers
        adapter = open_adapter(bundle, "cpu", numbers)
        request = request_of(adapter.space.frames)
        prepared = adapter.prepare(request)
        found.append(adapter.denoise(batch_of(adapter, prepared, noise_of(request, adapter), 0, 600.0)).float())
    error = (found[0] - found[1]).square().mean().sqrt() / found[0].square().mean().sqrt()
    assert 0 < error < 0.1
