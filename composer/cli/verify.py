"""Whether a delivery is what was rendered: every frame's files and the proxy against the records and the manifest, the plate's
untouched pixels against their digest, the signatures, the decisions. Exit code 1 and everything that was found, where it
is not."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from composer.cli.result import Result

HELP = "whether a delivery is what was rendered"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "delivery", type=Path, metavar="DIR", help="a delivery: OUT/<shot>/<version>, or OUT/<shot>/options"
    )
    parser.add_argument(
        "--trust", type=Path, metavar="PEM", help="certificates of who may have signed (default: anybody)"
    )


def run(args: argparse.Namespace) -> Result:
    from composer.errors import InputError, Where
    from composer.render.verify import verify_delivery, verify_options

    anchors = None
    if args.trust is not None:
        try:
            anchors = args.trust.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("cannot be read as PEM", where=Where(file=args.trust), got=str(error)[:100]) from None
        if "BEGIN CERTIFICATE" not in anchors:
            raise InputError("no certificates", where=Where(file=args.trust), expected="PEM")
    look = verify_options if (args.delivery / "options.json").is_file() else verify_delivery
    seen = look(args.delivery, anchors)
    lines = [finding.line() for finding in seen.findings]
    lines += [f"note: {note}" for note in seen.notes]
    if seen.signers:
        lines.append(f"signed by {', '.join(seen.signers)}")
    whole = not seen.findings
    frames = sorted({f.frame for f in seen.findings if f.frame is not None})
    which = f" (frames {', '.join(map(str, frames))})" if frames else ""
    verdict = "all as rendered" if whole else f"{len(seen.findings)} findings{which}"
    lines.append(f"{seen.frames} frames, {seen.files} files: {verdict}")
    data = {
        "delivery": str(args.delivery),
        "whole": whole,
        "frames": seen.frames,
        "files": seen.files,
        "findings": [asdict(f) for f in seen.findings],
        "notes": seen.notes,
        "signers": seen.signers,
    }
    return Result("\n".join(lines), data, 0 if whole else 1)
