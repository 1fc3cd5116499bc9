"""What each order, and a fight, makes a man want. Pure functions of what he knows; `kernel_act` chooses among them."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_types import (
    GOLDEN,
    MAN_M,
    Clips,
    Folk,
    Now,
    Orders,
    ahead_of,
    chance,
    flat,
    half_toward,
    heading_of,
    key,
    mix,
)
from composer.crowd.behaviour.modes import Do, Play

wp.set_module_options({"enable_backward": False})

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
FALL_CHANCE = wp.constant(0.4)
RELEASE = wp.constant(0.62)

K_DELAY = wp.constant(key("cue delay"))
K_PAIR = wp.constant(key("pair pause"))
K_ROLE = wp.constant(key("who strikes"))
K_FATE = wp.constant(key("who falls"))
K_BLOW = wp.constant(key("which blow"))
K_WAY = wp.constant(key("which way he falls"))
K_PACE = wp.constant(key("pace"))
K_HARRY = wp.constant(key("harry"))
K_AWAY = wp.constant(key("away"))
K_ALERT = wp.constant(key("alert"))
K_DRAW = wp.constant(key("draw"))
K_IDLE = wp.constant(key("idle again"))


@wp.struct
class Rules:
    """t: now, at the end of the step; dt; lethality; apart_m: nobody comes nearer to another."""

    t: float
    dt: float
    lethality: float
    apart_m: float


@wp.struct
class Known:
    """What one man knows. kind: his row of `Clips`. me: where he is. slot: from him to his place in the ranks; flow: how
    that place moves; turn: where its formation looks. far: to the nearest enemy's cell. since: seconds since his cue's
    frame; begun: since it reached him. waits: he gives way just now."""

    seed: wp.uint32
    order: int
    told: int
    region: int
    kind: int
    me: wp.vec2
    slot: wp.vec2
    flow: wp.vec2
    turn: float
    far: wp.vec2
    goal: wp.vec2
    aimed: int
    since: float
    begun: float
    tempo: float
    waits: int


@wp.struct
class Intent:
    """As in `Will`; and: falls, 1 if he is struck down now; duel, as in `Now`; loose: 1 if he has left his place in the
    ranks."""

    wish: wp.vec2
    facing: float
    clip: int
    phase: float
    loosed: int
    falls: int
    duel: float
    loose: int


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


@wp.func
def to_his_place(slot: wp.vec2, planted: int) -> wp.vec2:
    """A walk to his place in the ranks: he sets out when it is a step away, and goes on until he is there."""
    away = wp.length(slot)
    wish = wp.vec2(0.0, 0.0)
    if (planted == 0 and away > 0.12) or away > 0.6:
        wish = wp.normalize(slot) * wp.clamp(1.2 * away, 0.4, 1.25)
    return wish


@wp.func
def beyond_men(i: int, foe: int, dir: wp.vec2, folk: Folk, a: Now) -> float:
    """How much more room two take between them (`dir` from i to foe) than two men on foot."""
    return half_toward(folk, i, a.heading[i], dir) + half_toward(folk, foe, a.heading[foe], dir) - 2.0 * MAN_M


@wp.func
def fight(i: int, foe: int, out: Intent, rules: Rules, known: Known, folk: Folk, a: Now, clips: Clips) -> Intent:
    """Face the opponent, close in, and give or take blow after blow. Both men work out the same exchange."""
    t = rules.t
    apart = flat(a.place[foe]) - known.me
    d = wp.length(apart)
    dir = apart / wp.max(d, 1.0e-4)
    gap = d - 0.5 * (folk.reach[i] + folk.reach[foe]) - beyond_men(i, foe, dir, folk, a)
    out.facing = heading_of(dir)
    out.clip = clips.index[known.kind, P_GUARD]
    out.loose = 1
    if out.duel >= 0.0 and (gap > 0.8 or gap < -0.95):
        out.duel = -1.0
    if out.duel < 0.0:
        # he brakes in time: shields meet, and do not pass through each other
        if gap > 0.35:
            out.wish = dir * wp.clamp(1.4 * (gap - 0.1), 0.5, 2.6)
        elif gap < -0.45:
            out.wish = dir * -0.6
        elif wp.length(a.velocity[i]) < 0.7 and wp.length(a.velocity[foe]) < 0.7:
            out.duel = t + 0.05 + 0.4 * chance(pair_seed(folk, i, foe), K_PAIR)
    if out.duel >= 0.0 and t >= out.duel:
        n = int(wp.floor((t - out.duel) / EXCHANGE_S))
        u = t - out.duel - float(n) * EXCHANGE_S
        draw = mix(pair_seed(folk, i, foe) + wp.uint32(n) * GOLDEN)
        strikes = (chance(draw, K_ROLE) < 0.5) == (i < foe)
        falls = chance(draw, K_FATE) < FALL_CHANCE * rules.lethality
        blow = wp.min(int(chance(draw, K_BLOW) * 3.0), 2)
        play = P_STRIKE + blow
        if not strikes:
            play = P_PARRY + wp.min(blow, 1)
        lasts = clips.duration[known.kind, play]
        if u < lasts:
            out.clip = clips.index[known.kind, play]
            out.phase = u / lasts
        if falls and not strikes and u >= CONTACT * clips.duration[0, P_STRIKE + blow]:
            out.falls = 1
    return out


@wp.func
def beside_a_fight(
    i: int, enemy: int, enemy_m: float, out: Intent, rules: Rules, known: Known, folk: Folk, a: Now, clips: Clips
) -> Intent:
    """Nobody is free to fight him: keep guard, strike over others' shoulders now and then, press on if told to."""
    to = flat(a.place[enemy]) - known.me
    reach = 0.5 * (folk.reach[i] + folk.reach[enemy]) + beyond_men(i, enemy, to / wp.max(enemy_m, 1.0e-4), folk, a)
    out.facing = heading_of(to)
    out.clip = clips.index[known.kind, P_GUARD]
    out.loose = 1
    if enemy_m < reach + 0.5:
        beat = 2.1 * known.tempo
        u = rules.t / beat + chance(known.seed, K_HARRY)
        whole = wp.floor(u)
        u = (u - whole) * beat
        draw = mix(known.seed + wp.uint32(int(whole)) * GOLDEN)
        play = P_STRIKE + wp.min(int(chance(draw, K_BLOW) * 3.0), 2)
        if chance(draw, K_HARRY) < 0.55 and u < clips.duration[known.kind, play]:
            out.clip = clips.index[known.kind, play]
            out.phase = u / clips.duration[known.kind, play]
    elif (known.told == CHARGE or known.told == MELEE) and known.waits == 0:
        out.wish = to / enemy_m * wp.clamp(1.4 * (enemy_m - reach), 0.5, 1.6)
    return out


