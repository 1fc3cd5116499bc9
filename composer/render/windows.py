"""A video model paints windows of frames. They lie on one grid for the whole plate, whichever frames are rendered, and
overlap, so that a frame rendered alone is the frame of the sequence, and no window shows where it ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Portion:
    """A window that holds a frame. start: its first frame's place in the plate; index: the frame's in it; weight: its
    share of the frame's picture."""

    start: int
    index: int
    weight: float


@dataclass(frozen=True)
class Windows:
    """frames: the plate's, ascending. length: of a window; neighbours share a quarter of it. A plate that is shorter than
    one window repeats its last frame."""

    frames: tuple[int, ...]
    length: int

    @property
    def starts(self) -> tuple[int, ...]:
        """The last window ends with the plate."""
        last = max(len(self.frames) - self.length, 0)
        step = self.length - self.length // 4 if self.length > 1 else 1
        return (*range(0, last, step), last)

    def frames_from(self, start: int) -> tuple[int, ...]:
        """The numbers of a window's frames."""
        last = len(self.frames) - 1
        return tuple(self.frames[min(start + i, last)] for i in range(self.length))

    def of(self, number: int) -> tuple[Portion, ...]:
        """The windows that hold a frame; their weights sum to one, and fall to nothing towards a window's ends."""
        place = self.frames.index(number)
        holding = [s for s in self.starts if s <= place < s + self.length]
        rise = max(self.length // 4, 1)
        weights = [min(place - s + 1, s + self.length - place, rise) for s in holding]
        return tuple(Portion(s, place - s, w / sum(weights)) for s, w in zip(holding, weights, strict=True))
