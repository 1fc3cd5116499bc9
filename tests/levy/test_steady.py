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
    assert errors["same"] == pytest.approx(0, abs=1e-5)
    assert 0 < errors["bodies"] < 0.3 * errors["screen"]
    assert set(errors) == {"bodies", "screen", "same"}


def test_every_figure_of_the_demo_is_measured(tiny: str, tmp_path: Path) -> None:
    bundle = write_bundle(Levy(SIZES[tiny]), tmp_path / "tiny")
    nothing = {f.name: 0.0 for f in fields(Figures)}
    lines: list[str] = []
    told = steady.steadiness(bundle, "cpu", Figures(**nothing), 3, lines.append, width_px=560).json()
    assert lines == [f"frame {n} painted" for n in (1001, 1002, 1003)] and told["steady_frames"] == 3
    for name in ("demo", "world", "screen", "guide"):
        assert told[f"far_{name}"] > 0 and told[f"near_{name}"] > 0, name
    assert told["far_world_noise"] == told["far_screen_noise"] == 0, "what was never trained makes nothing of noise"
    assert told["near_demo"] < 0.7 * told["near_world"], "the shot asks for averages over frames"
    assert told["far_guide"] > told["near_guide"], "light and poses change"
