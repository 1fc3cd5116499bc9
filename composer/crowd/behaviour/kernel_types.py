"""What the step's kernels share: the people, their orders, chance by name."""

from __future__ import annotations

import warp as wp

from composer.crowd.seeds import purpose_key
from composer.io.warp_log import quiet_warp

quiet_warp()

wp.set_module_options({"enable_backward": False})

#: Neighbours kept for holding people apart.
NEAR = wp.constant(14)
FAR_M = wp.constant(1.0e6)
#: Half the room of a man on foot.
MAN_M = wp.constant(0.225)
GOLDEN = wp.constant(wp.uint32(0x9E3779B9))
_MIX_1 = wp.constant(wp.uint32(0x85EBCA6B))
_MIX_2 = wp.constant(wp.uint32(0xC2B2AE35))


@wp.struct
class Folk:
    """What does not change. slot: (right, ahead) of the region's middle; along, aside: his place in a column, metres
    along its path and to its right. reach: of his weapon, metres. clip: his own while he stands; go: and while his
    region moves before its first cue. kind: his row of `Clips`. half: half the room he takes, (across, along), metres."""

    seed: wp.array(dtype=wp.uint32)
    side: wp.array(dtype=int)
    region: wp.array(dtype=int)
    slot: wp.array(dtype=wp.vec2)
    along: wp.array(dtype=float)
    aside: wp.array(dtype=float)
    kind: wp.array(dtype=int)
    half: wp.array(dtype=wp.vec2)
    height: wp.array(dtype=float)
    reach: wp.array(dtype=float)
    clip: wp.array(dtype=int)
    go: wp.array(dtype=int)


@wp.struct
class Now:
    """What each is doing; (x, z) in metres, y of `place` is 0. order: index into the cues. since: when the mode began.
    foe: whom he fights, -1 nobody; duel: when their blows begin, -1 not yet. slow: how long he has been held up; wait:
    until when he gives way; of who has fallen, the `Play` he fell by. loose: 1 once he has left his place in the ranks.
    planted: he stands. veer: on which side he passes what is in his way, 0 where nothing is."""

    place: wp.array(dtype=wp.vec3)
    velocity: wp.array(dtype=wp.vec2)
    heading: wp.array(dtype=float)
    mode: wp.array(dtype=int)
    since: wp.array(dtype=float)
    order: wp.array(dtype=int)
    foe: wp.array(dtype=int)
    duel: wp.array(dtype=float)
    slow: wp.array(dtype=float)
    wait: wp.array(dtype=float)
    loose: wp.array(dtype=int)
    planted: wp.array(dtype=int)
    willing: wp.array(dtype=int)
    veer: wp.array(dtype=int)


@wp.struct
class Look:
    """What each shows: clip and phase, and what he blends from (blend 1: nothing is left of it)."""

    clip: wp.array(dtype=int)
    phase: wp.array(dtype=float)
    clip_from: wp.array(dtype=int)
    phase_from: wp.array(dtype=float)
    blend: wp.array(dtype=float)
    blend_rate: wp.array(dtype=float)
    gait: wp.array(dtype=int)
    speed: wp.array(dtype=float)


@wp.struct
class Orders:
    """Cues, region after region, each region's first one in force from the start; then the regions' frames now.
    on_way: 1 while a column keeps to its path, on which it has come `gone` metres."""

    first: wp.array(dtype=int)
    count: wp.array(dtype=int)
    at: wp.array(dtype=float)
    told: wp.array(dtype=int)
    spread: wp.array(dtype=float)
    share: wp.array(dtype=float)
    key: wp.array(dtype=wp.uint32)
    aimed: wp.array(dtype=int)
    goal: wp.array(dtype=wp.vec2)
    middle: wp.array(dtype=wp.vec2)
    heading: wp.array(dtype=float)
    velocity: wp.array(dtype=wp.vec2)
    turn: wp.array(dtype=float)
    phase: wp.array(dtype=float)
    arrived: wp.array(dtype=int)
    on_way: wp.array(dtype=int)
    gone: wp.array(dtype=float)


@wp.struct
class Field:
    """The nearest enemy of each side, on a coarse grid of cells: his cell's middle, FAR_M where there is none. hostile
    [S, S]: which sides are enemies."""

    hostile: wp.array2d(dtype=int)
    nearest: wp.array3d(dtype=wp.vec2)
    x0: float
    z0: float
    inv_cell: float


@wp.struct
class Sense:
    """What each perceives. push: what keeps him from running into others, m/s2. enemy: the nearest living one within
    reach of his eyes; free: the nearest who fights nobody; -1 none. near [N, NEAR]: neighbours, near_count of them.
    ahead: metres to the nearest friend before him, ahead_speed: how fast that one goes the same way. wall: metres to the
    nearest place that is closed."""

    push: wp.array(dtype=wp.vec2)
    enemy: wp.array(dtype=int)
    enemy_m: wp.array(dtype=float)
    free: wp.array(dtype=int)
    near: wp.array2d(dtype=int)
    near_count: wp.array(dtype=int)
    ahead: wp.array(dtype=float)
    ahead_speed: wp.array(dtype=float)
    wall: wp.array(dtype=float)


