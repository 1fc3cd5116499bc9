"""The plate's grain: variance against level, spatial spectrum, correlation between channels.

In space: patches whose own shading is a smooth surface show grain and nothing else. At each level the flattest patches gather
about one variance, because grain has the same variance in all of them, while texture only ever adds: that first cluster is
looked for (the lower envelope of Liu, Szeliski et al. 2008, as the mode of a mean shift rather than a minimum, which would be
too low). In time: where the camera is locked, differences of frames, which know no texture. The model of variance against
level is the table itself; the line of Foi et al. 2008 (floor and shot noise) is told beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.comp.measure.measured import Found, GrainSamples, nothing
from composer.comp.measure.patches import (
    LAG,
    PATCH,
    autocovariance,
    corners,
    cut,
    kept_share,
    spread_of_variance,
    without_surface,
)
from composer.comp.measure.sights import Sight, Sights, clipped
from composer.comp.plate_look import Grain

F64 = NDArray[np.float64]
Index = NDArray[np.int64]

LEVELS = 8
#: Width of a bin of level, in stops, and how many patches a bin needs.
BIN_STOPS, LEAST = 0.5, 24
#: Grain leaves no patch far below its cluster, texture does: a bin with a larger share there shows texture.
LEFT_BEHIND = 0.1
#: Above this share of its level, beyond the deepest shadows, a standard deviation is texture.
COARSEST, DEEP = 0.18, 0.05
#: So much above the line of the brighter levels, the darkest levels are texture.
DARK = 0.25
#: A cluster reaches so many standard deviations down and up; less far up, where weak texture is. Its mean is by that so many
#: standard deviations too low (a normal distribution cut off there).
DOWN, UP, CUT = 2.2, 1.2, 0.182
#: Below the lowest level that shows grain, where that is not low by itself, the table has these parts of it.
_DOWN, _LOW = (0.25, 0.5), 0.02
#: A kernel's half width; what lies beyond is cut off.
REACH = 4


@dataclass(frozen=True)
class _Patches:
    """place: [N, 3] frame, x, y. level: [N, 3]. residual: [N, P, 3], scaled so that its variance is the grain's."""

    place: Index
    level: F64
    residual: F64

    def some(self, index: Index) -> _Patches:
        return _Patches(self.place[index], self.level[index], self.residual[index])


def measure_grain(sights: Sights) -> tuple[Found[Grain], GrainSamples | None]:
    """The grain of these frames, and what it was found on."""
    patches, how = _patches(sights)
    # A locked camera sees the same patches again and again
    least = LEAST * (len(sights.frames) if sights.locked else 1)
    if len(patches.place) < 4 * least:
        return nothing("grain: the plate is too small or clipped nearly everywhere", len(patches.place)), None
    chosen, spread = _flattest(patches, _end_of(sights), least)
    if not len(chosen):
        return nothing(f"grain: too few flat patches, {how}: everything in the plate has texture"), None
    flat = patches.some(chosen)
    variance = (flat.residual**2).mean(axis=1) / (1 - CUT * spread)
    if np.median(variance) <= 0:
        return nothing("grain: none: flat areas are exactly flat", len(chosen)), None
    covariance = _covariance(flat, variance)
    centre = covariance[LAG, LAG]
    scale = np.sqrt(np.diag(centre))
    shape = np.stack([covariance[..., c, c] / scale[c] ** 2 for c in range(3)])
    correlation = centre / np.outer(scale, scale)
    true = variance / [kept_share(s) for s in shape]
    level, table, error = _table(flat.level, true)
    mix = _mix(correlation)
    kernel = np.stack([_kernel(s) for s in _before_mixing(shape, mix)])
    line = np.stack([_line(flat.level[:, c], true[:, c]) for c in range(3)])
    level, table = _down_to_black(level, table, line[:, 0])
    grain = Grain(level, table, kernel.astype(np.float32), mix)
    frequency, seen, modelled = _spectra(shape, kernel, mix)
    evidence = GrainSamples(
        flat.place, PATCH, flat.level, true, line, frequency, seen, modelled, correlation
    )  # fmt: skip
    confidence, notes = _judge(flat, variance, shape, correlation, spread)
    told = f"grain: {len(chosen)} flat patches of {len(patches.place)}, {how}; variance = " + ", ".join(
        f"{name} {floor:.3g} + {slope:.3g} x level" for name, (floor, slope) in zip("RGB", line, strict=True)
    )
    return Found(grain, confidence, len(chosen), error, (told, *notes)), evidence


