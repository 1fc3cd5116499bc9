"""A small cast, agents, views and a plain numpy ray caster to hold the kernels against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from composer.camera.camera import Lens, Pinhole, View
from composer.crowd.agents import MATERIALS, Agents, Cast, Clip, Figure, Mesh, Skeleton
from composer.guides.passes import Light

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

F64 = NDArray[np.float64]
SUN = np.array([0.5, 0.6, 0.4]) / np.linalg.norm([0.5, 0.6, 0.4])
LIGHT = Light((float(SUN[0]), float(SUN[1]), float(SUN[2])), (3.0, 2.7, 2.2), (0.5, 0.7, 1.0), (0.2, 0.15, 0.1))


@dataclass(frozen=True)
class Radial:
    """x' = x (1 + k1 r^2 + k2 r^4); NaN where it folds back."""

    k1: float = -0.18
    k2: float = 0.03
    name: str = "radial"

    def distort(self, xy: F64, frame: int) -> F64:
        r2 = (xy**2).sum(-1, keepdims=True)
        out = xy * (1 + self.k1 * r2 + self.k2 * r2 * r2)
        return np.where(1 + 3 * self.k1 * r2 + 5 * self.k2 * r2 * r2 > 0, out, np.nan)

    def undistort(self, xy: F64, frame: int) -> F64:
        guess = xy.copy()
        for _ in range(60):
            r2 = (guess**2).sum(-1, keepdims=True)
            guess = xy / (1 + self.k1 * r2 + self.k2 * r2 * r2)
        back = self.distort(guess, frame)
        return np.where(np.abs(back - xy).max(-1, keepdims=True) < 1e-9, guess, np.nan)


def _ellipsoid(centre: F64, radii: F64, rings: int, segments: int) -> tuple[F64, F64, NDArray[np.int32]]:
    theta = np.linspace(0, np.pi, rings + 1)
    phi = np.arange(segments) * 2 * np.pi / segments
    t, p = np.meshgrid(theta, phi, indexing="ij")
    unit = np.stack([np.sin(t) * np.cos(p), np.cos(t), np.sin(t) * np.sin(p)], -1).reshape(-1, 3)
    tri = []
    for i in range(rings):
        for j in range(segments):
            a, b = i * segments + j, i * segments + (j + 1) % segments
            c, d = a + segments, b + segments
            tri += [[a, b, c], [b, d, c]]
    normal = unit / radii
    return centre + unit * radii, normal / np.linalg.norm(normal, axis=1, keepdims=True), np.array(tri, np.int32)