@wp.func
def charge(out: Intent, rules: Rules, known: Known, orders: Orders, clips: Clips) -> Intent:
    """Run with the others, then at the nearest enemy. `melee` is the same at a trot."""
    far_m = wp.length(known.far)
    single = known.told == MELEE or orders.arrived[known.region] == 1
    pace = clips.pace[known.kind]
    run = pace[0] * (0.88 + 0.22 * chance(known.seed, K_PACE))
    if known.told == MELEE:
        run = pace[1] * known.tempo
    dir = orders.velocity[known.region]
    if wp.length(dir) < 0.01:
        dir = ahead_of(known.turn)
        run = 0.0
        if known.aimed == 1 and far_m > 50.0 and wp.length(known.slot) > 0.6:
            dir = known.slot
            run = 1.3
    dir = wp.normalize(dir)
    across = wp.vec2(-dir[1], dir[0])
    dir = wp.normalize(dir + across * wp.clamp(0.12 * wp.dot(known.slot, across), -0.35, 0.35))
    lag = wp.clamp(0.06 * wp.dot(known.slot, dir), -0.08, 0.12)
    if far_m < 60.0 and (far_m < 16.0 or single):
        share = wp.clamp((16.0 - far_m) / 9.0, 0.0, 1.0)
        if single:
            share = 1.0
        dir = wp.normalize(dir * (1.0 - share) + known.far / wp.max(far_m, 1.0e-4) * share)
        run = wp.max(run, pace[1] * known.tempo)
        lag = 0.0
    if known.kind != 0 and far_m < 12.0:  # a horse is slower to stop
        run = wp.min(run, pace[1])
    if far_m < 4.5:
        run = wp.min(run, 2.1)
    out.wish = dir * (run * wp.min(1.0, 0.4 + wp.max(known.since, 0.0) / 1.3) * (1.0 + lag))
    out.loose = 1
    if run > 0.0:
        out.facing = heading_of(dir)
    if far_m < 12.0:
        out.clip = clips.index[known.kind, P_GUARD]
    if known.waits == 1:
        out.wish = wp.vec2(0.0, 0.0)
        out.clip = waiting_clip(known, rules.t, far_m, clips)
    return out


