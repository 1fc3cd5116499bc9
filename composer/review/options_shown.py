"""Options as they are shown: each with its pictures, its measure and its forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from composer.crowd.laid import Short
from composer.render.forecast import CostModel, Forecast, Measure, Rates
from composer.render.measure import Machine
from composer.render.quality import Quality
from composer.review import options_words as words
from composer.review.option_axes import Option
from composer.shot.schema import ShotFile


@dataclass(frozen=True)
class Shown:
    """An option with its pictures. soldiers: how many are there. pictures: display-ready PNGs by frame. measure, forecasts:
    they come later. start_s: what a job of it takes beside its frames."""

    option: Option
    folder: Path
    soldiers: int
    short: tuple[Short, ...]
    pictures: dict[int, Path]
    proxy: Path | None
    rendered: tuple[int, ...]
    start_s: float
    notes: tuple[str, ...]
    measure: Measure | None = None
    forecasts: tuple[Forecast, ...] = ()

    @property
    def limit(self) -> str:
        return words.limit_line(self.option.count, self.soldiers, self.short)


@dataclass(frozen=True)
class Options:
    """All of them. size_px: of their pictures; full_px: of the plate."""

    shot: ShotFile
    folder: Path
    frames: tuple[int, ...]
    size_px: tuple[int, int]
    full_px: tuple[int, int]
    frame_rate: Fraction
    quality: Quality
    machine: Machine
    rates: Rates
    shown: tuple[Shown, ...]
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    model: CostModel | None = None

    @property
    def sheet(self) -> Path:
        return self.folder / "sheet.png"
