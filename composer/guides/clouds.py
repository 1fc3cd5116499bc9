"""A frame's smoke and dust as grids on the device: how fine, what is in them, and how the sun reaches it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.regions import edge_distance_m, inside
from composer.environment.feet import LEVELS, Raised
from composer.environment.noise import noise2
from composer.environment.volumes import Bank, Feet, Plume, Volumes
from composer.errors import InputError
from composer.guides import kernel_cloud
from composer.guides.device import Pool, empty, load_kernels, upload, zeros
from composer.guides.kernel_cloud import (
    BANK,
    BLOCK,
    PLUME,
    REACH,
    Cloud,
    Pools,
    bank_kernel,
    level_kernel,
    levels_kernel,
    light_kernel,
    plume_kernel,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
HeightAt = Callable[[F64, F64], NDArray[np.floating]]

#: Cells of all a frame's grids together; where more would be wanted, all are made coarser alike.
MOST_CELLS = 1_600_000
#: How many pixels of the picture a cell may be wide, where the grid's bounds let it.
CELL_PX = 5.5
FEWEST, MOST_ACROSS = 24, 64
BANK_LEVELS = 20
BANK_CELLS = 70_000


@dataclass(frozen=True)
class Clouds:
    """clouds: on the device, `many` of them (at least one element). pools: their grids."""

    clouds: wp.array
    many: int
    pools: Pools


@dataclass(frozen=True)
class _Grid:
    """n: cells (x, y, z). m: of its light. fill: launches what makes its density, for levels from a to b."""

    cloud: Cloud
    base: F32
    blocks: NDArray[np.uint8]
    fill: Callable[[Cloud, wp.array, int, int], None]


def clouds_of(
    volumes: Volumes, raised: Raised | None, view: View, frame: int, height_at: HeightAt, toward: tuple[float, float, float],
    pool: Pool, device: str,
) -> Clouds:  # fmt: skip
    """The grids of one frame. raised: what hangs at people's feet. height_at: the ground's, world metres; NaN where there is
    none. toward: unit, to the sun."""
    load_kernels(device, kernel_cloud)
    grids = [_plume(p, volumes, view, frame, device) for p in volumes.plumes]
    grids += [_bank(b, volumes, view, frame, height_at, device) for b in volumes.banks]
    if raised is not None and volumes.feet is not None:
        grids.append(_raised(raised, volumes.feet, volumes, view, frame, height_at, device))
    pools = Pools()
    first = light = base = block = 0
    for grid in grids:
        c = grid.cloud
        c.first, c.first_light, c.first_base, c.first_block = first, light, base, block
        c.mx, c.my, c.mz = (max(2, (n + 1) // 2) for n in (c.nx, c.ny, c.nz))
        first, light, base = first + c.nx * c.ny * c.nz, light + c.mx * c.my * c.mz, base + grid.base.size
        block += grid.blocks.size
    pools.density = empty((max(first, 1),), wp.float32, device)
    pools.light = zeros((max(light, 1),), wp.vec2, device)
    pools.base = upload(_joined([g.base for g in grids], np.float32), wp.float32, device)
    pools.blocks = upload(_joined([g.blocks for g in grids], np.uint8), wp.uint8, device)
    ahead = wp.vec3(*(float(v) for v in np.array(toward) / np.linalg.norm(toward)))

    def fill(job: tuple[_Grid, int, int]) -> None:
        grid, a, b = job
        c = grid.cloud
        grid.fill(c, pools.density[c.first : c.first + c.nx * c.ny * c.nz], a, b)

    def light_up(job: tuple[_Grid, int, int]) -> None:
        c = job[0].cloud
        wp.launch(light_kernel, dim=(job[2] - job[1], c.mz, c.mx), device=device, inputs=[c, pools, job[1], ahead])

    pool.run(fill, [(g, a, b) for g in grids for a, b in pool.split(g.cloud.ny, 4)])
    pool.run(light_up, [(g, a, b) for g in grids for a, b in pool.split(g.cloud.my, 4)])
    each = [g.cloud for g in grids] or [Cloud()]
    return Clouds(wp.array(each, dtype=Cloud, device=device), len(grids), pools)


def _joined(parts: list[NDArray], kind: type) -> NDArray:  # type: ignore[type-arg]
    """One after the other; at least one element."""
    return (
        np.concatenate([np.zeros(0, kind), *(p.ravel() for p in parts)])
        if any(p.size for p in parts)
        else np.zeros(1, kind)
    )


def _blocks(there: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """[nz, nx] by blocks: 1 where anything is in the block or in those around it."""
    n = int(BLOCK)
    nz, nx = there.shape
    even = np.pad(there, ((0, -nz % n), (0, -nx % n)))
    whole = even.reshape(even.shape[0] // n, n, -1, n).any(axis=(1, 3)).astype(np.uint8)
    return cv2.dilate(whole, np.ones((3, 3), np.uint8))


def _rel(place: F64, view: View) -> wp.vec3:
    return wp.vec3(*(float(v) for v in np.asarray(place, np.float64) - view.position_m))


def _pixel_m(place: F64, volumes: Volumes, view: View) -> float:
    """How wide a pixel is there, for the first frame's camera: the same in all frames."""
    return max(float(np.linalg.norm(place - volumes.eye_m)), 2.0) / float(view.focal_px[1])


