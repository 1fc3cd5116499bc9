"""The plan of a painted frame or window: tiles over (time, rows, columns), and which of them are run for which text.

Tiles overlap and their predictions are blended at every step (MultiDiffusion, Bar-Tal et al., ICML 2023), also along
time for video models. A tile where a text has no say, or where nothing is painted yet, is not run for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.inference.request import F32
from composer.inference.window import Axis, axis_of


@dataclass(frozen=True)
class Job:
    """A tile and a text: at = (time, row, column) of the tile in the grid. first_step: the first that needs it."""

    at: tuple[int, int, int]
    text: int
    first_step: int


@dataclass(frozen=True)
class TilePlan:
    """time, rows, columns: the grid. texts: how many there are. steps: of the sampler. jobs: by text, then by first step,
    so that those needed at a step lie together."""

    time: Axis
    rows: Axis
    columns: Axis
    texts: int
    steps: int
    jobs: tuple[Job, ...]

    @property
    def tile(self) -> tuple[int, int, int]:
        """(time, height, width) of each tile in latents."""
        return self.time.tile, self.rows.tile, self.columns.tile

    @property
    def grid(self) -> tuple[int, int, int]:
        """How many tiles along (time, rows, columns)."""
        return len(self.time), len(self.rows), len(self.columns)

    @property
    def start_step(self) -> int:
        """The first step that any job needs; `steps` where there is nothing to paint."""
        return min((j.first_step for j in self.jobs), default=self.steps)

    def corner(self, job: int) -> tuple[int, int, int]:
        """(time, y, x) of the job's tile in latents."""
        t, r, c = self.jobs[job].at
        return int(self.time.starts[t]), int(self.rows.starts[r]), int(self.columns.starts[c])

    def corners(self) -> NDArray[np.int32]:
        """int32 [J, 3]: of all jobs."""
        return np.array([self.corner(j) for j in range(len(self.jobs))], np.int32).reshape(-1, 3)

    def table(self) -> NDArray[np.int32]:
        """int32 [time * rows, columns, texts]: which job, -1 for none."""
        out = np.full((*self.grid, self.texts), -1, np.int32)
        for number, job in enumerate(self.jobs):
            out[(*job.at, job.text)] = number
        return out.reshape(-1, self.grid[2], self.texts)

    def batches(self, step: int, most: int) -> list[range]:
        """The jobs that a step runs, in batches of at most `most` with one text each and sizes as even as can be."""
        out = []
        for text in range(self.texts):
            due = [n for n, job in enumerate(self.jobs) if job.text == text and job.first_step <= step]
            parts = -(-len(due) // most)
            edges = [due[0] + len(due) * k // parts for k in range(parts + 1)] if due else []
            out += [range(a, b) for a, b in pairwise(edges)]
        return out


@dataclass(frozen=True)
class Tiling:
    """How to cut. tile: (time, height, width) in latents. overlap: likewise, the least that neighbours share. multiple: of
    the sides in latents. halo: reach of one step's receptive field, None where it is the whole tile."""

    tile: tuple[int, int, int]
    overlap: tuple[int, int, int]
    multiple: int = 1
    halo: int | None = None


def plan_tiles(begin: NDArray[np.int16], weights: F32, steps: int, tiling: Tiling) -> TilePlan:
    """begin: int16 [T, h, w], the first step that paints a latent, `steps` for never. weights: float32 [P, T, h, w] of the
    texts."""
    (nt, nh, nw), (tt, th, tw), (ot, oh, ow) = begin.shape, tiling.tile, tiling.overlap
    time = axis_of(nt, tt, ot)
    rows = axis_of(nh, th, oh, tiling.multiple, tiling.halo)
    columns = axis_of(nw, tw, ow, tiling.multiple, tiling.halo)
    jobs = []
    for text in range(len(weights)):
        due = np.where(weights[text] > 0, begin, np.int16(steps))
        for at in np.ndindex(len(time), len(rows), len(columns)):
            part = due[time.span(at[0]), rows.span(at[1]), columns.span(at[2])]
            gives = [axis.weights[k] > 0 for axis, k in zip((time, rows, columns), at, strict=True)]
            first = int(part[np.ix_(*gives)].min())
            if first < steps:
                jobs.append(Job((at[0], at[1], at[2]), text, first))
    jobs.sort(key=lambda j: (j.text, j.first_step, j.at))
    return TilePlan(time, rows, columns, len(weights), steps, tuple(jobs))
