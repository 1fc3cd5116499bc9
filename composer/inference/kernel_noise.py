# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels of world-locked noise: which cells of the world a latent sees, and what those cells are worth.

All arithmetic on values is on whole numbers, so that sums do not depend on order or device.
"""

from __future__ import annotations

import warp as wp

from composer.io.warp_log import quiet_warp

quiet_warp()
# no fused multiply-adds, so that places fall into the same cells on every node
wp.set_module_options({"enable_backward": False, "cpu_compiler_flags": "-march=native -ffp-contract=off"})

GROUND = wp.constant(wp.uint8(1))
#: Binary splits by which a cell hangs together with the larger cells around it; what is beyond weighs 2 ** -SPLITS.
SPLITS = wp.constant(6)
#: Directions of long cells on the ground, over half a turn.
TURNS = wp.constant(16)


@wp.struct
class Cell:
    """A box: whole numbers of its place (in boxes) and the logarithms of its sides (plus 32), along three axes. tag: what
    else tells it from others (whose it is, and which way the axes lie)."""

    i: wp.vec3i
    level: wp.vec3i
    owner: wp.uint32
    tag: wp.uint32


@wp.struct
class Field:
    """A `Surface` on the device, and how large cells are to be. bias: eighths of octaves from a pixel's size to twice a
    cell's. turn: vec2d [2 TURNS], cosine and sine, and those of the
    borders above each. inverse: float64 [64], 2 ** (32 - n). offset: of samples, in 1/16 px."""

    kind: wp.array(dtype=wp.uint8)
    agent_id: wp.array(dtype=wp.uint32)
    place: wp.array(dtype=wp.vec3)
    across: wp.array(dtype=wp.uint8)
    along: wp.array(dtype=wp.uint8)
    origin: wp.vec3d
    turn: wp.array(dtype=wp.vec2d)
    inverse: wp.array(dtype=wp.float64)
    offset: wp.array(dtype=wp.vec2i)
    bias: int
    width: int
    height: int
    samples: int


@wp.func
def philox(c0: wp.uint32, c1: wp.uint32, c2: wp.uint32, c3: wp.uint32, k0: wp.uint32, k1: wp.uint32):
    """Philox 4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011)."""
    a0 = wp.uint64(c0)
    a1 = wp.uint64(c1)
    a2 = wp.uint64(c2)
    a3 = wp.uint64(c3)
    low = wp.uint64(0xFFFFFFFF)
    half = wp.uint64(32)
    x0 = wp.uint64(k0)
    x1 = wp.uint64(k1)
    n = int(0)
    while n < 10:
        p = a0 * wp.uint64(0xD2511F53)
        q = a2 * wp.uint64(0xCD9E8D57)
        a0 = (q >> half) ^ a1 ^ x0
        a2 = (p >> half) ^ a3 ^ x1
        a1 = q & low
        a3 = p & low
        x0 = (x0 + wp.uint64(0x9E3779B9)) & low
        x1 = (x1 + wp.uint64(0xBB67AE85)) & low
        n += 1
    return wp.vec4ui(wp.uint32(a0), wp.uint32(a1), wp.uint32(a2), wp.uint32(a3))


@wp.func
def floor_at(x: wp.float64, inverse: wp.float64) -> int:
    """The whole number of boxes of side 1 / inverse below x, modulo 2^30. The shift keeps boxes nested, and level ground off
    a border."""
    n = wp.floor((x + wp.float64(0.3819660113)) * inverse)
    return int(n - wp.floor(n * wp.float64(9.313225746154785e-10)) * wp.float64(1073741824.0))


@wp.func
def nearest_turn(field: Field, x: wp.float64, z: wp.float64) -> int:
    """Which of TURNS directions lies nearest to (x, z), either way: how many of the borders between them lie below it."""
    if z < wp.float64(0.0):
        x = -x
        z = -z
    k = int(0)
    step = int(TURNS)
    while step > 0:
        if k + step <= TURNS:
            border = field.turn[TURNS + k + step - 1]
            if border[0] * z - border[1] * x > wp.float64(0.0):
                k += step
        step = step >> 1
    if k == TURNS:
        k = 0
    return k


@wp.func
def cell_of(field: Field, at: int) -> Cell:
    """The cell of the world in which a sample lies."""
    cell = Cell()
    p = field.place[at]
    short = ((int(field.across[at]) + field.bias) >> 3) - 20
    long = ((int(field.along[at]) + field.bias) >> 3) - 20
    kind = field.kind[at]
    x = wp.float64(p[0])
    y = wp.float64(p[1])
    z = wp.float64(p[2])
    turn = int(0)
    if kind == GROUND:
        if long > short:
            # cells as long as ground is seen flatly, along the view: of TURNS directions the nearest
            turn = nearest_turn(field, x, z)
        x += field.origin[0]
        y += field.origin[1]
        z += field.origin[2]
        u = x * field.turn[turn][0] + z * field.turn[turn][1]
        z = z * field.turn[turn][0] - x * field.turn[turn][1]
        x = u
    else:
        long = short
    cell.level = wp.vec3i(long + 32, long + 32, short + 32)
    far = field.inverse[long + 32]
    cell.i = wp.vec3i(floor_at(x, far), floor_at(y, far), floor_at(z, field.inverse[short + 32]))
    cell.owner = field.agent_id[at]
    cell.tag = wp.uint32(int(kind) | (turn << 2))
    return cell


@wp.func
def cell_key(cell: Cell) -> wp.uint64:
    """64 bits by which equal cells are told from others (splitmix64's finaliser between the words)."""
    h = (wp.uint64(wp.uint32(cell.i[0])) << wp.uint64(32)) | wp.uint64(wp.uint32(cell.i[1]))
    m = wp.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> wp.uint64(30))) * m
    h = h ^ (h >> wp.uint64(27)) ^ ((wp.uint64(wp.uint32(cell.i[2])) << wp.uint64(32)) | wp.uint64(cell.owner))
    h = (h ^ (h >> wp.uint64(30))) * m
    shape = cell.level[0] | (cell.level[2] << 8)
    h = h ^ (h >> wp.uint64(27)) ^ ((wp.uint64(shape) << wp.uint64(32)) | wp.uint64(cell.tag))
    h = (h ^ (h >> wp.uint64(30))) * wp.uint64(0x94D049BB133111EB)
    h = h ^ (h >> wp.uint64(31))
    if h == wp.uint64(0):
        h = wp.uint64(1)
    return h


