"""Scene-linear ACEScg into the range of pictures that diffusion models were trained on, and back.

Models know photographs as cameras and phones deliver them: Rec. 709 primaries, sRGB's curve in the shadows and middle, a soft
shoulder above. So a plate is exposed to a photograph's mid grey, taken to Rec. 709 primaries and bent, channel by channel, by a
curve that is sRGB's own (IEC 61966-2-1) between a toe and a knee. Beyond both it goes on by a power law that never reaches 0
or 1: negative values (colours outside Rec. 709) and highlights of any brightness have a place, and nothing is clipped on the
way. Exposure from the log-average: Reinhard et al., "Photographic Tone Reproduction for Digital Images", 2002.

A model's picture is not exact near 1, where half a code value is a third of a stop and more. There its luminance is lifted to
the guide's, where the guide is brighter (`decode`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MID_GREY = 0.18
#: Linear values between which the curve is sRGB's.
_TOE, _KNEE = 0.002, 0.6
#: How slowly the shoulder nears 1: (1 + u) ** -_FALL of the rest.
_FALL = 0.5
#: Model values between which the guide takes over; the upper one is what the model alone may reach.
_TRUST, _REACH = 0.90, 0.96
#: Over how much log light the limit of the model's own brightness gives way to the guide's.
_BEND = 0.5
#: Half float's largest: no decoded value is beyond.
_MOST = 65504.0
_NIGHT = 4.0
#: Exposures that a plate may ask for: 2^-12 to 2^12.
_MOST_EXPOSURE = 4096.0
#: Pixels that are worked on at a time.
_BAND = 1 << 15

# ACEScg (AP1, ACES white) to linear Rec. 709 (D65), adapted by Bradford: SMPTE RP 177 from the published chromaticities, the
# matrix of OpenColorIO's ACES configs.
_REC709_FROM_AP1 = np.array(
    [
        [1.705050992658, -0.621792120657, -0.083258872001],
        [-0.130256417507, 1.140804736575, -0.010548319068],
        [-0.024003356805, -0.128968976065, 1.152972332870],
    ]
)
_AP1_FROM_REC709 = np.linalg.inv(_REC709_FROM_AP1)
_LUMINANCE_709 = np.array([0.2126390058715104, 0.7151686787677559, 0.0721923153607337])


@dataclass(frozen=True)
class ModelRange:
    """One for a whole shot. exposure: what linear light is multiplied by before the curve; above 0."""

    exposure: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.exposure) and self.exposure > 0):
            raise ValueError(f"exposure {self.exposure} is not above 0")

    @staticmethod
    def of_plate(plate_acescg: F32, exposure: float | None = None) -> ModelRange:
        """For a plate, float32 [H, W, 3], scene-linear ACEScg: its log-average to mid grey, or the exposure that is given."""
        return ModelRange(float(exposure) if exposure is not None else plate_exposure(plate_acescg))

    def encode(self, rgb_acescg: F32) -> F32:
        """float32 [..., 3], scene-linear ACEScg, to float32 [..., 3] between 0 and 1. NaN becomes black, infinity the brightest
        half float."""
        return _in_bands(lambda rgb: curve(self._exposed(rgb)), rgb_acescg)

    def decode(self, model_rgb: F32, guide_acescg: F32 | None = None) -> F32:
        """Back again: float32 [..., 3] between 0 and 1 (what lies outside is clipped) to scene-linear ACEScg.

        guide_acescg: float32 [..., 3], what was painted over; give it for every picture that a model made. Without it this is
        `encode` turned round, and a code value of 0 or 1 is as far out as half floats go. With it, what the model says is
        bright is as bright as the guide, if that is brighter; by itself a model reaches from 0 to 4.3 stops over mid grey."""
        if guide_acescg is None:
            return _in_bands(lambda model: self._unexposed(_from_model(model)), model_rgb)
        return _in_bands(
            lambda model, guide: self._unexposed(_within_reach(_from_model(model), self._exposed(guide))),
            model_rgb,
            guide_acescg,
        )

    def _exposed(self, rgb_acescg: F32) -> F64:
        """To exposed linear Rec. 709."""
        clean = np.nan_to_num(rgb_acescg, nan=0.0, posinf=_MOST, neginf=-_MOST).astype(np.float64)
        return clean @ (self.exposure * _REC709_FROM_AP1).T

    def _unexposed(self, light: F64) -> F64:
        return np.clip(light @ (_AP1_FROM_REC709 / self.exposure).T, -_MOST, _MOST)


def plate_exposure(plate_acescg: F32) -> float:
    """What makes a photograph of a plate; 1 for a black one.

    Its log-average luminance to mid grey, or up to two thirds of a stop more where that leaves the picture without a white,
    as much sky does. Brightening beyond two stops goes half the way only: night stays night."""
    rgb = np.nan_to_num(np.asarray(plate_acescg)[::4, ::4], nan=0.0, posinf=_MOST, neginf=0.0).astype(np.float64)
    light = (rgb @ _REC709_FROM_AP1.T) @ _LUMINANCE_709
    light = light[light > 1e-6]
    if not light.size:
        return 1.0
    low, white = np.percentile(light, (1, 99))
    grey = MID_GREY / math.exp(float(np.log(np.clip(light, low, white)).mean()))
    exposure = max(grey, min(1 / white, grey * 2 ** (2 / 3)))
    if exposure > _NIGHT:
        exposure = _NIGHT * math.sqrt(exposure / _NIGHT)
    return float(np.clip(exposure, 1 / _MOST_EXPOSURE, _MOST_EXPOSURE))


def curve(light: F64) -> F64:
    """Exposed linear light, any value, to a model value between 0 and 1. Rises everywhere; its slope is continuous."""
    middle = np.clip(light, _TOE, _KNEE)
    out = 1.055 * middle ** (1 / 2.4) - 0.055
    above, below = light > _KNEE, light < _TOE
    out[above] = 1 - _ROOM * (1 + (light[above] - _KNEE) / _WIDTH) ** -_FALL
    out[below] = _FOOT / (1 + (_TOE - light[below]) * _SLOPE / _FOOT)
    return out


def inverse(model: F64) -> F64:
    """`curve` turned round. What is outside 0..1 is taken as the nearest that stands for a finite light."""
    value = np.clip(model, _FOOT / (1 + _MOST**2 * _SLOPE / _FOOT), 1 - _ROOM * (1 + _MOST**2 / _WIDTH) ** -_FALL)
    middle = np.clip(value, _FOOT, 1 - _ROOM)
    out = ((middle + 0.055) / 1.055) ** 2.4
    above, below = value > 1 - _ROOM, value < _FOOT
    out[above] = _KNEE + _WIDTH * (((1 - value[above]) / _ROOM) ** (-1 / _FALL) - 1)
    out[below] = _TOE - (_FOOT / value[below] - 1) * _FOOT / _SLOPE
    return out


def _srgb(light: float) -> tuple[float, float]:
    """sRGB's value and slope above its linear part."""
    return 1.055 * light ** (1 / 2.4) - 0.055, 1.055 / 2.4 * light ** (1 / 2.4 - 1)


