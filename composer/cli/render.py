"""Render a shot: the crowd into the plate, as multi-part EXR with every pass. Frames that are already there and whole are
skipped; stop it with Ctrl-C at any time and run it again to go on.

At `--quality draft` or `final` a model bundle paints the crowd; `preview`, and `final` without a bundle, deliver the
soldiers as they are drawn. Several bundles go side by side, into versions of their own. `--reroll` paints a few soldiers of
a painted version anew and leaves every other pixel as it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.progress import ProgressBar
from composer.cli.result import Result

if TYPE_CHECKING:
    from composer.qc.quick import Quick
    from composer.render.job import JobResult
    from composer.render.painters import PaintAsk
    from composer.render.sign import SignAsk

HELP = "render a shot: the main job"
#: Of options that several verbs have.
QUALITY = "preview: quick, as drawn; draft: painted, few steps; final: painted, finest"
DEVICE = "what computes; auto: a GPU with CUDA, if there is one (default: auto)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shot", type=Path, metavar="SHOT", help="shot.yaml, or the folder that holds it")
    add_render_options(parser)
    parser.add_argument(
        "--reroll", metavar="AGENT[,AGENT]", help="paint only these soldiers anew (names or ids), in a painted version"
    )
    parser.add_argument("--approved", metavar="VERSION", help="the version to re-roll in (default: the shot's own)")
    parser.add_argument(
        "--only",
        choices=("cache", "anchors", "frames", "finish"),
        help="one part of the job, as `muster farm` runs it: cache (what frames share), anchors (frames that others are "
        "painted from), frames (no proxy, no manifest), finish (proxy and manifest)",
    )
    parser.add_argument(
        "--version", metavar="NAME", help="what the re-rolled version is called (default: v001_r1, v001_r2, ...)"
    )


def add_render_options(parser: argparse.ArgumentParser, usual: str = "preview") -> None:
    """The options that `render`, `demo` and `farm` share. usual: the quality, where none is named."""
    parser.add_argument(
        "--frames", metavar="FRAMES",
        help="only these: 1001-1024, 1001-1100x2 (every second), 1001,1005 (default: all of the plate)",
    )  # fmt: skip
    parser.add_argument(
        "--count", metavar="CROWD=N", help="number of soldiers, in place of the shot's own; N alone will do"
    )
    parser.add_argument("--quality", choices=("preview", "draft", "final"), help=f"{QUALITY} (default: {usual})")
    parser.add_argument("--width", metavar="PX", help="a smaller picture than the plate's, as a version of its own")
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="writes DIR/<shot>/<version> (default: out)"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help=DEVICE)
    parser.add_argument(
        "--bundle", metavar="NAME[,NAME]",
        help="model bundles that paint draft and final, names (`muster models list`) or folders (default: the shot's own; "
        "for draft, Levy)",
    )  # fmt: skip
    parser.add_argument("--steps", metavar="N", help="steps of the model's sampler, in place of the bundle's own")
    add_sign(parser)
    parser.add_argument("--strength", metavar="S", help="how far the model may go, 0 to 1, in place of the shot's own")


def add_sign(parser: argparse.ArgumentParser) -> None:
    """`--sign`, which `sheet` has too."""
    words = "sign what is delivered (C2PA), with these two PEM files or without them with those that are configured"
    parser.add_argument("--sign", nargs="*", type=Path, metavar=("CERT", "KEY"), help=words)


def run(args: argparse.Namespace) -> Result:
    from composer.deliver.compare import write_comparison
    from composer.qc.quick import quick_look
    from composer.render.device import choose_device
    from composer.render.job import prepare_jobs, run_job
    from composer.render.parts import run_part
    from composer.render.quality import load_quality
    from composer.shot.frames import frames_of
    from composer.shot.load import load_shot

    if getattr(args, "reroll", None):
        return _reroll(args)
    _refuse_without_reroll(args)
    only: str | None = getattr(args, "only", None)
    bar = ProgressBar(silent=args.json)
    jobs = prepare_jobs(
        load_shot(shot_file(args.shot)),
        args.out,
        load_quality(args.quality or "preview"),
        frames=frames_of(args.frames) if args.frames else None,
        count=crowd_count(args.count),
        device=args.device if only in ("cache", "finish") and args.device != "auto" else choose_device(args.device),
        ask=paint_ask(args),
        told=lambda name: bar.say(f"checking the files of {name}"),
        sign=sign_ask(args.sign),
        width_px=picture_width(args.width),
    )
    results = []
    for job in jobs:
        if len(jobs) > 1:
            bar.begin_again(job.delivery.name)
        results.append(run_part(job, only, bar) if only else run_job(job, bar))
    looks = [quick_look(r.delivery, r.rendered, job.scene.stage) for r, job in zip(results, jobs, strict=True)]
    if len(jobs) == 1:
        return Result(_text(results[0], looks[0]), _data(results[0], looks[0]))
    if only not in (None, "finish"):
        text = "\n".join(_text(r, look) for r, look in zip(results, looks, strict=True))
        return Result(text, {"versions": [_data(r, look) for r, look in zip(results, looks, strict=True)]})
    color = jobs[0].scene.stage.color
    sheet = write_comparison(
        [r.delivery for r in results], jobs[0].delivery.parent / f"{_versions(results)}.png", color
    )
    told = list(zip(results, looks, strict=True))
    text = "\n".join([*(_text(*t) for t in told), f"side by side: {sheet}"])
    return Result(text, {"versions": [_data(*t) for t in told], "comparison": str(sheet)})


def _versions(results: list[JobResult]) -> str:
    """`compare_v001_sd15_sdxl`, short enough for a file's name."""
    return ("compare_" + "_".join(r.delivery.name for r in results))[:120]


