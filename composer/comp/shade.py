"""How much of the plate's light the crowd takes, by colour.

A shadow lies in the sky's light: where the sun is warm and the sky is blue, what is left of the ground's light is bluer. Shares
of sun and sky stay two pictures (what a lens does to light it does to each of them), and get their colour in the composite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from composer.comp.layer import F32, F64
from composer.guides.passes import Light

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Shade:
    """sun, sky: float32 [H, W] in 0..1, the shares of sunlight and of sky light that are taken, after holdouts. share: how much
    of the ground's light is the sun's, by channel of the delivery space."""

    sun: F32
    sky: F32
    share: Rgb

    @classmethod
    def of(cls, sun: F32, sky: F32, light: Light, delivery_from_working: F64) -> Shade:
        """The ground is taken as level: sunlight falls on it with the cosine of the sun's height, sky light from above."""
        lit, clear = (np.maximum(delivery_from_working @ np.asarray(c, np.float64), 0) for c in (light.sun, light.sky))
        lit = lit * max(light.sun_direction[1], 0.0)
        red, green, blue = (float(a / (a + b)) if a + b > 0 else 0.0 for a, b in zip(lit, clear, strict=True))
        return cls(sun, sky, (red, green, blue))

    @classmethod
    def grey(cls, taken: F32) -> Shade:
        """The same share of every light, float32 [H, W]."""
        return cls(taken, np.zeros_like(taken), (1.0, 1.0, 1.0))

    @classmethod
    def none(cls, size: tuple[int, int]) -> Shade:
        """Of a picture of (rows, columns), none."""
        return cls.grey(np.zeros(size, np.float32))

    def each(self, work: Callable[[F32], F32]) -> Shade:
        """With `work` done to both pictures."""
        return Shade(work(self.sun), work(self.sky), self.share)

    def taken(self) -> F32:
        """The share of its light that each pixel loses, float32 [H, W, 3]."""
        parts = [np.float32(s) * self.sun + np.float32(1.0 - s) * self.sky for s in self.share]
        return np.stack(parts, axis=-1).astype(np.float32, copy=False)


def element(plate: F32, taken: F32) -> F32:
    """Such a shadow as something to put over the plate: float32 [H, W, 4], premultiplied. Its alpha is the most that any channel
    loses, its light what the others keep of that. plate, taken: float32 [H, W, 3]."""
    alpha = taken.max(axis=-1, keepdims=True)
    kept = alpha - taken
    return np.concatenate([np.where(kept > 0, plate * kept, 0), alpha], axis=-1).astype(np.float32)
