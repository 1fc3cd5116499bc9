"""UsdSkel: one skinned character out of a USD file, through pxr. Files outside its folder are refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.crowd.characters.model import (
    MAX_FILE_BYTES,
    MAX_JOINTS,
    MAX_SAMPLES,
    MAX_TRIANGLES,
    MAX_VERTICES,
    Model,
    Motion,
    Surface,
)
from composer.errors import InputError, Where

if TYPE_CHECKING:
    from pxr import Usd, UsdSkel

F64 = NDArray[np.float64]
_RATE = 30.0


def read_usd(path: Path) -> Model:
    """The file's first skeleton, the meshes bound to it, and its animation. Raises InputError."""
    from pxr import Tf, Usd, UsdGeom, UsdSkel

    where = Where(file=path)
    if not path.is_file():
        raise InputError("no such file", where=where)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError("too big for a character", where=where, expected=f"at most {MAX_FILE_BYTES} bytes")
    try:
        stage = Usd.Stage.Open(str(path), Usd.Stage.LoadNone)
    except Tf.ErrorException as error:
        raise InputError("not sound USD", where=where) from error
    if stage is None:
        raise InputError("not sound USD", where=where)
    stays_home(stage, path)
    stage.Load()
    try:
        cache = UsdSkel.Cache()
        root = next((p for p in stage.Traverse() if p.IsA(UsdSkel.Root)), None)
        if root is None:
            raise InputError("no skinned character in it", where=where, expected="a SkelRoot")
        cache.Populate(UsdSkel.Root(root), Usd.PrimDefaultPredicate)
        bindings = cache.ComputeSkelBindings(UsdSkel.Root(root), Usd.PrimDefaultPredicate)
        if not bindings:
            raise InputError("no mesh hangs on its skeleton", where=where)
        return _model(stage, cache, bindings[0], len(bindings) > 1, path, str(UsdGeom.GetStageUpAxis(stage)).lower())
    except Tf.ErrorException as error:
        raise InputError("not sound USD", where=where) from error
    except (ValueError, IndexError, TypeError, RuntimeError) as error:
        raise InputError(f"not sound UsdSkel ({type(error).__name__})", where=where) from error


def stays_home(stage: Usd.Stage, path: Path) -> None:
    """Raises InputError for a stage with layers outside the file's folder."""
    folder = path.parent.resolve()
    for layer in stage.GetUsedLayers():
        if layer.anonymous or not layer.realPath:
            continue
        inside = layer.realPath.split("[")[0]
        if not Path(inside).resolve().is_relative_to(folder):
            raise InputError("it names a file outside its folder", where=Where(file=path), got=layer.identifier[:80])


def _model(stage: Usd.Stage, cache: UsdSkel.Cache, binding: UsdSkel.Binding, more: bool, path: Path, up: str) -> Model:
    from pxr import UsdGeom

    where = Where(file=path)
    skeleton = binding.GetSkeleton()
    query = cache.GetSkelQuery(skeleton)
    names = [str(n) for n in query.GetJointOrder()]
    if not 1 <= len(names) <= MAX_JOINTS:
        raise InputError("too many joints, or none", where=where, expected=f"1 to {MAX_JOINTS}", got=str(len(names)))
    topology = query.GetTopology()
    parent = [int(topology.GetParent(j)) for j in range(len(names))]
    if any(p >= j for j, p in enumerate(parent)):
        raise InputError("its joints are out of order", where=where, expected="parents before children")
    bind = _matrices(query.GetJointWorldBindTransforms())
    notes = ["more than one skeleton: the first counts"] if more else []
    parts = _meshes(binding, len(names), bind, where, notes)
    rest = _rest(query, bind)
    short = tuple(n.rsplit("/", 1)[-1][:64] for n in names)
    motions = _motions(stage, query, where)
    metres = float(UsdGeom.GetStageMetersPerUnit(stage))
    point, joint, weight, triangle, surface_of, surfaces = parts
    return Model(
        point, joint, weight, triangle, surface_of, surfaces, short, tuple(parent), np.linalg.inv(bind), rest, motions,
        up=up, forward="z", metres=metres, notes=tuple(notes),
    )  # fmt: skip


def _matrices(values: object) -> F64:
    """Gf row-vector matrices to column-vector ones, float64 [N, 4, 4]."""
    out = np.array([np.array(m) for m in values], np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)  # type: ignore[attr-defined]
    if not np.isfinite(out).all():
        raise ValueError("not finite")
    return out


def _rest(query: UsdSkel.SkeletonQuery, bind: F64) -> F64:
    from pxr import Gf

    found = query.ComputeJointSkelTransforms(0, True)
    if not found:
        return bind
    world = np.array(Gf.Matrix4d(1.0)).T
    return world @ _matrices(found)


