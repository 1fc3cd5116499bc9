"""What was measured as the blocks of `shot.yaml` that ask for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.comp.plate_look import Grain, PlateLook
from composer.shot.light_measure import MeasuredLight
from composer.shot.sun import angles_of


def match_yaml(look: PlateLook, notes: Iterable[str] = ()) -> str:
    """The `match:` block, each part that there is; notes as comments above it."""
    lines = [f"# {note}" for note in notes]
    if not look:
        return "\n".join([*lines, "# match: nothing of the plate's look could be measured", ""])
    lines.append("match:")
    if look.grade is not None:
        rows = ", ".join(_row(r) for r in look.grade.matrix)
        lines.append(f"  grade: {{matrix: [{rows}], offset: {_row(look.grade.offset)}}}")
    if look.air is not None:
        lines.append(
            f"  air: {{extinction_per_m: {_row(look.air.extinction_per_m)}, inscatter: {_row(look.air.inscatter)}}}"
        )
    if look.vignette is not None:
        lines.append(f"  vignette: {{k: {_row(look.vignette.k)}}}")
    if look.fringe is not None:
        lines.append(f"  fringe: {{red: {look.fringe.red:.6f}, blue: {look.fringe.blue:.6f}}}")
    if look.edge is not None:
        lines.append(f"  edge: {{spread_px: {look.edge.spread_px:.3f}}}")
    if look.grain is not None:
        lines += _grain(look.grain)
    return "\n".join([*lines, ""])


def light_yaml(light: MeasuredLight) -> str:
    """The `light:` block; only comments where nothing could be measured."""
    lines = [f"# {note}" for note in light.notes]
    body = []
    if light.sun is not None and light.direction is not None and light.sun.max() > 0:
        elevation, azimuth = angles_of(light.direction)
        color, strength = _color(light.sun)
        angles = f"elevation_deg: {elevation:.1f}, azimuth_deg: {azimuth:.1f}"
        body.append(f"  sun: {{{angles}, color: {color}, strength: {strength:.4g}}}")
    for name, rgb in (("sky", light.sky), ("bounce", light.bounce)):
        if rgb is not None and rgb.max() > 0:
            color, strength = _color(rgb)
            body.append(f"  {name}: {{color: {color}, strength: {strength:.4g}}}")
    if body:
        lines += ["light:", *body, "  exposure: 0.0"]
    return "\n".join([*lines, ""])


def _grain(grain: Grain) -> list[str]:
    lines = ["  grain:", f"    level: {_row(grain.level)}", "    variance:"]
    lines += [f"      - {_row(row)}" for row in grain.variance]
    lines.append("    kernel:")
    for square in np.asarray(grain.kernel, dtype=np.float64):
        for i, row in enumerate(square):
            lines.append(("      - - " if i == 0 else "        - ") + _row(np.round(row, 4)))
    rows = ", ".join(_row(np.round(row, 4)) for row in grain.mix)
    return [*lines, f"    mix: [{rows}]"]


def _color(rgb: NDArray[np.float64]) -> tuple[str, float]:
    strength = float(rgb.max())
    return _row(np.round(rgb / strength, 3)), strength


def _row(values: ArrayLike) -> str:
    return "[" + ", ".join(_number(float(v)) for v in np.asarray(values, dtype=np.float64)) + "]"


def _number(value: float) -> str:
    """A float that YAML 1.2 reads as one."""
    text = f"{value:.5g}"
    return text if any(c in text for c in ".e") else f"{text}.0"
