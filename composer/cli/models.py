"""Model bundles: which there are, whether their files are what they should be, a new one out of a folder of weights, weights
from a hub. Only `fetch` uses the network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.result import Result
from composer.errors import InputError, InputErrors, MusterError, Where

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle

HELP = "model bundles: list, verify, add, fetch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    lists = actions.add_parser("list", help="which bundles there are, and what each may render")
    verify = actions.add_parser("verify", help="look at every file of a bundle, and hash it")
    verify.add_argument("name", nargs="?", metavar="NAME", help="a bundle's name or folder (default: all)")
    add = actions.add_parser("add", help="make a bundle of a folder of weights; they stay where they are")
    _add_arguments(add)
    fetch = actions.add_parser(
        "fetch", help="bring a bundle's weights from its hub (the only verb that uses the network)"
    )
    fetch.add_argument("name", metavar="NAME", help="a bundle's name or folder")
    for action in (lists, verify, add, fetch):
        action.add_argument(
            "--models", type=Path, metavar="DIR", help="the folder of bundles (default: $MUSTER_MODELS, models/)"
        )
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print the result or error as JSON"
        )


def _add_arguments(add: argparse.ArgumentParser) -> None:
    add.add_argument("folder", type=Path, metavar="FOLDER", help="weights in diffusers' or transformers' layout")
    add.add_argument("--name", metavar="NAME", help="the bundle's (default: the folder's)")
    add.add_argument(
        "--family",
        metavar="FAMILY",
        help="sd15, sdxl, qwen-image, wan-vace, depth-anything, sam2 (default: by its files)",
    )
    add.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="CONDITION=FOLDER",
        help="a ControlNet: depth=FOLDER; may be repeated",
    )
    add.add_argument(
        "--licence", default="unknown", metavar="ID", help="apache-2.0, openrail++, ... (default: unknown)"
    )
    add.add_argument("--commercial", action="store_true", help="the licence allows commercial use")
    add.add_argument("--trained-on", metavar="TEXT", help="what it was trained on")
    add.add_argument("--repository", metavar="OWNER/NAME", help="the hub repository that FOLDER is a copy of")
    add.add_argument("--revision", metavar="COMMIT", help="and its 40-digit commit")
    add.add_argument("--copy", action="store_true", help="copy what the family needs into the bundle")


def run(args: argparse.Namespace) -> Result:
    return {"list": _list, "verify": _verify, "add": _add, "fetch": _fetch}[args.action](args)


def _list(args: argparse.Namespace) -> Result:
    from composer.inference.library import list_bundles, models_roots
    from composer.inference.policy import Policy

    policy = Policy.load()
    lines, data = [], []
    for listed in list_bundles(args.models):
        bundle = listed.bundle
        if bundle is None:
            lines.append(f"{listed.name}: {listed.error}")
            data.append({"name": listed.name, "folder": str(listed.folder), "error": listed.error})
            continue
        level, why = policy.may(bundle)
        missing = f", {listed.missing} of {len(bundle.files)} files missing" if listed.missing else ""
        lines.append(
            f"{bundle.name}: {bundle.family}, {', '.join(bundle.conditions)}; licence {bundle.licence.id}, "
            f"may render {'nothing' if level == 'none' else f'up to {level}'} ({why}){missing}"
        )
        data.append({**_about(bundle), "may": level, "why": why, "missing": listed.missing})
    roots = [str(root) for root in models_roots(args.models)]
    text = "\n".join(lines) or f"no bundles in {', '.join(roots)}\n`muster models add FOLDER` makes one"
    return Result(text, {"bundles": data, "looked_in": roots})


def _verify(args: argparse.Namespace) -> Result:
    from composer.inference.bundle_verify import verify_bundle
    from composer.inference.library import find_bundle, list_bundles

    mistakes: list[MusterError] = []
    lines, data = [], []
    folders = [args.name] if args.name else [listed.folder for listed in list_bundles(args.models)]
    for folder in folders:
        try:
            bundle = find_bundle(folder, args.models)
            found = verify_bundle(bundle, _bytes(bundle.name, args.json))
        except InputError as error:
            mistakes += error.errors
            continue
        lines.append(
            f"{bundle.name}: {found.files} files, {found.bytes / 1e9:.2f} GB, {found.parameters:,} parameters: all right"
        )
        data.append({**_about(bundle), "files": found.files, "bytes": found.bytes, "parameters": found.parameters})
    if mistakes:
        raise InputErrors(mistakes)
    return Result("\n".join(lines) or "no bundles to verify", {"verified": data})


def _add(args: argparse.Namespace) -> Result:
    from composer.inference.bundle_add import add_bundle
    from composer.inference.bundle_text import Told

    told = Told(
        folder=args.folder,
        name=args.name,
        family=args.family,
        licence=args.licence,
        commercial=args.commercial,
        trained_on=args.trained_on,
        controls=_controls(args.control),
        repository=args.repository,
        revision=args.revision,
        copy=args.copy,
        models=args.models,
    )
    added = add_bundle(told, _bytes(str(args.folder), args.json))
    notes = list(added.notes)
    if added.left:
        notes.append(f"not copied, as {added.bundle.family} does not need them: {len(added.left)} files")
    text = "\n".join([*(f"note: {note}" for note in notes), f"{added.bundle.name}: {added.bundle.folder}"])
    return Result(text, {**_about(added.bundle), "notes": notes, "left": added.left})


def _fetch(args: argparse.Namespace) -> Result:
    from composer.inference.fetch import fetch_bundle
    from composer.inference.library import find_bundle

    def told(path: str, number: int, count: int) -> None:
        if not args.json:
            print(f"{number}/{count} {path}", file=sys.stderr, flush=True)

    bundle = find_bundle(args.name, args.models)
    fetched = fetch_bundle(bundle, told, quiet=args.json or not sys.stderr.isatty())
    text = f"{bundle.name}: {len(fetched.files)} files brought, all {fetched.verified.files} are right"
    return Result(text, {**_about(bundle), "fetched": fetched.files, "files": fetched.verified.files})


def _about(bundle: Bundle) -> dict[str, object]:
    return {
        "name": bundle.name,
        "folder": str(bundle.folder),
        "family": bundle.family,
        "licence": bundle.licence.id,
        "commercial": bundle.licence.commercial,
        "conditions": bundle.conditions,
        "native_px": bundle.native_px,
        "sha256": bundle.sha256,
    }


def _controls(given: list[str]) -> dict[str, Path]:
    from composer.inference.request import CONDITIONS

    found: dict[str, Path] = {}
    for text in given:
        condition, is_given, folder = text.partition("=")
        if condition not in CONDITIONS or not is_given or not folder or condition in found:
            raise InputError(
                "not a control", where=Where(field="--control"), expected="depth=FOLDER, each condition once", got=text
            )
        found[condition] = Path(folder)
    return found


def _bytes(name: str, silent: bool) -> Callable[[int, int], None] | None:
    """A line that counts hashed bytes, on a terminal only."""
    if silent or not sys.stderr.isatty():
        return None
    last = -1

    def told(done: int, total: int) -> None:
        nonlocal last
        share = 100 * done // max(total, 1)
        if share != last:
            last = share
            end = "\n" if done >= total else ""
            print(
                f"\r\033[K{name}: hashed {done / 1e9:.2f} of {total / 1e9:.2f} GB", end=end, file=sys.stderr, flush=True
            )

    return told
