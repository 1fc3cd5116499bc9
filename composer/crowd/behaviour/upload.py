"""What a plan has that does not change, as the kernels take it: clips by kind of body, terrain, columns' paths."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.behaviour.kernel_types import Clips, Ground, Ways
from composer.crowd.behaviour.plan import Plan
from composer.crowd.behaviour.terrain import FAR_M, Terrain


def up(device: str, data: NDArray, dtype: object) -> wp.array:  # type: ignore[type-arg]
    """An array on the device."""
    return wp.array(np.ascontiguousarray(data), dtype=dtype, device=device)


_OPEN = Terrain(
    (0.0, 0.0), 1.0, np.full((2, 2), FAR_M, np.float32), np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32),
    np.zeros((1, 2), np.float32),
)  # fmt: skip


def clips_of(plan: Plan, device: str) -> Clips:
    """The table of clips."""
    table, clips = plan.clips, Clips()
    clips.index, clips.duration = (
        up(device, table.index, wp.int32),
        up(device, table.duration_s[table.index], wp.float32),
    )
    clips.idle, clips.gait = up(device, table.idle, wp.int32), up(device, table.gait, wp.int32)
    clips.up, clips.down = up(device, table.up, wp.float32), up(device, table.down, wp.float32)
    clips.pace = up(device, table.pace_m_s, wp.vec3)
    clips.all_duration = up(device, table.duration_s, wp.float32)
    clips.all_stride = up(device, table.stride_m, wp.float32)
    return clips


def ground_of(plan: Plan, device: str) -> Ground:
    """The terrain, if there is any."""
    terrain, ground = plan.terrain.made if plan.terrain else None, Ground()
    ground.closed = int(terrain is not None)
    if terrain is None:
        terrain = _OPEN
    ground.value = up(device, np.stack([terrain.distance_m, terrain.height_m], axis=-1), wp.vec2)
    ground.nearest, ground.middle = up(device, terrain.nearest, wp.int32), up(device, terrain.middle_m, wp.vec2)
    (ground.x0, ground.z0), ground.inv_cell = terrain.low_m, 1.0 / terrain.cell_m
    return ground


def ways_of(plan: Plan, device: str) -> Ways:
    """Columns' paths, a point to every quarter of a metre or so."""
    ways, points, first, count, step = Ways(), [np.zeros((1, 3))], [], [], []
    for band in plan.bands:
        first.append(sum(len(p) for p in points))
        if band.way is None:
            count.append(0)
            step.append(1.0)
            continue
        steps = max(1, min(8000, round(band.way.length_m / 0.25)))
        place, heading = band.way.at(np.linspace(0.0, band.way.length_m, steps + 1))
        points.append(np.concatenate([place, heading[:, None]], axis=1))
        count.append(steps + 1)
        step.append(band.way.length_m / steps)
    ways.point = up(device, np.concatenate(points).astype(np.float32), wp.vec3)
    ways.first, ways.count = (up(device, np.array(v, np.int32), wp.int32) for v in (first, count))
    ways.step = up(device, np.array(step, np.float32), wp.float32)
    return ways
