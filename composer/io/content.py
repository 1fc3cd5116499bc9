"""Where Muster's own content lies: `models/`, `scenes/`, `configs/`.

Looked up in this order: the folder given, the environment variable MUSTER_CONTENT, the checkout that this code runs from,
the `share/muster` folder that a wheel installs.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from composer.errors import InputError


def content_roots(given: Path | None = None) -> tuple[Path, ...]:
    """The folders that may hold content, best first; not all need exist."""
    roots = [given] if given else []
    if "MUSTER_CONTENT" in os.environ:
        roots.append(Path(os.environ["MUSTER_CONTENT"]))
    roots.append(Path(__file__).resolve().parents[2])
    roots += [Path(sysconfig.get_path("data")) / "share" / "muster", Path(sys.prefix) / "share" / "muster"]
    return tuple(dict.fromkeys(roots))


def find_content(relative: str, given: Path | None = None) -> Path:
    """The first existing `relative` (`scenes/valley/shot.yaml`) under the content roots; InputError where there is none."""
    roots = content_roots(given)
    for root in roots:
        if (root / relative).exists():
            return root / relative
    raise InputError(
        f"Muster's own {relative} was not found",
        expected=f"it under one of {', '.join(str(r) for r in roots)}",
        hint="set MUSTER_CONTENT to the folder that holds scenes/, models/ and configs/",
    )
