"""Set pieces out of files: OBJ, USD, glTF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from composer.crowd.characters.model import Surface
from composer.crowd.characters.still import Still, read_still_gltf, read_still_usd
from composer.crowd.dyes import AP1_FROM_REC709
from composer.environment.model import SURFACE
from composer.environment.solid import Shape
from composer.errors import InputError, Where
from composer.shot.ground_files import read_mesh

MAX_TRIANGLES = 2_000_000
#: Faces that meet at less than this are shaded as one curved surface.
CREASE = np.cos(np.radians(35.0))
#: What a material's name says about its surface.
_WORDS = {
    "stone": ("stone", "brick", "wall", "castle", "masonry"),
    "wood": ("wood", "timber", "plank", "oak"), "rock": ("rock", "cliff"),
    "turf": ("grass", "turf"), "cloth": ("cloth", "canvas", "flag", "banner"), "leaves": ("leaf", "leaves", "foliage"),
    "iron": ("iron", "metal", "steel"),
}  # fmt: skip


def read_shape(path: Path, albedo: tuple[float, float, float] | None) -> tuple[Shape, tuple[str, ...]]:
    """The file's meshes as one shape, about its own origin, and notes. Raises InputError."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError("no such file", where=Where(file=path))
    if suffix in (".gltf", ".glb"):
        still = read_still_gltf(path)
    elif suffix in (".usd", ".usda", ".usdc", ".usdz"):
        still = read_still_usd(path)
    elif suffix == ".obj":
        mesh = read_mesh(path)
        faces = mesh.triangle.astype(np.int64)
        grey = (Surface("obj", (0.4, 0.4, 0.4)),)
        notes = tuple(n.replace("ground: ", "place: ") for n in mesh.notes)
        still = Still(mesh.position_m.astype(np.float64), faces, np.zeros(len(faces), np.int64), grey, notes)
    else:
        raise InputError(
            "not a set piece",
            where=Where(file=path),
            expected=".usd, .usda, .usdc, .usdz, .obj, .gltf or .glb",
            got=path.name,
        )
    if len(still.triangle) > MAX_TRIANGLES:
        raise InputError(
            "too many triangles",
            where=Where(file=path),
            expected=f"at most {MAX_TRIANGLES}",
            got=str(len(still.triangle)),
        )
    return _shape(still, albedo, path), still.notes


def _shape(still: Still, albedo: tuple[float, float, float] | None, path: Path) -> Shape:
    corner = still.point[still.triangle]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(face, axis=1)
    good = np.isfinite(corner).all((1, 2)) & (size > 1e-12)
    if not good.any():
        raise InputError("no triangle with an area", where=Where(file=path), got=f"{len(good)} triangles")
    triangle, face, kind = still.triangle[good], face[good], still.surface_of[good]
    flat = face / size[good, None]
    _, place = np.unique(np.round(still.point, 5), axis=0, return_inverse=True)
    mean = np.zeros((int(place.max()) + 1, 3))
    for k in range(3):
        np.add.at(mean, place.reshape(-1)[triangle[:, k]], face)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    smooth = mean[place.reshape(-1)[triangle]]
    normal = np.where(((smooth * flat[:, None]).sum(-1) > CREASE)[..., None], smooth, flat[:, None])
    points = still.point[triangle].reshape(-1, 3)
    colours = np.array([AP1_FROM_REC709 @ np.array(s.rgb) if albedo is None else albedo for s in still.surfaces])
    surface = np.array([_surface_named(s.name, s.metallic) for s in still.surfaces])[kind]
    index = np.arange(len(points)).reshape(-1, 3)
    uv = _unrolled(points.reshape(-1, 3, 3), flat, surface)
    both = np.array([s.both_sides for s in still.surfaces])[kind]
    own = np.repeat(colours[kind], 3, axis=0)
    parts = [points, index, normal.reshape(-1, 3), own, uv.reshape(-1, 3), surface]
    if both.any():
        parts = _both_sides(parts, both)
    points, index, normal, own, uv, surface = parts
    return Shape(
        points.astype(np.float32), index.astype(np.int32), normal.astype(np.float32),
        np.clip(own, 0.01, 0.95).astype(np.float32), uv.astype(np.float32), surface.astype(np.int16),
    )  # fmt: skip


def _both_sides(parts: list[np.ndarray], both: np.ndarray) -> list[np.ndarray]:
    points, index, normal, own, uv, surface = parts
    rows = index[both].reshape(-1)
    back = np.arange(len(rows)).reshape(-1, 3)[:, ::-1] + len(points)
    return [
        np.concatenate([points, points[rows]]), np.concatenate([index, back]), np.concatenate([normal, -normal[rows]]),
        np.concatenate([own, own[rows]]), np.concatenate([uv, uv[rows]]), np.concatenate([surface, surface[both]]),
    ]  # fmt: skip


def _surface_named(name: str, metallic: float) -> int:
    for surface, words in _WORDS.items():
        if any(w in name.lower() for w in words):
            return SURFACE[surface]
    return SURFACE["iron" if metallic > 0.5 else "plain"]


def _unrolled(corner: np.ndarray, flat: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """uv of each corner [T, 3, 3]: along and up the face where the surface has courses, a place in space elsewhere."""
    level = np.stack([-flat[:, 2], np.zeros(len(flat)), flat[:, 0]], axis=1)
    size = np.linalg.norm(level, axis=1, keepdims=True)
    level = np.where(size > 0.3, level / np.maximum(size, 1e-9), [1.0, 0.0, 0.0])
    up = np.cross(flat, level)
    u = np.einsum("tki,ti->tk", corner, level)
    v = np.where(size > 0.3, corner[..., 1], np.einsum("tki,ti->tk", corner, up))
    courses = np.isin(surface, [SURFACE[k] for k in ("stone", "wood", "cloth", "thatch")])
    rolled = np.stack([u, v, np.zeros_like(u)], axis=-1)
    return np.where(courses[:, None, None], rolled, corner)
