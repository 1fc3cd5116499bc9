# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""From wishes to steps: velocities, people held apart, and the clip that suits each one's real speed."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import (
    Clips,
    Folk,
    Look,
    Now,
    Orders,
    Sense,
    Will,
    ahead_of,
    chance,
    flat,
    heading_of,
    key,
    right_of,
    wrapped,
)
from composer.crowd.behaviour.modes import Do, Mode, Play

wp.set_module_options({"enable_backward": False})

FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))
FIGHT = wp.constant(int(Mode.FIGHT))
MARCH = wp.constant(int(Do.MARCH))
ROUT = wp.constant(int(Do.ROUT))
GO = wp.constant(int(Do.GO))
P_MARCH = wp.constant(int(Play.MARCH))
P_ROUT = wp.constant(int(Play.ROUT))

#: Standing men give way this much less than those who walk.
STAND_FIRM = wp.constant(0.06)
K_STEP = wp.constant(key("step"))
K_RAGGED = wp.constant(key("ragged"))
K_TEMPO = wp.constant(key("tempo"))

#: Faster than UP[g] he changes from gait g (stand, walk, jog, run) to the next, slower than DOWN[g] back again.
UP = wp.constant(wp.vec4(0.22, 1.85, 2.75, 1.0e9))
DOWN = wp.constant(wp.vec4(0.0, 0.10, 1.55, 2.45))
GAIT_BLEND_S = wp.constant(0.25)
ACT_BLEND_S = wp.constant(0.16)
EASE_BLEND_S = wp.constant(0.6)
#: Where in a stride the foot that carries is under the body: from here a standing man sets out.
MID_STANCE = wp.constant(0.245)
#: Ranks in step lengthen or shorten their stride by no more than this to stay so.
IN_STEP = wp.constant(0.12)


@wp.kernel(enable_backward=False)
def pair_kernel(first: int, b: Now, foe: wp.array(dtype=int)):
    """dim people: a pair is a pair for both, or for neither."""
    i = wp.tid() + first
    j = b.foe[i]
    foe[i] = -1
    if j >= 0:
        if b.foe[j] == i:
            foe[i] = j


