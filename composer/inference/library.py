"""Where bundles lie, and which there are."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, InputErrors
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_schema import FILE_NAME
from composer.io.content import content_roots

VARIABLE = "MUSTER_MODELS"


@dataclass(frozen=True)
class Listed:
    """A folder with a bundle.yaml. bundle: None where it cannot be read; error says why. missing: listed files that are not
    there."""

    name: str
    folder: Path
    bundle: Bundle | None
    missing: int = 0
    error: str | None = None


def models_roots(given: Path | None = None) -> tuple[Path, ...]:
    """The folders that may hold bundles, best first: the one given, MUSTER_MODELS (several with the system's path
    separator), then `models/` of the content folders. Not all need exist."""
    roots = [given] if given else []
    roots += [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    roots += [root / "models" for root in content_roots()]
    return tuple(dict.fromkeys(root.absolute() for root in roots))


def home_for_new(given: Path | None = None) -> Path:
    """The folder of bundles that a new one goes into: the best that is there, or that was asked for."""
    roots = models_roots(given)
    asked = given is not None or bool(os.environ.get(VARIABLE))
    return roots[0] if asked else next((root for root in roots if root.is_dir()), roots[0])


def find_bundle(name_or_folder: str | Path, given: Path | None = None) -> Bundle:
    """A bundle by its name, or by the folder or bundle.yaml that is meant. Its weights are not looked at. Raises
    InputError with the names that there are."""
    text = str(name_or_folder)
    path = Path(text).expanduser()
    roots = models_roots(given)
    if len(path.parts) == 1 and text not in (".", ".."):  # a folder of that name here must not stand in for it
        for root in roots:
            if (root / text / FILE_NAME).is_file():
                return load_bundle(root / text)
    if path.suffix in (".yaml", ".yml") or (path / FILE_NAME).is_file():
        return load_bundle(path)
    names = [listed.name for listed in list_bundles(given)]
    near = difflib.get_close_matches(text, names, 1)
    raise InputError(
        "no such bundle",
        expected=", ".join(names) or f"one in {roots[0]}",
        got=text,
        hint=f"did you mean {near[0]}?" if near else "muster models add FOLDER makes one",
    )


def list_bundles(given: Path | None = None) -> tuple[Listed, ...]:
    """Every bundle under the models folders, by name; of two with one name the better place's."""
    found: dict[str, Listed] = {}
    for root in models_roots(given):
        for file in sorted(root.glob(f"*/{FILE_NAME}")):
            found.setdefault(file.parent.name, _listed(file.parent))
    return tuple(found[name] for name in sorted(found))


def _listed(folder: Path) -> Listed:
    try:
        bundle = load_bundle(folder)
    except InputErrors as error:
        more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
        return Listed(folder.name, folder, None, error=error.errors[0].line() + more)
    missing = sum(not bundle.path_of(path).is_file() for path in bundle.files)
    return Listed(folder.name, folder, bundle, missing)
