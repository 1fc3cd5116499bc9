"""Holdouts that models find, in a shot: bundles looked up and refused, frames found in any order, kept, and over them the
artist."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.finders import finder_bundle

from composer.cli.main import main
from composer.errors import InputError, InputErrors
from composer.inference.finding.kept import Kept
from composer.render import finders as module
from composer.render.depends import frame_files, scene_key
from composer.render.finders import DepthFinder, SegmentFinder
from composer.render.found import with_found
from composer.render.job import prepare_job, run_job
from composer.render.look import look_at, matte_in_front, read_inputs
from composer.render.quality import load_quality
from composer.shot.found import Found, Told
from composer.shot.load import load_shot
from composer.shot.matte import HoldoutFrame
from composer.shot.stage import Stage, prepare

CLICK = "{segment: {bundle: sam, frame: 1003, click: [[96, 60]], background: [[5, 5]], box: [60, 30, 130, 90]}}"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for name, kind in (("sam", "sam2"), ("depth", "depth-anything"), ("still", "sam2-still")):
        finder_bundle(folder, kind, name)
    finder_bundle(folder, "sam2", "unclear", licence="cc-by-nc-4.0", commercial=False)
    return folder / "models"


@pytest.fixture
def shot_with(
    make_shot: Callable[..., Path], models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """`shot_with(holdout, ...)` writes the tiny shot of five frames with these holdouts; a cache of its own."""
    monkeypatch.setenv("MUSTER_MODELS", str(models))
    monkeypatch.setenv("MUSTER_CACHE", str(tmp_path / "cache"))

    def make(*holdouts: str, frames: int = 5) -> Path:
        path = make_shot(frames=frames)
        lines = "".join(f"  - {line}\n" for line in holdouts)
        path.write_text(path.read_text() + (f"holdouts:\n{lines}" if holdouts else ""))
        return path

    return make


def opened(path: Path) -> Stage:
    return with_found(prepare(load_shot(path)))


def finder_of(stage: Stage, index: int = 0) -> SegmentFinder | DepthFinder:
    source = stage.holdouts.sources[index]
    assert isinstance(source, Found) and source.model is not None
    return source.model.find.__self__


def alphas(stage: Stage, *frames: int) -> list[np.ndarray]:
    return [stage.holdouts(f)[0].alpha for f in frames]


# --- following, in any order ---


def test_frames_are_found_in_any_order_alike(shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Forwards and backwards from the click, one after the other or at once; and each file is what the frame needs."""
    path = shot_with(CLICK[:-1] + ", refine: none}")
    stage = opened(path)
    straight = alphas(stage, 1001, 1002, 1003, 1004, 1005)
    assert all(a.shape == (108, 192) and set(np.unique(a)) <= {0, 1} for a in straight)
    assert any(0 < a.mean() < 1 for a in straight)
    monkeypatch.setattr(Kept, "read", lambda self, key: None)
    other = opened(path)
    for frame in (1005, 1001, 1004, 1003, 1002):
        assert (alphas(other, frame)[0] == straight[frame - 1001]).all(), frame
    names = [[p.name[6:10] for p in frame_files(stage, f)] for f in (1001, 1003, 1005)]
    assert names == [["1001", "1003", "1002"], ["1003"], ["1005", "1003", "1004"]]


