"""The engine over the real families, with tiny bundles: tiles, mask and repetition hold for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.adapters import small_request, within
from support.bundles import tiny_bundle

from composer.inference.bundle import load_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import FAMILIES, open_adapter


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_is_painted_in_tiles(tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    adapter = open_adapter(load_bundle(tiny_bundle(tmp_path / "bundle", family)), "cpu")
    frames = tuple(range(1001, 1001 + adapter.space.frames))
    request = within(small_request((96, 128), frames, 2), 32, 64, 32, 64)
    side = 64 // adapter.space.factor
    engine = Engine(adapter, EngineOptions(tile=(side, side)))
    painting = engine.paint(request)
    assert painting.rgb.shape == request.guide.shape and np.isfinite(painting.rgb).all()
    assert painting.tiles["grid"] == "1x2x3" and painting.tiles["jobs"] < 6 and not painting.notes
    np.testing.assert_array_equal(painting.rgb, engine.paint(request).rgb)
    # outside the mask the latents are the guide's: what differs in the picture is the codec's whole-picture normalising
    decoded, codec = list[torch.Tensor](), adapter.codec()
    decode = codec.decode
    monkeypatch.setattr(codec, "decode", lambda latents: decoded.append(latents.clone()) or decode(latents))
    engine.paint(request)
    engine.paint(within(small_request((96, 128), frames, 2), 0, 0, 0, 0))
    changed = (decoded[-2] - decoded[-1]).abs().amax(dim=(0, 1, 2))
    box = slice(32 // adapter.space.factor, 64 // adapter.space.factor)
    assert changed[box, box].mean() > 0.05
    changed[box, box] = 0
    assert changed.max() < 1e-6
