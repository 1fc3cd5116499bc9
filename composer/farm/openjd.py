"""The graph as an Open Job Description bundle (specification jobtemplate-2023-09), as AWS Deadline Cloud takes it.

Three files: `template.yaml`, the job; `parameter_values.yaml`, where things lie and how it is scheduled; and
`asset_references.yaml`, the files that a farm without shared storage brings to its nodes.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from composer.errors import InputError, Where
from composer.farm.graph import Graph, Slot, Step, frame_text
from composer.io.files import atomic_write

#: Names of the job's parameters.
_PARAMETERS = {
    Slot.SHOT: "{{Param.ShotFile}}",
    Slot.OUT: "{{Param.OutDir}}",
    Slot.BUNDLE: "{{Param.BundleDir}}",
    Slot.FRAMES: "{{Task.Param.Frame}}",
    Slot.ALL_FRAMES: "{{Param.Frames}}",
}
#: The format's limit for a parameter's value.
_MOST_TEXT = 1024
_ARCHITECTURES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class OpenJD:
    """The bundle that was written."""

    folder: Path
    template: Path
    parameters: Path
    assets: Path


def write_openjd(graph: Graph, assets: Sequence[Path], folder: Path) -> OpenJD:
    """Write the three files. assets: files that the job reads. Raises InputError where the format cannot hold the job."""
    if len(frame_text(graph.frames)) > _MOST_TEXT:
        raise InputError(
            "too many separate frames for one job", where=Where(field="--frames"), expected="ranges, 1001-1100 or 1001-1100x2",
            got=f"{len(graph.frames)} frames", hint="send several jobs",
        )  # fmt: skip
    made = OpenJD(folder, *(folder / f"{n}.yaml" for n in ("template", "parameter_values", "asset_references")))
    _write(made.template, template_of(graph))
    _write(made.parameters, values_of(graph))
    _write(made.assets, assets_of(graph, assets))
    return made


def template_of(graph: Graph) -> dict[str, object]:
    """`template.yaml`."""
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": f"Muster {graph.shot} {graph.version}"[:128],
        "description": "\n".join(["Written by `muster farm`.", *graph.notes])[:2048],
        "parameterDefinitions": _definitions(graph),
        "steps": [_step(graph, step) for step in graph.steps],
    }


def values_of(graph: Graph) -> dict[str, object]:
    """`parameter_values.yaml`. Names with `deadline:` are Deadline Cloud's own."""
    values: dict[str, object] = {"ShotFile": str(graph.shot_file), "OutDir": str(graph.out)}
    if graph.bundle:
        values["BundleDir"] = str(graph.bundle)
    values |= {
        "deadline:targetTaskRunStatus": "READY",
        "deadline:priority": 50,
        "deadline:maxFailedTasksCount": 20,
        "deadline:maxRetriesPerTask": max(step.attempts for step in graph.steps) - 1,
    }
    return {"parameterValues": [{"name": n, "value": v} for n, v in values.items()]}


def assets_of(graph: Graph, files: Sequence[Path]) -> dict[str, object]:
    """`asset_references.yaml`."""
    return {
        "assetReferences": {
            "inputs": {"filenames": [str(p) for p in files], "directories": []},
            "outputs": {"directories": [str(graph.delivery)]},
            "referencedPaths": [],
        }
    }


