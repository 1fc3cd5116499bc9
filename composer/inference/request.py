"""What the tiled core is asked for, and what it gives back. Plain numpy: nothing of torch passes this border."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

#: Everything that a model may be told. A family takes some of it and records what it drops.
CONDITIONS = ("depth", "pose", "normal", "albedo", "id", "mask", "plate", "guide", "references", "text")


@dataclass(frozen=True, eq=False)
class Part:
    """What of a picture's latents noise is asked for. corner: (y, x) of the first, in latents. where: bool [h, w], those whose
    noise matters, elsewhere any will do; None: all of them."""

    corner: tuple[int, int] = (0, 0)
    where: NDArray[np.bool_] | None = None


WHOLE = Part()


class NoiseSource(Protocol):
    """Where Gaussian noise comes from: a function of the frame and the place, never of the order of the calls."""

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        """float32 [channels, h, w], unit variance. Latent (i, j) covers `factor` pixels of the plate each way from
        (part.corner + (i, j)) * factor on; size may reach past the plate (padding). purpose: 'initial', or 'step 3' for a
        stochastic sampler's fourth step."""
        ...

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        """float32 [count, h, w] of the same latents: noise as broad as a hand or a limb, of unit variance where agents are."""
        ...


@dataclass(frozen=True)
class Prompt:
    """A text and where it speaks. weight: float32 [T, H, W] in 0..1; None: everywhere. The weights of a request's prompts
    are made to sum to one wherever any of them is above zero."""

    text: str
    negative: str = ""
    weight: F32 | None = None


@dataclass(frozen=True)
class PaintRequest:
    """A frame, or a window of successive frames for a video model. T frames of the plate's size [H, W].

    frames: the T frame numbers. Pictures are in model range: 0..1, display-like, as `color.model_range` makes them.
    plate: float32 [T, H, W, 3], the picture without the crowd. guide: float32 [T, H, W, 3], the flat guide render over it.
    mask: float32 [T, H, W] in 0..1, where to paint. strength: float32 [T, H, W] in 0..1: 0 keeps the guide, 1 starts from
    noise. depth: float32 [T, H, W], 1 near, 0 far or empty (inverse depth between the shot's near and far). normal: float32
    [T, H, W, 3] in 0..1, camera space (x right, y up, z towards the camera) as (n + 1) / 2; 0 where nobody is. albedo: float32
    [T, H, W, 3], reflectance in model range at an exposure of 1, without light; 0 where nobody is. pose: float32 [T, H, W, 3] in
    0..1, the OpenPose picture. agent_id: uint32 [T, H, W]. references: each float32 [h, w, 3] in 0..1.
    metre_px: pixels that a metre takes across the view, where depth is 0 and where it is 1, between which it is as linear as
    inverse depth; infinite where that is not known.
    prompts: none at all is allowed. steps: of the sampler. guidance: classifier-free; 1 is none.
    """

    frames: tuple[int, ...]
    plate: F32
    guide: F32
    mask: F32
    strength: F32
    depth: F32
    normal: F32
    albedo: F32
    pose: F32
    agent_id: NDArray[np.uint32]
    noise: NoiseSource
    steps: int
    prompts: tuple[Prompt, ...] = ()
    references: tuple[F32, ...] = ()
    guidance: float = 1.0
    metre_px: tuple[float, float] = (math.inf, math.inf)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.mask.shape[1], self.mask.shape[2]


@dataclass(frozen=True)
class Painting:
    """What the model made of it. rgb: float32 [T, H, W, 3] in model range, defined on the whole plate (outside the mask it
    is about the guide). dropped: conditions that were given and that the family does not take. notes: what was made
    smaller, retried or fell back. tiles: what was done, for the manifest. seconds: by stage. peak_bytes: of the device
    (CUDA) or of the process' tensors, as measured; 0 where it is not known."""

    rgb: F32
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    tiles: dict[str, int | str]
    seconds: dict[str, float]
    peak_bytes: int = 0
