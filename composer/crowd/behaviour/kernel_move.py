# ruff: noqa: UP018, RUF046, SIM102, SIM109 (in a kernel, float(0.0) declares a variable)
"""From wishes to steps: velocities, people held apart, and the clip that suits each one's real speed."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_ground import NEAR_M, kept_out, open_at, pace_on, rise_at, round_it, way_out
from composer.crowd.behaviour.kernel_types import (
    FAR_M,
    Clips,
    Folk,
    Ground,
    Look,
    Now,
    Orders,
    Sense,
    Will,
    ahead_of,
    chance,
    flat,
    half_toward,
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
LIES = wp.constant(int(Mode.LIES))
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

GAIT_BLEND_S = wp.constant(0.25)
ACT_BLEND_S = wp.constant(0.16)
EASE_BLEND_S = wp.constant(0.6)
#: Where in a stride the foot that carries is under the body: from here a standing man sets out.
MID_STANCE = wp.constant(0.245)
#: Ranks in step lengthen or shorten their stride by no more than this to stay so.
IN_STEP = wp.constant(0.12)


@wp.kernel(enable_backward=False)
def stride_kernel(
    first: int, dt: float, folk: Folk, a: Now, b: Now, foe: wp.array(dtype=int), sense: Sense, ground: Ground, will: Will,
    place: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """dim people: a pair is a pair for both or for neither (`foe`); velocity from wish, ground and push, and where that
    would lead."""
    i = wp.tid() + first
    j = b.foe[i]
    if j >= 0:
        if b.foe[j] != i:
            j = -1
    foe[i] = j
    if j < 0:
        b.duel[i] = -1.0
    mode = b.mode[i]
    if mode == GHOST or mode == LIES:
        place[i] = b.place[i]
        return
    v = a.velocity[i]
    wish = will.wish[i]
    me = flat(a.place[i])
    there = wp.vec3(FAR_M, 0.0, 0.0)
    if ground.closed == 1:
        there = open_at(ground, me)
        bent = round_it(ground, there, me, wish, a.veer[i])
        wish = wp.vec2(bent[0], bent[1])
        b.veer[i] = int(bent[2])
        if wp.length(wish) > 0.0:
            wish = wish * pace_on(rise_at(ground, me, wp.normalize(wish)))
        will.wish[i] = wish
    sense.wall[i] = there[0]
    if mode == DEAD or mode == FALL:
        b.velocity[i] = v * wp.max(0.0, 1.0 - 7.0 * dt)
        if wp.length(b.velocity[i]) < 0.05:
            b.velocity[i] = wp.vec2(0.0, 0.0)
        b.planted[i] = 0
        slid = me + b.velocity[i] * dt
        if there[0] < NEAR_M:
            slid = kept_out(ground, me, slid)
        place[i] = wp.vec3(slid[0], 0.0, slid[1])
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
        if there[0] < 0.5:  # no run-up against a wall
            out = way_out(there)
            v = v - out * (wp.min(wp.dot(v, out), 0.0) * wp.clamp(1.2 - 2.0 * there[0], 0.0, 1.0))
    b.velocity[i] = v
    b.planted[i] = planted
    stepped = me + v * dt
    if planted == 0 and there[0] < NEAR_M:
        stepped = kept_out(ground, me, stepped)
    place[i] = wp.vec3(stepped[0], 0.0, stepped[1])


@wp.kernel(enable_backward=False)
def apart_kernel(
    first: int, slack_m: float, folk: Folk, a: Now, b: Now, sense: Sense, ground: Ground, place: wp.array(dtype=wp.vec3),
    out: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """dim people: each moves his share of what holds him and every neighbour apart (Jacobi)."""
    i = wp.tid() + first
    p = place[i]
    mode = b.mode[i]
    if mode < FALL:
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
            if d > 1.0e-4:
                from_him = from_him / d
            else:
                from_him = ahead_of(float(i))
            apart_m = (
                slack_m + half_toward(folk, i, a.heading[i], from_him) + half_toward(folk, j, a.heading[j], from_him)
            )
            if d < apart_m:
                his = float(1.0)
                if b.planted[j] == 1:
                    his = STAND_FIRM
                if b.mode[j] >= FALL:
                    his = 0.0
                shift += from_him * ((apart_m - d) * mine / (mine + his))
                count += 1.0
        if count > 0.0:
            shift = shift * (1.0 / wp.sqrt(count))
            me += shift
            if sense.wall[i] < NEAR_M:
                me = kept_out(ground, flat(a.place[i]), me)
            p = wp.vec3(me[0], 0.0, me[1])
    out[i] = p


@wp.func
def gait_for(speed: float, gait: int, kind: int, clips: Clips) -> int:
    """Faster than `up` one changes from a gait (0 is standing) to the next, slower than `down` back again."""
    out = gait
    for _k in range(4):
        if speed > clips.up[kind, out]:
            out += 1
    for _k in range(4):
        if speed < clips.down[kind, out]:
            out -= 1
    return out


@wp.struct
class Choice:
    """The clip that is wanted: index into the cast; phase, or -1 where it runs on; how long the change to it takes."""

    clip: int
    phase: float
    blend_s: float
    gait: int


@wp.func
def choose(
    down: int, speed: float, old_gait: int, order: int, clip: int, phase: float, own: int, go: int, kind: int,
    clips: Clips,
) -> Choice:  # fmt: skip
    """What suits his speed; on the spot what he wants to play (`clip`, `phase`), else his own standing clip."""
    out = Choice()
    out.clip = clip
    out.phase = phase
    out.blend_s = ACT_BLEND_S
    out.gait = int(0)
    if down == 0 and (phase < 0.0 or speed >= 0.9):
        out.gait = gait_for(speed, old_gait, kind, clips)
        if out.gait > 0:
            out.phase = -1.0
            out.clip = clips.gait[kind, out.gait]
            if out.gait == 1 and order == MARCH:
                out.clip = clips.index[kind, P_MARCH]
            if out.gait > 1 and order == ROUT and kind == 0:
                out.clip = clips.index[kind, P_ROUT]
            if order == GO:
                out.clip = go
            out.blend_s = GAIT_BLEND_S
        elif clip < 0:
            out.clip = own
            out.blend_s = GAIT_BLEND_S
        elif old_gait > 0:
            out.blend_s = GAIT_BLEND_S
        elif phase < 0.0:
            out.blend_s = EASE_BLEND_S
    return out


@wp.func
def run_on(clip: int, phase: float, forward: float, height: float, clock: float, clips: Clips) -> float:
    """By how much a phase grows in this step: with the way made where the clip strides, else with `clock` (seconds)."""
    stride = clips.all_stride[clip] * height
    on = clock / clips.all_duration[clip]
    if stride > 0.0:
        on = wp.clamp(forward / stride, -2.0 * on, 2.0 * on)
    return on


@wp.func
def in_step(on: float, phase: float, beat: float, ragged: float) -> float:
    """`on`, a little longer or shorter so that the phase comes to the common beat."""
    off = beat + ragged - phase - on
    off = off - wp.floor(off + 0.5)
    return on + wp.clamp(0.4 * off, -IN_STEP * wp.abs(on), IN_STEP * wp.abs(on))


@wp.func
def first_phase(
    was: int,
    phase: float,
    want: int,
    seed: wp.uint32,
    marches: int,
    beat: float,
    ragged: float,
    march: int,
    clips: Clips,
) -> float:
    """Where a new clip begins: one gait goes on where the other was; a standing man sets out from the middle of a
    stance, or on the beat; all else anywhere."""
    begin = chance(seed, K_STEP)
    if clips.all_stride[want] > 0.0:
        if clips.all_stride[was] > 0.0:
            begin = phase
        elif marches == 1 and want == march:
            begin = beat + ragged
        else:
            begin = MID_STANCE + 0.5 * wp.floor(2.0 * begin)
    return begin - wp.floor(begin)


@wp.func
def turned(i: int, dt: float, folk: Folk, a: Now, b: Now, will: Will, place: wp.vec3, speed_before: float) -> float:
    """The step taken; heading and smoothed speed (given back) follow from it."""
    b.place[i] = place
    b.heading[i] = a.heading[i]
    mode = b.mode[i]
    if mode == GHOST or mode == LIES:
        return speed_before
    moved = (flat(place) - flat(a.place[i])) / dt
    real = wp.length(moved)
    if mode != FALL and mode != DEAD:
        if b.planted[i] == 0:
            b.velocity[i] = moved
        # look where he goes; in a fight, at the enemy, even while giving ground
        facing = will.facing[i]
        rate = float(2.4)
        if real > 0.5:
            rate = 4.5
            if mode != FIGHT:
                facing = heading_of(b.velocity[i] + will.wish[i])
        if folk.kind[i] != 0:
            rate = 1.6
        turn = wrapped(facing - a.heading[i])
        b.heading[i] = wrapped(a.heading[i] + wp.clamp(turn * wp.min(1.0, 7.0 * dt), -rate * dt, rate * dt))
    speed = speed_before + (real - speed_before) * wp.min(1.0, 6.0 * dt)
    if b.planted[i] == 1:
        speed = 0.0
    return speed


@wp.kernel(enable_backward=False)
def look_kernel(
    first: int, dt: float, folk: Folk, a: Now, b: Now, orders: Orders, clips: Clips, will: Will, foe: wp.array(dtype=int),
    place: wp.array(dtype=wp.vec3), old: Look, look: Look,
):  # fmt: skip
    """dim people: the step taken, then clip, phase and cross-fade."""
    i = wp.tid() + first
    b.foe[i] = foe[i]
    look.speed[i] = turned(i, dt, folk, a, b, will, place[i], old.speed[i])
    clip = old.clip[i]
    look.clip[i] = clip
    look.phase[i] = old.phase[i]
    look.clip_from[i] = old.clip_from[i]
    look.phase_from[i] = old.phase_from[i]
    look.blend[i] = old.blend[i]
    look.blend_rate[i] = old.blend_rate[i]
    look.gait[i] = old.gait[i]
    mode = b.mode[i]
    if mode == GHOST or mode == LIES:
        return
    seed = folk.seed[i]
    height = folk.height[i]
    order = orders.told[b.order[i]]
    down = int(mode == FALL or mode == DEAD)
    marches = int(order == MARCH or order == GO)
    kind = folk.kind[i]
    march = clips.index[kind, P_MARCH]
    want = choose(
        down, look.speed[i], old.gait[i], order, will.clip[i], will.phase[i], folk.clip[i], folk.go[i], kind, clips
    )
    look.gait[i] = want.gait

    forward = wp.dot(flat(b.place[i]) - flat(a.place[i]), ahead_of(b.heading[i]))
    clock = (0.95 + 0.1 * chance(seed, K_TEMPO)) * dt
    beat = orders.phase[folk.region[i]]
    ragged = 0.05 * (chance(seed, K_RAGGED) - 0.5)
    phase = old.phase[i]
    on = run_on(clip, phase, forward, height, clock, clips)
    if marches == 1 and clip == march and kind == 0:
        on = in_step(on, phase, beat, ragged)
    phase += on
    phase -= wp.floor(phase)
    before = old.phase_from[i]
    before += run_on(old.clip_from[i], before, forward, height, clock, clips)
    before -= wp.floor(before)
    blend = wp.min(1.0, old.blend[i] + old.blend_rate[i] * dt)

    if want.clip != clip and (blend >= 1.0 or down == 1 or want.phase >= 0.0):
        look.clip_from[i] = clip
        source = phase
        if blend < 0.5:
            look.clip_from[i] = old.clip_from[i]
            source = before
        phase = first_phase(clip, phase, want.clip, seed, marches, beat, ragged, march, clips)
        clip = want.clip
        before = source
        blend = wp.min(1.0, dt / want.blend_s)
        look.blend_rate[i] = 1.0 / want.blend_s
    if want.phase >= 0.0 and clip == want.clip:
        phase = want.phase
    look.clip[i] = clip
    look.phase[i] = wp.min(phase, 0.999999)
    look.phase_from[i] = wp.min(before, 0.999999)
    look.blend[i] = blend
