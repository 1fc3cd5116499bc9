"""Warp functions of a view: world to plate pixels and back, through the lens tables. One source for CPU and CUDA.

Positions on the device are relative to the current camera's place ('rel'), so that float32 is enough far from the
world's origin.
"""

from __future__ import annotations

import warp as wp

from composer.io.warp_log import quiet_warp

quiet_warp()

#: For every kernel module of this room. Warp's own CPU flags, but no fused multiply-adds: the same bits on every x86
#: node.
OPTIONS = {
    "enable_backward": False,
    "cpu_compiler_flags": "-march=native -mllvm=-inline-threshold=9000 -mllvm=-inline-cold-callsite-threshold=3000"
    " -mllvm=-slp-recursion-max-depth=4 -ffp-contract=off",
}

NEAR_M = wp.constant(0.05)

mat34 = wp.types.matrix(shape=(3, 4), dtype=wp.float32)


@wp.struct
class Grid2:
    """A `lens_table.Grid` on the device; `on` 0 means no lens."""

    value: wp.array2d(dtype=wp.vec2)
    on: int
    x0: float
    y0: float
    inv_dx: float
    inv_dy: float


@wp.struct
class Eye:
    """A view on the device: camera_from_rel as three rows and a shift, pinhole, and the lens both ways."""

    row_x: wp.vec3
    row_y: wp.vec3
    row_z: wp.vec3
    shift: wp.vec3
    fx: float
    fy: float
    cx: float
    cy: float
    forward: Grid2
    inverse: Grid2


@wp.func
def grid_read(grid: Grid2, x: float, y: float) -> wp.vec2:
    """The residual at (x, y): Catmull-Rom, bilinear where that touches a NaN; the border's value outside."""
    nx = grid.value.shape[1]
    ny = grid.value.shape[0]
    gx = wp.clamp((x - grid.x0) * grid.inv_dx, 0.0, float(nx - 1))
    gy = wp.clamp((y - grid.y0) * grid.inv_dy, 0.0, float(ny - 1))
    ix = wp.min(int(gx), nx - 2)
    iy = wp.min(int(gy), ny - 2)
    u = gx - float(ix)
    v = gy - float(iy)
    wx = wp.vec4(
        ((-0.5 * u + 1.0) * u - 0.5) * u,
        (1.5 * u - 2.5) * u * u + 1.0,
        ((-1.5 * u + 2.0) * u + 0.5) * u,
        (0.5 * u - 0.5) * u * u,
    )
    wy = wp.vec4(
        ((-0.5 * v + 1.0) * v - 0.5) * v,
        (1.5 * v - 2.5) * v * v + 1.0,
        ((-1.5 * v + 2.0) * v + 0.5) * v,
        (0.5 * v - 0.5) * v * v,
    )
    xa = wp.max(ix - 1, 0)
    xd = wp.min(ix + 2, nx - 1)
    total = wp.vec2(0.0, 0.0)
    for b in range(4):
        j = wp.clamp(iy + b - 1, 0, ny - 1)
        row = (
            grid.value[j, xa] * wx[0]
            + grid.value[j, ix] * wx[1]
            + grid.value[j, ix + 1] * wx[2]
            + grid.value[j, xd] * wx[3]
        )
        total += row * wy[b]
    if wp.isnan(total[0]) or wp.isnan(total[1]):
        top = grid.value[iy, ix] * (1.0 - u) + grid.value[iy, ix + 1] * u
        low = grid.value[iy + 1, ix] * (1.0 - u) + grid.value[iy + 1, ix + 1] * u
        total = top * (1.0 - v) + low * v
    return total


@wp.func
def to_camera(eye: Eye, rel: wp.vec3) -> wp.vec3:
    """Camera space with depth in z: x right, y DOWN, z forward."""
    x = wp.dot(eye.row_x, rel) + eye.shift[0]
    y = wp.dot(eye.row_y, rel) + eye.shift[1]
    z = wp.dot(eye.row_z, rel) + eye.shift[2]
    return wp.vec3(x, -y, -z)


