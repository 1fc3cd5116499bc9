"""What a job needs is known before it is sent, and everything that is wrong is told then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from composer.errors import InputError
from composer.farm.assets import assets_of
from composer.farm.cost import Cost, asked_mib, frames_per_task
from composer.farm.graph import Needs, Slot
from composer.farm.plan import FarmAsk, Planned, plan_farm
from composer.farm.settings import load_farm
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot

Make = Callable[..., Path]
SETTINGS = load_farm()


def plan(shot: Path, out: Path, quality: str = "preview", **options: object) -> Planned:
    ask = FarmAsk(shot, out, load_quality(quality), **options)  # type: ignore[arg-type]
    return plan_farm(load_shot(shot), ask, SETTINGS)


def test_a_job_is_measured(make_shot: Make, tmp_path: Path) -> None:
    planned = plan(make_shot(frames=4), tmp_path)
    graph = planned.graph
    assert [s.name for s in graph.steps] == ["Cache", "Frames", "Finish"]
    assert [s.waits_for for s in graph.steps] == [(), ("Cache",), ("Frames",)]
    assert graph.frame_s and 0 < graph.frame_s < 60 and graph.start_s > 0
    frames = graph.steps[1]
    assert frames.seconds == pytest.approx(graph.start_s + frames.frames_per_task * graph.frame_s, abs=0.1)
    assert frames.needs.memory_mib >= 1024 and frames.needs.gpus == 0 and frames.attempts == 3
    assert not (tmp_path / "tiny" / "v001").exists() and (tmp_path / "tiny" / "farm" / "costs.json").is_file()
    assert plan(make_shot(frames=4), tmp_path).graph.frame_s == graph.frame_s  # kept, not measured again


def test_more_frames_a_task_where_the_start_would_cost_more_than_the_frames() -> None:
    quick, slow = Cost(0.5, 4.0, 900, 300), Cost(40.0, 4.0, 900, 300)
    assert frames_per_task(quick, SETTINGS, 1) == 72  # 4 s are a tenth of 40 s
    assert frames_per_task(slow, SETTINGS, 1) == 1
    assert frames_per_task(slow, SETTINGS, 16) == 16  # a window of frames is painted in one go
    assert frames_per_task(replace(quick, start_s=1e4), SETTINGS, 1) == SETTINGS.most_frames_per_task
    assert frames_per_task(replace(slow, start_s=1e4), SETTINGS, 1) == 45  # half an hour
    assert frames_per_task(Cost(None, 4.0, 900, 300), SETTINGS, 1) == SETTINGS.frames_per_task
    assert asked_mib(900, 1.25) == 1280 and asked_mib(10, 1.25) == 1024


def test_anchors_come_before_the_frames(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, edge_px: 0, anchors: {every: 4}}", frames=7)
    planned = plan(shot, tmp_path, "draft", chunk=2, memory_mib=4096)
    cache, anchors, frames, _ = planned.graph.steps
    assert anchors.frames == (1001, 1005, 1007) and anchors.waits_for == ("Cache",)
    assert frames.waits_for == ("Cache", "Anchors") and frames.frames == tuple(range(1001, 1008))
    assert frames.needs == Needs(SETTINGS.cores, 4096) and cache.needs.memory_mib == 4096
    assert anchors.command[:5] == ("render", Slot.SHOT, "--only", "anchors", "--frames")
    part = plan(shot, tmp_path, "draft", chunk=2, memory_mib=4096, frames=(1002, 1003)).graph
    assert part.steps[1].frames == (1001, 1005)  # theirs, asked for or not
    unpainted = plan(shot, tmp_path, "preview", chunk=2, memory_mib=4096)
    assert [s.name for s in unpainted.graph.steps] == ["Cache", "Frames", "Finish"]


def test_a_card_that_is_not_here(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, edge_px: 0}", frames=2)
    planned = plan(shot, tmp_path, "draft", device="cuda", here="cpu")
    cache, frames, finish = planned.graph.steps
    assert frames.needs.gpus == 1 and frames.needs.gpu_memory_mib > 2048
    assert cache.needs.gpus == finish.needs.gpus == 0 and planned.graph.frame_s is None
    assert all("cuda" in s.command for s in planned.graph.steps)
    assert any("no CUDA card here" in n for n in planned.graph.notes)
    assert any("estimated from the weights of tiny-sd15" in n for n in planned.graph.notes)
    bundle = with_models / "tiny-sd15" / "bundle.yaml"
    told = bundle.read_text()
    try:
        bundle.write_text(told + "memory_bytes: 34359738368\n")
        known = plan(shot, tmp_path, "draft", device="cuda", here="cpu")
    finally:
        bundle.write_text(told)
    assert 32768 < known.graph.steps[1].needs.gpu_memory_mib < 34000


def test_several_bundles_are_several_jobs(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15, edge_px: 0}", frames=2)
    folder = shutil.copytree(with_models / "tiny-sd15", tmp_path / "copy")
    text = (folder / "bundle.yaml").read_text()
    (folder / "bundle.yaml").write_text(text.replace("bundle: tiny-sd15", "bundle: second"))
    with pytest.raises(InputError, match="one bundle a farm job: expected one name, got tiny-sd15, second"):
        plan(shot, tmp_path, "draft", paint=PaintAsk(("tiny-sd15", str(folder))), chunk=1, memory_mib=1024)
    one = plan(shot, tmp_path, "draft", paint=PaintAsk((str(folder),)), chunk=1, memory_mib=1024)
    assert one.graph.bundle == folder and Slot.BUNDLE in one.graph.steps[1].command
    named = plan(shot, tmp_path, "draft", paint=PaintAsk(("tiny-sd15",)), chunk=1, memory_mib=1024)
    assert named.graph.bundle is None and "tiny-sd15" in named.graph.steps[1].command


def test_the_files_that_a_shot_reads(make_shot: Make, tmp_path: Path) -> None:
    shot = make_shot(frames=3)
    folder = shot.parent
    (folder / "cast.yaml").write_text(
        "muster_cast: 1\nkits: {}\ntypes: {a: {character: {file: a.gltf}}}\n"
    )  # followed, whoever reads it
    (folder / "a.gltf").write_text('{"images": [{"uri": "skin.png"}], "buffers": [{"uri": "a.bin"}]}')
    for name in ("skin.png", "a.bin", "unused.png"):
        (folder / name).write_bytes(b"x")
    planned = plan(shot, tmp_path, chunk=1, memory_mib=1024)
    names = {p.relative_to(folder).as_posix() for p in assets_of(planned.job, None, tmp_path / "out")}
    plates = {f"plate.{n}.exr" for n in (1001, 1002, 1003)}
    assert names == {"shot.yaml", *plates}
    stage = planned.job.scene.stage
    with_cast = replace(stage, shot=stage.shot.model_copy(update={"cast": "cast.yaml"}))
    job = replace(planned.job, scene=replace(planned.job.scene, stage=with_cast))
    names = {p.relative_to(folder).as_posix() for p in assets_of(job, None, tmp_path / "out")}
    assert names == {"shot.yaml", *plates, "cast.yaml", "a.gltf", "skin.png", "a.bin"}


def test_the_files_of_the_demo() -> None:
    demo = Path(__file__).resolve().parents[2] / "scenes" / "valley" / "shot.yaml"
    planned = plan(demo, Path("nowhere"), chunk=1, memory_mib=1024)
    found = {p.relative_to(demo.parent).parts[0] for p in assets_of(planned.job, None, Path("nowhere"))}
    assert found == {"shot.yaml", "camera.json", "ground.obj", "plate", "matte", "depth"}
    assert not Path("nowhere").exists()


def test_a_folder_that_cannot_be_written(make_shot: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out: cannot be written: expected a folder, got a file"):
        plan(make_shot(), tmp_path / "file" / "out")
