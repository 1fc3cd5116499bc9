"""Coarse levels that show what the full figure shows: each material's area, over poses and directions.

A level is bent by one number a material: how far that material's surface stands out. Where two materials meet, the one
that shows too little grows at the other's expense. The numbers are found by measuring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.figure.measure import Views, shown_m2
from composer.crowd.figure.simplify import welded

F64 = NDArray[np.float64]
_NUDGE_M, _STEP_M = 0.004, 0.02
#: Missed by less than this share of all that is seen: good enough.
_GOOD = 0.002
#: No material stands out or in by more than this.
_MOST_M = 0.12
#: Nothing is moved by more than this.
_FARTHEST_M = 0.13
#: Two sides of a sheet are no farther apart than this.
_SHEET_M = 0.03
#: Points this near to the ground are not pushed down into it.
_SOLE_M = 0.03


def outward(mesh: Mesh) -> F64:
    """float64 [V, len(MATERIALS), 3]: where each vertex goes when a material's surface stands out by one metre."""
    _, place = welded(mesh)
    corner = mesh.position_m[mesh.triangle].astype(np.float64)
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    flat = face / np.maximum(np.linalg.norm(face, axis=-1, keepdims=True), 1e-12)
    count = int(place.max()) + 1
    out = np.zeros((count, len(MATERIALS), 3))
    angles = np.zeros(count)
    for k in range(3):
        a, b = corner[:, (k + 1) % 3] - corner[:, k], corner[:, (k + 2) % 3] - corner[:, k]
        cos = np.sum(a * b, -1) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-12)
        angle = np.arccos(np.clip(cos, -1, 1))
        np.add.at(out, (place[:, k], mesh.material), flat * angle[:, None])
        np.add.at(angles, place[:, k], angle)
    out /= np.maximum(angles, 1e-9)[:, None, None]
    long = np.linalg.norm(out.sum(1), axis=-1)
    out /= np.maximum(long, 0.35)[:, None, None]
    out += _across(place, mesh.material, corner, flat, count)
    there = np.zeros((len(mesh.position_m), len(MATERIALS), 3))
    there[mesh.triangle.reshape(-1)] = out[place.reshape(-1)]
    return there


def _across(place: NDArray[np.int64], material: NDArray[np.int16], corner: F64, flat: F64, count: int) -> F64:
    """What stands out sideways: into the neighbouring material, and over the rims of thin sheets."""
    out, edges = np.zeros((count, len(MATERIALS), 3)), np.zeros(count)
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    for f, t in enumerate(place.tolist()):
        for k in range(3):
            owner[t[k], t[(k + 1) % 3]] = (f, k)
    for (a, b), (f, k) in owner.items():
        other = owner.get((b, a))
        if other is None:
            continue
        if material[other[0]] == material[f] and float(flat[other[0]] @ flat[f]) > -0.6:
            continue
        along = corner[f, (k + 1) % 3] - corner[f, k]
        side = np.cross(along, flat[f])
        side /= max(float(np.linalg.norm(side)), 1e-12)
        for v in (a, b):
            out[v, material[f]] += side
            edges[v] += 1
    return out / np.maximum(edges / 2, 1.0)[:, None, None]


def pushed(mesh: Mesh, out: F64, push_m: F64) -> Mesh:
    """The mesh with each material standing out by `push_m` [len(MATERIALS)]; `out` as from `outward`."""
    step = np.einsum("vmk,m->vk", out, push_m)
    long = np.linalg.norm(step, axis=-1, keepdims=True)
    step *= np.minimum(1.0, _FARTHEST_M / np.maximum(long, 1e-9))
    step += _kept_in_front(mesh, out.sum(1), step)
    low = mesh.position_m[:, 1] < _SOLE_M
    step[low, 1] = np.maximum(step[low, 1], 0.0)
    return replace(mesh, position_m=(mesh.position_m + step).astype(np.float32))


