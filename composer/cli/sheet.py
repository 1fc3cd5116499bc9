"""One contact-sheet picture of a delivered frame: the composite, the elements and every pass, with legends."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.render import add_sign, sign_ask
from composer.cli.result import Result

HELP = "one picture of the composite, the elements and every pass"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("delivery", type=Path, metavar="DIR", help="a delivery: OUT/<shot>/<version>")
    parser.add_argument("--frame", type=int, metavar="N", help="which frame (default: the middle one)")
    parser.add_argument("--out", type=Path, metavar="PNG", help="where to write it (default: DIR/sheet.<frame>.png)")
    add_sign(parser)
    parser.add_argument("--width", type=int, default=1920, metavar="PX", help="width of the sheet (default: 1920)")


def run(args: argparse.Namespace) -> Result:
    from composer.color.spaces import ColorManager
    from composer.deliver.sheet import contact_sheet, delivered_frames, write_sheet
    from composer.errors import InputError, Where
    from composer.io.exr import read_header
    from composer.render.sign import sign_sheet, signing_for

    files = delivered_frames(args.delivery)
    numbers = list(files)
    frame = numbers[len(numbers) // 2] if args.frame is None else args.frame
    if frame not in files:
        got = f"{frame}"
        raise InputError(
            "no such frame", where=Where(file=args.delivery), expected=f"{numbers[0]}-{numbers[-1]}", got=got
        )
    if not 640 <= args.width <= 16384:
        raise InputError(
            "width out of range", where=Where(field="--width"), expected="640 to 16384", got=str(args.width)
        )
    target = args.out or args.delivery / f"sheet.{frame:04d}.png"
    signing = signing_for(None, sign_ask(args.sign))
    write_sheet(target, contact_sheet(files[frame], ColorManager.open(None, {}, args.delivery), args.width))
    if signing:
        head = read_header(files[frame]).parts[0].attributes
        shot = str(head.get("muster:shot", "")), str(head.get("muster:version", ""))
        sign_sheet(args.delivery, target, frame, shot, signing)
    return Result(f"sheet: {target}", {"sheet": str(target), "frame": frame})
