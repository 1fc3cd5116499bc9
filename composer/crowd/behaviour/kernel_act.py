# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""What each man decides: his order, whom he fights, where he wants to go and what he plays. He reads the others as they
were before the step, so all decide at once."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import (
    GOLDEN,
    Clips,
    Field,
    Folk,
    Now,
    Orders,
    Sense,
    Will,
    ahead_of,
    chance,
    flat,
    heading_of,
    key,
    mix,
    right_of,
    toward_enemy,
)
from composer.crowd.behaviour.modes import Do, Mode, Play

wp.set_module_options({"enable_backward": False})

FREE = wp.constant(int(Mode.FREE))
FIGHT = wp.constant(int(Mode.FIGHT))
FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))

MARCH = wp.constant(int(Do.MARCH))
ADVANCE = wp.constant(int(Do.ADVANCE))
GO = wp.constant(int(Do.GO))
CHARGE = wp.constant(int(Do.CHARGE))
MELEE = wp.constant(int(Do.MELEE))
ROUT = wp.constant(int(Do.ROUT))
VOLLEY = wp.constant(int(Do.VOLLEY))
BRACE = wp.constant(int(Do.BRACE))
CHEER = wp.constant(int(Do.CHEER))
REACT = wp.constant(int(Do.REACT))
IDLE = wp.constant(int(Do.IDLE))

P_BRACE = wp.constant(int(Play.BRACE))
P_GUARD = wp.constant(int(Play.GUARD))
P_STRIKE = wp.constant(int(Play.STRIKE))
P_PARRY = wp.constant(int(Play.PARRY))
P_FALL = wp.constant(int(Play.FALL_BACK))
P_LOOSE = wp.constant(int(Play.LOOSE))
P_CHEER = wp.constant(int(Play.CHEER))

#: One blow and its answer, and when it lands.
EXCHANGE_S = wp.constant(1.9)
CONTACT = wp.constant(0.42)
#: From one man's back to the next who follows him.
ROOM_M = wp.constant(0.95)
#: A pair further apart than this has lost each other.
LOST_M = wp.constant(3.3)
FALL_CHANCE = wp.constant(0.3)
RELEASE = wp.constant(0.62)

K_DELAY = wp.constant(key("cue delay"))
K_SHARE = wp.constant(key("cue share"))
K_PAIR = wp.constant(key("pair pause"))
K_ROLE = wp.constant(key("who strikes"))
K_FATE = wp.constant(key("who falls"))
K_BLOW = wp.constant(key("which blow"))
K_WAY = wp.constant(key("which way he falls"))
K_PACE = wp.constant(key("pace"))
K_WAIT = wp.constant(key("wait"))
K_HARRY = wp.constant(key("harry"))
K_AWAY = wp.constant(key("away"))
K_ALERT = wp.constant(key("alert"))
K_DRAW = wp.constant(key("draw"))
K_HIT = wp.constant(key("hit"))
K_IDLE = wp.constant(key("idle again"))


@wp.struct
class Rules:
    """t: now, at the end of the step; dt; lethality; idle_first, idle_count: the idle clips in the cast, in a row."""

    t: float
    dt: float
    lethality: float
    idle_first: int
    idle_count: int


@wp.func
def order_of(orders: Orders, region: int, seed: wp.uint32, t: float) -> int:
    """The last cue of his region that has reached him."""
    first = orders.first[region]
    order = first
    for k in range(first + 1, first + orders.count[region]):
        if t >= orders.at[k] + orders.spread[k] * chance(seed ^ orders.key[k], K_DELAY):
            if chance(seed, K_SHARE) < orders.share[k]:
                order = k
    return order


@wp.func
def willing_to_fight(do: int) -> int:
    if do == ROUT:
        return 0
    return 1


@wp.func
def clamour(seed: wp.uint32, t: float) -> float:
    """Chance that holds for some seconds: who shouts and waves in the rear of a fight."""
    again = wp.uint32(int(wp.floor(t / 3.1 + chance(seed, K_ALERT))))
    return chance(seed + again * GOLDEN, K_ALERT)


@wp.func
def way_he_falls(seed: wp.uint32) -> int:
    """Of four, two fall back, one forward, one to the side."""
    return P_FALL + wp.min(int(chance(seed, K_WAY) * 4.0), 3) % 3


@wp.func
def pair_seed(folk: Folk, i: int, j: int) -> wp.uint32:
    """The same for both."""
    return mix(folk.seed[i] ^ folk.seed[j])