def _kept_in_front(mesh: Mesh, normal: F64, step: F64) -> F64:
    """float64 [V, 3]: what a step [V, 3] lacks where it would carry one side of a thin sheet through the other, which turns
    the sheet inside out: its two sides come no nearer than a fifth of what lies between them. normal: [V, 3], any length."""
    from scipy.spatial import cKDTree

    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    place = mesh.position_m.astype(np.float64)
    pairs = cKDTree(place).query_pairs(_SHEET_M, output_type="ndarray")
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    behind = -np.sum((place[b] - place[a]) * normal[a], -1)
    faced = (np.sum(normal[a] * normal[b], -1) < -0.8) & (behind > 1e-4)
    thick = np.full(len(place), np.inf)
    np.minimum.at(thick, a[faced], behind[faced])
    inward = -np.sum(step * normal, -1)
    return np.maximum(inward - 0.4 * thick, 0.0)[:, None] * normal


@dataclass(frozen=True)
class Target:
    """What a level is to show on average. area_m2: float64 [len(MATERIALS)]. albedo: float64 [K, len(MATERIALS), 3],
    the colours in which it will be seen (K sides), so that their average is kept too."""

    area_m2: F64
    albedo: F64

    def rows(self) -> F64:
        """float64 [R, len(MATERIALS)]: what (shown - area_m2) is to be 0 for: each material, all, each colour."""
        total = float(self.area_m2.sum())
        colour = self.albedo.transpose(0, 2, 1).reshape(-1, len(self.area_m2))
        tint = total * colour / (colour @ self.area_m2)[:, None] - 1.0
        return np.vstack([0.25 * np.eye(len(self.area_m2)), 3.0 * np.ones(len(self.area_m2)), 1.6 * tint])


def fitted(mesh: Mesh, target: Target, seen: Views, *, rounds: int = 8) -> F64:
    """The push in metres [len(MATERIALS)] with which `mesh` comes nearest to showing `target` on average."""
    out = outward(mesh)
    worn = np.unique(mesh.material)
    push = np.zeros(len(MATERIALS))
    rows, total = target.rows(), float(target.area_m2.sum())

    def missed(at: F64) -> F64:
        return rows @ (shown_m2(pushed(mesh, out, at), seen).mean(0) - target.area_m2)

    now = missed(push)
    for _ in range(2):  # the slopes are measured afresh half way
        slope = np.zeros((len(rows), len(worn)))
        for i, m in enumerate(worn):
            nudge = push.copy()
            nudge[m] += _NUDGE_M
            slope[:, i] = (missed(nudge) - now) / _NUDGE_M
        push, now = _walked(push, now, slope, worn, rounds, missed, total)
        if float(np.abs(now).max()) < _GOOD * total:
            break
    return push


def _walked(
    push: F64,
    now: F64,
    slope: F64,
    worn: NDArray[np.int16],
    rounds: int,
    missed: Callable[[F64], F64],
    total: float,
) -> tuple[F64, F64]:
    """A few damped steps downhill from `push`, where `now` is missed; the slopes learn from each."""
    reach = _STEP_M
    for _ in range(rounds):
        damped = np.vstack([slope, 0.01 * total / reach * np.eye(len(worn))])
        step = np.linalg.lstsq(damped, np.concatenate([-now, np.zeros(len(worn))]), rcond=None)[0].clip(-reach, reach)
        step = np.clip(push[worn] + step, -_MOST_M, _MOST_M) - push[worn]
        if float(np.abs(step).max()) < 1e-5:
            break
        ahead = push.copy()
        ahead[worn] += step
        after = missed(ahead)
        slope = slope + np.outer(after - now - slope @ step, step) / float(step @ step)
        if float(after @ after) < float(now @ now):
            push, now, reach = ahead, after, min(reach * 1.5, _STEP_M)
        else:
            reach *= 0.4
    return push, now
