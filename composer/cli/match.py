"""Measure the plate's own look: grain, sharpness, air, lens and light. Writes the numbers as YAML, ready to paste into
`match:` and `light:` of shot.yaml, and one page that shows what was measured and where. Changes nothing in the shot.

What the plate does not show is left out, and a note says why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.result import Result

if TYPE_CHECKING:
    from composer.comp.measure.look import Measured
    from composer.shot.light_measure import MeasuredLight

HELP = "measure the plate's grain, sharpness, air, lens and light"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    parser.add_argument(
        "--frames", metavar="FRAMES", help="measure these: 1001-1040x10 (default: four, spread over the shot)"
    )
    parser.add_argument(
        "--region", metavar="N:X,Y,W,H", help="also match the crowd's colours to this rectangle of the plate at frame N"
    )
    parser.add_argument(
        "--method", choices=("covariance", "transport"), default="covariance",
        help="how --region's colours are matched: covariance (their mean and spread) or transport (all of them; default: "
        "covariance)",
    )  # fmt: skip
    parser.add_argument(
        "--strength", type=float, default=1.0, metavar="S", help="how far --region goes, 0 to 1 (default: 1)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="writes DIR/<shot>/match (default: out)"
    )


def run(args: argparse.Namespace) -> Result:
    from dataclasses import replace

    from composer.cli.render import shot_file
    from composer.comp.measure.look import measure_look
    from composer.comp.measure.written import light_yaml, match_yaml
    from composer.deliver.sheet import write_sheet
    from composer.io.files import atomic_write
    from composer.review.match_page import match_page
    from composer.shot.light_measure import measure_light
    from composer.shot.load import load_shot
    from composer.shot.stage import prepare

    stage = prepare(load_shot(shot_file(args.shot)))
    frames = _frames(args.frames, stage.plate.frames)
    asked = _region(args, stage.plate.frames, stage.plate.size_px)
    measured = measure_look(stage, frames)
    if asked is not None:
        from composer.review.match_region import grade_of_region

        measured = replace(measured, grade=grade_of_region(stage, *asked, args.method, args.strength))
    light = measure_light(stage.shot, stage.plate, stage.camera, stage.ground)
    folder = args.out / stage.shot.shot / "match"
    text = match_yaml(measured.look, measured.all_notes) + "\n" + light_yaml(light)
    page, numbers = folder / "match.png", folder / "match.yaml"
    write_sheet(page, match_page(stage, measured, light))
    with atomic_write(numbers) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Result(f"{text}\npage: {page}\nnumbers: {numbers}", _data(measured, light, page, numbers))


def _frames(given: str | None, have: tuple[int, ...]) -> tuple[int, ...] | None:
    from composer.errors import InputError, Where
    from composer.shot.frames import frames_of

    if given is None:
        return None
    frames = frames_of(given)
    if not set(frames) <= set(have):
        raise InputError(
            "the plate has no such frames", where=Where(field="--frames"), expected=f"{have[0]}-{have[-1]}", got=given
        )
    if len(frames) > 24:
        raise InputError("too many frames", where=Where(field="--frames"), expected="at most 24", got=str(len(frames)))
    return frames


def _region(
    args: argparse.Namespace, frames: tuple[int, ...], size_px: tuple[int, int]
) -> tuple[int, tuple[int, int, int, int]] | None:
    """Frame and (x, y, width, height) of --region."""
    from composer.errors import InputError, Where

    if not 0 <= args.strength <= 1:
        raise InputError("out of range", where=Where(field="--strength"), expected="0 to 1", got=str(args.strength))
    if args.region is None:
        return None
    frame, _, rest = args.region.partition(":")
    try:
        number, (x, y, w, h) = int(frame), (int(v) for v in rest.split(","))
    except ValueError:
        raise InputError(
            "not a region", where=Where(field="--region"), expected="FRAME:X,Y,WIDTH,HEIGHT", got=args.region
        ) from None
    if number not in frames or x < 0 or y < 0 or w < 8 or h < 8 or x + w > size_px[0] or y + h > size_px[1]:
        expected = f"at least 8 x 8 pixels of {size_px[0]} x {size_px[1]}, in frames {frames[0]}-{frames[-1]}"
        raise InputError("no such region", where=Where(field="--region"), expected=expected, got=args.region)
    return number, (x, y, w, h)


def _data(measured: Measured, light: MeasuredLight, page: Path, numbers: Path) -> dict[str, object]:
    names = ("grain", "edge", "air", "vignette", "fringe", "grade")
    found = {n: getattr(measured, n) for n in names if getattr(measured, n) is not None}
    return {
        "page": str(page),
        "numbers": str(numbers),
        "frames": list(measured.frames),
        **{
            name: {
                "measured": f.value is not None,
                "confidence": round(f.confidence, 3),
                "samples": f.samples,
                "residual": f.residual if f.residual == f.residual else None,
                "notes": list(f.notes),
            }
            for name, f in found.items()
        },
        "light": {
            "measured_on": light.how,
            "confidence": round(light.confidence, 3),
            "key_to_fill": light.ratio,
            **{k: None if v is None else [round(float(c), 5) for c in v] for k, v in _parts(light).items()},
            "notes": list(light.notes),
        },
    }


def _parts(light: MeasuredLight) -> dict[str, object]:
    return {"direction": light.direction, "sun": light.sun, "sky": light.sky, "bounce": light.bounce}