@wp.kernel(enable_backward=False)
def act_kernel(
    first: int, rules: Rules, folk: Folk, a: Now, b: Now, orders: Orders, field: Field, sense: Sense, clips: Clips,
    hit: wp.array(dtype=int), will: Will,
):  # fmt: skip
    """dim people: from `a` and `sense` to `will`, and to what in `b` is a decision."""
    i = wp.tid() + first
    t = rules.t
    mode = a.mode[i]
    b.mode[i] = mode
    b.since[i] = a.since[i]
    b.foe[i] = -1
    b.duel[i] = -1.0
    b.order[i] = a.order[i]
    b.wait[i] = a.wait[i]
    b.slow[i] = 0.0
    b.loose[i] = a.loose[i]
    b.willing[i] = 0
    will.wish[i] = wp.vec2(0.0, 0.0)
    will.facing[i] = a.heading[i]
    will.clip[i] = -1
    will.phase[i] = -1.0
    will.loosed[i] = 0
    if mode == GHOST:
        return
    seed = folk.seed[i]
    if mode == FALL or mode == DEAD:
        play = way_he_falls(seed)
        lasts = clips.duration[play]
        u = (t - a.since[i]) / lasts
        will.clip[i] = clips.index[play]
        will.phase[i] = wp.min(u, 0.999999)
        if u >= 1.0:
            b.mode[i] = DEAD
        return

    region = folk.region[i]
    side = folk.side[i]
    order = order_of(orders, region, seed, t)
    do = orders.told[order]
    b.order[i] = order
    if order != a.order[i]:
        b.wait[i] = 0.0
    me = flat(a.place[i])
    v = a.velocity[i]
    speed = wp.length(v)
    willing = willing_to_fight(do)
    b.willing[i] = willing
    tempo = 0.94 + 0.12 * chance(seed, K_PACE)

    # an arrow
    if hit[i] == 1 and chance(seed, K_HIT) < 0.6:
        b.mode[i] = FALL
        b.since[i] = t
        b.willing[i] = 0
        will.clip[i] = clips.index[way_he_falls(seed)]
        will.phase[i] = 0.0
        return

    # whom he fights
    foe = a.foe[i]
    duel = a.duel[i]
    if foe >= 0:
        if a.mode[foe] == FALL or a.mode[foe] == DEAD or a.foe[foe] != i or willing == 0 or a.willing[foe] == 0:
            foe = -1
        elif wp.length(flat(a.place[foe]) - me) > LOST_M:
            foe = -1
    if foe < 0 and willing == 1:
        candidate = sense.free[i]
        if candidate >= 0:
            if sense.free[candidate] == i and a.foe[candidate] < 0:
                foe = candidate
                duel = -1.0
    wish = wp.vec2(0.0, 0.0)
    facing = a.heading[i]
    clip = int(-1)
    phase = float(-1.0)
    guard = clips.index[P_GUARD]

    if foe >= 0:
        b.mode[i] = FIGHT
        if mode != FIGHT:
            b.since[i] = t
        b.loose[i] = 1
        apart = flat(a.place[foe]) - me
        d = wp.length(apart)
        dir = apart / wp.max(d, 1.0e-4)
        facing = heading_of(dir)
        gap = d - 0.5 * (folk.reach[i] + folk.reach[foe])
        clip = guard
        if duel >= 0.0 and (gap > 0.8 or gap < -0.95):
            duel = -1.0
        if duel < 0.0:
            if gap > 0.3:
                wish = dir * wp.clamp(1.6 * gap, 0.6, 2.6)
            elif gap < -0.7:
                wish = dir * -0.6
            elif speed < 0.7 and wp.length(a.velocity[foe]) < 0.7:
                duel = t + 0.05 + 0.4 * chance(pair_seed(folk, i, foe), K_PAIR)
        if duel >= 0.0 and t >= duel:
            n = int(wp.floor((t - duel) / EXCHANGE_S))
            u = t - duel - float(n) * EXCHANGE_S
            draw = mix(pair_seed(folk, i, foe) + wp.uint32(n) * GOLDEN)
            strikes = (chance(draw, K_ROLE) < 0.5) == (i < foe)
            falls = chance(draw, K_FATE) < FALL_CHANCE * rules.lethality
            blow = wp.min(int(chance(draw, K_BLOW) * 3.0), 2)
            play = P_STRIKE + blow
            if not strikes:
                play = P_PARRY + wp.min(blow, 1)
            lasts = clips.duration[play]
            if u < lasts:
                clip = clips.index[play]
                phase = u / lasts
            if falls and not strikes and u >= CONTACT * clips.duration[P_STRIKE + blow]:
                b.mode[i] = FALL
                b.since[i] = t
                b.willing[i] = 0
                will.facing[i] = facing
                will.clip[i] = clips.index[way_he_falls(seed)]
                will.phase[i] = 0.0
                return
        b.foe[i] = foe
        b.duel[i] = duel
        will.wish[i] = wish
        will.facing[i] = facing
        will.clip[i] = clip
        will.phase[i] = phase
        return

    b.mode[i] = FREE
    if mode != FREE:
        b.since[i] = t
    enemy = sense.enemy[i]
    enemy_m = sense.enemy_m[i]
    far = toward_enemy(field, side, me)
    far_m = wp.length(far)
    goal = orders.goal[order]
    aimed = orders.aimed[order]
    begun = t - orders.at[order]
    hot = do == CHARGE or do == MELEE
    frame = orders.middle[region]
    turn = orders.heading[region]
    slot = frame + right_of(turn) * folk.slot[i][0] + ahead_of(turn) * folk.slot[i][1]
    astray = slot - me
    astray_m = wp.length(astray)

    # men in second rank near a fight: look at the enemy, keep guard, strike over others' shoulders now and then
    if enemy >= 0 and willing == 1 and enemy_m < 2.6:
        to = flat(a.place[enemy]) - me
        facing = heading_of(to)
        clip = guard
        b.loose[i] = 1
        reach = 0.5 * (folk.reach[i] + folk.reach[enemy])
        if enemy_m < reach + 0.5:
            beat = 2.1 * tempo
            u = t / beat + chance(seed, K_HARRY)
            whole = wp.floor(u)
            u = (u - whole) * beat
            draw = mix(seed + wp.uint32(int(whole)) * GOLDEN)
            play = P_STRIKE + wp.min(int(chance(draw, K_BLOW) * 3.0), 2)
            if chance(draw, K_HARRY) < 0.55 and u < clips.duration[play]:
                clip = clips.index[play]
                phase = u / clips.duration[play]
        elif hot and t >= a.wait[i]:
            wish = to / enemy_m * wp.clamp(1.4 * (enemy_m - reach), 0.5, 1.6)
    elif do == CHARGE or do == MELEE:
        b.loose[i] = 1
        run = 3.25 * (0.88 + 0.22 * chance(seed, K_PACE))
        if do == MELEE:
            run = 1.9 * tempo
        ramp = wp.min(1.0, 0.4 + wp.max(begun, 0.0) / 1.3)
        dir = orders.velocity[region]
        if wp.length(dir) < 0.01:
            dir = ahead_of(turn)
            run = 0.0
            if aimed == 1 and far_m > 50.0 and astray_m > 0.6:
                dir = astray
                run = 1.3
        dir = wp.normalize(dir)
        side_way = wp.vec2(-dir[1], dir[0])
        dir = wp.normalize(dir + side_way * wp.clamp(0.12 * wp.dot(astray, side_way), -0.35, 0.35))
        lag = wp.clamp(0.06 * wp.dot(astray, dir), -0.08, 0.12)
        if far_m < 60.0 and (far_m < 16.0 or orders.arrived[region] == 1 or do == MELEE):
            share = wp.clamp((16.0 - far_m) / 9.0, 0.0, 1.0)
            if orders.arrived[region] == 1 or do == MELEE:
                share = 1.0
            dir = wp.normalize(dir * (1.0 - share) + far / wp.max(far_m, 1.0e-4) * share)
            run = wp.max(run, 1.9 * tempo)
            lag = 0.0
        if far_m < 4.5:
            run = wp.min(run, 2.1)
        wish = dir * (run * ramp * (1.0 + lag))
        if run > 0.0:
            facing = heading_of(dir)
        if t < a.wait[i]:
            wish = wp.vec2(0.0, 0.0)
            clip = guard
            if far_m > 3.0 and clamour(seed, t) < 0.3:
                clip = clips.index[P_CHEER]
        elif far_m < 12.0:
            clip = guard
    elif do == ROUT:
        b.loose[i] = 1
        dir = -far
        if aimed == 1:
            dir = goal - me
        elif far_m > 1.0e3:
            dir = -ahead_of(turn)
        bend = (chance(seed, K_AWAY) - 0.5) * 0.7
        dir = wp.normalize(dir)
        dir = dir * wp.cos(bend) + wp.vec2(-dir[1], dir[0]) * wp.sin(bend)
        if aimed == 0 or wp.length(goal - me) > 2.0:
            wish = dir * (3.3 * (0.9 + 0.2 * chance(seed, K_PACE)))
            facing = heading_of(dir)
    elif do == MARCH or do == ADVANCE or do == GO:
        out = slot - frame
        base = orders.velocity[region] + wp.vec2(out[1], -out[0]) * orders.turn[region]
        going = wp.length(orders.velocity[region]) > 0.01
        pull = astray * 0.9
        most = 0.55
        if not going:
            most = 1.25
        if wp.length(pull) > most:
            pull = pull * (most / wp.length(pull))
        if going:
            b.loose[i] = 0
            wish = base + pull
            facing = heading_of(wish)
        elif (a.planted[i] == 0 and astray_m > 0.12) or astray_m > 0.6:
            wish = wp.normalize(astray) * wp.clamp(1.2 * astray_m, 0.4, 1.25)
            facing = heading_of(wish)
        else:
            facing = turn
        if t < a.wait[i]:
            wish = wp.vec2(0.0, 0.0)
    else:
        # orders that are carried out on the spot; those still in the ranks keep their place in them
        if a.loose[i] == 0 and ((a.planted[i] == 0 and astray_m > 0.12) or astray_m > 0.6):
            wish = wp.normalize(astray) * wp.clamp(1.2 * astray_m, 0.4, 1.25)
        facing = turn + (chance(seed, K_AWAY) - 0.5) * 0.14
        if a.loose[i] == 1:
            facing = a.heading[i]
        if aimed == 1:
            facing = heading_of(goal - me)
        if far_m < 14.0 and do != CHEER and do != REACT:
            facing = heading_of(far)
        clip = folk.clip[i]
        if do == IDLE or clip == clips.index[P_GUARD]:
            cycle = 7.0 + 6.0 * chance(seed, K_PACE)
            again = wp.uint32(int(wp.floor(t / cycle + chance(seed, K_IDLE))))
            pick = chance(seed + again * GOLDEN, K_IDLE)
            clip = rules.idle_first + wp.min(int(pick * float(rules.idle_count)), rules.idle_count - 1)
        alarmed = far_m < 9.0 + 6.0 * chance(seed, K_ALERT)
        if do == BRACE:
            clip = clips.index[P_BRACE]
        elif do == CHEER:
            clip = clips.index[P_CHEER]
        elif do == REACT:
            clip = guard
            play = P_PARRY
            u = begun - orders.spread[order] * chance(seed ^ orders.key[order], K_DELAY)
            if u < 0.7 * clips.duration[play]:
                clip = clips.index[play]
                phase = u / clips.duration[play]
        elif do == VOLLEY and far_m > 6.0:
            lasts = clips.duration[P_LOOSE] * (0.95 + 0.1 * chance(seed, K_DRAW))
            u = (begun - orders.spread[order] * chance(seed ^ orders.key[order], K_DELAY)) / lasts
            before = u - rules.dt / lasts
            clip = clips.index[P_LOOSE]
            phase = wp.max(u - wp.floor(u), 0.0)
            if wp.floor(u - RELEASE) > wp.floor(before - RELEASE) and u > RELEASE:
                will.loosed[i] = 1
        elif alarmed:
            clip = guard
        if wp.length(wish) > 0.0:
            facing = heading_of(wish)

    # nobody runs up the back of the man before him; ranks that move as one need not wait for each other
    want = wp.length(wish)
    if want > 0.0 and do != MARCH and do != ADVANCE and do != GO:
        room = wp.max(sense.ahead_speed[i], 0.0) + 1.5 * (sense.ahead[i] - ROOM_M)
        if want > room:
            if room < 0.45:
                wish = wp.vec2(0.0, 0.0)
                if hot:
                    clip = guard
                    if far_m > 3.0 and clamour(seed, t) < 0.3:
                        clip = clips.index[P_CHEER]
            else:
                wish = wish * (room / want)

    # held up: give way for a while instead of pushing
    if wp.length(wish) > 0.3 and speed < 0.3 * wp.length(wish):
        b.slow[i] = a.slow[i] + rules.dt
        if b.slow[i] > 0.5 and do != ROUT:
            b.wait[i] = t + 0.5 + 0.9 * chance(seed + wp.uint32(int(t * 24.0)), K_WAIT)
            b.slow[i] = 0.0
    will.wish[i] = wish
    will.facing[i] = facing
    will.clip[i] = clip
    will.phase[i] = phase
