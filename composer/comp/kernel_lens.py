# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Motion blur and defocus of one slice of depth.

Samples are smeared along their true paths into sums of whole numbers, so that the order of the work does not matter and
what is nothing stays nothing. A disc of any convex shape is then one span a row, taken from running sums along the rows.

What a slice has is known only where nothing stands before it. How much of each place is hidden is smeared and spread in
the same way, and what is seen is divided by what could be seen: so a nearer figure's outline does not fade what is behind
it, and the slices together cover as much as they did before. Sources: normalised convolution, Knutsson and Westin
(CVPR 1993); layers by depth after Scofield, "2 1/2-D depth of field simulation" (Graphics Gems III, 1992).
"""

from __future__ import annotations

import warp as wp

from composer.comp.kernel_tint import Entries, Tint, is_crowd, ray_length, tinted_entry
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

vec4l = wp.types.vector(length=4, dtype=wp.int64)
#: One, as a sample's light is counted, and in the sums, where each place of it has a weight out of 256.
UNIT = wp.constant(16777216.0)
ONE = wp.constant(4294967296.0)
HALF_MOST = wp.constant(65504.0)
NOTHING = wp.constant(1.0 / 4096.0)
#: Of an iris that sees so much of a slice the rest is like it.
ENOUGH = wp.constant(0.25)


@wp.struct
class Paths:
    """Where samples go while the shutter is open. forward, back: px to the next and the previous frame, of each pixel's
    nearest sample. agent: of each entry. opens, closes: in frames."""

    forward: wp.array2d(dtype=wp.vec2)
    back: wp.array2d(dtype=wp.vec2)
    agent: wp.array(dtype=wp.uint32)
    opens: float
    closes: float


@wp.struct
class Slice:
    """Samples with near <= depth < far. circle: radius of confusion of the slice, px, with its sign (beyond the focus is
    positive); focus, scale: as in `Circle`. The sums begin at (top, left) of the picture, which may lie outside of it.
    By blocks of `block` pixels of the sums: wanted, what may be smeared; close, where the slice may be seen; drift, its own
    motion to the next frame and the previous one. wide: how far around a hidden place its like is looked for."""

    near: float
    far: float
    circle: float
    focus: float
    scale: float
    top: int
    left: int
    block: int
    wide: int
    wanted: wp.array2d(dtype=wp.uint8)
    close: wp.array2d(dtype=wp.uint8)
    drift: wp.array2d(dtype=wp.vec4)


@wp.struct
class Sums:
    """light: RGB and alpha, hidden: how much of the place something nearer hides; both times ONE, running sums along x
    once they are summed. own: the crowd's part of light, where the layer is parted."""

    light: wp.array2d(dtype=vec4l)
    own: wp.array2d(dtype=vec4l)
    hidden: wp.array2d(dtype=wp.int64)


@wp.struct
class Iris:
    """One span a row: low, high: [n], relative to the pixel's middle; weight: 1 / area. half: n = 2 half + 1."""

    low: wp.array(dtype=float)
    high: wp.array(dtype=float)
    weight: float
    half: int


@wp.func
def whole(value: float) -> wp.int64:
    """In units of 1 / UNIT."""
    kept = float(0.0)
    if wp.isfinite(value):
        kept = wp.clamp(value, -HALF_MOST, HALF_MOST)
    return wp.int64(wp.round(kept * UNIT))


@wp.func
def place_at(forward: wp.vec2, back: wp.vec2, t: float) -> wp.vec2:
    """The parabola through the three places."""
    return 0.5 * ((forward - back) * t + (forward + back) * (t * t))


@wp.func
def steps_of(forward: wp.vec2, back: wp.vec2, opens: float, closes: float) -> int:
    """How many places of a path are drawn: one a pixel."""
    a = place_at(forward, back, opens)
    b = place_at(forward, back, 0.5 * (opens + closes))
    c = place_at(forward, back, closes)
    along = wp.max(wp.abs(b[0] - a[0]) + wp.abs(c[0] - b[0]), wp.abs(b[1] - a[1]) + wp.abs(c[1] - b[1]))
    if not along > 0.02:
        return 1
    return int(wp.min(wp.ceil(along), 511.0)) + 1


