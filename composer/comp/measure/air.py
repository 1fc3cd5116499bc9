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
#: Upright strips of the picture that may each have an inscatter of their own; parameters are logarithms within this.
SECTORS, _FURTHEST = 6, 30.0
#: How far the strips' inscatters usually differ, as a logarithm; and they must leave no more than this part of what one
#: inscatter for all leaves, or they count as one.
STRIPS, APART = 0.5, 0.8
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
    bins, strips = _bins(distance, rgb, np.zeros(len(rgb), np.int64)), _bins(distance, rgb, _strips(sights, place))
    middle = bins.middle
    if len(middle) < 5 or middle.max() < 4 * middle.min():
        near, far = np.percentile(distance, [1, 99])
        return nothing(f"air: all that is known is {near:.0f} to {far:.0f} m away", len(distance)), None
    horizon = _horizon(sights)
    fit, still = _fit(bins, horizon), _fit(bins, None, without=True)
    if strips.sectors > 1:
        apart = _fit(strips, horizon)
        if apart.cost < APART * fit.cost:
            bins, fit = strips, apart
    evidence = _evidence(bins, fit, source, place)
    reach = float(middle.max())
    lost = 1 - np.exp(-fit.extinction * reach)
    told = (
        f"air: {fit.extinction.mean():.3g} per metre, {lost.mean():.0%} of the light lost on the {reach:.0f} m to the furthest "
        f"thing; distances from {source}"
    )
    notes = [told, *([] if horizon is None else ["air: the sky above the far land speaks for the inscatter"])]
    if bins.sectors > 1:
        notes.append("air: brighter on one side of the picture than on the other; the inscatter is the mean of both")
    gain = 1 - fit.cost / max(still.cost, 1e-12)
    confidence = float(np.clip(1.5 * gain, 0, 1) * np.clip(1 - fit.error, 0, 1) * np.clip(lost.mean() / 0.15, 0, 1))
    if sights.depth_from == "ground":
        confidence *= _GROUND_TRUST
    dark = fit.inscatter.mean() < evidence.radiance[-3:, :, 2].mean() / 2
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


@dataclass(frozen=True)
class _Bins:
    """B bins of distance, each in one sector of the picture. middle: [B], m. radiance: percentiles [B, 3, Q]. sector: [B]."""

    middle: F64
    radiance: F64
    sector: NDArray[np.int64]

    @property
    def sectors(self) -> int:
        return int(self.sector.max(initial=-1)) + 1


