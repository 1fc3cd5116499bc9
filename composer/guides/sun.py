"""The sun's depth maps: which levels, over which piece of ground, and who stands in them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.device import Pool, empty, lanes, upload
from composer.guides.kernel_stamp import Stamps, Throws, stamp_kernel
from composer.guides.kernel_sun import (
    FAR,
    TILE,
    Sun,
    SunLevel,
    sun_raster_kernel,
    tile_blur_kernel,
    tile_kernel,
)
from composer.guides.kernel_view import Draws, Meshes

F64 = NDArray[np.float64]

#: Texel of the finest level, and how much coarser each next one is. A level serves up to the distance at which a
#: pixel is as wide as its texel.
FINEST_M = 0.01
STEP = 3.0
LEVELS = 6
MOST_TEXELS = 40_000_000
MARGIN_M = 0.6
#: Texels around a place that its shadow is read from: blurred tiles tell how soft it is.
HALO = 4 * TILE
#: Tangent of the sun's angular radius, widened a little as by thin haze.
SPREAD = 0.0075
LOWEST_SUN = 0.02
#: In levels of texels this wide everybody casts with his coarsest mesh, and with a stamp that others share where they are
#: wider still: that is 5 to 20 texels a man.
COARSE_M = 0.05
STAMP_M = 0.2


@dataclass(frozen=True)
class LevelPlan:
    """One level: its texel, the distance that it serves up to, its window in texels of the world's grid (x0, y0 from
    the sun's axes through the world's origin), and the agents in it (indices into the layout)."""

    texel_m: float
    limit_m: float
    x0: int
    y0: int
    width: int
    height: int
    agents: NDArray[np.int64]

    @property
    def stamped(self) -> bool:
        return self.texel_m >= STAMP_M

    @property
    def coarse(self) -> bool:
        return COARSE_M <= self.texel_m < STAMP_M


@dataclass(frozen=True)
class SunPlan:
    """axes: float64 [3, 3], rows u, v, toward. levels may be empty (no sun, or nobody casts). solid: bool [N], who never
    casts with a stamp (set pieces: no two are alike, and none is small); None: nobody."""

    axes: F64
    levels: tuple[LevelPlan, ...]
    notes: tuple[str, ...] = ()
    solid: NDArray[np.bool_] | None = None

    def casters(self, n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Of n agents, who casts as he is drawn, who with his coarsest mesh, who with a stamp; some in several ways."""
        fine, coarse, stamped = (np.zeros(n, bool) for _ in range(3))
        for level in self.levels:
            (stamped if level.stamped else coarse if level.coarse else fine)[level.agents] = True
        if self.solid is not None:
            coarse |= stamped & self.solid
            stamped &= ~self.solid
        return fine, coarse, stamped


def sun_axes(direction: tuple[float, float, float]) -> F64:
    """Rows u (level), v and toward the sun; the same for every frame of a shot."""
    toward = np.array(direction, dtype=np.float64)
    toward /= np.linalg.norm(toward)
    u = np.cross([0.0, 1.0, 0.0], toward)
    u = np.array([1.0, 0.0, 0.0]) if np.linalg.norm(u) < 1e-6 else u / np.linalg.norm(u)
    return np.stack([u, np.cross(toward, u), toward])


def _window(
    texel_m: float, casters: tuple[F64, F64], receivers: tuple[F64, F64], origin: F64
) -> tuple[float, int, int, int, int]:
    """The part of the world's texel grid that both boxes (sun axes, rel) share: (texel, x0, y0, width, height)."""
    margin = MARGIN_M + 10.0 * texel_m
    low = np.maximum(casters[0], receivers[0] - margin) + origin
    high = np.minimum(casters[1], receivers[1] + margin) + origin
    if (high <= low).any():
        return texel_m, 0, 0, 0, 0
    while True:
        first = np.floor(low / (texel_m * TILE)).astype(np.int64) * TILE
        last = np.ceil(high / (texel_m * TILE)).astype(np.int64) * TILE
        size = last - first
        if int(size[0]) * int(size[1]) <= MOST_TEXELS:
            return texel_m, int(first[0]), int(first[1]), int(size[0]), int(size[1])
        texel_m *= 2.0


def _bounds(rows: F64, chosen: NDArray[np.bool_] | NDArray[np.int64], reach: F64 | float = 0.0) -> tuple[F64, F64]:
    """Least and greatest of these places [axes, N], as far as each reaches."""
    picked = [row[chosen] for row in rows]
    return np.array([(row - reach).min() for row in picked]), np.array([(row + reach).max() for row in picked])


@dataclass(frozen=True)
class _Shadows:
    """Where agents' shadows lie, each a segment from the agent's middle to where the sun's ray through it has long met the
    ground: twice as long as on level ground. nearest, farthest [N]: its distances from the camera. beside [N]: metres that
    it stays outside the picture; negative where it may reach into it."""

    nearest: F64
    farthest: F64
    beside: F64


