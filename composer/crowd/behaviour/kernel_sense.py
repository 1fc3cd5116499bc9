# ruff: noqa: UP018, RUF046, SIM109 (in a kernel, float(0.0) declares a variable)
"""Who is near: each man gathers from his neighbours on the hash grid, so the order of threads changes nothing."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import FAR_M, NEAR, Field, Folk, Now, Sense, ahead_of, toward_enemy
from composer.crowd.behaviour.modes import Mode

wp.set_module_options({"enable_backward": False})

FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))

SIDE_MASK = wp.constant(0xFF)
FREE_BIT = wp.constant(0x100)
DOWN_BIT = wp.constant(0x200)
GHOST_BIT = wp.constant(0x400)

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
def avoid(apart: wp.vec2, d2: float, closing: wp.vec2, b: float) -> wp.vec2:
    """The push on me by one at `apart` (from me to him, its square d2), whom I near by `closing` (my velocity less his;
    b is their product): the power law of human interaction with the time to contact, faded out at HORIZON_S."""
    a = wp.dot(closing, closing)
    r2 = wp.min(4.0 * BODY_M * BODY_M, 0.97 * d2)
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


@wp.kernel(enable_backward=False)
def pack_kernel(first: int, folk: Folk, now: Now, body: wp.array(dtype=wp.vec4), kind: wp.array(dtype=int)):
    """dim people: what neighbours look at, side by side. body: place and velocity. kind: the side, + FREE_BIT if he
    looks for somebody to fight, + DOWN_BIT if he lies, + GHOST_BIT if he is not simulated."""
    i = wp.tid() + first
    p = now.place[i]
    v = now.velocity[i]
    body[i] = wp.vec4(p[0], p[2], v[0], v[1])
    mode = now.mode[i]
    bits = folk.side[i]
    if mode == FALL or mode == DEAD:
        bits += DOWN_BIT
    elif mode == GHOST:
        bits += GHOST_BIT
    elif now.foe[i] < 0 and now.willing[i] == 1:
        bits += FREE_BIT
    kind[i] = bits


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
    first: int, grid: wp.uint64, folk: Folk, now: Now, field: Field, body: wp.array(dtype=wp.vec4),
    kind: wp.array(dtype=int), sense: Sense,
):  # fmt: skip
    """dim people: fill `sense`. Threads go through the people in the grid's order: neighbours' data is at hand."""
    i = wp.hash_grid_point_id(grid, wp.tid() + first)
    mine = kind[i]
    sense.push[i] = wp.vec2(0.0, 0.0)
    sense.enemy[i] = -1
    sense.enemy_m[i] = FAR_M
    sense.free[i] = -1
    sense.near_count[i] = 0
    sense.ahead[i] = FAR_M
    sense.ahead_speed[i] = 0.0
    if mine >= DOWN_BIT:
        return
    own = body[i]
    me = wp.vec2(own[0], own[1])
    v = wp.vec2(own[2], own[3])
    speed = wp.length(v)
    side = folk.side[i]
    radius = wp.min(STILL_M + 0.6 * speed, MOST_M)
    watch = wp.length(toward_enemy(field, side, me)) < 6.0
    if watch:
        radius = ALERT_M
    most2 = radius * radius
    foe = now.foe[i]
    push = wp.vec2(0.0, 0.0)
    enemy = int(-1)
    enemy_m = float(FAR_M)
    free = int(-1)
    free_m = float(FAR_M)
    count = int(0)
    look = ahead_of(now.heading[i])
    ahead = float(FAR_M)
    ahead_speed = float(0.0)
    for j in wp.hash_grid_query(grid, now.place[i], radius):
        his = body[j]
        apart = wp.vec2(his[0] - own[0], his[1] - own[1])
        d2 = wp.dot(apart, apart)
        if d2 < most2 and j != i:
            bits = kind[j]
            if (bits & DOWN_BIT) != 0:
                if speed > 0.2:
                    push += beside_body(apart, now.heading[j])
            else:
                d = wp.sqrt(d2)
                if d < TOUCH_M and count < NEAR:
                    sense.near[i, count] = j
                    count += 1
                hostile = int(0)
                if watch and (bits & GHOST_BIT) == 0:
                    hostile = field.hostile[side, bits & SIDE_MASK]
                if hostile == 1:
                    if d < enemy_m or (d == enemy_m and j < enemy):
                        enemy = j
                        enemy_m = d
                    if (bits & FREE_BIT) != 0 and (d < free_m or (d == free_m and j < free)):
                        free = j
                        free_m = d
                else:
                    if d < ahead and wp.dot(apart, look) > 0.8 * d:
                        ahead = d
                        ahead_speed = his[2] * look[0] + his[3] * look[1]
                if j != foe:
                    closing = wp.vec2(own[2] - his[2], own[3] - his[3])
                    b = wp.dot(apart, closing)
                    if b > NEARING * d and speed > 0.05:
                        push += avoid(apart, d2, closing, b)
                    if d < 0.75 and d > 1.0e-4:
                        push -= apart * ((0.75 - d) * 3.0 / d)
    most = wp.length(push)
    if most > 9.0:
        push = push * (9.0 / most)
    sense.push[i] = push
    sense.enemy[i] = enemy
    sense.enemy_m[i] = enemy_m
    sense.free[i] = free
    sense.near_count[i] = count
    sense.ahead[i] = ahead
    sense.ahead_speed[i] = ahead_speed
