"""What a whole shot will cost: a model of seconds and memory against soldiers, pixels, samples and tiles, fitted to frames
that were measured, with its error; and hours and money by `configs/rates.yaml`.

The model is a sum of costs that are never negative (Lawson & Hanson's non-negative least squares, 1974, on relative
errors), so that a term which the measures do not show drops out by itself. Its error is that of leaving each measure out
in turn and forecasting it from the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.content import find_content
from composer.io.settings import is_number, read_with_keys
from composer.render.tiling import Tiles

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Load:
    """What a frame has to do. megapixels: of the picture. samples: visibility samples a pixel. covered: the share of the
    picture that shows soldiers. tile_steps: tiles of a painted frame times the steps that they are run for, 0 unpainted."""

    soldiers: int
    megapixels: float
    samples: int
    covered: float
    tile_steps: float = 0.0

    @property
    def painted(self) -> bool:
        return self.tile_steps > 0


@dataclass(frozen=True)
class Measure:
    """Frames that were rendered and timed. seconds: wall time a frame of a running job, writing included; spread: its
    standard deviation over the frames. fixed_s: what the job took beside its frames. peak_mib: of the process. paint_s:
    the part of `seconds` in which a model painted; tiles: how it was cut."""

    load: Load
    seconds: float
    spread: float
    fixed_s: float
    peak_mib: int
    frames: int
    paint_s: float = 0.0
    tiles: Tiles | None = None

    @classmethod
    def read(cls, told: Mapping[str, object]) -> Measure:
        """Out of `asdict`. Raises TypeError or KeyError."""
        parts = dict(told)
        tiles = parts["tiles"]
        parts["load"] = Load(**parts["load"])  # type: ignore[arg-type]
        parts["tiles"] = Tiles.read(tiles) if isinstance(tiles, dict) else None
        return cls(**parts)  # type: ignore[arg-type]


#: The terms of the model: what each is called, and how much of it a frame has.
TERMS: dict[str, Callable[[Load], float]] = {
    "frame": lambda at: 1.0,
    "megapixel": lambda at: at.megapixels,
    "megapixel of soldiers": lambda at: at.megapixels * at.covered,
    "million samples": lambda at: at.megapixels * at.samples,
    "million samples of soldiers": lambda at: at.megapixels * at.samples * at.covered,
    "1,000 soldiers": lambda at: at.soldiers / 1000,
    "1,000 soldiers at each sample": lambda at: at.soldiers / 1000 * at.samples,
}
PAINT_TERMS: dict[str, Callable[[Load], float]] = {
    "painted megapixel": lambda at: at.megapixels if at.painted else 0.0,
    "tile and step": lambda at: at.tile_steps,
}
#: With fewer measures than this their error says nothing; painting has two terms only.
_LEAST, _LEAST_PAINTED = 4, 3


def weights_of(loads: Sequence[Load]) -> F64:
    """float64 [N]: how much each measure says about the largest picture among them."""
    size = np.array([at.megapixels for at in loads], np.float64)
    return np.sqrt(size / size.max())


@dataclass(frozen=True)
class Sum:
    """Costs by term, none negative. error: relative, root mean square of the measures left out one by one, larger pictures
    weighing more; None with too few measures."""

    costs: Mapping[str, float]
    terms: Mapping[str, Callable[[Load], float]]
    error: float | None = None

    @classmethod
    def fit(cls, terms: Mapping[str, Callable[[Load], float]], loads: Sequence[Load], values: Sequence[float]) -> Sum:
        """To values above 0, on relative errors; larger pictures weigh more, for forecasts are of the largest."""
        from scipy.optimize import nnls

        if not loads:
            return cls({}, terms)
        rows = np.array([[term(at) for term in terms.values()] for at in loads], np.float64)
        weight = weights_of(loads)
        scale = weight / np.maximum(np.asarray(values, np.float64), 1e-6)
        size = np.abs(rows * scale[:, None]).max(axis=0)
        size[size == 0] = 1.0
        found, _ = nnls(rows * scale[:, None] / size, weight)
        return cls(dict(zip(terms, (found / size).tolist(), strict=True)), terms)

    def tried(self, loads: Sequence[Load], values: Sequence[float], least: int) -> Sum:
        """With its error, where there are `least` measures."""
        if len(loads) < least:
            return self
        others = [[k for k in range(len(loads)) if k != i] for i in range(len(loads))]
        fits = [Sum.fit(self.terms, [loads[k] for k in o], [values[k] for k in o]) for o in others]
        off = [fit.at(at) / value - 1 for fit, at, value in zip(fits, loads, values, strict=True)]
        return replace(self, error=float(np.sqrt(np.average(np.square(off), weights=weights_of(loads) ** 2))))

    def at(self, load: Load) -> float:
        return sum(cost * self.terms[name](load) for name, cost in self.costs.items())


@dataclass(frozen=True)
class CostModel:
    """seconds, paint_s, peak_mib: of a frame. measures: what it was fitted to."""

    seconds: Sum
    paint_s: Sum
    peak_mib: Sum
    measures: tuple[Measure, ...]

    @classmethod
    def fit(cls, measures: Sequence[Measure]) -> CostModel:
        """To at least one measure."""
        painted = [m for m in measures if m.load.painted]
        alone = [m for m in measures if not m.load.painted] or measures  # painted frames are few, and not overlapped
        plain_at, paint_at = [m.load for m in alone], [m.load for m in painted]
        plain_s, paint_s = [max(m.seconds - m.paint_s, 1e-6) for m in alone], [max(m.paint_s, 1e-6) for m in painted]
        plain = Sum.fit(TERMS, plain_at, plain_s).tried(plain_at, plain_s, _LEAST)
        paint = Sum.fit(PAINT_TERMS, paint_at, paint_s).tried(paint_at, paint_s, _LEAST_PAINTED)
        memory = Sum.fit(TERMS, [m.load for m in measures], [float(m.peak_mib) for m in measures])
        return cls(plain, paint, memory, tuple(measures))

    def frame_s(self, load: Load) -> float:
        """Seconds of a frame."""
        return self.seconds.at(load) + self.paint_s.at(load)

    def error(self, load: Load) -> float | None:
        """Relative, of `frame_s`: what is rendered and what is painted err by themselves. None where either is not known."""
        parts = [self.seconds, self.paint_s] if load.painted else [self.seconds]
        known = [part.error * part.at(load) for part in parts if part.error is not None]
        return math.hypot(*known) / self.frame_s(load) if len(known) == len(parts) else None

    @property
    def can_paint(self) -> bool:
        """Whether painted frames were measured."""
        return any(m.load.painted for m in self.measures)


@dataclass(frozen=True)
class Rates:
    """As `configs/rates.yaml` has them. money an hour: of one core, of one GPU with its machine."""

    currency: str
    core_hour: float
    gpu_hour: float
    frames_per_task: int
    busy_share: float
    file: Path

    def hour(self, device: str, cores: int) -> float:
        """Money for one machine for one hour."""
        return self.gpu_hour if device == "cuda" else self.core_hour * cores


def load_rates(file: Path | None = None) -> Rates:
    """The rates, or those of another file. Raises InputError."""
    path = file or find_content("configs/rates.yaml")
    keys = ("busy_share", "core_hour", "currency", "frames_per_task", "gpu_hour")
    read = read_with_keys(path, keys, "not a file of rates")

    def number(key: str, low: float, high: float, *, whole: bool = False) -> float:
        value = read[key]
        if not is_number(value, low, high, whole=whole):
            where, expected = Where(file=path, field=key), f"{low:g} to {high:g}"
            raise InputError("rate out of range", where=where, expected=expected, got=str(value))
        return float(value)  # type: ignore[arg-type]

    currency = read["currency"]
    if not isinstance(currency, str) or not 1 <= len(currency) <= 8:
        raise InputError("which currency?", where=Where(file=path, field="currency"), expected="USD")
    return Rates(
        currency, number("core_hour", 0, 1e4), number("gpu_hour", 0, 1e4),
        int(number("frames_per_task", 1, 1e6, whole=True)), number("busy_share", 0.01, 1), path,
    )  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """Of a whole shot. frame_s: seconds a frame. alone_s: one machine like this one, all frames in one run. machine_hours,
    money: on a farm of such machines, each task's start and the idle share included. error: relative, of the seconds;
    None where it is not known. painted: whether a model paints."""

    quality: str
    frames: int
    frame_s: float
    start_s: float
    alone_s: float
    tasks: int
    machine_hours: float
    money: float
    peak_mib: int
    error: float | None
    painted: bool


def forecast(
    model: CostModel, load: Load, quality: str, frames: int, start_s: float, rates: Rates, hour: float
) -> Forecast:
    """start_s: what a job takes beside its frames. hour: money for one machine for one hour."""
    frame_s = model.frame_s(load)
    tasks = -(-frames // rates.frames_per_task)
    hours = (tasks * start_s + frames * frame_s) / 3600 / rates.busy_share
    return Forecast(
        quality, frames, frame_s, start_s, start_s + frames * frame_s, tasks, hours, hours * hour,
        math.ceil(round(model.peak_mib.at(load), 6)), model.error(load), load.painted,
    )  # fmt: skip