@wp.func
def smear(
    sums: Sums, y: float, x: float, rgba: wp.vec4, own: int, hidden: float, forward: wp.vec2, back: wp.vec2,
    opens: float, closes: float,
):  # fmt: skip
    """A pixel's light along its path, into the four pixels that each place lies between. y, x: in the sums. own: whether it
    counts for the crowd's part too."""
    n = steps_of(forward, back, opens, closes)
    share = 1.0 / float(n)
    height = sums.hidden.shape[0]
    width = sums.hidden.shape[1]
    light = vec4l(whole(rgba[0] * share), whole(rgba[1] * share), whole(rgba[2] * share), whole(rgba[3] * share))
    dark = whole(hidden * share)
    for step in range(n):
        t = float(0.0)
        if closes > opens:
            t = opens + (closes - opens) * (float(step) + 0.5) * share
        at = place_at(forward, back, t)
        if not (wp.isfinite(at[0]) and wp.isfinite(at[1])):
            at = wp.vec2(0.0, 0.0)
        # In sixteenths of a pixel: the four weights add up to 256, whatever the place.
        v = int(wp.floor((y + at[1]) * 16.0 + 0.5))
        u = int(wp.floor((x + at[0]) * 16.0 + 0.5))
        for a in range(2):
            for b in range(2):
                j = (v >> 4) + a
                i = (u >> 4) + b
                down = a * (v & 15) + (1 - a) * (16 - (v & 15))
                across = b * (u & 15) + (1 - b) * (16 - (u & 15))
                weight = wp.int64(down * across)
                if weight != wp.int64(0) and j >= 0 and j < height and i >= 0 and i < width:
                    if hidden > 0.0:
                        wp.atomic_add(sums.hidden, j, i, dark * weight)
                    if rgba[3] > 0.0:
                        wp.atomic_add(sums.light, j, i, light * weight)
                        if own != 0:
                            wp.atomic_add(sums.own, j, i, light * weight)


@wp.func
def nearest_is(entries: Entries, paths: Paths, y: int, x: int, agent: wp.uint32) -> int:
    """1 where this agent is the nearest in the pixel, so that the motion there is its own."""
    if y < 0 or x < 0 or y >= paths.forward.shape[0] or x >= paths.forward.shape[1]:
        return 0
    pixel = y * paths.forward.shape[1] + x
    first = int(entries.start[pixel])
    if first < int(entries.start[pixel + 1]) and paths.agent[first] == agent:
        return 1
    return 0


@wp.func
def path_of(entries: Entries, paths: Paths, e: int, y: int, x: int, drift: wp.vec4) -> wp.vec4:
    """To the next and the previous frame: the pixel's where the entry is the nearest there, else that of a pixel nearby
    where its agent is, else what the slice does there."""
    agent = paths.agent[e]
    for ring in range(3):
        for dy in range(-ring, ring + 1):
            for dx in range(-ring, ring + 1):
                if wp.max(wp.abs(dy), wp.abs(dx)) == ring:
                    if nearest_is(entries, paths, y + dy, x + dx, agent) != 0:
                        to = paths.forward[y + dy, x + dx]
                        back = paths.back[y + dy, x + dx]
                        return wp.vec4(to[0], to[1], back[0], back[1])
    return drift


@wp.func
def stands_ahead(one: Slice, depth: float) -> float:
    """1 where the plate at this depth is nearer than the slice and, at its own focus, sharper: nothing of the slice is
    spread over it."""
    if not depth < one.near * 0.97:
        return 0.0
    radius = wp.abs(one.circle)
    if radius < 1.0:
        return 1.0
    own = one.scale * (depth - one.focus) / depth
    if own * one.circle > 0.0 and wp.abs(own) > 0.5 * radius:
        return 0.0
    return 1.0


@wp.kernel
def clear_kernel(row0: int, sums: Sums):
    j, i = wp.tid()
    j += row0
    none = wp.int64(0)
    sums.light[j, i] = vec4l(none, none, none, none)
    sums.hidden[j, i] = none
    if sums.own.shape[0] > 0:
        sums.own[j, i] = vec4l(none, none, none, none)


