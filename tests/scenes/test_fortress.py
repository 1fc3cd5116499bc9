"""The valley with a fortress: all of it stands in the picture, where the shot says, and the hosts are all there."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composer.environment.build import build_environment
from composer.guides.passes import Light
from composer.guides.render import render_guides
from composer.render.look import Scene
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.reduced import reduced
from composer.shot.stage import Stage, prepare

ROOT = Path(__file__).parents[2]
SHOT = ROOT / "scenes" / "valley" / "fortress.yaml"


@pytest.fixture(scope="module")
def stage() -> Stage:
    return prepare(load_shot(SHOT))


def test_castle_camp_and_hosts_are_in_the_picture(stage: Stage) -> None:
    place = build_environment(stage)
    assert place is not None and place.sky is not None and place.triangle_count < 1_500_000
    people = people_on(stage)
    assert len(people.layout) == 1000
    numbers = (1011, 1012, 1013)
    small = tuple(
        replace(v, size_px=(320, 180), focal_px=(v.focal_px[0] / 6, v.focal_px[1] / 6), centre_px=(160.0, 90.0))
        for v in (stage.camera.view(n) for n in numbers)
    )
    light = Light(stage.light.sun_direction, stage.light.sun, stage.light.sky, stage.light.bounce)
    seen = render_guides(people.at(numbers), people.cast, small, None, [], light, samples=4, environment=place)
    assert seen.place is not None
    found = {place.names[i] for i in np.unique(seen.place.samples.agent_id).tolist()}
    assert {"ridge", "castle", "trebuchet_left", "trebuchet_right", "tower_right", "ram"} <= found
    assert sum(n.startswith("wood.") for n in found) > 100 and any(n.startswith("tents.") for n in found)
    castle = next(i for i, n in place.names.items() if n == "castle")
    rows, columns = np.nonzero(seen.place.piece_id == castle)
    # on the right, above the field, against the mountain: about 50 of 180 rows wide, lit from the left
    assert 170 < columns.mean() < 250 and 10 < rows.mean() < 60 and np.ptp(columns) > 40
    beauty = seen.place.beauty[rows, columns].mean(1)
    left, right = columns < np.quantile(columns, 0.3), columns > np.quantile(columns, 0.8)
    assert beauty[left].mean() > 1.3 * beauty[right].mean()
    assert (seen.coverage > 0).mean() > 0.02


def test_a_painting_of_it_holds_as_still_as_the_ground(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`benchmarks/painting.py`, two frames of it, small: painted at 1012, seen eight frames later."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    import painting

    scene = Scene(reduced(stage, 320), people_on(stage, 60), 4, "cpu")
    got = painting.measure(scene, (1020, 1021))
    assert got["points_a_pair"]["painted"] > 500 and got["points_a_pair"]["plate"] > 300
    assert got["painted_to_plate"] < 1.2 and got["painted_to_plate_stops"] < 1.2
    # the place drawn anew in every frame shimmers more than its painting
    assert got["warp_error"]["painted"] < got["warp_error"]["rendered"]
    assert min(got["round_trip_psnr_db"].values()) > 26
