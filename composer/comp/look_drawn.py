"""What is laid into the plate: the crowd, or the crowd and the place around it in one, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.comp.layer import F32
from composer.comp.plate_look import Rgb
from composer.guides.passes import GuidePasses, PlacePasses, Samples

#: float32 [E, 4] of the crowd's samples and of the place's: as `AirPasses.by_sample`.
SampleAir = tuple[F32, F32 | None]


@dataclass(frozen=True)
class Around:
    """The place around the crowd. passes: what is seen of it, the crowd's samples taken out. clear: float32 [E], how much of
    each of its samples' light its own haze lets through; None leaves them to the look's air. mist: that haze's colour,
    ACEScg."""

    passes: PlacePasses
    clear: F32 | None = None
    mist: Rgb = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Drawn:
    """One layer, in ACEScg. coverage, beauty, samples and motion as in `GuidePasses`. With a place in it (parted) beauty is
    not used, and of each sample: around, uint8 [E], 1 where it is the place's; clear, float32 [E], how much of its light the
    place's own haze lets through, below 0 where the look's air says that. mist: as in `Around`. air: float32 [E, 4],
    light (ACEScg) of the volumes before each sample, and what they let through; None where there are none."""

    coverage: F32
    beauty: F32
    samples: Samples
    motion_px: F32
    motion_back_px: F32
    around: NDArray[np.uint8] | None = None
    clear: F32 | None = None
    mist: Rgb = (0.0, 0.0, 0.0)
    air: F32 | None = None

    @property
    def parted(self) -> bool:
        """Whether crowd and place are told apart."""
        return self.around is not None

    @classmethod
    def of(cls, guides: GuidePasses, around: Around | None = None, air: SampleAir | None = None) -> Drawn:
        """The crowd and what stands around it, where there is any. air: before the samples of both."""
        if around is None:
            mine = None if air is None else air[0]
            return cls(
                guides.coverage, guides.beauty, guides.samples, guides.motion_px, guides.motion_back_px, air=mine
            )
        place = around.passes
        order, samples = _merged(guides.samples, place.samples)
        mine, theirs = len(guides.samples.depth_m), len(place.samples.depth_m)
        which = np.concatenate([np.zeros(mine, np.uint8), np.ones(theirs, np.uint8)])[order]
        own = np.full(theirs, -1, np.float32) if around.clear is None else around.clear
        clear = np.concatenate([np.full(mine, -1, np.float32), own])[order]
        ahead = (guides.depth_m <= place.depth_m)[..., None]
        forward = np.where(ahead, guides.motion_px, place.motion_px)
        back = np.where(ahead, guides.motion_back_px, place.motion_back_px)
        coverage = np.minimum(guides.coverage + place.coverage, np.float32(1))
        before = None if air is None or air[1] is None else np.concatenate([air[0][:mine], air[1][:theirs]])[order]
        return cls(coverage, guides.beauty, samples, forward, back, which, clear, around.mist, before)


def _merged(one: Samples, two: Samples) -> tuple[NDArray[np.int64], Samples]:
    """Both in one, nearest first; and which of one, then two, each of it was."""
    key = np.concatenate([_keys(one), _keys(two)])
    order = np.argsort(key, kind="stable")  # two ascending runs: one pass

    def joined(name: str) -> NDArray:  # type: ignore[type-arg]
        return np.concatenate([getattr(one, name), getattr(two, name)])[order]

    start = one.start + two.start  # of the same pixels
    return order, Samples(start, *(joined(n) for n in ("agent_id", "coverage", "depth_m", "rgb")))


def _keys(samples: Samples) -> NDArray[np.uint64]:
    """Ascending by pixel, then by depth: the bits of a positive float ascend as it does."""
    pixel = np.repeat(np.arange(len(samples.start) - 1, dtype=np.uint64), np.diff(samples.start))
    return (pixel << np.uint64(32)) | np.ascontiguousarray(samples.depth_m, np.float32).view(np.uint32)
