"""The region of interest: what a network is shown of a picture, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.adapters import SmallAdapter, small_request, within

from composer.inference.adapter import LatentSpace
from composer.inference.engine import Engine, EngineOptions
from composer.inference.request import Prompt
from composer.inference.roi import LEAST_PX, SNAP_PX, Region, region_of


def shown(adapter: SmallAdapter, beside: int) -> SmallAdapter:
    adapter.space = replace(adapter.space, beside=beside)
    return adapter


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@given(st.data())
def test_a_region_holds_what_is_painted_and_what_is_beside(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(40, 900), st.integers(40, 900)))
    beside = data.draw(st.integers(1, 90))
    spans = [sorted(data.draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in size]
    none = np.zeros((1, *size, 3), np.float32)
    mask = np.zeros((1, *size), np.float32)
    mask[:, spans[0][0] : spans[0][1] + 1, spans[1][0] : spans[1][1] + 1] = 0.4
    request = replace(
        small_request((8, 8)), plate=none, guide=none, mask=mask, strength=np.ones_like(mask), depth=mask, normal=none,
        albedo=none, pose=none, agent_id=mask.astype(np.uint32),
    )  # fmt: skip
    found = region_of(request, LatentSpace(12, 2, (384, 384), 8, beside=beside))
    rows, columns = (found.rows, found.columns) if found else ((0, size[0]), (0, size[1]))
    for (first, end), length, (least, most) in zip((rows, columns), size, spans, strict=True):
        assert first <= max(0, least - beside) and end >= min(length, most + 1 + beside)
        assert first % SNAP_PX == 0 and (end % SNAP_PX == 0 or end == length) and 0 <= first < end <= length
        assert end - first >= min(length, LEAST_PX)
        assert end - first <= max(most + 1 - least + 2 * beside, LEAST_PX) + 2 * SNAP_PX


def test_nothing_is_cut_where_all_is_wanted_or_nothing_painted() -> None:
    request, space = small_request((320, 512)), LatentSpace(12, 2, (384, 384), 8, beside=32)
    assert region_of(request, space) is None  # all is painted
    assert region_of(within(request, 0, 0, 0, 0), space) is None
    assert region_of(within(request, 10, 20, 10, 20), replace(space, beside=0)) is None
    assert region_of(within(request, 10, 20, 10, 20, strength=0.0), space) is None
    assert region_of(within(request, 10, 20, 300, 340), space) == Region((0, 192), (224, 416))


def test_a_local_network_paints_the_same_in_its_region() -> None:
    """Latents of four pixels, three steps of a network that reaches three latents: 36 px."""
    text = Prompt("mud", weight=np.tile(np.linspace(0, 1, 512, dtype=np.float32), (1, 320, 1)))
    request = replace(within(small_request((320, 512)), 100, 192, 232, 300), prompts=(Prompt("dust"), text))
    whole = Engine(SmallAdapter(native=(40, 40))).paint(request)
    cut = Engine(shown(SmallAdapter(native=(40, 40)), 40)).paint(request)
    painted = request.mask > 0
    assert np.abs(whole.rgb - request.guide)[painted].mean() > 0.05
    np.testing.assert_allclose(cut.rgb[painted], whole.rgb[painted], atol=1e-4)
    np.testing.assert_allclose(cut.rgb, np.where(painted[..., None], cut.rgb, request.guide), atol=1e-5)
    assert cut.tiles["canvas"] == "80x128" and cut.tiles["region"] == "8 40 56 56"
    starts = [int(n) for n in str(cut.tiles["row_starts"]).split()]
    assert starts[0] == 8 and starts[-1] + 40 == 8 + 56
    assert "region" not in whole.tiles


def test_a_whole_tile_is_of_the_whole_picture() -> None:
    request, adapter = within(small_request((320, 512)), 100, 192, 232, 300), shown(SmallAdapter(), 40)
    Engine(adapter, EngineOptions(whole=True)).paint(request)
    assert {seen[2:4] for seen in adapter.seen} == {(80, 128)}