@wp.kernel
def smear_kernel(
    row0: int, one: Slice, entries: Entries, tint: Tint, paths: Paths, matte: wp.array2d(dtype=float),
    ahead: wp.array2d(dtype=float), sums: Sums,
):  # fmt: skip
    """dim (rows, columns) of the sums."""
    j, i = wp.tid()
    j += row0
    y = one.top + j
    x = one.left + i
    height = matte.shape[0]
    width = matte.shape[1]
    if one.wanted[j / one.block, i / one.block] == wp.uint8(0):
        return
    drift = one.drift[j / one.block, i / one.block]
    forward = wp.vec2(drift[0], drift[1])
    back = wp.vec2(drift[2], drift[3])
    none = wp.vec4(0.0, 0.0, 0.0, 0.0)
    if y < 0 or x < 0 or y >= height or x >= width:
        # Beyond the picture nothing is known.
        smear(sums, float(j), float(i), none, 0, 1.0, forward, back, paths.opens, paths.closes)
        return
    pixel = y * width + x
    begin = int(entries.start[pixel])
    end = int(entries.start[pixel + 1])
    hidden = matte[y, x]
    for e in range(begin, end):
        depth = entries.depth[e]
        if depth < one.near:
            hidden += entries.coverage[e]
        elif depth < one.far:
            cover = entries.coverage[e]
            light = tinted_entry(tint, entries, e, depth * ray_length(tint, y, x))
            rgba = wp.vec4(light[0], light[1], light[2], cover)
            way = drift
            if paths.closes > paths.opens:
                way = path_of(entries, paths, e, y, x, drift)
            to = wp.vec2(way[0], way[1])
            past = wp.vec2(way[2], way[3])
            smear(
                sums, float(j), float(i), rgba, is_crowd(entries, e), 0.0, to, past, paths.opens, paths.closes
            )  # fmt: skip
    if ahead.shape[0] > 0 and hidden < 1.0:
        hidden = wp.max(hidden, stands_ahead(one, ahead[y, x]))
    if hidden > 0.0:
        smear(sums, float(j), float(i), none, 0, wp.min(hidden, 1.0), forward, back, paths.opens, paths.closes)


@wp.kernel
def sum_kernel(row0: int, sums: Sums):
    """dim (rows,): running sums along x."""
    j = wp.tid()
    j += row0
    none = wp.int64(0)
    light = vec4l(none, none, none, none)
    hidden = wp.int64(0)
    for i in range(sums.hidden.shape[1]):
        light += sums.light[j, i]
        hidden += sums.hidden[j, i]
        sums.light[j, i] = light
        sums.hidden[j, i] = hidden
    if sums.own.shape[0] > 0:
        part = vec4l(none, none, none, none)
        for i in range(sums.own.shape[1]):
            part += sums.own[j, i]
            sums.own[j, i] = part


@wp.func
def light_to(light: wp.array2d(dtype=vec4l), j: int, i: int) -> vec4l:
    """Of the row, up to and with pixel i."""
    if i < 0:
        none = wp.int64(0)
        return vec4l(none, none, none, none)
    return light[j, wp.min(i, light.shape[1] - 1)]


@wp.func
def hidden_to(sums: Sums, j: int, i: int) -> wp.int64:
    if i < 0:
        return wp.int64(0)
    return sums.hidden[j, wp.min(i, sums.hidden.shape[1] - 1)]


@wp.func
def as_light(value: vec4l) -> wp.vec4:
    return wp.vec4(float(value[0]), float(value[1]), float(value[2]), float(value[3])) / ONE


@wp.func
def light_in(light: wp.array2d(dtype=vec4l), j: int, x0: float, x1: float) -> wp.vec4:
    """Of a row from x0 to x1, where pixel i reaches from i to i + 1."""
    a = int(wp.floor(x0))
    b = int(wp.floor(x1))
    before = light_to(light, j, a - 1)
    till = light_to(light, j, b - 1)
    ends = (x1 - float(b)) * as_light(light_to(light, j, b) - till) - (x0 - float(a)) * as_light(
        light_to(light, j, a) - before
    )
    return as_light(till - before) + ends


@wp.func
def hidden_in(sums: Sums, j: int, x0: float, x1: float) -> float:
    a = int(wp.floor(x0))
    b = int(wp.floor(x1))
    before = hidden_to(sums, j, a - 1)
    till = hidden_to(sums, j, b - 1)
    ends = (x1 - float(b)) * float(hidden_to(sums, j, b) - till) - (x0 - float(a)) * float(
        hidden_to(sums, j, a) - before
    )
    return (float(till - before) + ends) / ONE


