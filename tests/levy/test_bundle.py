"""The bundle that training ends in: verified, opened and painted with as any other; and what it is measured by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from composer.errors import InputErrors, MachineError
from composer.inference.adapter import TileBatch
from composer.inference.bundle import Bundle
from composer.inference.bundle_verify import verify_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import open_adapter
from models.levy.recipe import measures as m
from models.levy.recipe.crops import Crops, prepare
from models.levy.recipe.data import Stored
from models.levy.recipe.evaluate import Figures, evaluate, from_json
from models.levy.recipe.export import card_text, write_bundle
from models.levy.recipe.net import SIZES, Levy
from models.levy.recipe.painted import request_from


@pytest.fixture
def net(tiny: str) -> Levy:
    torch.manual_seed(2)
    made = Levy(SIZES[tiny])
    for name, weight in made.named_parameters():
        if not weight.any() and "norm" not in name:
            torch.nn.init.normal_(weight, std=0.1)
    return made.half().float().eval()


@pytest.fixture
def bundle(net: Levy, tmp_path: Path) -> Bundle:
    return write_bundle(net, tmp_path / "levy")


def test_it_is_verified_and_says_what_it_takes(bundle: Bundle, net: Levy) -> None:
    assert verify_bundle(bundle).parameters == sum(p.numel() for p in net.parameters()) + _positions(bundle)
    assert bundle.family == "levy" and bundle.licence.id == "Apache-2.0" and bundle.licence.commercial
    adapter = open_adapter(bundle, "cpu", "float32")
    assert adapter.takes == {"depth", "normal", "albedo", "pose", "mask", "guide", "text"}
    assert adapter.space.channels == 12 and adapter.space.factor == 2
    file = bundle.path_of("base/unet/diffusion_pytorch_model.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(InputErrors, match="wrong hash"):
        verify_bundle(bundle)


def test_untrained_it_gives_its_guide_back(tiny: str, tmp_path: Path, pairs: list[Stored]) -> None:
    """It says what to change, and at first that is nothing: also where it starts from noise alone."""
    torch.manual_seed(1)
    bundle = write_bundle(Levy(SIZES[tiny]), tmp_path / "new")
    painted = Engine(open_adapter(bundle, "cpu", "float32")).paint(request_from(pairs[0], steps=2)).rgb[0]
    np.testing.assert_allclose(painted, pairs[0].part("guide"), atol=1e-5)


def _positions(bundle: Bundle) -> int:
    """Elements in files that are no parameters of the network: none, or CLIP's table of places."""
    from safetensors.torch import load_file

    table = load_file(bundle.path_of("base/text_encoder/model.safetensors"))
    return sum(v.numel() for k, v in table.items() if k.endswith("position_ids"))


def test_the_adapter_sees_what_training_showed(bundle: Bundle, net: Levy, pairs: list[Stored]) -> None:
    """Mask, masked picture, hints and the network's own answer, by the engine's way and by training's."""
    pair = pairs[0]
    for picture, chance in (("guide", 1.0), ("plate", 0.0)):
        adapter = open_adapter(replace(bundle, options={**bundle.options, "masked_picture": picture}), "cpu", "float32")
        request = request_from(pair)
        prepared = adapter.prepare(replace(request, albedo=request.albedo * np.float32(chance)))
        raw = torch.from_numpy(pair.bytes).permute(2, 0, 1)[None].float() / 255
        depth = torch.from_numpy(pair.depth)[None, None].float()
        crops = Crops()
        ids = torch.tensor([crops._tokens(pair.text)])
        nobody = torch.zeros(1, *depth.shape[-2:], dtype=torch.int64)
        batch = prepare(raw, depth, nobody, ids, torch.tensor([[1.0], [chance], [1.0], [1.0], [1.0]]))
        cut = {name: c.data[None] for name, c in prepared.canvases.items()}
        _same(cut["mask"][:, :, 0], batch.mask)
        _same(cut["masked"][:, :, 0], batch.masked)
        with torch.no_grad():
            for name, part, hint in zip(
                ("depth and normal and albedo", "pose"), (net.depth, net.pose), batch.hints, strict=True
            ):
                torch.testing.assert_close(
                    cut[name][:, :, 0], part.controlnet_cond_embedding(hint), atol=1e-4, rtol=1e-3
                )
        x = torch.randn(batch.clean.shape, generator=torch.Generator().manual_seed(4))
        t = torch.tensor([749.0])
        with torch.no_grad():
            mine = net(x, batch.mask, batch.masked, batch.hints, ids, t)
        theirs = adapter.denoise(
            TileBatch(x[:, :, None], cut, 0, t, torch.zeros(1, 2, dtype=torch.int32), x.shape[-2:], 749.0)
        )
        torch.testing.assert_close(theirs[:, :, 0], mine, atol=2e-4, rtol=1e-3)


