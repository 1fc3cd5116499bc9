"""The foreground figures as smooth distance fields, in each figure's own space: feet on y = 0, facing -Z, +X his right.

They stand in for the live action: cloaked men seen from behind. `kind` picks one; `solid` gives distance and part.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})  # half the time to compile

COMMANDER, BEARER, HOODED, POINTING = 0, 1, 2, 3
# parts; `figures.PALETTE` says what each is made of
CLOAK, TUNIC, HEAD, HELM, MAIL, FURS, BOOT, WOOD, SHIELD, BELT, HOSE, IRON, HAIR, GOLD = range(14)


@wp.func
def capsule(p: wp.vec3, a: wp.vec3, b: wp.vec3, ra: float, rb: float) -> float:
    ab = b - a
    t = wp.clamp(wp.dot(p - a, ab) / wp.dot(ab, ab), 0.0, 1.0)
    return wp.length(p - a - ab * t) - (ra + (rb - ra) * t)


@wp.func
def ellipsoid(p: wp.vec3, c: wp.vec3, r: wp.vec3) -> float:
    q = p - c
    k0 = wp.length(wp.cw_div(q, r))
    k1 = wp.length(wp.cw_div(q, wp.cw_mul(r, r)))
    return k0 * (k0 - 1.0) / wp.max(k1, 1.0e-5)


@wp.func
def smin(a: float, b: float, k: float) -> float:
    h = wp.max(k - wp.abs(a - b), 0.0) / k
    return wp.min(a, b) - h * h * k * 0.25


@wp.func
def nz(seed: int, p: wp.vec3) -> float:
    return wp.noise(wp.uint32(seed), p)


@wp.func
def add(a: wp.vec2, d: float, part: int) -> wp.vec2:
    """Union that remembers the part."""
    if d < a[0]:
        return wp.vec2(d, float(part))
    return a


@wp.func
def folds(angle: float, y: float, kind: int) -> float:
    """Depth of the cloak's folds, -1..1: few and deep, running down from the shoulders, wandering and merging."""
    w = 0.55 * nz(31 + kind, wp.vec3(angle * 1.1, y * 1.7, 0.3)) + 0.25 * nz(
        35 + kind, wp.vec3(angle * 2.9, y * 3.1, 5.1)
    )
    u = angle + w * 0.55
    a = wp.sin(u * 7.0 + float(kind) * 1.3)
    b = wp.sin(u * 12.0 + 2.1 + float(kind) * 2.1 + 1.2 * w)
    ridge = 1.0 - 2.0 * wp.pow(wp.abs(wp.sin(u * 3.5 + 0.8 * float(kind))), 0.7)
    return 0.42 * a + 0.30 * b + 0.34 * ridge


@wp.func
def cloak(p: wp.vec3, top: float, hem: float, wide: float, blow: float, kind: int) -> float:
    """A heavy cloak over the shoulders, open at the front, moved to the right (+X) by the wind."""
    t = wp.clamp((top - p[1]) / (top - hem), 0.0, 1.0)
    drop = wp.max(top - p[1], 0.0)
    cx = blow * t * t * (0.75 + 0.25 * t)
    cz = 0.035 + 0.07 * t * t + 0.35 * blow * t * t
    x = p[0] - cx
    z = p[2] - cz
    angle = wp.atan2(x, z)
    shoulder = wp.min(drop / 0.17, 1.0)
    round_ = wp.sqrt(wp.max(1.0 - (1.0 - shoulder) * (1.0 - shoulder), 0.0))
    rx = (0.10 + 0.145 * round_) + (wide - 0.245) * wp.pow(t, 0.85)
    rz = (0.085 + 0.075 * round_) + (wide * 0.86 - 0.16) * wp.pow(t, 0.95)
    f = folds(angle, p[1], kind)
    deep = 0.006 + 0.052 * world_smooth(0.06, 0.75, t)
    r = wp.sqrt((x / rx) * (x / rx) + (z / rz) * (z / rz))
    d = (r - 1.0) * wp.min(rx, rz) - deep * f
    edge = hem + 0.035 * nz(41 + kind, wp.vec3(angle * 1.7, 0.0, 1.0)) + 0.05 * wp.abs(x)
    d = wp.max(d * 0.8, edge - p[1])
    d = wp.max(d, p[1] - top - 0.02)
    front = -z - 0.02 - 0.10 * t
    return -smin(-d, -front, 0.05)


