# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels from clips to skinned vertices: joint matrices, vertices in the picture, joints in the picture."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_view import (
    NEAR_M,
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
    """A joint's rotation (a quaternion of any length) and place in figure space, between two samples of a clip."""
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
    q = qa * (1.0 - t) + qb * t
    return q, motion.position[base + i * joints] * (1.0 - t) + motion.position[base + k * joints] * t


@wp.func
def turned(q: wp.quat, scale: float) -> wp.mat33:
    """The matrix of a quaternion of any length but 0, times `scale`."""
    s = 2.0 * scale / wp.dot(q, q)
    x = q[0] * s
    y = q[1] * s
    z = q[2] * s
    xx = q[0] * x
    yy = q[1] * y
    zz = q[2] * z
    xy = q[0] * y
    xz = q[0] * z
    yz = q[1] * z
    wx = q[3] * x
    wy = q[3] * y
    wz = q[3] * z
    return wp.mat33(
        scale - yy - zz, xy - wz, xz + wy,
        xy + wz, scale - xx - zz, yz - wx,
        xz - wy, yz + wx, scale - xx - yy,
    )  # fmt: skip


@wp.kernel
def pose_kernel(
    motion: Motion, who: wp.array(dtype=int), first_frame: int, first_matrix: wp.array(dtype=int), lanes: int,
    matrix: wp.array2d(dtype=mat34),
):  # fmt: skip
    """dim (slots listed, frames, lanes): world matrix of each joint at every second frame from the first, to be
    applied to bind-pose vertices."""
    slot, frame, lane = wp.tid()
    slot = who[slot]
    frame = first_frame + 2 * frame
    clip = motion.clip[frame, slot]
    angle = motion.heading[frame, slot]
    turn = wp.quat(0.0, wp.sin(0.5 * angle), 0.0, wp.cos(0.5 * angle))
    if motion.up.shape[0] > 0:
        turn = lean(motion.up[frame, slot]) * turn
    scale = motion.scale[slot]
    share = float(1.0)
    if motion.blend.shape[0] > 0:
        share = motion.blend[frame, slot]
    whole = turned(turn, scale)
    joint = int(lane)
    while joint < motion.joints[clip]:
        q, p = sampled(motion, clip, motion.phase[frame, slot], joint)
        if share < 1.0:
            before, place = sampled(motion, motion.clip_from[frame, slot], motion.phase_from[frame, slot], joint)
            before = wp.normalize(before)
            q = wp.normalize(q)
            if wp.dot(before, q) < 0.0:
                before = -before
            q = before * (1.0 - share) + q * share
            p = place * (1.0 - share) + p * share
        r = turned(turn * q, scale)
        bind = motion.bind[motion.first_bind[clip] + joint]
        shift = motion.place[frame, slot] + whole * p - r * bind
        matrix[frame, first_matrix[slot] + joint] = mat34(
            r[0, 0], r[0, 1], r[0, 2], shift[0],
            r[1, 0], r[1, 1], r[1, 2], shift[1],
            r[2, 0], r[2, 1], r[2, 2], shift[2],
        )  # fmt: skip
        joint += lanes


@wp.kernel
def skin_kernel(
    meshes: Meshes,
    draws: Draws,
    eye: Eye,
    axis_u: wp.vec3,
    axis_v: wp.vec3,
    toward: wp.vec3,
    first_slot: int,
    lanes: int,
    seen: wp.array(dtype=int),
    casts: wp.array(dtype=int),
    box: wp.array2d(dtype=int),
):
    """dim (slots, lanes): skin every vertex now; project those of agents that may be seen, and towards the sun (its axes
    u, v and `toward`) those of agents that cast.

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
        if casts[slot] != 0:
            draws.sunward[target + i] = wp.vec3(wp.dot(axis_u, p), wp.dot(axis_v, p), -wp.dot(toward, p))
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
def cast_kernel(
    meshes: Meshes,
    draws: Draws,
    who: wp.array(dtype=int),
    lanes: int,
    axis_u: wp.vec3,
    axis_v: wp.vec3,
    toward: wp.vec3,
):
    """dim (slots listed, lanes): `draws.sunward` of every vertex now, and nothing else."""
    slot, lane = wp.tid()
    slot = who[slot]
    mesh = draws.mesh[slot]
    first = meshes.first_vertex[mesh]
    i = int(lane)
    while i < meshes.vertices[mesh]:
        p = skinned(meshes, draws, slot, 1, first + i)
        place = wp.vec3(wp.dot(axis_u, p), wp.dot(axis_v, p), -wp.dot(toward, p))
        draws.sunward[draws.first_vertex[slot] + i] = place
        i += lanes


@wp.kernel
def joint_kernel(
    draws: Draws, who: wp.array(dtype=int), joint: wp.array2d(dtype=int), place: wp.array2d(dtype=wp.vec3), eye: Eye,
    rel: wp.array2d(dtype=wp.vec3), pixel: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """dim (slots listed, joints): joints now, rel and, unless `pixel` is [0, 0], as (x, y, depth) in the picture (NaN where it
    has no pixel). joint [rigs, joints]: which of its own each rig has there, -1 none: NaN."""
    item, k = wp.tid()
    slot = who[item]
    rig = draws.rig[slot]
    pictured = pixel.shape[0] > 0
    if joint[rig, k] < 0:
        rel[item, k] = wp.vec3(wp.nan, wp.nan, wp.nan)
        if pictured:
            pixel[item, k] = wp.vec3(wp.nan, wp.nan, -1.0)
        return
    p = move(draws.matrix[1, draws.first_matrix[slot] + joint[rig, k]], place[rig, k])
    rel[item, k] = p
    if pictured:
        cam = to_camera(eye, p)
        if cam[2] > NEAR_M:
            px = camera_to_pixel(eye, cam)
            pixel[item, k] = wp.vec3(px[0], px[1], cam[2])
        else:
            pixel[item, k] = wp.vec3(wp.nan, wp.nan, cam[2])
