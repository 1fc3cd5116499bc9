"""`muster`: parse, call the verb, print its result or its error, set the exit code.

0 done, 2 the input is wrong (nothing was written), 1 anything else. Nothing heavy is imported before a verb runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import composer
from composer.cli.result import Result
from composer.errors import InputError, MusterError, Where

VERBS = (
    "render",
    "demo",
    "check",
    "layout",
    "sheet",
    "options",
    "review",
    "match",
    "paint",
    "verify",
    "qc",
    "farm",
    "models",
)


def build_parser() -> argparse.ArgumentParser:
    """Every verb's own file adds its arguments."""
    parser = argparse.ArgumentParser(
        prog="muster",
        description="Puts a battle into a shot: a crowd in a tracked plate, delivered as scene-linear EXR.",
        epilog="Begin with `muster demo`, then `muster check SHOT` and `muster render SHOT` with a shot.yaml of yours. "
        "`muster VERB --help` tells what a verb takes. Exit codes: 0 done, 2 the input is wrong, 1 anything else.",
    )
    parser.add_argument("--version", action="version", version=f"muster {composer.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in VERBS:
        module = import_module(f"composer.cli.{name}")
        verb = verbs.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(verb)
        verb.add_argument("--json", action="store_true", help="print the result or the error as JSON")
        verb.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        check_alone(Path(composer.__file__).parent)
        result: Result = args.run(args)
    except MusterError as error:
        _tell_error(error, args.json)
        return error.exit_code
    except KeyboardInterrupt:
        print("muster: stopped; the frames that were finished are whole, run it again to go on", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MemoryError, OSError) as error:
        _tell_error(MusterError(f"the machine failed: {error}"), args.json)
        return 1
    except Exception as error:
        if os.environ.get("MUSTER_DEBUG"):
            raise
        what = f"a fault in Muster itself: {type(error).__name__}: {error}"
        _tell_error(MusterError(what, hint="set MUSTER_DEBUG=1 to see where, and report it"), args.json)
        return 1
    print(json.dumps(result.data, indent=1, default=str) if args.json else result.text)
    return result.exit_code


def check_alone(package: Path) -> None:
    """Another well-known package installs the name `composer` too, into the same folder: neither would work then."""
    if (package / "trainer").exists() or (package / "algorithms").exists():
        raise InputError(
            "another package named composer is installed in this environment",
            where=Where(file=package),
            hint="give Muster an environment of its own: `make setup` in its checkout builds one",
        )


def _tell_error(error: MusterError, as_json: bool) -> None:
    errors = error.errors
    if as_json:
        print(json.dumps({"errors": [e.as_json() for e in errors]}, indent=1))
    else:
        for e in errors:
            print(f"muster: {e.line()}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