def _same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_it_paints_through_the_engine_the_same_twice(bundle: Bundle, pairs: list[Stored]) -> None:
    engine = Engine(open_adapter(bundle), EngineOptions(tile=(48, 48)))
    request = request_from(pairs[0], steps=2)
    first, again = engine.paint(request), engine.paint(request)
    assert first.rgb.shape == request.guide.shape and np.isfinite(first.rgb).all()
    np.testing.assert_array_equal(first.rgb, again.rgb)
    off = cv2.dilate(request.mask[0], np.ones((5, 5))) == 0  # a latent is painted where any of its pixels is
    np.testing.assert_allclose(first.rgb[0][off], request.guide[0][off], atol=0.01)
    assert np.abs(first.rgb - request.guide)[0][request.mask[0] == 1].max() > 0.1
    assert set(first.dropped) <= {"id", "plate"}


def test_every_figure_is_measured(bundle: Bundle, pairs: list[Stored]) -> None:
    pair = pairs[1]
    y, x = (int(v) for v in np.median(np.argwhere(pair.part("coverage") > 0.5), 0))
    cut = (slice(max(y - 32, 0), max(y - 32, 0) + 64), slice(max(x - 32, 0), max(x - 32, 0) + 64))
    small = replace(pair, bytes=pair.bytes[cut], depth=pair.depth[cut], agent=pair.agent[cut])
    figures = evaluate(bundle, [small], "cpu", lambda _: None)
    told = figures.json()
    assert {k for k, v in told.items() if v is None} <= {
        "tiled", "same_again", "frame_s", "frame_gib", "cpu_cuda", "steady_frames",
        *(k for k in told if k.startswith(("near_", "far_"))),
    }  # fmt: skip
    assert figures.text_rendered > 0
    assert "one-step crowd PSNR" in figures.table() and from_json(told).json() == told
    assert "not measured" in replace(figures, tiled=float("nan")).table()
    assert figures.guide_low > figures.guide > 10 and 0 < figures.guide_colour < 0.2


def test_measures_of_pictures_that_are_known() -> None:
    rng = np.random.default_rng(1)
    target = rng.random((32, 48, 3)).astype(np.float32)
    crowd = np.zeros((32, 48), bool)
    crowd[8:24, 8:40] = True
    error = m.Error()
    error.add(target + np.float32(0.1), target, crowd)
    assert error.psnr == pytest.approx(20.0, abs=1e-4)
    agent = np.where(crowd, 1, 0).astype(np.uint16)
    assert m.colour_errors(target + np.float32(0.02), target, agent, crowd.astype(np.float32)) == pytest.approx(
        [0.02], rel=1e-4
    )
    half = target.mean() + (target - target.mean()) * np.float32(0.5)
    assert m.detail(half, crowd) / m.detail(target, crowd) == pytest.approx(0.25, rel=1e-4)
    plate = np.zeros((32, 48, 3), np.float32)
    a, b = plate.copy(), plate.copy()
    a[4:12, 4:12], b[4:12, 8:16] = 1, 1
    assert m.silhouette_iou(a, b, plate, np.ones((32, 48), np.float32)) == (32, 96)
    assert m.low(target).shape == (8, 12, 3) and m.low_crowd(crowd.astype(np.float32)).sum() == 32


def test_weights_that_are_too_large_are_not_written(net: Levy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.levy.recipe.export.MOST_BYTES", 1000)
    with pytest.raises(MachineError, match="too large"):
        write_bundle(net, tmp_path / "levy")
    assert not (tmp_path / "levy/bundle.yaml").exists()


def test_the_card_says_how_it_was_made() -> None:
    facts = {
        "pairs": 3, "seconds": 1.0, "device": "a CPU", "steps": 7, "size": "tiny", "parameters": 1.0, "megabytes": 2.0,
        "words": "red", "count": 2, "before": "",
    }  # fmt: skip
    card = card_text(facts, Figures(*[1.0] * 20).table(), "grid.png")
    assert "no photograph" in card and "| 1. one-step" in card and "(grid.png)" in card
