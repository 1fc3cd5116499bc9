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


@wp.kernel
def carry_kernel(
    frame: Shown, anchor: Shown, shift: wp.vec3, size: wp.array(dtype=float), picture: wp.array3d(dtype=float),
    row0: int, out: wp.array3d(dtype=float), seen: wp.array2d(dtype=float),
):  # fmt: skip
    """dim (rows, W): the mean over a pixel's samples of the anchor where each was. shift: from the frame's origin to the
    anchor's. size: metres of each size code."""
    r, x = wp.tid()
    y = r + row0
    samples = frame.kind.shape[2]
    total = float(0.0)
    s = int(0)
    while s < samples:
        at = frame.before[y, x, s]
        if (
            at[0] > -1.0
            and at[1] > -1.0
            and at[0] < float(picture.shape[1]) + 1.0
            and at[1] < float(picture.shape[0]) + 1.0
        ):
            u0 = int(wp.floor(at[0] - 0.5))
            v0 = int(wp.floor(at[1] - 0.5))
            fu = at[0] - 0.5 - float(u0)
            fv = at[1] - 0.5 - float(v0)
            corner = int(0)
            while corner < 4:
                i = corner & 1
                j = corner >> 1
                u = u0 + i
                v = v0 + j
                weight = (float(i) * fu + float(1 - i) * (1.0 - fu)) * (float(j) * fv + float(1 - j) * (1.0 - fv))
                if weight > 0.0 and u >= 0 and v >= 0 and u < picture.shape[1] and v < picture.shape[0]:
                    if shows(frame, anchor, y, x, s, v, u, shift, size) != 0:
                        total += weight
                        c = int(0)
                        while c < picture.shape[2]:
                            out[y, x, c] = out[y, x, c] + weight * picture[v, u, c]
                            c += 1
                corner += 1
        s += 1
    if total > 0.0:
        c = int(0)
        while c < picture.shape[2]:
            out[y, x, c] = out[y, x, c] / total
            c += 1
    seen[y, x] = total / float(samples)