def _figure(rings: int, segments: int) -> Mesh:
    """A body and a head in one mesh, bending at a middle joint; a metal head on a tunic."""
    body, body_n, body_t = _ellipsoid(np.array([0.0, 0.75, 0.0]), np.array([0.25, 0.75, 0.18]), rings, segments)
    head, head_n, head_t = _ellipsoid(np.array([0.0, 1.62, -0.03]), np.array([0.11, 0.14, 0.12]), rings // 2, segments)
    position = np.concatenate([body, head])
    joint = np.zeros((len(position), 2), np.int16)
    joint[:, 1] = 1
    weight = np.clip((1.1 - position[:, 1]) / 0.3, 0, 1)
    material = np.concatenate(
        [np.full(len(body_t), MATERIALS.index("tunic")), np.full(len(head_t), MATERIALS.index("metal"))]
    )
    return Mesh(
        position.astype(np.float32), np.concatenate([body_n, head_n]).astype(np.float32), joint,
        weight.astype(np.float32),
        np.concatenate([body_t, head_t + len(body)]).astype(np.int32), material.astype(np.int16),
    )  # fmt: skip


def _box(half: F64, centre: F64) -> Mesh:
    """A box with sharp sides."""
    corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    position, normal, tri = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            face = corner[corner[:, axis] == sign]
            n = np.eye(3)[axis] * sign
            flat = np.delete(np.arange(3), axis)
            order = np.argsort(np.arctan2(face[:, flat[1]], face[:, flat[0]]))
            face = face[order]
            if np.dot(np.cross(face[1] - face[0], face[2] - face[0]), n) < 0:
                face = face[::-1]
            k = len(position) * 4
            position.append(face)
            normal.append(np.tile(n, (4, 1)))
            tri += [[k, k + 1, k + 2], [k, k + 2, k + 3]]
    points = np.concatenate(position) * half + centre
    n = len(points)
    return Mesh(
        points.astype(np.float32), np.concatenate(normal).astype(np.float32), np.zeros((n, 2), np.int16),
        np.ones(n, np.float32),
        np.array(tri, np.int32), np.full(len(tri), MATERIALS.index("wood"), np.int16),
    )  # fmt: skip


def _skeleton() -> Skeleton:
    place = np.zeros((18, 3), np.float32)
    place[:, 1] = [1.6, 1.4, 1.4, 1.1, 0.9, 1.4, 1.1, 0.9, 0.9, 0.5, 0.1, 0.9, 0.5, 0.1, 1.64, 1.64, 1.62, 1.62]
    place[:, 0] = [0, 0, 0.2, 0.24, 0.24, -0.2, -0.24, -0.24, 0.1, 0.1, 0.1, -0.1, -0.1, -0.1, 0.03, -0.03, 0.07, -0.07]
    joint = (place[:, 1] > 1.0).astype(np.int16)
    bind = np.array([[0, 0.9, 0], [0, 1.1, 0]], np.float32)
    return Skeleton(("hips", "chest"), np.array([-1, 0], np.int16), bind, joint, place)


def _clips(skeleton: Skeleton) -> tuple[Clip, ...]:
    """One that stands, one that sways and bows."""
    s = 12
    t = np.arange(s) / s * 2 * np.pi
    rotation = np.zeros((s, 2, 4), np.float32)
    rotation[..., 3] = 1
    position = np.repeat(skeleton.bind_m[None], s, 0).astype(np.float32)
    still = Clip("still", 1.0, rotation.copy(), position.copy())
    half = 0.25 * np.sin(t)
    rotation[:, 1, 0], rotation[:, 1, 3] = np.sin(half), np.cos(half)
    rotation[:, 0, 2], rotation[:, 0, 3] = np.sin(half / 3), np.cos(half / 3)
    position[:, 1, 2] += 0.05 * np.cos(t)
    return still, Clip("sway", 1.0, rotation, position)


@pytest.fixture(scope="session")
def cast() -> Cast:
    """figures: 0 a rounded soldier, 1 the same with a coarser lod, 2 a pole 4 cm wide and 2 m high."""
    skeleton = _skeleton()
    soldier, coarse = _figure(16, 20), _figure(8, 10)
    pole = _box(np.array([0.02, 1.0, 0.02]), np.array([0.0, 1.0, 0.0]))
    return Cast(
        skeleton,
        (Figure("soldier", (soldier,)), Figure("lods", (soldier, coarse)), Figure("pole", (pole,))),
        _clips(skeleton),
    )


def make_agents(
    places: F64, *, figure: int = 0, clip: int = 1, step: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Agents:
    """Soldiers at `places` [N, 3], each with his own heading and phase, moving by `step` a frame."""
    places = np.asarray(places, np.float64).reshape(-1, 3)
    n = len(places)
    rng = np.random.default_rng(11)
    position = np.stack([places + np.array(step) * k for k in (-1, 0, 1)]).astype(np.float32)
    phase = rng.random(n)
    heading = rng.uniform(-3, 3, n)
    return Agents(
        frames=(9, 10, 11),
        agent_id=np.arange(101, 101 + n, dtype=np.uint32),
        position_m=position,
        heading_rad=np.stack([heading - 0.05, heading, heading + 0.05]).astype(np.float32),
        clip=np.full((3, n), clip, np.int16),
        phase=np.stack([(phase + 0.03 * k) % 1 for k in (-1, 0, 1)]).astype(np.float32),
        cast=np.full(n, figure, np.int16),
        side=np.zeros(n, np.int8),
        height_scale=rng.uniform(0.95, 1.05, n).astype(np.float32),
        albedo=rng.uniform(0.1, 0.6, (n, len(MATERIALS), 3)).astype(np.float32),
        seed=np.arange(n, dtype=np.uint32),
    )


def make_view(
    *, frame: int = 10, size: tuple[int, int] = (320, 180), height: float = 1.8, tilt_deg: float = -8.0, x: float = 0.0,
    lens: Lens | None = None,
) -> View:  # fmt: skip
    a = np.radians(tilt_deg)
    m = np.eye(4)
    m[:3, :3] = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    m[:3, 3] = [x, height, 0.0]
    f = 0.9 * size[0]
    return View(frame, size, m, (f, f), (size[0] * 0.49, size[1] * 0.52), lens or Pinhole())


def plane_depth(view: View) -> NDArray[np.float32]:
    """Depth of y = 0, by the view's own rays."""
    w, h = view.size_px
    px = np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = -view.position_m[1] / view.rays(px)[..., 1]
    return np.where(np.isfinite(d) & (d > 0) & (d < 1e4), d, np.inf).astype(np.float32)


def skin(agents: Agents, cast: Cast, frame: int, k: int, lod: int = 0) -> F64:
    """World vertices [V, 3] of agent k, by the definitions in `crowd.agents` and nothing else."""
    from scipy.spatial.transform import Rotation

    mesh, clip, bind = cast.figures[agents.cast[k]].lods[lod], cast.clips[agents.clip[frame, k]], cast.skeleton.bind_m
    s = float(agents.phase[frame, k]) * len(clip.rotation)
    i, t = int(s), s - int(s)
    j = (i + 1) % len(clip.rotation)
    qa, qb = clip.rotation[i].astype(np.float64), clip.rotation[j].astype(np.float64)
    qb = np.where((qa * qb).sum(-1, keepdims=True) < 0, -qb, qb)
    turn = Rotation.from_quat(qa * (1 - t) + qb * t)
    place = clip.position_m[i] * (1 - t) + clip.position_m[j] * t
    v = mesh.position_m.astype(np.float64)
    moved = [
        turn[mesh.joint[:, side].astype(int)].apply(v - bind[mesh.joint[:, side]]) + place[mesh.joint[:, side]]
        for side in range(2)
    ]
    w = mesh.weight[:, None].astype(np.float64)
    figure = moved[0] * w + moved[1] * (1 - w)
    heading = Rotation.from_euler("y", float(agents.heading_rad[frame, k]))
    if agents.up is not None:
        heading = _arc(agents.up[frame, k].astype(np.float64)) * heading
    return heading.apply(figure * float(agents.height_scale[k])) + agents.position_m[frame, k].astype(np.float64)


def _arc(up: F64) -> Rotation:
    """The shortest arc from +Y to `up`, by angle and axis."""
    from scipy.spatial.transform import Rotation

    up = up / np.linalg.norm(up)
    axis = np.cross([0.0, 1.0, 0.0], up)
    size = np.linalg.norm(axis)
    return Rotation.from_rotvec(axis / size * np.arctan2(size, up[1]) if size > 1e-9 else np.zeros(3))


def raycast(
    agents: Agents, cast: Cast, view: View, pixels: F64
) -> tuple[F64, NDArray[np.int64], NDArray[np.int64], F64]:
    """Moeller-Trumbore on every triangle: nearest planar depth [P] (inf: none), agent index, triangle, barycentrics
    [P, 3]."""
    origin, rays = view.position_m, view.rays(pixels)
    n = len(pixels)
    best, who, which, where = np.full(n, np.inf), np.full(n, -1), np.full(n, -1), np.zeros((n, 3))
    for k in range(len(agents)):
        v = skin(agents, cast, 1, k)
        tri = cast.figures[agents.cast[k]].lods[0].triangle
        a, ab, ac = v[tri[:, 0]], v[tri[:, 1]] - v[tri[:, 0]], v[tri[:, 2]] - v[tri[:, 0]]
        for p in range(n):
            across = np.cross(rays[p], ac)
            det = (ab * across).sum(-1)
            with np.errstate(divide="ignore", invalid="ignore"):
                u = ((origin - a) * across).sum(-1) / det
                q = np.cross(origin - a, ab)
                w = (q @ rays[p]) / det
                t = (ac * q).sum(-1) / det
            u, w, t = (np.where(np.abs(det) > 1e-14, value, -1.0) for value in (u, w, t))
            hit = (u >= 0) & (w >= 0) & (u + w <= 1) & (t > 0.05)
            if hit.any():
                i = np.flatnonzero(hit)[t[hit].argmin()]
                if t[i] < best[p]:
                    best[p], who[p], which[p], where[p] = t[i], k, i, (1 - u[i] - w[i], u[i], w[i])
    return best, who, which, where


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The helpers above, for the tests of this room."""
    return SimpleNamespace(
        agents=make_agents,
        view=make_view,
        plane_depth=plane_depth,
        skin=skin,
        raycast=raycast,
        Radial=Radial,
        LIGHT=LIGHT,
    )


@pytest.fixture(scope="session")
def crowd_grid() -> Callable[..., Agents]:
    """Twelve soldiers in three ranks before the camera."""

    def build(**kwargs: object) -> Agents:
        x, z = np.meshgrid(np.linspace(-1.8, 1.8, 4), [-4.0, -5.5, -7.5])
        places = np.stack([x.ravel() + 0.1 * z.ravel(), 0 * x.ravel(), z.ravel()], -1)
        return make_agents(places, **kwargs)  # type: ignore[arg-type]

    return build
