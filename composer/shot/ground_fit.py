"""Where the ground is, out of a solve: a plane under its points, or through three picked ones.

Solves see few points on grass or gravel and many on walls, so the fit looks for the LOWEST plane that many points
stand on rather than for the largest plane. It is decided in four steps, all deterministic:

1. Up. Cameras are held level more often than not: up is the direction at right angles to their x axes, near their
   mean y
   axis (sigma 4 degrees). Where the points show walls (seen from above they shrink to lines), the direction that makes
   those lines thinnest is up instead (sigma 0.5 degree).
2. Of the points below the cameras only those count that have few others under them (LOWEST in a cell of the plan), so
   that a wall counts by its foot. RANSAC over planes through one such point at right angles to up and through three of
   them, at most MAX_TILT_DEG from up and below every camera. A plane scores its inliers (points within TOLERANCE of
   its own
   camera height, the only length known before the scale) less the points further below it, times the likelihood of a
   ground with that slope (sigma 2 sigma_up).
3. Least squares on the inliers, with up as a prior of that sigma; its covariance says how far off the plane may be.
4. Trust = count * certainty * residual, each 0..1: count = n / (n + 20); certainty = 1 / (1 + (s / 0.15)^2), s being
   the
   standard error of the ground's height under the cameras over the camera height, so it holds the inliers' spread and
   how far the plane is carried on beyond them; residual = 1 / (1 + (rms / (TOLERANCE * camera height))^2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError

Array = NDArray[np.float64]

MAX_TILT_DEG = 20.0
TOLERANCE = 0.03
TRIPLES = 1500
SINGLES = 400
SIGMA_CAMERAS_DEG = 4.0
SIGMA_WALLS_DEG = 0.5
LOWEST = 3
#: How many times thinner the walls' lines must be at the best direction than at a middling one.
WALLS_SHARPNESS = 2.0


@dataclass(frozen=True)
class PlaneFit:
    """point and normal (unit, up) in the solve's world; trust 0..1; camera_height: [F], over the plane, solve's
    units."""

    point: Array
    normal: Array
    trust: float
    camera_height: Array
    notes: tuple[str, ...]


def unit(v: Array) -> Array:
    return v / np.linalg.norm(v)


def across(up: Array) -> tuple[Array, Array]:
    """Two unit vectors at right angles to `up` and to each other."""
    side = unit(np.cross(up, [1.0, 0.0, 0.0] if abs(up[0]) < 0.9 else [0.0, 0.0, 1.0]))
    return side, np.cross(up, side)


def up_of_cameras(world_from_camera: Array) -> Array:
    """Unit [3]: the direction most nearly at right angles to all cameras' x axes, near their mean y axis."""
    right, mean_y = world_from_camera[:, :3, 0], world_from_camera[:, :3, 1].mean(axis=0)
    mean_y = unit(mean_y)
    away = np.eye(3) - np.outer(mean_y, mean_y)
    _, vectors = np.linalg.eigh(right.T @ right + 0.02 * len(right) * away)
    up = vectors[:, 0]
    return up if up @ mean_y > 0 else -up


