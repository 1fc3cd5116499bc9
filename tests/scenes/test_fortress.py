"""The valley with a fortress: all of it stands in the picture, where the shot says, and the hosts are all there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from composer.environment.build import build_environment
from composer.guides.passes import Light
from composer.guides.render import render_guides
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import prepare

SHOT = Path(__file__).parents[2] / "scenes" / "valley" / "fortress.yaml"


def test_castle_camp_and_hosts_are_in_the_picture() -> None:
    stage = prepare(load_shot(SHOT))
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