def _reroll(args: argparse.Namespace) -> Result:
    from composer.errors import InputError, Where
    from composer.qc.quick import quick_look
    from composer.render.approved import RerollAsk, prepare_reroll
    from composer.render.device import choose_device
    from composer.render.job import run_job
    from composer.shot.frames import frames_of
    from composer.shot.load import load_shot

    if args.width is not None:
        hint = "leave --width out; --approved VERSION names the one to re-roll in, of whatever size"
        raise InputError("a re-roll has the size of its version", where=Where(field="--width"), hint=hint)
    if args.only:
        raise InputError(
            "a re-roll is one piece", where=Where(field="--only"), expected="--reroll without it", got=args.only
        )
    agents = tuple(part.strip() for part in args.reroll.split(",") if part.strip())
    job = prepare_reroll(
        load_shot(shot_file(args.shot)),
        args.out,
        RerollAsk(agents, args.approved, args.version, args.quality),
        frames=frames_of(args.frames) if args.frames else None,
        count=crowd_count(args.count),
        device=choose_device(args.device),
        paint=paint_ask(args),
        sign=sign_ask(args.sign),
    )
    result = run_job(job, ProgressBar(silent=args.json))
    look = quick_look(result.delivery, result.rendered, job.scene.stage)
    return Result(_text(result, look), _data(result, look))


def _refuse_without_reroll(args: argparse.Namespace) -> None:
    from composer.errors import InputError, Where

    for name in ("approved", "version"):
        if getattr(args, name, None):
            raise InputError("this belongs to a re-roll", where=Where(field=f"--{name}"), expected="--reroll AGENT")


def _text(result: JobResult, look: Quick) -> str:
    lines = [f"note: {n}" for n in result.notes]
    lines.append(
        f"{len(result.rendered)} frames rendered, {len(result.skipped)} already there, {result.soldiers:,} soldiers, "
        f"{result.seconds:.1f} s, peak {result.peak_memory_mib} MiB"
    )
    if result.painted:
        lines.append(f"painted with {result.painted}")
    if result.signed:
        lines.append(f"signed by {result.signed}")
    lines += [look.text, f"delivery: {result.delivery}"]
    return "\n".join(lines)


def _data(result: JobResult, look: Quick) -> dict[str, object]:
    return {
        "delivery": str(result.delivery),
        "rendered": result.rendered,
        "skipped": result.skipped,
        "soldiers": result.soldiers,
        "seconds": round(result.seconds, 2),
        "peak_memory_mib": result.peak_memory_mib,
        "painted": result.painted,
        "signed": result.signed,
        "notes": result.notes,
        "qc": look.as_json(),
        "manifest": str(result.manifest) if result.manifest else None,
        "proxy": str(result.proxy) if result.proxy else None,
    }


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


def picture_width(text: str | None) -> int | None:
    """Pixels. Raises InputError."""
    from composer.errors import InputError, Where

    if text is not None and not text.isdecimal():
        raise InputError("not a width in pixels", where=Where(field="--width"), expected="960", got=text)
    return None if text is None else int(text)


def paint_ask(args: argparse.Namespace) -> PaintAsk:
    """What the options say of painting. Raises InputError."""
    from composer.errors import InputError, Where
    from composer.render.painters import PaintAsk

    steps: int | None = None
    if args.steps is not None:
        if not args.steps.isdecimal() or not 1 <= int(args.steps) <= 1000:
            raise InputError(
                "not a number of steps", where=Where(field="--steps"), expected="1 to 1000", got=args.steps
            )
        steps = int(args.steps)
    strength: float | None = None
    if args.strength is not None:
        try:
            strength = float(args.strength)
        except ValueError:
            strength = -1.0
        if not 0 <= strength <= 1:
            raise InputError("not a strength", where=Where(field="--strength"), expected="0 to 1", got=args.strength)
    bundles = tuple(part.strip() for part in (args.bundle or "").split(",") if part.strip())
    if args.bundle is not None and not bundles:
        raise InputError("which bundle?", where=Where(field="--bundle"), expected="NAME[,NAME]", got=repr(args.bundle))
    return PaintAsk(bundles, steps, strength)


def sign_ask(files: list[Path] | None) -> SignAsk | None:
    """What `--sign` means: not given, by itself, or with certificate and key. Raises InputError."""
    from composer.errors import InputError, Where
    from composer.render.sign import SignAsk

    if files is None or not files:
        return None if files is None else SignAsk()
    if len(files) != 2:
        got = " ".join(map(str, files))
        raise InputError("which files?", where=Where(field="--sign"), expected="CERT KEY, or nothing", got=got)
    return SignAsk(files[0], files[1])
