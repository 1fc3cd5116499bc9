"""A bundle out of a folder of weights: what is written, what is refused, and that nothing is left half done."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from support.finders import save_finder
from support.weights import make_bundle, safetensors, write_network, write_weights

from composer.errors import InputError, InputErrors
from composer.inference.bundle import load_bundle
from composer.inference.bundle_add import add_bundle
from composer.inference.bundle_config import family_of
from composer.inference.bundle_text import Told
from composer.inference.bundle_verify import verify_bundle
from composer.inference.kinds import KINDS
from composer.inference.policy import Policy

PIN = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("family", KINDS)
def test_families_are_known_by_their_files(tmp_path: Path, family: str) -> None:
    folder = write_weights(tmp_path / "w", family)
    assert family_of(folder) == family
    (folder / "model_index.json").unlink()
    if family == "levy":  # its parts are some of sd15's
        assert family_of(folder) is None
        return
    assert family_of(folder) == family
    shutil.rmtree(folder / "vae")
    assert family_of(folder) is None


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("StableDiffusionPipeline", "sd15"),
        ("StableDiffusionControlNetInpaintPipeline", "sd15"),
        ("StableDiffusionXLPipeline", "sdxl"),
        ("StableDiffusionXLControlNetUnionInpaintPipeline", "sdxl"),
        ("QwenImagePipeline", "qwen-image"),
        ("WanVACEPipeline", "wan-vace"),
        ("WanPipeline", None),
        ("StableDiffusion3Pipeline", None),
        ("FluxPipeline", None),
    ],
)
def test_pipelines_by_their_class(tmp_path: Path, name: str, family: str | None) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": name}))
    assert family_of(tmp_path) == family


def test_weights_stay_where_they_are(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "my-weights")
    before = sorted(p for p in weights.rglob("*"))
    added = add_bundle(Told(weights, models=tmp_path / "models", repository="a/b", revision=PIN))
    bundle = added.bundle
    assert bundle.folder == tmp_path / "models/my-weights" and sorted(p.name for p in bundle.folder.iterdir()) == [
        "bundle.yaml",
        "card.md",
    ]
    assert bundle.components["unet"] == weights / "unet" and sorted(p for p in weights.rglob("*")) == before
    assert bundle.sources["base"].repository == "a/b" and bundle.sources["base"].revision == PIN
    assert verify_bundle(bundle).files == len(bundle.files) == 11
    assert bundle.licence.id == "unknown" and len(added.notes) == 2
    assert Policy.load().refuse(bundle, "draft") is None and "unknown" in Policy.load().refuse(bundle, "final")
    card = (bundle.folder / "card.md").read_text()
    assert f"a/b at {PIN}" in card and "Trained on: unknown" in card


def test_a_copy_takes_what_the_family_needs_and_leaves_the_rest(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w")
    (weights / "unet/diffusion_pytorch_model.bin").write_bytes(pickle.dumps([1]))
    (weights / "unet/diffusion_pytorch_model.fp16.safetensors").write_bytes(safetensors())
    (weights / "v1-5.ckpt").write_bytes(pickle.dumps([1]))
    write_network(weights / "safety_checker", "SafetyChecker")
    blob = tmp_path / "blob"
    shutil.move(weights / "vae/config.json", blob)
    (weights / "vae/config.json").symlink_to(blob)
    with pytest.raises(InputErrors) as caught:
        add_bundle(Told(weights, name="in-place", models=tmp_path / "models"))
    lines = [error.line() for error in caught.value.errors]
    assert len(lines) == 3 and sum("this is a pickle" in line for line in lines) == 2
    assert any("a link in a bundle" in line and "--copy" in line for line in lines)
    assert not (tmp_path / "models").exists()
    added = add_bundle(Told(weights, name="copied", models=tmp_path / "models", copy=True))
    assert set(added.left) >= {"base/v1-5.ckpt", "base/unet/diffusion_pytorch_model.bin"}
    assert "base/unet/diffusion_pytorch_model.fp16.safetensors" in added.left
    shutil.rmtree(weights)
    assert verify_bundle(added.bundle).files == 11
    assert not (added.bundle.folder / "weights/base/vae/config.json").is_symlink()


def test_half_precision_alone_is_taken(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w")
    plain = weights / "unet/diffusion_pytorch_model.safetensors"
    plain.rename(weights / "unet/diffusion_pytorch_model.fp16.safetensors")
    bundle = add_bundle(Told(weights, models=tmp_path / "m", copy=True)).bundle
    assert "base/unet/diffusion_pytorch_model.fp16.safetensors" in bundle.files


def test_one_union_controlnet_and_one_in_the_pipeline_s_folder(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w", "sdxl")
    write_network(tmp_path / "union", "ControlNetUnionModel")
    write_network(weights / "controlnet", "ControlNetModel")
    controls = {"depth": tmp_path / "union", "pose": tmp_path / "union", "normal": weights / "controlnet"}
    bundle = add_bundle(Told(weights, models=tmp_path / "m", controls=controls)).bundle
    assert bundle.controls == controls and set(bundle.sources) == {"base", "depth"}
    assert set(bundle.conditions) >= {"depth", "pose", "normal", "mask", "text"}
    verify_bundle(bundle)


def test_weights_that_lie_in_the_bundle_s_folder_already(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "models/here/weights/base")
    bundle = add_bundle(Told(weights, name="here", models=tmp_path / "models")).bundle
    assert (
        bundle.folder == tmp_path / "models/here"
        and 'path: "weights/base"' in (bundle.folder / "bundle.yaml").read_text()
    )
    moved = shutil.move(bundle.folder, tmp_path / "elsewhere")
    assert verify_bundle(load_bundle(moved)).files == 11


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"name": "two words"}, "bundle"),
        ({"name": "../up"}, "bundle"),
        ({"licence": "what ever"}, "licence.id"),
        ({"repository": "a/b"}, "pinned revision"),
        ({"repository": "a/b", "revision": "main"}, "not a pinned revision"),
        ({"family": "sd4"}, "unknown family"),
        ({"family": "qwen-image"}, "qwen-image needs transformer"),
        ({"controls": {"depth": Path("/nowhere")}}, "no such folder"),
        ({"folder": Path("/nowhere")}, "no such folder"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("copy", [False, True])
def test_what_is_wrong_is_said_and_nothing_written(tmp_path: Path, told: dict, said: str, copy: bool) -> None:
    folder = write_weights(tmp_path / "w")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        add_bundle(Told(**{"folder": folder, "name": "x", "models": tmp_path / "models", "copy": copy, **told}))
    assert said in caught.value.line() and sorted(tmp_path.rglob("*")) == before


def test_bad_weights_are_never_added(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w")
    (weights / "unet/diffusion_pytorch_model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    (weights / "vae/config.json").write_text('{"_class_name": "Mine", "auto_map": {}}')
    for copy in (False, True):
        with pytest.raises(InputErrors) as caught:
            add_bundle(Told(weights, models=tmp_path / "models", copy=copy))
        assert len(caught.value.errors) == 2 and not (tmp_path / "models").exists()


def test_a_bundle_is_not_overwritten_nor_left_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(tmp_path)
    weights = tmp_path / "source"
    with pytest.raises(InputError, match="there already"):
        add_bundle(Told(weights, name="tiny", models=tmp_path / "models"))
    verify_bundle(bundle)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        add_bundle(Told(weights, name="other", models=tmp_path / "models", copy=True))
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["tiny"]


# --- models that find ---


@pytest.mark.parametrize(
    ("kind", "family", "native"), [("depth-anything", "depth-anything", (56, 56)), ("sam2", "sam2", (64, 64))]
)
def test_a_network_of_transformers_is_known_by_its_class(
    kind: str, family: str, native: tuple[int, int], tmp_path: Path
) -> None:
    weights = save_finder(tmp_path / "w", kind)
    (weights / "README.md").write_text("# what the hub says\n")
    (weights / "model.fp16.safetensors").write_bytes(safetensors())
    (weights / "pytorch_model.bin").write_bytes(pickle.dumps([1]))
    assert family_of(weights) == family
    with pytest.raises(InputErrors, match="a pickle"):
        add_bundle(Told(weights, models=tmp_path / "models"))
    added = add_bundle(Told(weights, name="one", models=tmp_path / "models", copy=True))
    bundle = added.bundle
    assert bundle.family == family and bundle.native_px == native and bundle.conditions == ("plate",)
    assert bundle.components == {"network": tmp_path / "models/one/weights/base"}
    names = {"config.json", "model.safetensors", "preprocessor_config.json", "README.md"}
    assert {p.partition("/")[2] for p in bundle.files} == names
    assert set(added.left) == {"base/model.fp16.safetensors", "base/pytorch_model.bin"}
    assert verify_bundle(bundle).parameters > 10_000
    with pytest.raises(InputErrors, match="is none of the family's: expected"):
        add_bundle(
            Told(
                weights,
                name="two",
                models=tmp_path / "models",
                copy=True,
                family={"sam2": "depth-anything"}.get(kind, "sam2"),
            )
        )
    (bundle.components["network"] / "config.json").write_text('{"architectures": ["Mine"], "auto_map": {}}')
    with pytest.raises(InputErrors, match="auto_map is refused"):
        verify_bundle(bundle)


def test_another_network_of_transformers_is_no_family(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    assert family_of(tmp_path) is None
    (tmp_path / "config.json").write_text('{"architectures": []}')
    assert family_of(tmp_path) is None
