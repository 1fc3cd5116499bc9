"""`Window`: a rectangle of pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels. (x, y) is its top left corner, from the top left of the display window; it may lie
    outside the picture (overscan)."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column after the window."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row after the window."""
        return self.y + self.height

    @property
    def size_px(self) -> tuple[int, int]:
        return self.width, self.height

    def intersect(self, other: Window) -> Window | None:
        """What both have in common, None where nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Window(x, y, right - x, bottom - y) if right > x and bottom > y else None

    def slices(self, inside: Window) -> tuple[slice, slice]:
        """(rows, columns) of this window in an array that covers `inside`."""
        return (
            slice(self.y - inside.y, self.bottom - inside.y),
            slice(self.x - inside.x, self.right - inside.x),
        )
