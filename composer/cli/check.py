"""Say everything that is wrong with a shot, all at once, before any work. Writes nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.render import shot_file
from composer.cli.result import Result

HELP = "say everything that is wrong with a shot, before any work"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")


def run(args: argparse.Namespace) -> Result:
    from composer.errors import InputErrors
    from composer.render.check import check_shot

    report = check_shot(shot_file(args.shot))
    if report.errors:
        raise InputErrors(report.errors)
    text = "\n".join([*(f"note: {n}" for n in report.notes), f"{args.shot}: nothing is wrong"])
    return Result(text, {"shot": str(args.shot), "errors": [], "notes": report.notes})