@wp.kernel
def gather_kernel(
    field: Field, factor: int, row0: int, columns: int, wanted: wp.array2d(dtype=wp.uint8),
    key: wp.array2d(dtype=wp.uint64), piece: wp.array2d(dtype=wp.vec4i),
):  # fmt: skip
    """dim (rows of latents, columns): the pieces of cells in a latent's square, where they are wanted. key: [latents, room], 0
    where free; cells beyond the room are left out. piece: (a sample, how many, sums of their x and y in 1/16 px from the
    square's corner)."""
    r, c = wp.tid()
    room = key.shape[1]
    row = r * columns + c
    k = int(0)
    while k < room:
        key[row, k] = wp.uint64(0)
        k += 1
    if wanted[row0 + r, c] == wp.uint8(0):
        return
    last = int(0)
    y = int((row0 + r) * factor)
    y0 = y
    y1 = wp.min(y + factor, field.height)
    x1 = wp.min((c + 1) * factor, field.width)
    while y < y1:
        x = int(c * factor)
        while x < x1:
            s = int(0)
            while s < field.samples:
                at = (y * field.width + x) * field.samples + s
                mine = cell_key(cell_of(field, at))
                slot = last
                if key[row, slot] != mine:
                    slot = int(mine % wp.uint64(room))
                    tries = int(0)
                    while key[row, slot] != mine and key[row, slot] != wp.uint64(0) and tries < room:
                        slot += 1
                        if slot == room:
                            slot = 0
                        tries += 1
                    if key[row, slot] == wp.uint64(0):
                        key[row, slot] = mine
                        piece[row, slot] = wp.vec4i(at, 0, 0, 0)
                if key[row, slot] == mine:
                    place = field.offset[s]
                    dx = (x - c * factor) * 16 + place[0]
                    dy = (y - y0) * 16 + place[1]
                    piece[row, slot] = piece[row, slot] + wp.vec4i(0, 1, dx, dy)
                    last = slot
                s += 1
            x += 1
        y += 1


