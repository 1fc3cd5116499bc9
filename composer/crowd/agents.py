"""The crowd's types: what a figure is made of, and who stands where at some frames.

A figure is a skinned mesh on the skeleton of its rig: rig 0 is the man's, others have skeletons and clips of their
own (a rider on his horse, a character out of a file). Every array is plain numpy so that layouts can be hashed, cached
and sent to a farm node; `guides` uploads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]

#: What a triangle is made of; the second axis of `Crowd.albedo`. Guides shade metal with a sheen, the rest as cloth.
MATERIALS = (
    "skin", "hair", "tunic", "trousers", "leather", "metal", "wood", "cloak", "shield", "crest", "coat", "mane",
)  # fmt: skip


@dataclass(frozen=True)
class Skeleton:
    """J joints; parents come before their children. The root is joint 0 at the hips.

    parent: int16 [J], -1 for the root. bind_m: float32 [J, 3], joint places in the figure's own space at bind pose
    (feet on y = 0, facing -Z, x to the figure's RIGHT is +X).
    openpose: for each of the 18 COCO/OpenPose body joints (nose, neck, r-shoulder, r-elbow, r-wrist, l-shoulder,
    l-elbow, l-wrist, r-hip, r-knee, r-ankle, l-hip, l-knee, l-ankle, r-eye, l-eye, r-ear, l-ear) the joint that carries
    it, -1 where it is no person's (an arrow), and openpose_offset_m: float32 [18, 3], its place in the figure's space at
    bind pose. hooves: the joints of a horse's left fore, right fore, left hind and right hind foot; empty without them.
    """

    names: tuple[str, ...]
    parent: I16
    bind_m: F32
    openpose: I16
    openpose_offset_m: F32
    hooves: tuple[int, ...] = ()


@dataclass(frozen=True)
class Mesh:
    """A skinned mesh in bind pose, metres, figure space. At most 4,096 triangles.

    position_m, normal: float32 [V, 3]. joint: int16 [V, 2] and weight: float32 [V], the share of joint[:, 0].
    triangle: int32 [T, 3], counter-clockwise seen from outside; thin sheets (cloaks) carry both sides.
    material: int16 [T], index into MATERIALS.
    """

    position_m: F32
    normal: F32
    joint: I16
    weight: F32
    triangle: I32
    material: I16


@dataclass(frozen=True)
class Figure:
    """A kit: what one kind of soldier looks like. lods[0] is the full mesh; later ones are coarser (may be absent).

    rig: whose joints it hangs on, index into `Cast.skeletons`. instead: the clips that it plays in place of others, by
    name; '*' stands for all that are not named (a dead man lies, whatever his region does).
    """

    name: str
    lods: tuple[Mesh, ...]
    rig: int = 0
    instead: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clip:
    """A motion on the skeleton, sampled evenly over `duration_s`.

    rotation: float32 [S, J, 4], unit quaternions (x, y, z, w): each joint's rotation in FIGURE space relative to bind.
    position_m: float32 [S, J, 3]: each joint's place in figure space. A vertex v of joint j moves to
    rotation[j] * (v - bind_m[j]) + position_m[j].
    looped: sample S would equal sample 0 (minus travel). Feet stand on y = 0; travel is taken out of the root:
    stride_m is how far (-Z) the figure moves in one `duration_s`, 0 for clips on the spot. rig: whose joints it moves.
    """

    name: str
    duration_s: float
    rotation: F32
    position_m: F32
    looped: bool = True
    stride_m: float = 0.0
    rig: int = 0


@dataclass(frozen=True)
class Kit:
    """What people can be cast as. figures: its variants, indices into `Cast.figures`; weight: how often each.

    like: the built-in kit whose dyes it takes. What follows may be absent; then the built-in ways apply. albedo: by
    material, float32 [K, 3], one of which each gets, the first most often. height_m, age, wear, dirt: ranges; wear and
    dirt from 0 to 1, 1 being as much as anybody gets. own_albedo: float32 [len(MATERIALS), 3] of a character that
    brings its colours along. kind: what its people are called, where that is not its own name (a hero's type).
    """

    name: str
    figures: tuple[int, ...]
    weight: tuple[float, ...]
    like: str
    albedo: Mapping[str, F32] = field(default_factory=dict)
    height_m: tuple[float, float] | None = None
    age: tuple[float, float] | None = None
    wear: tuple[float, float] | None = None
    dirt: tuple[float, float] | None = None
    own_albedo: F32 | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Hero:
    """One soldier with a name of his own. kit: what he is cast as. soldier: who he is in the layout (`host.00042`).
    face: the number that his looks follow from."""

    name: str
    kit: str
    soldier: str
    face: int


@dataclass(frozen=True)
class Cast:
    """Everything that agents index into: figures (by `Agents.cast`), clips (by `Agents.clip`), and their joints.

    skeleton: of rig 0; more_skeletons: of rigs 1, 2, ... A figure of another rig that is told a clip plays its own
    rig's clip of that name, see `motions.played`. kits: what people are cast as, beside the built-in kits. types: all
    that the cast file knows; only those that somebody wears are among `kits`.
    look_seed: looks follow from it and the soldier, the same in every shot; None: from the shot's seed.
    """

    skeleton: Skeleton
    figures: tuple[Figure, ...]
    clips: tuple[Clip, ...]
    more_skeletons: tuple[Skeleton, ...] = ()
    kits: tuple[Kit, ...] = ()
    types: tuple[str, ...] = ()
    heroes: tuple[Hero, ...] = ()
    look_seed: int | None = None

    @property
    def skeletons(self) -> tuple[Skeleton, ...]:
        """By rig."""
        return (self.skeleton, *self.more_skeletons)


@dataclass(frozen=True)
class Agents:
    """N agents at F frames (which ones is in `frames`). Same order of agents in every array, ascending `agent_id`.

    agent_id: uint32 [N], never 0 (0 is 'nobody'). name: how a person calls one, by id, for heroes only.
    position_m: float32 [F, N, 3], where the figure stands on the ground. heading_rad: float32 [F, N]: 0 looks down -Z,
    positive turns to the left (counter-clockwise seen from above).
    up: float32 [F, N, 3], unit, the way from the figure's feet to its head where that is not +Y (a slope, a body on the
    ground); None: everybody is upright. The figure is turned to its heading first, then the shortest arc takes +Y to
    `up`, about the point on the ground.
    clip: int16 [F, N], index into Cast.clips. phase: float32 [F, N], in [0, 1) of the clip.
    cast: int16 [N], index into Cast.figures. side: int8 [N]. height_scale: float32 [N], 1 is the figure as modelled.
    albedo: float32 [N, len(MATERIALS), 3], ACEScg reflectance of each agent's own materials.
    seed: uint32 [N], the agent's own, for whatever else varies on him.
    clip_from: int16 [F, N], phase_from, blend: float32 [F, N], or all None: what he comes from while one clip fades
    into the next; `blend` is the share of `clip`, 1 where nothing is left of `clip_from`.
    """

    frames: tuple[int, ...]
    agent_id: NDArray[np.uint32]
    position_m: F32
    heading_rad: F32
    clip: I16
    phase: F32
    cast: I16
    side: NDArray[np.int8]
    height_scale: F32
    albedo: F32
    seed: NDArray[np.uint32]
    name: Mapping[int, str] = field(default_factory=dict)
    up: F32 | None = None
    clip_from: I16 | None = None
    phase_from: F32 | None = None
    blend: F32 | None = None

    def __len__(self) -> int:
        return len(self.agent_id)
