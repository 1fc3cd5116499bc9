"""Quality control of a delivery: the untouched plate, warp error, seams, silhouettes, grain, edges, odd pixels, levels, missing
and changed files, and the rules of a delivery preset. Writes qc.json and qc.html into the delivery. Exit code 0: within all
limits; 1: at least one is broken; 2: no delivery, or the options are wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.progress import ProgressBar
from composer.cli.result import Result

HELP = "measure a delivery, against limits and a client's rules"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("delivery", type=Path, metavar="DIR", help="a delivery: OUT/<shot>/<version>")
    parser.add_argument(
        "--preset", metavar="NAME", help="a client's rules: a name in configs/delivery, or a .yaml file"
    )
    parser.add_argument(
        "--shot", type=Path, metavar="SHOT", help="shot.yaml, for the plate (default: as the delivery remembers)"
    )
    parser.add_argument("--frames", metavar="FRAMES", help="the frames that must be there, and that are measured")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME.max=X", help="change a limit; NAME=off takes it away"
    )
    parser.add_argument("--limits", type=Path, metavar="FILE", help="in place of configs/qc.yaml")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="frames measured side by side (default: by cores and memory)"
    )


def run(args: argparse.Namespace) -> Result:
    from composer.cli.render import shot_file
    from composer.errors import InputError, Where
    from composer.qc.delivery import list_delivery, open_source
    from composer.qc.html import page_of
    from composer.qc.limits import changed, load_limits
    from composer.qc.measure import Ask, measure_delivery
    from composer.qc.pictures import pictures_of
    from composer.qc.preset import load_preset
    from composer.qc.report import as_json, lines_of, report_of, summary, told, write_report
    from composer.shot.frames import frames_of

    if args.workers is not None and args.workers < 1:
        raise InputError(
            "frames side by side", where=Where(field="--workers"), expected="1 or more", got=str(args.workers)
        )
    preset = load_preset(args.preset) if args.preset else None
    limits = changed({**load_limits(args.limits), **(preset.limits if preset else {})}, args.limit)
    frames = tuple(frames_of(args.frames)) if args.frames else None
    listing = list_delivery(args.delivery)
    source = open_source(listing, shot_file(args.shot) if args.shot else None)
    measured = measure_delivery(listing, source, Ask(frames, preset, args.workers), ProgressBar(silent=args.json))
    report = report_of(measured, limits, preset)
    data, page = write_report(report, page_of(report, pictures_of(report)))
    lines = [f"note: {note}" for note in measured.notes]
    found = lines_of(measured.findings)
    lines += found[:20]
    if len(found) > 20:
        lines.append(f"and {len(found) - 20} more findings in {data}")
    lines += [told(verdict) for verdict in report.verdicts if verdict.status != "no limit"]
    lines += [summary(report), f"page: {page}"]
    return Result(
        "\n".join(lines), {**as_json(report), "page": str(page), "report": str(data)}, 0 if report.passed else 1
    )
