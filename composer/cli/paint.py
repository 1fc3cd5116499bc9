"""Matte paintings of the place: write a key view out for any paint program, and put what came back into the shot, where it is
projected onto the place and seen from every frame.

`muster paint out SHOT --frame 1001` writes the place as that frame sees it, without the crowd: an EXR whose first part
is what to paint on, with plate, depth, normals and mattes beside it. `muster paint in SHOT PICTURE --frame 1001` checks
the picture and writes one line into shot.yaml. Without --frame, `out` takes the frame that the shot's paintings show
least of."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.render import DEVICE, shot_file
from composer.cli.result import Result

if TYPE_CHECKING:
    from composer.render.look import Scene

HELP = "matte paintings of the place: write a key view out, put a painted one in"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    out = actions.add_parser("out", help="write key views of the place for a paint program")
    back = actions.add_parser("in", help="put a painted key view into shot.yaml")
    for action in (out, back):
        action.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    out.add_argument(
        "--frame", type=int, action="append", metavar="N", help="which frame; may be repeated (default: where most is unpainted)"
    )  # fmt: skip
    out.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="writes DIR/<shot>/paint (default: out)"
    )
    out.add_argument(
        "--png", action="store_true", help="also 16-bit PNG, sRGB, straight alpha (values above 1 are clipped)"
    )
    out.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help=DEVICE)
    back.add_argument("picture", type=Path, metavar="PICTURE", help="EXR, TIFF or PNG of the plate's size")
    back.add_argument("--frame", type=int, metavar="N", help="which frame it paints (default: as the picture says)")
    back.add_argument("--colorspace", metavar="NAME", help="of the picture (default: EXR as it says, others sRGB)")
    for action in (out, back):
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print the result or error as JSON"
        )


def run(args: argparse.Namespace) -> Result:
    return {"out": _out, "in": _in}[args.action](args)


def _scene(path: Path, device: str) -> Scene:
    from composer.render.look import Scene
    from composer.render.paintings import painting_notes
    from composer.render.people import people_on
    from composer.shot.load import load_shot
    from composer.shot.stage import prepare

    stage = prepare(load_shot(shot_file(path)))
    painting_notes(stage)
    return Scene(stage, people_on(stage), 16, device)


def _out(args: argparse.Namespace) -> Result:
    from composer.render.device import choose_device
    from composer.render.key_view import key_view, second_frame, write_key_view

    scene = _scene(args.shot, choose_device(args.device))
    frames, notes = scene.stage.plate.frames, []
    chosen = sorted(set(args.frame or ()))
    _check_frames(chosen, frames)
    if not chosen:
        frame, missing = second_frame(scene)
        chosen = [frame]
        if missing < 1:
            notes.append(f"frame {frame} shows most of what no painting shows: {100 * missing:.1f} % of its place")
    folder = args.out / scene.stage.shot.shot / "paint"
    files = [path for n in chosen for path in write_key_view(key_view(scene, n), scene, folder, args.png)]
    text = [*(f"note: {n}" for n in notes), *(f"key view: {p}" for p in files)]
    text.append(f"paint on the first part, then: muster paint in {args.shot} PICTURE --frame {chosen[0]}")
    return Result("\n".join(text), {"frames": chosen, "files": [str(p) for p in files], "notes": notes})


def _check_frames(chosen: list[int], frames: tuple[int, ...]) -> None:
    from composer.errors import InputError, Where

    if absent := [n for n in chosen if n not in frames]:
        raise InputError(
            "the plate has no such frame", where=Where(field="--frame"), expected=f"{frames[0]}-{frames[-1]}",
            got=", ".join(map(str, absent)),
        )  # fmt: skip


def _in(args: argparse.Namespace) -> Result:
    import os

    from composer.errors import InputError, Where
    from composer.io.files import atomic_write
    from composer.io.image import read_image
    from composer.render.paintings import check_picture, painting_notes
    from composer.review.edits_place import set_painting
    from composer.shot.load import parse_shot
    from composer.shot.stage import prepare

    file = shot_file(args.shot)
    before = file.read_bytes().decode("utf-8")
    stage = prepare(parse_shot(before, file))
    _, info = read_image(args.picture)  # the whole of it: a damaged file is found now
    frame = args.frame if args.frame is not None else info.attributes.get("muster:key_frame")
    if not isinstance(frame, int):
        hint = "the picture does not say which frame it paints"
        raise InputError("which frame?", where=Where(field="--frame"), expected="--frame N", hint=hint)
    _check_frames([frame], stage.plate.frames)
    check_picture(stage, info, frame)
    if args.colorspace is not None:
        stage.color.space(args.colorspace)
    named = Path(os.path.relpath(args.picture.resolve(), file.resolve().parent)).as_posix()
    after = set_painting(before, frame, named, args.colorspace, file)
    painting_notes(prepare(parse_shot(after, file)))
    if after != before:
        with atomic_write(file) as temporary:
            temporary.write_bytes(after.encode("utf-8"))
    text = f"{file}: frame {frame} is painted by {named}" + ("" if after != before else " (it said so before)")
    return Result(text, {"shot": str(file), "frame": frame, "picture": named, "changed": after != before})
