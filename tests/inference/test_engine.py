"""The engine end to end, on small networks with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.adapters import SmallAdapter, small_request, straight_schedule

from composer.inference.engine import Engine, EngineOptions
from composer.inference.padding import pad_request
from composer.inference.request import PaintRequest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def by_hand(adapter: SmallAdapter, request: PaintRequest) -> np.ndarray:
    """The same picture without engine, tiles or kernels: one network call a step over the whole picture."""
    from composer.inference.adapter import TileBatch

    padded = pad_request(request, adapter.space)
    schedule, prepared = adapter.schedule(request.steps), adapter.prepare(padded)
    h, w = prepared.known.shape[2:]
    z = np.stack([padded.noise.latents(f, len(prepared.known), (h, w), 4, "initial") for f in padded.frames], axis=1)
    x = torch.from_numpy(z) * float(schedule.sigma[0]) + prepared.known * float(schedule.signal[0])
    before = torch.zeros_like(x)
    for i in range(len(schedule)):
        with torch.no_grad():
            canvases = {k: c.data[None] for k, c in prepared.canvases.items()}
            now = torch.tensor([float(schedule.timestep[i])])
            batch = TileBatch(
                x[None] * float(schedule.scale_in[i]), canvases, 0, now, np.zeros((1, 2), np.int64), (h, w)
            )
            p = adapter.denoise(batch)[0]
        x = float(schedule.keep[i]) * x + float(schedule.pred[i]) * p + float(schedule.previous[i]) * before
        before = p
    rgb = adapter.codec().decode(x[None])[0].permute(1, 2, 3, 0).numpy()
    return rgb[: len(request.frames), : request.size[0], : request.size[1]]


@pytest.mark.parametrize("tile", [(8, 8), (16, 16), (12, 20)])
def test_a_convolution_only_network_gives_the_untiled_picture(tile: tuple[int, int]) -> None:
    request, adapter = small_request((97, 130)), SmallAdapter(steps=straight_schedule(3, momentum=0.4))
    whole = by_hand(adapter, request)
    tiled = Engine(adapter, EngineOptions(tile=tile)).paint(request)
    assert tiled.rgb.shape == (1, 97, 130, 3) and tiled.tiles["jobs"] > 1
    assert np.abs(whole - request.guide).mean() > 0.1  # it is a painting, not the guide
    assert np.abs(tiled.rgb - whole).max() < 1e-4