@wp.func
def waiting_clip(known: Known, t: float, far_m: float, clips: Clips) -> int:
    """Men held up behind a fight keep guard, or shout and wave."""
    clip = clips.index[known.kind, P_GUARD]
    if far_m > 3.0 and clamour(known.seed, t) < 0.3:
        clip = clips.index[known.kind, P_CHEER]
    return clip


@wp.func
def rout(out: Intent, known: Known, clips: Clips) -> Intent:
    """Run from the enemy, or to a place, everyone a little his own way."""
    dir = -known.far
    if known.aimed == 1:
        dir = known.goal - known.me
    elif wp.length(known.far) > 1.0e3:
        dir = -ahead_of(known.turn)
    bend = (chance(known.seed, K_AWAY) - 0.5) * 0.7
    dir = wp.normalize(dir)
    dir = dir * wp.cos(bend) + wp.vec2(-dir[1], dir[0]) * wp.sin(bend)
    out.loose = 1
    if known.aimed == 0 or wp.length(known.goal - known.me) > 2.0:
        out.wish = dir * ((clips.pace[known.kind][0] + 0.05) * (0.9 + 0.2 * chance(known.seed, K_PACE)))
        out.facing = heading_of(dir)
    return out


@wp.func
def in_ranks(planted: int, out: Intent, known: Known, orders: Orders) -> Intent:
    """Go with the formation's frame, and to one's own place in it."""
    if wp.length(orders.velocity[known.region]) > 0.01:
        pull = known.slot * 0.9
        if wp.length(pull) > 0.55:
            pull = pull * (0.55 / wp.length(pull))
        out.wish = known.flow + pull
        out.loose = 0
        out.facing = heading_of(out.wish)
    else:
        out.wish = to_his_place(known.slot, planted)
        out.facing = known.turn
        if wp.length(out.wish) > 0.0:
            out.facing = heading_of(out.wish)
    if known.waits == 1:
        out.wish = wp.vec2(0.0, 0.0)
    return out


@wp.func
def on_the_spot(planted: int, own_clip: int, out: Intent, rules: Rules, known: Known, clips: Clips) -> Intent:
    """Orders that take no way; those still in the ranks keep their place in them."""
    told = known.told
    far_m = wp.length(known.far)
    if out.loose == 0:
        out.wish = to_his_place(known.slot, planted)
        out.facing = known.turn + (chance(known.seed, K_AWAY) - 0.5) * 0.14
    if known.aimed == 1:
        out.facing = heading_of(known.goal - known.me)
    if far_m < 14.0 and told != CHEER and told != REACT:
        out.facing = heading_of(known.far)
    out.clip = own_clip
    if told == IDLE:
        cycle = 7.0 + 6.0 * chance(known.seed, K_PACE)
        again = wp.uint32(int(wp.floor(rules.t / cycle + chance(known.seed, K_IDLE))))
        pick = chance(known.seed + again * GOLDEN, K_IDLE)
        idles = clips.idle.shape[1]
        out.clip = clips.idle[known.kind, wp.min(int(pick * float(idles)), idles - 1)]
    if told == BRACE:
        out.clip = clips.index[known.kind, P_BRACE]
    elif told == CHEER:
        out.clip = clips.index[known.kind, P_CHEER]
    elif told == REACT:
        out.clip = clips.index[known.kind, P_GUARD]
        if known.begun < 0.7 * clips.duration[known.kind, P_PARRY]:
            out.clip = clips.index[known.kind, P_PARRY]
            out.phase = known.begun / clips.duration[known.kind, P_PARRY]
    elif told == VOLLEY and far_m > 6.0:
        lasts = clips.duration[known.kind, P_LOOSE] * (0.95 + 0.1 * chance(known.seed, K_DRAW))
        u = known.begun / lasts
        out.clip = clips.index[known.kind, P_LOOSE]
        out.phase = wp.max(u - wp.floor(u), 0.0)
        if wp.floor(u - RELEASE) > wp.floor(u - rules.dt / lasts - RELEASE) and u > RELEASE:
            out.loosed = 1
    elif far_m < 9.0 + 6.0 * chance(known.seed, K_ALERT):
        out.clip = clips.index[known.kind, P_GUARD]
    if wp.length(out.wish) > 0.0:
        out.facing = heading_of(out.wish)
    return out
