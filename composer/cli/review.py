"""The director's table: options, or versions of a shot, side by side in a page on this machine, with their price; compare,
circle, comment, approve or reject. Every decision becomes a signed line of decisions.jsonl beside what it is about."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from composer.cli.result import Result

HELP = "the director's pages: compare, comment, approve"
PORT = 8643


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="OUT/<shot>/options, or deliveries (OUT/<shot>/<version> ...), or OUT/<shot> for all its versions",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0 takes any free one")
    parser.add_argument(
        "--address", default="127.0.0.1", metavar="IP", help="one address of this machine (default: this machine only)"
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="16 letters and digits or more (default: MUSTER_TOKEN, else a new one each time)",
    )
    parser.add_argument("--ocio", metavar="CONFIG", help="the shot's OpenColorIO config, where it has one of its own")


def run(args: argparse.Namespace) -> Result:
    from composer.color.spaces import ColorManager
    from composer.render.decisions import NAME
    from composer.review.review_app import review_app
    from composer.review.server import PageServer
    from composer.review.table import Table

    table = Table(args.folders)
    app = review_app(table, ColorManager.open(args.ocio, {}, Path()))
    with PageServer(app, args.port, args.address, args.token or os.environ.get("MUSTER_TOKEN")) as server:
        lines = [
            f"review: {server.address()}",
            f"decisions are signed with key {table.key.fingerprint}; Ctrl-C ends it",
        ]
        if not server.is_loopback:
            lines.append("note: who has this address and its token can read and decide; it is not encrypted on its way")
        print("\n".join(lines), file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    text = f"{table.written} decisions were written into {NAME}"
    return Result(text, {"folders": [str(f) for f in args.folders], "decisions": table.written})
