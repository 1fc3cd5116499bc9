# ruff: noqa: RUF046 (in a kernel, float(0.0) declares a variable, 0.0 a constant)
"""Warp kernels that fill the grids of smoke and dust: density, and how deep each place lies in it towards sun and sky.

A grid has its own axes: a column's follows its way and its width, a bank's the ground under it. So the same number of
cells is fine where the smoke is narrow or near the ground, and hardly any is empty.
"""

from __future__ import annotations

import warp as wp

from composer.environment.kernel_noise import cloudy, noise
from composer.guides.kernel_view import OPTIONS

wp.set_module_options(OPTIONS)

#: A column's grid reaches so many radii to each side; beyond it there is nothing.
REACH = wp.constant(1.5)
PLUME = wp.constant(0)
BANK = wp.constant(1)


@wp.struct
class Cloud:
    """One volume. origin: its corner (bank) or foot (plume), rel to the camera. n, m: cells of density and light, which start at
    `first` and `first_light` of the common pools; a bank's ground heights (over the origin) at `first_base`. cell: metres, of
    a bank. top: of the grid, metres. low, high: the box around it, rel. step: metres between looks along a ray."""

    kind: int
    origin: wp.vec3
    nx: int
    ny: int
    nz: int
    mx: int
    my: int
    mz: int
    first: int
    first_light: int
    first_base: int
    first_block: int
    cell: float
    top: float
    radius: float
    spread: float
    rise: float
    wind: wp.vec2
    low: wp.vec3
    high: wp.vec3
    step: float
    albedo: wp.vec3
    forward: float


@wp.struct
class Pools:
    """Of all clouds, one after the other: extinction a metre; optical depth towards the sun and upwards; ground heights; and
    which blocks of a bank's ground have anything over or beside them."""

    density: wp.array(dtype=float)
    light: wp.array(dtype=wp.vec2)
    base: wp.array(dtype=float)
    blocks: wp.array(dtype=wp.uint8)


#: Cells to a side of the blocks of a bank that are known to be empty.
BLOCK = wp.constant(8)


@wp.func
def age_at(c: Cloud, up: float) -> float:
    return up / c.rise * (1.0 + 0.5 * up / c.top)


@wp.func
def radius_at(c: Cloud, up: float, age: float) -> float:
    return c.radius + c.spread * (up + 0.5 * wp.length(c.wind) * age)


@wp.func
def base_at(c: Cloud, pool: Pools, gx: float, gz: float) -> float:
    """The ground's height over the origin at a place in cells."""
    x = wp.clamp(gx, 0.0, float(c.nx - 1))
    z = wp.clamp(gz, 0.0, float(c.nz - 1))
    i = wp.min(int(x), c.nx - 2)
    k = wp.min(int(z), c.nz - 2)
    u = x - float(i)
    v = z - float(k)
    at = c.first_base + k * c.nx + i
    top = pool.base[at] * (1.0 - u) + pool.base[at + 1] * u
    low = pool.base[at + c.nx] * (1.0 - u) + pool.base[at + c.nx + 1] * u
    return top * (1.0 - v) + low * v


@wp.func
def place_in(c: Cloud, pool: Pools, p: wp.vec3) -> wp.vec3:
    """A place (rel) in cells of the grid, 0..n-1; x below 0 outside."""
    q = p - c.origin
    out = wp.vec3(-1.0, 0.0, 0.0)
    if c.kind == PLUME:
        up = q[1]
        if up >= 0.0 and up <= c.top:
            age = age_at(c, up)
            wide = 0.5 / (REACH * radius_at(c, up, age))
            x = ((q[0] - c.wind[0] * age) * wide + 0.5) * float(c.nx - 1)
            z = ((q[2] - c.wind[1] * age) * wide + 0.5) * float(c.nz - 1)
            if x >= 0.0 and z >= 0.0 and x <= float(c.nx - 1) and z <= float(c.nz - 1):
                out = wp.vec3(x, wp.sqrt(up / c.top) * float(c.ny - 1), z)
    else:
        x = q[0] / c.cell
        z = q[2] / c.cell
        if x >= 0.0 and z >= 0.0 and x <= float(c.nx - 1) and z <= float(c.nz - 1):
            up = q[1] - base_at(c, pool, x, z)
            if up <= c.top:
                out = wp.vec3(x, wp.sqrt(wp.max(up, 0.0) / c.top) * float(c.ny - 1), z)
    return out