def up_of_walls(points: Array, up: Array, reach_deg: float = 12.0) -> tuple[Array, float]:
    """The direction near `up` along which the points pile up most (walls seen from above are lines), and how many times
    more than in a middling direction. points: float64 [P, 3]."""
    middle = np.median(points, axis=0)
    distance = np.linalg.norm(points - middle, axis=1)
    radius = float(np.median(distance))
    near = (points - middle)[distance < 3 * radius]
    near = near[:: max(1, len(near) // 6000)]
    side, ahead = across(up)
    cell = radius / 100

    def direction(s: float, t: float) -> Array:
        return unit(up + np.tan(s) * side + np.tan(t) * ahead)

    def piled(s: float, t: float) -> float:
        axes = np.stack(across(direction(s, t)), axis=1)
        plan = near @ axes / cell
        total = 0.0
        for phase in (0.0, 0.5):
            cells = np.floor(plan + phase).astype(np.int64)
            cells -= cells.min(axis=0)
            counts = np.bincount(cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1])
            total += float((counts.astype(np.float64) ** 2).sum())
        return total / len(near)

    best, sharpness = (0.0, 0.0), 1.0
    for reach, step in ((reach_deg, 1.0), (1.0, 0.25), (0.25, 0.05)):
        offsets = np.radians(np.arange(-reach, reach + step / 2, step))
        scores = np.array([[piled(best[0] + a, best[1] + b) for b in offsets] for a in offsets])
        i, j = np.unravel_index(int(scores.argmax()), scores.shape)
        if reach == reach_deg:
            sharpness = float(scores.max() / np.median(scores))
        best = (best[0] + offsets[i], best[1] + offsets[j])
    return direction(*best), sharpness


def fit_ground(points: Array, world_from_camera: Array, min_trust: float) -> PlaneFit:
    """The ground plane under a solve. points: float64 [P, 3]; world_from_camera: float64 [F, 4, 4], same world.

    Raises InputError where there is no such plane or where its trust is below `min_trust`.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 12:
        raise InputError(
            "too few points in the solve to fit a ground", expected="12 or more", got=str(len(points)), hint=WAY_OUT
        )
    notes: list[str] = []
    up, sigma_deg = up_of_cameras(world_from_camera), SIGMA_CAMERAS_DEG
    walls, sharpness = up_of_walls(points, up)
    if sharpness >= WALLS_SHARPNESS:
        turned = np.degrees(np.arccos(np.clip(walls @ up, -1, 1)))
        notes.append(f"ground: up taken from the walls in the solve, {turned:.1f} degrees from the cameras' own up")
        up, sigma_deg = walls, SIGMA_WALLS_DEG
    else:
        notes.append("ground: up taken from the cameras' axes (no walls seen in the solve)")
    eyes = world_from_camera[:, :3, 3]
    low = points[points @ up < (eyes @ up).min()]
    if len(low) < 12:
        raise InputError(
            "too few points below the cameras to fit a ground", expected="12 or more", got=str(len(low)), hint=WAY_OUT
        )
    low = low[_lowest(low, up)]
    plane = _ransac(low, eyes, up, np.radians(sigma_deg))
    if plane is None:
        raise InputError("no level plane lies under the cameras", hint=WAY_OUT)
    fit = _refine(low, eyes, up, np.radians(sigma_deg), *plane)
    fit = PlaneFit(fit.point, fit.normal, fit.trust, fit.camera_height, (*notes, *fit.notes))
    if fit.trust < min_trust:
        raise InputError(
            "the fitted ground is not to be trusted",
            expected=f"trust {min_trust:.2f} or more",
            got=f"{fit.trust:.2f} ({fit.notes[-1].partition(': ')[2]})",
            hint=WAY_OUT,
        )
    return fit


WAY_OUT = "pick three places with ground.picks, give ground.plane or ground.mesh, or lower ground.min_trust"


def _lowest(low: Array, up: Array) -> NDArray[np.int64]:
    """Indices of the LOWEST points of each cell of the plan, cells a hundredth of the points' spread wide."""
    plan = low @ np.stack(across(up), axis=1)
    middle = np.median(plan, axis=0)
    cell = max(float(np.median(np.linalg.norm(plan - middle, axis=1))) / 100, 1e-12)
    cells = np.clip(np.floor((plan - middle) / cell), -(2.0**30), 2.0**30).astype(np.int64)
    order = np.lexsort((low @ up, cells[:, 1], cells[:, 0]))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(cells[order], axis=0) != 0).any(axis=1)
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    return np.sort(order[np.arange(len(order)) - first < LOWEST])


