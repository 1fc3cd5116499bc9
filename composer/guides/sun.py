"""The sun's depth maps: which levels, over which piece of ground, and who stands in them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.device import Pool, empty, lanes, upload
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


@dataclass(frozen=True)
class SunPlan:
    """axes: float64 [3, 3], rows u, v, toward. levels may be empty (no sun, or nobody casts)."""

    axes: F64
    levels: tuple[LevelPlan, ...]
    notes: tuple[str, ...] = ()


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


def _step(radius: F64, toward: F64) -> F64:
    """From each agent to where the sun's ray through his middle has long met the ground [N, 3]."""
    return -toward * (3.0 * radius / toward[1])[:, None]


def _throw(middle: F64, radius: F64, toward: F64) -> tuple[F64, F64]:
    """Least and greatest distance from the camera of each agent's shadow [N], twice as long as on level ground."""
    step = _step(radius, toward)
    along = np.clip(-(middle * step).sum(1) / np.maximum((step * step).sum(1), 1e-9), 0.0, 1.0)
    nearest = np.linalg.norm(middle + step * along[:, None], axis=1)
    return nearest, np.maximum(np.linalg.norm(middle, axis=1), np.linalg.norm(middle + step, axis=1))


def _beside(ends: tuple[F64, F64], radius: F64, sides: F64) -> F64:
    """How far each agent's shadow stays outside the picture [N], metres; negative where it may reach into it."""
    outside = np.full(len(radius), -np.inf)
    for side in sides:
        outside = np.maximum(outside, np.minimum(-(ends[0] @ side), -(ends[1] @ side)) - radius)
    return outside


def plan_sun(
    direction: tuple[float, float, float], focal_px: float, origin_m: F64, middle: F64, radius: F64, receivers: F64,
    sides: F64,
) -> SunPlan:  # fmt: skip
    """Levels for one frame. middle [N, 3] and radius [N]: spheres around the agents, rel; receivers [R, 3]: ground
    points and agents in the picture, rel. sides [P, 3]: as of `frame.picture_sides`."""
    axes = sun_axes(direction)
    if axes[2, 1] < LOWEST_SUN or len(middle) == 0 or len(receivers) == 0:
        return SunPlan(axes, ())
    seen_uv, origin = receivers @ axes[:2].T, axes[:2] @ origin_m
    distance = np.linalg.norm(receivers, axis=1)
    far = float(distance.max())
    beside = _beside((middle, middle + _step(radius, axes[2])), radius, sides)
    who = np.flatnonzero(beside <= MARGIN_M + HALO * FINEST_M * STEP ** (LEVELS - 1))
    middle, radius, beside = middle[who], radius[who], beside[who]
    uv = (middle @ axes[0], middle @ axes[1])
    nearest, farthest = _throw(middle, radius, axes[2])
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
        inside = np.full(len(middle), bool(serves.any()))
        wanted = texel_m
        if serves.any():
            low, high = seen_uv[serves].min(0), seen_uv[serves].max(0)
            reach = radius + MARGIN_M + 10.0 * texel_m
            for at, least, most in zip(uv, low, high, strict=True):
                inside &= (at + reach >= least) & (at - reach <= most)
            inside &= beside <= MARGIN_M + HALO * texel_m
            inside &= (farthest + radius + 1.0 >= from_m) & ((nearest - radius - 1.0 <= limit_m) | last)
        if inside.any():
            reach = radius[inside] + 0.3
            casters = (
                np.array([(at[inside] - reach).min() for at in uv]), np.array([(at[inside] + reach).max() for at in uv])
            )  # fmt: skip
            texel_m, *box = _window(texel_m, casters, (low, high), origin)  # type: ignore[assignment]
            if texel_m != wanted:
                notes.append(
                    f"sun map level {k} is coarser than wanted: {texel_m:.3g} m texels instead of {wanted:.3g} m"
                )
        if box[2] == 0:
            inside[:] = False
        levels.append(LevelPlan(texel_m, 1e9 if last else limit_m, *box, agents=who[inside]))
        if last:
            break
    return SunPlan(axes, tuple(levels), tuple(notes))


@dataclass(frozen=True)
class _Strip:
    """Rows of one level that one launch draws, and the slots that reach into them."""

    level: int
    row0: int
    row1: int
    slots: NDArray[np.int32]


def _vector(values: F64) -> wp.vec3:
    return wp.vec3(*(float(v) for v in values))


def _strips(plan: SunPlan, slot_of: NDArray[np.int64], uv: F64, radius: F64, origin: F64, threads: int) -> list[_Strip]:
    strips: list[_Strip] = []
    for number, level in enumerate(plan.levels):
        parts = 1 if threads == 1 else max(1, min(2 * threads, level.height // 64))
        edges = (np.linspace(0, level.height // TILE, parts + 1).astype(int)) * TILE
        row = (uv[level.agents, 1] + origin[1]) / level.texel_m - level.y0
        reach = radius[level.agents] / level.texel_m + 1.0
        for a, b in itertools.pairwise(edges):
            here = level.agents[(row + reach >= a) & (row - reach <= b)]
            if b > a:
                strips.append(_Strip(number, int(a), int(b), slot_of[here].astype(np.int32)))
    return strips


def draw_sun(
    plan: SunPlan, slot_of: NDArray[np.int64], middle: F64, radius: F64, origin_m: F64,
    meshes: Meshes, draws: Draws, pool: Pool, device: str,
) -> Sun:  # fmt: skip
    """Draw the planned maps. slot_of: int64 [N], layout index to slot. middle, radius: as in `plan_sun`."""
    origin = plan.axes[:2] @ origin_m
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
    sun = Sun()
    sun.axis_u, sun.axis_v, sun.toward = (_vector(row) for row in plan.axes)
    sun.spread = SPREAD
    sun.levels = len(plan.levels)
    sun.level = wp.array(table, dtype=SunLevel, device=device)
    sun.depth = empty((max(first, 1),), wp.float32, device)
    sun.tile, raw = (empty((max(first_tile, 1),), wp.vec2, device) for _ in range(2))
    strips = _strips(plan, slot_of, middle @ plan.axes[:2].T, radius, origin, pool.threads)

    def draw(strip: _Strip) -> None:
        row = table[strip.level]
        width = int(row["width"])
        a = int(row["first"]) + strip.row0 * width
        sun.depth[a : a + (strip.row1 - strip.row0) * width].fill_(FAR)
        if len(strip.slots):
            n = lanes(device)
            wp.launch(
                sun_raster_kernel, dim=(len(strip.slots), n), device=device,
                inputs=[meshes, draws, sun, strip.level, upload(strip.slots, wp.int32, device), n,
                        strip.row0, strip.row1, sun.depth],
            )  # fmt: skip
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
