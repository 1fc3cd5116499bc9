"""The valley with a hill in the field: red holds its top, blue climbs it, and all of them stand on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from composer.environment.land import land_of
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import prepare

SHOT = Path(__file__).parents[2] / "scenes" / "valley" / "hill.yaml"


def test_the_hill_is_held_and_climbed() -> None:
    stage = prepare(load_shot(SHOT))
    people, land = people_on(stage), land_of(stage)
    layout = people.layout
    assert len(layout) == 606
    agents = people.at((1001, 1012, 1024))
    men = np.searchsorted(agents.agent_id, layout.agent_id)  # the rest is arrows
    at = agents.position_m[:, men].astype(np.float64)
    np.testing.assert_array_equal(agents.agent_id[men], layout.agent_id)
    np.testing.assert_allclose(at[..., 1], land.height_m(at[..., 0], at[..., 2]), atol=1e-3)
    rise = at[..., 1] - stage.ground.height_m(at[..., 0], at[..., 2])
    own = {name: layout.region == k for k, name in enumerate(layout.region_names)}
    assert np.median(rise[1, own["red_wall"]]) > 4
    assert rise[:, own["red_watch"]].min() > 10  # the tower's platform, on the hill
    climbers = own["blue_first"] | own["blue_second"]
    assert (rise[2, climbers] - rise[0, climbers]).mean() > 0.5
    # all of the wall is in the picture, above those who climb to it
    px, depth = stage.camera.view(1012).project(at[1] + np.array([0, 1.0, 0]))
    assert (depth > 0).all() and ((px > 0) & (px < stage.camera.size_px)).all(1)[own["red_wall"]].all()
    assert np.median(px[own["red_wall"], 1]) < np.median(px[climbers, 1]) - 40
