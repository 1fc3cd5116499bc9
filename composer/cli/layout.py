"""Show who stands where: the plan from above and the camera's own view, as a picture, or as a page on this machine where
soldiers and regions can be dragged; what is dragged is written into shot.yaml, comments and all kept."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from composer.cli.render import DEVICE, crowd_count, shot_file
from composer.cli.result import Result

HELP = "show who stands where, and direct them by hand"
PORT = 8642


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    parser.add_argument("--frame", type=int, metavar="N", help="which frame (default: the first)")
    parser.add_argument(
        "--out", type=Path, metavar="PNG", help="where to write it (default: <shot>_layout.<frame>.png)"
    )
    parser.add_argument("--select", default="", metavar="NAMES", help="soldiers to mark: host.00042,host.00043")
    parser.add_argument(
        "--count", metavar="CROWD=N", help="number of soldiers, in place of the shot's own; N alone will do"
    )
    parser.add_argument("--width", type=int, default=2400, metavar="PX", help="width of the picture (default: 2400)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help=DEVICE)
    parser.add_argument(
        "--serve",
        nargs="?",
        type=int,
        const=PORT,
        metavar="PORT",
        help=f"the page, on this machine only (default: {PORT})",
    )


def run(args: argparse.Namespace) -> Result:
    from composer.render.device import choose_device

    device = choose_device(args.device)
    return _serve(args, device) if args.serve is not None else _draw(args, device)


def _draw(args: argparse.Namespace, device: str) -> Result:
    from composer.errors import InputError, Where
    from composer.render.found import with_found
    from composer.render.frame import Scene
    from composer.render.people import people_on
    from composer.review.picture import layout_picture, write_picture
    from composer.shot.load import load_shot
    from composer.shot.stage import prepare

    if not 640 <= args.width <= 16384:
        raise InputError(
            "width out of range", where=Where(field="--width"), expected="640 to 16384", got=str(args.width)
        )
    stage = with_found(prepare(load_shot(shot_file(args.shot))), device)
    frame = _frame(args.frame, stage.plate.frames)
    people = people_on(stage, crowd_count(args.count))
    selected = [n.strip() for n in args.select.split(",") if n.strip()]
    picture = layout_picture(Scene(stage, people, 4, device), frame, args.width, selected)
    target = args.out or Path(f"{stage.shot.shot}_layout.{frame:04d}.png")
    write_picture(target, picture)
    text = "\n".join([*(f"note: {n}" for n in people.notes), f"layout: {target}"])
    return Result(text, {"layout": str(target), "frame": frame, "soldiers": len(people.layout), "notes": people.notes})


def _serve(args: argparse.Namespace, device: str) -> Result:
    from composer.review.desk import Desk
    from composer.review.layout_app import layout_app
    from composer.review.server import PageServer

    desk = Desk(shot_file(args.shot), device)
    _frame(args.frame, desk.frames)
    with PageServer(layout_app(desk), args.serve) as server:
        address = server.address(frame=args.frame)
        print(f"layout: {address}\nEdits go into {desk.file}. Ctrl-C ends it.", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return Result(f"{desk.edits} edits were written into {desk.file}", {"shot": str(desk.file), "edits": desk.edits})


def _frame(frame: int | None, frames: tuple[int, ...]) -> int:
    from composer.errors import InputError, Where

    if frame is not None and frame not in frames:
        expected = f"{frames[0]}-{frames[-1]}"
        raise InputError("the plate has no such frame", where=Where(field="--frame"), expected=expected, got=str(frame))
    return frames[0] if frame is None else frame
