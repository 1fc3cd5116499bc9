# ruff: noqa: UP018, RUF046, SIM102, SIM109 (in a kernel, float(0.0) declares a variable)
"""What each man decides: his order, whom he fights, and so what he wants. He reads the others as they were before the
step, so all decide at once."""

from __future__ import annotations

import warp as wp

from composer.crowd.behaviour.kernel_fall import roomy_fall
from composer.crowd.behaviour.kernel_ground import on_way, open_at, way_out
from composer.crowd.behaviour.kernel_intents import (
    ADVANCE,
    CHARGE,
    GO,
    K_DELAY,
    K_PACE,
    MARCH,
    MELEE,
    ROUT,
    Intent,
    Known,
    Rules,
    beside_a_fight,
    charge,
    fight,
    in_ranks,
    on_the_spot,
    rout,
    waiting_clip,
    way_he_falls,
)
from composer.crowd.behaviour.kernel_types import (
    MAN_M,
    Cells,
    Clips,
    Field,
    Folk,
    Ground,
    Now,
    Orders,
    Sense,
    Ways,
    Will,
    ahead_of,
    chance,
    flat,
    key,
    right_of,
    toward_enemy,
)
from composer.crowd.behaviour.modes import Mode

wp.set_module_options({"enable_backward": False})

FREE = wp.constant(int(Mode.FREE))
FIGHT = wp.constant(int(Mode.FIGHT))
FALL = wp.constant(int(Mode.FALL))
DEAD = wp.constant(int(Mode.DEAD))
GHOST = wp.constant(int(Mode.GHOST))
LIES = wp.constant(int(Mode.LIES))

#: From one man's back to the next who follows him.
ROOM_M = wp.constant(0.95)
#: A pair further apart than this has lost each other; enemies this near are fought.
LOST_M = wp.constant(3.3)
BESIDE_M = wp.constant(2.6)

K_SHARE = wp.constant(key("cue share"))
K_WAIT = wp.constant(key("wait"))
K_HIT = wp.constant(key("hit"))


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
def opponent(i: int, me: wp.vec2, willing: int, folk: Folk, a: Now, sense: Sense) -> int:
    """Whom he fights: as before while both stand and are near; else one who chose him too, or nobody."""
    foe = a.foe[i]
    if foe >= 0:
        lost = a.mode[foe] == FALL or a.mode[foe] == DEAD or a.foe[foe] != i or willing == 0 or a.willing[foe] == 0
        if lost or wp.length(flat(a.place[foe]) - me) > LOST_M + folk.half[i][1] + folk.half[foe][1] - 2.0 * MAN_M:
            foe = -1
    if foe < 0 and willing == 1:
        candidate = sense.free[i]
        if candidate >= 0:
            if sense.free[candidate] == i and a.foe[candidate] < 0:
                foe = candidate
    return foe


@wp.func
def slot_of(i: int, known: Known, folk: Folk, orders: Orders, ways: Ways, ground: Ground) -> Known:
    """Where his place in the ranks is, how it moves and where it looks: in the formation's frame, or on its path. A place
    that is closed is moved to where it opens."""
    region = known.region
    middle = orders.middle[region]
    velocity = orders.velocity[region]
    slot = middle
    if orders.on_way[region] == 1:
        at = on_way(ways, region, folk.along[i] + orders.gone[region], folk.aside[i])
        slot = wp.vec2(at[0], at[1])
        known.turn = at[2]
        known.flow = ahead_of(known.turn) * (wp.length(velocity) * wp.max(at[3], 0.1))
    else:
        known.turn = orders.heading[region]
        arm = right_of(known.turn) * folk.slot[i][0] + ahead_of(known.turn) * folk.slot[i][1]
        slot = middle + arm
        known.flow = velocity + wp.vec2(arm[1], -arm[0]) * orders.turn[region]
    if ground.closed == 1:
        there = open_at(ground, slot)
        if there[0] < 0.0:
            slot = slot + way_out(there) * (0.1 - there[0])
    known.slot = slot - known.me
    return known


@wp.func
def knows(
    i: int, order: int, rules: Rules, folk: Folk, a: Now, orders: Orders, field: Field, ways: Ways, ground: Ground
) -> Known:
    known = Known()
    region = folk.region[i]
    known.kind = folk.kind[i]
    known.seed = folk.seed[i]
    known.order = order
    known.told = orders.told[order]
    known.region = region
    known.me = flat(a.place[i])
    known = slot_of(i, known, folk, orders, ways, ground)
    known.far = toward_enemy(field, folk.side[i], known.me)
    known.goal = orders.goal[order]
    known.aimed = orders.aimed[order]
    known.since = rules.t - orders.at[order]
    known.begun = known.since - orders.spread[order] * chance(known.seed ^ orders.key[order], K_DELAY)
    known.tempo = 0.94 + 0.12 * chance(known.seed, K_PACE)
    known.waits = int(0)
    if rules.t < a.wait[i] and order == a.order[i]:
        known.waits = 1
    return known


