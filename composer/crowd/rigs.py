"""Skeletons that motion comes on: which of their joints is which of ours, and how each is turned when the man stands in
a T pose. Rest axes are (left, up, forward): x to the man's left, y up, z ahead.

Three families are known by their names: `LeftUpLeg, LeftArm, ...` (CMU by cgspeed, fair1, Mixamo, MotionBuilder) and
`LeftHip, LeftShoulder, ...` (CMU for 3ds Max), in whose zero pose the man stands upright with his arms out or down; and
Character Creator's `CC_Base_*`, whose zero pose means nothing: its bones point along their own y axis, and the table
below says how they lie in a T pose (measured on one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from composer.crowd.bvh import F64, Bvh
from composer.errors import InputError, Where

#: Our joint: the names it goes by, the first one that the file has. {S} is Left / Right, {s} is L / R.
_PLAIN: dict[str, tuple[str, ...]] = {
    "hips": ("Hips",),
    "spine": ("Spine",),
    "chest": ("Spine3", "Spine2", "Spine1"),
    "neck": ("Neck",),
    "head": ("Head",),
    "clavicle": ("{S}Shoulder",),
    "upper_arm": ("{S}Arm",),
    "forearm": ("{S}ForeArm",),
    "hand": ("{S}Hand",),
    "thigh": ("{S}UpLeg",),
    "shin": ("{S}Leg",),
    "foot": ("{S}Foot",),
    "toe": ("{S}ToeBase",),
}
_MAX: dict[str, tuple[str, ...]] = {
    "hips": ("Hips",),
    "spine": ("Chest",),
    "chest": ("Chest4", "Chest3", "Chest2"),
    "neck": ("lowerneck", "Neck"),
    "head": ("Head",),
    "clavicle": ("{S}Collar",),
    "upper_arm": ("{S}Shoulder",),
    "forearm": ("{S}Elbow",),
    "hand": ("{S}Wrist",),
    "thigh": ("{S}Hip",),
    "shin": ("{S}Knee",),
    "foot": ("{S}Ankle",),
    "toe": ("{S}Toe",),
}
_CC: dict[str, tuple[str, ...]] = {
    "hips": ("CC_Base_Hip",),
    "spine": ("CC_Base_Spine01",),
    "chest": ("CC_Base_Spine02",),
    "neck": ("CC_Base_NeckTwist01",),
    "head": ("CC_Base_Head",),
    "clavicle": ("CC_Base_{s}_Clavicle",),
    "upper_arm": ("CC_Base_{s}_Upperarm",),
    "forearm": ("CC_Base_{s}_Forearm",),
    "hand": ("CC_Base_{s}_Hand",),
    "thigh": ("CC_Base_{s}_Thigh",),
    "shin": ("CC_Base_{s}_Calf",),
    "foot": ("CC_Base_{s}_Foot",),
    "toe": ("CC_Base_{s}_ToeBase",),
}
_SIDED = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")
#: Limbs: the joint whose place gives each one's direction.
LIMBS = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shin", "shin": "foot"}

#: Character Creator's trunk in a T pose: pitch forward of each joint's y axis, degrees.
_CC_PITCH = {"hips": 0.0, "spine": -5.0, "chest": -10.3, "neck": 11.2, "head": 0.0}
#: And of its limbs: the columns (x, y, z) of the left side; the right mirrors them.
_CC_LEFT: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "clavicle": ((0.0, -1.0, 0.0), (0.966, 0.0, -0.258)),
    "upper_arm": ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
    "forearm": ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
    "hand": ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
    "thigh": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "shin": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "foot": ((-1.0, 0.0, 0.0), (0.0, -0.224, 0.975)),
    "toe": ((-1.0, 0.0, 0.0), (0.0, 0.098, 0.995)),
}


@dataclass(frozen=True)
class SourceRig:
    """A file's skeleton in our terms. Keys are our joints ("hips", "l_thigh", ...).

    joint: the file's joint number. rest: float64 [3, 3], the joint's rotation in a T pose, from its own axes to rest
    axes (left, up, forward). direction: float64 [3], unit, of each limb in that pose, rest axes. family: for notes.
    leg: thigh and shin together, in the file's units.
    """

    family: str
    joint: dict[str, int]
    rest: dict[str, F64]
    direction: dict[str, F64]
    leg: float


def source_rig(bvh: Bvh) -> SourceRig:
    """Know the skeleton by its joints' names; InputError naming what is missing."""
    cc = any(n.startswith("CC_Base_") for n in bvh.names)
    knees = any(n.endswith("LeftKnee") for n in bvh.names)
    joint = _joints(bvh, _CC if cc else _MAX if knees else _PLAIN)
    leg = sum(float(np.linalg.norm(bvh.offset[joint[f"{s}_{b}"]])) for s in "lr" for b in ("shin", "foot")) / 2
    if leg <= 0:
        raise InputError("the skeleton's legs have no length", where=Where(bvh.path))
    if cc:
        rest = {name: _cc_rest(name) for name in joint}
        direction = {}
        for s in "lr":
            for bone, end in LIMBS.items():
                along = bvh.offset[joint[f"{s}_{end}"]]
                direction[f"{s}_{bone}"] = rest[f"{s}_{bone}"] @ (along / max(float(np.linalg.norm(along)), 1e-12))
        return SourceRig("Character Creator", joint, rest, direction, leg)
    axes = _zero_pose_axes(bvh, joint)
    direction = {}
    for s in "lr":
        for bone, end in LIMBS.items():
            along = _rest_offset(bvh, joint[f"{s}_{bone}"], joint[f"{s}_{end}"])
            direction[f"{s}_{bone}"] = axes @ (along / max(float(np.linalg.norm(along)), 1e-12))
    return SourceRig("Hip/Knee/Ankle" if knees else "UpLeg/Leg/Foot", joint, dict.fromkeys(joint, axes), direction, leg)


