"""Painting a crowd that has a place around it, with a bundle of random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from composer.comp.layer import Layer
from composer.render.job import prepare_job, run_job
from composer.render.look import Look, look_at, read_inputs
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from composer.shot.stage import prepare
from tests.render.test_match import MATCH
from tests.render.test_place import PLACE, part, with_place
from tests.render.test_reroll import TINY, approve, channels, key_names, reroll

Make = Callable[..., Path]
#: A tower before some of the soldiers, land behind all of them.
FREE = PLACE.replace("spacing_m: 5", "spacing_m: 5, obstacle: false").replace(
    "size_m: 10", "size_m: 10, obstacle: false"
)
AHEAD = FREE.replace("at_m: [6, -40], size_m: 10", "at_m: [2, -8], size_m: 3")


def _shot(paint_shot: Make, place: str, *lines: str) -> Path:
    return with_place(paint_shot(TINY, *lines, frames=1), place)


def _looked(shot: Path) -> tuple[Look, int]:
    job = prepare_job(load_shot(shot), shot.parent / "out", load_quality("draft"))
    assert job.scene.painter is not None
    return look_at(job.scene, read_inputs(job.scene.stage, 1001)), job.scene.painter.plan.brief.grow_px


def test_a_network_paints_the_crowd_and_leaves_the_place_as_it_is(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot = _shot(paint_shot, AHEAD)
    still = shot.with_name("still.yaml")  # strength 0 keeps the guide render, of as many samples a pixel
    still.write_text(shot.read_text().replace("strength: 0.7", "strength: 0"))
    plain = run_job(prepare_job(load_shot(still), tmp_path / "plain", load_quality("draft")))
    made = run_job(prepare_job(load_shot(shot), tmp_path / "painted", load_quality("draft")))
    crowd, place, shadow = (part(made, 1001, n) for n in ("crowd", "environment", "shadow"))
    before, alone = part(plain, 1001, "crowd"), part(plain, 1001, "environment")
    assert np.abs(crowd - before).max() > 0.02
    alpha = crowd[..., 3:] + place[..., 3:]
    assert alpha.max() < 1.002
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    picture = part(made, 1001, "rgba", "RGB")
    built = (plate * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - alpha) + crowd[..., :3] + place[..., :3]
    assert np.allclose(built, picture, rtol=1e-2, atol=1e-2)
    clean = (alpha[..., 0] == 0) & (shadow[..., 3] == 0)
    assert np.array_equal(picture[clean].astype(np.float16), plate[clean].astype(np.float16))
    _, grow_px = _looked(shot)
    away = ~ndimage.binary_dilation(before[..., 3] > 0, iterations=grow_px + 2)
    assert away.mean() > 0.2 and np.array_equal(place[away], alone[away])
    # where the land was seen behind them, no edge that was drawn elsewhere lets the plate through
    total, land = (before + alone)[..., 3] > 0.999, ndimage.maximum_filter(alone[..., 3], 7) > 0.9
    whole = ndimage.binary_erosion(total, iterations=7) & land
    assert (whole & (crowd[..., 3] != before[..., 3])).sum() > 10
    assert (alpha[..., 0][whole] > 0.97).all()


def test_what_the_model_sees_behind_the_soldiers_is_the_place_and_in_front_it_paints_nothing(
    paint_shot: Make, with_models: Path
) -> None:
    look, grow_px = _looked(_shot(paint_shot, AHEAD))
    sight = look.sight(grow_px)
    place = look.guides.place
    assert place is not None and sight.reach is not None
    tower = (place.depth_m < 9) & (place.coverage == 1)
    assert tower.sum() > 50
    box = np.zeros(tower.shape, np.float32)
    box[sight.reach.cut] = sight.reach.open
    # soldiers stand behind the tower, or before it by less than it is wide
    nearest = np.full(tower.shape, np.inf)
    nearest[sight.reach.cut] = sight.reach.outwards(look.guides.depth_m)
    hidden = tower & (nearest > place.depth_m)
    assert hidden.sum() > 20 and not box[hidden].any()
    # the picture without the crowd, drawn by itself, is what the model is given
    empty = replace(look.guides, coverage=np.zeros_like(look.guides.coverage))
    covered = ndimage.binary_erosion(look.guides.coverage > 0.2)
    land = covered & (ndimage.uniform_filter(place.coverage, 9) > 0.3)
    if land.any():
        assert np.abs(sight.plate - look.working(look.place.plate))[land].mean() > 0.01
    assert np.isfinite(sight.plate).all() and empty.place is place


def test_the_guide_given_back_is_the_guide_also_with_a_match(paint_shot: Make, with_models: Path) -> None:
    """A crowd that is bound without any change of it leaves every layer as it was."""
    look, _ = _looked(_shot(paint_shot, PLACE, MATCH))
    again = replace(look.guides, place=replace(look.guides.place))  # as if an edge had been drawn anew
    one, other = look.composite(look.guides), look.composite(again)
    assert np.array_equal(one.rgb, other.rgb)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert isinstance(a, Layer) and np.array_equal(a.rgba, b.rgba)


@pytest.mark.parametrize("match", ["", MATCH])
def test_one_of_them_is_rolled_anew(paint_shot: Make, with_models: Path, tmp_path: Path, match: str) -> None:
    shot, out = _shot(paint_shot, FREE, match), tmp_path / "out"
    approved = approve(shot, out)
    before = key_names(channels(next((approved.delivery / "exr").iterdir())))
    _, result = reroll(shot, out, "host.00003")
    after = key_names(channels(next((result.delivery / "exr").iterdir())))
    assert set(before) == set(after)
    changed = before["rgba/rgba.G"] != after["rgba/rgba.G"]
    assert 5 < changed.sum() < 0.3 * changed.size
    total = sum(after[f"{n}/{n}.A"].view(np.float32) for n in ("crowd", "environment"))
    assert total.max() < 1.002
