"""The contact sheet has a tile for every part that was asked for, and the tile shows what the part holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import frames

from composer.color.spaces import ColorManager
from composer.deliver.deep import deep_name, write_deep
from composer.deliver.exr import write_frame
from composer.deliver.sheet import Show, Tile, contact_sheet, pass_tiles
from composer.io.exr import read_exr_parts
from composer.shot.schema_delivery import PARTS, PLACE_PARTS, REPAIR


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, frame = tmp_path_factory.mktemp("delivery"), frames.frame()
    slate = frames.slate(parts=PARTS, control_range_m=(4.0, 40.0), deep=True)
    path = folder / "exr" / "test_010_v003.1003.exr"
    write_frame(path, frame, frames.view(), slate, frames.NAMES)
    write_deep(folder / deep_name("test_010", "v003", 1003), frame, frames.view(), slate)
    return path


@pytest.fixture(scope="module")
def tiles(delivered: Path) -> dict[str, Tile]:
    parts = {p.name: p for p in read_exr_parts(delivered)}
    color = ColorManager.open(None, {}, delivered.parent)
    show = Show(color, parts["rgba"].attributes, (frames.W, frames.H))
    return {t.title: t for t in pass_tiles(delivered, parts, show, frames.W)}


def test_every_part_and_the_deep_file_have_a_tile(tiles: dict[str, Tile]) -> None:
    assert set(tiles) == {*PARTS, "deep"} - {"rgba", *PLACE_PARTS, REPAIR}  # nothing stands around this crowd
    assert all(t.legend and t.picture.shape == (frames.H, frames.W, 3) and t.picture.any() for t in tiles.values())


def test_tiles_show_what_the_parts_hold(tiles: dict[str, Tile]) -> None:
    inside, outside = (slice(12, 28), slice(10, 48)), (slice(0, 9), slice(None))
    value = round(255 * (1 / 12.5 - 1 / 40) / (1 / 4 - 1 / 40))
    assert (np.abs(tiles["control_depth"].picture[inside].astype(int) - value) <= 1).all()
    assert "4.00 m" in tiles["control_depth"].legend and "40.00 m" in tiles["control_depth"].legend
    assert len(np.unique(tiles["deep"].picture[inside].reshape(-1, 3), axis=0)) == 1, "two soldiers everywhere"
    assert f"{2 * 20 * 42:,} samples" in tiles["deep"].legend
    assert "blue orange, red cyan" in tiles["crypto_side"].legend
    assert "spearman orange, swordsman cyan" in tiles["crypto_cast"].legend
    for name in ("light_sun", "light_sky", "light_bounce", "control_depth", "crypto_side", "crypto_cast", "deep"):
        assert not tiles[name].picture[outside].any(), name


def test_the_page_holds_them_all(delivered: Path) -> None:
    sheet = contact_sheet(delivered, ColorManager.open(None, {}, delivered.parent), 640)
    assert sheet.shape[1] == 640 and sheet.dtype == np.uint8
    lit = (sheet.max(axis=-1) > 100).mean(axis=1)
    assert (lit[: len(lit) // 2] > 0.1).any() and (lit[-len(lit) // 4 :] > 0.1).any()


def test_a_small_composite_fills_half_of_the_page_and_has_passes_beside_it(delivered: Path) -> None:
    color = ColorManager.open(None, {}, delivered.parent)
    wide = 24 * frames.W  # the composite is enlarged well over its pixels
    small, large = (contact_sheet(delivered, color, width) for width in (wide, frames.W + 24))
    lit = small.max(axis=-1) > 100
    below = round(0.9 * (wide // 2 - 12) * frames.H / frames.W)
    assert lit[12:below, 12 : wide // 2 - 12].any() and lit[12:below, wide // 2 + 12 :].any(), "on either half"
    assert small.shape[0] / small.shape[1] < 0.8 * large.shape[0] / large.shape[1]
