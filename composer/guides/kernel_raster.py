# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels from poses to the visibility buffer and the sun's depth maps.

The visibility buffer holds `depth bits << 32 | slot << 12 | triangle` for each sample, least wins, so the result does
not depend on the order of threads. Vertices are snapped to 1/256 pixel and edges are integers: shared edges leave no
gaps, whatever the band.
"""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import (
    OPTIONS,
    Draws,
    Eye,
    Meshes,
    camera_to_pixel,
    mat34,
    move,
    skinned,
    to_camera,
)

wp.set_module_options(OPTIONS)

EMPTY = 0xFFFFFFFFFFFFFFFF
NEAR_M = wp.constant(0.05)
LIMIT_PX = wp.constant(3.0e6)
#: An edge value that no step brings back to the inside.
NEVER = wp.constant(wp.int64(-(1 << 62)))


@wp.struct
class Motion:
    """Clips, one after the other, and what each agent is doing at the three frames. up: [0, 0] where all are upright.
    clip_from, phase_from, blend: [0, 0] where nobody fades from one clip into another.

    A clip's samples start at `first`, `joints` entries each; its rig's bind places start at `first_bind`.
    """

    rotation: wp.array(dtype=wp.quat)
    position: wp.array(dtype=wp.vec3)
    first: wp.array(dtype=int)
    count: wp.array(dtype=int)
    joints: wp.array(dtype=int)
    first_bind: wp.array(dtype=int)
    looped: wp.array(dtype=int)
    bind: wp.array(dtype=wp.vec3)
    place: wp.array2d(dtype=wp.vec3)
    heading: wp.array2d(dtype=float)
    up: wp.array2d(dtype=wp.vec3)
    clip: wp.array2d(dtype=int)
    phase: wp.array2d(dtype=float)
    clip_from: wp.array2d(dtype=int)
    phase_from: wp.array2d(dtype=float)
    blend: wp.array2d(dtype=float)
    scale: wp.array(dtype=float)


@wp.func
def lean(up: wp.vec3) -> wp.quat:
    """The shortest arc from +Y to `up`, of any length; about x where undecided, none where `up` is no direction."""
    size = wp.length(up)
    turn = wp.quat(0.0, 0.0, 0.0, 1.0)
    if size > 1.0e-6 and size < 1.0e6:
        y = up[1] / size
        turn = wp.quat(1.0, 0.0, 0.0, 0.0)
        if y > -0.999999:
            turn = wp.normalize(wp.quat(up[2] / size, 0.0, -up[0] / size, 1.0 + y))
    return turn


@wp.func
def sampled(motion: Motion, clip: int, phase: float, joint: int):
    """A joint's rotation and place in figure space, between two samples of a clip."""
    joints = motion.joints[clip]
    n = motion.count[clip]
    s = phase * float(n)
    i = int(wp.floor(s))
    t = s - float(i)
    k = i + 1
    if motion.looped[clip] != 0:
        i = i % n
        k = k % n
    else:
        i = wp.clamp(i, 0, n - 1)
        k = wp.clamp(k, 0, n - 1)
    base = motion.first[clip] + joint
    qa = motion.rotation[base + i * joints]
    qb = motion.rotation[base + k * joints]
    if wp.dot(qa, qb) < 0.0:
        qb = -qb
    q = wp.normalize(qa * (1.0 - t) + qb * t)
    return q, motion.position[base + i * joints] * (1.0 - t) + motion.position[base + k * joints] * t


@wp.kernel
def pose_kernel(
    motion: Motion, who: wp.array(dtype=int), first_frame: int, first_matrix: wp.array(dtype=int),
    matrix: wp.array2d(dtype=mat34),
):  # fmt: skip
    """dim (slots listed, frames, most joints): world matrix of each joint at every second frame from the first, to be
    applied to bind-pose vertices."""
    slot, frame, joint = wp.tid()
    slot = who[slot]
    frame = first_frame + 2 * frame
    clip = motion.clip[frame, slot]
    if joint >= motion.joints[clip]:
        return
    q, p = sampled(motion, clip, motion.phase[frame, slot], joint)
    if motion.blend.shape[0] > 0:
        share = motion.blend[frame, slot]
        if share < 1.0:
            before, place = sampled(motion, motion.clip_from[frame, slot], motion.phase_from[frame, slot], joint)
            if wp.dot(before, q) < 0.0:
                before = -before
            q = wp.normalize(before * (1.0 - share) + q * share)
            p = place * (1.0 - share) + p * share
    angle = motion.heading[frame, slot]
    turn = wp.quat(0.0, wp.sin(0.5 * angle), 0.0, wp.cos(0.5 * angle))
    if motion.up.shape[0] > 0:
        turn = lean(motion.up[frame, slot]) * turn
    scale = motion.scale[slot]
    r = wp.quat_to_matrix(turn * q) * scale
    bind = motion.bind[motion.first_bind[clip] + joint]
    shift = motion.place[frame, slot] + wp.quat_rotate(turn, p) * scale - r * bind
    matrix[frame, first_matrix[slot] + joint] = mat34(
        r[0, 0], r[0, 1], r[0, 2], shift[0],
        r[1, 0], r[1, 1], r[1, 2], shift[1],
        r[2, 0], r[2, 1], r[2, 2], shift[2],
    )  # fmt: skip


