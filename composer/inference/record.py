"""What the manifest says of a painted frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PaintRecord:
    """bundle, sha256, licence, commercial, family: which model. steps to noise: what it was told. tiles: the tile plan.
    dropped: conditions that the family does not take. notes: what was made smaller, retried or fell back. seconds: by stage
    of the engine. peak_bytes: of the device's memory, 0 where it is not known. adherence, guide_adherence: as in
    `bind.Bound`. added_px, taken_px: pixels that the painted edge moved into and out of. frames: those that were painted
    together; depends_on: frames whose pictures this one was made from. tile_limit: the largest tile that memory allowed the
    shot when this was painted, in latents (`48x64`), empty for the model's own, None where nothing was painted. reroll: what
    was painted anew in an approved version."""

    bundle: str
    sha256: str
    licence: str
    commercial: bool
    family: str
    steps: int
    guidance: float
    strength: float
    seed: int
    noise: str
    tiles: Mapping[str, int | str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    adherence: float | None = None
    guide_adherence: float | None = None
    added_px: int = 0
    taken_px: int = 0
    frames: tuple[int, ...] = ()
    depends_on: tuple[int, ...] = ()
    tile_limit: str | None = None
    reroll: Mapping[str, object] | None = None