@wp.func
def place_of(c: Cloud, pool: Pools, g: wp.vec3) -> wp.vec3:
    """The other way round: rel, of a place in cells."""
    t = g[1] / float(c.ny - 1)
    up = c.top * t * t
    q = wp.vec3(g[0] * c.cell, up, g[2] * c.cell)
    if c.kind == PLUME:
        age = age_at(c, up)
        wide = 2.0 * REACH * radius_at(c, up, age)
        q = wp.vec3(
            (g[0] / float(c.nx - 1) - 0.5) * wide + c.wind[0] * age,
            up,
            (g[2] / float(c.nz - 1) - 0.5) * wide + c.wind[1] * age,
        )
    else:
        q = wp.vec3(q[0], up + base_at(c, pool, g[0], g[2]), q[2])
    return c.origin + q


@wp.func
def density_at(c: Cloud, pool: Pools, g: wp.vec3) -> float:
    """Extinction a metre at a place in cells, trilinear."""
    i = wp.min(int(g[0]), c.nx - 2)
    j = wp.min(int(g[1]), c.ny - 2)
    k = wp.min(int(g[2]), c.nz - 2)
    u = g[0] - float(i)
    v = g[1] - float(j)
    w = g[2] - float(k)
    a = c.first + (j * c.nz + k) * c.nx + i
    b = a + c.nz * c.nx
    d = pool.density
    low = (d[a] * (1.0 - u) + d[a + 1] * u) * (1.0 - w) + (d[a + c.nx] * (1.0 - u) + d[a + c.nx + 1] * u) * w
    top = (d[b] * (1.0 - u) + d[b + 1] * u) * (1.0 - w) + (d[b + c.nx] * (1.0 - u) + d[b + c.nx + 1] * u) * w
    return low * (1.0 - v) + top * v


@wp.func
def depths_at(c: Cloud, pool: Pools, g: wp.vec3) -> wp.vec2:
    """Optical depth towards the sun and upwards, trilinear."""
    x = g[0] * float(c.mx - 1) / float(c.nx - 1)
    y = g[1] * float(c.my - 1) / float(c.ny - 1)
    z = g[2] * float(c.mz - 1) / float(c.nz - 1)
    i = wp.min(int(x), c.mx - 2)
    j = wp.min(int(y), c.my - 2)
    k = wp.min(int(z), c.mz - 2)
    u = x - float(i)
    v = y - float(j)
    w = z - float(k)
    a = c.first_light + (j * c.mz + k) * c.mx + i
    b = a + c.mz * c.mx
    d = pool.light
    low = (d[a] * (1.0 - u) + d[a + 1] * u) * (1.0 - w) + (d[a + c.mx] * (1.0 - u) + d[a + c.mx + 1] * u) * w
    top = (d[b] * (1.0 - u) + d[b + 1] * u) * (1.0 - w) + (d[b + c.mx] * (1.0 - u) + d[b + c.mx + 1] * u) * w
    return low * (1.0 - v) + top * v


@wp.func
def box_from(c: Cloud, p: wp.vec3, d: wp.vec3) -> wp.vec2:
    """Where a ray from p (rel) along d is in the volume's box; x >= y where it is not."""
    a = float(0.0)
    b = float(1.0e9)
    for k in range(3):
        if wp.abs(d[k]) > 1.0e-9:
            u = (c.low[k] - p[k]) / d[k]
            v = (c.high[k] - p[k]) / d[k]
            a = wp.max(a, wp.min(u, v))
            b = wp.min(b, wp.max(u, v))
        elif c.low[k] > p[k] or c.high[k] < p[k]:
            b = -1.0
    return wp.vec2(a, b)


