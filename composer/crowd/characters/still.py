"""What stands still in a file: every mesh of a glTF or USD file at its place, with its colours, no skin asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.characters.gltf import GltfScene
from composer.crowd.characters.gltf_file import GltfFile, whole
from composer.crowd.characters.model import Surface
from composer.crowd.characters.usd import stays_home, surface_of_mesh, triangulated
from composer.errors import InputError, Where

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Still:
    """point: float64 [V, 3], metres, Y up. triangle: int64 [T, 3], counter-clockwise from outside; surface_of: int64 [T],
    into surfaces. notes: what was assumed or left out."""

    point: F64
    triangle: NDArray[np.int64]
    surface_of: NDArray[np.int64]
    surfaces: tuple[Surface, ...]
    notes: tuple[str, ...] = ()


def read_still_gltf(path: Path) -> Still:
    """glTF is in metres, Y up. Raises InputError."""
    file = GltfFile(path)
    try:
        scene = GltfScene(file)
        world = scene.world({}, 1)
        points, triangles, numbers, count = [], [], [], 0
        for number, node in enumerate(scene.nodes):
            if "mesh" not in node:
                continue
            matrix = world[number][0]
            for primitive in file.all("meshes")[whole(node["mesh"])]["primitives"]:  # type: ignore[attr-defined]
                if primitive.get("mode", 4) != 4:
                    scene.notes.append("a part that is not made of triangles is left out")
                    continue
                at = file.array(primitive["attributes"]["POSITION"])
                order = np.arange(len(at)) if "indices" not in primitive else file.array(primitive["indices"])[:, 0]
                index = order.astype(np.int64)
                if at.shape[1] != 3 or len(index) % 3 or (len(index) and index.max() >= len(at)):
                    raise file.wrong("damaged file: triangles name points that are not there")
                faces = index.reshape(-1, 3)
                if np.linalg.det(matrix[:3, :3]) < 0:
                    faces = faces[:, ::-1]
                points.append(at @ matrix[:3, :3].T + matrix[:3, 3])
                triangles.append(faces + count)
                material = whole(primitive.get("material", len(file.all("materials"))))
                numbers.append(np.full(len(faces), material))
                count += len(at)
        surfaces = scene.surfaces()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise file.wrong(f"not sound glTF ({type(error).__name__})") from error
    if not points:
        raise file.wrong("no mesh in it")
    notes = tuple(dict.fromkeys(scene.notes))
    return Still(np.concatenate(points), np.concatenate(triangles), np.concatenate(numbers), surfaces, notes)


def read_still_usd(path: Path) -> Still:
    """Every mesh at the file's earliest time. Raises InputError."""
    from pxr import Gf, Tf, Usd, UsdGeom, UsdShade

    where = Where(file=path)
    try:
        stage = Usd.Stage.Open(str(path), Usd.Stage.LoadNone)
        stays_home(stage, path)
        stage.Load()
    except Tf.ErrorException as error:
        raise InputError("not a USD file that can be opened", where=where) from error
    metres = UsdGeom.GetStageMetersPerUnit(stage)
    turn = Gf.Matrix4d(1.0)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        turn.SetRotate(Gf.Rotation(Gf.Vec3d(1, 0, 0), -90))
    cache = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    points, triangles, numbers, surfaces, count = [], [], [], [], 0
    for prim in Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()):
        if not prim.IsA(UsdGeom.Mesh):
            continue
        mesh = UsdGeom.Mesh(prim)
        at = np.array(mesh.GetPointsAttr().Get(Usd.TimeCode.EarliestTime()), np.float64).reshape(-1, 3)
        if not len(at):
            continue
        matrix = np.array(cache.GetLocalToWorldTransform(prim) * turn)  # row vectors: p' = p @ matrix
        faces = triangulated(mesh, len(at), where)
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces = faces[:, ::-1]
        material = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()[0]
        surfaces.append(surface_of_mesh(mesh, material, prim.GetName()))
        points.append((at @ matrix[:3, :3] + matrix[3, :3]) * metres)
        triangles.append(faces + count)
        numbers.append(np.full(len(faces), len(surfaces) - 1))
        count += len(at)
    if not points:
        raise InputError("no mesh in this USD file", where=where)
    return Still(np.concatenate(points), np.concatenate(triangles), np.concatenate(numbers), tuple(surfaces))
