"""The types of the guide room: what goes in beside agents and camera, and the passes that come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """Light on the crowd, ACEScg, as radiance that a white diffuse surface facing it would send out (1.0 albedo).

    sun_direction: unit [3], from the ground TO the sun. sun, sky, bounce: RGB. sky falls from above, bounce from below;
    a normal between sees a blend by (n.y + 1) / 2.
    """

    sun_direction: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    bounce: tuple[float, float, float]


@dataclass(frozen=True)
class Holdout:
    """Something on the plate that stands in front of what is further away than it.

    alpha: float32 [H, W], 1 hides. depth_m: planar depth from which on it hides: float32 [H, W] (inf hides nothing
    there), or one number for the whole matte (0 hides everything). surface_m: float32 [H, W], planar depth of what it shows,
    where shadow is to fall on it; None: nowhere.
    """

    alpha: F32
    depth_m: F32 | float = 0.0
    surface_m: F32 | None = None


@dataclass(frozen=True)
class Samples:
    """The visible samples behind each pixel, merged by agent, in CSR form: pixel p (row-major) owns entries
    start[p]:start[p + 1], nearest first.

    start: int64 [H * W + 1]. agent_id: uint32 [E]. coverage: float32 [E], after holdouts; the entries of one pixel sum to
    `GuidePasses.coverage` there. depth_m: float32 [E], of the nearest sample. rgb: float32 [E, 3], premultiplied by coverage.
    """

    start: NDArray[np.int64]
    agent_id: NDArray[np.uint32]
    coverage: F32
    depth_m: F32
    rgb: F32


@dataclass(frozen=True)
class LightSet:
    """What each light adds to `GuidePasses.beauty`: float32 [H, W, 3], ACEScg, premultiplied by coverage."""

    sun: F32
    sky: F32
    bounce: F32


@dataclass(frozen=True)
class PlacePasses:
    """What the camera sees of the place around the crowd, with the crowd's samples taken out. Arrays as in `GuidePasses`;
    piece_id: uint32 [H, W], 0 where there is none; names: by that id; samples by piece, a piece may come more than once in
    a pixel. sun: float32 [H, W, 3], what the sun adds to the beauty as it was rendered, where it was asked for."""

    depth_m: F32
    normal: F32
    piece_id: NDArray[np.uint32]
    motion_px: F32
    motion_back_px: F32
    coverage: F32
    albedo: F32
    beauty: F32
    samples: Samples
    names: Mapping[int, str] = field(default_factory=dict)
    sun: F32 | None = None


@dataclass(frozen=True)
class GuidePasses:
    """What the camera sees of the crowd, at plate size, through the plate's own lens. All arrays [H, W, ...].

    depth_m: float32 [H, W], planar, of the nearest visible sample; inf where nobody is.
    normal: float32 [H, W, 3], camera space (x right, y up, z towards the camera), mean over the visible samples, unit or 0.
    agent_id: uint32 [H, W], the agent with the most coverage; 0 where nobody is.
    motion_px: float32 [H, W, 2], of that pixel's nearest sample to the NEXT frame, x right, y down.
    motion_back_px: the same to the PREVIOUS frame. coverage: float32 [H, W] in 0..1, after holdouts.
    albedo, beauty: float32 [H, W, 3], ACEScg, premultiplied by coverage.
    shadow: float32 [H, W] in 0..1, the share of sunlight that the crowd takes from the ground (soft, after holdouts);
    contact: float32 [H, W] in 0..1, the share of sky light that it takes. Both 0 outside the ground, and coarser where the
    crowd stands before it.
    pose_px: float32 [N, 18, 3]: x, y in plate pixels and 1 where the joint is in front of the camera (else 0), for
    `pose_agent`: uint32 [N], those who own a sample, nearest first; pose_visible: bool [N, 18], the joint is not hidden by
    anything.
    samples: the visible samples behind each pixel. lights: the beauty by light, where it was asked for.
    dropped: samples lost to overflow, counted, 0 in a good frame.
    seconds: by stage. notes: what was made coarser than wanted, one sentence each. place: what is seen of set pieces and
    terrain, where the shot has any; the crowd's passes are then what they leave of it, and `shadow` is theirs too. on_holdouts:
    float32 [H, W] in 0..1, the share of sunlight taken from what holdouts with a surface show; None where none has one.
    """

    depth_m: F32
    normal: F32
    agent_id: NDArray[np.uint32]
    motion_px: F32
    motion_back_px: F32
    coverage: F32
    albedo: F32
    beauty: F32
    shadow: F32
    contact: F32
    pose_px: F32
    pose_agent: NDArray[np.uint32]
    pose_visible: NDArray[np.bool_]
    samples: Samples
    lights: LightSet | None = None
    dropped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    place: PlacePasses | None = None
    on_holdouts: F32 | None = None