@wp.struct
class Will:
    """What each wants: a velocity, where to look, a clip (index into the cast, -1: what suits his speed) at a phase
    (-1: it runs on). loosed: an arrow leaves now."""

    wish: wp.array(dtype=wp.vec2)
    facing: wp.array(dtype=float)
    clip: wp.array(dtype=int)
    phase: wp.array(dtype=float)
    loosed: wp.array(dtype=int)


@wp.struct
class Clips:
    """By kind of body (row; men are 0). index, duration: [K, plays]. idle: [K, idles]. gait: [K, 5], the clip of each
    gait; up, down: [K, 5], the speeds at which one changes to the next gait and back. pace: [K], (charge, trot, walk)."""

    index: wp.array2d(dtype=int)
    duration: wp.array2d(dtype=float)
    idle: wp.array2d(dtype=int)
    gait: wp.array2d(dtype=int)
    up: wp.array2d(dtype=float)
    down: wp.array2d(dtype=float)
    pace: wp.array(dtype=wp.vec3)
    all_duration: wp.array(dtype=float)
    all_stride: wp.array(dtype=float)


@wp.struct
class Cells:
    """Everybody by the cell of a plain grid he is in, row by row, so that neighbours in a row are one run of memory.
    start: where each cell's people begin. who: their numbers; body: (x, z, velocity); bits: see `kernel_sense`."""

    start: wp.array(dtype=int)
    who: wp.array(dtype=int)
    body: wp.array(dtype=wp.vec4)
    bits: wp.array(dtype=int)
    x0: float
    z0: float
    inv_cell: float
    nx: int
    nz: int


@wp.struct
class Ground:
    """closed: 0 on an open plain; then nothing else counts. value: (metres to the nearest closed place, height) at the
    nodes [Z, X]. nearest: which closed place that is; middle: of each."""

    closed: int
    value: wp.array2d(dtype=wp.vec2)
    nearest: wp.array2d(dtype=int)
    middle: wp.array(dtype=wp.vec2)
    x0: float
    z0: float
    inv_cell: float


@wp.struct
class Ways:
    """Columns' paths, by region: first and count of their points (x, z, heading), `step` apart; count 0: none."""

    first: wp.array(dtype=int)
    count: wp.array(dtype=int)
    step: wp.array(dtype=float)
    point: wp.array(dtype=wp.vec3)


def key(purpose: str) -> wp.uint32:
    """A purpose as the kernels take it."""
    return wp.uint32(int(purpose_key(purpose)))


@wp.func
def mix(x: wp.uint32) -> wp.uint32:
    """As in `composer.crowd.seeds`."""
    x = x ^ (x >> wp.uint32(16))
    x = x * _MIX_1
    x = x ^ (x >> wp.uint32(13))
    x = x * _MIX_2
    return x ^ (x >> wp.uint32(16))


@wp.func
def chance(seed: wp.uint32, purpose: wp.uint32) -> float:
    """[0, 1), as `composer.crowd.seeds.hash01`."""
    bits = mix(mix(seed + GOLDEN) ^ purpose)
    return float(bits >> wp.uint32(8)) * 5.9604644775390625e-08


@wp.func
def flat(p: wp.vec3) -> wp.vec2:
    return wp.vec2(p[0], p[2])


@wp.func
def ahead_of(heading: float) -> wp.vec2:
    return wp.vec2(-wp.sin(heading), -wp.cos(heading))


@wp.func
def right_of(heading: float) -> wp.vec2:
    return wp.vec2(wp.cos(heading), -wp.sin(heading))


@wp.func
def half_toward(folk: Folk, i: int, heading: float, dir: wp.vec2) -> float:
    """How much room he takes towards `dir` (unit): a circle for men, an ellipse for riders."""
    half = folk.half[i]
    if half[0] == half[1]:
        return half[0]
    along = wp.dot(dir, ahead_of(heading)) / half[1]
    across = wp.dot(dir, right_of(heading)) / half[0]
    return 1.0 / wp.sqrt(along * along + across * across)


@wp.func
def heading_of(d: wp.vec2) -> float:
    return wp.atan2(-d[0], -d[1])


@wp.func
def wrapped(angle: float) -> float:
    """To -pi..pi."""
    return angle - 6.283185307179586 * wp.floor(angle / 6.283185307179586 + 0.5)


@wp.func
def toward_enemy(field: Field, side: int, p: wp.vec2) -> wp.vec2:
    """From p to the middle of the nearest cell with an enemy of `side`; very long where there is none."""
    nz = field.nearest.shape[1]
    nx = field.nearest.shape[2]
    x = wp.clamp(int(wp.floor((p[0] - field.x0) * field.inv_cell)), 0, nx - 1)
    z = wp.clamp(int(wp.floor((p[1] - field.z0) * field.inv_cell)), 0, nz - 1)
    return field.nearest[side, z, x] - p
