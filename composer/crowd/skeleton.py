"""The one skeleton that every figure hangs on: a man of 1.75 m in an A pose, feet on y = 0, facing -Z, his right +X.

Beside the body it has joints for what he carries (spear, sword, shield) and for his cloak, so that one clip serves
every kit: each clip says where the spear would be and where the sword would be, and a figure carries one of them. A
retargeted motion that knows nothing of these lets them follow their parent rigidly.
"""

from __future__ import annotations

import numpy as np

from composer.crowd.agents import Skeleton

#: name, parent, place in bind pose (right side and middle; the left mirrors it).
_MIDDLE_AND_RIGHT: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("hips", "", (0.0, 0.955, 0.0)),
    ("spine", "hips", (0.0, 1.075, 0.012)),
    ("chest", "spine", (0.0, 1.235, 0.018)),
    ("neck", "chest", (0.0, 1.470, 0.025)),
    ("head", "neck", (0.0, 1.565, 0.005)),
    ("r_clavicle", "chest", (0.035, 1.425, 0.005)),
    ("r_upper_arm", "r_clavicle", (0.182, 1.410, 0.015)),
    ("r_forearm", "r_upper_arm", (0.322, 1.156, 0.025)),
    ("r_hand", "r_forearm", (0.440, 0.925, -0.020)),
    ("r_thigh", "hips", (0.092, 0.915, 0.0)),
    ("r_shin", "r_thigh", (0.100, 0.497, -0.008)),
    ("r_foot", "r_shin", (0.105, 0.088, 0.022)),
    ("r_toe", "r_foot", (0.112, 0.016, -0.115)),
    ("spear", "r_hand", (0.472, 0.866, -0.034)),
    ("sword", "r_hand", (0.472, 0.866, -0.034)),
    ("shield", "l_hand", (-0.472, 0.866, -0.034)),
    ("cloak_upper", "chest", (0.0, 1.370, 0.135)),
    ("cloak_lower", "cloak_upper", (0.0, 0.900, 0.205)),
)

_BODY_18 = (
    ("head", (0.0, 1.600, -0.118)),
    ("neck", (0.0, 1.440, 0.010)),
    ("r_upper_arm", None),
    ("r_forearm", None),
    ("r_hand", None),
    ("l_upper_arm", None),
    ("l_forearm", None),
    ("l_hand", None),
    ("r_thigh", None),
    ("r_shin", None),
    ("r_foot", None),
    ("l_thigh", None),
    ("l_shin", None),
    ("l_foot", None),
    ("head", (0.032, 1.640, -0.092)),
    ("head", (-0.032, 1.640, -0.092)),
    ("head", (0.076, 1.620, 0.012)),
    ("head", (-0.076, 1.620, 0.012)),
)


def mirrored_name(name: str) -> str:
    """The joint on the other side: r_hand for l_hand; middle joints are their own mirror."""
    if name.startswith("r_"):
        return "l_" + name[2:]
    if name.startswith("l_"):
        return "r_" + name[2:]
    return name


def _build() -> Skeleton:
    rows: list[tuple[str, str, tuple[float, float, float]]] = []
    right = [row for row in _MIDDLE_AND_RIGHT if row[0].startswith("r_")]
    left = [(mirrored_name(n), mirrored_name(p), (-x, y, z)) for n, p, (x, y, z) in right]
    rows += [row for row in _MIDDLE_AND_RIGHT[:5]]
    rows += right[:4] + left[:4] + right[4:] + left[4:]
    rows += list(_MIDDLE_AND_RIGHT[-5:])
    names = tuple(row[0] for row in rows)
    place = dict(zip(names, (row[2] for row in rows), strict=True))
    return Skeleton(
        names=names,
        parent=np.array([names.index(p) if p else -1 for _, p, _ in rows], np.int16),
        bind_m=np.array([row[2] for row in rows], np.float32),
        openpose=np.array([names.index(name) for name, _ in _BODY_18], np.int16),
        openpose_offset_m=np.array([place[n] if at is None else at for n, at in _BODY_18], np.float32),
    )


#: 26 joints; parents first. See the module's docstring for the axes.
SKELETON: Skeleton = _build()

#: Joint number by name.
JOINT: dict[str, int] = {name: i for i, name in enumerate(SKELETON.names)}
