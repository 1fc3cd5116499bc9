# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable)
"""Which way a man falls: where nobody stands, as far as there is such a way."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import Cells, ahead_of, right_of
from composer.crowd.behaviour.modes import Play

wp.set_module_options({"enable_backward": False})

P_BACK = wp.constant(int(Play.FALL_BACK))
P_FORWARD = wp.constant(int(Play.FALL_FORWARD))
#: Where his trunk and head come to lie, from his feet; and how much room beside them is enough.
NEAR_M = wp.constant(0.5)
FAR_M = wp.constant(1.2)
ENOUGH_M = wp.constant(0.45)


@wp.func
def way_of(fall: int, heading: float) -> wp.vec2:
    """Where his head goes."""
    way = right_of(heading)
    if fall == P_BACK:
        way = -ahead_of(heading)
    elif fall == P_FORWARD:
        way = ahead_of(heading)
    return way


@wp.func
def room(cells: Cells, me: wp.vec2, way: wp.vec2) -> float:
    """From the one nearest to where he would lie, metres, up to ENOUGH_M."""
    reach = FAR_M + ENOUGH_M
    x0 = wp.clamp(int(wp.floor((me[0] - reach - cells.x0) * cells.inv_cell)), 0, cells.nx - 1)
    x1 = wp.clamp(int(wp.floor((me[0] + reach - cells.x0) * cells.inv_cell)), 0, cells.nx - 1)
    z0 = wp.clamp(int(wp.floor((me[1] - reach - cells.z0) * cells.inv_cell)), 0, cells.nz - 1)
    z1 = wp.clamp(int(wp.floor((me[1] + reach - cells.z0) * cells.inv_cell)), 0, cells.nz - 1)
    least = float(ENOUGH_M)
    for z in range(z0, z1 + 1):
        for m in range(cells.start[z * cells.nx + x0], cells.start[z * cells.nx + x1 + 1]):
            his = cells.body[m]
            apart = wp.vec2(his[0] - me[0], his[1] - me[1])
            along = wp.clamp(wp.dot(apart, way), NEAR_M, FAR_M)
            least = wp.min(least, wp.length(apart - way * along))
    return least


@wp.func
def roomy_fall(cells: Cells, me: wp.vec2, heading: float, likely: int) -> int:
    """The way he would fall anyhow, or one of the other two that has more room."""
    best = likely
    most = room(cells, me, way_of(likely, heading))
    for k in range(1, 3):
        other = P_BACK + (likely - P_BACK + k) % 3
        free = room(cells, me, way_of(other, heading))
        if free > most:
            best = other
            most = free
    return best