def _ransac(low: Array, eyes: Array, up: Array, sigma_up: float) -> tuple[Array, float] | None:
    """Best (normal [3], offset): points x on the plane have x @ normal = offset."""
    rng = np.random.default_rng(20101)
    order = np.argsort(low @ up)
    singles = low[order[:: max(1, len(order) // SINGLES)]]
    normals, through = [np.repeat(up[None], len(singles), axis=0)], [singles]
    a, b, c = (low[rng.integers(0, len(low), TRIPLES)] for _ in range(3))
    n = np.cross(b - a, c - a)
    length = np.linalg.norm(n, axis=1)
    good = length > 1e-9 * max(float(np.ptp(low)) ** 2, 1e-30)
    n = n[good] / length[good, None]
    n *= np.sign(n @ up)[:, None]
    level = n @ up > np.cos(np.radians(MAX_TILT_DEG))
    normals.append(n[level])
    through.append(a[good][level])
    best: tuple[float, Array, float] | None = None
    for normal, point in zip(np.concatenate(normals), np.concatenate(through), strict=True):
        offset = float(normal @ point)
        heights = eyes @ normal - offset
        if heights.min() <= 0:
            continue
        r = (low @ normal - offset) / (TOLERANCE * float(np.median(heights)))
        tilt = float(np.arccos(min(normal @ up, 1.0)))
        score = float(np.exp(-0.5 * r * r).sum() - (r < -2.5).sum()) * np.exp(-0.5 * (tilt / (2 * sigma_up)) ** 2)
        if best is None or score > best[0]:
            best = (score, normal, offset)
    return None if best is None else (best[1], best[2])


def _refine(low: Array, eyes: Array, up: Array, sigma_up: float, normal: Array, offset: float) -> PlaneFit:
    """Least squares for height = h + s * side + t * ahead in the frame of `up`, with s, t ~ N(0, sigma_up)."""
    side, ahead = across(up)
    axes = np.stack([side, ahead], axis=1)
    foot = eyes.mean(axis=0)
    xy, height = (low - foot) @ axes, (low - foot) @ up
    eye_xy, eye_height = (eyes - foot) @ axes, (eyes - foot) @ up
    slope = -(normal @ axes) / (normal @ up)
    params = np.array([(offset - normal @ foot) / (normal @ up), *slope])
    design = np.column_stack([np.ones(len(low)), xy])
    inlier = np.zeros(len(low), dtype=bool)
    covariance, rms, camera = np.eye(3), 0.0, 1.0
    for _ in range(10):
        camera = float(np.median(eye_height - params[0] - eye_xy @ params[1:]))
        residual = height - design @ params
        inlier = np.abs(residual) < 2.0 * TOLERANCE * camera
        if inlier.sum() < 4:
            break
        weight = 1.0 / (TOLERANCE * camera) ** 2
        information = weight * design[inlier].T @ design[inlier] + np.diag([0.0, sigma_up**-2, sigma_up**-2])
        covariance = np.linalg.inv(information)
        params = covariance @ (weight * design[inlier].T @ height[inlier])
        rms = float(np.sqrt(np.mean((height - design @ params)[inlier] ** 2)))
    n = int(inlier.sum())
    at_eyes = np.column_stack([np.ones(len(eyes)), eye_xy])
    error = float(np.sqrt(np.einsum("fi,ij,fj->f", at_eyes, covariance, at_eyes).max()))
    heights = eye_height - at_eyes @ params
    camera = float(np.median(heights))
    if heights.min() <= 0 or n < 4:
        raise InputError("no level plane lies under the cameras", hint=WAY_OUT)
    count = n / (n + 20)
    certainty = 1 / (1 + (error / camera / 0.15) ** 2)
    smooth = 1 / (1 + (rms / (TOLERANCE * camera)) ** 2)
    trust = count * certainty * smooth
    normal = unit(up - side * params[1] - ahead * params[2])
    point = foot + up * params[0]
    note = (
        f"ground: plane fitted to {n} of {len(low)} points below the cameras, trust {trust:.2f} "
        f"(count {count:.2f}, certainty {certainty:.2f}, residual {smooth:.2f}); rms {100 * rms / camera:.1f} % "
        f"and height under the cameras within {100 * error / camera:.0f} % of the camera height; camera heights "
        f"{heights.min() / camera:.2f}-{heights.max() / camera:.2f} of their median"
    )
    return PlaneFit(point, normal, trust, over_plane(eyes, point, normal), (note,))


def over_plane(places: Array, point: Array, normal: Array) -> Array:
    """Signed distance [...] of places [..., 3] over a plane."""
    return (places - point) @ normal