@wp.func
def with_room(i: int, out: Intent, rules: Rules, known: Known, sense: Sense, clips: Clips) -> Intent:
    """Nobody runs up the back of the man before him; ranks that move as one need not wait for each other."""
    want = wp.length(out.wish)
    told = known.told
    if want > 0.0 and told != MARCH and told != ADVANCE and told != GO:
        room = wp.max(sense.ahead_speed[i], 0.0) + 1.5 * (sense.ahead[i] - ROOM_M)
        if want > room and room >= 0.45:
            out.wish = out.wish * (room / want)
        elif want > room:
            out.wish = wp.vec2(0.0, 0.0)
            if (told == CHARGE or told == MELEE) and out.phase < 0.0:
                out.clip = waiting_clip(known, rules.t, wp.length(known.far), clips)
    return out


@wp.func
def wants(
    i: int, foe: int, out: Intent, rules: Rules, known: Known, folk: Folk, a: Now, orders: Orders, sense: Sense,
    clips: Clips,
) -> Intent:  # fmt: skip
    """What he wants, by whom he fights, who is near, and what he was told."""
    told = known.told
    enemy = sense.enemy[i]
    if foe >= 0:
        out = fight(i, foe, out, rules, known, folk, a, clips)
    else:
        if enemy >= 0 and told != ROUT and sense.enemy_m[i] < BESIDE_M + folk.half[i][1] - MAN_M:
            out = beside_a_fight(i, enemy, sense.enemy_m[i], out, rules, known, folk, a, clips)
        elif told == CHARGE or told == MELEE:
            out = charge(out, rules, known, orders, clips)
        elif told == ROUT:
            out = rout(out, known, clips)
        elif told == MARCH or told == ADVANCE or told == GO:
            out = in_ranks(a.planted[i], out, known, orders)
        else:
            out = on_the_spot(a.planted[i], folk.clip[i], out, rules, known, clips)
        out = with_room(i, out, rules, known, sense, clips)
    return out


@wp.kernel(enable_backward=False)
def act_kernel(
    first: int, rules: Rules, folk: Folk, a: Now, b: Now, orders: Orders, field: Field, sense: Sense, clips: Clips,
    hit: wp.array(dtype=int), ways: Ways, ground: Ground, cells: Cells, will: Will,
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
    b.veer[i] = a.veer[i]
    will.wish[i] = wp.vec2(0.0, 0.0)
    will.facing[i] = a.heading[i]
    will.clip[i] = -1
    will.phase[i] = -1.0
    will.loosed[i] = 0
    if mode == GHOST or mode == LIES:
        return
    seed = folk.seed[i]
    kind = folk.kind[i]
    if mode == FALL or mode == DEAD:
        fall = int(a.wait[i])
        u = (t - a.since[i]) / clips.duration[kind, fall]
        will.clip[i] = clips.index[kind, fall]
        will.phase[i] = wp.min(u, 0.999999)
        if u >= 1.0:
            b.mode[i] = DEAD
        return

    order = order_of(orders, folk.region[i], seed, t)
    known = knows(i, order, rules, folk, a, orders, field, ways, ground)
    b.order[i] = order
    if order != a.order[i]:
        b.wait[i] = 0.0
    willing = willing_to_fight(known.told)
    foe = opponent(i, known.me, willing, folk, a, sense)
    out = Intent()
    out.facing = a.heading[i]
    out.clip = -1
    out.phase = -1.0
    out.loose = a.loose[i]
    out.duel = -1.0
    if foe >= 0 and foe == a.foe[i]:
        out.duel = a.duel[i]
    out = wants(i, foe, out, rules, known, folk, a, orders, sense, clips)

    will.facing[i] = out.facing
    if out.falls == 1 or (hit[i] == 1 and chance(seed, K_HIT) < 0.6):
        fall = roomy_fall(cells, known.me, a.heading[i], way_he_falls(seed))
        b.mode[i] = FALL
        b.since[i] = t
        b.wait[i] = float(fall)  # who lies waits for nothing: this keeps how he fell
        will.clip[i] = clips.index[kind, fall]
        will.phase[i] = 0.0
        return
    now = FREE
    if foe >= 0:
        now = FIGHT
    b.mode[i] = now
    if now != mode:
        b.since[i] = t
    b.willing[i] = willing
    b.loose[i] = out.loose
    b.foe[i] = foe
    b.duel[i] = out.duel
    # held up: give way for a while instead of pushing
    speed = wp.length(a.velocity[i])
    if foe < 0 and wp.length(out.wish) > 0.3 and speed < 0.3 * wp.length(out.wish):
        b.slow[i] = a.slow[i] + rules.dt
        if b.slow[i] > 0.5 and known.told != ROUT:
            b.wait[i] = t + 0.5 + 0.9 * chance(seed + wp.uint32(int(t * 24.0)), K_WAIT)
            b.slow[i] = 0.0
    will.wish[i] = out.wish
    will.clip[i] = out.clip
    will.phase[i] = out.phase
    will.loosed[i] = out.loosed
