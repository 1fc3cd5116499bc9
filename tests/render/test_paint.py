"""A painted shot, from shot.yaml to delivery: confined to the crowd, bound to its ids, the same in any order, and refused
with its reason before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composer.cli.main import main
from composer.errors import InputError, InputErrors
from composer.io.exr import read_exr_parts
from composer.io.exr_image import read_planes
from composer.io.files import sha256_file
from composer.render.frame import read_inputs, render_frame
from composer.render.job import JobResult, prepare_job, prepare_jobs, run_job
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot
from tests.support.brushes import GuideBrush, NoiseBrush, brushed

Make = Callable[..., Path]
TINY = "paint: {bundle: tiny-sd15, strength: 0.7}"


def job_of(shot: Path, out: Path, quality: str = "draft", **options: object) -> Job:
    return prepare_job(load_shot(shot), out, load_quality(quality), **options)


def rendered(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(job_of(shot, out, **options))


def frame_of(job: Job, number: int):  # type: ignore[no-untyped-def]
    return render_frame(job.scene, read_inputs(job.scene.stage, number))


def exr(result: JobResult, frame: int = 1001) -> Path:
    return next((result.delivery / "exr").glob(f"*.{frame}.exr"))


def test_draft_with_a_bundle_is_painted_end_to_end(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot(TINY, "delivery: {deep: true, light_set: true}", frames=2)
    painted = rendered(shot, tmp_path / "out")
    plain = rendered(shot, tmp_path / "plain", quality="preview")
    planes = {
        name: read_planes(exr(result), ["rgba.R", "crowd.A", "crowd.R", "shadow.A"])
        for name, result in (("painted", painted), ("plain", plain))
    }
    own, guide = planes["painted"], planes["plain"]
    untouched = (own["crowd.A"] == 0) & (own["shadow.A"] == 0)
    plate = read_planes(shot.parent / "plate.1001.exr", ["R"])["R"]
    assert 0.3 < untouched.mean() < 1 and np.array_equal(own["rgba.R"][untouched], plate[untouched])
    both = (own["crowd.A"] == 1) & (guide["crowd.A"] == 1)
    assert np.abs(own["crowd.R"] - guide["crowd.R"])[both].mean() > 0.05
    head = json.loads(painted.manifest.read_text())
    record, sha256 = head["frames"][0]["paint"], head["paint"]["sha256"]
    assert head["paint"]["licence"] == {"id": "Apache-2.0", "name": "Apache-2.0", "commercial": True}
    assert record["bundle"] == "tiny-sd15" and record["sha256"] == sha256 and record["steps"] == 2
    assert record["tiles"]["jobs"] >= 1 and record["seconds"]["denoise"] > 0 and 0 < record["adherence"] <= 1
    assert "id" in record["dropped"]
    tags = read_exr_parts(exr(painted))[0].attributes
    assert tags["muster:bundle_sha256"] == sha256 and tags["muster:paint_seed"] == "0"
    assert sum("tiny-sd15 does not take" in n for n in painted.notes) == 1
    assert record["seconds"]["load"] > 0 and "load" not in head["frames"][1]["paint"]["seconds"]
    assert painted.painted == "tiny-sd15 (Apache-2.0), 2 steps" and plain.painted is None
    assert any("preview is not painted" in n for n in plain.notes)
    assert sorted(f.split("/")[0] for f in head["frames"][0]["files"]) == ["deep", "exr"]


def test_what_runs_in_place_of_the_bundles_sampler_is_in_the_manifest(
    paint_shot: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.bundles import tiny_bundle

    folder = tiny_bundle(tmp_path / "models" / "tiny-sd15", "sd15")
    config, told = (next(folder.rglob("scheduler_config.json")), folder / "bundle.yaml")
    was = sha256_file(config)
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": "PNDMScheduler"}))
    told.write_text(told.read_text().replace(was, sha256_file(config)))
    monkeypatch.setenv("MUSTER_MODELS", str(tmp_path / "models"))
    result = rendered(paint_shot("paint: {bundle: tiny-sd15, strength: 0.7, steps: 1}", frames=2), tmp_path / "out")
    note = "sampler: PNDM's levels are run by DDIM, one prediction a step"
    frames = json.loads(result.manifest.read_text())["frames"]
    assert [f["paint"]["notes"] for f in frames] == [[note], [note]]
    assert result.notes.count(note) == 1


def test_ids_deep_and_light_sum_to_the_painted_crowd(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot(TINY, "delivery: {deep: true, light_set: true}", frames=1)
    result = rendered(shot, tmp_path / "out")
    names = [f"crypto_agent0{i}.{c}" for i in range(3) for c in "GA"]
    lights = [f"light_{n}.{c}" for n in ("sun", "sky", "bounce") for c in "RGB"]
    planes = read_planes(exr(result), [*names, *lights, *(f"crowd.{c}" for c in "RGBA")])
    covered = planes["crowd.A"].astype(np.float64)
    assert np.abs(sum(planes[n] for n in names) - covered).max() < 2e-3
    for c in "RGB":
        total = sum(planes[f"light_{n}.{c}"].astype(np.float64) for n in ("sun", "sky", "bounce"))
        assert np.abs(total - planes[f"crowd.{c}"]).max() < 4e-3 * max(1.0, planes[f"crowd.{c}"].max())
    import OpenImageIO as oiio

    deep = oiio.ImageBuf(str(next((result.delivery / "deep").iterdir())))
    flat = oiio.ImageBufAlgo.flatten(deep)
    roi = flat.roi
    got = flat.get_pixels(oiio.FLOAT)[..., [flat.spec().channelindex(c) for c in "RGBA"]]
    box = np.s_[roi.ybegin : roi.yend, roi.xbegin : roi.xend]
    for i, c in enumerate("RGBA"):
        assert np.abs(got[..., i] - planes[f"crowd.{c}"][box]).max() < 6e-3 * max(1.0, planes[f"crowd.{c}"].max())


def test_a_frame_alone_is_the_frame_of_the_sequence(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, strength: 0.7, steps: 1}", frames=2)
    straight = rendered(shot, tmp_path / "a")
    alone = rendered(shot, tmp_path / "b", frames=[1002])
    assert sha256_file(exr(alone, 1002)) == sha256_file(exr(straight, 1002))


@pytest.mark.parametrize("window", [2, 5])
def test_windows_of_a_video_model_lie_on_one_grid(
    paint_shot: Make, with_models: Path, tmp_path: Path, window: int
) -> None:
    job = job_of(paint_shot(TINY, frames=4), tmp_path)
    straight = brushed(job, NoiseBrush(), window)
    pictures = {n: frame_of(straight, n) for n in (1001, 1002, 1003, 1004)}
    alone = frame_of(brushed(job, NoiseBrush(), window), 1003)
    assert np.array_equal(alone.composite, pictures[1003].composite)
    assert alone.paint is not None and 1003 in alone.paint.frames and len(alone.paint.frames) >= 2


def test_a_model_that_changes_nothing_leaves_the_guide_render(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    job = job_of(paint_shot(TINY, frames=1), tmp_path)
    guide = frame_of(replace(job, scene=replace(job.scene, painter=None)), 1001)
    same = frame_of(brushed(job, GuideBrush()), 1001)
    off = np.abs(same.composite.astype(np.float32) - guide.composite.astype(np.float32))
    solid = guide.guides.coverage == 1
    assert off[solid].max() < 2e-3 and np.quantile(off[guide.guides.coverage > 0], 0.9) < 0.02
    assert np.array_equal(same.composite[~(same.guides.coverage > 0)], guide.composite[~(same.guides.coverage > 0)])
    assert same.paint.adherence == pytest.approx(same.paint.guide_adherence, abs=0.02)
    assert same.paint.notes == ("a note of the engine",) and same.paint.peak_bytes == 123


def test_strength_0_is_the_guide_render_bit_for_bit(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, strength: 0}", frames=1)
    job = job_of(shot, tmp_path)
    guide = frame_of(replace(job, scene=replace(job.scene, painter=None)), 1001)
    brush = GuideBrush()
    same = frame_of(brushed(job, brush), 1001)
    assert np.array_equal(same.composite, guide.composite) and not brush.asked
    assert "strength 0" in same.paint.notes[0]


def test_what_is_done_is_skipped_until_the_painting_changes(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    assert run_job(brushed(job_of(shot, out), GuideBrush())).rendered == (1001,)
    assert run_job(brushed(job_of(shot, out), GuideBrush())).skipped == (1001,)
    text = shot.read_text()
    for change in ("seed: 5", "prompt: muddy men", "steps: 3", "guidance: 4", "edge_px: 1", "exposure: 2"):
        shot.write_text(text.replace("strength: 0.7", f"strength: 0.7, {change}"))
        slate_key = job_of(shot, out)
        assert not _done(slate_key), change
    shot.write_text(text)
    assert _done(job_of(shot, out))
    assert not _done(job_of(shot, out, ask=PaintAsk(strength=0.5)))


def _done(job: Job) -> bool:
    from composer.render.depends import frame_key
    from composer.render.manifest import is_done
    from composer.render.ready import slate_of

    return is_done(job.delivery, 1001, frame_key(job.scene, slate_of(job), 1001))


def test_sides_types_and_regions_are_told_what_the_shot_says(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    block = """paint:
  bundle: tiny-sd15
  prompt: an army
  strength: 0.5
  parts:
    - {side: red, prompt: red cloth, negative: blue}
    - {type: swordsman, prompt: blades, strength: 0.9}
    - {region: host, strength: 0.7}
    - {type: swordsman, strength: 0.2}
    - {type: archer, prompt: bows}"""
    job = job_of(paint_shot(block, frames=1), tmp_path)
    people, painter = job.scene.people, job.scene.painter
    assert painter is not None
    told = painter.plan.brief.direction
    swords = np.array([people.names.cast[a] == "swordsman" for a in told.agent_id.tolist()])
    assert 0 < swords.sum() < len(swords) and (np.diff(told.agent_id.astype(np.int64)) > 0).all()
    said = [(told.texts[t].prompt, told.texts[t].negative) for t in told.text[:-1]]
    assert {s for s, sword in zip(said, swords, strict=True) if sword} == {("blades", "blue")}
    assert {s for s, sword in zip(said, swords, strict=True) if not sword} == {("red cloth", "blue")}
    assert np.allclose(told.strength[:-1], np.where(swords, 0.2, 0.7)) and told.shot_strength == 0.5
    stranger = told.rows(np.array([told.agent_id[0], told.agent_id[-1] + 1, 3], np.uint32))
    assert stranger[0] == 0 and (stranger[1:] == len(told.agent_id)).all()
    assert told.texts[told.text[-1]].prompt == "an army" and told.strength[-1] == 0.5
    assert told.texts[0].prompt == "an army"
    assert any("nobody is type archer" in n for n in job.notes)
    brush = GuideBrush()
    frame_of(brushed(job, brush), 1001)
    assert {p.text for p in brush.asked[0].prompts} == {"an army", "red cloth", "blades"}
    assert np.allclose(sum(p.weight for p in brush.asked[0].prompts), 1, atol=1e-5)


def test_references_and_settings_reach_the_model(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    import cv2

    shot = paint_shot(
        "paint: {bundle: tiny-sd15, references: [ref.png], steps: 7, guidance: 4.5, noise: screen, exposure: 1}",
        frames=1,
    )
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 2] = 255
    cv2.imwrite(str(shot.parent / "ref.png"), red)
    brush = GuideBrush()
    job = brushed(job_of(shot, tmp_path), brush)
    frame_of(job, 1001)
    request = brush.asked[0]
    assert (request.steps, request.guidance) == (7, 4.5)
    assert request.references[0].shape == (6, 8, 3) and np.allclose(request.references[0], (1, 0, 0))
    assert type(request.noise).__name__ == "ScreenNoise"
    assert job.scene.painter is not None and job.scene.painter.plan.brief.range.exposure == 2.0
    digest = job.scene.painter.plan.told()["references_sha256"]
    assert digest == [sha256_file(shot.parent / "ref.png")]


def test_several_bundles_become_versions_side_by_side(
    paint_shot: Make, with_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.bundles import tiny_bundle

    other = tiny_bundle(tmp_path / "other", "sd15", seed=3)
    (other / "bundle.yaml").write_text((other / "bundle.yaml").read_text().replace("tiny-sd15", "other-one"))
    shot, out = paint_shot(frames=1), tmp_path / "out"
    options = ["--quality", "draft", "--out", str(out), "--bundle", f"tiny-sd15,{other}", "--steps", "1", "--json"]
    assert main(["render", str(shot), *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(v["delivery"]).name for v in told["versions"]] == ["v001_tiny-sd15", "v001_other-one"]
    assert Path(told["comparison"]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    first, second = (read_exr_parts(next((Path(v["delivery"]) / "exr").iterdir()))[0] for v in told["versions"])
    assert first.attributes["muster:version"] == "v001_tiny-sd15"
    assert not np.array_equal(first.channels["R"], second.channels["R"])


def test_draft_without_a_bundle_delivers_the_guide_render_and_says_so(make_shot: Make, tmp_path: Path) -> None:
    result = rendered(make_shot(frames=1), tmp_path)
    assert any("no bundle is named" in n and "guide render" in n for n in result.notes)
    assert json.loads(result.manifest.read_text())["paint"] is None


@pytest.mark.parametrize(
    ("lines", "arguments", "said"),
    [
        ("", ["--quality", "draft", "--bundle", "tiny-sd16"], "no such bundle: expected tiny-sd15, got tiny-sd16; did"),
        ("", ["--bundle", "tiny-sd15"], "--bundle: quality preview is not painted: expected --quality draft or final"),
        ("", ["--quality", "final", "--steps", "3"], "--steps: no bundle to paint with"),
        ("", ["--quality", "draft", "--bundle", "tiny-sd15", "--steps", "0"], "--steps: not a number of steps"),
        ("", ["--quality", "draft", "--bundle", "tiny-sd15", "--strength", "2"], "--strength: not a strength"),
        ("", ["--quality", "draft", "--bundle", ","], "--bundle: which bundle?"),
        ("", ["--quality", "draft", "--bundle", "tiny-sd15,tiny-sd15"], "this bundle is named twice"),
        ("paint: {bundle: nobody}", ["--quality", "draft"], "paint.bundle: no such bundle"),
        ("paint: {references: [gone.png]}", ["--quality", "draft", "--bundle", "tiny-sd15"], "paint.references.0"),
        (
            "paint:\n  parts:\n    - {side: red, strength: 0.2}\n    - {region: hosst, prompt: mud}",
            ["--quality", "preview"],
            "parts.1.region: unknown region: expected host, got hosst; did you mean host?",
        ),
        ("", ["--version", "v002"], "--version: this belongs to a re-roll"),
    ],
)
def test_what_cannot_be_painted_is_told_before_anything_is_written(
    paint_shot: Make, with_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    lines: str, arguments: list[str], said: str,
) -> None:  # fmt: skip
    shot = paint_shot(lines, frames=1)
    assert main(["render", str(shot), "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_is_not_cleared_or_not_whole_is_refused(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    from tests.support.bundles import tiny_bundle

    bad = tiny_bundle(tmp_path / "bad", "sd15")
    text = (bad / "bundle.yaml").read_text()
    (bad / "bundle.yaml").write_text(text.replace("id: Apache-2.0, commercial: true", "id: unknown, commercial: false"))
    shot = paint_shot(frames=1)
    with pytest.raises(InputErrors, match="not cleared for final"):
        job_of(shot, tmp_path / "out", "final", ask=PaintAsk((str(bad),)))
    (bad / "bundle.yaml").write_text(text)
    weights = next(bad.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputErrors, match="wrong hash"):
        job_of(shot, tmp_path / "out", ask=PaintAsk((str(bad),)))
    weights.unlink()
    with pytest.raises(InputError, match="missing"):
        prepare_jobs(load_shot(shot), tmp_path / "out", load_quality("draft"), ask=PaintAsk((str(bad),)))
    assert not (tmp_path / "out").exists()


def test_stopping_while_painting_leaves_whole_frames(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    class Stopped(GuideBrush):
        def picture(self, request):  # type: ignore[no-untyped-def]
            if request.frames == (1002,):
                raise KeyboardInterrupt
            return super().picture(request)

    job = job_of(paint_shot(TINY), tmp_path / "out")
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_job(brushed(job, Stopped()), lambda done, total, frame, what: steps.append(what))
    left = {p.name for p in job.delivery.rglob("*") if p.is_file()}
    assert left <= {"tiny_v001.1001.exr", "1001.json"} and "painting 1/1" in steps
    rest = run_job(brushed(job, GuideBrush()))
    assert rest.skipped == (1001,) and rest.rendered == (1002, 1003)


def test_check_tells_all_that_is_wrong_with_painting_at_once(
    paint_shot: Make, with_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = """paint:
  bundle: tiny-sd14
  references: [gone.png]
  anchors: {frames: [7]}
  parts:
    - {side: blue, prompt: a}
    - {type: spearmen, prompt: b}"""
    assert main(["check", str(paint_shot(block, frames=1))]) == 2
    said = capsys.readouterr().err
    for words in ("did you mean tiny-sd15?", "gone.png", "no such frame", "unknown side", "did you mean spearman?"):
        assert words in said, words
    assert main(["check", str(paint_shot(TINY, frames=1))]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sdxl", "qwen-image", "wan-vace"])
def test_every_family_paints_a_shot(paint_shot: Make, tmp_path: Path, family: str) -> None:
    """Its twin that always runs is that of sd15."""
    from tests.support.bundles import tiny_bundle

    bundle = tiny_bundle(tmp_path / "bundle", family)
    shot = paint_shot(frames=3)
    straight = rendered(shot, tmp_path / "a", ask=PaintAsk((str(bundle),), 2, 0.6))
    alone = rendered(shot, tmp_path / "b", frames=[1002], ask=PaintAsk((str(bundle),), 2, 0.6))
    assert sha256_file(exr(alone, 1002)) == sha256_file(exr(straight, 1002))
    record = json.loads(straight.manifest.read_text())["frames"][1]["paint"]
    assert record["frames"] == ([1001, 1002, 1003] if family == "wan-vace" else [1002])
