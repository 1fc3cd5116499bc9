"""A shot's job on a render farm: one graph of steps (what frames share, anchors, frames, then proxy and manifest), written as
an Open Job Description bundle or run on a Ray cluster. What a node must have is measured here beforehand and told.

`--to openjd` writes OUT/<shot>/farm/<version>: check it with `openjd check`, send it with `deadline bundle submit`, or run it
here with `openjd run`. `--to ray` runs it now, on this machine or on the cluster at --address; stop it with Ctrl-C and run it
again to go on. Without --to it is only told what the job would need."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.progress import ProgressBar
from composer.cli.result import Result

if TYPE_CHECKING:
    from composer.farm.graph import Graph
    from composer.farm.plan import FarmAsk, Planned
    from composer.farm.ray_run import RayRun

HELP = "the job on a render farm: Open Job Description or Ray"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from composer.cli.render import add_render_options

    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    parser.add_argument(
        "--to", choices=("openjd", "ray"), help="write an Open Job Description bundle, or run it by Ray"
    )
    add_render_options(parser)
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="Ray's head node, or `auto` (default: this machine alone)"
    )
    parser.add_argument("--chunk", metavar="N", help="frames a task (default: by the seconds that a frame takes)")
    parser.add_argument(
        "--memory", metavar="MIB", help="of a task (default: as measured); with --chunk nothing is measured"
    )
    parser.add_argument("--job", type=Path, metavar="DIR", help="where the Open Job Description bundle goes")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="in place of configs/farm.yaml")


def run(args: argparse.Namespace) -> Result:
    begin = time.perf_counter()
    from composer.cli.render import shot_file
    from composer.farm.cluster import check_ray
    from composer.farm.plan import check_writable, plan_farm
    from composer.farm.settings import load_farm
    from composer.shot.load import load_shot

    _refuse_idle(args)
    if args.to == "ray":
        check_ray(args.address)
    if args.job is not None:
        check_writable(args.job, "--job")
    bar = ProgressBar(silent=args.json)
    ask = _ask(args, begin)
    settings = load_farm(args.settings)
    planned = plan_farm(load_shot(shot_file(args.shot)), ask, settings, bar.say)
    if args.to == "openjd":
        return _openjd(planned, args.job)
    if args.to == "ray":
        from composer.farm.ray_run import run_on_ray

        for line in _told(planned.graph):
            bar.say(line)
        done = run_on_ray(
            planned.graph, settings, args.address, ProgressBar(silent=args.json), bar.say, spread=ask.chunk is None
        )
        return _ran(planned.graph, done)
    return Result("\n".join(_told(planned.graph)), planned.graph.as_json())


def _refuse_idle(args: argparse.Namespace) -> None:
    """Options that belong to the other engine."""
    from composer.errors import InputError, Where

    for flag, value, to in (("--address", args.address, "ray"), ("--job", args.job, "openjd")):
        if value is not None and args.to != to:
            raise InputError(
                f"this belongs to --to {to}", where=Where(field=flag), got=f"--to {args.to or '(nothing)'}"
            )


def _ask(args: argparse.Namespace, begin: float) -> FarmAsk:
    from composer.cli.main import VERBS
    from composer.cli.render import crowd_count, paint_ask, shot_file, sign_ask
    from composer.farm.plan import FarmAsk
    from composer.render.device import choose_device
    from composer.render.quality import load_quality
    from composer.shot.frames import frames_of

    here = choose_device("cpu" if args.device == "cpu" else "auto")
    return FarmAsk(
        shot_file(args.shot),
        args.out,
        load_quality(args.quality or "preview"),
        frames_of(args.frames) if args.frames else None,
        crowd_count(args.count),
        here if args.device == "auto" else args.device,
        here,
        paint_ask(args),
        sign_ask(args.sign),
        _whole(args.chunk, "--chunk", 1, 100_000),
        _whole(args.memory, "--memory", 64, 16 * 2**20),
        "qc" in VERBS,
        begin,
    )


def _whole(text: str | None, flag: str, low: int, high: int) -> int | None:
    from composer.errors import InputError, Where

    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not low <= int(text) <= high:
        raise InputError("out of range", where=Where(field=flag), expected=f"{low} to {high:,}", got=text)
    return int(text)


def _told(graph: Graph) -> list[str]:
    """The graph for a person: what each step needs, and what it waits for."""
    lines = [f"note: {note}" for note in graph.notes]
    for step in graph.steps:
        tasks = len(step.tasks())
        size = f" of {step.frames_per_task} frames" if step.frames else ""
        each = f", about {step.seconds:.0f} s each" if step.seconds else ""
        after = f", after {' and '.join(step.waits_for)}" if step.waits_for else ""
        lines.append(f"{step.name}: {tasks} {'task' if tasks == 1 else 'tasks'}{size}, {step.needs}{each}{after}")
    return lines


def _openjd(planned: Planned, job: Path | None) -> Result:
    from composer.farm.assets import assets_of
    from composer.farm.openjd import write_openjd

    graph = planned.graph
    assets = assets_of(planned.job, planned.bundle if graph.bundle else None, graph.out)
    made = write_openjd(graph, assets, job or graph.out / graph.shot / "farm" / graph.version)
    lines = [
        *_told(graph),
        f"{len(assets)} files are read",
        f"job: {made.folder}",
        f"check it: openjd check {made.template}",
        f"send it: deadline bundle submit {made.folder}",
    ]
    return Result("\n".join(lines), {**graph.as_json(), "job": str(made.folder), "template": str(made.template),
                                     "assets": [str(p) for p in assets]})  # fmt: skip


def _ran(graph: Graph, done: RayRun) -> Result:
    from dataclasses import asdict

    lost = sum(r.lost for r in done.retries)
    lines = [f"note: {n}" for n in done.notes]
    lines.append(
        f"{len(done.rendered)} frames rendered, {len(done.skipped)} already there, {done.tasks} tasks, {done.slots} at once, "
        f"{done.seconds:.1f} s, peak {done.peak_memory_mib} MiB"
    )
    if done.retries:
        lines.append(
            f"{len(done.retries)} tried again: {lost} lost their worker or node, {len(done.retries) - lost} failed"
        )
    lines += [f"{node}: {count} tasks" for node, count in sorted(done.nodes.items())]
    lines.append(f"delivery: {done.delivery}")
    return Result("\n".join(lines), {**graph.as_json(), **asdict(done)})