def _patches(sights: Sights) -> tuple[_Patches, str]:
    """In time where that is honest, else in space."""
    in_space = _joined([_spatial(s) for s in sights.frames])
    if not sights.locked or len(sights.frames) < 2:
        return in_space, "in space"
    pairs = list(zip(sights.frames, sights.frames[1:], strict=False))
    in_time = _joined([_temporal(a, b) for a, b in pairs])
    if not len(in_time.place):
        return in_space, "in space"
    if not sights.linear:
        # A codec repeats what it takes for still: time shows too little
        both = [np.percentile((p.residual**2).mean(axis=(1, 2)), 10) for p in (in_time, in_space)]
        if both[0] < 0.5 * both[1]:
            return in_space, "in space (from frame to frame a codec has repeated it)"
    return in_time, "from one frame to the next"


def _end_of(sights: Sights) -> float:
    """The value at which the medium ends, where many pixels have it."""
    tops = [float(s.rgb.max()) for s in sights.frames if clipped(s.rgb).any()]
    return min(tops, default=np.inf)


def _joined(parts: list[_Patches]) -> _Patches:
    return _Patches(
        np.concatenate([p.place for p in parts]),
        np.concatenate([p.level for p in parts]),
        np.concatenate([p.residual for p in parts]),
    )


def _spatial(sight: Sight) -> _Patches:
    patches = cut(sight.rgb.astype(np.float64))
    good = _usable(patches, clipped(sight.rgb))
    place = np.insert(corners(sight.rgb.shape), 0, sight.number, axis=1)
    return _Patches(place[good], patches[good].mean(axis=1), without_surface(patches[good]))


def _temporal(a: Sight, b: Sight) -> _Patches:
    first, second = cut(a.rgb.astype(np.float64)), cut(b.rgb.astype(np.float64))
    good = _usable(first, clipped(a.rgb) | clipped(b.rgb))
    level = 0.5 * (first[good].mean(axis=1) + second[good].mean(axis=1))
    place = np.insert(corners(a.rgb.shape), 0, a.number, axis=1)
    return _Patches(place[good], level, without_surface((first[good] - second[good]) / np.sqrt(2.0)))