def _definitions(graph: Graph) -> list[dict[str, object]]:
    frames = next(s for s in graph.steps if s.name == "Frames")

    def shown(control: str, label: str) -> dict[str, str]:
        return {"control": control, "label": label}

    path = {"type": "PATH", "dataFlow": "IN"}
    definitions: list[dict[str, object]] = [
        {"name": "ShotFile", **path, "objectType": "FILE", "description": "The shot.yaml.",
         "userInterface": shown("CHOOSE_INPUT_FILE", "Shot")},
        {"name": "OutDir", **path, "objectType": "DIRECTORY", "dataFlow": "OUT",
         "description": f"Folder of deliveries; this one goes into {graph.shot}/{graph.version}.",
         "userInterface": shown("CHOOSE_DIRECTORY", "Deliveries")},
        {"name": "Frames", "type": "STRING", "default": frame_text(graph.frames), "minLength": 1,
         "description": "Frames to render: 1001-1100, 1001-1100:2.", "userInterface": shown("LINE_EDIT", "Frames")},
        {"name": "FramesPerTask", "type": "INT", "default": frames.frames_per_task, "minValue": 1, "maxValue": len(graph.frames),
         "description": "Frames that a node renders in one go.", "userInterface": shown("SPIN_BOX", "Frames a task")},
        {"name": "Muster", "type": "STRING", "default": "muster", "minLength": 1,
         "description": "The muster command on the nodes.", "userInterface": shown("LINE_EDIT", "Command")},
    ]  # fmt: skip
    if graph.bundle:
        definitions.insert(1, {
            "name": "BundleDir", **path, "objectType": "DIRECTORY", "description": "The folder of the model bundle.",
            "userInterface": shown("CHOOSE_DIRECTORY", "Model bundle"),
        })  # fmt: skip
    return definitions


def _step(graph: Graph, step: Step) -> dict[str, object]:
    made: dict[str, object] = {"name": step.name, "description": step.what}
    if step.waits_for:
        made["dependencies"] = [{"dependsOn": name} for name in step.waits_for]
    if step.frames:
        made["parameterSpace"] = {"taskParameterDefinitions": [_frame_parameter(graph, step)]}
    made["hostRequirements"] = _host(step)
    arguments = [
        _PARAMETERS[p] if isinstance(p, Slot) and p is not Slot.DELIVERY else _plain(graph, p) for p in step.command
    ]
    run = {
        "command": "{{Param.Muster}}",
        "args": arguments,
        "timeout": step.timeout_s,
        "cancelation": {"mode": "TERMINATE"},
    }
    made["script"] = {"actions": {"onRun": run}}
    return made


def _plain(graph: Graph, part: str | Slot) -> str:
    """A word as the format takes it: braces would be read as a parameter."""
    if part is Slot.DELIVERY:
        return f"{{{{Param.OutDir}}}}/{graph.shot}/{graph.version}"
    text = str(part)
    if "{{" in text:
        raise InputError(
            "two braces cannot stand in a job", where=Where(field="--bundle"), expected="a plain name", got=text
        )
    return text


def _frame_parameter(graph: Graph, step: Step) -> dict[str, object]:
    """Chunks of one run of frames are `a-b`; others may have gaps. Anchors are no parameter: they are the shot's."""
    every = step.frames == graph.frames
    one_run = step.frames == tuple(range(step.frames[0], step.frames[-1] + 1))
    chunks: dict[str, object] = {
        "defaultTaskCount": "{{Param.FramesPerTask}}" if every else step.frames_per_task,
        "rangeConstraint": "CONTIGUOUS" if one_run else "NONCONTIGUOUS",
    }
    wanted = "{{Param.Frames}}" if every else frame_text(step.frames)
    return {"name": "Frame", "type": "CHUNK[INT]", "range": wanted, "chunks": chunks}


def _host(step: Step) -> dict[str, object]:
    needs = step.needs
    amounts = [
        {"name": "amount.worker.vcpu", "min": needs.cores},
        {"name": "amount.worker.memory", "min": needs.memory_mib},
    ]
    if needs.gpus:
        amounts.append({"name": "amount.worker.gpu", "min": needs.gpus})
        amounts.append({"name": "amount.worker.gpu.memory", "min": needs.gpu_memory_mib})
    attributes = [{"name": "attr.worker.os.family", "anyOf": ["linux"]}]
    if here := _ARCHITECTURES.get(platform.machine()):  # another kind may differ in the last bits
        attributes.append({"name": "attr.worker.cpu.arch", "anyOf": [here]})
    return {"amounts": amounts, "attributes": attributes}


def _write(path: Path, data: dict[str, object]) -> None:
    text = StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.dump(data, text)
    with atomic_write(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
