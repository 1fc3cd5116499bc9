"""What is told of a new bundle, and the wording of its bundle.yaml and card.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from composer.inference.kinds import usual_of
from composer.inference.policy import UNKNOWN

_CARD = """\
# {name}

Family: {family}. Licence: {licence}. What stands here as unknown is for the studio to fill in, in bundle.yaml too.

- What it is, who made it: unknown
- Where it comes from: {origin}
- Licence, and what it asks of those who use it: {licence}
- Trained on: {trained}
- Good at, bad at: unknown
- Checked and cleared by whom, when: nobody yet
"""


@dataclass(frozen=True)
class Told:
    """What the user says of a new bundle; all but the folder may be left out. controls: condition to a ControlNet's folder.
    commercial: None where it is not known, which counts as no. copy: weights into the bundle, and only those that the family
    needs; else they stay where they are. models: the folder of bundles."""

    folder: Path
    name: str | None = None
    family: str | None = None
    licence: str = UNKNOWN
    commercial: bool | None = None
    trained_on: str | None = None
    controls: Mapping[str, Path] = field(default_factory=dict)
    repository: str | None = None
    revision: str | None = None
    copy: bool = False
    models: Path | None = None


def bundle_text(
    told: Told,
    name: str,
    family: str,
    native_px: tuple[int, int],
    hashes: Mapping[str, Mapping[str, str]],
    controls: Mapping[str, str],
    paths: Mapping[str, str] | None,
) -> str:
    """bundle.yaml. hashes: of each source, path inside to SHA-256. paths: source to its
    folder, None where the weights lie in weights/<source>."""
    usual = usual_of(family)
    conditions = [c for c in (*usual.conditions, *controls) if c not in ("text",)]
    conditions = list(dict.fromkeys([*conditions, *(["text"] if "text" in usual.conditions else [])]))
    lines = [
        "muster_bundle: 1",
        f"bundle: {_quoted(name)}",
        f"family: {family}",
        "# id: SPDX's or the hub's short name; configs/licences.yaml says what it may render.",
        f"licence: {{id: {_quoted(told.licence)}, commercial: {'true' if told.commercial else 'false'}}}",
        f"trained_on: {_quoted(told.trained_on or 'unknown')}",
        f"conditions: [{', '.join(conditions)}]",
        f"native_px: [{native_px[0]}, {native_px[1]}]",
        f"steps: {{preview: {usual.steps[0]}, draft: {usual.steps[1]}, final: {usual.steps[2]}}}",
        f"guidance: {usual.guidance:g}",
        "sources:",
    ]
    for source, files in hashes.items():
        lines.append(f"  {source}:")
        if paths is not None:
            lines.append(f"    path: {_quoted(paths[source])}")
        if source == "base" and told.repository:
            lines.append(f"    repository: {_quoted(told.repository)}")
            lines.append(f"    revision: {_quoted(told.revision or '')}")
        lines.append("    files:")
        lines += [f"      {_quoted(path)}: {_quoted(digest)}" for path, digest in files.items()]
    if controls:
        lines.append("controls:")
        lines += [f"  {condition}: {_quoted(place)}" for condition, place in controls.items()]
    return "\n".join(lines) + "\n"


def card_text(told: Told, name: str, family: str) -> str:
    """card.md, to be filled in."""
    origin = f"{told.repository} at {told.revision}" if told.repository else "unknown"
    trained = told.trained_on or "unknown"
    return _CARD.format(name=name, family=family, licence=told.licence, origin=origin, trained=trained)


def _quoted(text: str) -> str:
    """YAML's double quotes read as JSON's."""
    return json.dumps(text, ensure_ascii=False)
