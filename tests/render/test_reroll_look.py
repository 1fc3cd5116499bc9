"""Re-roll of a version that has the plate's look on it: the new soldier goes in before the look."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composer.errors import MusterError
from composer.render.roll import reroll_grow_px
from tests.render.test_match import LENS, MATCH
from tests.render.test_reroll import STEADY, TINY, approve, channels, key_names, matte_of, outside, reroll

Make = Callable[..., Path]


def _file(delivery: Path) -> dict[str, np.ndarray]:
    return key_names(channels(next((delivery / "exr").iterdir())))


def _layer(found: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.stack([found[f"{name}/{name}.{c}"].view(np.float32) for c in ("RGB" if name == "rgba" else "RGBA")], -1)


def test_one_changes_as_far_as_the_look_spreads_him_and_nothing_else(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot, out = paint_shot(TINY, MATCH + LENS, frames=1), tmp_path / "out"
    approved = approve(shot, out)
    before = _file(approved.delivery)
    job, result = reroll(shot, out, "host.00003")
    after, painter = _file(result.delivery), job.scene.painter
    assert result.delivery.name == "v001_r1" and painter is not None and set(after) == set(before)
    changed = np.zeros(next(iter(before.values())).shape, bool)
    for channel, bits in before.items():
        changed |= bits != after[channel]
    matte = matte_of(before, "host.00003")
    assert (changed & matte).sum() > 0.5 * matte.sum() > 5
    blur = 3 * 4 + 12  # wrap, and more than the lens does to him at his distance
    assert not (changed & outside(matte, reroll_grow_px(painter) + blur)).any()
    picture, crowd, shadow = (_layer(after, n) for n in ("rgba", "crowd", "shadow"))
    plain = (_layer(before, "crowd")[..., 3] == 0) & (shadow[..., 3] == 0) & (crowd[..., 3] == 0)
    assert np.array_equal(picture[plain], _layer(before, "rgba")[plain])
    told = json.loads(result.manifest.read_text())["frames"][0]["paint"]["reroll"]
    assert told["parent"] == "v001" and told["names"] == ["host.00003"]


@pytest.mark.parametrize("frames, paint", [(1, TINY), (3, STEADY)], ids=["by itself", "averaged"])
def test_it_is_the_look_on_what_is_rolled_without_a_look(
    paint_shot: Make, with_models: Path, tmp_path: Path, frames: int, paint: str
) -> None:
    """A grade multiplies: so the two rolls, in two orders, must agree. Twice, so that a roll upon a roll is in it. Without a
    look averaged frames are made from approved files, with one from paintings."""
    deliveries = {}
    for name, match in (("plain", ""), ("graded", "match: {grade: {gain: [2, 2, 2]}}")):
        shot, out = paint_shot(paint, match, frames=frames), tmp_path / name
        approve(shot, out)
        reroll(shot, out, "host.00003")
        _, last = reroll(shot, out, "host.00005", approved="v001_r1")
        assert last.delivery.name == "v001_r2"
        deliveries[name] = [_file(out / "tiny" / v) for v in ("v001", "v001_r1", "v001_r2")]
    for plain, graded in zip(*deliveries.values(), strict=True):
        one, other = _layer(plain, "crowd"), _layer(graded, "crowd")
        assert np.allclose(one[..., :3] * 2, other[..., :3], rtol=0.01, atol=0.01)
        assert np.allclose(one[..., 3], other[..., 3], atol=2e-3)
    first, second, third = (_layer(d, "crowd") for d in deliveries["graded"])
    assert np.abs(first - second).max() > 0.02 and np.abs(second - third).max() > 0.02


def test_a_painting_that_does_not_come_out_again_is_told(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot, out = paint_shot(TINY, "match: {grade: {gain: [2, 2, 2]}}", frames=1), tmp_path / "out"
    approve(shot, out)
    shot.write_text(shot.read_text().replace("strength: 0.7", "strength: 0.7, seed: 99"))
    with pytest.raises(MusterError, match="does not come out again as it was"):
        reroll(shot, out, "host.00003")
    assert not list((out / "tiny" / "v001_r1").glob("exr/*"))
