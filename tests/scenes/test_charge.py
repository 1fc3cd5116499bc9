"""The charge on the valley: the shot is sound, its files belong together, the hosts meet in it, and a few of them are drawn."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from composer.crowd.behaviour.modes import Mode
from composer.crowd.people import People
from composer.io.image import read_channels
from composer.render.check import check_shot
from composer.render.frame import Scene, read_inputs, render_frame
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import Stage, prepare

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "scenes" / "valley"
SHOT = SCENE / "charge.yaml"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The scene's own package, which is not installed."""
    sys.path.insert(0, str(SCENE))
    try:
        package = importlib.import_module("maker")
        for name in ("files", "move", "world"):
            importlib.import_module(f"maker.{name}")
        return package
    finally:
        sys.path.remove(str(SCENE))


@pytest.fixture(scope="module")
def stage() -> Stage:
    return prepare(load_shot(SHOT))


@pytest.fixture(scope="module")
def few(stage: Stage) -> People:
    """Four hundred of the ten thousand."""
    return people_on(stage, 400)


def test_nothing_is_wrong_with_it() -> None:
    assert check_shot(SHOT).errors == ()


def test_five_thousand_meet_five_thousand() -> None:
    regions = load_shot(SHOT).crowd.regions
    for side in ("red", "blue"):
        assert sum(r.count for r in regions if r.side == side) == 5000
    assert {r.cues[0].do for r in regions} == {"charge", "volley"}
    names = {r.name: r.side for r in regions}
    assert all(names[r.cues[0].target] != r.side for r in regions)


def test_the_camera_is_the_one_that_rendered_and_stands_still(maker: ModuleType, stage: Stage) -> None:
    m = maker.move.charge_from_camera(1001, float(maker.world.height_m(0.0, 0.0)))
    entries = json.loads((SCENE / "charge" / "camera.json").read_text(encoding="utf-8"))["frames"]
    assert len(entries) == len(stage.plate.frames) == 48
    for entry, frame in zip(entries, stage.plate.frames, strict=True):
        assert np.allclose(entry["transform_matrix"], m, atol=1e-6)
        assert np.allclose(stage.camera.view(frame).world_from_camera, m, atol=1e-6)
    assert 10 < m[1, 3] - float(maker.world.height_m(0.0, -60.0)) < 16  # a rise over the field


def test_the_script_still_makes_ground_and_camera(maker: ModuleType, tmp_path: Path) -> None:
    maker.files.write_charge_ground(tmp_path / "ground.obj")
    maker.move.write_charge_transforms(tmp_path / "camera.json", float(maker.world.height_m(0.0, 0.0)))
    for name in ("ground.obj", "camera.json"):
        assert (tmp_path / name).read_text() == (SCENE / "charge" / name).read_text()


def test_the_ground_is_the_rendered_land(maker: ModuleType, stage: Stage) -> None:
    rng = np.random.default_rng(5)
    x, z = rng.uniform(-100, 100, 20_000), rng.uniform(-160, -25, 20_000)
    truth = maker.world.height_m(x.astype(np.float32), z.astype(np.float32))
    off = np.abs(np.asarray(stage.ground.height_m(x, z)) - truth)
    assert np.median(off) < 0.005 and off.max() < 0.05


def test_depth_lies_on_the_ground(stage: Stage) -> None:
    """Depth, lens and camera put the field's pixels on the ground: independent of the renderer."""
    depth = next(iter(read_channels(SCENE / "charge" / "depth.exr", ["Z"]).values()))
    rng = np.random.default_rng(1)
    i, j = rng.integers(0, 1920, 6000), rng.integers(420, 1080, 6000)
    view = stage.camera.view(1001)
    rays = view.rays(np.stack([i, j], -1) + 0.5)
    p = view.position_m + rays * depth[j, i, None]
    ok = np.isfinite(p).all(-1) & (p[:, 2] > -160) & (np.abs(p[:, 0]) < 110)
    off = np.abs(p[ok, 1] - np.asarray(stage.ground.height_m(p[ok, 0], p[ok, 2])))
    assert ok.sum() > 4000 and np.median(off) < 0.02
    assert np.mean(off < 0.06) > 0.98  # no boulders where the hosts meet


def test_they_run_meet_fight_and_fall(few: People) -> None:
    """All of it between the first frame and the last; nobody stands inside another and few feet slide."""
    acts = few.layout.acts
    track = acts.track_to(1049)
    first, last = 1001 - acts.start_frame, 1048 - acts.start_frame
    pace = np.linalg.norm(np.diff(track.place_m[first : first + 2], axis=0)[0], axis=1) * 24
    assert np.median(pace) > 2.0
    assert (track.foe[last] >= 0).sum() > 4 and (track.foe[first - 24] < 0).all()
    assert np.isin(track.mode[last], (Mode.FALL, Mode.DEAD)).sum() > np.isin(track.mode[first], (2, 3)).sum()
    flying = (track.arrows.loose_s * 24 + acts.start_frame < 1048) & (
        track.arrows.land_s * 24 + acts.start_frame > 1001
    )
    assert flying.any()


def test_a_frame_of_it(stage: Stage, few: People) -> None:
    """Reds come from the left and blues from the right, on the ground; what nobody touches is the plate."""
    frame = render_frame(Scene(stage, few, 1, "cpu"), read_inputs(stage, 1016))
    side = few.names.side
    xs: dict[str, list[float]] = {"red": [], "blue": []}
    for agent in np.unique(frame.guides.agent_id)[1:]:
        xs[side[int(agent)]].append(float(np.nonzero(frame.guides.agent_id == agent)[1].mean()))
    assert len(xs["red"]) > 60 and len(xs["blue"]) > 60
    assert np.median(xs["red"]) < np.median(xs["blue"]) - 60
    agents = few.at((1015, 1016, 1017))
    ground = np.asarray(stage.ground.height_m(*agents.position_m[1, :, [0, 2]].astype(np.float64)))
    people = np.isin(agents.agent_id, few.layout.agent_id)
    assert np.abs(agents.position_m[1, people, 1] - ground[people]).max() < 0.01
    plate = read_inputs(stage, 1016).plate
    assert np.array_equal(frame.composite[~frame.touched], plate[~frame.touched].astype(np.float16))
    assert 0.02 < frame.touched.mean() < 0.5


def test_its_figures_can_be_measured() -> None:
    """`benchmarks/charge.py`, on fewer men: the figures that acceptance asks for."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        measured = importlib.import_module("charge").measure(SHOT, count=300)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    assert measured["frames"] == 48 and measured["soldiers"] == 300
    assert 0 < measured["foot_slide_mm_a_frame"]["all"]["p50"] < 15
    assert measured["least_m_between_two"] > 0.4
    assert measured["share_within_shoulder_width"] < 0.001


def test_the_movie_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/pictures.py charge`, two frames of it and few men."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    small = pictures.run
    monkeypatch.setattr(
        pictures, "run", lambda *words: small(*[w.replace("final", "preview") for w in words], "--count", "120")
    )
    monkeypatch.setattr(pictures, "MOVIE_PX", 480)
    pictures.charge(str(tmp_path / "out"), "1001", tmp_path)
    assert (tmp_path / "charge.mp4").stat().st_size > 2000 and (tmp_path / "charge.jpg").stat().st_size > 2000