def _shadows(middle: F64, radius: F64, toward: F64, sides: F64) -> _Shadows:
    length = 3.0 * radius / toward[1]
    start = np.einsum("ij,ij->i", middle, middle)
    ahead = middle @ toward  # the segment runs along -toward
    along = np.clip(ahead, 0.0, length)
    nearest = np.sqrt(np.maximum(start + along * (along - 2.0 * ahead), 0.0))
    farthest = np.sqrt(np.maximum(start, start + length * (length - 2.0 * ahead)))
    outside = np.full(len(radius), -np.inf)
    for near, slope in zip(sides @ middle.T, sides @ toward, strict=True):
        outside = np.maximum(outside, -near + np.minimum(length * slope, 0.0))
    return _Shadows(nearest, farthest, outside - radius)


def plan_sun(
    direction: tuple[float, float, float], focal_px: float, origin_m: F64, middle: F64, radius: F64, receivers: F64,
    sides: F64, solid: NDArray[np.bool_] | None = None,
) -> SunPlan:  # fmt: skip
    """Levels for one frame. middle [N, 3] and radius [N]: spheres around the agents, rel; receivers [R, 3]: ground
    points and agents in the picture, rel. sides [P, 3]: as of `frame.picture_sides`.
    solid: as in `SunPlan`."""
    axes = sun_axes(direction)
    if axes[2, 1] < LOWEST_SUN or len(middle) == 0 or len(receivers) == 0:
        return SunPlan(axes, ())
    seen_uv, origin = axes[:2] @ receivers.T, axes[:2] @ origin_m
    distance = np.sqrt(np.einsum("ij,ij->i", receivers, receivers))
    far = float(distance.max())
    shadows = _shadows(middle, radius, axes[2], sides)
    may = np.flatnonzero(shadows.beside <= MARGIN_M + HALO * FINEST_M * STEP ** (LEVELS - 1))
    uv = axes[:2] @ middle.T
    levels: list[LevelPlan] = []
    notes: list[str] = []
    near_m = 0.0
    for k in range(LEVELS):
        texel_m = FINEST_M * STEP**k
        limit_m = focal_px * texel_m
        last = k == LEVELS - 1 or limit_m >= far
        from_m = 0.82 * near_m
        serves = distance >= from_m - 1.0
        if not last:
            serves &= distance <= limit_m + 1.0
        near_m = limit_m
        box = (0, 0, 0, 0)
        who = may[:0]
        wanted = texel_m
        if serves.any():
            low, high = _bounds(seen_uv, serves)
            who = may[shadows.beside[may] <= MARGIN_M + HALO * texel_m]
            who = who[shadows.farthest[who] + radius[who] + 1.0 >= from_m]
            if not last:
                who = who[shadows.nearest[who] - radius[who] - 1.0 <= limit_m]
            for at, least, most in zip(uv, low, high, strict=True):
                reach = radius[who] + MARGIN_M + 10.0 * texel_m
                who = who[(at[who] + reach >= least) & (at[who] - reach <= most)]
        if len(who):
            casters = _bounds(uv, who, radius[who] + 0.3)
            texel_m, *box = _window(texel_m, casters, (low, high), origin)  # type: ignore[assignment]
            if texel_m != wanted:
                notes.append(
                    f"sun map level {k} is coarser than wanted: {texel_m:.3g} m texels instead of {wanted:.3g} m"
                )
        if box[2] == 0:
            who = who[:0]
        levels.append(LevelPlan(texel_m, 1e9 if last else limit_m, *box, agents=who))
        if last:
            break
    return SunPlan(axes, tuple(levels), tuple(notes), solid)


@dataclass(frozen=True)
class Casters:
    """Who casts, by layout index: `slot_of` int64 [N] among `near` (as drawn) and `far` (coarsest mesh), `throw_of` int64 [N]
    among `throws`."""

    slot_of: NDArray[np.int64]
    near: Draws
    far: Draws
    throw_of: NDArray[np.int64]
    stamps: Stamps | None
    throws: Throws | None


@dataclass(frozen=True)
class _Strip:
    """Rows of one level that are drawn at once, and the slots and throws that reach into them."""

    level: int
    row0: int
    row1: int
    slots: NDArray[np.int32]
    throws: NDArray[np.int32]


def _vector(values: F64) -> wp.vec3:
    return wp.vec3(*(float(v) for v in values))