def test_what_was_found_is_kept_and_a_track_goes_on_where_it_was_cut_off(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY_EVERY", 2)
    path = shot_with("{segment: {bundle: sam, frame: 1001, box: [60, 30, 130, 90]}, refine: none}")
    straight = alphas(opened(path), 1001, 1002, 1003, 1004, 1005)
    steps: list[int] = []
    step = module_step()
    monkeypatch.setattr("composer.inference.finding.segment.Track.step", lambda *a: steps.append(1) or step(*a))
    assert all(
        (a == b).all()
        for a, b in zip(alphas(opened(path), 1001, 1004, 1005), (straight[0], *straight[3:]), strict=True)
    )
    assert not steps  # all looked up
    stage = opened(path)
    finder = finder_of(stage)
    assert isinstance(finder, SegmentFinder)
    (finder.kept.folder / f"{finder.key(1005)}.npy").unlink()
    (finder.kept.folder / f"{finder.key(1003)}.npy").write_bytes(b"half a fi")
    assert (alphas(stage, 1005)[0] == straight[4]).all() and len(steps) == 1  # from the memory after 1004
    assert len(list(finder.kept.folder.glob("*.safetensors"))) == 1
    assert (alphas(stage, 1003)[0] == straight[2]).all() and len(steps) == 4  # none left before it: from the start


def module_step() -> Callable[..., np.ndarray]:
    from composer.inference.finding.segment import Track

    return Track.step


def test_another_plate_prompt_or_bundle_is_found_anew(shot_with: Callable[..., Path], models: Path) -> None:
    first = opened(shot_with(CLICK))
    keys = {finder_of(first).key(1004)}
    keys.add(finder_of(opened(shot_with(CLICK.replace("96, 60", "97, 60")))).key(1004))
    keys.add(finder_of(opened(shot_with(CLICK.replace("sam", "unclear")))).key(1004))  # the same weights
    assert len(keys) == 2
    plate = next(first.shot.folder.glob("plate.1003.*"))
    finder = finder_of(opened(shot_with(CLICK)))
    after, before = finder.key(1005), finder.key(1001)
    plate.write_bytes(next(first.shot.folder.glob("plate.1002.*")).read_bytes())
    finder = finder_of(opened(shot_with(CLICK)))
    assert finder.key(1005) != after and finder.key(1001) != before


def test_a_frame_is_rendered_again_when_what_it_is_found_from_changes(shot_with: Callable[..., Path]) -> None:
    def key(*holdouts: str) -> str:
        job = prepare_job(load_shot(shot_with(*holdouts)), Path("out"), load_quality("preview"))
        return scene_key(job.scene, 1005)

    keys = [key(), key(CLICK), key(CLICK.replace("96, 60", "97, 60")), key(CLICK[:-1] + ", distance_m: 4}")]
    assert len(set(keys)) == 4 and key(CLICK) == keys[1]
    plate = next(shot_with(CLICK).parent.glob("plate.1004.*"))
    plate.write_bytes(plate.with_name(plate.name.replace("1004", "1002")).read_bytes())
    assert key(CLICK) != keys[1] and key() == keys[0]


# --- the artist wins ---


def draw(folder: Path, name: str, frame: int, picture: np.ndarray) -> None:
    cv2.imwrite(str(folder / f"{name}.{frame}.png"), (picture * 255).round().astype(np.uint8))


def test_the_artist_s_mattes_go_over_what_was_found(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shot_with()
    rng = np.random.default_rng(1)
    roto = np.round(rng.random((108, 192)) * 255) / 255
    core, garbage = np.zeros((108, 192)), np.zeros((108, 192))
    core[:, :50], garbage[:20] = 1, 1
    draw(path.parent, "roto", 1004, roto)
    for frame in range(1001, 1006):
        draw(path.parent, "core", frame, core)
        draw(path.parent, "garbage", frame, garbage)
    mattes = "roto: roto.####.png, core: core.####.png, garbage: garbage.####.png"
    shot_with(CLICK.replace("bundle: sam", f"bundle: sam, {mattes}"))
    stage = opened(path)
    assert any("roto by the artist on 1 of 5 frames" in note for note in stage.notes)
    asked: list[int] = []
    source = stage.holdouts.sources[0]
    half = np.full((108, 192), 0.5, np.float32)
    model = replace(source.model, find=lambda frame: asked.append(frame) or Told(half))
    source = replace(source, model=model, refiner=None)
    assert source(1004).alpha == pytest.approx(roto, abs=1e-6) and not asked  # as drawn, nothing found
    assert [p.name for p in source.files(1004)] == [f"{n}.1004.png" for n in ("roto", "core", "garbage")]
    cv2.imwrite(str(path.parent / "garbage.1002.png"), np.zeros((54, 96), np.uint8))
    with pytest.raises(InputError, match="not the plate's size: expected 192 x 108, got 96 x 54"):
        source(1002)
    alpha = source(1003).alpha
    assert (alpha[:20] == 0).all() and (alpha[20:, :50] == 1).all() and (alpha[20:, 50:] == 0.5).all()


def test_a_found_edge_is_refined_on_the_plate_and_may_be_left(shot_with: Callable[..., Path]) -> None:
    for refine, soft in (("guided", True), ("closed_form", True), ("none", False)):
        source = opened(shot_with(CLICK[:-1] + f", refine: {refine}}}")).holdouts.sources[0]
        hard = np.zeros((108, 192), np.float32)
        hard[30:80, 60:120] = 1
        source = replace(source, model=replace(source.model, find=lambda frame, hard=hard: Told(hard)))
        alpha = source(1002).alpha
        assert (((alpha > 0) & (alpha < 1)).any()) == soft, refine


# --- depth ---


def towers(stage: Stage, scale: float = 7.0, shift: float = 0.3) -> Callable[..., np.ndarray]:
    """A network that tells the truth, in its own scale and shift: the ground, and a tower 12 m away in the middle."""
    from composer.guides.ground import ground_depth

    ground = ground_depth(stage.ground, stage.camera.view(1002))
    inverse = np.where(np.isfinite(ground), 1 / ground, 0).astype(np.float32)
    inverse[20:64, 80:110] = np.maximum(inverse[20:64, 80:110], 1 / 12)
    return lambda self, picture: inverse * np.float32(scale) + np.float32(shift)


def test_depth_is_brought_to_metres_and_hides_who_is_behind(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shot_with("{depth: {bundle: depth}, refine: none}")
    stage = opened(path)
    monkeypatch.setattr("composer.inference.finding.depth.DepthNet.tell", towers(stage))
    (found,) = stage.holdouts(1002)
    inside = np.s_[22:62, 82:108]
    assert found.depth_m[inside] == pytest.approx(12, rel=0.01) and (found.alpha[inside] == 1).all()
    outside = np.ones((108, 192), bool)
    outside[18:66, 78:112] = False
    assert (found.alpha[outside] == 0).all() and np.isinf(found.depth_m[outside]).all()
    job = prepare_job(load_shot(path), path.parent / "out", load_quality("preview"), frames=[1002])
    guides = look_of(job)
    without = look_of(prepare_job(load_shot(shot_with()), path.parent / "out", load_quality("preview"), frames=[1002]))
    here = np.zeros((108, 192), bool)
    here[inside] = True
    assert (without.coverage[here & (without.depth_m > 12.5)] > 0.2).sum() > 10  # soldiers stand there
    assert guides.coverage[here & (without.depth_m > 12.5)].max() == 0  # and are behind it
    nearer = here & (without.depth_m < 11.5)
    assert nearer.any() and (guides.coverage[nearer] == without.coverage[nearer]).mean() > 0.9
    assert (guides.coverage[outside] == without.coverage[outside]).all()  # nobody loses his feet to the ground


def test_behind_a_soft_edge_of_depth_the_old_background_is_taken_out(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a drawn matte; a matte goes first, and depth that has no soft edge is as it was."""
    path = shot_with("{depth: {bundle: depth}, edge_px: 4}")
    job = prepare_job(load_shot(path), path.parent / "out", load_quality("preview"), frames=[1002])
    monkeypatch.setattr("composer.inference.finding.depth.DepthNet.tell", towers(job.scene.stage))
    inputs = read_inputs(job.scene.stage, 1002)
    look = look_at(job.scene, inputs)
    (depth,) = inputs.holdouts
    soft = (depth.alpha > 0) & (depth.alpha < 1)
    behind = np.minimum(look.guides.depth_m, look.ground_m) > depth.depth_m
    assert (soft & behind).sum() > 20
    assert look.matte[soft & behind] == pytest.approx(depth.alpha[soft & behind], abs=1e-6)
    assert (look.matte[depth.alpha == 0] == 0).all()
    drawn = HoldoutFrame(np.where(soft, np.float32(0.25), np.float32(0)), 0.0)
    assert matte_in_front((drawn, depth), look.guides, look.ground_m)[soft] == pytest.approx(0.25, abs=1e-6)
    hard = replace(depth, alpha=np.round(depth.alpha))
    assert (matte_in_front((hard,), look.guides, look.ground_m) == 0).all()
    # a whole thing far away hides neither crowd nor place before it, whatever its edge is like
    far = replace(depth, alpha=np.where(soft, depth.alpha, np.float32(1)), depth_m=np.full_like(depth.depth_m, 900.0))
    assert (matte_in_front((far,), look.guides, np.full_like(look.ground_m, np.inf))[~soft] == 0).all()


def look_of(job: object) -> object:
    return look_at(job.scene, read_inputs(job.scene.stage, 1002)).guides


def test_a_soft_edge_of_depth_has_the_depth_of_what_it_belongs_to(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = opened(shot_with("{depth: {bundle: depth}, refine: guided, edge_px: 4, bias_m: 0.5}"))
    monkeypatch.setattr("composer.inference.finding.depth.DepthNet.tell", towers(stage))
    (found,) = stage.holdouts(1002)
    soft = (found.alpha > 0) & (found.alpha < 1)
    assert soft.any() and np.isfinite(found.depth_m[soft]).all() and np.isfinite(found.depth_m[found.alpha > 0]).all()
    assert found.depth_m[40, 95] == pytest.approx(12.5, rel=0.01)


def test_solved_points_help_where_the_ground_is_hidden(
    shot_with: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wall over most of the ground, with points of the solve on it and on what is left."""
    stage = opened(shot_with("{depth: {bundle: depth}, refine: none}"))
    from composer.guides.ground import ground_depth

    view = stage.camera.view(1002)
    ground = ground_depth(stage.ground, view)
    depth = np.where(np.isfinite(ground), ground, 300).astype(np.float32)
    depth[40:] = np.minimum(depth[40:], np.linspace(6, 9, 192, dtype=np.float32))
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 192, 300), rng.integers(0, 108, 300)
    rays = view.rays(np.stack([x + 0.5, y + 0.5], axis=-1))
    points = (view.position_m + rays * depth[y, x, None]).astype(np.float32)
    finder = finder_of(stage)
    told = (7 / depth + 0.3).astype(np.float32)
    finder.sight = replace(finder.sight, stage=replace(stage, points_m=points))
    found = finder.alignment(1002, told, ground)
    assert found.scale == pytest.approx(1 / 7, rel=0.01) and found.shift == pytest.approx(-0.3 / 7, rel=0.03)


def test_a_random_network_s_depth_does_not_fit_and_nothing_is_held_out_by_it(shot_with: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="depth"):
        opened(shot_with("{depth: {bundle: depth}}")).holdouts(1002)


# --- what is refused ---


@pytest.mark.parametrize(
    ("holdout", "said"),
    [
        (CLICK.replace("sam", "samm"), r"holdouts.0.segment: no such bundle.*got samm; did you mean sam\?"),
        (CLICK.replace("sam", "depth"), r"another family: expected sam2, got depth-anything"),
        ("{depth: {bundle: sam}}", r"holdouts.0.depth: .*another family: expected depth-anything, got sam2"),
        (
            CLICK.replace("sam", "still"),
            r"follows nothing: expected a click or box on every frame, got none on 1001-1002, 1004",
        ),
        (CLICK.replace("1003", "1009"), r"the plate has no such frame: expected 1001-1005, got 1009"),
        (CLICK.replace("96, 60", "196, 60"), r"a click beside the plate: expected within 192 x 108, got 196, 60"),
        (CLICK.replace("60, 30, 130", "130, 30, 60"), r"this box has no area"),
        ("{segment: {bundle: sam, frame: 1003}}", r"where is it\?: expected click"),
        (CLICK[:-1] + ", bias_m: 1}", r"a segment holdout does not take this.*got bias_m"),
        ("{depth: {bundle: depth}, scale: 2}", r"a depth holdout does not take this.*got scale"),
        ("{difference: {}, refine: guided}", r"a difference holdout does not take this.*got refine"),
        (CLICK.replace("bundle: sam", "bundle: sam, roto: none.####.png"), r"none"),
    ],
)
def test_mistakes_are_told_with_their_line_and_nothing_is_written(
    holdout: str, said: str, shot_with: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    path = shot_with(holdout)
    assert main(["render", str(path), "--out", str(tmp_path / "out"), "--quality", "preview"]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and re.search(r"shot.yaml:\d+:\d+", told), told
    assert not (tmp_path / "out").exists() and not list((tmp_path / "cache").rglob("*.npy"))
    assert main(["check", str(path)]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_a_bundle_that_is_not_cleared_or_not_whole(
    shot_with: Callable[..., Path], models: Path, tmp_path: Path
) -> None:
    shot = load_shot(shot_with(CLICK.replace("sam", "unclear")))
    assert prepare_job(shot, tmp_path / "out", load_quality("draft"))
    with pytest.raises(InputErrors, match="unclear is not cleared for final"):
        prepare_job(shot, tmp_path / "out", load_quality("final"))
    folder = tmp_path / "spoilt"
    bundle = finder_bundle(folder, "sam2", "spoilt")
    weights = bundle.components["network"] / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    shot = load_shot(shot_with(CLICK.replace("sam", str(bundle.folder))))
    with pytest.raises(InputErrors, match="wrong hash"):
        prepare_job(shot, tmp_path / "out", load_quality("draft"))


def test_a_painter_s_place_takes_no_finder(
    shot_with: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["render", str(shot_with()), "--out", str(tmp_path / "out"), "--quality", "draft", "--bundle", "sam"]
    assert main(args) == 2
    assert "sam" in capsys.readouterr().err and not (tmp_path / "out").exists()


# --- the whole way ---


def test_a_render_with_a_found_holdout(
    shot_with: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shot_with(CLICK)
    job = prepare_job(load_shot(path), tmp_path / "out", load_quality("preview"), frames=[1004])
    result = run_job(job)
    manifest = json.loads(result.manifest.read_text())
    (note,) = [n for n in manifest["notes"] if "found by sam (sam2" in n]
    assert "licence apache-2.0" in note and finder_of(job.scene.stage).bundle.sha256[:12] in note
    assert len(list((tmp_path / "cache" / "found").rglob("*.npy"))) == 2
    assert main(["check", str(path)]) == 0 and "found by sam" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert "sam: sam2, plate; licence apache-2.0" in capsys.readouterr().out


def test_a_still_plate_needs_one_click_even_of_the_model_of_single_pictures(
    shot_with: Callable[..., Path], tmp_path: Path
) -> None:
    path = shot_with(CLICK.replace("sam", "still").replace("1003", "1001"))
    text = (
        path.read_text()
        .replace("plate.####.exr", "plate.1001.exr")
        .replace("frame_rate: 24", "frame_rate: 24, frames: 1001-1003")
    )
    path.write_text(text)
    stage = opened(path)
    first, last = alphas(stage, 1001, 1003)
    assert (first == last).all()
