# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable)
"""The ground under a man's feet: what he walks round, what he never enters, how a slope slows him; and the path of a
column."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import Ground, Ways, ahead_of, right_of

wp.set_module_options({"enable_backward": False})

#: Nobody comes deeper into what is closed than this, wherever he was put: its clearance is wider.
DEEPEST_M = wp.constant(-0.12)
#: One begins to go round so early: metres, and seconds of his way.
SHY_M = wp.constant(0.9)
SHY_S = wp.constant(0.55)
#: Along a wall he is so sure that it ends where he is heading that he does not turn to its other side.
ALONG = wp.constant(0.55)
NOWHERE_M = wp.constant(1.0e8)
#: Nobody this far from anything closed asks again in the same step.
NEAR_M = wp.constant(1.2)


@wp.func
def bilinear(ground: Ground, p: wp.vec2, part: int) -> wp.vec3:
    """One of the grid's values at p, and its gradient (x, z)."""
    nz = ground.value.shape[0]
    nx = ground.value.shape[1]
    x = (p[0] - ground.x0) * ground.inv_cell
    z = (p[1] - ground.z0) * ground.inv_cell
    i = wp.clamp(int(wp.floor(x)), 0, nx - 2)
    k = wp.clamp(int(wp.floor(z)), 0, nz - 2)
    u = wp.clamp(x - float(i), 0.0, 1.0)
    v = wp.clamp(z - float(k), 0.0, 1.0)
    a = ground.value[k, i][part]
    b = ground.value[k, i + 1][part]
    c = ground.value[k + 1, i][part]
    d = ground.value[k + 1, i + 1][part]
    near = a + (b - a) * u
    far = c + (d - c) * u
    gx = ((b - a) * (1.0 - v) + (d - c) * v) * ground.inv_cell
    return wp.vec3(near + (far - near) * v, gx, (far - near) * ground.inv_cell)


@wp.func
def open_at(ground: Ground, p: wp.vec2) -> wp.vec3:
    """(metres to the nearest closed place, and the way out of it: its gradient (x, z))."""
    return bilinear(ground, p, 0)


@wp.func
def rise_at(ground: Ground, p: wp.vec2, way: wp.vec2) -> float:
    """How much the ground rises along `way` (unit) at p."""
    rise = bilinear(ground, p, 1)
    return rise[1] * way[0] + rise[2] * way[1]


@wp.func
def pace_on(rise: float) -> float:
    """As `terrain.pace_on`."""
    return wp.clamp(wp.exp(-1.75 * (wp.abs(rise + 0.05) - 0.05)), 0.4, 1.0)


@wp.func
def way_out(there: wp.vec3) -> wp.vec2:
    """The unit vector away from what is closed; (0, 0) in the middle of it."""
    out = wp.vec2(there[1], there[2])
    size = wp.length(out)
    if size > 1.0e-3:
        return out / size
    return wp.vec2(0.0, 0.0)


@wp.func
def side_to_pass(ground: Ground, me: wp.vec2, wish: wp.vec2, along: wp.vec2) -> int:
    """On which side of the nearest closed place he goes: 1 is along `along`, -1 against it. As he is heading already;
    head on, round the nearer end."""
    share = wp.dot(wish, along) / wp.max(wp.length(wish), 1.0e-4)
    side = int(1)
    if share < 0.0:
        side = -1
    if wp.abs(share) < ALONG:
        x = wp.clamp(int(wp.floor((me[0] - ground.x0) * ground.inv_cell + 0.5)), 0, ground.value.shape[1] - 1)
        z = wp.clamp(int(wp.floor((me[1] - ground.z0) * ground.inv_cell + 0.5)), 0, ground.value.shape[0] - 1)
        middle = ground.middle[ground.nearest[z, x]]
        if middle[0] < NOWHERE_M:
            side = 1
            if wp.dot(middle - me, along) > 0.0:
                side = -1
    return side


@wp.func
def round_it(ground: Ground, there: wp.vec3, me: wp.vec2, wish: wp.vec2, veer: int) -> wp.vec4:
    """(the wish, bent along what is in its way; the side on which he passes it, 0 where nothing is; 0). there: as from
    `open_at`. veer: the side so far: he keeps to it until his way is free, so that he goes round corners."""
    speed = wp.length(wish)
    shy = SHY_M + SHY_S * speed
    out = way_out(there)
    inward = -wp.dot(wish, out)
    side = veer
    if speed < 1.0e-3 or there[0] > shy + 0.4 or inward < -0.25 * speed:
        side = 0
    bent = wish
    if there[0] < shy and inward > 0.0:
        along = wp.vec2(-out[1], out[0])
        if side == 0 and inward > 0.15 * speed:
            side = side_to_pass(ground, me, wish, along)
        share = wp.clamp(1.15 * (shy - there[0]) / shy, 0.0, 1.0)
        bent = wish + out * (inward * share)
        if side != 0:
            bent = bent + along * (float(side) * inward * share)
            # one who keeps to his side does not turn back along the wall
            back = -wp.dot(bent, along) * float(side)
            if back > 0.0:
                bent = bent + along * (float(side) * back * 2.0 * share)
        size = wp.length(bent)
        if size > speed:
            bent = bent * (speed / size)
    return wp.vec4(bent[0], bent[1], float(side), 0.0)


@wp.func
def kept_out(ground: Ground, before: wp.vec2, after: wp.vec2) -> wp.vec2:
    """`after`, or the nearest place to it that is open; `before` where there is none. Who was put into a clearance may
    stay in it, no deeper."""
    limit = wp.max(wp.min(open_at(ground, before)[0], 0.0), DEEPEST_M)
    p = after
    there = open_at(ground, p)
    for _k in range(3):
        if there[0] < limit:
            size = wp.max(wp.length(wp.vec2(there[1], there[2])), 0.3)
            p = p + way_out(there) * ((limit - there[0]) / size)
            there = open_at(ground, p)
    if there[0] < limit - 0.02:
        p = before
    return p


@wp.func
def on_way(ways: Ways, region: int, along_m: float, aside_m: float) -> wp.vec4:
    """A place on a column's path, `aside_m` to its right: (x, z, heading, how much longer the way is there than along
    the middle). Straight on before the start and after the end."""
    first = ways.first[region]
    last = ways.count[region] - 2
    t = along_m / ways.step[region]
    low = wp.clamp(int(wp.floor(t)), 0, last)
    share = wp.clamp(t - float(low), 0.0, 1.0)
    a = ways.point[first + low]
    b = ways.point[first + low + 1]
    heading = a[2] + share * (b[2] - a[2])
    p = wp.vec2(a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
    beyond = t - wp.clamp(t, 0.0, float(last + 1))
    longer = float(1.0)
    if beyond == 0.0:
        longer = 1.0 + aside_m * (b[2] - a[2]) / ways.step[region]
    p = p + ahead_of(heading) * (beyond * ways.step[region]) + right_of(heading) * aside_m
    return wp.vec4(p[0], p[1], heading, longer)
