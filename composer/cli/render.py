"""Render a shot: the crowd into the plate, as multi-part EXR with every pass. Frames that are already there and whole are
skipped; stop it with Ctrl-C at any time and run it again to go on."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.progress import ProgressBar
from composer.cli.result import Result

HELP = "render a shot: the main job"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    add_render_options(parser)


def add_render_options(parser: argparse.ArgumentParser) -> None:
    """The options that `render` and `demo` share."""
    parser.add_argument("--frames", metavar="1001-1100x1", help="only these frames (default: all of the plate)")
    parser.add_argument("--count", metavar="CROWD=N", help="number of soldiers, in place of the shot's own")
    parser.add_argument("--quality", default="preview", choices=("preview", "draft", "final"), help="default: preview")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="delivery folder (default: out)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")


def run(args: argparse.Namespace) -> Result:
    from composer.render.device import choose_device
    from composer.render.job import prepare_job, run_job
    from composer.render.quality import load_quality
    from composer.shot.frames import frames_of
    from composer.shot.load import load_shot

    job = prepare_job(
        load_shot(shot_file(args.shot)),
        args.out,
        load_quality(args.quality),
        frames=frames_of(args.frames) if args.frames else None,
        count=crowd_count(args.count),
        device=choose_device(args.device),
    )
    result = run_job(job, ProgressBar(silent=args.json))
    lines = [f"note: {n}" for n in result.notes]
    lines.append(
        f"{len(result.rendered)} frames rendered, {len(result.skipped)} already there, {result.soldiers:,} soldiers, "
        f"{result.seconds:.1f} s, peak {result.peak_memory_mib} MiB"
    )
    lines.append(f"delivery: {result.delivery}")
    data = {
        "delivery": str(result.delivery),
        "rendered": result.rendered,
        "skipped": result.skipped,
        "soldiers": result.soldiers,
        "seconds": round(result.seconds, 2),
        "peak_memory_mib": result.peak_memory_mib,
        "notes": result.notes,
        "manifest": str(result.manifest),
        "proxy": str(result.proxy) if result.proxy else None,
    }
    return Result("\n".join(lines), data)


def shot_file(path: Path) -> Path:
    """The `shot.yaml` that a person means by a file or by its folder."""
    return path / "shot.yaml" if path.is_dir() else path


def crowd_count(text: str | None) -> int | None:
    """`CROWD=500`, or plainly `500`."""
    from composer.errors import InputError, Where

    if text is None:
        return None
    number = text.split("=", 1)[1] if text.upper().startswith("CROWD=") else text
    if not number.isdecimal() or int(number) < 1:
        raise InputError(
            "the number of soldiers can't be read", where=Where(field="--count"), expected="CROWD=500", got=text
        )
    return int(number)
