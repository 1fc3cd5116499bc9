"""What is pointed at. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """In pixels of the plate, the outer corner of the first pixel at 0. click, background: (x, y). box: (left, top, right,
    bottom)."""

    click: tuple[tuple[float, float], ...] = ()
    background: tuple[tuple[float, float], ...] = ()
    box: tuple[float, float, float, float] | None = None