_FOOT, _SLOPE = _srgb(_TOE)
_ROOM = 1 - _srgb(_KNEE)[0]
_WIDTH = _ROOM * _FALL / _srgb(_KNEE)[1]
_TRUSTED, _REACHED = np.log(inverse(np.array([_TRUST, _REACH])))
_MOST_LIGHT = 2 * float(np.exp(_REACHED))


def _from_model(model_rgb: F32) -> F64:
    return inverse(np.nan_to_num(model_rgb, nan=0.0).astype(np.float64))


def _within_reach(light: F64, guide: F64) -> F64:
    """A model's light [..., 3], exposed Rec. 709, bounded by what a model can say and by the guide, and lifted to the guide.

    Rises with the model's picture and, in luminance, with the guide; an exact picture of the guide comes back as the guide."""
    light = np.clip(light, np.minimum(guide, 0.0), np.maximum(guide, _MOST_LIGHT))
    own, other = light @ _LUMINANCE_709, guide @ _LUMINANCE_709
    share = _smooth((curve(own) - _TRUST) / (_REACH - _TRUST))
    lit = own > 1e-9
    target = np.exp(_brightness(np.log(np.where(lit, own, 1e-9)), np.log(np.maximum(other, 1e-9)), share))
    scaled = light * np.where(lit, target / np.where(lit, own, 1.0), 1.0)[..., None]
    # where both are far beyond the model's range it knows no colour either
    beyond = (share * _smooth((curve(other) - _TRUST) / (_REACH - _TRUST)))[..., None]
    return scaled + beyond * (guide * (target / np.maximum(other, 1e-9))[..., None] - scaled)


def _brightness(own: F64, other: F64, share: F64) -> F64:
    """Log luminance out of the model's and the guide's. share: how far the model is beyond what it can say.

    Brighter than the guide and than what is trusted, the model is bent towards the larger of the guide and its reach, never
    quite flat: a hard limit shows as a ring around the sun. Darker than the guide, it is lifted by `share`."""
    least = np.maximum(other, _TRUSTED)
    room = _BEND * np.logaddexp(0.0, (_REACHED - least) / _BEND)
    bent = least - room * np.expm1(-np.maximum(own - least, 0.0) / room)
    return np.where(own > least, bent, own + share * np.maximum(other - own, 0.0))


def _smooth(share: F64) -> F64:
    """0 to 1 with flat ends."""
    t = np.clip(share, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _in_bands(work: Callable[..., F64], *pictures: F32) -> F32:
    """`work` on [n, 3] at a time, several at once: bands stay in the cache, and numpy frees Python's lock."""
    flat = [np.asarray(picture).reshape(-1, 3) for picture in pictures]
    out = np.empty(flat[0].shape, np.float32)

    def band(start: int) -> None:
        out[start : start + _BAND] = work(*(picture[start : start + _BAND] for picture in flat))

    starts = range(0, len(out), _BAND)
    if len(starts) < 2:
        list(map(band, starts))
    else:
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="range") as pool:
            list(pool.map(band, starts))
    return out.reshape(np.shape(pictures[0]))
