"""Render the embedded scene `valley` with 1,000 soldiers, make its contact sheet, and say where to look. Painted by Levy,
640 pixels wide and in 4 steps, so that two good cores without a GPU take no longer than two minutes; `--quality`, `--width`,
`--steps` and `--bundle` ask for something else."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli import render, sheet
from composer.cli.result import Result

HELP = "render the embedded scene and say where to look"

#: Of the painted demo.
WIDTH_PX, STEPS = "640", "4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    render.add_render_options(parser, usual="draft, where Levy is there")


def run(args: argparse.Namespace) -> Result:
    from composer.io.content import find_content
    from composer.render.painters import usual_bundle
    from composer.render.quality import load_quality

    args.shot = find_content("scenes/valley/shot.yaml")
    if args.quality is None and usual_bundle(load_quality("draft")):
        args.quality = "draft"
        args.width = args.width or WIDTH_PX
        args.steps = args.steps or STEPS
    rendered = render.run(args)
    versions = rendered.data.get("versions")
    first = versions[0] if isinstance(versions, list) else rendered.data
    delivery = Path(str(first["delivery"]))
    looked = sheet.run(argparse.Namespace(delivery=delivery, frame=None, out=None, width=1920, sign=args.sign))
    text = "\n".join(
        [
            rendered.text,
            "look at:",
            f"  {looked.data['sheet']}   the composite, the elements and every pass in one picture",
            f"  {first['proxy']}   the shot as a movie",
            f"  {delivery / 'exr'}   the frames, for Nuke or any compositing program",
        ]
    )
    return Result(text, {**rendered.data, "sheet": looked.data["sheet"]})
