"""Lens distortion: Brown, 3DEqualizer and ST maps, behind the `Lens` protocol of `composer.camera.camera`."""

from composer.camera.lens.brown import Brown, RadialUndistort
from composer.camera.lens.plane import Curve, Param

__all__ = ["Brown", "Curve", "Param", "RadialUndistort"]