@wp.func
def draw(cell: Cell, axis: int, group: int, k0: wp.uint32, k1: wp.uint32):
    """Four 32-bit numbers of a cell: of its split along an axis, or (axis 3) of itself."""
    shape = cell.level[0] | (cell.level[1] << 6) | (cell.level[2] << 12) | (axis << 18) | (group << 20)
    return philox(
        wp.uint32(cell.i[0]), wp.uint32(cell.i[1]), wp.uint32(cell.i[2]), wp.uint32(shape),
        k0 ^ cell.owner, k1 ^ (cell.tag << wp.uint32(20)),
    )  # fmt: skip


@wp.func
def wide(bits: wp.vec4ui, table: wp.array(dtype=int), weight: wp.int64, total: wp.vec4l) -> wp.vec4l:
    """total + weight times the normal numbers that the bits stand for."""
    for c in range(4):
        total[c] = total[c] + weight * wp.int64(table[int(bits[c] >> wp.uint32(16))])
    return total


@wp.func
def cell_value(
    cell: Cell, group: int, k0: wp.uint32, k1: wp.uint32, table: wp.array(dtype=int), weight: wp.array(dtype=wp.int64)
) -> wp.vec4l:
    """Four channels of a cell's noise, in fixed point: half the variance is its share of the next larger box (Haar). Long
    cells stand alone: they change their shape before they are halved."""
    total = wp.vec4l(wp.int64(0), wp.int64(0), wp.int64(0), wp.int64(0))
    if cell.level[2] != cell.level[0]:
        return wide(draw(cell, 3, group, k0, k1), table, weight[SPLITS + 1], total)
    k = int(0)
    while k < SPLITS:
        # the next larger box is twice as long along the shortest side
        axis = int(0)
        if cell.level[1] < cell.level[axis]:
            axis = 1
        if cell.level[2] < cell.level[axis]:
            axis = 2
        w = weight[k]
        if (cell.i[axis] & 1) != 0:
            w = -w
        up = cell
        up.i[axis] = cell.i[axis] >> 1
        up.level[axis] = cell.level[axis] + 1
        cell = up
        total = wide(draw(cell, axis, group, k0, k1), table, w, total)
        k += 1
    return wide(draw(cell, 3, group, k0, k1), table, weight[SPLITS], total)