@wp.func
def world_smooth(a: float, b: float, x: float) -> float:
    t = wp.clamp((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def legs(s: wp.vec2, p: wp.vec3, stance: float) -> wp.vec2:
    r = s
    for k in range(2):
        side = 1.0 - 2.0 * float(k)
        foot = wp.vec3(side * (0.11 + stance), 0.07, -0.04 + 0.10 * side * stance)
        knee = wp.vec3(side * (0.115 + 0.6 * stance), 0.50, -0.035)
        d = smin(
            capsule(p, wp.vec3(side * 0.10, 0.92, 0.0), knee, 0.095, 0.065), capsule(p, knee, foot, 0.066, 0.05), 0.05
        )
        r = add(r, d, HOSE)
        shin = foot + (knee - foot) * 0.80
        boot = smin(
            capsule(p, foot, shin, 0.062, 0.082),
            ellipsoid(p, foot + wp.vec3(side * 0.02, -0.02, -0.07), wp.vec3(0.052, 0.055, 0.145)),
            0.05,
        )
        r = add(r, boot - 0.006, BOOT)
    return r


@wp.func
def helmet(s: wp.vec2, p: wp.vec3, c: wp.vec3, spike: float) -> wp.vec2:
    """A conical helmet with brow band, ridge and a mail curtain on the shoulders."""
    q = p - c
    y = wp.clamp(q[1] / 0.20, 0.0, 1.0)
    bowl = wp.length(wp.vec2(q[0], q[2] * 0.93)) - 0.118 * wp.sqrt(wp.max(1.0 - wp.pow(y, 1.5), 0.0)) * 1.0
    d = wp.max(wp.max(bowl * 0.8, -q[1]), q[1] - 0.20)
    d = smin(d, capsule(q, wp.vec3(0.0, 0.17, 0.0), wp.vec3(0.0, 0.21 + spike, 0.0), 0.016, 0.005), 0.03)
    r = add(s, d, HELM)
    ring = wp.vec2(wp.length(wp.vec2(q[0], q[2] * 0.93)) - 0.116, q[1] - 0.012)
    r = add(r, wp.length(ring) - 0.014, HELM)
    ridge = wp.max(wp.abs(q[0]) - 0.010, bowl - 0.010)
    r = add(r, wp.max(wp.max(ridge, -q[1]), q[1] - 0.19), HELM)
    t = wp.clamp(-q[1] / 0.24, 0.0, 1.0)
    curtain = wp.length(wp.vec2(q[0] * (1.0 - 0.18 * t), q[2])) - (
        0.112 + 0.055 * t * t + 0.010 * wp.sin(wp.atan2(q[0], q[2]) * 9.0) * t
    )
    curtain = wp.max(wp.max(curtain, q[1] - 0.005), -0.235 - q[1])
    return add(r, curtain, MAIL)


@wp.func
def arm(s: wp.vec2, p: wp.vec3, shoulder: wp.vec3, elbow: wp.vec3, hand: wp.vec3, sleeve: int) -> wp.vec2:
    wrinkle = 0.006 * wp.sin(nz(51, p * 9.0) * 5.0 + p[1] * 50.0 + p[0] * 38.0)
    upper = capsule(p, shoulder, elbow, 0.072, 0.056)
    lower = capsule(p, elbow, elbow + (hand - elbow) * 0.82, 0.056, 0.044)
    r = add(s, smin(upper, lower, 0.05) - wrinkle, sleeve)
    wrist = elbow + (hand - elbow) * 0.70
    r = add(r, capsule(p, wrist, elbow + (hand - elbow) * 0.90, 0.051, 0.047), BELT)
    return add(r, ellipsoid(p, hand, wp.vec3(0.048, 0.052, 0.048)), HEAD)


@wp.func
def sword(s: wp.vec2, p: wp.vec3) -> wp.vec2:
    """In its scabbard on the left hip, pommel forward, point back and down."""
    grip = wp.vec3(-0.24, 1.02, -0.20)
    tip = wp.vec3(-0.36, 0.34, 0.50)
    r = add(s, capsule(p, grip, tip, 0.030, 0.018), BOOT)
    chape = tip + (grip - tip) * 0.07
    r = add(r, capsule(p, chape, tip, 0.025, 0.020), IRON)
    return add(r, wp.length(p - (grip + (grip - tip) * 0.20)) - 0.032, IRON)


@wp.func
def trunk(s: wp.vec2, p: wp.vec3) -> wp.vec2:
    """Torso and tunic skirt with belt."""
    d = smin(
        ellipsoid(p, wp.vec3(0.0, 1.27, 0.0), wp.vec3(0.205, 0.28, 0.135)),
        ellipsoid(p, wp.vec3(0.0, 1.0, 0.0), wp.vec3(0.175, 0.22, 0.135)),
        0.10,
    )
    angle = wp.atan2(p[0], p[2])
    t = wp.clamp((1.02 - p[1]) / 0.48, 0.0, 1.0)
    rx = 0.165 + 0.095 * t
    skirt = (wp.length(wp.vec2(p[0], p[2] * 1.18)) - rx) * 0.8 - (0.004 + 0.022 * t) * wp.sin(
        angle * 11.0 + 1.5 * nz(61, wp.vec3(angle, p[1] * 2.0, 0.0))
    )
    skirt = wp.max(wp.max(skirt, p[1] - 1.05), 0.54 - p[1])
    r = add(s, smin(d, skirt, 0.04), TUNIC)
    belt = wp.vec2(wp.length(wp.vec2(p[0], p[2] * 1.22)) - 0.168, wp.max(wp.abs(p[1] - 1.03) - 0.022, 0.0))
    return add(r, wp.length(belt) - 0.014, BELT)


@wp.func
def mantle(p: wp.vec3) -> float:
    """A fur collar on the shoulders, tufted by noise."""
    q = wp.vec3(p[0], (p[1] - 1.475) * 1.25 + 0.30 * p[0] * p[0] * 3.0, p[2] - 0.025)
    ring = wp.vec2(wp.length(wp.vec2(q[0] * 0.72, q[2])) - 0.115, q[1])
    d = wp.length(ring) - 0.075
    return d - 0.020 * nz(71, p * 24.0) - 0.014 * nz(72, p * 61.0)


@wp.func
def commander(p: wp.vec3) -> wp.vec2:
    """Long cloak with a fur collar, bare head turned aside, a hand on the hip."""
    neck = wp.vec3(0.0, 1.55, 0.005)
    turn = 0.22
    q = wp.vec3(p[0] * wp.cos(turn) - p[2] * wp.sin(turn), p[1], p[0] * wp.sin(turn) + p[2] * wp.cos(turn))
    s = legs(wp.vec2(9.0, 0.0), p, 0.05)
    s = trunk(s, p)
    s = add(s, cloak(p, 1.53, 0.13, 0.43, 0.15, 0), CLOAK)
    s = arm(s, p, wp.vec3(0.20, 1.43, 0.0), wp.vec3(0.40, 1.17, 0.05), wp.vec3(0.27, 0.97, -0.12), TUNIC)
    s = sword(s, p)
    s = add(s, mantle(p), FURS)
    s = add(s, capsule(p, neck, neck + wp.vec3(0.0, 0.08, 0.0), 0.06, 0.06), HEAD)
    # bare head turned to the left, hair to the collar
    h = q - wp.vec3(0.0, 1.70, -0.015)
    s = add(s, ellipsoid(h, wp.vec3(0.0, 0.0, -0.012), wp.vec3(0.078, 0.112, 0.096)), HEAD)
    around = wp.atan2(h[0], h[2])
    strand = 0.006 * wp.sin(around * 17.0 + 5.0 * nz(75, h * 9.0) + h[1] * 14.0) + 0.010 * nz(
        76, wp.vec3(around * 2.0, h[1] * 7.0, 0.0)
    )
    hair = smin(
        ellipsoid(h, wp.vec3(0.0, 0.018, 0.014), wp.vec3(0.094, 0.116, 0.112)),
        ellipsoid(h, wp.vec3(0.0, -0.075, 0.060), wp.vec3(0.105, 0.120, 0.062)),
        0.08,
    )
    hair = smin(hair, ellipsoid(h, wp.vec3(0.012, -0.19, 0.082), wp.vec3(0.070, 0.100, 0.046)), 0.07)
    s = add(s, wp.max(hair - strand, -0.062 - h[2] + 0.25 * wp.max(-h[1], 0.0)), HAIR)
    circlet = wp.vec2(wp.length(wp.vec2(h[0] * 1.06, h[2] - 0.010)) - 0.108, h[1] - 0.045 + 0.10 * h[2])
    s = add(s, wp.length(circlet) - 0.0095, GOLD)
    return s


@wp.func
def bearer(p: wp.vec3) -> wp.vec2:
    """Helmet and mail, short cloak, both hands on the banner's pole."""
    s = legs(wp.vec2(9.0, 0.0), p, 0.06)
    s = trunk(s, p)
    s = add(s, cloak(p, 1.50, 0.50, 0.35, 0.10, 1), CLOAK)
    s = arm(s, p, wp.vec3(0.20, 1.43, 0.0), wp.vec3(0.37, 1.20, -0.10), wp.vec3(0.34, 1.36, -0.33), TUNIC)
    s = arm(s, p, wp.vec3(-0.20, 1.43, 0.0), wp.vec3(-0.22, 1.12, -0.14), wp.vec3(0.22, 1.04, -0.32), TUNIC)
    s = add(s, capsule(p, wp.vec3(0.30, 0.02, -0.33), wp.vec3(0.35, 3.72, -0.33), 0.021, 0.017), WOOD)
    s = add(s, capsule(p, wp.vec3(0.35, 3.70, -0.33), wp.vec3(0.352, 3.92, -0.33), 0.030, 0.003), IRON)
    s = add(s, ellipsoid(p, wp.vec3(0.0, 1.68, -0.01), wp.vec3(0.085, 0.115, 0.10)), HEAD)
    s = helmet(s, p, wp.vec3(0.0, 1.70, 0.0), 0.03)
    return s


@wp.func
def hooded(p: wp.vec3) -> wp.vec2:
    """Hood and long cloak, leaning on a spear."""
    s = legs(wp.vec2(9.0, 0.0), p, 0.02)
    s = trunk(s, p)
    lean = wp.vec3(p[0] + 0.05 * (p[1] - 1.0), p[1], p[2] + 0.05 * (p[1] - 1.0))
    s = add(s, cloak(lean, 1.52, 0.09, 0.40, 0.12, 2), CLOAK)
    h = lean - wp.vec3(0.0, 1.67, 0.0)
    crease = 0.006 * wp.sin(h[1] * 34.0 + 5.0 * nz(81, h * 7.0)) + 0.010 * nz(82, h * 9.0)
    back = wp.vec3(h[0], h[1], h[2] - 0.012)
    dome = wp.clamp((back[1] - 0.01) / 0.165, 0.0, 1.0)
    flare = world_smooth(-0.06, -0.34, back[1])
    ring = 0.118 * wp.sqrt(1.0 - dome * dome) + 0.150 * flare
    deep = 1.12 - 0.34 * flare
    hood = (wp.length(wp.vec2(back[0], back[2] / deep)) - ring) * 0.75 - 0.016 * flare * folds(
        wp.atan2(h[0], h[2]), p[1], 5
    )
    hood = -smin(-wp.max(hood, back[1] - 0.174), back[1] + 0.33, 0.02)
    hood = smin(hood, capsule(back, wp.vec3(0.0, 0.075, 0.085), wp.vec3(0.015, -0.10, 0.175), 0.060, 0.020), 0.10)
    s = add(s, hood - crease, CLOAK)
    s = arm(s, p, wp.vec3(0.20, 1.41, 0.0), wp.vec3(0.36, 1.17, -0.12), wp.vec3(0.42, 1.33, -0.34), TUNIC)
    s = add(s, capsule(p, wp.vec3(0.50, 0.0, -0.30), wp.vec3(0.375, 2.30, -0.37), 0.017, 0.015), WOOD)
    blade = p - wp.vec3(0.368, 2.42, -0.375)
    leaf = wp.length(wp.vec3(blade[0] / 0.040, blade[1] / 0.16, blade[2] / 0.012)) - 1.0
    s = add(s, leaf * 0.012, IRON)
    return s


@wp.func
def pointing(p: wp.vec3) -> wp.vec2:
    """Round shield on the back, right arm stretched towards the field."""
    s = legs(wp.vec2(9.0, 0.0), p, 0.09)
    s = trunk(s, p)
    s = add(s, cloak(p, 1.49, 0.66, 0.32, 0.08, 3), CLOAK)
    s = arm(s, p, wp.vec3(0.20, 1.44, 0.0), wp.vec3(0.44, 1.47, -0.16), wp.vec3(0.66, 1.54, -0.34), TUNIC)
    s = add(s, capsule(p, wp.vec3(0.66, 1.54, -0.34), wp.vec3(0.745, 1.565, -0.41), 0.022, 0.012), HEAD)
    s = arm(s, p, wp.vec3(-0.20, 1.43, 0.0), wp.vec3(-0.33, 1.17, 0.0), wp.vec3(-0.27, 1.00, -0.20), TUNIC)
    s = sword(s, p)
    c = wp.vec3(-0.02, 1.20, 0.235)
    q = p - c
    tilt = wp.vec3(q[0], q[1] * 0.985 + q[2] * 0.17, q[2] * 0.985 - q[1] * 0.17)
    rad = wp.length(wp.vec2(tilt[0], tilt[1]))
    face = wp.abs(tilt[2] + 0.55 * rad * rad) - 0.016
    plank = 0.002 * wp.sin(tilt[0] * 62.0)
    s = add(s, wp.max(face + plank, rad - 0.39) * 0.8, SHIELD)
    rim = wp.vec2(rad - 0.39, tilt[2] + 0.55 * rad * rad)
    s = add(s, wp.length(rim) - 0.021, BELT)
    s = add(s, ellipsoid(tilt, wp.vec3(0.0, 0.0, 0.0), wp.vec3(0.082, 0.082, 0.075)), IRON)
    s = add(s, ellipsoid(p, wp.vec3(0.0, 1.68, -0.01), wp.vec3(0.085, 0.115, 0.10)), HEAD)
    s = helmet(s, p, wp.vec3(0.0, 1.70, 0.0), 0.0)
    return s


@wp.func
def solid(p: wp.vec3, kind: int) -> wp.vec2:
    """(distance in metres, part) of one figure."""
    if kind == COMMANDER:
        return commander(p)
    if kind == BEARER:
        return bearer(p)
    if kind == HOODED:
        return hooded(p)
    return pointing(p)


@wp.kernel
def sample(origin: wp.vec3, step: float, kind: int, out: wp.array3d(dtype=float)):
    i, j, k = wp.tid()
    p = origin + wp.vec3(float(i), float(j), float(k)) * step
    out[i, j, k] = solid(p, kind)[0]


@wp.kernel
def refine(
    origin: wp.vec3, step: float, kind: int, coarse: wp.array3d(dtype=float), every: int, out: wp.array3d(dtype=float)
):
    """As `sample`, but far from the surface the coarse field (each `every`-th sample) is good enough."""
    i, j, k = wp.tid()
    c = coarse[(i + every / 2) / every, (j + every / 2) / every, (k + every / 2) / every]
    if wp.abs(c) > step * float(every) * 2.0:
        out[i, j, k] = c
        return
    p = origin + wp.vec3(float(i), float(j), float(k)) * step
    out[i, j, k] = solid(p, kind)[0]


@wp.kernel
def surface(
    point: wp.array(dtype=wp.vec3), kind: int, normal: wp.array(dtype=wp.vec3), part_open: wp.array(dtype=wp.vec2)
):
    """Normal, part and sky seen (a few steps out along the normal) at points of the surface."""
    i = wp.tid()
    p = point[i]
    e = float(0.0035)
    g = wp.vec3(
        solid(p + wp.vec3(e, 0.0, 0.0), kind)[0] - solid(p - wp.vec3(e, 0.0, 0.0), kind)[0],
        solid(p + wp.vec3(0.0, e, 0.0), kind)[0] - solid(p - wp.vec3(0.0, e, 0.0), kind)[0],
        solid(p + wp.vec3(0.0, 0.0, e), kind)[0] - solid(p - wp.vec3(0.0, 0.0, e), kind)[0],
    )
    n = wp.normalize(g)
    seen = float(1.0)
    h = float(0.02)
    w = float(0.55)
    for _k in range(5):
        d = solid(p + n * h, kind)[0]
        seen -= w * wp.clamp((h - d) / h, 0.0, 1.0) * 0.5
        h *= 1.8
        w *= 0.75
    normal[i] = n
    part_open[i] = wp.vec2(
        solid(p, kind)[1], wp.clamp(seen, 0.12, 1.0) * (0.55 + 0.45 * wp.clamp(p[1] / 0.9, 0.0, 1.0))
    )
