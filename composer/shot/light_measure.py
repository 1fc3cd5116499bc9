"""The plate's light, measured: on a chrome or grey ball, else on ground in the sun and ground in the shade.

A chrome ball shows the light itself (Debevec 1998). On a grey ball the model that soldiers are lit with (a sun, a sky
from above, a bounce from below) is fitted, for every direction of the sun in turn. Ground has two clusters of luminance
where there is sun: their ratio is that of key to fill, channel by channel. The ground's own colour is not known; it is
taken to be what is white under sun and sky together, as the plate's white balance makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import Camera
from composer.errors import InputError
from composer.shot.ground import Ground
from composer.shot.holdout import open_holdout
from composer.shot.located import located
from composer.shot.plate import Plate
from composer.shot.schema import ShotFile
from composer.shot.schema_light import BallSpec, GlowSpec, LightSpec, SunSpec
from composer.shot.sun import angles_of, direction_of, sun_of_picks

F64 = NDArray[np.float64]

#: Of the ground: its reflectance where nothing says more; no further away than so is it looked at, on at most so many frames.
GROUND_ALBEDO, REACH_M, EXPOSURE_FRAMES = 0.2, 150.0, 3
#: Reflectance of a ball that says none.
USUAL = {"chrome": 0.6, "grey": 0.18}
#: Two clusters of ground: so many standard deviations apart (Ashman's D), so many stops, each so large a part.
APART, STOPS, PART = 2.2, 0.8, 0.06
#: A ball is looked at within this part of its radius: its rim is blurred into what is behind it.
_WITHIN = 0.94
_MOST_PIXELS = 12_000
#: A matte hides the ground from here on; so does what stands nearer than this part of the ground's distance.
_HIDES, _BEFORE = 0.02, 0.97


@dataclass(frozen=True)
class MeasuredLight:
    """Radiance of a white diffuse surface that faces each, ACEScg, in the plate's own units; None where it is not known.
    direction: unit [3], to the sun. ratio: key to fill on level ground. how: on what, in words. stops: log2 luminance of
    the ground's pixels [N] and of its two clusters (shade, sun), for who wants to see them."""

    how: str
    direction: F64 | None = None
    sun: F64 | None = None
    sky: F64 | None = None
    bounce: F64 | None = None
    ratio: float | None = None
    confidence: float = 0.0
    notes: tuple[str, ...] = ()
    stops: F64 | None = None
    clusters: tuple[float, float] | None = None


def measure_light(shot: ShotFile, plate: Plate, camera: Camera, ground: Ground) -> MeasuredLight:
    """The light of the plate. Raises InputError where the ball cannot be."""
    spec = shot.light
    if spec.ball is not None:
        with located(shot, "light", "ball"):
            return measure_ball(spec.ball, plate, camera)
    direction = _given_direction(spec.sun, camera, ground)
    rgb, where = open_ground(shot, plate, camera, ground)
    return measure_ground(rgb, where, np.asarray(plate.color.luminance_weights(), dtype=np.float64), direction)


def _given_direction(sun: SunSpec | None, camera: Camera, ground: Ground) -> F64 | None:
    if sun is None:
        return None
    if sun.pick is not None or sun.picks is not None:
        return sun_of_picks((sun.pick,) if sun.pick else sun.picks or (), camera, ground)[0]
    assert sun.elevation_deg is not None and sun.azimuth_deg is not None
    return direction_of(sun.elevation_deg, sun.azimuth_deg)


# --- ground ---------------------------------------------------------------------------------------------------------


def open_ground(shot: ShotFile, plate: Plate, camera: Camera, ground: Ground) -> tuple[F64, str]:
    """ACEScg pixels [N, 3] of the ground in the plate, on the first, middle and last frame, and what they are in words.
    What a matte holds out or a picture of depth shows before the ground is left out; what is made or found
    (difference mattes, models) is not looked at."""
    specs = [s for s in shot.holdouts if s.kind != "difference" and not s.finds]
    holdouts = [open_holdout(shot, s, plate, camera) for s in specs]
    n = len(plate.frames)
    picked = sorted({plate.frames[round(i * (n - 1) / max(EXPOSURE_FRAMES - 1, 1))] for i in range(EXPOSURE_FRAMES)})
    width, height = plate.size_px
    step = max(1, round((width * height / 40_000) ** 0.5))
    ys, xs = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    found = []
    for frame in picked:
        view = camera.view(frame)
        rays = view.rays(np.stack([xs + 0.5, ys + 0.5], axis=-1))
        away = np.linalg.norm(ground.intersect(view.position_m, rays) - view.position_m, axis=-1)
        with np.errstate(invalid="ignore"):
            seen = away < REACH_M
            for holdout in (h(frame) for h in holdouts):
                before = np.ndim(holdout.depth_m) == 0
                if not before:
                    depth = np.asarray(holdout.depth_m)[ys, xs]
                    before = depth < _BEFORE * away / np.linalg.norm(rays, axis=-1)
                seen &= ~((holdout.alpha[ys, xs] > _HIDES) & before)
        found.append(plate.read_working(frame)[ys, xs][seen].astype(np.float64))
    return np.concatenate(found), f"open ground in frames {', '.join(map(str, picked))}"


