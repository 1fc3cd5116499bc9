"""Levy's recipe: `python -m models.levy.recipe render|train|evaluate|export|all|race`, from the root of a checkout.

`all` takes three hours on two cores, twenty minutes on one GPU with a few cores beside it. What is interrupted is begun
again where it stopped: the same command once more."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from composer.errors import MusterError

COMMANDS = ("render", "train", "evaluate", "export", "all", "race")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m models.levy.recipe", description=__doc__)
    p.add_argument("command", choices=COMMANDS)
    p.add_argument("--work", type=Path, default=Path("out/levy"), help="data, checkpoints, figures; default: out/levy")
    p.add_argument("--device", default="cpu", help="cpu or cuda")
    p.add_argument("--seconds", type=float, help="of training (of each network in a race)")
    p.add_argument("--pictures", type=int, help="pairs to render for training")
    p.add_argument("--held-out", type=int, help="pairs to measure on")
    p.add_argument("--size", help="the network; see net.SIZES. In a race several, with commas")
    p.add_argument("--jobs", type=int, help="processes that render")
    p.add_argument("--batch", type=int, help="crops of 64 px a step")
    p.add_argument("--threads", type=int, help="of training on a CPU; 1 where other work shares the cores")
    p.add_argument("--compile", action="store_true", help="torch.compile while training")
    p.add_argument(
        "--start", type=Path, help="folder `run` of another training of the same network, or a bundle, to begin with"
    )
    p.add_argument("--demo-frames", type=int, help="of the embedded scene, for the error along true motion; 0: none")
    p.add_argument("--to", type=Path, help="where export writes; default: models/levy of this checkout")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from models.levy.recipe import commands as c

    plan = c.Plan.of(args.work.absolute(), args.device, args.seconds, args.pictures)
    sizes = tuple(args.size.split(",")) if args.size else ("thin", "small", "middle", "full")
    changes = {
        "held": args.held_out, "jobs": args.jobs, "batch": args.batch, "demo_frames": args.demo_frames, "threads": args.threads,
        "start": args.start,
        "size": args.size if args.command != "race" else None,
    }  # fmt: skip
    plan = replace(plan, compiled=args.compile, **{k: v for k, v in changes.items() if v is not None})
    plan.work.mkdir(parents=True, exist_ok=True)
    try:
        if args.command == "race":
            c.race(plan, sizes)
        elif args.command == "export":
            c.export(plan, args.to or c.HOME)
        else:
            {"render": c.render, "train": c.train, "evaluate": c.evaluate, "all": c.everything}[args.command](plan)
    except MusterError as error:
        print(error.line(), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
