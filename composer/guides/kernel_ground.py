"""Warp kernels that draw a ground mesh: triangle numbers into a pinhole buffer, then each plate pixel's own ray
against the triangles around it, so that depth is exact through any lens however large the triangles are."""

from __future__ import annotations

import warp as wp

from composer.guides.kernel_scan import scan, scan_clipped
from composer.guides.kernel_view import OPTIONS, Eye, pixel_ray, to_camera

wp.set_module_options(OPTIONS)

NOTHING = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))
#: The ground's near plane: grounds lie further from a lens than this.
GROUND_NEAR_M = wp.constant(0.25)


@wp.kernel
def place_kernel(eye: Eye, rel: wp.array(dtype=wp.vec3), first: int, cam: wp.array(dtype=wp.vec3)):
    """dim (V): camera space."""
    i = wp.tid() + first
    cam[i] = to_camera(eye, rel[i])


@wp.kernel
def ground_raster_kernel(
    flat: Eye, cam: wp.array(dtype=wp.vec3), triangle: wp.array(dtype=wp.vec3i), row0: int, row1: int, width: int,
    offset: wp.array(dtype=wp.vec2i), vis: wp.array(dtype=wp.uint64),
):  # fmt: skip
    """dim (T): triangle numbers into rows row0..row1 of the pinhole buffer."""
    t = wp.tid()
    v = triangle[t]
    a = cam[v[0]]
    b = cam[v[1]]
    c = cam[v[2]]
    low = wp.min(a[2], wp.min(b[2], c[2]))
    if low > GROUND_NEAR_M:
        pa = wp.vec3(a[0] / a[2] * flat.fx + flat.cx, a[1] / a[2] * flat.fy + flat.cy, a[2])
        pb = wp.vec3(b[0] / b[2] * flat.fx + flat.cx, b[1] / b[2] * flat.fy + flat.cy, b[2])
        pc = wp.vec3(c[0] / c[2] * flat.fx + flat.cx, c[1] / c[2] * flat.fy + flat.cy, c[2])
        top = wp.min(pa[1], wp.min(pb[1], pc[1]))
        bottom = wp.max(pa[1], wp.max(pb[1], pc[1]))
        if bottom >= float(row0) - 1.0 and top <= float(row1) + 1.0:
            scan(pa, pb, pc, wp.uint64(t), 1, row0, row1, width, 1, offset, vis)
    elif wp.max(a[2], wp.max(b[2], c[2])) > GROUND_NEAR_M:
        scan_clipped(flat, GROUND_NEAR_M, a, b, c, wp.uint64(t), 1, row0, row1, width, 1, offset, vis)


@wp.func
def plane_depth(a: wp.vec3, b: wp.vec3, c: wp.vec3, ray: wp.vec3, slack: float) -> float:
    """Depth at which a ray (z = 1) meets a triangle widened by `slack` (barycentric); -1 where it does not."""
    ab = b - a
    ac = c - a
    across = wp.cross(ray, ac)
    area = wp.dot(ab, across)
    depth = float(-1.0)
    if wp.abs(area) > 1.0e-12:
        v = -wp.dot(a, across) / area
        w = -wp.dot(ray, wp.cross(a, ab)) / area
        if v >= -slack and w >= -slack and v + w <= 1.0 + slack:
            depth = -wp.dot(ac, wp.cross(a, ab)) / area
    return depth


@wp.kernel
def ground_depth_kernel(
    eye: Eye, flat: Eye, cam: wp.array(dtype=wp.vec3), triangle: wp.array(dtype=wp.vec3i), row0: int, width: int,
    height: int, vis: wp.array(dtype=wp.uint64), depth_m: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): planar depth of the ground behind each pixel; inf where there is none."""
    y, x = wp.tid()
    y += row0
    ray = pixel_ray(eye, float(x) + 0.5, float(y) + 0.5)
    best = float(wp.inf)
    if ray[0] == ray[0] and ray[1] == ray[1]:
        bx = ray[0] * flat.fx + flat.cx
        by = ray[1] * flat.fy + flat.cy
        i = int(wp.floor(bx))
        j = int(wp.floor(by))
        nearest = NOTHING
        if i >= 0 and j >= 0 and i < width and j < height:
            nearest = vis[j * width + i]
        if eye.inverse.on != 0:
            i0 = int(wp.floor(bx - 0.5))
            j0 = int(wp.floor(by - 0.5))
            for k in range(4):
                p = i0 + (k & 1)
                q = j0 + (k >> 1)
                if p >= 0 and q >= 0 and p < width and q < height:
                    key = vis[q * width + p]
                    if key != NOTHING:
                        v = triangle[int(key & wp.uint64(0xFFFFFFFF))]
                        d = plane_depth(cam[v[0]], cam[v[1]], cam[v[2]], ray, 1.0e-5)
                        if d > 0.0 and d < best:
                            best = d
        if nearest != NOTHING and not (best < wp.inf):
            # triangles thinner than a pixel: the plane of the one beside the ray
            v = triangle[int(nearest & wp.uint64(0xFFFFFFFF))]
            d = plane_depth(cam[v[0]], cam[v[1]], cam[v[2]], ray, 1.0e9)
            seen = wp.cast(wp.uint32(nearest >> wp.uint64(32)), wp.float32)
            best = seen
            if d > 0.5 * seen and d < 2.0 * seen:
                best = d
    depth_m[y, x] = best