def measure_ground(rgb: F64, where: str, weights: F64, direction: F64 | None) -> MeasuredLight:
    """From ACEScg pixels [N, 3] of the ground. direction: to the sun, if known."""
    luminance = rgb @ weights
    some = np.flatnonzero(luminance > 1e-4)
    some = some[:: max(1, len(some) // _MOST_PIXELS)]
    rgb, stops = rgb[some], np.log2(luminance[some])
    if len(stops) < 500:
        return MeasuredLight("ground", notes=("light: too little ground in the plate to measure its light on",))
    means, sds, parts, of_sun = _two_clusters(stops)
    apart = np.sqrt(2.0) * (means[1] - means[0]) / np.hypot(*sds)
    if apart < APART or means[1] - means[0] < STOPS or min(parts) < PART:
        why = (
            f"light: not measured: {where} shows no two clusters ({apart:.1f} sigma and {means[1] - means[0]:.1f} stops apart): "
            "no sun on it, or nothing but sun"
        )
        return MeasuredLight("ground", notes=(why,), stops=stops)
    shade, lit = np.median(rgb[of_sun < 0.1], axis=0), np.median(rgb[of_sun > 0.9], axis=0)
    by_channel = lit / np.maximum(shade, 1e-6) - 1
    ratio = float(lit @ weights / (shade @ weights) - 1)
    notes = [f"light: key to fill {ratio:.1f} to 1 on the ground, from {where}: {parts[1]:.0%} of it in the sun"]
    confidence = float(np.clip((apart - APART) / 2 + 0.4, 0, 0.8) * np.clip(min(parts) / 0.15, 0.3, 1))
    if by_channel[0] < 0.8 * by_channel[2]:
        notes.append("light: what is bright is bluer than what is dark: two kinds of ground, rather than sun and shade")
        confidence *= 0.3
    # White under both lights together, and as bright as ground of the usual reflectance
    albedo = GROUND_ALBEDO * lit / float(lit @ weights)
    sky = shade / albedo
    if direction is None:
        notes.append(
            "light: where the sun is was not told: its strength can't be, either (give sun.pick, sun.picks or a ball)"
        )
        return MeasuredLight("ground", None, None, sky, None, ratio, confidence, tuple(notes), stops, tuple(means))
    sun = by_channel * sky / max(float(direction[1]), 0.05)
    return MeasuredLight(
        "ground", direction, np.maximum(sun, 0), sky, None, ratio, confidence, tuple(notes), stops, tuple(means)
    )  # fmt: skip


def _two_clusters(values: F64) -> tuple[F64, F64, F64, F64]:
    """Means, standard deviations and parts [2] of two Gaussians, the lower first, and how much each value belongs to the
    upper [N]. Expectation and maximisation, from several starts."""
    best, score = None, -np.inf
    for low, high in ((10, 60), (25, 75), (40, 90), (5, 50), (3, 40)):
        means, sds = np.percentile(values, [low, high]), np.full(2, max(values.std() / 2, 0.05))
        parts = np.array([0.5, 0.5])
        for _ in range(60):
            density = parts / sds * np.exp(-0.5 * ((values[:, None] - means) / sds) ** 2) + 1e-300
            belongs = density / density.sum(axis=1, keepdims=True)
            count = belongs.sum(axis=0) + 1e-9
            means = (belongs * values[:, None]).sum(axis=0) / count
            sds = np.maximum(np.sqrt((belongs * (values[:, None] - means) ** 2).sum(axis=0) / count), 0.05)
            parts = count / len(values)
        found = float(np.log(density.sum(axis=1)).sum())
        if found > score:
            order = np.argsort(means)
            best, score = (means[order], sds[order], parts[order], belongs[:, order[1]]), found
    assert best is not None
    return best


# --- balls ----------------------------------------------------------------------------------------------------------


def measure_ball(spec: BallSpec, plate: Plate, camera: Camera) -> MeasuredLight:
    """From a ball in the picture. Raises InputError where it is not wholly in it."""
    if not camera.covers(spec.frame) or spec.frame not in plate.frames:
        raise InputError(
            "the plate has no such frame", expected=f"{plate.frames[0]}-{plate.frames[-1]}", got=str(spec.frame)
        )
    width, height = plate.size_px
    (x, y), r = spec.centre_px, spec.radius_px
    if x - r < 0 or y - r < 0 or x + r > width or y + r > height:
        raise InputError("the ball is not wholly in the picture", expected=f"within {width} x {height}")
    view = camera.view(spec.frame)
    ys, xs = np.mgrid[int(y - r) : int(np.ceil(y + r)) + 1, int(x - r) : int(np.ceil(x + r)) + 1]
    ys, xs = np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1)
    inside = np.hypot(xs + 0.5 - x, ys + 0.5 - y) < _WITHIN * r
    pixels = np.stack([xs[inside] + 0.5, ys[inside] + 0.5], axis=-1)
    rgb = plate.read_working(spec.frame)[ys[inside], xs[inside]].astype(np.float64)
    rays, normals = _on_sphere(view.rays(pixels), view.rays(np.array([[x, y], [x + r, y], [x, y + r]])))
    reflectance = spec.reflectance or USUAL[spec.kind]
    weights = np.asarray(plate.color.luminance_weights(), dtype=np.float64)
    if spec.kind == "chrome":
        mirrored = rays - 2 * (rays * normals).sum(axis=1, keepdims=True) * normals
        return _chrome(rgb / reflectance, mirrored, weights)
    return _grey(rgb / reflectance, normals, weights)


def _on_sphere(rays: F64, marks: F64) -> tuple[F64, F64]:
    """Unit rays [N, 3] and the unit normals [N, 3] where they meet the ball; marks: rays to its middle, to its right and to its
    lowest point."""
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    middle, *rim = marks / np.linalg.norm(marks, axis=1, keepdims=True)
    half = np.mean([np.arccos(np.clip(middle @ e, -1, 1)) for e in rim])
    radius = np.sin(half)
    along = rays @ middle
    inner = np.maximum(along**2 - 1 + radius**2, 0.0)
    hit = (along - np.sqrt(inner))[:, None] * rays
    normals = (hit - middle) / radius
    return rays, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _chrome(light: F64, toward: F64, weights: F64) -> MeasuredLight:
    """light: radiance [N, 3] that comes from `toward` [N, 3]. A ball's disc shows all directions, each pixel the same solid
    angle of them."""
    luminance = light @ weights
    solid = 4 * np.pi * _WITHIN**2 / len(light)
    brightest = toward[luminance.argmax()]
    near = toward @ brightest > np.cos(np.radians(12))
    around = float(np.median(luminance))
    glare = near & (luminance > 0.5 * luminance.max())
    sun_seen = luminance.max() > 6 * around and brightest[1] > 0
    rest = ~(near & (luminance > 3 * around)) if sun_seen else np.ones(len(light), dtype=bool)

    def facing(direction: F64, which: NDArray[np.bool_]) -> F64:
        return (light[which] * np.maximum(toward[which] @ direction, 0)[:, None]).sum(axis=0) * solid / np.pi

    up = np.array([0.0, 1.0, 0.0])
    sky, bounce = facing(up, rest & (toward[:, 1] > 0)), facing(-up, rest & (toward[:, 1] < 0))
    if not sun_seen:
        note = "light: the chrome ball shows no sun"
        return MeasuredLight("chrome ball", None, None, sky, bounce, None, 0.8, (note,))
    direction = (toward[glare] * luminance[glare, None]).sum(axis=0)
    direction /= np.linalg.norm(direction)
    sun = facing(direction, ~rest)
    wide = float(np.degrees(np.arccos(np.clip(toward[glare] @ direction, -1, 1)).mean()))
    notes = ["light: chrome ball: sun at elevation {:.1f}, azimuth {:.1f} degrees".format(*angles_of(direction))]
    if (luminance > 0.98 * luminance.max()).sum() > 2:
        notes.append("light: the sun is clipped on the chrome ball: its strength is at least this")
    ratio = float(sun @ weights * direction[1] / max(float(sky @ weights), 1e-9))
    confidence = float(np.clip(1 - wide / 12, 0.2, 0.95))
    return MeasuredLight("chrome ball", direction, sun, sky, bounce, ratio, confidence, tuple(notes))


def _grey(light: F64, normals: F64, weights: F64) -> MeasuredLight:
    """light: radiance of a white surface in the ball's place, with these normals [N, 3]."""
    from scipy.optimize import minimize, nnls

    step = max(1, len(light) // 1200)
    light, normals = light[::step], normals[::step]
    up = 0.5 + 0.5 * normals[:, 1]
    size = float(np.abs(light).mean())

    def solve(direction: F64) -> tuple[F64, float]:
        lit = np.stack([np.maximum(normals @ direction, 0), up, 1 - up], axis=1)
        found = [nnls(lit, light[:, c]) for c in range(3)]
        return np.stack([f[0] for f in found], axis=1), float(sum(f[1] ** 2 for f in found))

    def cost(angles: F64) -> float:
        return solve(direction_of(float(angles[0]), float(angles[1])))[1]

    grid = [(e, a) for e in range(6, 90, 14) for a in range(0, 360, 18)]
    start = min(grid, key=lambda g: cost(np.array(g, dtype=np.float64)))
    best = minimize(
        cost, np.array(start, dtype=np.float64), method="Nelder-Mead", options={"xatol": 0.05, "fatol": 1e-12}
    )
    direction = direction_of(float(best.x[0]), float(best.x[1]))
    (sun, sky, bounce), left = solve(direction)
    error = float(np.sqrt(left / (3 * len(light))) / max(size, 1e-12))
    told = "light: grey ball: sun at elevation {:.1f}, azimuth {:.1f} degrees; {:.1%} of its light is not explained"
    notes = (told.format(*angles_of(direction), error),)
    if sun @ weights < 0.1 * (sky @ weights):
        return MeasuredLight(
            "grey ball", None, None, sky, bounce, None, 0.6, (*notes, "light: no sun on the grey ball")
        )
    ratio = float(sun @ weights * direction[1] / max(float(sky @ weights), 1e-9))
    return MeasuredLight("grey ball", direction, sun, sky, bounce, ratio, float(np.clip(1 - 4 * error, 0, 1)), notes)


# --- into the shot --------------------------------------------------------------------------------------------------


def with_measured(spec: LightSpec, found: MeasuredLight) -> tuple[LightSpec, list[str]]:
    """The shot's light with what was measured in place of what is not written, and notes on it."""
    notes, changed = list(found.notes), {}
    sun, sky = _sun(spec, found), _sky(spec, found)
    if sun is not None and sun is not spec.sun:
        changed["sun"] = sun
    if sky is not None and sky is not spec.sky:
        changed["sky"] = sky
    if found.bounce is not None and (spec.bounce is None or spec.bounce.color is None):
        changed["bounce"] = _glow(found.bounce, spec.bounce)
    told = ", ".join(changed) or "nothing"
    notes.append(f"light: measured on the {found.how}: {told}; what is written in the shot stands")
    # Measured light is in the plate's own units; where one strength is by hand, the rest follows it
    if changed and "exposure" not in spec.model_fields_set and not _strength_by_hand(spec):
        changed["exposure"] = 0.0
    return spec.model_copy(update=changed), notes


def _strength_by_hand(spec: LightSpec) -> bool:
    return spec.sun is not None and "strength" in spec.sun.model_fields_set


def _sun(spec: LightSpec, found: MeasuredLight) -> SunSpec | None:
    if found.direction is None or found.sun is None or found.sun.max() <= 0:
        return spec.sun
    strength = float(found.sun.max())
    color = _triple(found.sun / strength)
    if spec.sun is None:
        elevation, azimuth = angles_of(found.direction)
        if elevation <= 0:
            return None
        return SunSpec(elevation_deg=elevation, azimuth_deg=azimuth, color=color, strength=strength)
    measured = {"color": color, "strength": strength}
    return spec.sun.model_copy(update={k: v for k, v in measured.items() if k not in spec.sun.model_fields_set})


def _sky(spec: LightSpec, found: MeasuredLight) -> GlowSpec | None:
    if found.sky is None or (spec.sky is not None and spec.sky.color is not None):
        return spec.sky
    sky = found.sky
    if _strength_by_hand(spec) and found.sun is not None and found.sun.max() > 0:
        assert spec.sun is not None
        sky = sky * (spec.sun.strength / float(found.sun.max()))
    return _glow(sky, spec.sky)


def _glow(rgb: F64, given: GlowSpec | None) -> GlowSpec:
    strength = max(float(rgb.max()), 1e-9)
    by_hand = given is not None and "strength" in given.model_fields_set
    return GlowSpec(color=_triple(rgb / strength), strength=given.strength if given and by_hand else strength)


def _triple(rgb: F64) -> tuple[float, float, float]:
    return float(rgb[0]), float(rgb[1]), float(rgb[2])
