"""How still a painting holds is told from how still its guide does, and from what stays on the screen."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from composer.io.content import find_content
from composer.render.anchors import surface_at
from composer.render.job import prepare_job
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from models.levy.recipe import measures as m
from models.levy.recipe import steady
from models.levy.recipe.evaluate import Figures
from models.levy.recipe.export import write_bundle
from models.levy.recipe.net import SIZES, Levy


def test_frames_lie_further_and_further_apart() -> None:
    assert steady._spread(24, 4) == [0, 1, 5, 23]
    assert steady._spread(24, 2) == [0, 23] and steady._spread(3, 9) == [0, 1, 2]


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    return prepare_job(shot, tmp_path_factory.mktemp("out"), load_quality("preview"), width_px=480).scene


def test_what_lies_on_the_bodies_holds_still_and_what_lies_on_the_screen_does_not(valley: Scene) -> None:
    looks = [look_at(valley, read_inputs(valley.stage, n)) for n in (1001, 1024)]
    rng = np.random.default_rng(1)
    screen = rng.random((*looks[0].guides.coverage.shape, 3)).astype(np.float32)

    def pictures(look: Look) -> dict[str, m.F32]:
        surface = surface_at(valley, look)
        bodies = (0.5 + 0.5 * np.sin(2 * surface.place_m)).mean(2).astype(np.float32)
        return {"bodies": bodies, "screen": screen, "same": np.ones_like(screen)}

    first, last = ((look, pictures(look)) for look in looks)
    errors = steady._errors(valley, first, last)
    assert errors["same"] == errors["same_low"] == pytest.approx(0, abs=1e-5)
    assert 0 < errors["bodies"] < 0.3 * errors["screen"]
    assert errors["screen_low"] < 0.5 * errors["screen"], "averages hide what is fine"
    assert set(errors) == {k + end for k in ("bodies", "screen", "same") for end in ("", "_low")}


def test_every_figure_of_the_demo_is_measured(tiny: str, tmp_path: Path) -> None:
    bundle = write_bundle(Levy(SIZES[tiny]), tmp_path / "tiny")
    nothing = {f.name: 0.0 for f in fields(Figures)}
    lines: list[str] = []
    told = steady.steadiness(bundle, "cpu", Figures(**nothing), 2, lines.append, width_px=560).json()
    assert lines == ["frame 1001 painted", "frame 1024 painted"] and told["carried_frames"] == 24
    for name in ("world", "screen", "guide", "world_low", "screen_low", "guide_low", "world_over", "screen_over"):
        assert told[f"carried_{name}"] >= 0 and np.isfinite(told[f"carried_{name}"]), name
    assert told["carried_guide"] > told["carried_guide_low"] > 0
