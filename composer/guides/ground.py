"""The ground's depth as the plate's camera sees it: catcher of shadows, and occluder of whoever stands behind a
hill."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Protocol

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.guides import kernel_catch
from composer.guides.device import Pool, eye_of, load_kernels, upload
from composer.guides.kernel_catch import plane_kernel
from composer.guides.kernel_view import Eye, Grid2
from composer.guides.lens_table import LensTables, lens_tables
from composer.guides.pattern import sample_places

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

#: Ground triangles with a longer side are split, so that what crosses the near plane stays small in the picture.
LONGEST_M = 40.0
MOST_TRIANGLES = 2_000_000


class GroundLike(Protocol):
    """What is needed of `shot.ground.Ground`."""

    @property
    def kind(self) -> str: ...
    @property
    def point_m(self) -> NDArray[np.float64]: ...
    @property
    def plane_normal(self) -> NDArray[np.float64]: ...
    @property
    def position_m(self) -> F32: ...
    @property
    def triangle(self) -> I32: ...


def split_long(position_m: F32, triangle: I32, longest_m: float = LONGEST_M) -> tuple[F32, I32]:
    """The mesh with every side longer than `longest_m` halved until none is. A side is always halved at its middle, so
    neighbours still share all their points."""
    points = [np.asarray(position_m, np.float32)]
    total = len(points[0])
    triangles = np.asarray(triangle, np.int32)
    done: list[I32] = []
    while len(triangles):
        p = np.concatenate(points) if len(points) > 1 else points[0]
        points = [p]
        corner = p[triangles].astype(np.float64)
        side = np.linalg.norm(corner[:, [1, 2, 0]] - corner, axis=2)
        k = side.argmax(1)
        long = side.max(1) > longest_m
        done.append(triangles[~long])
        if not long.any() or sum(map(len, done)) + len(triangles) > MOST_TRIANGLES:
            done.append(triangles[long])
            break
        rows, k = triangles[long], k[long]
        i = np.arange(len(rows))
        a, b, c = rows[i, k], rows[i, (k + 1) % 3], rows[i, (k + 2) % 3]
        pair = np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1)
        unique, inverse = np.unique(pair, axis=0, return_inverse=True)
        middle = 0.5 * (p[unique[:, 0]].astype(np.float64) + p[unique[:, 1]])
        points.append(middle.astype(np.float32))
        m = (total + inverse.reshape(-1)).astype(np.int32)
        total += len(unique)
        triangles = np.concatenate([np.stack([a, m, c], 1), np.stack([m, b, c], 1)]).astype(np.int32)
    return np.concatenate(points), np.concatenate(done)


_split: OrderedDict[int, tuple[GroundLike, F32, I32]] = OrderedDict()
_lock = Lock()


def _mesh(ground: GroundLike) -> tuple[F32, I32]:
    """The ground's split mesh, kept for the last few grounds."""
    with _lock:
        if id(ground) not in _split:
            _split[id(ground)] = (ground, *split_long(ground.position_m, ground.triangle))
            while len(_split) > 3:
                _split.popitem(last=False)
        return _split[id(ground)][1:]


def _flat_eye(eye: Eye, tables: LensTables, view: View, device: str) -> tuple[Eye, int, int]:
    """A pinhole that sees all that the lens brings into the picture, and its picture's size."""
    w, h = view.size_px
    flat = Eye()
    flat.row_x, flat.row_y, flat.row_z, flat.shift = eye.row_x, eye.row_y, eye.row_z, eye.shift
    none = Grid2()
    none.value = wp.zeros((1, 1), dtype=wp.vec2, device=device)
    flat.forward = flat.inverse = none
    if tables.inverse is None:
        flat.fx, flat.fy, flat.cx, flat.cy = eye.fx, eye.fy, eye.cx, eye.cy
        return flat, w, h
    x0, y0, x1, y1 = tables.ideal_box
    wide, high = (x1 - x0) * eye.fx, (y1 - y0) * eye.fy
    shrink = min(1.0, float(np.sqrt(4.0 * w * h / (wide * high))))
    flat.fx, flat.fy = eye.fx * shrink, eye.fy * shrink
    flat.cx, flat.cy = 1.0 - x0 * flat.fx, 1.0 - y0 * flat.fy
    return flat, int(np.ceil(wide * shrink)) + 2, int(np.ceil(high * shrink)) + 2


def ground_depth(ground: GroundLike, view: View, *, device: str = "cpu", threads: int | None = None) -> F32:
    """float32 [H, W]: planar depth in metres of the ground at each pixel's centre, through the lens; inf where none."""
    w, h = view.size_px
    origin = view.position_m
    tables = lens_tables(view)
    eye = eye_of(view, tables, origin, device)
    pool = Pool(device, threads)
    depth = np.empty((h, w), np.float32)
    target = upload(depth, wp.float32, device)
    try:
        if ground.kind == "plane":
            n = np.asarray(ground.plane_normal, np.float64)
            height = float(n @ (np.asarray(ground.point_m, np.float64) - origin))

            load_kernels(device, kernel_catch)

            def plane(rows: tuple[int, int]) -> None:
                inputs = [eye, wp.vec3(*map(float, n)), height, rows[0], target]
                wp.launch(plane_kernel, dim=(rows[1] - rows[0], w), device=device, inputs=inputs)

            pool.run(plane, pool.split(h, 32))
        else:
            _draw_mesh(ground, view, tables, eye, target, pool, device)
    finally:
        pool.close()
    return depth if device == "cpu" else target.numpy()


def _draw_mesh(
    ground: GroundLike, view: View, tables: LensTables, eye: Eye, target: wp.array, pool: Pool, device: str
) -> None:
    from composer.guides import kernel_ground
    from composer.guides.kernel_ground import NOTHING, ground_depth_kernel, ground_raster_kernel, place_kernel

    load_kernels(device, kernel_ground)
    w, h = view.size_px
    position, faces = _mesh(ground)
    rel = upload((position.astype(np.float64) - view.position_m).astype(np.float32), wp.vec3, device)
    triangle = upload(faces, wp.vec3i, device)
    cam = wp.empty(len(position), dtype=wp.vec3, device=device)
    flat, width, height = _flat_eye(eye, tables, view, device)
    vis = wp.empty(width * height, dtype=wp.uint64, device=device)
    offset = upload(sample_places(1), wp.vec2i, device)

    def place(part: tuple[int, int]) -> None:
        wp.launch(place_kernel, dim=part[1] - part[0], device=device, inputs=[eye, rel, part[0], cam])

    def draw(rows: tuple[int, int]) -> None:
        band = vis[rows[0] * width : rows[1] * width]
        band.fill_(int(NOTHING))
        inputs = [flat, cam, triangle, rows[0], rows[1], width, offset, band]
        wp.launch(ground_raster_kernel, dim=len(faces), device=device, inputs=inputs)

    def fill(rows: tuple[int, int]) -> None:
        inputs = [eye, flat, cam, triangle, rows[0], width, height, vis, target]
        wp.launch(ground_depth_kernel, dim=(rows[1] - rows[0], w), device=device, inputs=inputs)

    pool.run(place, pool.split(len(position), 4096))
    pool.run(draw, pool.split(height, max(1, height // pool.threads)))
    pool.run(fill, pool.split(h, 32))
