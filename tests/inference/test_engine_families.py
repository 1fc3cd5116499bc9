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
def test_a_family_is_painted_in_tiles(tmp_path: Path, family: str) -> None:
    torch.set_num_threads(1)
    adapter = open_adapter(load_bundle(tiny_bundle(tmp_path / "bundle", family)), "cpu")
    frames = tuple(range(1001, 1001 + adapter.space.frames))
    request = within(small_request((96, 128), frames, 2), 32, 64, 32, 64)
    engine = Engine(adapter, EngineOptions(tile=(8, 8)))
    painting = engine.paint(request)
    assert painting.rgb.shape == request.guide.shape and np.isfinite(painting.rgb).all()
    assert painting.tiles["grid"] == "1x2x3" and painting.tiles["jobs"] < 6 and not painting.notes
    np.testing.assert_array_equal(painting.rgb, engine.paint(request).rgb)
    # far from the mask there is what the codec makes of the guide, whatever was painted
    other = engine.paint(within(small_request((96, 128), frames, 2), 0, 0, 0, 0)).rgb
    far = np.abs(painting.rgb - other).mean(axis=(0, 3))
    assert far[32:64, 32:64].mean() > 3 * far[:, 112:].mean()