def _strips(sights: Sights, place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which upright strip of the picture each place lies in: air is brighter towards the sun."""
    return place[:, 1] * SECTORS // sights.frames[0].rgb.shape[1]


def _bins(distance: F64, rgb: F64, sector: NDArray[np.int64]) -> _Bins:
    """In order of distance; sectors that show too little are left out."""
    near, far = np.percentile(distance, [0.5, 99.8])
    edges = np.geomspace(near, far * 1.0001, BINS + 1)
    found = []
    for s in np.unique(sector):
        there, colours = distance[sector == s], rgb[sector == s]
        inside = [(there >= a) & (there < b) for a, b in pairwise(edges)]
        some = [
            (float(np.median(there[i])), np.percentile(colours[i], SHARES, axis=0).T)
            for i in inside
            if i.sum() >= LEAST
        ]
        found.append(some if len(some) >= 5 else [])
    found = [some for some in found if some]
    rows = sorted(((d, k, v) for k, some in enumerate(found) for d, v in some), key=lambda r: (r[0], r[1]))
    if not rows:
        return _Bins(np.zeros(0), np.zeros((0, 3, len(SHARES))), np.zeros(0, np.int64))
    return _Bins(np.array([r[0] for r in rows]), np.array([r[2] for r in rows]), np.array([r[1] for r in rows]))


def _evidence(bins: _Bins, fit: _Fit, source: str, place: NDArray[np.int64]) -> AirSamples:
    """The sectors together, at most `BINS` distances."""
    parts = [p for p in np.array_split(np.arange(len(bins.middle)), BINS) if len(p)]
    middle, radiance, model = (
        np.array([v[p].mean(axis=0) for p in parts]) for v in (bins.middle, bins.radiance, fit.model)
    )
    return AirSamples(middle, SHARES, radiance, model, source, place)


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


def _fit(bins: _Bins, horizon: F64 | None, without: bool = False) -> _Fit:
    """Robust least squares, its weights from the fit before: what is there differs from bin to bin (`SCATTER`), and the air
    takes that difference away with the rest. Parameters: log extinction of green, its log ratios of red and blue to that, log
    of what is there [3, Q], log inscatter of each sector [S, 3]."""
    distance, radiance = bins.middle, bins.radiance
    seen = np.maximum(np.median(radiance[: max(3, len(radiance) // 2)], axis=0), 1e-5)
    far = [radiance[bins.sector == s][-2:].mean(axis=0)[:, 2] for s in range(bins.sectors)]
    air = np.maximum(np.stack(far) if horizon is None else np.tile(horizon, (bins.sectors, 1)), 1e-4)
    fits = []
    for reach in distance[:: max(1, len(distance) // 4)]:
        p = np.concatenate([[np.log(0.5 / reach), 0, 0], np.log(seen).ravel(), np.log(air).ravel()])
        for _ in range(3):
            worth = _worth(p, bins, without)
            found = least_squares(_rest, p, loss="soft_l1", max_nfev=40, args=(bins, worth, air, horizon, without))
            p = found.x
        fits.append((found, worth))
        if without:
            break
    # Each start has weights of its own: they are compared on what they leave of the plain logarithms
    found, worth = min(
        fits, key=lambda f: float(np.abs(np.log(_model(f[0].x, bins, without) / _floor(radiance))).mean())
    )
    b, _, a = _parts(found.x)
    model = _model(found.x, bins, without)
    rest = (model - radiance) * worth
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    # Percentiles of one bin err together: about two of them are observations of their own
    scale = max(float(np.median(rest**2)) / 0.455, 0.3) * len(SHARES) / 2
    left = float(np.abs(np.log(model / _floor(radiance))).mean())
    return _Fit(b, a.mean(axis=0), model, left, float(np.sqrt(covariance[0, 0] * scale)))


def _floor(radiance: F64) -> F64:
    return np.maximum(radiance, 1e-4)


def _parts(p: F64) -> tuple[F64, F64, F64]:
    """Extinction [3], what is there [3, Q], inscatter [S, 3]."""
    p = np.clip(p, -_FURTHEST, _FURTHEST)
    there = 3 + 3 * len(SHARES)
    return (
        np.exp(p[0] + np.array([p[1], 0.0, p[2]])), np.exp(p[3:there]).reshape(3, -1), np.exp(p[there:]).reshape(-1, 3)
    )  # fmt: skip


def _through(p: F64, distance: F64, without: bool) -> F64:
    """What of the light comes through, [B, 3, 1]."""
    if without:
        return np.ones((len(distance), 3, 1))
    return np.exp(-distance[:, None] * _parts(p)[0])[..., None]


def _model(p: F64, bins: _Bins, without: bool) -> F64:
    through, (_, seen, air) = _through(p, bins.middle, without), _parts(p)
    return seen * through + air[bins.sector][..., None] * (1 - through)


def _worth(p: F64, bins: _Bins, without: bool) -> F64:
    seen = _parts(p)[1] * _through(p, bins.middle, without)
    return 1.0 / np.sqrt((SCATTER * seen) ** 2 + (ERROR * _floor(bins.radiance)) ** 2)


def _rest(p: F64, bins: _Bins, worth: F64, air: F64, horizon: F64 | None, without: bool) -> F64:
    fit = ((_model(p, bins, without) - bins.radiance) * worth).ravel()
    # Extinction changes little between channels; the inscatter is the horizon's, where that is known
    often = np.sqrt(len(bins.middle))
    prior = np.array([often * p[1] / CHANNELS, often * p[2] / CHANNELS, (p[0] + np.log(bins.middle[-1])) / 4.0])
    own = p[3 + 3 * len(SHARES) :].reshape(-1, 3)
    sky = (own - np.log(air)).ravel() / (1.0 if horizon is None else 0.1)
    alike = often * (own - own.mean(axis=0)).ravel() / STRIPS
    return np.concatenate([fit, prior, sky, alike])


def _rgb(v: F64) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
