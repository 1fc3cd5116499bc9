"""A shot with both `match:` and `environment:`: the look is on crowd and place, and nothing else of either changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from composer.comp.composite import Composite
from composer.render.job import JobResult, prepare_job
from composer.render.look import Look, look_at, read_inputs
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from composer.shot.stage import prepare
from tests.render.test_match import LENS, MATCH
from tests.render.test_place import PLACE, part, render, with_place

MakeShot = Callable[..., Path]


def _with(shot: Path, place: str, match: str) -> Path:
    own = with_place(shot, place)
    own.write_text(own.read_text() + match)
    return own


@pytest.fixture
def results(make_shot: MakeShot, tmp_path: Path) -> Callable[..., tuple[Path, JobResult]]:
    def make(name: str, place: str, match: str) -> tuple[Path, JobResult]:
        shot = _with(make_shot(frames=1), place, match)
        return shot, render(shot, tmp_path / name)

    return make


def test_outside_of_what_is_touched_is_the_plate_and_the_elements_rebuild_the_rest(results) -> None:  # type: ignore[no-untyped-def]
    shot, made = results("both", PLACE, MATCH + LENS)
    _, plain = results("place", PLACE, "")
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    crowd, place, shadow = (part(made, 1001, n) for n in ("crowd", "environment", "shadow"))
    picture = part(made, 1001, "rgba", "RGB")
    alpha = crowd[..., 3:] + place[..., 3:]
    clean = (alpha[..., 0] == 0) & (shadow[..., 3] == 0)
    assert clean.mean() > 0.05 and alpha.max() < 1.002
    assert np.array_equal(picture[clean].astype(np.float16), plate[clean].astype(np.float16))
    record = json.loads(next((made.delivery / ".muster" / "frames").glob("1001.json")).read_text())
    held = np.ascontiguousarray(picture[clean].astype("<f2"))
    assert record["untouched_sha256"] == hashlib.sha256(held.tobytes()).hexdigest()
    built = (plate * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - alpha) + crowd[..., :3] + place[..., :3]
    assert np.allclose(built, picture, rtol=8e-3, atol=8e-3)
    # it is on both of them
    for name, layer in (("crowd", crowd), ("environment", place)):
        before = part(plain, 1001, name)
        assert np.abs(layer - before)[before[..., 3] > 0.9].mean() > 0.02
    for name, letters in (
        ("depth", "Z"), ("environment_depth", "Z"), ("normal", "XYZ"), ("environment_normal", "XYZ"),
        ("crypto_agent00", "RGBA"), ("crypto_environment00", "RGBA"), ("environment_albedo", "RGB"),
    ):  # fmt: skip
        assert np.array_equal(part(made, 1001, name, letters), part(plain, 1001, name, letters))
    notes = " ".join(json.loads(made.manifest.read_text())["notes"])
    assert "on the crowd and the place" in notes and "the place has its own haze" in notes


def _looked(shot: Path) -> Look:
    scene = prepare_job(load_shot(shot), shot.parent / "out", load_quality("preview")).scene
    return look_at(scene, read_inputs(scene.stage, 1001))


def _layers(made: Composite) -> dict[str, np.ndarray]:
    return {"rgb": made.rgb, **{la.name: la.rgba for la in made.layers}}


TOWER = "environment:\n  pieces: [{name: keep, kind: tower, at_m: [9, -40], size_m: 10, obstacle: false}]\n"


def test_far_from_pieces_the_crowd_is_as_without_them_and_next_to_no_look_is_as_without_it(make_shot: MakeShot) -> None:
    look = _looked(_with(make_shot(frames=1), TOWER, MATCH))
    both = look.composite(look.guides)
    alone = replace(look, place=None).composite(look.guides)
    away = ~ndimage.binary_dilation(look.guides.place.coverage > 0, iterations=24)
    assert away.mean() > 0.3 and alone.touched[away].sum() > 200
    assert np.array_equal(both.rgb[away], alone.rgb[away])
    near = np.count_nonzero(both.rgb != alone.rgb)
    assert near > 100
    faint = _looked(_with(make_shot(frames=1), TOWER, "match: {grade: {gain: [1.0000001, 1, 1]}}\n"))
    plain = replace(faint, matching=None).composite(faint.guides)
    made = faint.composite(faint.guides)
    assert np.array_equal(made.touched, plain.touched)
    for name, layer in _layers(plain).items():
        assert np.allclose(_layers(made)[name].astype(float), layer.astype(float), rtol=2e-3, atol=1e-3), name


def test_a_new_sky_has_the_grain_and_the_vignette_and_no_air(make_shot: MakeShot) -> None:
    def made(match: str) -> tuple[np.ndarray, np.ndarray]:
        look = _looked(_with(make_shot(frames=1), "environment:\n  sky: {}\n", match))
        result = look.composite(look.guides)
        layers = _layers(result)
        assert [la.name for la in result.layers] == ["shadow", "environment", "crowd"]
        return layers["rgb"].astype(np.float64), layers["environment"].astype(np.float64)

    plain, layer = made("")
    new = layer[..., 3] == 1
    assert new.mean() > 0.05
    grain, own = made("match: {grain: {level: [0], variance: [[1e-3], [1e-3], [1e-3]], size_px: 0}}\n")
    assert (grain - plain)[new].var() == pytest.approx(1e-3, rel=0.1)
    assert np.array_equal(own[new][:, :3], grain[new])  # it is in the element too
    dark, _ = made("match: {vignette: {k: [-0.4, 0, 0]}}\n")
    h, w = new.shape
    y, x = np.mgrid[:h, :w] + 0.5
    fall = 1 - 0.4 * ((y - h / 2) ** 2 + (x - w / 2) ** 2) / ((h / 2) ** 2 + (w / 2) ** 2)
    assert np.allclose(dark[new], plain[new] * fall[new][:, None], rtol=3e-3)
    hazy, _ = made("match: {air: {visibility_m: 300, inscatter: [1, 0, 0]}}\n")
    assert np.array_equal(hazy[new], plain[new])
