"""Levels of detail: the same parts with fewer rows and columns, as wide on average and of the same colours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import ParamSpec

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Mesh

F64 = NDArray[np.float64]
_P = ParamSpec("_P")
#: How coarse parts are built now: 0 full, then about 750 and 300 triangles a figure. Set by `coarseness`.
_LEVEL: ContextVar[int] = ContextVar("level", default=0)
#: Per level: rows that lie within this of a straight line between their neighbours are left out (metres).
_ROW_TOLERANCE_M = (0.0, 0.017, 0.045)
#: Per level: how far parts are pushed out for the small ones that are left out, so that the figure's area stays.
_PUSH_M = (0.0, 0.0048, 0.0180)


@contextmanager
def coarseness(level: int) -> Iterator[None]:
    """Parts built inside are that coarse: fewer rows, fewer columns, as wide on average as the full ones."""
    token = _LEVEL.set(level)
    try:
        yield
    finally:
        _LEVEL.reset(token)


def shared(build: Callable[_P, list[Mesh]]) -> Callable[_P, list[Mesh]]:
    """Parts are built once for each set of arguments and level; kits and builds share them."""

    @cache
    def at_level(level: int, args: tuple[object, ...], named: tuple[tuple[str, object], ...]) -> tuple[Mesh, ...]:
        return tuple(build(*args, **dict(named)))

    @wraps(build)
    def cached(*args: _P.args, **named: _P.kwargs) -> list[Mesh]:
        return list(at_level(_LEVEL.get(), args, tuple(sorted(named.items()))))

    return cached


def shared_part(build: Callable[_P, Mesh]) -> Callable[_P, Mesh]:
    """`shared` for a function that builds one part."""
    parts = shared(lambda *args, **named: [build(*args, **named)])
    return wraps(build)(lambda *args, **named: parts(*args, **named)[0])


def level() -> int:
    """The level that parts are built at now; 0 is the full one."""
    return _LEVEL.get()


def mean_width(count: int) -> float:
    """How much a polygon must grow to be as wide on average as its circle."""
    return float((np.pi / count) / np.sin(np.pi / count))


def _rows_to_keep(rows: F64, change: NDArray[np.bool_], tolerance_m: float) -> list[int]:
    """Rows [R] without which the shape would change by more than the tolerance; first, last and `change` always."""
    keep = [0, *(int(r) for r in np.flatnonzero(change[1:-1]) + 1), len(rows) - 1]
    done = False
    while not done:
        done = True
        for a, b in itertools.pairwise(keep):
            if b - a < 2:
                continue
            share = (np.arange(a + 1, b) - a)[:, None, None] / (b - a)
            middle, ends = rows[a + 1 : b].mean(1), (rows[a].mean(0), rows[b].mean(0))
            length = float(np.sum((ends[1] - ends[0]) ** 2))
            if length > 1e-6:
                share = np.clip(((middle - ends[0]) @ (ends[1] - ends[0])) / length, 0.0, 1.0)[:, None, None]
            off = np.abs(rows[a] * (1 - share) + rows[b] * share - rows[a + 1 : b]).max((1, 2))
            if off.max() > tolerance_m:
                keep = sorted({*keep, a + 1 + int(np.argmax(off))})
                done = False
                break
    return keep


def _fewer(paint: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Paint [R, S] at some columns, with each colour's share of every row (and of all rows together) kept."""
    out, owed = paint[:, columns].copy(), 0.0
    for row, full in zip(out, paint, strict=True):
        colours = np.unique(full)
        if len(colours) != 2:
            continue
        exact = float(np.mean(full == colours[1])) * len(row) + owed
        want = int(np.clip(round(exact), 0, len(row)))
        owed = exact - want
        spread = np.mod(np.arange(len(row)) * 0.618034, 1.0)
        order = np.argsort(2.0 * (row != colours[1]) + spread)
        row[order[:want]], row[order[want:]] = colours[1], colours[0]
    return out


def _columns(around: int, level: int) -> int:
    """How many of a ring's points a level keeps."""
    if around <= 4:
        return around
    if level == 1:
        return max(4, round(around * 0.5))
    return 6 if around >= 19 else 5 if around >= 16 else 4 if around >= 10 else 3


def coarser(
    rows: F64, paint: NDArray[np.int64], creases: Sequence[int], level: int, grow: bool, columns: Sequence[int] = ()
) -> tuple[F64, NDArray[np.int64], tuple[int, ...]]:
    """The same tube with fewer rows and columns; paint [R - 1, S]. columns: how many the levels keep, where the part says."""
    around = rows.shape[1]
    change = np.zeros(len(rows), bool)
    change[1:-1] = (paint[1:] != paint[:-1]).any(1)
    close = np.append(np.abs(np.diff(rows, axis=0)).max((1, 2)) < 0.02, False)
    if level == 2:
        change &= ~close
    keep = _rows_to_keep(rows, change, _ROW_TOLERANCE_M[level])
    count = columns[level - 1] if columns else _columns(around, level)
    kept = np.round(np.arange(count) * around / count).astype(int)
    picked = rows[keep][:, kept]
    if grow:
        centre = rows[keep].mean(1, keepdims=True)
        radius = np.linalg.norm(rows[keep] - centre, axis=-1).mean(1)[:, None, None]
        picked = centre + (picked - centre) * (
            mean_width(count) / mean_width(around) + _PUSH_M[level] / (radius + 0.04)
        )
    new = {r: i for i, r in enumerate(keep)}
    return picked, _fewer(paint[keep[:-1]], kept), tuple(new[r] for r in creases if r in new and level == 1)


def coarser_grid(grid: F64, paint: NDArray[np.int64], at_level: int) -> tuple[F64, NDArray[np.int64]]:
    """The same sheet [R, C, 3] with fewer rows and columns, a little larger; paint [R - 1, C - 1]."""
    row = np.unique(np.round(np.linspace(0, len(grid) - 1, (7, 5, 4)[at_level])).astype(int))
    column = np.unique(np.round(np.linspace(0, grid.shape[1] - 1, (7, 6, 4)[at_level])).astype(int))
    picked = grid[np.ix_(row, column)]
    middle = picked.mean((0, 1))
    return middle + (picked - middle) * (1.0, 1.02, 1.06)[at_level], paint[np.ix_(row[:-1], column[:-1])]
