"""The air between: extinction and inscatter by distance, fitted on the plate.

Koschmieder's law as Narasimhan and Nayar (2003) use it: I = J exp(-b d) + A (1 - exp(-b d)). What J is nobody knows, but at
every distance there are dark things, middling things and bright things: low, middle and high percentiles of the pixels at a
distance all move towards the same A at the same rate b (the low one is the dark channel of He et al. 2011). They are fitted
together, robustly, and the sky just above the far land speaks for A where a picture of depth says where that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from composer.comp.measure.measured import AirSamples, Found, nothing
from composer.comp.measure.sights import Sight, Sights
from composer.comp.plate_look import Air

F64 = NDArray[np.float64]

SHARES = (3.0, 15.0, 50.0, 85.0, 97.0)
BINS, LEAST = 20, 150
#: Land differs from place to place: what is there scatters by so much for no reason of the air's; and a percentile's own error.
SCATTER, ERROR = 0.25, 0.02
#: How far the channels' extinctions usually differ, as a logarithm.
CHANNELS = 0.15
#: Less than this part of the light lost on the way to the furthest thing is not seen.
SEEN = 0.04
#: Sky lower than this is seen through endless air.
LOW_DEG = 2.0
_NEAREST_M, _PIXELS = 1.0, 60_000
#: A ground without a picture of depth is not looked at further than this, and is trusted this much: what stands on it hides it.
_GROUND_M, _GROUND_TRUST = 400.0, 0.5


@dataclass(frozen=True)
class _Fit:
    """extinction, inscatter: [3]. model: [B, 3, Q]. cost: mean error, as a logarithm. error:
    relative error of the mean extinction."""

    extinction: F64
    inscatter: F64
    model: F64
    cost: float
    error: float


def measure_air(sights: Sights) -> tuple[Found[Air], AirSamples | None]:
    """Extinction and inscatter of these frames, and what they were found on."""
    distance, rgb, place = _pixels(sights)
    source = "the pictures of depth" if sights.depth_from == "depth" else "the ground"
    if len(distance) < BINS * LEAST:
        return nothing("air: too little of the plate has a known distance", len(distance)), None
    middle, radiance = _bins(distance, rgb)
    if len(middle) < 5 or middle[-1] < 4 * middle[0]:
        return nothing(f"air: all that is known is {middle[0]:.0f} to {middle[-1]:.0f} m away", len(distance)), None
    horizon = _horizon(sights)
    fit, still = _fit(middle, radiance, horizon), _fit(middle, radiance, None, without=True)
    evidence = AirSamples(middle, SHARES, radiance, fit.model, source, place)
    reach = float(middle[-1])
    lost = 1 - np.exp(-fit.extinction * reach)
    told = (
        f"air: {fit.extinction.mean():.3g} per metre, {lost.mean():.0%} of the light lost on the {reach:.0f} m to the furthest "
        f"thing; distances from {source}"
    )
    notes = [told, *([] if horizon is None else ["air: the sky above the far land speaks for the inscatter"])]
    gain = 1 - fit.cost / max(still.cost, 1e-12)
    confidence = float(np.clip(1.5 * gain, 0, 1) * np.clip(1 - fit.error, 0, 1) * np.clip(lost.mean() / 0.15, 0, 1))
    if sights.depth_from == "ground":
        confidence *= _GROUND_TRUST
    dark = fit.inscatter.mean() < radiance[-3:, :, 2].mean() / 2
    if lost.mean() < SEEN or fit.error > 0.7 or gain < 0.1 or dark:
        why = f"air: no haze to be told from the land's own changes of colour within {reach:.0f} m ({source})"
        return Found(None, 0.0, len(distance), fit.error, (why,)), evidence
    return Found(
        Air(_rgb(fit.extinction), _rgb(fit.inscatter)), confidence, len(distance), fit.error, tuple(notes)
    ), evidence


def _pixels(sights: Sights) -> tuple[F64, F64, NDArray[np.int64]]:
    """Distances [N], colours [N, 3] (ACEScg) and places [N, 3] of thinned pixels whose distance is known."""
    distances, colours, places = [], [], []
    furthest = np.inf if sights.depth_from == "depth" else _GROUND_M
    for sight in sights.frames:
        known = np.isfinite(sight.distance_m) & (sight.distance_m > _NEAREST_M) & (sight.distance_m < furthest)
        known &= ~sight.held & np.isfinite(sight.rgb).all(axis=-1)
        at = np.flatnonzero(known)
        at = at[:: max(1, len(at) // _PIXELS)]
        distances.append(sight.distance_m.ravel()[at])
        colours.append(sight.rgb.reshape(-1, 3)[at])
        y, x = np.divmod(at, sight.rgb.shape[1])
        places.append(np.stack([np.full(len(at), sight.number), x, y], axis=1))
    return (
        np.concatenate(distances).astype(np.float64),
        np.concatenate(colours) @ sights.to_working.T,
        np.concatenate(places),
    )


def _bins(distance: F64, rgb: F64) -> tuple[F64, F64]:
    """Middles [B] and percentiles [B, 3, Q]."""
    near, far = np.percentile(distance, [0.5, 99.8])
    edges = np.geomspace(near, far * 1.0001, BINS + 1)
    middles, radiance = [], []
    for a, b in pairwise(edges):
        inside = (distance >= a) & (distance < b)
        if inside.sum() < LEAST:
            continue
        values = np.percentile(rgb[inside], SHARES, axis=0).T
        middles.append(float(np.median(distance[inside])))
        radiance.append(values)
    return np.array(middles), np.array(radiance)


def _horizon(sights: Sights) -> F64 | None:
    """The sky just above the far land [3], where a picture of depth shows it; None elsewhere."""
    if sights.depth_from != "depth":
        return None
    found = [c for c in map(_sky_above_land, sights.frames) if c is not None]
    return np.median(np.concatenate(found), axis=0) @ sights.to_working.T if found else None


def _sky_above_land(sight: Sight) -> F64 | None:
    """Colours [N, 3] a little above the highest land of each column, where that is near the horizon."""
    known = np.isfinite(sight.distance_m)
    height, width = known.shape
    first = np.where(known.any(axis=0), known.argmax(axis=0), -1)
    lift = max(3, height // 120)
    columns = np.arange(0, width, 4)
    columns = columns[first[columns] > 2 * lift]
    rows = first[columns]
    # Air at eye level, not the sky high over a mountain
    rays = sight.view.rays(np.stack([columns + 0.5, rows - lift + 0.5], axis=-1))
    elevation = np.degrees(np.arcsin(rays[:, 1] / np.linalg.norm(rays, axis=1)))
    fine = ~sight.held[rows - lift, columns] & (elevation < LOW_DEG)
    return sight.rgb[rows - lift, columns][fine].astype(np.float64) if fine.sum() >= 20 else None


def _fit(distance: F64, radiance: F64, horizon: F64 | None, without: bool = False) -> _Fit:
    """Robust least squares, its weights from the fit before: what is there differs from bin to bin (`SCATTER`), and the air
    takes that difference away with the rest. Parameters: log extinction of green, its log ratios of red and blue to that, log
    inscatter [3], log of what is there [3, Q]."""
    seen = np.maximum(np.median(radiance[: max(3, len(radiance) // 2)], axis=0), 1e-5)
    air = np.maximum(radiance[-2:].mean(axis=0)[:, 2] if horizon is None else horizon, 1e-4)
    fits = []
    for reach in distance[:: max(1, len(distance) // 4)]:
        p = np.concatenate([[np.log(0.5 / reach), 0, 0], np.log(air), np.log(seen).ravel()])
        for _ in range(3):
            worth = _worth(p, distance, radiance, without)
            found = least_squares(
                _rest, p, loss="soft_l1", max_nfev=40, args=(distance, radiance, worth, air, horizon, without)
            )
            p = found.x
        fits.append((found, worth))
        if without:
            break
    # Each start has weights of its own: they are compared on what they leave of the plain logarithms
    found, worth = min(
        fits, key=lambda f: float(np.abs(np.log(_model(f[0].x, distance, without) / _floor(radiance))).mean())
    )
    b, a, _ = _parts(found.x)
    rest = (_model(found.x, distance, without) - radiance) * worth
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    # Percentiles of one bin err together: about two of them are observations of their own
    scale = max(float(np.median(rest**2)) / 0.455, 0.3) * len(SHARES) / 2
    left = float(np.abs(np.log(_model(found.x, distance, without) / _floor(radiance))).mean())
    return _Fit(b, a, _model(found.x, distance, without), left, float(np.sqrt(covariance[0, 0] * scale)))


def _floor(radiance: F64) -> F64:
    return np.maximum(radiance, 1e-4)


def _parts(p: F64) -> tuple[F64, F64, F64]:
    """Extinction [3], inscatter [3], what is there [3, Q]."""
    return np.exp(p[0] + np.array([p[1], 0.0, p[2]])), np.exp(p[3:6]), np.exp(p[6:]).reshape(3, -1)


def _through(p: F64, distance: F64, without: bool) -> F64:
    """What of the light comes through, [B, 3, 1]."""
    if without:
        return np.ones((len(distance), 3, 1))
    return np.exp(-distance[:, None] * _parts(p)[0])[..., None]


def _model(p: F64, distance: F64, without: bool) -> F64:
    through, (_, air, seen) = _through(p, distance, without), _parts(p)
    return seen * through + air[:, None] * (1 - through)


def _worth(p: F64, distance: F64, radiance: F64, without: bool) -> F64:
    seen = _parts(p)[2] * _through(p, distance, without)
    return 1.0 / np.sqrt((SCATTER * seen) ** 2 + (ERROR * _floor(radiance)) ** 2)


def _rest(p: F64, distance: F64, radiance: F64, worth: F64, air: F64, horizon: F64 | None, without: bool) -> F64:
    fit = ((_model(p, distance, without) - radiance) * worth).ravel()
    # Extinction changes little between channels; the inscatter is the horizon's, where that is known
    often = np.sqrt(len(distance))
    prior = np.array([often * p[1] / CHANNELS, often * p[2] / CHANNELS, (p[0] + np.log(distance[-1])) / 4.0])
    sky = (p[3:6] - np.log(air)) / (1.0 if horizon is None else 0.1)
    return np.concatenate([fit, prior, sky])


def _rgb(v: F64) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