@wp.kernel
def skin_kernel(
    meshes: Meshes,
    draws: Draws,
    eye: Eye,
    first_slot: int,
    lanes: int,
    seen: wp.array(dtype=int),
    box: wp.array2d(dtype=int),
):
    """dim (slots, lanes): skin every vertex now; project those of agents that may be seen.

    draws.pixel gets (x, y, depth); x is NaN outside the lens's domain, depth is as it is behind the near plane.
    box[slot] = (x0, y0, x1, y1, crosses the near plane, least depth), whole pixels and 1/1024 m, by atomic min and max.
    """
    slot, lane = wp.tid()
    slot += first_slot
    mesh = draws.mesh[slot]
    source = meshes.first_vertex[mesh]
    target = draws.first_vertex[slot]
    count = meshes.vertices[mesh]
    x0 = float(1.0e9)
    y0 = float(1.0e9)
    x1 = float(-1.0e9)
    y1 = float(-1.0e9)
    near = float(1.0e6)
    crosses = int(0)
    i = int(lane)
    while i < count:
        p = skinned(meshes, draws, slot, 1, source + i)
        draws.rel[target + i] = p
        if seen[slot] != 0:
            cam = to_camera(eye, p)
            if cam[2] > NEAR_M:
                px = camera_to_pixel(eye, cam)
                draws.pixel[target + i] = wp.vec3(px[0], px[1], cam[2])
                near = wp.min(near, cam[2])
                if px[0] == px[0] and px[1] == px[1]:
                    x0 = wp.min(x0, px[0])
                    y0 = wp.min(y0, px[1])
                    x1 = wp.max(x1, px[0])
                    y1 = wp.max(y1, px[1])
            else:
                draws.pixel[target + i] = wp.vec3(0.0, 0.0, cam[2])
                crosses = 1
        i += lanes
    if seen[slot] != 0:
        wp.atomic_min(box, slot, 0, int(wp.clamp(wp.floor(x0), -1.0e8, 1.0e8)))
        wp.atomic_min(box, slot, 1, int(wp.clamp(wp.floor(y0), -1.0e8, 1.0e8)))
        wp.atomic_max(box, slot, 2, int(wp.clamp(wp.floor(x1), -1.0e8, 1.0e8)))
        wp.atomic_max(box, slot, 3, int(wp.clamp(wp.floor(y1), -1.0e8, 1.0e8)))
        wp.atomic_max(box, slot, 4, crosses)
        wp.atomic_min(box, slot, 5, int(near * 1024.0))


