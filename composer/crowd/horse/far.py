"""The horse in about 80 triangles: a four-sided barrel in its cloth, a neck that ends in a face, legs that bend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from composer.crowd.agents import Mesh
from composer.crowd.figure.loft import F64, MATERIAL, Skin, merge
from composer.crowd.figure.puppet import tube_of
from composer.crowd.horse.body import FORE, HIND, TAIL, TRUNK, head_and_neck, mirrored

#: z, middle y, half width, up, down: breast, where the cloth begins and ends, buttocks.
_BARREL = ((-0.76, 1.20, 0.20, 0.24, 0.26), (-0.34, 1.21, 0.25, 0.27, 0.33), (0.46, 1.21, 0.27, 0.27, 0.30))
_BARREL += ((0.86, 1.20, 0.20, 0.22, 0.22),)


def _painted(mesh: Mesh, material: str) -> Mesh:
    return replace(mesh, material=np.full(len(mesh.triangle), MATERIAL[material], np.int16))


def _barrel() -> Mesh:
    rows = [
        np.array([(-side, y - down, z), (side, y - down, z), (side, y + up, z), (-side, y + up, z)])
        for z, y, side, up, down in _BARREL
    ]
    mesh = _painted(tube_of(rows, None, None, TRUNK), "coat")
    corner = mesh.position_m[mesh.triangle]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    flat /= np.linalg.norm(flat, axis=-1, keepdims=True)
    middle = corner.mean(1)
    covered = np.abs(middle[:, 2] - 0.06) < 0.30
    side, top = covered & (np.abs(flat[:, 0]) > 0.7), covered & (flat[:, 1] > 0.7)
    paint = mesh.material.copy()
    paint[side] = np.where(middle[side, 1] > 1.12, MATERIAL["cloak"], MATERIAL["crest"])
    paint[top] = MATERIAL["leather"]
    return replace(mesh, material=paint)


def _corners(middle: F64, along: F64, side: F64, wide: float, deep: float) -> F64:
    front = np.cross(along, side)
    turn = np.radians((90.0, 210.0, 330.0))
    return middle + np.cos(turn)[:, None] * side * wide + np.sin(turn)[:, None] * front * deep


def _neck() -> Mesh:
    side = np.array([1.0, 0.0, 0.0])
    along = np.array([0.0, 0.8, -0.6])
    base = _corners(np.array([0.0, 1.27, -0.62]), along, side, 0.20, -0.33)
    poll = _corners(np.array([0.0, 1.93, -1.10]), np.array([0.0, 0.3, -0.95]), side, 0.105, -0.16)
    muzzle = _corners(np.array([0.0, 1.56, -1.42]), np.array([0.0, -0.74, -0.67]), side, 0.085, -0.10)
    mesh = _painted(tube_of([base, poll, muzzle], None, None, head_and_neck), "coat")
    corner = mesh.position_m[mesh.triangle]
    behind = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])[:, 1] > 0
    mane = behind & (corner[:, :, 1].min(1) < 1.6) & (corner[:, :, 1].max(1) > 1.8) & (corner[:, :, 2].min(1) > -1.3)
    mane &= corner[:, :, 0].mean(1) > 0.01  # it falls to one side
    return replace(mesh, material=np.where(mane, MATERIAL["mane"], mesh.material).astype(np.int16))


def _leg(top: F64, wide: float, knee: F64, hoof: F64, skin: Skin) -> Mesh:
    side, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])
    rows = [_corners(top, down, side, wide * 0.8, wide), _corners(knee, down, side, 0.085, 0.095)]
    return _painted(tube_of(rows, None, hoof, skin), "coat")


def far_horse() -> Mesh:
    """All of it."""
    fore = _leg(np.array([0.15, 1.0, -0.50]), 0.18, np.array([0.143, 0.46, -0.50]), np.array([0.14, 0.0, -0.54]), FORE)
    hind = _leg(np.array([0.16, 1.0, 0.52]), 0.25, np.array([0.145, 0.53, 0.76]), np.array([0.14, 0.0, 0.69]), HIND)
    hang = np.array([(0.05, 1.32, 0.88), (-0.05, 1.32, 0.88), (0.0, 1.16, 1.04)])
    tail = _painted(tube_of([hang], None, np.array([0.0, 0.48, 0.98]), TAIL), "mane")
    return merge([_barrel(), _neck(), fore, mirrored(fore), hind, mirrored(hind), tail])
