"""`Layer` and `Frame`: what comes out of the composite."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses
from composer.inference.record import PaintRecord

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: Every layer that may lie on the plate: the EXR parts whose alpha says that a pixel is no longer the plate's.
ELEMENTS = ("crowd", "shadow", "environment", "air", "ground", "repair")


@dataclass(frozen=True)
class Layer:
    """An element that can be used alone. rgba: float16 [H, W, 4], premultiplied, in the delivery colour space."""

    name: str
    rgba: F16


@dataclass(frozen=True)
class Frame:
    """A finished picture and everything that made it.

    composite: float16 [H, W, 3], the plate with the layers in it, in the delivery colour space.
    layers: bottom to top. touched: bool [H, W], where any layer has alpha; everywhere else `composite` is the plate.
    untouched_sha256: digest of the plate's half-float values outside `touched`, row-major RGB little-endian.
    pose: float32 [H, W, 3], the OpenPose picture. notes: what was substituted, dropped or clipped in this frame.
    delivery_from_working: float64 [3, 3], takes the guides' ACEScg to the delivery colour space. paint: what painted the
    crowd; None where it is the guide render.
    """

    number: int
    composite: F16
    layers: tuple[Layer, ...]
    touched: NDArray[np.bool_]
    untouched_sha256: str
    guides: GuidePasses
    pose: F32
    notes: tuple[str, ...] = ()
    delivery_from_working: F64 = field(default_factory=lambda: np.eye(3))
    paint: PaintRecord | None = None

    def layer(self, name: str) -> Layer:
        """The layer called `name`; KeyError where there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)
