"""Grain: have generated pixels the plate's noise, in strength and in spectrum?

Noise is what is left in the flattest places. The picture is filtered with a mask that a plane does not pass (Immerkaer, "Fast
Noise Variance Estimation", 1996), mean squares are taken over small patches, and at each level the patches with least of it
speak for the noise (as in Liu, Freeman, Szeliski and Kang, "Noise Estimation from a Single Image", 2006). Both sides are
asked in the same way at the same levels. Texture can only add to what is found, so the level with the lowest ratio stands for
the frame; where even there much more is found than the plate has, it is texture and says nothing. Where the composite holds
grain that the generated layers do not, the difference of both is the grain itself, and the level in the middle stands for the
frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from composer.qc.frames import F32, Delivered, eroded, luminance
from composer.qc.reading import Curve, Reading

SIDE, STEP = 8, 4
#: Of the patches of a level, the flattest that speak for the variance, for the spectrum; and so many must there be.
FLATTEST, SPECTRAL, ENOUGH = 0.10, 0.3, 80
#: Spectra are compared where the variances are within this ratio: elsewhere one of them is not grain.
ALIKE = (0.25, 4.0)
#: Above this ratio it is texture.
TEXTURE = 6.0
#: Levels: three to a stop's power of two, in scene-linear luminance.
LEVELS = np.exp2(np.arange(-7, 4.01, 0.5))
#: Below this variance over squared level a plate has no grain: half float's own rounding is a tenth of it.
NO_GRAIN = 1e-6
MOST_SPECTRA = 2000
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6.0


@dataclass(frozen=True)
class Grain:
    """readings: `grain_ratio`, `grain_spectrum`. curves: standard deviation by level, and the spectra, of plate and
    generated."""

    readings: tuple[Reading, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class _Level:
    """plate, ours: variance at a level. flat: indices of the patches for the spectrum, of both."""

    level: float
    plate: float
    ours: float
    patches: int
    flat: tuple[np.ndarray, np.ndarray]

    @property
    def ratio(self) -> float:
        return self.ours / self.plate


def grain_of(frame: Delivered) -> Grain:
    """Of one frame: generated against plate."""
    light = frame.light
    own = _grain_alone(frame, light)
    noise = (light, light if own is None else own)
    levels = _levels(frame, light, noise)
    if not levels:
        why = (
            f"no level at which plate and generated pixels have {ENOUGH} patches of {SIDE} px each, and the plate grain"
        )
        return Grain(tuple(Reading(n, frame.number, None, why) for n in ("grain_ratio", "grain_spectrum")))
    judged = _middle(levels) if own is not None else min(levels, key=lambda k: k.ratio)
    detail = f"{len(levels)} levels, {sum(k.patches for k in levels)} generated patches"
    row, column = np.unravel_index(int(judged.flat[1][0]), _thinned(light).shape)
    at = (int(column) * STEP + SIDE // 2, int(row) * STEP + SIDE // 2)
    x = tuple(k.level for k in levels)
    curves = [
        Curve("plate", x, tuple(float(np.sqrt(k.plate)) for k in levels)),
        Curve("generated", x, tuple(float(np.sqrt(k.ours)) for k in levels)),
    ]
    alike = [k for k in levels if ALIKE[0] <= k.ratio <= ALIKE[1]]
    if not alike:
        spectrum = Reading(
            "grain_spectrum", frame.number, None, "no level at which plate and generated noise are alike"
        )
    else:
        pair = [_spectrum(_rough(n), np.concatenate([k.flat[i] for k in alike])) for i, n in enumerate(noise)]
        spectrum = Reading("grain_spectrum", frame.number, float(np.abs(pair[0] - pair[1]).sum() / 2), detail=detail)
        curves += [Curve(f"{n} spectrum", *_bands(s)) for n, s in zip(("plate", "generated"), pair, strict=True)]
    if own is None and judged.ratio > TEXTURE:
        why = f"texture at every level ({judged.ratio:.0f} times the plate's grain where there is least)"
        return Grain((Reading("grain_ratio", frame.number, None, why), spectrum), tuple(curves))
    return Grain((Reading("grain_ratio", frame.number, judged.ratio, at=at, detail=detail), spectrum), tuple(curves))


def _levels(frame: Delivered, light: F32, noise: tuple[F32, F32]) -> list[_Level]:
    level = _thinned(cv2.blur(light, (SIDE, SIDE)))
    bins = np.digitize(level, LEVELS).ravel()
    variance = [_variance(n).ravel() for n in noise]
    inside = [_thinned(eroded(mask, SIDE // 2 + 1)).ravel() for mask in (~frame.touched, frame.solid)]
    found = []
    for k in range(1, len(LEVELS)):
        mine = [np.flatnonzero((bins == k) & place) for place in inside]
        if min(map(len, mine)) < ENOUGH:
            continue
        flat = [m[np.argsort(v[m], kind="stable")] for m, v in zip(mine, variance, strict=True)]
        plate, ours = (float(v[m[: int(FLATTEST * len(m))]].mean()) for m, v in zip(flat, variance, strict=True))
        middle = float(np.sqrt(LEVELS[k - 1] * LEVELS[k]))
        if plate > NO_GRAIN * middle**2:
            spectral = [m[: int(SPECTRAL * len(m))] for m in flat]
            found.append(_Level(middle, plate, ours, len(mine[1]), (spectral[0], spectral[1])))
    return found


def averaged_away(number: int) -> Grain:
    """Of a frame made smaller than its plate: what looks like grain there is the plate's texture."""
    why = "the picture was made smaller than the plate, which averages its grain away"
    return Grain(tuple(Reading(n, number, None, why) for n in ("grain_ratio", "grain_spectrum")))


