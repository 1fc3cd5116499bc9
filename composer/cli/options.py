"""One shot at several counts, in the same framing: pictures, a sheet (PNG and PDF), what each option costs measured on this
machine, and what the whole shot will cost, in machine hours and money.

Counts nest: whoever stands in an option stands in every larger one. A count that the regions can't hold is told, and shown
with those who fit. The other axes (--sun, --formation, --mix) are combined with every count."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.render import DEVICE
from composer.cli.result import Result

if TYPE_CHECKING:
    from composer.render.job import JobResult
    from composer.review.options import Options, Shown
    from composer.shot.stage import Stage

HELP = "the same shot at several counts: a sheet with pictures, times and money"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    parser.add_argument("--counts", required=True, metavar="N[,N]", help="numbers of soldiers: 100,1000,10000,100000")
    parser.add_argument(
        "--sun", metavar="EL@AZ[,EL@AZ]", help="the sun's elevation and azimuth in degrees: 15@298,50@180"
    )
    parser.add_argument(
        "--formation", metavar="NAME[,NAME]", help="every region in this formation: rank_and_file,loose"
    )
    parser.add_argument(
        "--mix", metavar="KIT:W+KIT:W[,...]", help="every region in these kits: spearman:3+swordsman:1,levy"
    )
    parser.add_argument(
        "--frames", default="still", metavar="still|N|FRAMES",
        help="still: the middle frame; N: as many, spread over the shot; or 1001-1010x3 (default: still)",
    )  # fmt: skip
    parser.add_argument(
        "--quality", choices=("preview", "draft", "final"), default="preview",
        help="of the pictures; forecasts are of draft and final (default: preview)",
    )  # fmt: skip
    parser.add_argument("--width", type=int, default=960, metavar="PX", help="width of the pictures (default: 960)")
    parser.add_argument(
        "--rates", type=Path, metavar="FILE", help="what a machine hour costs (default: configs/rates.yaml)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="writes DIR/<shot>/options (default: out)"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help=DEVICE)
    parser.add_argument(
        "--bundle",
        metavar="NAME",
        help="a model bundle to paint draft and final with (default: as `muster render` has it)",
    )
    parser.add_argument("--steps", metavar="N", help="steps of the model's sampler, in place of the bundle's own")
    parser.add_argument("--strength", metavar="S", help="how far the model may go, 0 to 1, in place of the shot's own")


def run(args: argparse.Namespace) -> Result:
    from composer.cli.render import paint_ask, shot_file
    from composer.errors import InputError, Where
    from composer.qc.quick import quick_look
    from composer.render.device import choose_device
    from composer.render.forecast import load_rates
    from composer.render.measure import process_age_s
    from composer.render.quality import load_quality
    from composer.review.option_axes import options_of
    from composer.review.options import Ask, prepare_options, run_options
    from composer.review.options_index import index_of
    from composer.shot.load import load_shot

    if not 160 <= args.width <= 4096:
        raise InputError(
            "width out of range", where=Where(field="--width"), expected="160 to 4096", got=str(args.width)
        )
    shot = load_shot(shot_file(args.shot))
    ask = Ask(
        options_of(shot, args.counts, args.sun, args.formation, args.mix),
        load_quality(args.quality),
        load_rates(args.rates),
        args.out,
        args.frames,
        args.width,
        choose_device(args.device),
        paint_ask(args),
    )
    plan = prepare_options(shot, ask, time.perf_counter() - process_age_s())

    def told(shown: Shown) -> None:
        if not args.json:
            print(_line(shown), file=sys.stderr, flush=True)

    def say(what: str) -> None:
        if not args.json:
            print(what, file=sys.stderr, flush=True)

    def look(result: JobResult, stage: Stage) -> object:
        return quick_look(result.delivery, result.rendered, stage)

    done = run_options(plan, told, say, look)
    return Result(_text(done), {"folder": str(done.folder), **index_of(done)})


def _line(shown: Shown) -> str:
    """An option as its pictures come, and as it is measured."""
    title = shown.option.title
    if shown.measure is None:
        again = "" if shown.rendered else " (already there)"
        return f"{title}: {next(iter(shown.pictures.values()))}{again}; {shown.limit}"
    return f"{title}: {shown.measure.seconds:.2f} s and {shown.measure.peak_mib:,} MiB a frame"


def _text(done: Options) -> str:
    from composer.review.options_words import forecast_line, measured

    lines = [f"note: {note}" for note in done.notes]
    for shown in done.shown:
        lines += ["", f"{shown.option.title}: {shown.limit}"]
        if shown.measure:
            lines.append(f"  measured: {measured(shown.measure, done.size_px, done.quality.name)}")
        lines += [f"  {forecast_line(told, done.rates.currency)}" for told in shown.forecasts]
    lines += ["", *done.assumptions, f"sheet: {done.sheet} and {done.sheet.with_suffix('.pdf').name}"]
    return "\n".join([*lines, f"for a program: {done.folder / 'options.json'}"])
