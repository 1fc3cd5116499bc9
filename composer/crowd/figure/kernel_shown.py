# ruff: noqa: UP018, RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""The Warp kernel of `measure`: skin, project, fill and count, one view after the other."""

from __future__ import annotations

import warp as wp

from composer.io.warp_log import quiet_warp

quiet_warp()
wp.set_module_options({"enable_backward": False})
mat34 = wp.types.matrix(shape=(3, 4), dtype=wp.float32)


@wp.func
def moved(m: mat34, v: wp.vec3) -> wp.vec3:
    return wp.vec3(
        m[0, 0] * v[0] + m[0, 1] * v[1] + m[0, 2] * v[2] + m[0, 3],
        m[1, 0] * v[0] + m[1, 1] * v[1] + m[1, 2] * v[2] + m[1, 3],
        m[2, 0] * v[0] + m[2, 1] * v[1] + m[2, 2] * v[2] + m[2, 3],
    )


@wp.func
def fill(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, material: int, grid: int, depth: wp.array(dtype=float),
    paint: wp.array(dtype=int),
):  # fmt: skip
    """One triangle (x, y in cells, z toward the viewer), counter-clockwise ones only."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if not (area > 0.0):
        return
    x0 = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
    x1 = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)), grid - 1)
    y0 = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
    y1 = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)), grid - 1)
    inverse = 1.0 / area
    y = int(y0)
    while y <= y1:
        py = float(y) + 0.5
        x = int(x0)
        while x <= x1:
            px = float(x) + 0.5
            u = (c[0] - b[0]) * (py - b[1]) - (c[1] - b[1]) * (px - b[0])
            v = (a[0] - c[0]) * (py - c[1]) - (a[1] - c[1]) * (px - c[0])
            w = area - u - v
            if u >= 0.0 and v >= 0.0 and w >= 0.0:
                z = (u * a[2] + v * b[2] + w * c[2]) * inverse
                cell = y * grid + x
                if paint[cell] < 0 or z > depth[cell]:
                    depth[cell] = z
                    paint[cell] = material
            x += 1
        y += 1


@wp.kernel(enable_backward=False)
def shown_kernel(
    position: wp.array(dtype=wp.vec3), joint: wp.array(dtype=wp.vec2i), weight: wp.array(dtype=float),
    triangle: wp.array(dtype=wp.vec3i), material: wp.array(dtype=int), matrix: wp.array2d(dtype=mat34),
    eye: wp.array2d(dtype=wp.mat33), shift: wp.array2d(dtype=wp.vec2), cells_a_metre: float, grid: int,
    posed: wp.array(dtype=wp.vec3), flat: wp.array(dtype=wp.vec3), depth: wp.array(dtype=float),
    paint: wp.array(dtype=int), area: wp.array2d(dtype=int),
):  # fmt: skip
    """dim 1. area [poses * directions, materials], in cells."""
    vertices = position.shape[0]
    directions = eye.shape[1]
    pose = int(0)
    while pose < matrix.shape[0]:
        i = int(0)
        while i < vertices:
            j = joint[i]
            w = weight[i]
            p = moved(matrix[pose, j[0]], position[i])
            if w < 1.0:
                p = p * w + moved(matrix[pose, j[1]], position[i]) * (1.0 - w)
            posed[i] = p
            i += 1
        d = int(0)
        while d < directions:
            m = eye[pose, d]
            x0 = float(1.0e9)
            y0 = float(1.0e9)
            x1 = float(-1.0e9)
            y1 = float(-1.0e9)
            i = int(0)
            while i < vertices:
                p = (m * posed[i]) * cells_a_metre
                x0 = wp.min(x0, p[0])
                y0 = wp.min(y0, p[1])
                x1 = wp.max(x1, p[0])
                y1 = wp.max(y1, p[1])
                flat[i] = p
                i += 1
            offset = wp.vec3(shift[pose, d][0] + 1.0 - wp.floor(x0), shift[pose, d][1] + 1.0 - wp.floor(y0), 0.0)
            wide = wp.min(int(x1 - x0) + 4, grid)
            tall = wp.min(int(y1 - y0) + 4, grid)
            y = int(0)
            while y < tall:
                x = int(0)
                while x < wide:
                    paint[y * grid + x] = -1
                    x += 1
                y += 1
            i = int(0)
            while i < triangle.shape[0]:
                t = triangle[i]
                fill(flat[t[0]] + offset, flat[t[1]] + offset, flat[t[2]] + offset, material[i], grid, depth, paint)
                i += 1
            y = int(0)
            while y < tall:
                x = int(0)
                while x < wide:
                    k = paint[y * grid + x]
                    if k >= 0:
                        area[pose * directions + d, k] += 1
                    x += 1
                y += 1
            d += 1
        pose += 1
