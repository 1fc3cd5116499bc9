"""Lens distortion: Brown, 3DEqualizer and ST maps, behind the `Lens` protocol of `composer.camera.camera`."""

from composer.camera.lens.brown import Brown, RadialUndistort
from composer.camera.lens.files import lens_from_params, read_lens, with_lens
from composer.camera.lens.plane import Curve, Param
from composer.camera.lens.stmap import STMap
from composer.camera.lens.tde4 import Anamorphic4, FilmLens, LensClassic3de, Radial4

__all__ = [
    "Anamorphic4",
    "Brown",
    "Curve",
    "FilmLens",
    "LensClassic3de",
    "Param",
    "Radial4",
    "RadialUndistort",
    "STMap",
    "lens_from_params",
    "read_lens",
    "with_lens",
]
