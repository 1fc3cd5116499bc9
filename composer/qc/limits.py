"""Limits on measures, as `configs/qc.yaml` has them, changed by a preset and on the command line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from composer.errors import InputError, InputErrors, Where
from composer.io.content import find_content
from composer.qc.measures import MEASURES
from composer.qc.reading import Reading
from composer.shot.load import read_strictly
from composer.shot.schema_base import Part, mistake

_FILE = "configs/qc.yaml"


class Limit(Part):
    """What a measure may be, ends included. None: no limit on that side."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Limit:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise mistake("min is above max", expected="min <= max", got=f"{self.min:g} > {self.max:g}", key="min")
        return self

    def keeps(self, value: float) -> bool:
        """NaN keeps no limit."""
        if math.isnan(value):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        if self.min is not None and self.max is not None:
            return f"{self.min:g} to {self.max:g}" if self.min != self.max else f"{self.min:g}"
        if self.max is not None:
            return f"at most {self.max:g}" if self.max else "0"
        return "no limit" if self.min is None else f"at least {self.min:g}"


Limits = Mapping[str, Limit]


class _LimitsFile(Part):
    muster_qc: Literal[1]
    limits: dict[str, Limit] = Field(default_factory=dict)


def load_limits(path: Path | None = None) -> dict[str, Limit]:
    """The given file, else `configs/qc.yaml` where content is looked for. Raises InputErrors."""
    file = path or find_content(_FILE)
    spec, places = read_strictly(file, _LimitsFile, "limits")
    errors = []
    for name in spec.limits:
        if name not in MEASURES:
            line, column = places[("limits", name)]
            errors.append(_no_measure(name, Where(file=file, line=line, column=column)))
    if errors:
        raise InputErrors(errors)
    return dict(spec.limits)


def check_names(limits: Limits, where: Where) -> None:
    """Raises InputErrors for what is no measure."""
    if wrong := [_no_measure(name, where) for name in limits if name not in MEASURES]:
        raise InputErrors(wrong)


def changed(limits: Limits, asked: Sequence[str]) -> dict[str, Limit]:
    """The limits with changes as a person types them: `warp_ratio.max=2`, `grain_ratio=off`. Raises InputError."""
    where = Where(field="--limit")
    sides = {name: {"min": limit.min, "max": limit.max} for name, limit in limits.items()}
    for text in asked:
        key, equals, value = text.partition("=")
        name, dot, side = key.strip().partition(".")
        if name not in MEASURES:
            raise _no_measure(name, where)
        if not dot and equals and value.strip() == "off":
            sides.pop(name, None)
            continue
        number = _number(value)
        if side not in ("min", "max") or number is None:
            expected = f"{name}.min=X, {name}.max=X or {name}=off"
            raise InputError("not a limit", where=where, expected=expected, got=repr(text))
        sides.setdefault(name, {"min": None, "max": None})[side] = number
    for name, ends in sides.items():
        low, high = ends["min"], ends["max"]
        if low is not None and high is not None and low > high:
            raise InputError("min is above max", where=where, got=f"{name} {low:g} to {high:g}")
    return {name: Limit(min=ends["min"], max=ends["max"]) for name, ends in sides.items()}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _no_measure(name: str, where: Where) -> InputError:
    near = difflib.get_close_matches(name, MEASURES, 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else None
    return InputError("no such measure", where=where, expected=", ".join(MEASURES), got=repr(name), hint=hint)


@dataclass(frozen=True)
class Verdict:
    """One measure over the delivery. status: 'pass', 'fail', 'not measured', or 'no limit'. worst: the reading furthest from its
    limit, or the highest where there is none. mean: over frames. failed: the frames that do not keep the limit."""

    measure: str
    status: str
    limit: Limit | None
    worst: Reading | None
    mean: float | None
    failed: tuple[int, ...]
    why: str = ""


def judge(readings: Sequence[Reading], limits: Limits) -> tuple[Verdict, ...]:
    """A verdict for each measure that was asked for, in the order of `MEASURES`."""
    verdicts = []
    for name in MEASURES:
        mine = [r for r in readings if r.measure == name]
        if not mine:
            continue
        limit = limits.get(name)
        known = [r for r in mine if r.value is not None]
        if not known:
            why = max({r.why for r in mine}, key=[r.why for r in mine].count)
            verdicts.append(Verdict(name, "not measured", limit, None, None, (), why))
            continue
        values = [float(r.value) for r in known if r.value is not None]
        mean = sum(values) / len(values)
        if limit is None:
            worst = max(known, key=lambda r: abs(r.value or 0.0))
            verdicts.append(Verdict(name, "no limit", None, worst, mean, ()))
            continue
        broken = [r for r in known if r.value is not None and not limit.keeps(r.value)]
        failed = tuple(r.frame for r in broken if r.frame is not None)
        worst = max(known, key=lambda r: _badness(limit, r.value or 0.0))
        verdicts.append(Verdict(name, "fail" if broken else "pass", limit, worst, mean, failed))
    return tuple(verdicts)


def _badness(limit: Limit, value: float) -> float:
    """Larger is worse, inside the limits too: how near to an end."""
    ends = ([limit.min - value] if limit.min is not None else []) + (
        [value - limit.max] if limit.max is not None else []
    )
    return math.inf if math.isnan(value) else max(ends)