def _meshes(
    binding: UsdSkel.Binding, joints: int, bind: F64, where: Where, notes: list[str]
) -> tuple[F64, NDArray[np.int64], F64, NDArray[np.int64], NDArray[np.int64], tuple[Surface, ...]]:
    from pxr import UsdGeom, UsdShade

    points, indices, weights, triangles, numbers = [], [], [], [], []
    surfaces: list[Surface] = []
    count = 0
    for skinned in binding.GetSkinningTargets():
        prim = skinned.GetPrim()
        if not prim.IsA(UsdGeom.Mesh):
            continue
        mesh = UsdGeom.Mesh(prim)
        point = np.array(mesh.GetPointsAttr().Get(), np.float64).reshape(-1, 3)
        geometry = _matrices([skinned.GetGeomBindTransform()])[0]
        point = point @ geometry[:3, :3].T + geometry[:3, 3]
        influences = skinned.ComputeVaryingJointInfluences(len(point))
        if influences is None or not skinned.HasJointInfluences():
            notes.append(f"{prim.GetName()} hangs on no joint and is left out")
            continue
        index, weight = (np.array(v).reshape(len(point), -1) for v in influences)
        mapper = skinned.GetJointMapper()
        if mapper is not None and not mapper.IsIdentity():
            index = np.asarray(mapper.Remap(list(range(joints))) if mapper.IsNull() else _remapped(mapper, joints))[
                index
            ]
        if index.min(initial=0) < 0 or index.max(initial=0) >= joints:
            raise InputError("damaged file: joints that are not there", where=where)
        triangle = triangulated(mesh, len(point), where)
        material = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()[0]
        surfaces.append(surface_of_mesh(mesh, material, prim.GetName()))
        points.append(point)
        indices.append(index.astype(np.int64))
        total = weight.sum(1, keepdims=True)
        weights.append(np.where(total > 1e-6, weight / np.maximum(total, 1e-6), 1.0 / weight.shape[1]))
        triangles.append(triangle + count)
        numbers.append(np.full(len(triangle), len(surfaces) - 1))
        count += len(point)
    if not points or count > MAX_VERTICES or sum(map(len, triangles)) > MAX_TRIANGLES:
        raise InputError("no skinned mesh in it, or too big a one", where=where)
    wide = max(w.shape[1] for w in weights)
    pad = [((0, 0), (0, wide - w.shape[1])) for w in weights]
    joint = np.concatenate([np.pad(i, p) for i, p in zip(indices, pad, strict=True)])
    weight = np.concatenate([np.pad(w, p) for w, p in zip(weights, pad, strict=True)])
    return np.concatenate(points), joint, weight, np.concatenate(triangles), np.concatenate(numbers), tuple(surfaces)


def _remapped(mapper: UsdSkel.AnimMapper, joints: int) -> NDArray[np.int64]:
    """Skeleton joint for each of a mesh's own joints."""
    from pxr import Vt

    own = mapper.Remap(Vt.IntArray(range(joints)), Vt.IntArray(), 1, -1)
    back = {int(v): k for k, v in enumerate(own or [])}
    return np.array([back.get(j, 0) for j in range(max(back, default=0) + 1)], np.int64)


def triangulated(mesh: object, count: int, where: Where) -> NDArray[np.int64]:
    """int64 [T, 3] of a mesh's faces, counter-clockwise from outside; count: its points. Raises InputError."""
    counts = np.array(mesh.GetFaceVertexCountsAttr().Get(), np.int64)  # type: ignore[attr-defined]
    index = np.array(mesh.GetFaceVertexIndicesAttr().Get(), np.int64)  # type: ignore[attr-defined]
    if counts.sum() != len(index) or (len(index) and (index.min() < 0 or index.max() >= count)):
        raise InputError("damaged file: faces name points that are not there", where=where)
    start = np.cumsum(counts) - counts
    out = []
    for k in range(1, int(counts.max(initial=2)) - 1):
        big = counts > k + 1
        out.append(np.stack([index[start[big]], index[start[big] + k], index[start[big] + k + 1]], -1))
    triangle = np.concatenate(out) if out else np.zeros((0, 3), np.int64)
    if mesh.GetOrientationAttr().Get() == "leftHanded":  # type: ignore[attr-defined]
        triangle = triangle[:, ::-1]
    return triangle


def surface_of_mesh(mesh: object, material: object, name: str) -> Surface:
    """Its display colour, or that of its material."""
    both = bool(mesh.GetDoubleSidedAttr().Get())  # type: ignore[attr-defined]
    rgb, metallic = (0.5, 0.5, 0.5), 0.0
    colours = mesh.GetDisplayColorAttr().Get()  # type: ignore[attr-defined]
    if colours:
        mean = np.clip(np.array(colours, np.float64).reshape(-1, 3).mean(0), 0, 1)
        rgb = (float(mean[0]), float(mean[1]), float(mean[2]))
    if material:
        name = material.GetPrim().GetName()  # type: ignore[attr-defined]
        shader = material.ComputeSurfaceSource()[0]  # type: ignore[attr-defined]
        if shader:
            diffuse, metal = shader.GetInput("diffuseColor"), shader.GetInput("metallic")
            value = diffuse.Get() if diffuse else None
            if value is not None:
                rgb = tuple(float(np.clip(v, 0, 1)) for v in value)  # type: ignore[assignment]
            metallic = float(metal.Get() or 0.0) if metal else 0.0
    return Surface(name[:64], rgb, metallic, both)


def _motions(stage: Usd.Stage, query: UsdSkel.SkeletonQuery, where: Where) -> tuple[Motion, ...]:
    anim = query.GetAnimQuery()
    times = anim.GetJointTransformTimeSamples() if anim else []
    if len(times) < 2:
        return ()
    rate = stage.GetTimeCodesPerSecond() or 24.0
    duration = (times[-1] - times[0]) / rate
    count = int(np.ceil(duration * _RATE)) + 1
    if not duration > 0 or count > MAX_SAMPLES:
        raise InputError(
            "too long a clip", where=where, expected=f"at most {MAX_SAMPLES / _RATE:.0f} s", got=f"{duration:.0f} s"
        )
    poses = [_matrices(query.ComputeJointSkelTransforms(float(t))) for t in np.linspace(times[0], times[-1], count)]
    return (Motion(anim.GetPrim().GetName(), float(duration), np.stack(poses)),)