@wp.kernel
def value_kernel(
    field: Field, sample: wp.array(dtype=int), first: int, k0: wp.uint32, k1: wp.uint32, table: wp.array(dtype=int),
    weight: wp.array(dtype=wp.int64), one: float, out: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """dim (cells, groups of four channels): what each cell is worth. one: of the fixed point."""
    n, group = wp.tid()
    n += first
    v = cell_value(cell_of(field, sample[n]), group, k0, k1, table, weight)
    out[n, group] = wp.vec4(float(v[0]), float(v[1]), float(v[2]), float(v[3])) / one


@wp.struct
class Cells:
    """The cells that are seen, in the order of the blocks between latents: block (j, i) of [h + 1, w + 1] holds those whose
    middle lies between latents j - 1 and j, i - 1 and i. start: [blocks + 1]. tap_x, tap_y: the weights of a cell for the
    four latents about it. area: in latents."""

    start: wp.array(dtype=int)
    tap_x: wp.array(dtype=wp.vec4)
    tap_y: wp.array(dtype=wp.vec4)
    area: wp.array(dtype=float)


@wp.kernel
def blend_kernel(cells: Cells, row0: int, rows: int, columns: int, value: wp.array2d(dtype=wp.vec4),
                 out: wp.array2d(dtype=wp.vec4)):  # fmt: skip
    """dim (rows listed, columns, groups): a latent's weighted sum over the cells about it."""
    r, c, group = wp.tid()
    r += row0
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    ty = int(0)
    while ty < 4:
        # a cell of block j has its taps at latents j - 2 .. j + 1
        j = r + 2 - ty
        if j >= 0 and j <= rows:
            tx = int(0)
            while tx < 4:
                i = c + 2 - tx
                if i >= 0 and i <= columns:
                    block = j * (columns + 1) + i
                    n = cells.start[block]
                    while n < cells.start[block + 1]:
                        total += value[n, group] * (cells.tap_y[n][ty] * cells.tap_x[n][tx] * wp.sqrt(cells.area[n]))
                        n += 1
                tx += 1
        ty += 1
    out[r * columns + c, group] = total


#: Latents that share cells lie at most three apart along each axis.
REACH = wp.constant(3)


@wp.kernel
def gram_kernel(cells: Cells, row0: int, rows: int, columns: int, gram: wp.array2d(dtype=float)):
    """dim (rows listed, columns): gram[latent, 7 x 7], the covariance of its weighted sum with its neighbours'."""
    r, c = wp.tid()
    r += row0
    latent = r * columns + c
    ty = int(0)
    while ty < 4:
        j = r + 2 - ty
        if j >= 0 and j <= rows:
            tx = int(0)
            while tx < 4:
                i = c + 2 - tx
                if i >= 0 and i <= columns:
                    block = j * (columns + 1) + i
                    n = cells.start[block]
                    while n < cells.start[block + 1]:
                        wy = cells.tap_y[n]
                        wx = cells.tap_x[n]
                        mine = wy[ty] * wx[tx] * cells.area[n]
                        sy = int(0)
                        while sy < 4:
                            across = mine * wy[sy]
                            at = (sy - ty + REACH) * 7 + REACH - tx
                            gram[latent, at] = gram[latent, at] + across * wx[0]
                            gram[latent, at + 1] = gram[latent, at + 1] + across * wx[1]
                            gram[latent, at + 2] = gram[latent, at + 2] + across * wx[2]
                            gram[latent, at + 3] = gram[latent, at + 3] + across * wx[3]
                            sy += 1
                        n += 1
                tx += 1
        ty += 1


@wp.kernel
def apply_kernel(
    gram: wp.array2d(dtype=float), alone: wp.array(dtype=wp.uint8), row0: int, rows: int, columns: int,
    x: wp.array2d(dtype=wp.vec4), before: wp.array2d(dtype=wp.vec4), a: float, b: float, c: float, d: float,
    sum: wp.array2d(dtype=wp.vec4), out: wp.array2d(dtype=wp.vec4),
):  # fmt: skip
    """dim (rows listed, columns, groups): out = a gram x + b x + c before, and sum += d out: one Chebyshev term. alone: where
    gram has nothing but its diagonal."""
    r, col, group = wp.tid()
    r += row0
    latent = r * columns + col
    total = x[latent, group] * gram[latent, REACH * 8]
    if alone[latent] == wp.uint8(0):
        total = wp.vec4(0.0, 0.0, 0.0, 0.0)
        j = wp.max(r - REACH, 0)
        while j <= wp.min(r + REACH, rows - 1):
            i = wp.max(col - REACH, 0)
            while i <= wp.min(col + REACH, columns - 1):
                total += x[j * columns + i, group] * gram[latent, (j - r + REACH) * 7 + i - col + REACH]
                i += 1
            j += 1
    term = total * a + x[latent, group] * b + before[latent, group] * c
    out[latent, group] = term
    sum[latent, group] = sum[latent, group] + term * d


@wp.kernel
def screen_kernel(
    columns: int, row0: int, column0: int, k0: wp.uint32, k1: wp.uint32, table: wp.array(dtype=int),
    out: wp.array2d(dtype=wp.vec4l),
):  # fmt: skip
    """dim (latents, groups): noise of a place in the picture, in the table's fixed point. row0, column0: of the first latent."""
    latent, group = wp.tid()
    y = row0 + latent / columns
    x = column0 + latent % columns
    bits = philox(wp.uint32(y), wp.uint32(x), wp.uint32(group), wp.uint32(0), k0, k1)
    none = wp.vec4l(wp.int64(0), wp.int64(0), wp.int64(0), wp.int64(0))
    out[latent, group] = wide(bits, table, wp.int64(1), none)


@wp.kernel
def philox_kernel(words: wp.array2d(dtype=wp.uint32), out: wp.array(dtype=wp.vec4ui)):
    """dim (N): philox of words [N, 6] (counter, key), for tests against its known answers."""
    n = wp.tid()
    out[n] = philox(words[n, 0], words[n, 1], words[n, 2], words[n, 3], words[n, 4], words[n, 5])
