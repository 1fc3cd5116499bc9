"""The passes while they are drawn."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.device import zeros
from composer.guides.kernel_resolve import Passes
from composer.guides.passes import LightSet

LIGHTS = ("light_sun", "light_sky", "light_bounce")


KINDS = {
    "depth": wp.float32, "normal": wp.vec3, "agent_id": wp.uint32, "motion": wp.vec2, "motion_back": wp.vec2,
    "coverage": wp.float32, "albedo": wp.vec3, "beauty": wp.vec3, **dict.fromkeys(LIGHTS, wp.vec3),
}  # fmt: skip


class Canvas:
    """The passes as kernels write them: in numpy's memory on the CPU, on the card to be fetched from CUDA."""

    def __init__(self, size_px: tuple[int, int], device: str, light_set: bool) -> None:
        w, h = size_px
        self.passes = Passes()
        self.light_set = light_set
        for name, kind in KINDS.items():
            shape = (0, 0) if name in LIGHTS and not light_set else (h, w)
            setattr(self.passes, name, zeros(shape, kind, device))
        self.passes.depth.fill_(np.inf)

    def lights(self) -> LightSet | None:
        return LightSet(*(self.fetch(name) for name in LIGHTS)) if self.light_set else None

    def fetch(self, name: str) -> NDArray:  # type: ignore[type-arg]
        return getattr(self.passes, name).numpy()