def _joints(bvh: Bvh, table: dict[str, tuple[str, ...]]) -> dict[str, int]:
    plain = [re.sub(r"^.*[:|]", "", n) for n in bvh.names]  # "mixamorig:Hips"
    found: dict[str, int] = {}
    missing: list[str] = []
    for ours, theirs in table.items():
        for side in ("l", "r") if ours in _SIDED else ("",):
            words = {"S": {"l": "Left", "r": "Right", "": ""}[side], "s": side.upper()}
            names = [t.format(**words) for t in theirs]
            known = [plain.index(n) for n in names if n in plain]
            if known:
                found[f"{side}_{ours}" if side else ours] = known[0]
            else:
                missing.append(names[0])
    if missing:
        raise InputError(
            "this skeleton is not known",
            where=Where(bvh.path),
            expected="a skeleton with LeftUpLeg, LeftKnee or CC_Base_L_Thigh",
            got=f"no {', '.join(missing[:4])}" + (" ..." if len(missing) > 4 else ""),
            hint="retarget it to one of these first (Mixamo, MotionBuilder and Character Creator names are understood)",
        )
    return found


def _rest_offset(bvh: Bvh, start: int, end: int) -> F64:
    """From one joint to a descendant in the zero pose, file axes."""
    total = np.zeros(3)
    while end != start:
        if end < 0:
            raise InputError("a limb is not one chain", where=Where(bvh.path), got=bvh.names[start])
        total += bvh.offset[end]
        end = int(bvh.parent[end])
    return total


def _zero_pose_axes(bvh: Bvh, joint: dict[str, int]) -> F64:
    """float64 [3, 3]: from the file's axes to (left, up, forward), from where head and hips lie in the zero pose."""
    up = _nearest_axis(_rest_offset(bvh, joint["hips"], joint["head"]))
    left = _rest_offset(bvh, joint["hips"], joint["l_thigh"]) - _rest_offset(bvh, joint["hips"], joint["r_thigh"])
    left = _nearest_axis(left - up * (left @ up))
    return np.stack([left, up, np.cross(left, up)])


def _nearest_axis(v: F64) -> F64:
    axis = int(np.argmax(np.abs(v)))
    out = np.zeros(3)
    out[axis] = 1.0 if v[axis] >= 0 else -1.0
    return out


def _cc_rest(name: str) -> F64:
    if name in _CC_PITCH:
        pitch = np.radians(_CC_PITCH[name])
        c, s = np.cos(pitch), np.sin(pitch)
        return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])
    x, y = (np.array(v) for v in _CC_LEFT[name[2:]])
    if name[0] == "r":  # mirror, and turn x round where it points up or down so that the axes stay right-handed
        flip = np.array([-1.0, 1.0, 1.0])
        x, y = (x, y * flip) if x[0] else (-x * flip, y * flip)
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)