def _strips(plan: SunPlan, casters: Casters, uv: F64, radius: F64, origin: F64, threads: int) -> list[_Strip]:
    strips: list[_Strip] = []
    for number, level in enumerate(plan.levels):
        parts = 1 if threads == 1 else max(1, min(2 * threads, level.height // 64))
        edges = (np.linspace(0, level.height // TILE, parts + 1).astype(int)) * TILE
        row = (uv[level.agents, 1] + origin[1]) / level.texel_m - level.y0
        reach = radius[level.agents] / level.texel_m + 1.0
        drawn = np.full(len(level.agents), not level.stamped)
        if level.stamped and plan.solid is not None:
            drawn = plan.solid[level.agents]
        for a, b in itertools.pairwise(edges):
            here = (row + reach >= a) & (row - reach <= b)
            if b > a:
                slots = casters.slot_of[level.agents[here & drawn]].astype(np.int32)
                throws = casters.throw_of[level.agents[here & ~drawn]].astype(np.int32)
                strips.append(_Strip(number, int(a), int(b), slots, throws))
    return strips


def _table(plan: SunPlan, origin: F64) -> tuple[NDArray[np.void], int, int]:
    """The levels for kernels, and how many texels and tiles they have in all."""
    table = np.zeros(max(len(plan.levels), 1), dtype=SunLevel.numpy_dtype())
    first = first_tile = 0
    for row, level in zip(table, plan.levels, strict=False):
        row["texel_m"], row["per_m"], row["limit_m"] = level.texel_m, 1.0 / level.texel_m, level.limit_m
        anchor = np.floor(origin / (level.texel_m * TILE)).astype(np.int64) * TILE  # the texel at the camera
        row["off_u"], row["off_v"] = anchor * level.texel_m - origin
        row["x0"], row["y0"] = level.x0 - anchor[0], level.y0 - anchor[1]
        row["width"], row["height"], row["first"], row["first_tile"] = level.width, level.height, first, first_tile
        first += level.width * level.height
        first_tile += level.width * level.height // (TILE * TILE)
    return table, first, first_tile


def draw_sun(
    plan: SunPlan, casters: Casters, middle: F64, radius: F64, origin_m: F64, meshes: Meshes, pool: Pool, device: str
) -> Sun:
    """Draw the planned maps. middle, radius: as in `plan_sun`."""
    origin = plan.axes[:2] @ origin_m
    table, texels, tiles = _table(plan, origin)
    sun = Sun()
    sun.axis_u, sun.axis_v, sun.toward = (_vector(row) for row in plan.axes)
    sun.spread = SPREAD
    sun.levels = len(plan.levels)
    sun.level = wp.array(table, dtype=SunLevel, device=device)
    sun.depth = empty((max(texels, 1),), wp.float32, device)
    sun.tile, raw = (empty((max(tiles, 1),), wp.vec2, device) for _ in range(2))
    strips = _strips(plan, casters, middle @ plan.axes[:2].T, radius, origin, pool.threads)

    def draw(strip: _Strip) -> None:
        row, level = table[strip.level], plan.levels[strip.level]
        width = int(row["width"])
        a = int(row["first"]) + strip.row0 * width
        sun.depth[a : a + (strip.row1 - strip.row0) * width].fill_(FAR)
        n, rows = lanes(device), [strip.row0, strip.row1, sun.depth]
        if len(strip.throws):
            who = upload(strip.throws, wp.int32, device)
            inputs = [casters.stamps, casters.throws, sun, strip.level, who, *rows]
            wp.launch(stamp_kernel, dim=len(strip.throws), device=device, inputs=inputs)
        if len(strip.slots):
            draws = casters.far if level.coarse or level.stamped else casters.near
            inputs = [meshes, draws, sun, strip.level, upload(strip.slots, wp.int32, device), n, *rows]
            wp.launch(sun_raster_kernel, dim=(len(strip.slots), n), device=device, inputs=inputs)
        dim = ((strip.row1 - strip.row0) // TILE, width // TILE)
        wp.launch(tile_kernel, dim=dim, device=device, inputs=[sun, strip.level, strip.row0 // TILE, raw])

    def blur(strip: _Strip) -> None:
        dim = ((strip.row1 - strip.row0) // TILE, int(table[strip.level]["width"]) // TILE)
        inputs = [sun, strip.level, strip.row0 // TILE, raw, sun.tile]
        wp.launch(tile_blur_kernel, dim=dim, device=device, inputs=inputs)

    pool.run(draw, strips)
    pool.run(blur, strips)
    return sun


def _taps(n: int) -> F64:
    """[n, 4]: (across, down) over a tent two pixels wide, and a place in the unit disc, by the R4 sequence."""
    golden = 1.0
    for _ in range(64):
        golden = (1.0 + golden) ** (1.0 / 5.0)
    u = (0.5 + np.arange(n)[:, None] * golden ** -np.arange(1.0, 5.0)) % 1.0
    tent = np.where(u[:, :2] < 0.5, np.sqrt(2 * u[:, :2]) - 1.0, 1.0 - np.sqrt(2 - 2 * u[:, :2]))
    angle, ring = 2 * np.pi * u[:, 2], np.sqrt(u[:, 3])
    taps = np.concatenate([tent, np.stack([ring * np.cos(angle), ring * np.sin(angle)], axis=1)], axis=1)
    return taps - taps.mean(0)


def filter_taps() -> NDArray[np.float32]:
    """float32 [44, 4]: 12 places for small filters, then 32 for wide ones; the same for every pixel and frame."""
    return np.concatenate([_taps(12), _taps(32)]).astype(np.float32)