@wp.kernel(enable_backward=False)
def stride_kernel(
    first: int, dt: float, a: Now, b: Now, foe: wp.array(dtype=int), sense: Sense, will: Will,
    place: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """dim people: velocity from wish and push, and where that would lead."""
    i = wp.tid() + first
    b.foe[i] = foe[i]
    if foe[i] < 0:
        b.duel[i] = -1.0
    mode = b.mode[i]
    if mode == GHOST:
        place[i] = b.place[i]
        return
    v = a.velocity[i]
    wish = will.wish[i]
    if mode == DEAD or mode == FALL:
        b.velocity[i] = v * wp.max(0.0, 1.0 - 7.0 * dt)
        if wp.length(b.velocity[i]) < 0.05:
            b.velocity[i] = wp.vec2(0.0, 0.0)
        b.planted[i] = 0
        place[i] = a.place[i] + wp.vec3(b.velocity[i][0] * dt, 0.0, b.velocity[i][1] * dt)
        return
    wanted = wp.length(wish)
    planted = int(0)
    if wanted < 0.25 and wp.length(v) < 0.45:
        planted = 1
        v = wp.vec2(0.0, 0.0)
    else:
        pull = (wish - v) / 0.28 + sense.push[i]
        if wp.length(pull) > 9.0:
            pull = pull * (9.0 / wp.length(pull))
        v = v + pull * dt
        # people go where they face: what is left to the side dies away
        side_way = right_of(a.heading[i])
        v = v - side_way * (wp.dot(v, side_way) * wp.min(1.0, 6.0 * dt))
        most = wp.max(1.25 * wanted, 0.9)
        if wp.length(v) > wp.max(most, wp.length(a.velocity[i])):
            v = v * (wp.max(most, wp.length(a.velocity[i])) / wp.length(v))
    b.velocity[i] = v
    b.planted[i] = planted
    place[i] = a.place[i] + wp.vec3(v[0] * dt, 0.0, v[1] * dt)


@wp.kernel(enable_backward=False)
def apart_kernel(
    first: int, apart_m: float, b: Now, sense: Sense, place: wp.array(dtype=wp.vec3), out: wp.array(dtype=wp.vec3)
):
    """dim people: each moves his share of what holds him and every neighbour apart (Jacobi)."""
    i = wp.tid() + first
    p = place[i]
    mode = b.mode[i]
    if mode != GHOST and mode != DEAD and mode != FALL:
        mine = float(1.0)
        if b.planted[i] == 1:
            mine = STAND_FIRM
        me = flat(p)
        shift = wp.vec2(0.0, 0.0)
        count = float(0.0)
        for k in range(sense.near_count[i]):
            j = sense.near[i, k]
            from_him = me - flat(place[j])
            d = wp.length(from_him)
            if d < apart_m:
                his = float(1.0)
                if b.planted[j] == 1:
                    his = STAND_FIRM
                if b.mode[j] == GHOST:
                    his = 0.0
                if d > 1.0e-4:
                    from_him = from_him / d
                else:
                    from_him = ahead_of(float(i))
                shift += from_him * ((apart_m - d) * mine / (mine + his))
                count += 1.0
        if count > 0.0:
            shift = shift * (1.0 / wp.sqrt(count))
            p = p + wp.vec3(shift[0], 0.0, shift[1])
    out[i] = p


@wp.func
def gait_for(speed: float, gait: int) -> int:
    out = gait
    for _k in range(3):
        if speed > UP[out]:
            out += 1
    for _k in range(3):
        if speed < DOWN[out]:
            out -= 1
    return out


@wp.kernel(enable_backward=False)
def finish_kernel(
    first: int, t: float, dt: float, folk: Folk, a: Now, b: Now, orders: Orders, clips: Clips, will: Will,
    place: wp.array(dtype=wp.vec3), old: Look, look: Look,
):  # fmt: skip
    """dim people: the step taken, heading, clip, phase and cross-fade."""
    i = wp.tid() + first
    b.place[i] = place[i]
    look.clip[i] = old.clip[i]
    look.phase[i] = old.phase[i]
    look.clip_from[i] = old.clip_from[i]
    look.phase_from[i] = old.phase_from[i]
    look.blend[i] = old.blend[i]
    look.blend_rate[i] = old.blend_rate[i]
    look.gait[i] = old.gait[i]
    look.speed[i] = old.speed[i]
    b.heading[i] = a.heading[i]
    mode = b.mode[i]
    if mode == GHOST:
        return
    seed = folk.seed[i]
    step = flat(place[i]) - flat(a.place[i])
    moved = step / dt
    real = wp.length(moved)
    down = mode == FALL or mode == DEAD
    if not down:
        if b.planted[i] == 0:
            b.velocity[i] = moved
        # look where he goes; while he gives ground, at the enemy
        facing = will.facing[i]
        rate = float(2.4)
        if real > 0.5:
            rate = 4.5
            if mode != FIGHT:
                facing = heading_of(b.velocity[i] + will.wish[i])
        turn = wrapped(facing - a.heading[i])
        b.heading[i] = wrapped(a.heading[i] + wp.clamp(turn * wp.min(1.0, 7.0 * dt), -rate * dt, rate * dt))
    speed = old.speed[i] + (real - old.speed[i]) * wp.min(1.0, 6.0 * dt)
    if b.planted[i] == 1:
        speed = 0.0
    look.speed[i] = speed
    forward = wp.dot(step, ahead_of(b.heading[i]))
    order = orders.told[b.order[i]]
    in_step = int(0)
    if order == MARCH or order == GO:
        in_step = 1

    # which clip
    gait = old.gait[i]
    want = will.clip[i]
    phase = will.phase[i]
    blend_s = float(ACT_BLEND_S)
    striding = int(0)
    if down:
        gait = 0
    elif phase >= 0.0 and speed < 0.9:
        gait = 0
    else:
        gait = gait_for(speed, gait)
        if gait > 0:
            striding = 1
            phase = -1.0
            play = gait - 1
            if gait > 1:
                play = gait
            if gait == 1 and order == MARCH:
                play = P_MARCH
            if gait > 1 and order == ROUT:
                play = P_ROUT
            want = clips.index[play]
            if order == GO:
                want = folk.go[i]
            blend_s = GAIT_BLEND_S
        elif want < 0:
            want = folk.clip[i]
            blend_s = GAIT_BLEND_S
        elif old.gait[i] > 0:
            blend_s = GAIT_BLEND_S
        elif phase < 0.0:
            blend_s = EASE_BLEND_S
    look.gait[i] = gait

    # phases run on: by the way made where the clip strides, else by the clock
    clip = old.clip[i]
    now = old.phase[i]
    tempo = 0.95 + 0.1 * chance(seed, K_TEMPO)
    stride = clips.all_stride[clip] * folk.height[i]
    on = tempo * dt / clips.all_duration[clip]
    if stride > 0.0:
        on = forward / stride
        natural = 2.0 * dt / clips.all_duration[clip]
        on = wp.clamp(on, -natural, natural)
        if in_step == 1 and clip == clips.index[P_MARCH]:
            ragged = 0.05 * (chance(seed, K_RAGGED) - 0.5)
            off = orders.phase[folk.region[i]] + ragged - now - on
            off = off - wp.floor(off + 0.5)
            on += wp.clamp(0.4 * off, -IN_STEP * wp.abs(on), IN_STEP * wp.abs(on))
    now += on
    now -= wp.floor(now)
    stride_from = clips.all_stride[old.clip_from[i]] * folk.height[i]
    before = old.phase_from[i] + tempo * dt / clips.all_duration[old.clip_from[i]]
    if stride_from > 0.0:
        before = old.phase_from[i] + forward / stride_from
    before -= wp.floor(before)
    blend = wp.min(1.0, old.blend[i] + old.blend_rate[i] * dt)

    urgent = down or phase >= 0.0
    if want != clip and (blend >= 1.0 or urgent):
        source = clip
        source_phase = now
        if blend < 0.5:
            source = old.clip_from[i]
            source_phase = before
        look.clip_from[i] = source
        look.phase_from[i] = source_phase
        begin = chance(seed, K_STEP)
        if clips.all_stride[want] > 0.0:
            if clips.all_stride[clip] > 0.0:
                begin = now
            else:
                begin = MID_STANCE + 0.5 * wp.floor(2.0 * begin)
            if in_step == 1 and clips.all_stride[clip] == 0.0 and want == clips.index[P_MARCH]:
                begin = orders.phase[folk.region[i]] + 0.05 * (chance(seed, K_RAGGED) - 0.5)
                begin -= wp.floor(begin)
        clip = want
        now = begin
        before = source_phase
        blend = wp.min(1.0, dt / blend_s)
        look.blend_rate[i] = 1.0 / blend_s
    look.clip[i] = clip
    if phase >= 0.0 and clip == want and striding == 0:
        now = phase
    look.phase[i] = wp.min(now, 0.999999)
    look.phase_from[i] = wp.min(before, 0.999999)
    look.blend[i] = blend
