"""What a measure says: `Reading` of a frame, and `Finding` of a rule that is not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One measure of one frame. frame: None for the whole delivery. value: None where it cannot be measured, and `why`.
    at: (x, y) of the worst place, in pixels, where there is one. detail: what a person should know besides."""

    measure: str
    frame: int | None
    value: float | None
    why: str = ""
    at: tuple[int, int] | None = None
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """A rule that is not kept. frame: None where it is of no single frame. rule: its name. what: one line."""

    frame: int | None
    rule: str
    what: str

    def line(self) -> str:
        return f"{'' if self.frame is None else f'frame {self.frame}: '}{self.rule}: {self.what}"


@dataclass(frozen=True)
class Curve:
    """A line of a plot that belongs to a frame. x, y: as many numbers each."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Blocks:
    """Worst place among square blocks of a picture."""

    size_px: int = 64

    def middle(self, row: int, column: int) -> tuple[int, int]:
        """(x, y)."""
        return column * self.size_px + self.size_px // 2, row * self.size_px + self.size_px // 2