@wp.func
def is_empty(c: Cloud, pool: Pools, p: wp.vec3) -> int:
    """Whether nothing of a bank is over this place or anywhere near."""
    i = wp.clamp(int((p[0] - c.origin[0]) / c.cell), 0, c.nx - 1) / BLOCK
    k = wp.clamp(int((p[2] - c.origin[2]) / c.cell), 0, c.nz - 1) / BLOCK
    across = (c.nx + BLOCK - 1) / BLOCK
    if pool.blocks[c.first_block + k * across + i] == wp.uint8(0):
        return 1
    return 0


@wp.func
def ramp(t: float) -> float:
    s = wp.clamp(t, 0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


@wp.kernel
def level_kernel(
    c: Cloud, seconds: float, age: float, extinction: float, seed: float, level: wp.array2d(dtype=float)
):  # fmt: skip
    """dim (ny): what is the same all over a level of a column: its extinction (0), radius (1), sway (2, 3), the place of its puff
    in the noise (4), the size of the largest octave (5) and the octaves' shares (6..10). seconds: since the shot's first frame,
    at which the column was `age` old.

    The noise has about the column's width, which grows; each octave's own size is a fixed power of two, and octaves are faded in
    and out, so that the pattern is carried and never stretches."""
    j = wp.tid()
    t = float(j) / float(c.ny - 1)
    up = c.top * t * t
    since = age_at(c, up)
    radius = radius_at(c, up, since)
    let_go = seconds - since
    often = c.rise / (7.0 * c.radius + 0.06 * c.top)
    sway = 0.75 * ramp(up / (0.25 * c.top))
    old = age + seconds
    whole = (
        ramp((old - since) / (0.15 * old + 0.5)) * (1.0 - ramp((up / c.top - 0.5) / 0.5)) * ramp(up / (0.5 * c.radius))
    )
    level[j, 0] = extinction * wp.pow(c.radius / radius, 1.3) * whole
    level[j, 1] = radius
    level[j, 2] = sway * noise(wp.vec3(let_go * often, seed, 3.7))[3]
    level[j, 3] = sway * noise(wp.vec3(let_go * often, seed + 40.5, 11.3))[3]
    level[j, 4] = c.rise * -let_go
    size = wp.log2(0.95 * radius)
    finest = 2.6 * REACH * radius / float(c.nx - 1)
    first = float(int(wp.floor(size)) + 1)
    level[j, 5] = first
    for o in range(5):
        away = first - float(o) - size  # 1..-4
        own = wp.pow(2.0, first - float(o))
        share = wp.exp(-0.62 * wp.abs(away)) * wp.min(1.0 - away, 1.0)
        level[j, 6 + o] = 0.62 * share * wp.clamp(own / finest - 1.0, 0.0, 1.0) * wp.clamp(away + 4.0, 0.0, 1.0)


@wp.kernel
def plume_kernel(c: Cloud, j0: int, seed: float, level: wp.array2d(dtype=float), out: wp.array(dtype=float)):
    """dim (levels, nz, nx), from level j0: a column's extinction a metre."""
    j, k, i = wp.tid()
    j += j0
    x = (float(i) / float(c.nx - 1) - 0.5) * 2.0 * REACH
    z = (float(k) / float(c.nz - 1) - 0.5) * 2.0 * REACH
    value = float(0.0)
    gain = level[j, 0]
    if x * x + z * z < REACH * REACH and gain > 0.0:
        dx = x - level[j, 2]
        dz = z - level[j, 3]
        body = 1.0 - dx * dx - dz * dz
        if body > -1.3:
            radius = level[j, 1]
            at = wp.vec3(x * radius + seed, level[j, 4], z * radius)
            e = level[j, 5]
            per = wp.pow(2.0, -e)
            for o in range(5):
                share = level[j, 6 + o]
                if share > 0.0:
                    body += 1.5 * share * noise(at * per + wp.vec3(13.7 * e, 5.1 * e, 31.3 * e))[3]
                per *= 2.0
                e -= 1.0
            body = wp.clamp(body, 0.0, 1.0)
            value = gain * body * body * (3.0 - 2.0 * body) * ramp((REACH - wp.sqrt(x * x + z * z)) / 0.15)
    out[(j * c.nz + k) * c.nx + i] = value


@wp.kernel
def bank_kernel(
    c: Cloud, j0: int, seconds: float, patches: float, fall: float, size: float, anchor: wp.vec3, cover: wp.array2d(dtype=float),
    out: wp.array(dtype=float),
):  # fmt: skip
    """dim (levels, nz, nx), from level j0: a bank's extinction a metre. cover: [nz, nx], extinction at the ground. fall: metres
    to a factor e. size: of its billows. anchor: the grid's corner in the world's noise."""
    j, k, i = wp.tid()
    j += j0
    t = float(j) / float(c.ny - 1)
    up = c.top * t * t
    amount = cover[k, i]
    value = float(0.0)
    if amount > 0.0:
        place = anchor + wp.vec3(float(i) * c.cell, up, float(k) * c.cell)
        drift = wp.vec3(c.wind[0], 0.25, c.wind[1]) * seconds
        n = cloudy(place - drift, size, 3, 1.3 * c.cell)[3]
        slow = noise((place - drift * 0.6) / (2.3 * size) + wp.vec3(7.7, 1.9, 4.3))[3]
        thick = wp.max(1.0 + patches * (3.2 * n + 0.8 * slow), 0.0)
        tall = fall * (1.0 + 0.55 * patches * (slow + n))
        value = amount * thick * wp.exp(-up / tall) * (1.0 - ramp((up / c.top - 0.7) / 0.3))
    out[(j * c.nz + k) * c.nx + i] = value


@wp.kernel
def levels_kernel(
    c: Cloud, j0: int, seconds: float, patches: float, size: float, anchor: wp.vec3, levels: wp.array3d(dtype=float),
    out: wp.array(dtype=float),
):  # fmt: skip
    """The same for what is known level by level ([ny, nz, nx]): dust that people have raised."""
    j, k, i = wp.tid()
    j += j0
    amount = levels[j, k, i]
    value = float(0.0)
    if amount > 0.0:
        t = float(j) / float(c.ny - 1)
        place = anchor + wp.vec3(float(i) * c.cell, c.top * t * t, float(k) * c.cell)
        drift = wp.vec3(c.wind[0], 0.3, c.wind[1]) * seconds
        n = cloudy(place - drift, size, 3, 1.3 * c.cell)[3]
        value = amount * wp.max(1.0 + patches * 3.4 * n, 0.0)
    out[(j * c.nz + k) * c.nx + i] = value


@wp.kernel
def light_kernel(c: Cloud, pool: Pools, j0: int, toward: wp.vec3):
    """dim (levels, mz, mx), from level j0: optical depth towards the sun and upwards within the cloud itself."""
    j, k, i = wp.tid()
    j += j0
    g = wp.vec3(
        float(i) * float(c.nx - 1) / float(c.mx - 1),
        float(j) * float(c.ny - 1) / float(c.my - 1),
        float(k) * float(c.nz - 1) / float(c.mz - 1),
    )
    p = place_of(c, pool, g)
    first = c.cell
    if c.kind == PLUME:
        up = p[1] - c.origin[1]
        first = 0.22 * radius_at(c, up, age_at(c, up))
    sun = float(0.0)
    gone = float(0.0)
    long = first
    for _s in range(8):
        q = place_in(c, pool, p + toward * (gone + 0.5 * long))
        if q[0] >= 0.0:
            sun += density_at(c, pool, q) * long
        gone += long
        long *= 1.45
    sky = float(0.0)
    gone = float(0.0)
    long = 1.6 * first
    if c.kind == BANK:
        long = 0.12 * c.top
    for _s in range(4):
        q = place_in(c, pool, p + wp.vec3(0.0, gone + 0.5 * long, 0.0))
        if q[0] >= 0.0:
            sky += density_at(c, pool, q) * long
        gone += long
        long *= 1.7
    pool.light[c.first_light + (j * c.mz + k) * c.mx + i] = wp.vec2(sun, sky)
