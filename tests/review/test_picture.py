"""The layout picture: everybody at his place on it, by side; what is drawn is where the world says."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.cli.main import main
from composer.render.people import people_on
from composer.review.edits import set_polygon
from composer.review.paper import fitted, round_step, top_view
from composer.review.plan import plan_of
from composer.shot.load import load_shot, parse_shot
from composer.shot.stage import prepare

OVERRIDES = "overrides:\n  - {soldier: host.00004, move_m: [3, 0], side: blue}\n  - {soldier: host.00012, hide: true}\n"


def test_soldiers_are_drawn_where_they_stand_in_their_sides_colour(make_shot) -> None:
    shot = make_shot(frames=2)
    shot.write_text(shot.read_text() + OVERRIDES)
    stage = prepare(load_shot(shot))
    plan = plan_of(stage, people_on(stage), 1002)
    assert plan.side_names == ("red", "blue") and len(plan.names) == 29 and plan.hidden[0][0] == "host.00012"
    assert [plan.names[i] for i in np.flatnonzero(plan.directed)] == ["host.00004"]
    picture = top_view(plan, (700, 900), None).astype(int)
    scale = fitted(plan.extent_m, (700, 900))
    for i, (x, y) in enumerate(scale.px(plan.place_m).round().astype(int).tolist()):
        r, _, b = picture[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)
        assert (b > r + 30) if plan.side[i] else (r > b + 30), plan.names[i]
    assert plan.azimuth_deg == pytest.approx(np.full(29, 180) * np.sign(plan.azimuth_deg), abs=1e-3)


@pytest.mark.parametrize(
    ("per_m", "least", "step"), [(1, 70, 100), (70, 70, 1), (7, 70, 10), (20, 70, 5), (1000, 70, 0.1)]
)
def test_steps_are_round(per_m: float, least: float, step: float) -> None:
    assert round_step(per_m, least) == pytest.approx(step)


def test_a_path_is_drawn_open_and_its_vertices_can_be_set(make_shot) -> None:
    shot = make_shot(frames=2)
    text = shot.read_text()
    start, end = text.index("polygon_m:"), text.index("formation: rank_and_file")
    gap = text[text.index("]]", start) + 2 : end]  # a comma or a new line, as the file has it
    text = text[:start] + "path_m: [[-6, -9], [0, -15], [8, -18]]" + gap + text[end:].replace("rank_and_file", "column")
    text = re.sub(r" *heading_deg: 180(, |\n)", "", text)
    moved = set_polygon(text, "host", [(-6, -9), (1.5, -15), (8, -18)])
    assert moved == text.replace("[0, -15]", "[1.5, -15]")
    stage = prepare(parse_shot(moved, shot))
    (outline,) = plan_of(stage, people_on(stage), 1001).regions
    assert outline.key == "path_m" and not outline.closed and len(outline.line_m) == 3


def test_the_verb_writes_a_picture(make_shot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = make_shot(frames=2)
    shot.write_text(shot.read_text() + OVERRIDES)
    target = tmp_path / "plan.png"
    usual = ["layout", str(shot.parent), "--width", "1000", "--json"]
    assert main([*usual, "--out", str(target), "--frame", "1002", "--select", "host.00000"]) == 0
    assert json.loads(capsys.readouterr().out)["soldiers"] == 29
    with Image.open(target) as picture:
        assert picture.size[0] == 1000 and picture.size[1] > 400
    for wrong, said in (
        (["--frame", "7"], "1001-1002"),
        (["--select", "host.00099"], "no such soldier"),
        (["--width", "9"], "640 to 16384"),
    ):
        assert main([*usual[:2], *wrong, "--out", str(tmp_path / "none.png")]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "none.png").exists()


def test_a_painted_region_is_drawn(make_shot) -> None:
    """A ring of paint: its line, a tint on the ring, twice where it is white, and none in its hole."""
    shot = make_shot(frames=2)
    y, x = np.mgrid[0:200, 0:200]
    away = np.hypot(x - 99.5, y - 99.5)
    grey = np.where((away > 40) & (away < 95), np.where(x > 100, 255, 90), 0).astype(np.uint8)
    Image.fromarray(grey).save(shot.parent / "paint.png")
    text = shot.read_text()
    start, end = text.index("polygon_m:"), text.index("]]", text.index("polygon_m:")) + 2
    text = text[:start] + "density: {map: paint.png, extent_m: [[-10, -30], [10, -10]]}" + text[end:]
    text = text.replace("formation: rank_and_file", "formation: loose")
    stage = prepare(parse_shot(text, shot))
    plan = plan_of(stage, people_on(stage), 1001)
    (outline,) = plan.regions
    assert outline.key == "" and len(outline.rings) == 2 and len(outline.dense) == 1
    for ring, radius in zip(outline.rings, (9.5, 4.0), strict=True):
        assert np.hypot(ring[:, 0], ring[:, 1] + 20) == pytest.approx(radius, abs=0.15)
    bare = dataclasses.replace(plan, regions=(), place_m=np.full_like(plan.place_m, np.nan))
    drawn = dataclasses.replace(bare, regions=plan.regions)
    scale = fitted(plan.extent_m, (800, 800))

    def shade(at: tuple[float, float]) -> float:
        px, py = scale.px(np.array(at)).round().astype(int)
        patch = [top_view(p, (800, 800), None)[py - 1 : py + 2, px - 1 : px + 2].astype(float) for p in (drawn, bare)]
        return float(np.abs(patch[0] - patch[1]).mean())

    hole, thin, thick = shade((0.55, -22.7)), shade((-6.7, -20.3)), shade((6.7, -20.3))
    assert hole == 0 and thin > 4 and thick > 1.5 * thin and shade((9.45, -20.0)) > 1.5 * thick