def _plume(p: Plume, volumes: Volumes, view: View, frame: int, device: str) -> _Grid:
    c = Cloud()
    middle = 0.5 * p.height_m
    there = p.foot_m + np.array([p.wind_m_s[0] * p.age_at(middle), middle, p.wind_m_s[1] * p.age_at(middle)])
    fine = CELL_PX * _pixel_m(there, volumes, view)
    across = int(np.clip(np.ceil(2 * REACH * p.radius_at(middle) / fine), FEWEST, MOST_ACROSS))
    up = int(np.clip(np.ceil(1.4 * p.height_m / fine), FEWEST, 3 * MOST_ACROSS))
    crowded = (len(volumes.plumes) * across * across * up / MOST_CELLS) ** (1 / 3)
    across, up = (max(16, int(n / max(crowded, 1.0))) for n in (across, up))
    c.kind, c.nx, c.ny, c.nz = PLUME, across, up, across
    c.origin, c.top, c.radius, c.spread, c.rise = _rel(p.foot_m, view), p.height_m, p.radius_m, p.spread, p.rise_m_s
    c.wind = wp.vec2(*p.wind_m_s)
    c.cell = 1.0
    c.albedo, c.forward = wp.vec3(*p.albedo), p.forward
    steps = np.linspace(0, p.height_m, 33)
    ages = np.array([p.age_at(y) for y in steps])
    wide = REACH * np.array([p.radius_at(y) for y in steps])
    low = np.array([(p.wind_m_s[0] * ages - wide).min(), 0.0, (p.wind_m_s[1] * ages - wide).min()])
    high = np.array([(p.wind_m_s[0] * ages + wide).max(), p.height_m, (p.wind_m_s[1] * ages + wide).max()])
    c.low, c.high = _rel(p.foot_m + low, view), _rel(p.foot_m + high, view)
    c.step = 2.0 * 2 * REACH * p.radius_at(0.35 * p.height_m) / across
    seed = float(p.seed % 4096) * 1.37
    level = wp.zeros((up, 11), dtype=wp.float32, device=device)
    inputs = [c, volumes.seconds(frame), p.age_s, p.extinction_per_m, seed, level]
    wp.launch(level_kernel, dim=up, device=device, inputs=inputs)

    def fill(cloud: Cloud, out: wp.array, a: int, b: int) -> None:
        inputs = [cloud, a, seed, level, out]
        wp.launch(plume_kernel, dim=(b - a, cloud.nz, cloud.nx), device=device, inputs=inputs)

    return _Grid(c, np.zeros(0, np.float32), np.zeros(0, np.uint8), fill)


def _on_ground(
    c: Cloud, corner: F64, size: tuple[int, int, int], cell: float, top: float, view: View, height_at: HeightAt
) -> tuple[F32, NDArray[np.bool_]]:  # fmt: skip
    """Lays a grid over the ground from a corner (x, z); its ground heights over the origin [nz, nx], and where there is any."""
    nx, ny, nz = size
    x, z = np.meshgrid(corner[0] + cell * np.arange(nx), corner[1] + cell * np.arange(nz))
    y = np.asarray(height_at(x.ravel(), z.ravel()), np.float64).reshape(nz, nx)
    there = np.isfinite(y)
    if not there.any():
        raise InputError("there is no ground under this dust")
    y = np.where(there, y, y[there].mean())
    origin = np.array([corner[0], np.floor(y.min()), corner[1]])
    c.kind, c.nx, c.ny, c.nz, c.cell, c.top = BANK, nx, ny, nz, cell, top
    c.origin = _rel(origin, view)
    c.low = _rel(np.array([corner[0], y.min() - 0.5, corner[1]]), view)
    c.high = _rel(np.array([corner[0] + cell * (nx - 1), y.max() + top, corner[1] + cell * (nz - 1)]), view)
    c.radius, c.spread, c.rise, c.step = 1.0, 0.0, 1.0, 1.4 * cell
    return (y - origin[1]).astype(np.float32), there


_covers: OrderedDict[int, tuple[Bank, tuple[F64, float, F32]]] = OrderedDict()
_lock = Lock()


