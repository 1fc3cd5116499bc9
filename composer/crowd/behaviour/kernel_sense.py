# ruff: noqa: UP018, RUF046, SIM109 (in a kernel, float(0.0) declares a variable)
"""Who is near: each man gathers from his neighbours on a grid of cells, so the order of threads changes nothing."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_ground import open_at
from composer.crowd.behaviour.kernel_types import (
    FAR_M,
    MAN_M,
    NEAR,
    Cells,
    Field,
    Folk,
    Ground,
    Now,
    Sense,
    ahead_of,
    flat,
    toward_enemy,
)
from composer.crowd.behaviour.modes import Mode

wp.set_module_options({"enable_backward": False})

FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))
LIES = wp.constant(int(Mode.LIES))

SIDE_MASK = wp.constant(0xFF)
FREE_BIT = wp.constant(0x100)
DOWN_BIT = wp.constant(0x200)
GHOST_BIT = wp.constant(0x400)
BIG_BIT = wp.constant(0x800)

#: How far one sees: standing, at most, and where enemies are near.
STILL_M = wp.constant(0.85)
MOST_M = wp.constant(2.0)
ALERT_M = wp.constant(3.0)
#: Neighbours this near are kept apart.
TOUCH_M = wp.constant(0.85)
#: A body takes this much room, foresight lasts this long (after Karamouzas, Skinner, Guy 2014); one who comes nearer by
#: less than NEARING (m/s) is no danger.
BODY_M = wp.constant(0.30)
HORIZON_S = wp.constant(3.0)
STRENGTH = wp.constant(1.6)
NEARING = wp.constant(0.2)


@wp.func
def avoid(apart: wp.vec2, d2: float, closing: wp.vec2, b: float, room: float) -> wp.vec2:
    """The push on me by one at `apart` (from me to him, its square d2), whom I near by `closing` (my velocity less his;
    b is their product; room: from one's middle to the other's): the power law of human interaction with the time to
    contact, faded out at HORIZON_S."""
    a = wp.dot(closing, closing)
    r2 = wp.min(room * room, 0.97 * d2)
    disc = b * b - a * (d2 - r2)
    if disc <= 1.0e-6:
        return wp.vec2(0.0, 0.0)
    root = wp.sqrt(disc)
    t = (b - root) / a
    if t <= 0.0 or t > HORIZON_S:
        return wp.vec2(0.0, 0.0)
    t = wp.max(t, 0.2)
    fade = 1.0 - t / HORIZON_S
    gain = STRENGTH * fade * (2.0 + 0.5 * t) / (a * t * t * t * root)
    return (closing * (root - b) + apart * a) * (-gain)


@wp.func
def cell_of(cells: Cells, p: wp.vec2) -> int:
    """Whose people he is among; beyond the grid, those of its rim."""
    x = wp.clamp(int(wp.floor((p[0] - cells.x0) * cells.inv_cell)), 0, cells.nx - 1)
    z = wp.clamp(int(wp.floor((p[1] - cells.z0) * cells.inv_cell)), 0, cells.nz - 1)
    return z * cells.nx + x


@wp.kernel(enable_backward=False)
def cell_kernel(first: int, now: Now, cells: Cells, key: wp.array(dtype=int), who: wp.array(dtype=int)):
    """dim people: his cell and his number, to be sorted by cell."""
    i = wp.tid() + first
    key[i] = cell_of(cells, flat(now.place[i]))
    who[i] = i


@wp.kernel(enable_backward=False)
def pack_kernel(
    first: int, total: int, folk: Folk, now: Now, key: wp.array(dtype=int), who: wp.array(dtype=int), cells: Cells
):
    """dim people, in the order of their cells: what neighbours look at, side by side, and where each cell begins. bits:
    the side, + FREE_BIT if he looks for somebody to fight, + DOWN_BIT if he lies, + GHOST_BIT if he is not simulated (or
    a horse that has lost its rider), + BIG_BIT if he takes more room than a man."""
    k = wp.tid() + first
    i = who[k]
    p = now.place[i]
    v = now.velocity[i]
    cells.who[k] = i
    cells.body[k] = wp.vec4(p[0], p[2], v[0], v[1])
    bits = folk.side[i]
    mode = now.mode[i]
    half = folk.half[i]
    if mode == LIES:
        bits += DOWN_BIT
    elif mode == FALL or mode == DEAD:
        if folk.kind[i] == 0:
            bits += DOWN_BIT
        else:
            bits += GHOST_BIT
    elif mode == GHOST:
        bits += GHOST_BIT
    elif now.foe[i] < 0 and now.willing[i] == 1:
        bits += FREE_BIT
    if half[0] != half[1]:
        bits += BIG_BIT
    cells.bits[k] = bits
    # whose first man he is, and all empty cells before
    at = key[k]
    last = int(-1)
    if k > 0:
        last = key[k - 1]
    for c in range(last + 1, at + 1):
        cells.start[c] = k
    if k == total - 1:
        for c in range(at + 1, cells.nx * cells.nz + 1):
            cells.start[c] = total


@wp.func
def beside_body(apart: wp.vec2, heading: float) -> wp.vec2:
    """The push away from one who lies with his feet at `apart`, along his heading or against it."""
    along = ahead_of(heading)
    gap = apart + along * wp.clamp(wp.dot(-apart, along), -1.2, 1.2)
    g = wp.length(gap)
    if g < 0.5 and g > 1.0e-4:
        return gap * (-(0.5 - g) * 6.0 / g)
    return wp.vec2(0.0, 0.0)


@wp.kernel(enable_backward=False)
def sense_kernel(
    first: int, wider_m: float, folk: Folk, now: Now, field: Field, cells: Cells, ground: Ground, sense: Sense
):
    """dim people, in the order of their cells: fill `sense`. wider_m: how much further all look where there are horses."""
    k = wp.tid() + first
    i = cells.who[k]
    mine = cells.bits[k]
    sense.push[i] = wp.vec2(0.0, 0.0)
    sense.enemy[i] = -1
    sense.enemy_m[i] = FAR_M
    sense.free[i] = -1
    sense.near_count[i] = 0
    sense.ahead[i] = FAR_M
    sense.ahead_speed[i] = 0.0
    mode = now.mode[i]
    if mode >= FALL:
        return
    own = cells.body[k]
    me = wp.vec2(own[0], own[1])
    v = wp.vec2(own[2], own[3])
    speed = wp.length(v)
    side = mine & SIDE_MASK
    half = folk.half[i]
    radius = wp.min(STILL_M + 0.6 * speed, MOST_M + half[1] - MAN_M) + wider_m
    shy = radius + 2.0 * (half[1] - MAN_M)
    shy2 = shy * shy
    radius = shy
    watch = wp.length(toward_enemy(field, side, me)) < 6.0 + wider_m
    if watch:
        radius = wp.max(radius, ALERT_M + wider_m)
    walled = int(0)
    if ground.closed == 1 and watch:
        if open_at(ground, me)[0] < ALERT_M:
            walled = 1
    most2 = radius * radius
    foe = now.foe[i]
    push = wp.vec2(0.0, 0.0)
    enemy = int(-1)
    enemy_2 = float(FAR_M * FAR_M)
    free = int(-1)
    free_2 = float(FAR_M * FAR_M)
    count = int(0)
    look = ahead_of(now.heading[i])
    ahead = float(FAR_M)
    ahead_speed = float(0.0)
    x0 = wp.clamp(int(wp.floor((me[0] - radius - cells.x0) * cells.inv_cell)), 0, cells.nx - 1)
    x1 = wp.clamp(int(wp.floor((me[0] + radius - cells.x0) * cells.inv_cell)), 0, cells.nx - 1)
    z0 = wp.clamp(int(wp.floor((me[1] - radius - cells.z0) * cells.inv_cell)), 0, cells.nz - 1)
    z1 = wp.clamp(int(wp.floor((me[1] + radius - cells.z0) * cells.inv_cell)), 0, cells.nz - 1)
    for z in range(z0, z1 + 1):
        for m in range(cells.start[z * cells.nx + x0], cells.start[z * cells.nx + x1 + 1]):
            his = cells.body[m]
            apart = wp.vec2(his[0] - own[0], his[1] - own[1])
            d2 = wp.dot(apart, apart)
            if d2 < most2 and m != k:
                bits = cells.bits[m]
                j = cells.who[m]
                if (bits & DOWN_BIT) != 0:
                    if speed > 0.2 and d2 < 2.9:
                        push += beside_body(apart, now.heading[j])
                else:
                    big = (bits | mine) & BIG_BIT
                    long = float(0.0)  # how much further two reach than two men
                    if big != 0:
                        long = half[1] + folk.half[j][1] - 2.0 * MAN_M
                    hostile = int(0)
                    if watch and (bits & GHOST_BIT) == 0:
                        hostile = field.hostile[side, bits & SIDE_MASK]
                        if walled == 1 and hostile == 1:  # nobody fights through a wall
                            for part in range(1, 6):
                                if open_at(ground, me + apart * (float(part) / 6.0))[0] < -0.1:
                                    hostile = 0
                    if hostile == 1:
                        if d2 < enemy_2 or (d2 == enemy_2 and j < enemy):
                            enemy = j
                            enemy_2 = d2
                        if (bits & FREE_BIT) != 0 and (d2 < free_2 or (d2 == free_2 and j < free)):
                            free = j
                            free_2 = d2
                    else:
                        before = wp.dot(apart, look)
                        if before > 0.0 and before * before > 0.64 * d2:
                            gap = wp.sqrt(d2) - long
                            if gap < ahead:
                                ahead = gap
                                ahead_speed = his[2] * look[0] + his[3] * look[1]
                    if d2 < shy2:
                        d = wp.sqrt(d2)
                        room = float(0.0)
                        if big != 0:
                            room = half[0] + folk.half[j][0] - 2.0 * MAN_M
                        if d < TOUCH_M + long and count < NEAR:
                            sense.near[i, count] = j
                            count += 1
                        if j != foe:
                            closing = wp.vec2(own[2] - his[2], own[3] - his[3])
                            b = wp.dot(apart, closing)
                            if b > NEARING * d and speed > 0.05:
                                push += avoid(apart, d2, closing, b, 2.0 * BODY_M + room)
                            if d < 0.75 + room and d > 1.0e-4:
                                push -= apart * ((0.75 + room - d) * 3.0 / d)
    most = wp.length(push)
    if most > 9.0:
        push = push * (9.0 / most)
    sense.push[i] = push
    sense.enemy[i] = enemy
    sense.enemy_m[i] = wp.sqrt(enemy_2)
    sense.free[i] = free
    sense.near_count[i] = count
    sense.ahead[i] = ahead
    sense.ahead_speed[i] = ahead_speed