def _usable(patches: F64, ended: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~cut(ended).any(axis=1) & np.isfinite(patches).all(axis=(1, 2))


def _flattest(patches: _Patches, top: float, least: int) -> tuple[Index, float]:
    """Which patches show grain only: at each level those of the first cluster of variance. top: where the medium ends,
    inf where it doesn't. And the spread of a patch's variance, over its mean."""
    mean = patches.level.mean(axis=1)
    stops = np.log2(np.maximum(mean, 1e-4))
    bins = np.floor((stops - np.percentile(stops, 0.5)) / BIN_STOPS).astype(int)
    variance = (patches.residual**2).mean(axis=1)
    # Within a bin the brighter patches have more grain: that is taken out, first roughly, then by the line that was found
    slant = 0.01 + np.maximum(mean, 0)
    spread, chosen = 0.2, np.zeros(0, dtype=np.int64)
    for _ in range(2):
        members = [np.flatnonzero(bins == b) for b in np.unique(bins[bins >= 0])]
        found = [m[_first_cluster(variance[m] / slant[m, None], spread)] for m in members if len(m) >= least]
        found = [f for f in found if len(f) >= least]
        found = [f for f in found if not _too_coarse(patches.level[f], variance[f])]
        if len(found) < 2 or sum(map(len, found)) < 4 * least:
            return np.zeros(0, dtype=np.int64), spread
        fair = _fair(found, patches.level, variance, top)
        chosen = np.concatenate([f for f, good in zip(found, fair, strict=True) if good])
        covariance = _covariance(patches.some(chosen), variance[chosen])
        centre = np.diag(covariance[LAG, LAG])
        if (centre <= 0).any():
            break
        spread = _spread(covariance)
        floor, slope = _line(mean[chosen], variance[chosen].mean(axis=1))
        slant = np.maximum(floor + slope * np.maximum(mean, 0), 1e-14)
    return chosen, spread


def _fair(found: list[Index], level: F64, variance: F64, top: float) -> NDArray[np.bool_]:
    """Which bins hold grain. The darkest may be ground with a weak texture in some channels (grass in a low sun: red): they
    are left out where each has a channel above the line of the brighter ones."""
    count = np.array([len(f) for f in found])
    at, seen = (np.array([v[f].mean(axis=0) for f in found]) for v in (level, variance))
    fair = _without_texture(at.mean(axis=1), seen.mean(axis=1), count, top)
    kept = np.flatnonzero(fair)
    for cut_off in range(len(kept) - 3, 0, -1):
        dark, rest = kept[:cut_off], kept[cut_off:]
        lines = (_line(at[rest, c], seen[rest, c]) for c in range(3))
        above = [seen[dark, c] / (floor + slope * at[dark, c] + 1e-14) for c, (floor, slope) in enumerate(lines)]
        if np.max(above, axis=0).min() > 1 + DARK:
            fair[dark] = False
            break
    return fair


def _spread(covariance: F64) -> float:
    """Standard deviation of a patch's variance over its mean, the channels' mean, for grain with this autocovariance.
    Variances of correlated channels go together by their correlation squared."""
    centre = covariance[LAG, LAG]
    scale = np.sqrt(np.diag(centre))
    each = np.array([spread_of_variance(covariance[..., c, c] / centre[c, c]) for c in range(3)])
    together = (centre / np.outer(scale, scale)) ** 2 * np.outer(each, each)
    return float(np.clip(np.sqrt(together.mean()), 0.05, 0.4))


def _first_cluster(variance: F64, spread: float) -> Index:
    """Index of the patches that gather at the low end of variance [N, 3]."""
    low = np.sort(variance, axis=0)[: max(3, len(variance) // 20)]
    centre = np.maximum(np.median(low, axis=0), 1e-12)
    inside = np.zeros(len(variance), dtype=bool)
    for _ in range(40):
        # The channels agree about what is flat; their mean is less noisy than each
        ratio = (variance / centre).mean(axis=1)
        inside = (ratio > 1 - DOWN * spread) & (ratio < 1 + UP * spread)
        if not inside.any():
            return np.zeros(0, dtype=np.int64)
        moved = np.maximum(np.mean(variance[inside], axis=0) / (1 - CUT * spread), 1e-12)
        if np.allclose(moved, centre, rtol=1e-3):
            break
        centre = moved
    below = ((variance / centre).mean(axis=1) < 1 - DOWN * spread).sum()
    return np.flatnonzero(inside) if below <= LEFT_BEHIND * inside.sum() + 2 else np.zeros(0, dtype=np.int64)


def _too_coarse(level: F64, variance: F64) -> bool:
    return bool(level.mean() > DEEP and np.sqrt(variance.mean()) > COARSEST * level.mean())


def _without_texture(level: F64, variance: F64, count: Index, top: float) -> NDArray[np.bool_]:
    """Which bins [B] hold grain. Some levels are only there in texture (grass in the sun), and their first cluster lies far
    above what darker and brighter levels have. Grain's variance follows a line closely enough to tell: the line that
    most bins follow and that few lie below; the shoulder before the medium's end may lie below it."""
    candidates = [(v / x, 0.0) for x, v in zip(level, variance, strict=True) if x > 0]
    candidates += [(0.0, v) for v in variance]
    for i in range(len(level)):
        for j in range(i + 1, len(level)):
            slope = (variance[j] - variance[i]) / (level[j] - level[i])
            candidates.append((slope, variance[i] - slope * level[i]))
    weight, shoulder = count**0.25, level > 0.4 * top
    best, kept = -np.inf, np.ones(len(level), dtype=bool)
    for slope, floor in candidates:
        if slope < 0 or floor < 0:
            continue
        ratio = variance / np.maximum(floor + slope * np.maximum(level, 0), 1e-14)
        follows, below = np.abs(np.log(np.maximum(ratio, 1e-9))) < 0.35, (ratio < 0.6) & ~shoulder
        score = float((weight * follows).sum() - 2 * (weight * below).sum())
        if score > best:
            best, kept = score, ratio < 1.6
    return kept


def _covariance(flat: _Patches, variance: F64) -> F64:
    """Autocovariance between channels, every patch at its own level's weight, so that bright ones don't outvote."""
    scale = np.sqrt(np.maximum(_smooth_variance(flat.level, variance), 1e-14))
    return autocovariance(flat.residual / scale[:, None, :], np.ones(len(flat.residual)))


def _smooth_variance(level: F64, variance: F64) -> F64:
    """Each patch's expected variance [N, 3], from those at about its level."""
    out = np.empty_like(variance)
    for c in range(3):
        order = np.argsort(level[:, c])
        window = max(LEAST, len(order) // 16)
        padded = np.pad(variance[order, c], (window, window), mode="reflect" if len(order) > window else "edge")
        total = np.cumsum(np.insert(padded, 0, 0.0))
        out[order, c] = (total[2 * window + 1 :] - total[: -2 * window - 1])[: len(order)] / (2 * window + 1)
    return out


def _table(level: F64, variance: F64) -> tuple[F64, F64, float]:
    """Levels [K], variance [3, K] and its typical relative error."""
    lowest, highest = np.percentile(level, [1, 99])
    edges = np.percentile(level.ravel(), np.linspace(0, 100, LEVELS + 1))
    middle = np.array([np.median(level[(level >= a) & (level <= b)]) for a, b in pairwise(edges)])
    middle[0], middle[-1] = min(lowest, middle[0]), max(highest, middle[-1])
    knots = np.unique(middle)
    table, errors = np.empty((3, len(knots))), []
    for c in range(3):
        # Least squares of a piecewise linear curve, each patch weighed by what its variance is worth
        hats = np.stack([np.interp(level[:, c], knots, row) for row in np.eye(len(knots))], axis=1)
        worth = 1.0 / np.maximum(_smooth_variance(level, variance)[:, c], 1e-14)
        ridge = 1e-3 * np.sqrt(len(hats)) * np.diff(np.eye(len(knots)), n=2, axis=0) * np.median(worth)
        a = np.concatenate([hats * worth[:, None], ridge])
        b = np.concatenate([variance[:, c] * worth, np.zeros(len(ridge))])
        solved, *_ = np.linalg.lstsq(a, b, rcond=None)
        table[c] = np.maximum(solved, 0.0)
        errors.append(np.std(variance[:, c] * worth) / np.sqrt(max(len(hats) / len(knots), 1)))
    return knots, table, float(np.mean(errors))


def _down_to_black(level: F64, table: F64, floor: F64) -> tuple[F64, F64]:
    """The table from level 0 on. Below what the plate's flat places show it goes on as it came (a power of the level, at
    most its square), down to the line's floor: a sky's grain does not lie on what is dark."""
    lit = level > 1e-4
    level, first = level[lit], table[:, lit]
    if not lit.all():
        return np.insert(level, 0, 0.0), np.column_stack([first[:, 0], first])
    if level[0] < _LOW:
        return np.insert(level, 0, 0.0), np.column_stack([np.minimum(floor, first[:, 0]), first])
    power = [np.polyfit(np.log(level), np.log(np.maximum(row, 1e-14)), 1)[0] for row in first]
    above = np.maximum(first[:, 0] - floor, 0.0)
    down = [floor + above * share ** np.clip(power, 0.0, 2.0) for share in _DOWN]
    return np.concatenate([[0.0], level[0] * np.array(_DOWN), level]), np.column_stack(
        [np.minimum(floor, first[:, 0]), *down, first]
    )


def _line(level: F64, variance: F64) -> F64:
    """Floor and slope [2] of variance against level, neither below 0."""
    from scipy.optimize import nnls

    worth = 1.0 / np.maximum(variance.mean() * 0.05 + variance, 1e-14)
    return nnls(np.stack([worth, np.maximum(level, 0) * worth], axis=1), variance * worth)[0]


def _kernel(correlation: F64) -> F64:
    """float64 [n, n]: the symmetric filter that gives white noise this autocorrelation; its squares sum to 1."""
    size = 32
    wide = np.zeros((size, size))
    wide[: 2 * LAG + 1, : 2 * LAG + 1] = correlation * _taper()
    power = np.maximum(np.fft.fft2(np.roll(wide, (-LAG, -LAG), axis=(0, 1))).real, 0.0)
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(power)).real)
    middle = size // 2
    kernel = kernel[middle - REACH : middle + REACH + 1, middle - REACH : middle + REACH + 1]
    return kernel / np.sqrt((kernel**2).sum())


def _taper() -> F64:
    """Far lags are mostly error: they fade out."""
    lag = np.hypot(*np.mgrid[-LAG : LAG + 1, -LAG : LAG + 1])
    return np.clip((LAG + 1 - lag) / 2.0, 0.0, 1.0)


def _mix(correlation: F64) -> F64:
    """Cholesky factor [3, 3] of the channels' correlation, made positive where errors have made it not."""
    values, vectors = np.linalg.eigh(np.clip(correlation, -0.995, 0.995) + 0.0)
    positive = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    return np.linalg.cholesky(positive / np.outer(scale, scale))


def _before_mixing(shape: F64, mix: F64) -> F64:
    """Autocorrelations [3, ...] of the noise that, filtered channel by channel and then mixed, has `shape`."""
    out = shape.copy()
    for c in (1, 2):
        own = mix[c, c] ** 2
        if own > 0.2:  # else the other channels say all there is, and the rest is error
            out[c] = (shape[c] - sum(mix[c, j] ** 2 * out[j] for j in range(c))) / own
    return out


def _spectra(shape: F64, kernel: F64, mix: F64) -> tuple[F64, F64, F64]:
    """Radial power spectra: frequency [F], of the plate [3, F], of the kernel [3, F]."""
    size = 32
    f = np.fft.fftfreq(size)
    radius = np.hypot(*np.meshgrid(f, f))
    rings = np.round(radius * size).astype(int)
    wanted = np.arange(0, size // 2 + 1)

    def radial(power: F64) -> F64:
        total, count = np.bincount(rings.ravel(), power.ravel()), np.bincount(rings.ravel())
        return (total / count)[wanted]

    seen = []
    for s in shape:
        wide = np.zeros((size, size))
        wide[: 2 * LAG + 1, : 2 * LAG + 1] = s * _taper()
        seen.append(radial(np.fft.fft2(np.roll(wide, (-LAG, -LAG), axis=(0, 1))).real))
    each = np.array([radial(np.abs(np.fft.fft2(k, (size, size))) ** 2) for k in kernel])
    return wanted / size, np.array(seen), mix**2 @ each


def _judge(flat: _Patches, variance: F64, shape: F64, correlation: F64, spread: float) -> tuple[float, list[str]]:
    """How far to trust it: enough patches, variances that scatter as grain's do, little structure in one direction."""
    notes = []
    count = min(1.0, len(flat.place) / 200)
    ratio = variance / np.maximum(_smooth_variance(flat.level, variance), 1e-14)
    scatter = float(np.median(np.std(ratio, axis=0))) / max(spread, 1e-6)
    lean = float(np.max(np.abs(shape[:, LAG, LAG + 1] - shape[:, LAG + 1, LAG])))
    far = float(np.mean(np.abs(shape[:, 0, :])) + np.mean(np.abs(shape[:, :, 0]))) / 2
    confidence = count * min(1.0, 2.2 / max(scatter, 1e-6)) * (1 - min(0.5, 2 * far))
    if lean > 0.25:
        notes.append(f"grain: leans to one direction ({lean:.2f}): interlacing, scaling or a texture in it")
        confidence *= 0.8
    if far > 0.12:
        notes.append(f"grain: still {far:.2f} correlated {LAG} px apart: coarse grain, a codec or texture in it")
    if correlation[0, 1] > 0.97 and correlation[1, 2] > 0.97:
        notes.append("grain: the same in all channels: black-and-white stock, or texture in it")
        confidence *= 0.7
    return float(np.clip(confidence, 0, 1)), notes