@wp.func
def camera_to_pixel(eye: Eye, cam: wp.vec3) -> wp.vec2:
    """Plate pixel of a camera-space point in front of the camera; NaN outside the lens's domain."""
    x = cam[0] / cam[2]
    y = cam[1] / cam[2]
    px = wp.vec2(x * eye.fx + eye.cx, y * eye.fy + eye.cy)
    if eye.forward.on != 0:
        px += grid_read(eye.forward, x, y)
    return px


@wp.func
def pixel_ray(eye: Eye, x: float, y: float) -> wp.vec3:
    """The camera-space direction (y down, z = 1) of a plate pixel."""
    ray = wp.vec2((x - eye.cx) / eye.fx, (y - eye.cy) / eye.fy)
    if eye.inverse.on != 0:
        ray += grid_read(eye.inverse, x, y)
    return wp.vec3(ray[0], ray[1], 1.0)


@wp.func
def to_world(eye: Eye, cam: wp.vec3) -> wp.vec3:
    """A camera-space vector (y down, z forward) turned into world axes (no shift)."""
    return eye.row_x * cam[0] - eye.row_y * cam[1] - eye.row_z * cam[2]


@wp.func
def rotate(m: mat34, v: wp.vec3) -> wp.vec3:
    return wp.vec3(
        m[0, 0] * v[0] + m[0, 1] * v[1] + m[0, 2] * v[2],
        m[1, 0] * v[0] + m[1, 1] * v[1] + m[1, 2] * v[2],
        m[2, 0] * v[0] + m[2, 1] * v[1] + m[2, 2] * v[2],
    )


@wp.func
def move(m: mat34, v: wp.vec3) -> wp.vec3:
    return rotate(m, v) + wp.vec3(m[0, 3], m[1, 3], m[2, 3])


@wp.struct
class Meshes:
    """All meshes of a cast, one after the other. Vertices are places: those of a mesh that differ only in their normal are
    one. tri holds vertex numbers within the mesh, tri_normal numbers of `normal` and of albedo, uv and open, which only
    pieces of the place have."""

    position: wp.array(dtype=wp.vec3)
    joint: wp.array(dtype=wp.vec2i)
    weight: wp.array(dtype=float)
    normal: wp.array(dtype=wp.vec3)
    tri: wp.array(dtype=wp.vec3i)
    tri_normal: wp.array(dtype=wp.vec3i)
    albedo: wp.array(dtype=wp.vec3)
    uv: wp.array(dtype=wp.vec3)
    open: wp.array(dtype=float)
    material: wp.array(dtype=int)
    first_vertex: wp.array(dtype=int)
    vertices: wp.array(dtype=int)
    first_tri: wp.array(dtype=int)
    tris: wp.array(dtype=int)


@wp.struct
class Draws:
    """The agents at work this frame ('slots', ascending agent id). A slot's matrices, one a joint, start at
    `first_matrix` of each of the three frames. rel, pixel, sunward: of each vertex; pixel where the agent may be seen,
    sunward (metres along the sun's axes u, v and away from it) where he casts."""

    mesh: wp.array(dtype=int)
    rig: wp.array(dtype=int)
    first_vertex: wp.array(dtype=int)
    first_matrix: wp.array(dtype=int)
    matrix: wp.array2d(dtype=mat34)
    rel: wp.array(dtype=wp.vec3)
    pixel: wp.array(dtype=wp.vec3)
    sunward: wp.array(dtype=wp.vec3)


@wp.func
def skinned(meshes: Meshes, draws: Draws, slot: int, frame: int, vertex: int) -> wp.vec3:
    """Where mesh vertex `vertex` (in the packed arrays) of the agent in `slot` is, rel; frame 0 before, 1 now, 2
    next."""
    v = meshes.position[vertex]
    j = meshes.joint[vertex]
    w = meshes.weight[vertex]
    base = draws.first_matrix[slot]
    p = move(draws.matrix[frame, base + j[0]], v)
    if w < 1.0:
        p = p * w + move(draws.matrix[frame, base + j[1]], v) * (1.0 - w)
    return p
