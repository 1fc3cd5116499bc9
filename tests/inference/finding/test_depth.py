from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from composer.errors import InputError
from composer.inference.bundle import Bundle
from composer.inference.finding.depth import DepthNet, at_size


def picture(height: int = 90, width: int = 160) -> np.ndarray:
    """Whole 8-bit values, so that transformers' own processor can have the same."""
    return np.random.default_rng(4).integers(0, 256, (height, width, 3)).astype(np.float32) / 255


@pytest.mark.parametrize("size", [(90, 160), (160, 90), (56, 56), (40, 300)])
def test_the_network_sees_what_transformers_own_processor_would_show_it(
    size: tuple[int, int], finders: dict[str, Bundle]
) -> None:
    from transformers import AutoModelForDepthEstimation, DPTImageProcessor

    bundle, shown = finders["depth-anything"], picture(*size)
    processor = DPTImageProcessor(
        size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    inputs = processor(images=(shown * 255).astype(np.uint8), return_tensors="pt")
    net = DepthNet(bundle)
    assert net.size_for(*size) == tuple(inputs["pixel_values"].shape[-2:])
    theirs = AutoModelForDepthEstimation.from_pretrained(bundle.components["network"]).eval()
    with torch.inference_mode():
        expected = theirs(**inputs).predicted_depth[0].numpy()
    told = net.tell(shown)
    assert told.shape == expected.shape and told.dtype == np.float32 and np.ptp(told) > 0
    # their picture is rounded to eight bits once more
    assert np.abs(told - expected).max() < 0.03 * np.ptp(expected)
    assert (net.tell(shown) == told).all()
    assert at_size(told, (size[1], size[0])).shape == size


def test_metric_models_are_turned_round(finders: dict[str, Bundle], tmp_path: Path) -> None:
    bundle = finders["depth-anything"]
    shutil.copytree(bundle.components["network"], tmp_path / "metric")
    path = tmp_path / "metric" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "depth_estimation_type": "metric", "max_depth": 80}))
    net = DepthNet(replace(bundle, components={"network": tmp_path / "metric"}))
    told = net.tell(picture())
    assert net.is_metric and told.min() >= 1 / 80 * 0.999 and np.ptp(told) > 0


def test_depths_that_are_not_finite_are_refused(finders: dict[str, Bundle], tmp_path: Path) -> None:
    bundle = finders["depth-anything"]
    shutil.copytree(bundle.components["network"], tmp_path / "bad")
    weights = load_file(tmp_path / "bad" / "model.safetensors")
    name = next(n for n in weights if n.startswith("head.conv1"))
    save_file({**weights, name: weights[name] * float("nan")}, tmp_path / "bad" / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="not finite"):
        DepthNet(replace(bundle, components={"network": tmp_path / "bad"})).tell(picture())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["BertModel"]}, "of another class: expected DepthAnythingForDepthEstimation or DPT"),
        ({"use_timm_backbone": True}, "use_timm_backbone is refused"),
        ({"use_pretrained_backbone": True}, "use_pretrained_backbone is refused"),
    ],
)
def test_a_network_that_is_not_the_family_s(
    change: dict[str, object], said: str, finders: dict[str, Bundle], tmp_path: Path
) -> None:
    bundle = finders["depth-anything"]
    shutil.copytree(bundle.components["network"], tmp_path / "other")
    path = tmp_path / "other" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=said):
        DepthNet(replace(bundle, components={"network": tmp_path / "other"}))


def test_weights_that_are_missing_are_told(finders: dict[str, Bundle], tmp_path: Path) -> None:
    bundle = finders["depth-anything"]
    shutil.copytree(bundle.components["network"], tmp_path / "less")
    weights = load_file(tmp_path / "less" / "model.safetensors")
    gone = sorted(weights)[0]
    save_file(
        {n: w for n, w in weights.items() if n != gone}, tmp_path / "less" / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match="weights do not fit the config"):
        DepthNet(replace(bundle, components={"network": tmp_path / "less"}))


def test_a_bundle_of_another_family_is_refused(finders: dict[str, Bundle]) -> None:
    with pytest.raises(InputError, match="another family: expected depth-anything, got sam2"):
        DepthNet(finders["sam2"])


@pytest.mark.gpu
def test_on_a_card_as_on_the_cpu(finders: dict[str, Bundle]) -> None:
    """Its twin on the CPU is the comparison with transformers' own above."""
    here, there = (DepthNet(finders["depth-anything"], device).tell(picture()) for device in ("cpu", "cuda"))
    assert np.abs(here - there).max() < 0.01 * np.ptp(here)