def _cover(bank: Bank, cell: float) -> tuple[F64, float, F32]:
    """A bank's corner, cell and cover [nz, nx]: 1 inside, thinning out raggedly along its edge. Kept for the last few."""
    with _lock:
        if id(bank) in _covers and _covers[id(bank)][1][1] == cell:
            return _covers[id(bank)][1]
    low = np.floor((bank.outline_m.min(0) - bank.soft_m) / cell) * cell
    high = np.ceil((bank.outline_m.max(0) + bank.soft_m) / cell) * cell
    nx, nz = (round(float(v)) + 1 for v in (high - low) / cell)
    x, z = np.meshgrid(low[0] + cell * np.arange(nx), low[1] + cell * np.arange(nz))
    points = np.stack([x.ravel(), z.ravel()], axis=1)
    away = edge_distance_m(bank.outline_m, points) * np.where(inside(bank.outline_m, points), 1.0, -1.0)
    size = max(2.0 * bank.soft_m, 4 * cell)
    ragged = noise2(points[:, 0] / size, points[:, 1] / size, bank.seed % 65_536)
    ragged += 0.5 * noise2(points[:, 0] / size * 2.3, points[:, 1] / size * 2.3, bank.seed % 65_536 + 1)
    t = np.clip((away / bank.soft_m + 0.45 * bank.patches * ragged), 0, 1).reshape(nz, nx)
    t[[0, -1], :] = 0
    t[:, [0, -1]] = 0
    made = (low, cell, (t * t * (3 - 2 * t)).astype(np.float32))
    with _lock:
        _covers[id(bank)] = (bank, made)
        while len(_covers) > 16:
            _covers.popitem(last=False)
    return made


def _bank(b: Bank, volumes: Volumes, view: View, frame: int, height_at: HeightAt, device: str) -> _Grid:
    eye = volumes.eye_m[None, [0, 2]]
    away = 0.0 if inside(b.outline_m, eye)[0] else float(edge_distance_m(b.outline_m, eye)[0])
    there = volumes.eye_m + np.array([max(away, 4.0), 0.0, 0.0])
    extent = np.ptp(b.outline_m, axis=0) + 2 * b.soft_m
    cell = max(
        1.6 * CELL_PX * _pixel_m(there, volumes, view), 0.12 * b.height_m, float(np.sqrt(np.prod(extent) / BANK_CELLS))
    )
    cell = float(2.0 ** (np.ceil(4 * np.log2(max(cell, 0.15))) / 4))
    corner, cell, cover = _cover(b, cell)
    c = Cloud()
    nz, nx = cover.shape
    base, ground = _on_ground(c, corner, (nx, BANK_LEVELS, nz), cell, 3.4 * b.height_m, view, height_at)
    c.wind, c.albedo, c.forward = wp.vec2(*b.wind_m_s), wp.vec3(*b.albedo), b.forward
    amount = upload((cover * ground * b.extinction_per_m).astype(np.float32), wp.float32, device)
    size = max(2.4 * b.height_m, 4 * cell)
    anchor = wp.vec3(float(corner[0]), float(b.seed % 512), float(corner[1]))
    seconds = volumes.seconds(frame)

    def fill(cloud: Cloud, out: wp.array, first: int, last: int) -> None:
        inputs = [cloud, first, seconds, b.patches, b.height_m, size, anchor, amount, out]
        wp.launch(bank_kernel, dim=(last - first, cloud.nz, cloud.nx), device=device, inputs=inputs)

    return _Grid(c, base, _blocks(cover > 0), fill)


def _raised(
    dust: Raised, feet: Feet, volumes: Volumes, view: View, frame: int, height_at: HeightAt, device: str
) -> _Grid:  # fmt: skip
    c = Cloud()
    _, nz, nx = dust.extinction.shape
    base, _ = _on_ground(c, np.array(dust.corner_m), (nx, LEVELS, nz), dust.cell_m, dust.top_m, view, height_at)
    c.wind, c.albedo, c.forward = wp.vec2(*feet.wind_m_s), wp.vec3(*feet.albedo), feet.forward
    levels = upload(dust.extinction, wp.float32, device)
    anchor = wp.vec3(dust.corner_m[0], float(feet.seed % 512) + 0.5, dust.corner_m[1])
    seconds, size = volumes.seconds(frame), max(1.7, 3.0 * dust.cell_m)

    def fill(cloud: Cloud, out: wp.array, first: int, last: int) -> None:
        inputs = [cloud, first, seconds, 0.8, size, anchor, levels, out]
        wp.launch(levels_kernel, dim=(last - first, cloud.nz, cloud.nx), device=device, inputs=inputs)

    return _Grid(c, base, _blocks(dust.extinction[0] > 0), fill)
