"""Ground out of files: OBJ, USD, height fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.shot.ground import Ground, mesh_ground

MAX_OBJ_BYTES = 512 * 1024 * 1024
MAX_TRIANGLES = 20_000_000
#: Height fields are thinned to at most this many samples a side.
MAX_FIELD = 2048

F64 = NDArray[np.float64]


def read_mesh(path: Path) -> Ground:
    """OBJ by this file's own reader, USD (.usd .usda .usdc .usdz) through pxr: every mesh in it, in world metres, Y
    up."""
    suffix = path.suffix.lower()
    if suffix not in (".obj", ".usd", ".usda", ".usdc", ".usdz"):
        raise InputError(
            "not a ground mesh",
            where=Where(file=path),
            expected=".obj, .usd, .usda, .usdc or .usdz",
            got=suffix or path.name,
        )
    if not path.is_file():
        raise InputError("no such file", where=Where(file=path))
    position, triangle, notes = _read_obj(path) if suffix == ".obj" else _read_usd(path)
    try:
        return mesh_ground(position, triangle, trust=f"mesh {path.name}", notes=notes)
    except InputError as error:
        raise InputError(error.what, where=Where(file=path), expected=error.expected, got=error.got) from error


def _read_obj(path: Path) -> tuple[F64, NDArray[np.int64], tuple[str, ...]]:
    """`v` and `f` lines (polygons as fans, negative indices); everything else is looks and is passed over."""
    if path.stat().st_size > MAX_OBJ_BYTES:
        raise InputError("the OBJ is too big", where=Where(file=path), expected=f"at most {MAX_OBJ_BYTES >> 20} MiB")
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, int, int]] = []
    with path.open("r", encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if not words or words[0] not in ("v", "f"):
                continue
            try:
                if words[0] == "v":
                    vertices.append((float(words[1]), float(words[2]), float(words[3])))
                    continue
                corners = [int(w.partition("/")[0]) for w in words[1:]]
                corners = [c - 1 if c > 0 else len(vertices) + c for c in corners]
                if len(corners) < 3 or min(corners) < 0 or max(corners) >= len(vertices):
                    raise ValueError
            except (ValueError, IndexError) as error:
                what = "not a vertex" if words[0] == "v" else "a face needs three or more vertices that are there"
                raise InputError(what, where=Where(file=path, line=number), got=line.strip()[:60]) from error
            faces += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
            if len(faces) > MAX_TRIANGLES:
                raise InputError("too many triangles", where=Where(file=path), expected=f"at most {MAX_TRIANGLES}")
    if not faces:
        raise InputError("no faces in this OBJ", where=Where(file=path))
    note = f"ground: {path.name} read as metres, Y up (OBJ files do not say), {len(faces)} triangles"
    return np.array(vertices), np.array(faces, dtype=np.int64), (note,)


def _read_usd(path: Path) -> tuple[F64, NDArray[np.int64], tuple[str, ...]]:
    from pxr import Gf, Tf, Usd, UsdGeom

    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        raise InputError("not a USD file that can be opened", where=Where(file=path)) from error
    metres = UsdGeom.GetStageMetersPerUnit(stage)
    up = UsdGeom.GetStageUpAxis(stage)
    world = Gf.Matrix4d(1.0)
    if up == UsdGeom.Tokens.z:
        world.SetRotate(Gf.Rotation(Gf.Vec3d(1, 0, 0), -90))
    cache = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    positions, triangles, base, meshes = [], [], 0, 0
    for prim in Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()):
        if not prim.IsA(UsdGeom.Mesh):
            continue
        mesh, time = UsdGeom.Mesh(prim), Usd.TimeCode.EarliestTime()
        points, counts = mesh.GetPointsAttr().Get(time), mesh.GetFaceVertexCountsAttr().Get(time)
        indices = mesh.GetFaceVertexIndicesAttr().Get(time)
        if not points or not counts or not indices:
            continue
        matrix = np.array(cache.GetLocalToWorldTransform(prim) * world)  # row vectors: p' = p @ matrix
        local = np.array(points, dtype=np.float64)
        positions.append((local @ matrix[:3, :3] + matrix[3, :3]) * metres)
        triangles.append(_fans(np.array(counts, np.int64), np.array(indices, np.int64), path) + base)
        base += len(local)
        meshes += 1
    if not positions:
        raise InputError("no mesh in this USD file", where=Where(file=path))
    note = f"ground: {path.name}: {meshes} mesh(es), {metres:g} metres a unit, {up} up, at its earliest time"
    return np.concatenate(positions), np.concatenate(triangles), (note,)


def _fans(counts: NDArray[np.int64], indices: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    if counts.sum() != len(indices) or (counts < 0).any():
        raise InputError("face counts and indices do not agree", where=Where(file=path))
    start = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    face = np.repeat(np.arange(len(counts)), fans)
    step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
    return np.stack([indices[start[face]], indices[start[face] + step + 1], indices[start[face] + step + 2]], axis=1)


def height_field(
    heights: NDArray[np.float32],
    size_m: tuple[float, float],
    origin_m: tuple[float, float, float],
    height_scale: float,
    name: str,
) -> Ground:
    """Triangles over a picture of heights float32 [H, W]: first row at the far side (-Z), samples on the outer edges,
    two triangles a cell. Samples that are not finite are holes."""
    step = max(1, -(-max(heights.shape) // MAX_FIELD))
    notes: tuple[str, ...] = (f"ground: height field {name}, {heights.shape[1]} x {heights.shape[0]} samples",)
    if step > 1:
        notes = (*notes, f"ground: height field thinned to every {step}th sample")
    rows = np.unique(np.append(np.arange(0, heights.shape[0], step), heights.shape[0] - 1))
    columns = np.unique(np.append(np.arange(0, heights.shape[1], step), heights.shape[1] - 1))
    if len(rows) < 2 or len(columns) < 2:
        raise InputError(
            "a height field needs two rows and two columns", got=f"{heights.shape[1]} x {heights.shape[0]}"
        )
    x = origin_m[0] + size_m[0] * (columns / (heights.shape[1] - 1) - 0.5)
    z = origin_m[2] + size_m[1] * (rows / (heights.shape[0] - 1) - 0.5)
    y = origin_m[1] + height_scale * heights[np.ix_(rows, columns)].astype(np.float64)
    position = np.stack([np.broadcast_to(x, y.shape), y, np.broadcast_to(z[:, None], y.shape)], axis=-1).reshape(-1, 3)
    index = np.arange(y.size).reshape(y.shape)
    a, b, c, d = (v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    triangle = np.concatenate([np.stack([a, b, c], axis=1), np.stack([c, b, d], axis=1)])
    return mesh_ground(position, triangle, trust=f"height field {name}", notes=notes)