@wp.func
def beside(sums: Sums, part: wp.array2d(dtype=vec4l), j: int, i: int, wide: int) -> wp.vec4:
    """What is known of the slice, or of a part of it, in a disc of this radius, as it covers there."""
    light = wp.vec4(0.0, 0.0, 0.0, 0.0)
    cover = float(0.0)
    known = float(0.0)
    step = wp.max(wide / 6, 1)
    k = int(-wide)
    while k <= wide:
        r = wp.clamp(j + k, 0, sums.hidden.shape[0] - 1)
        reach = wp.sqrt(float(wide * wide - k * k)) + 0.5
        x0 = float(i) + 0.5 - reach
        x1 = float(i) + 0.5 + reach
        light += light_in(part, r, x0, x1)
        cover += light_in(sums.light, r, x0, x1)[3]
        known += wp.max(2.0 * reach - hidden_in(sums, r, x0, x1), 0.0)
        k += step
    if not cover > 0.0:
        return wp.vec4(0.0, 0.0, 0.0, 0.0)
    return light / wp.max(known, cover)


@wp.kernel
def gather_kernel(
    row0: int, one: Slice, iris: Iris, sums: Sums, ahead: wp.array2d(dtype=float), layer_top: int, layer_left: int,
    layer: wp.array2d(dtype=wp.vec4), crowd: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """dim (rows, columns) of the sums: the slice through its iris, behind what of `layer` is there already. crowd: its own part
    of the layer, where that is parted: it goes through the same weights."""
    j, i = wp.tid()
    j += row0
    row = one.top + j - layer_top
    column = one.left + i - layer_left
    if row < 0 or column < 0 or row >= layer.shape[0] or column >= layer.shape[1]:
        return
    if one.close[j / one.block, i / one.block] == wp.uint8(0):
        return
    front = layer[row, column]
    if front[3] >= 1.0:
        return
    light = wp.vec4(0.0, 0.0, 0.0, 0.0)
    own = wp.vec4(0.0, 0.0, 0.0, 0.0)
    hidden = float(0.0)
    for k in range(2 * iris.half + 1):
        r = wp.clamp(j + k - iris.half, 0, sums.hidden.shape[0] - 1)
        x0 = float(i) + 0.5 + iris.low[k]
        x1 = float(i) + 0.5 + iris.high[k]
        light += light_in(sums.light, r, x0, x1)
        hidden += hidden_in(sums, r, x0, x1)
        if crowd.shape[0] > 0:
            own += light_in(sums.own, r, x0, x1)
    light *= iris.weight
    own *= iris.weight
    hidden = wp.clamp(hidden * iris.weight, 0.0, 1.0)
    if hidden > NOTHING:
        # What is hidden looks like what is known in the iris, and where that is little, like what is known around it.
        known = 1.0 - hidden
        most = wp.max(wp.max(known, light[3]), NOTHING)
        like = light / most
        like_own = own / most
        if known < ENOUGH and one.wide > 0:
            share = known / ENOUGH
            like = share * like + (1.0 - share) * beside(sums, sums.light, j, i, one.wide)
            if crowd.shape[0] > 0:
                like_own = share * like_own + (1.0 - share) * beside(sums, sums.own, j, i, one.wide)
        light += hidden * like
        own += hidden * like_own
    if not light[3] > 0.0:
        return
    if light[3] > 1.0:
        own = own / light[3]
        light = light / light[3]
    if ahead.shape[0] > 0 and row + layer_top < ahead.shape[0]:
        seen = 1.0 - stands_ahead(one, ahead[row + layer_top, column + layer_left])
        light *= seen
        own *= seen
    layer[row, column] = front + (1.0 - front[3]) * light
    if crowd.shape[0] > 0:
        crowd[row, column] = crowd[row, column] + (1.0 - front[3]) * own


@wp.kernel
def cut_kernel(row0: int, top: int, left: int, matte: wp.array2d(dtype=float), layer: wp.array2d(dtype=wp.vec4)):
    """dim (rows, columns) of the layer: what stands in front of it on the plate stays in front."""
    j, i = wp.tid()
    j += row0
    layer[j, i] = layer[j, i] * (1.0 - matte[top + j, left + i])
