"""The Open Job Description bundle: valid, complete, and the same frames when it is run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from composer.cli.main import main
from composer.errors import InputError
from composer.farm.graph import Graph, Needs, Step
from composer.farm.openjd import template_of, write_openjd
from composer.io.files import sha256_file
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot

Make = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("openjd.cli", reason="the extra `farm` is not installed")


def read(path: Path) -> dict:  # type: ignore[type-arg]
    return YAML(typ="safe").load(path.read_text())


def openjd(*words: str) -> str:
    program = "import sys; from openjd.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def muster_on(node: Path) -> Path:
    """The command as it is found on a node."""
    command = node / "muster on a node"
    command.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m composer "$@"\n')
    command.chmod(0o755)
    return command


def graph(**changes: object) -> Graph:
    frames = tuple(range(1001, 1011))
    steps = (
        Step("Cache", "Begins", ("render",), Needs(2, 1024)),
        Step("Anchors", "First", ("render",), Needs(4, 2048, 1, 12288), (1001, 1005, 1010), 1, ("Cache",), 3, 7200),
        Step("Frames", "Then", ("render",), Needs(4, 2048, 1, 12288), frames, 3, ("Cache", "Anchors"), 3, 7200),
    )
    told = {"shot": "a", "version": "v001", "shot_file": Path("/s/shot.yaml"), "out": Path("/o"), "frames": frames}
    return Graph(**{**told, "steps": steps, **changes})  # type: ignore[arg-type]


def test_a_job_with_everything_is_valid() -> None:
    from openjd.model import create_job, decode_job_template

    told = template_of(graph(bundle=Path("/m/levy"), notes=("assumed",)))
    template = decode_job_template(template=told, supported_extensions=["TASK_CHUNKING"])
    values = {
        "ShotFile": "/s/shot.yaml",
        "OutDir": "/o",
        "BundleDir": "/m/levy",
        "Frames": "1001-1010",
        "FramesPerTask": "3",
    }
    from openjd.model import ParameterValue, ParameterValueType

    kinds = {p.name: ParameterValueType(p.type.value) for p in template.parameterDefinitions}
    job = create_job(
        job_template=template,
        job_parameter_values={
            **{n: ParameterValue(type=kinds[n], value=v) for n, v in values.items()},
            "Muster": ParameterValue(type=kinds["Muster"], value="muster"),
        },
    )
    anchors, frames = job.steps[1], job.steps[2]
    asked = {a.name: a.min for a in anchors.hostRequirements.amounts}
    assert asked == {
        "amount.worker.vcpu": 4, "amount.worker.memory": 2048, "amount.worker.gpu": 1, "amount.worker.gpu.memory": 12288,
    }  # fmt: skip
    assert [d.dependsOn for d in frames.dependencies] == ["Cache", "Anchors"]
    assert frames.script.actions.onRun.timeout == 7200
    chunks = frames.parameterSpace.taskParameterDefinitions["Frame"].chunks
    assert (chunks.defaultTaskCount, chunks.rangeConstraint.value) == (3, "CONTIGUOUS")
    gaps = anchors.parameterSpace.taskParameterDefinitions["Frame"]
    assert (gaps.chunks.defaultTaskCount, gaps.chunks.rangeConstraint.value) == (1, "NONCONTIGUOUS")
    assert list(gaps.range) == [1001, 1005, 1010]


def test_too_many_separate_frames_are_refused(tmp_path: Path) -> None:
    rough = tuple(n * n for n in range(300))
    with pytest.raises(InputError, match="too many separate frames for one job"):
        write_openjd(graph(frames=rough), (), tmp_path / "job")
    assert not (tmp_path / "job").exists()


def test_braces_cannot_get_into_a_job() -> None:
    step = Step("Cache", "", ("render", "--bundle", "{{Param.Muster}}"), Needs(1, 1))
    with pytest.raises(InputError, match="two braces"):
        template_of(graph(steps=(step, *graph().steps[2:])))


def test_the_job_that_is_run_gives_the_same_frames(
    make_shot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, out = make_shot(frames=3), tmp_path / "deliveries of the farm"
    options = ["--out", str(out), "--device", "cpu", "--chunk", "2", "--memory", "1024"]
    assert main(["farm", str(shot), "--to", "openjd", *options]) == 0
    assert "Frames: 2 tasks of 2 frames, 2 cores, 1,024 MiB, after Cache" in capsys.readouterr().out
    job = out / "tiny" / "farm" / "v001"
    assert "passes validation" in openjd("check", str(job / "template.yaml"))
    assets = read(job / "asset_references.yaml")["assetReferences"]
    plates = [str(shot.parent / f"plate.{n}.exr") for n in (1001, 1002, 1003)]
    assert assets["inputs"]["filenames"] == [*plates, str(shot)]
    assert assets["outputs"]["directories"] == [str(out / "tiny" / "v001")]
    values = {v["name"]: v["value"] for v in read(job / "parameter_values.yaml")["parameterValues"]}
    assert values["deadline:maxRetriesPerTask"] == 2
    given = [f"{n}={v}" for n, v in values.items() if not n.startswith("deadline:")]
    words = [w for pair in (*given, f"Muster={muster_on(tmp_path)}") for w in ("-p", pair)]
    said = openjd("run", str(job / "template.yaml"), "--step", "Finish", "--run-dependencies", *words)
    assert "Chunks run: 4" in said and "2 frames rendered" in said and "1 frames rendered" in said
    straight = run_job(prepare_job(load_shot(shot), tmp_path / "straight", load_quality("preview"))).delivery
    made = {p.name: sha256_file(p) for p in (out / "tiny" / "v001" / "exr").iterdir()}
    assert made == {p.name: sha256_file(p) for p in (straight / "exr").iterdir()} and len(made) == 3
    seen = verify_delivery(out / "tiny" / "v001")
    assert seen.findings == () and seen.frames == 3 and seen.files == 4  # with the proxy
