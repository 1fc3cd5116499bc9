"""The passes while they are drawn."""

from __future__ import annotations

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.guides.device import upload
from composer.guides.kernel_resolve import Passes
from composer.guides.passes import LightSet

LIGHTS = ("light_sun", "light_sky", "light_bounce")


class Canvas:
    """The passes as numpy arrays and, for kernels, the same memory on the CPU or a copy to fetch from CUDA."""

    def __init__(self, size_px: tuple[int, int], device: str, light_set: bool) -> None:
        w, h = size_px
        self.passes = Passes()
        self.device = device
        self._host: dict[str, NDArray] = {}  # type: ignore[type-arg]
        kinds = {
            "depth": (wp.float32, np.float32, ()), "normal": (wp.vec3, np.float32, (3,)),
            "agent_id": (wp.uint32, np.uint32, ()), "motion": (wp.vec2, np.float32, (2,)),
            "motion_back": (wp.vec2, np.float32, (2,)), "coverage": (wp.float32, np.float32, ()),
            "albedo": (wp.vec3, np.float32, (3,)), "beauty": (wp.vec3, np.float32, (3,)),
        }  # fmt: skip
        for name, (kind, dtype, tail) in kinds.items():
            host = np.full((h, w), np.inf, dtype) if name == "depth" else np.zeros((h, w, *tail), dtype)
            self._host[name] = host
            setattr(self.passes, name, upload(host, kind, device))
        for name in LIGHTS:
            self._host[name] = np.zeros((h, w, 3) if light_set else (0, 0, 3), np.float32)
            setattr(self.passes, name, upload(self._host[name], wp.vec3, device))
        self.light_set = light_set

    def lights(self) -> LightSet | None:
        return LightSet(*(self.fetch(name) for name in LIGHTS)) if self.light_set else None

    def fetch(self, name: str) -> NDArray:  # type: ignore[type-arg]
        return self._host[name] if self.device == "cpu" else getattr(self.passes, name).numpy()
