# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Who is near: each man gathers from his neighbours on the hash grid, so the order of threads changes nothing."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import FAR_M, NEAR, Field, Folk, Now, Sense, ahead_of, flat, toward_enemy
from composer.crowd.behaviour.modes import Mode

wp.set_module_options({"enable_backward": False})

FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))

#: How far one sees: standing, at most, and where enemies are near.
STILL_M = wp.constant(0.85)
MOST_M = wp.constant(2.4)
ALERT_M = wp.constant(3.0)
#: Neighbours this near are kept apart.
TOUCH_M = wp.constant(0.85)
#: A body takes this much room, foresight lasts this long (Karamouzas, Skinner, Guy 2014).
BODY_M = wp.constant(0.30)
FORESIGHT_S = wp.constant(2.0)
STRENGTH = wp.constant(1.6)


@wp.func
def avoid(apart: wp.vec2, closing: wp.vec2) -> wp.vec2:
    """The power law of human interaction: the push on me by one at `apart` (from me to him); closing: my velocity less
    his."""
    r = 2.0 * BODY_M
    d2 = wp.dot(apart, apart)
    r2 = wp.min(r * r, 0.97 * d2)
    c = d2 - r2
    a = wp.dot(closing, closing)
    b = wp.dot(apart, closing)
    disc = b * b - a * c
    if a < 0.01 or b <= 0.0 or disc <= 1.0e-6:
        return wp.vec2(0.0, 0.0)
    root = wp.sqrt(disc)
    t = (b - root) / a
    if t <= 0.0 or t > 3.0:
        return wp.vec2(0.0, 0.0)
    t = wp.max(t, 0.2)
    gain = STRENGTH * wp.exp(-t / FORESIGHT_S) / (a * t * t) * (2.0 / t + 1.0 / FORESIGHT_S)
    return (closing - (closing * b - apart * a) / root) * (-gain)


@wp.kernel(enable_backward=False)
def sense_kernel(first: int, grid: wp.uint64, folk: Folk, now: Now, field: Field, sense: Sense):
    """dim people: fill `sense`."""
    i = wp.tid() + first
    mode = now.mode[i]
    sense.push[i] = wp.vec2(0.0, 0.0)
    sense.enemy[i] = -1
    sense.enemy_m[i] = FAR_M
    sense.free[i] = -1
    sense.near_count[i] = 0
    sense.ahead[i] = FAR_M
    sense.ahead_speed[i] = 0.0
    if mode == FALL or mode == DEAD or mode == GHOST:
        return
    me = flat(now.place[i])
    v = now.velocity[i]
    speed = wp.length(v)
    side = folk.side[i]
    radius = wp.min(STILL_M + 0.6 * speed, MOST_M)
    watch = wp.length(toward_enemy(field, side, me)) < 6.0
    if watch:
        radius = ALERT_M
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
        if j != i:
            apart = flat(now.place[j]) - me
            d = wp.length(apart)
            if d < radius:
                other = now.mode[j]
                if other == FALL or other == DEAD:
                    if speed > 0.2:
                        # a body lies behind or before the place where he fell; do not tread on it
                        along = ahead_of(now.heading[j]) * wp.clamp(wp.dot(-apart, ahead_of(now.heading[j])), -1.2, 1.2)
                        gap = apart + along
                        g = wp.length(gap)
                        if g < 0.5 and g > 1.0e-4:
                            push -= gap / g * (0.5 - g) * 6.0
                else:
                    if d < TOUCH_M and count < NEAR:
                        sense.near[i, count] = j
                        count += 1
                    hostile = other != GHOST and field.hostile[side, folk.side[j]] == 1
                    if hostile and watch:
                        if d < enemy_m or (d == enemy_m and j < enemy):
                            enemy = j
                            enemy_m = d
                        if now.foe[j] < 0 and now.willing[j] == 1:
                            if d < free_m or (d == free_m and j < free):
                                free = j
                                free_m = d
                    if not hostile and d < ahead and wp.dot(apart, look) > 0.8 * d:
                        ahead = d
                        ahead_speed = wp.dot(now.velocity[j], look)
                    if j != foe and d > 1.0e-4:
                        if speed > 0.05:
                            push += avoid(apart, v - now.velocity[j])
                        if d < 0.75:
                            push -= apart / d * (0.75 - d) * 3.0
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
