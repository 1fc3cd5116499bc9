"""A character out of a file in Muster's own types: metres, facing -Z, feet on the ground, two joints a vertex."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, MATERIALS, Clip, Mesh, Skeleton
from composer.crowd.characters.model import Model, Motion
from composer.crowd.dyes import AP1_FROM_REC709, HIGHEST, LOWEST
from composer.crowd.figure.fit import Target, fitted
from composer.crowd.figure.levels import bent
from composer.crowd.figure.measure import matrices, seen_share, shown_m2, views
from composer.crowd.figure.simplify import clustered, creased, posed_m, simplified
from composer.crowd.motion.curves import quaternions
from composer.errors import InputError, Where

F64 = NDArray[np.float64]
MAX_TRIANGLES = 4096
#: Triangles of the coarse levels.
_LEVELS = (750, 300, 120)
_TALL_M = (0.5, 4.0)

BODY_18 = (
    "nose", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "r_hip", "r_knee",
    "r_ankle", "l_hip", "l_knee", "l_ankle", "r_eye", "l_eye", "r_ear", "l_ear",
)  # fmt: skip
#: What joints are called, without sides and separators.
_CALLED = {
    "neck": ("neck", "neck1", "neck01"),
    "nose": ("head", "head1"),
    "shoulder": ("arm", "upperarm", "uparm"),
    "elbow": ("forearm", "lowerarm", "loarm"),
    "wrist": ("hand", "wrist"),
    "hip": ("upleg", "thigh", "upperleg"),
    "knee": ("leg", "calf", "shin", "lowerleg"),
    "ankle": ("foot", "ankle"),
}


@dataclass(frozen=True)
class Character:
    """skeleton, lods and clips on `rig`; albedo: float32 [len(MATERIALS), 3], its own colours; height_m: in bind."""

    skeleton: Skeleton
    lods: tuple[Mesh, ...]
    clips: tuple[Clip, ...]
    albedo: F32
    height_m: float
    notes: tuple[str, ...]


def read_model(path: Path) -> Model:
    """A .glb, .gltf, .usd, .usda, .usdc or .usdz file."""
    kind = path.suffix.lower()
    if kind in (".glb", ".gltf"):
        from composer.crowd.characters.gltf import read_gltf

        return read_gltf(path)
    if kind in (".usd", ".usda", ".usdc", ".usdz"):
        from composer.crowd.characters.usd import read_usd

        return read_usd(path)
    raise InputError("no character that Muster reads", where=Where(file=path), expected=".glb, .gltf or USD", got=kind)


def character(
    path: Path,
    rig: int,
    *,
    height_m: float | None = None,
    clips: Mapping[str, str] | None = None,
    openpose: Mapping[str, str] | None = None,
    forward: str | None = None,
) -> Character:
    """Read and fit one. clips: what Muster calls a clip to what the file calls it; all of the file's without it.
    openpose: joints by the names of `BODY_18`, where they are called unusually. forward: 'z' or '-z', where it does not
    face the usual way. Raises InputError."""
    model = read_model(path)
    notes = list(model.notes)
    place = _placed(model, path, height_m, forward)
    mesh = _mesh(model, place, notes)
    skeleton = _skeleton(model, place, openpose or {}, path, notes)
    made = [_clip(m, model, place, skeleton, rig, notes) for m in _chosen(model, clips, path)]
    made = _grounded(made, mesh, skeleton)
    mesh, albedo = _coloured(mesh, model, notes)
    lods = _levels(mesh, skeleton, made, albedo, notes)
    tall = float(np.ptp(mesh.position_m[:, 1]))
    return Character(
        skeleton, lods, tuple(made), albedo, tall, tuple(f"{path.name}: {n}" for n in dict.fromkeys(notes))
    )


def _placed(model: Model, path: Path, height_m: float | None, forward: str | None) -> F64:
    """float64 [4, 4]: file's bind space to figure space, a similarity: metres, y up, facing -Z."""
    axes = np.eye(4)
    if model.up == "z":
        axes[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    if (forward or model.forward) == "z":
        axes = np.diag([-1.0, 1.0, -1.0, 1.0]) @ axes
    axes[:3, :3] *= model.metres
    at = axes @ model.rest[0] @ model.inverse_bind[0]
    size = abs(float(np.linalg.det(at[:3, :3]))) ** (1 / 3)
    if not 1e-9 < size < 1e9:
        raise InputError("damaged file: its bind pose is flat", where=Where(file=path))
    u, _, v = np.linalg.svd(at[:3, :3])
    at[:3, :3] = u @ v * size
    tall = float(np.ptp((model.point @ at[:3, :3].T)[:, 1]))
    grow = height_m / tall if height_m is not None and tall > 0 else 1.0
    if not _TALL_M[0] <= tall * grow <= _TALL_M[1]:
        expected = f"{_TALL_M[0]:g} to {_TALL_M[1]:g} m"
        raise InputError(
            "a figure of that size?",
            where=Where(file=path),
            expected=expected,
            got=f"{tall * grow:.3g} m",
            hint="say its height_m",
        )
    return np.diag([grow, grow, grow, 1.0]) @ at


def _mesh(model: Model, place: F64, notes: list[str]) -> Mesh:
    """In figure space; `material` is the number of the surface."""
    point = model.point @ place[:3, :3].T + place[:3, 3]
    order = np.argsort(-model.weight, axis=1, kind="stable")[:, :2]
    if order.shape[1] < 2:
        order = np.repeat(order, 2, axis=1)
    joint = np.take_along_axis(model.joint, order, 1)
    weight = np.take_along_axis(model.weight, order, 1)
    kept = weight.sum(1) if model.weight.shape[1] > 1 else weight[:, 0]
    if float(np.mean(kept < 0.9)) > 0.02:
        notes.append(f"{np.mean(kept < 0.9):.0%} of its vertices hang on more than two joints: the strongest two count")
    share = weight[:, 0] / np.maximum(weight.sum(1), 1e-9) if model.weight.shape[1] > 1 else np.ones(len(point))
    triangle, surface = model.triangle, model.surface_of
    turned = [i for i, s in enumerate(model.surfaces) if s.both_sides and _is_open(point, triangle[surface == i])]
    if turned:
        back = np.isin(surface, turned)
        triangle = np.concatenate([triangle, triangle[back][:, ::-1]])
        surface = np.concatenate([surface, surface[back]])
    size = np.linalg.norm(
        np.cross(point[triangle[:, 1]] - point[triangle[:, 0]], point[triangle[:, 2]] - point[triangle[:, 0]]), axis=1
    )
    real = size > 1e-12
    mesh = Mesh(
        point.astype(np.float32),
        np.zeros((len(point), 3), np.float32),
        joint.astype(np.int16),
        share.astype(np.float32),
        triangle[real].astype(np.int32),
        surface[real].astype(np.int16),
    )
    if len(mesh.triangle) > MAX_TRIANGLES:
        notes.append(f"{len(mesh.triangle):,} triangles brought down to {MAX_TRIANGLES:,} at most")
    if not len(mesh.triangle):
        raise InputError("a character without a surface")
    return creased(mesh)


def _is_open(point: F64, triangle: NDArray[np.int64]) -> bool:
    """Whether a surface has many edges with nothing on the other side."""
    if not len(triangle):
        return False
    _, index = np.unique(np.round(point * 1e5), axis=0, return_inverse=True)
    t = index.reshape(-1)[triangle]
    edge = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
    there = {tuple(e) for e in edge.tolist()}
    return sum((b, a) not in there for a, b in there) > 0.05 * len(there)


def _skeleton(model: Model, place: F64, openpose: Mapping[str, str], path: Path, notes: list[str]) -> Skeleton:
    bind = np.linalg.inv(model.inverse_bind)[:, :3, 3] @ place[:3, :3].T + place[:3, 3]
    names = list(model.names)
    guessed = {k: v for k, v in _guessed(names).items()}
    for part, joint in openpose.items():
        if part not in BODY_18 or joint not in names:
            expected = ", ".join(BODY_18) if part not in BODY_18 else ", ".join(names)[:300]
            raise InputError("no such joint", where=Where(file=path), expected=expected, got=f"{part}: {joint}")
        guessed[part] = names.index(joint)
    for side in "rl":
        for part in ("eye", "ear"):
            guessed.setdefault(f"{side}_{part}", guessed.get("nose", 0))
    missing = [p for p in BODY_18 if p not in guessed]
    if missing:
        notes.append(f"no joint was found for {', '.join(missing)}: say them under `openpose`")
    number = [guessed.get(p, 0) for p in BODY_18]
    offset = bind[number].copy()
    head = float(np.clip(0.07 * np.ptp(bind[:, 1]), 0.03, 0.3))
    for k, (x, y, z) in {
        0: (0, 0.4, -1.0),
        14: (0.28, 0.8, -0.8),
        15: (-0.28, 0.8, -0.8),
        16: (0.7, 0.6, 0),
        17: (-0.7, 0.6, 0),
    }.items():
        offset[k] += head * np.array([x, y, z])
    return Skeleton(
        tuple(names), np.array(model.parent, np.int16), bind.astype(np.float32), np.array(number, np.int16),
        offset.astype(np.float32),
    )  # fmt: skip


def _guessed(names: list[str]) -> dict[str, int]:
    """Body parts to joints, by what joints are usually called."""
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        plain = re.sub(r"^.*[:|]", "", name)
        side = ""
        for mark, letter in (("right", "r"), ("left", "l")):
            if mark in plain.lower():
                side, plain = letter, re.sub(mark, "", plain, flags=re.IGNORECASE)
        ends = re.search(r"(?:[._-]|^)([RrLl])(?:[._-]|$)", plain)
        if not side and ends:
            side, plain = ends.group(1).lower(), plain.replace(ends.group(0), "", 1)
        plain = re.sub(r"[^a-z0-9]", "", plain.lower())
        for part, words in _CALLED.items():
            key = part if part in ("neck", "nose") else f"{side}_{part}"
            if plain in words and (part in ("neck", "nose")) == (not side):
                found.setdefault(key, number)
    return found


def _chosen(model: Model, clips: Mapping[str, str] | None, path: Path) -> list[Motion]:
    there = {m.name: m for m in model.motions}
    if not there:
        still = np.repeat(model.rest[None], 2, axis=0)
        return [Motion("idle", 1.0, still)]
    if clips is None:
        return list(there.values())
    out = []
    for name, called in clips.items():
        if called not in there:
            raise InputError(
                "no such clip in the file", where=Where(file=path), expected=", ".join(there)[:300], got=called
            )
        out.append(replace(there[called], name=name))
    return sorted(out, key=lambda m: m.name != "idle")


def _clip(motion: Motion, model: Model, place: F64, skeleton: Skeleton, rig: int, notes: list[str]) -> Clip:
    """Rotations and places in figure space, travel taken out."""
    into = place @ np.linalg.inv(model.rest[0] @ model.inverse_bind[0])  # world to figure
    moved = into @ motion.matrix @ model.inverse_bind @ np.linalg.inv(place)
    u, size, v = np.linalg.svd(moved[..., :3, :3])
    if np.abs(size - 1).max() > 0.03:
        notes.append(f"clip {motion.name}: joints that grow or shrink keep their size")
    turn = u @ v
    turn[np.linalg.det(turn) < 0] *= -1
    bind = np.concatenate([skeleton.bind_m, np.ones((len(skeleton.bind_m), 1))], -1).astype(np.float64)
    at = np.einsum("sjab,jb->sja", moved, bind)[..., :3]
    count, loop = len(at), _is_loop(at, turn)
    share = (np.arange(count) / (count - 1))[:, None]
    gone = at[-1, 0] - at[0, 0]
    stride = 0.0
    if loop and np.hypot(gone[0], gone[2]) > 0.15:
        stride = float(max(-gone[2], 0.0))
        at = at - (share * gone * np.array([1.0, 0.0, 1.0]))[:, None]
        if abs(gone[0]) > 0.2 * max(stride, 0.1):
            notes.append(f"clip {motion.name}: it goes sideways, which is taken out")
    elif loop:
        stride = _stride_on_the_spot(at, skeleton, motion.duration_s)
        if stride:
            notes.append(f"clip {motion.name}: walks on the spot; {stride:.2f} m a cycle, by its feet")
    at[..., [0, 2]] -= at[:, :1, [0, 2]].mean(0)
    if loop:
        at, turn = at[:-1], turn[:-1]
    q = quaternions(turn)
    for s in range(1, len(q)):
        q[s][np.sum(q[s] * q[s - 1], -1) < 0] *= -1
    return Clip(motion.name, motion.duration_s, q.astype(np.float32), at.astype(np.float32), loop, stride, rig)


def _is_loop(at: F64, turn: F64) -> bool:
    """Whether it ends as it began, but for where it has gone."""
    cos = (np.einsum("jab,jab->j", turn[0], turn[-1]) - 1) / 2
    home = at - at[:, :1]
    return bool(np.degrees(np.arccos(np.clip(cos, -1, 1))).max() < 20 and np.abs(home[0] - home[-1]).max() < 0.15)


def _stride_on_the_spot(at: F64, skeleton: Skeleton, duration_s: float) -> float:
    """How far the ground would have to run under its feet; 0 where they stand."""
    feet = skeleton.openpose[[10, 13]]
    if feet[0] == feet[1]:
        return 0.0
    height, z = at[:, feet, 1], at[:, feet, 2]
    speed = np.gradient(z, duration_s / (len(at) - 1), axis=0)
    low = height < height.min(0) + 0.02
    pace = float(np.median(speed[low])) if low.any() else 0.0
    return pace * duration_s if pace > 0.3 else 0.0


def _grounded(clips: list[Clip], mesh: Mesh, skeleton: Skeleton) -> list[Clip]:
    """All clips lifted alike, so that in the first one the lowest point stands on the ground."""
    phases = np.arange(0, 1, 1 / 12)
    low = posed_m(mesh, matrices(clips[0], skeleton.bind_m, phases))[..., 1].min(1)
    shift = np.array([0.0, -float(np.median(low)), 0.0], np.float32)
    return [replace(c, position_m=c.position_m + shift) for c in clips]


def _coloured(mesh: Mesh, model: Model, notes: list[str]) -> tuple[Mesh, F32]:
    """The mesh with Muster's materials in place of the file's surfaces, and their colours."""
    _, numbers = np.unique(mesh.material, return_inverse=True)
    used = np.unique(mesh.material)
    corner = mesh.position_m[mesh.triangle].astype(np.float64)
    area = np.bincount(
        numbers, np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    )
    albedo = np.full((len(MATERIALS), 3), 0.18, np.float32)
    free = [m for m in range(len(MATERIALS)) if MATERIALS[m] != "metal"]
    slot: dict[int, int] = {}
    for k in np.argsort(-area, kind="stable"):
        surface = model.surfaces[used[k]]
        metal = MATERIALS.index("metal")
        if surface.metallic > 0.5 and metal not in slot.values():
            slot[int(k)] = metal
        elif free:
            named = [m for m in free if MATERIALS[m] in surface.name.lower()]
            slot[int(k)] = (named or free)[0]
            free.remove(slot[int(k)])
        else:
            near = min(slot, key=lambda o: float(np.abs(np.subtract(model.surfaces[used[o]].rgb, surface.rgb)).sum()))
            slot[int(k)] = slot[near]
            notes.append(
                f"{surface.name} is coloured as {model.surfaces[used[near]].name}: at most {len(MATERIALS)} colours"
            )
            continue
        albedo[slot[int(k)]] = np.clip(AP1_FROM_REC709 @ np.array(surface.rgb), LOWEST, HIGHEST)
    table = np.array([slot[k] for k in range(len(used))], np.int16)
    return replace(mesh, material=table[numbers].astype(np.int16)), albedo


def _levels(mesh: Mesh, skeleton: Skeleton, clips: list[Clip], albedo: F32, notes: list[str]) -> tuple[Mesh, ...]:
    """The full mesh and coarser ones, fitted to its area and colour."""
    poses = np.concatenate([matrices(c, skeleton.bind_m, np.array([0.1, 0.6])) for c in clips[:4]])
    seen = views(clips[:12], skeleton.bind_m, phases=3, directions=5)
    target = Target(shown_m2(mesh, seen).mean(0), albedo[None].astype(np.float64))
    if len(mesh.triangle) > MAX_TRIANGLES:
        near = clustered(mesh, MAX_TRIANGLES)
        mesh = creased(bent(near, fitted(near, target, seen)))
    lods, finer = [mesh], mesh
    for most in _LEVELS:
        if len(finer.triangle) <= most:
            continue
        finer = simplified(finer, most, poses, seen_share(finer, seen))
        if len(finer.triangle) > 1.5 * most:
            finer = clustered(finer, most)
        if not len(finer.triangle):
            break
        lods.append(creased(bent(finer, fitted(finer, target, seen))))
    left = float(shown_m2(lods[-1], seen).sum(1).mean() / target.area_m2.sum() - 1)
    if abs(left) > 0.02:
        notes.append(f"its coarsest level covers {left:+.1%} of the full one's area")
    return tuple(lods)