def _grain_alone(frame: Delivered, light: F32) -> F32 | None:
    """float32 [H, W]: what the composite has and the generated layers have not, in solid pixels; None where both are the same
    but for half float's rounding."""
    made = luminance(frame.generated[..., :3])
    rest = np.where(frame.solid, light - made, 0)
    rounding = np.abs(light) * 2.0**-10 + 2.0**-20
    return rest if (np.abs(rest)[frame.solid] > rounding[frame.solid]).mean() > 0.2 else None


def _middle(levels: list[_Level]) -> _Level:
    """The median by ratio, each level by its generated patches."""
    ordered = sorted(levels, key=lambda k: k.ratio)
    share = np.cumsum([k.patches for k in ordered]) / sum(k.patches for k in ordered)
    return ordered[int(np.searchsorted(share, 0.5))]


def grain_readings(frame: Delivered) -> Iterator[Reading]:
    yield from grain_of(frame).readings


def _rough(noise: F32) -> F32:
    """What the mask lets through: grain, and hardly any texture."""
    return cv2.filter2D(noise, cv2.CV_32F, _MASK, borderType=cv2.BORDER_REFLECT)


def _variance(noise: F32) -> F32:
    """float32 [rows, columns]: variance of the noise in each patch, patches `STEP` apart."""
    rough = _rough(noise)
    return _thinned(cv2.blur(rough * rough, (SIDE, SIDE)))


def _thinned(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values[SIDE // 2 :: STEP, SIDE // 2 :: STEP])


def _spectrum(noise: F32, flat: np.ndarray) -> np.ndarray:
    """float64 [SIDE, SIDE]: mean power of patches, each as share of its own; without the constant."""
    chosen = flat[np.linspace(0, len(flat) - 1, min(len(flat), MOST_SPECTRA)).astype(int)]
    rows, columns = np.unravel_index(chosen, _thinned(noise).shape)
    grid = np.arange(SIDE)
    at = (rows[:, None, None] * STEP + grid[:, None], columns[:, None, None] * STEP + grid)
    fits = (at[0].max((1, 2)) < noise.shape[0]) & (at[1].max((1, 2)) < noise.shape[1])
    patches = noise[at[0][fits], at[1][fits]].astype(np.float64)
    power = np.abs(np.fft.fft2(patches)) ** 2
    power[:, 0, 0] = 0
    total = power.sum((1, 2), keepdims=True)
    power = power[total[:, 0, 0] > 0] / total[total[:, 0, 0] > 0]
    return power.mean(0) if len(power) else np.zeros((SIDE, SIDE))


def _bands(spectrum: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(cycles a pixel, mean power): over rings of the spectrum."""
    f = np.fft.fftfreq(SIDE)
    radius = np.hypot(f[:, None], f)
    edges = np.arange(0.5, SIDE / 2 + 1.6) / SIDE
    rings = [(radius >= a) & (radius < b) for a, b in pairwise(edges)]
    rings = [ring for ring in rings if ring.any()]
    return tuple(float(radius[r].mean()) for r in rings), tuple(float(spectrum[r].mean()) for r in rings)