@wp.kernel
def joint_kernel(
    draws: Draws, joint: wp.array2d(dtype=int), place: wp.array2d(dtype=wp.vec3), eye: Eye,
    rel: wp.array2d(dtype=wp.vec3), pixel: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """dim (slots, joints): joints now, rel and as (x, y, depth) in the picture (NaN where it has no pixel). joint [rigs,
    joints]: which of its own each rig has there, -1 none: NaN."""
    slot, k = wp.tid()
    rig = draws.rig[slot]
    if joint[rig, k] < 0:
        rel[slot, k] = wp.vec3(wp.nan, wp.nan, wp.nan)
        pixel[slot, k] = wp.vec3(wp.nan, wp.nan, -1.0)
        return
    p = move(draws.matrix[1, draws.first_matrix[slot] + joint[rig, k]], place[rig, k])
    rel[slot, k] = p
    cam = to_camera(eye, p)
    if cam[2] > NEAR_M:
        px = camera_to_pixel(eye, cam)
        pixel[slot, k] = wp.vec3(px[0], px[1], cam[2])
    else:
        pixel[slot, k] = wp.vec3(wp.nan, wp.nan, cam[2])


@wp.func
def fixed(x: float) -> wp.int64:
    """Pixels to 1/256 pixel, rounded (halves away from zero)."""
    half = float(0.5)
    if x < 0.0:
        half = -0.5
    return wp.int64(int(x * 256.0 + half))


@wp.func
def plot(
    u: wp.int64, v: wp.int64, w: wp.int64, iu: float, iv: float, iw: float, payload: wp.uint64, cell: int,
    vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """One sample, if it lies inside all three edges. The weights are not negative, so the depth lies within the
    triangle's own."""
    if (u | v | w) >= wp.int64(0):
        depth = 1.0 / (float(u) * iu + float(v) * iv + float(w) * iw)
        key = (wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)) | payload
        wp.atomic_min(vis, cell, key)


@wp.func
def scan(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, payload: wp.uint64, both_sides: int,
    row0: int, row1: int, width: int, samples: int, offset: wp.array(dtype=wp.vec2i), vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """One triangle (x, y, depth) into the samples of rows row0..row1 of the buffer, which starts at row0.
    Front faces are clockwise on the picture (y down)."""
    big = wp.max(wp.max(wp.abs(a[0]), wp.abs(a[1])), wp.max(wp.abs(b[0]), wp.abs(b[1])))
    big = wp.max(big, wp.max(wp.abs(c[0]), wp.abs(c[1])))
    if not (big < LIMIT_PX):
        return
    ax = fixed(a[0])
    ay = fixed(a[1])
    bx = fixed(b[0])
    by = fixed(b[1])
    cx = fixed(c[0])
    cy = fixed(c[1])
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    zb = b[2]
    zc = c[2]
    if area == wp.int64(0):
        return
    if area > wp.int64(0):
        if both_sides == 0:
            return
        tx = bx
        ty = by
        bx = cx
        by = cy
        cx = tx
        cy = ty
        zb = c[2]
        zc = b[2]
        area = -area
    # pixels with a sample in the triangle's box: sample places lie in inset .. 256 - inset, either way
    eight = wp.int64(8)
    inset = wp.int64(offset[samples][0])
    y0 = wp.max(int((wp.min(ay, wp.min(by, cy)) + inset - wp.int64(1)) >> eight), row0)
    y1 = wp.min(int((wp.max(ay, wp.max(by, cy)) - inset) >> eight), row1 - 1)
    x0 = wp.max(int((wp.min(ax, wp.min(bx, cx)) + inset - wp.int64(1)) >> eight), 0)
    x1 = wp.min(int((wp.max(ax, wp.max(bx, cx)) - inset) >> eight), width - 1)
    if y1 < y0 or x1 < x0:
        return
    # edge k is >= 0 inside; e(x, y) = e0 + dx * x + dy * y
    ux = cy - by
    uy = bx - cx
    vx = ay - cy
    vy = cx - ax
    wx = by - ay
    wy = ax - bx
    u0 = -(ux * bx + uy * by)
    v0 = -(vx * cx + vy * cy)
    w0 = -(wx * ax + wy * ay)
    # 1 / depth is a plane over the picture; the edges over the area are its barycentric weights
    inverse_area = -1.0 / float(area)
    iu = inverse_area / a[2]
    iv = inverse_area / zb
    iw = inverse_area / zc
    # a whole pixel lies outside if its most inward corner does
    full = wp.int64(256)
    zero = wp.int64(0)
    u_in = full * (wp.max(ux, zero) + wp.max(uy, zero))
    v_in = full * (wp.max(vx, zero) + wp.max(vy, zero))
    w_in = full * (wp.max(wx, zero) + wp.max(wy, zero))
    # samples four at a time, their steps from the pixel's corner kept (loops over ranges are slow on the CPU back end)
    s = int(0)
    while s < samples:
        px0 = wp.int64(offset[s][0])
        py0 = wp.int64(offset[s][1])
        u0s = ux * px0 + uy * py0
        v0s = vx * px0 + vy * py0
        w0s = wx * px0 + wy * py0
        u1s = wp.int64(NEVER)
        u2s = wp.int64(NEVER)
        u3s = wp.int64(NEVER)
        v1s = zero
        v2s = zero
        v3s = zero
        w1s = zero
        w2s = zero
        w3s = zero
        if samples > 1:
            px = wp.int64(offset[s + 1][0])
            py = wp.int64(offset[s + 1][1])
            u1s = ux * px + uy * py
            v1s = vx * px + vy * py
            w1s = wx * px + wy * py
            px = wp.int64(offset[s + 2][0])
            py = wp.int64(offset[s + 2][1])
            u2s = ux * px + uy * py
            v2s = vx * px + vy * py
            w2s = wx * px + wy * py
            px = wp.int64(offset[s + 3][0])
            py = wp.int64(offset[s + 3][1])
            u3s = ux * px + uy * py
            v3s = vx * px + vy * py
            w3s = wx * px + wy * py
        y = int(y0)
        while y <= y1:
            sx = wp.int64(x0) * full
            sy = wp.int64(y) * full
            u = u0 + ux * sx + uy * sy
            v = v0 + vx * sx + vy * sy
            w = w0 + wx * sx + wy * sy
            cell = ((y - row0) * width + x0) * samples + s
            x = int(x0)
            while x <= x1:
                if ((u + u_in) | (v + v_in) | (w + w_in)) >= zero:
                    plot(u + u0s, v + v0s, w + w0s, iu, iv, iw, payload, cell, vis)
                    plot(u + u1s, v + v1s, w + w1s, iu, iv, iw, payload, cell + 1, vis)
                    plot(u + u2s, v + v2s, w + w2s, iu, iv, iw, payload, cell + 2, vis)
                    plot(u + u3s, v + v3s, w + w3s, iu, iv, iw, payload, cell + 3, vis)
                u += full * ux
                v += full * vx
                w += full * wx
                cell += samples
                x += 1
            y += 1
        s += 4


@wp.func
def cut(inside: wp.vec3, outside: wp.vec3, near_m: float) -> wp.vec3:
    """Where the segment from a camera-space point beyond the near plane to one before it meets that plane."""
    t = (inside[2] - near_m) / (inside[2] - outside[2])
    p = inside + (outside - inside) * t
    return wp.vec3(p[0], p[1], near_m)


@wp.func
def on_picture(eye: Eye, cam: wp.vec3) -> wp.vec3:
    px = camera_to_pixel(eye, cam)
    return wp.vec3(px[0], px[1], cam[2])


@wp.func
def scan_clipped(
    eye: Eye, near_m: float, a: wp.vec3, b: wp.vec3, c: wp.vec3, payload: wp.uint64, both_sides: int,
    row0: int, row1: int, width: int, samples: int, offset: wp.array(dtype=wp.vec2i), vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """`scan` for a camera-space triangle that the near plane cuts: it becomes one triangle or two."""
    fa = a[2] > near_m
    fb = b[2] > near_m
    fc = c[2] > near_m
    # turn it (keeping the winding) until a is the odd one out
    if fb != fa and fb != fc:
        t = a
        a = b
        b = c
        c = t
    elif fc != fa and fc != fb:
        t = a
        a = c
        c = b
        b = t
    p0 = wp.vec3(0.0, 0.0, 0.0)
    p1 = wp.vec3(0.0, 0.0, 0.0)
    p2 = wp.vec3(0.0, 0.0, 0.0)
    p3 = wp.vec3(0.0, 0.0, 0.0)
    pieces = int(1)
    if a[2] > near_m:
        p0 = on_picture(eye, a)
        p1 = on_picture(eye, cut(a, b, near_m))
        p2 = on_picture(eye, cut(a, c, near_m))
    else:
        p0 = on_picture(eye, cut(b, a, near_m))
        p1 = on_picture(eye, b)
        p2 = on_picture(eye, c)
        p3 = on_picture(eye, cut(c, a, near_m))
        pieces = 2
    for k in range(pieces):
        if k == 1:
            p1 = p2
            p2 = p3
        scan(p0, p1, p2, payload, both_sides, row0, row1, width, samples, offset, vis)


#: Side of the squares of pixels whose farthest sample is known, to pass over agents that are wholly hidden.
COARSE = 4


@wp.kernel
def coarse_kernel(vis: wp.array(dtype=wp.uint64), rows: int, width: int, samples: int, far: wp.array2d(dtype=float)):
    """dim as `far`: the depth that no sample of a square exceeds; squares with an empty sample keep what they have."""
    j, i = wp.tid()
    if far[j, i] < 1.0e9:
        return
    y1 = wp.min(4 * j + 4, rows)
    n = (wp.min(4 * i + 4, width) - 4 * i) * samples
    most = wp.uint64(0)
    y = int(4 * j)
    while y < y1:
        k = (y * width + 4 * i) * samples
        end = k + n
        while k < end:
            most = wp.max(most, vis[k])
            k += 1
        if most == wp.uint64(0xFFFFFFFFFFFFFFFF):
            return
        y += 1
    far[j, i] = wp.cast(wp.uint32(most >> wp.uint64(32)), wp.float32)


@wp.func
def behind(
    near: float, left: int, top: int, right: int, bottom: int, row0: int, row1: int, width: int,
    far: wp.array2d(dtype=float),
) -> int:  # fmt: skip
    """1 where every square that these pixels (and the ones beside them) touch in the band is filled by what is nearer
    than `near`."""
    y0 = (wp.clamp(top - 1, row0, row1 - 1) - row0) / 4
    y1 = (wp.clamp(bottom + 1, row0, row1 - 1) - row0) / 4
    x0 = wp.clamp(left - 1, 0, width - 1) / 4
    x1 = wp.clamp(right + 1, 0, width - 1) / 4
    j = int(y0)
    while j <= y1:
        i = int(x0)
        while i <= x1:
            if not (far[j, i] < near):
                return 0
            i += 1
        j += 1
    return 1


@wp.kernel
def raster_kernel(
    meshes: Meshes,
    draws: Draws,
    eye: Eye,
    slots: wp.array(dtype=int),
    lanes: int,
    row0: int,
    row1: int,
    width: int,
    samples: int,
    offset: wp.array(dtype=wp.vec2i),
    vis: wp.array(dtype=wp.uint64),
    box: wp.array2d(dtype=int),
    far: wp.array2d(dtype=float),
):
    """dim (slots listed, lanes): their triangles into the band of rows row0..row1. far: as by `coarse_kernel`, or
    [0, 0] to draw all."""
    item, lane = wp.tid()
    slot = slots[item]
    sieve = far.shape[0]
    if sieve > 0 and box[slot, 4] == 0:
        # depths within a triangle keep within its corners' but for rounding
        near = float(box[slot, 5]) * (0.9999 / 1024.0)
        if behind(near, box[slot, 0], box[slot, 1], box[slot, 2], box[slot, 3], row0, row1, width, far) != 0:
            return
    mesh = draws.mesh[slot]
    first = meshes.first_tri[mesh]
    count = meshes.tris[mesh]
    base = draws.first_vertex[slot]
    t = int(lane)
    while t < count:
        v = meshes.tri[first + t]
        a = draws.pixel[base + v[0]]
        b = draws.pixel[base + v[1]]
        c = draws.pixel[base + v[2]]
        top = wp.min(a[1], wp.min(b[1], c[1]))
        bottom = wp.max(a[1], wp.max(b[1], c[1]))
        payload = (wp.uint64(slot) << wp.uint64(12)) | wp.uint64(t)
        low = wp.min(a[2], wp.min(b[2], c[2]))
        turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        size = wp.abs(b[0] - a[0]) + wp.abs(b[1] - a[1]) + wp.abs(c[0] - a[0]) + wp.abs(c[1] - a[1])
        if low > NEAR_M and (bottom < float(row0) - 1.0 or top > float(row1) + 1.0 or turn > 0.01 * size + 0.0001):
            # not in this band, or a back face whatever the snapping
            t += lanes
            continue
        if low > NEAR_M and sieve > 0:
            left = wp.min(a[0], wp.min(b[0], c[0]))
            right = wp.max(a[0], wp.max(b[0], c[0]))
            if behind(low * 0.9999, int(left), int(top), int(right), int(bottom), row0, row1, width, far) != 0:
                t += lanes
                continue
        if low > NEAR_M:
            scan(a, b, c, payload, 0, row0, row1, width, samples, offset, vis)
        elif wp.max(a[2], wp.max(b[2], c[2])) > NEAR_M:
            scan_clipped(
                eye, NEAR_M, to_camera(eye, draws.rel[base + v[0]]), to_camera(eye, draws.rel[base + v[1]]),
                to_camera(eye, draws.rel[base + v[2]]), payload, 0, row0, row1, width, samples, offset, vis,
            )  # fmt: skip
        t += lanes
