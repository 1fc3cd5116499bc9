# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernel that carries a picture along true motion."""

from __future__ import annotations

import warp as wp

from composer.io.warp_log import quiet_warp

quiet_warp()
wp.set_module_options({"enable_backward": False, "cpu_compiler_flags": "-march=native -ffp-contract=off"})

#: Two places are one where they lie no more than this many pixels apart, of the larger size.
NEAR_PX = wp.constant(3.0)


@wp.struct
class Shown:
    """A `Surface` on the device; before: as `before_px`, or empty."""

    kind: wp.array3d(dtype=wp.uint8)
    agent_id: wp.array3d(dtype=wp.uint32)
    place: wp.array3d(dtype=wp.vec3)
    along: wp.array3d(dtype=wp.uint8)
    before: wp.array3d(dtype=wp.vec2)


@wp.func
def shows(
    frame: Shown, anchor: Shown, y: int, x: int, s: int, v: int, u: int, shift: wp.vec3, size: wp.array(dtype=float)
):
    """1 where the anchor's pixel (v, u) shows the point under a frame's sample."""
    kind = frame.kind[y, x, s]
    place = frame.place[y, x, s]
    if int(kind) == 1:
        place = place + shift
    k = int(0)
    while k < anchor.kind.shape[2]:
        if anchor.kind[v, u, k] == kind and anchor.agent_id[v, u, k] == frame.agent_id[y, x, s]:
            reach = wp.max(size[int(anchor.along[v, u, k])], size[int(frame.along[y, x, s])])
            if wp.length(anchor.place[v, u, k] - place) < NEAR_PX * reach:
                return 1
        k += 1
    return 0


@wp.func
def cubic(i: int, f: float):
    """The share of tap i, -1 .. 2, at f between taps 0 and 1 (Catmull-Rom; Keys, Cubic Convolution Interpolation for Digital
    Image Processing, 1981)."""
    if i == -1:
        return ((2.0 - f) * f - 1.0) * f * 0.5
    if i == 0:
        return ((3.0 * f - 5.0) * f * f + 2.0) * 0.5
    if i == 1:
        return ((4.0 - 3.0 * f) * f + 1.0) * f * 0.5
    return (f - 1.0) * f * f * 0.5


@wp.func
def linear(i: int, f: float):
    """The share of tap i, 0 or 1, at f between them."""
    if i == 0:
        return 1.0 - f
    return f


@wp.kernel
def carry_kernel(
    frame: Shown, anchor: Shown, shift: wp.vec3, size: wp.array(dtype=float), offset: wp.array(dtype=wp.vec2i),
    picture: wp.array3d(dtype=float), row0: int, out: wp.array3d(dtype=float), seen: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): the mean over a pixel's samples of the anchor where each was, less where it lies in its pixel: what is
    carried is pixels, which hold the mean over their area already. Bicubic where all four pixels around were seen, else
    bilinear. shift: from the frame's origin to the anchor's. size: metres of each size code. offset: as of `sample_places`."""
    r, x = wp.tid()
    y = r + row0
    samples = frame.kind.shape[2]
    rows = picture.shape[0]
    columns = picture.shape[1]
    total = float(0.0)
    s = int(0)
    while s < samples:
        at = frame.before[y, x, s]
        if at[0] > -1.0 and at[1] > -1.0 and at[0] < float(columns) + 1.0 and at[1] < float(rows) + 1.0:
            left = at[0] - float(offset[s][0]) / 256.0
            up = at[1] - float(offset[s][1]) / 256.0
            u0 = int(wp.floor(left))
            v0 = int(wp.floor(up))
            fu = left - float(u0)
            fv = up - float(v0)
            found = int(0)
            tap = int(0)
            while tap < 4:
                u = u0 + (tap & 1)
                v = v0 + (tap >> 1)
                if u >= 0 and v >= 0 and u < columns and v < rows:
                    if shows(frame, anchor, y, x, s, v, u, shift, size) != 0:
                        found = found | (1 << tap)
                tap += 1
            inside = int(found == 15 and u0 >= 1 and v0 >= 1 and u0 + 2 < columns and v0 + 2 < rows)
            tap = int(0)
            while tap < 16:
                i = (tap & 3) - 1
                j = (tap >> 2) - 1
                weight = float(0.0)
                if inside != 0:
                    weight = cubic(i, fu) * cubic(j, fv)
                elif i >= 0 and i <= 1 and j >= 0 and j <= 1:
                    if (found >> (i + 2 * j)) & 1 != 0:
                        weight = linear(i, fu) * linear(j, fv)
                if weight != 0.0:
                    total += weight
                    c = int(0)
                    while c < picture.shape[2]:
                        out[y, x, c] = out[y, x, c] + weight * picture[v0 + j, u0 + i, c]
                        c += 1
                tap += 1
        s += 1
    if total > 0.0:
        c = int(0)
        while c < picture.shape[2]:
            out[y, x, c] = out[y, x, c] / total
            c += 1
    seen[y, x] = total / float(samples)
