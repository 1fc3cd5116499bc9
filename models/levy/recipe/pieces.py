"""What stands about in a random plate: rocks, tents, walls, stakes. They hide soldiers behind them, as holdouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.dyes import AP1_FROM_REC709
from composer.guides.device import upload
from composer.guides.passes import Holdout
from models.levy.recipe.kernel_pieces import Rays, pieces_kernel
from models.levy.recipe.plates import value_noise
from models.levy.recipe.reference import lamps_of
from models.levy.recipe.scenes import LevyScene

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

ROCK, TENT, WALL, STAKE = range(4)
COLOURS = {
    ROCK: ((0.22, 0.21, 0.20), (0.36, 0.31, 0.25)), TENT: ((0.55, 0.48, 0.36), (0.62, 0.60, 0.55)),
    WALL: ((0.34, 0.31, 0.27), (0.48, 0.42, 0.33)), STAKE: ((0.20, 0.14, 0.09), (0.30, 0.23, 0.16)),
}  # fmt: skip
#: Share of plates with something in them, and the most pieces.
SHARE, MOST = 0.45, 7


@dataclass(frozen=True)
class Piece:
    """points: float64 [V, 3], metres, standing on y = 0. triangles: int64 [T, 3]."""

    kind: int
    points: F64
    triangles: I64


def with_pieces(scene: LevyScene, plate: F32, ground_m: F32, device: str = "cpu") -> tuple[F32, tuple[Holdout, ...]]:
    """The plate with what stands in it, and that as a holdout; the plate alone where a coin says so."""
    rng = np.random.default_rng((77, scene.number))
    if rng.random() > SHARE:
        return plate, ()
    made = [_placed(rng, scene) for _ in range(int(rng.integers(1, MOST + 1)))]
    sizes = np.cumsum([0, *(len(p.points) for p in made)])
    points = np.concatenate([p.points for p in made]) - scene.view.position_m
    triangles = np.concatenate([p.triangles + at for p, at in zip(made, sizes, strict=False)])
    owner = np.repeat(np.arange(len(made)), [len(p.triangles) for p in made])
    tones = [_tone(rng, p.kind) for p in made]
    (w, h), view = scene.view.size_px, scene.view
    corner, right, below = view.rays(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    rays = Rays()
    rays.corner, rays.across, rays.down = (wp.vec3(*map(float, v)) for v in (corner, right - corner, below - corner))
    rays.place = wp.vec3(*map(float, view.position_m))
    mesh = wp.Mesh(
        points=upload(points.astype(np.float32), wp.vec3, device),
        indices=upload(triangles.reshape(-1).astype(np.int32), wp.int32, device),
    )
    out, depth, shade = (wp.zeros((h, w), dtype=t, device=device) for t in (wp.vec4, wp.float32, wp.float32))
    wp.launch(
        pieces_kernel, dim=(h, w), device=device,
        inputs=[mesh.id, upload(owner.astype(np.int32), wp.int32, device),
                upload(np.array([p.kind for p in made], np.int32), wp.int32, device),
                upload(np.array(tones, np.float32), wp.vec3, device), rays, lamps_of(scene.light, scene.sun_spread),
                upload(ground_m.astype(np.float32), wp.float32, device), float(view.focal_px[0]),
                wp.uint32(scene.number & 0xFFFF), out, depth, shade],
    )  # fmt: skip
    over = out.numpy()
    alpha = np.ascontiguousarray(over[..., 3])
    picture = plate * shade.numpy()[..., None] * (1 - alpha[..., None]) + over[..., :3]
    return picture.astype(np.float32), (Holdout(alpha, depth.numpy()),)


def _tone(rng: np.random.Generator, kind: int) -> F64:
    low, high = (AP1_FROM_REC709 @ np.array(c) for c in COLOURS[kind])
    return (low + (high - low) * rng.random()) * np.exp(rng.normal(0, 0.15))


def _placed(rng: np.random.Generator, scene: LevyScene) -> Piece:
    """Somewhere in the picture: beside, before or behind the crowd's middle; never in the lens."""
    place = scene.view.position_m
    distance = float(np.linalg.norm(place))
    away = -place[[0, 2]] / max(float(np.linalg.norm(place[[0, 2]])), 1e-6)
    # mostly behind the crowd's middle
    far = distance * float(np.exp(rng.uniform(np.log(0.9), np.log(4.0))))
    wide = scene.view.size_px[0] / scene.view.focal_px[0] * far
    across = np.array([-away[1], away[0]])
    spot = place[[0, 2]] + away * far + across * rng.uniform(-0.6, 0.6) * wide
    kind = int(rng.choice([ROCK, ROCK, TENT, WALL, STAKE]))
    piece = {ROCK: _rock, TENT: _tent, WALL: _wall, STAKE: _stakes}[kind](rng)
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    points = piece.points @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    points[:, [0, 2]] += spot
    points[:, 1] += scene.ground.height_m(points[:, 0], points[:, 2])
    return Piece(kind, points, piece.triangles)


def _rock(rng: np.random.Generator) -> Piece:
    """A lumpy ball, half in the earth."""
    rows, columns = 9, 14
    up = np.linspace(-0.5, 1, rows) * np.pi / 2
    around = np.arange(columns) / columns * 2 * np.pi
    u, a = np.meshgrid(up, around, indexing="ij")
    way = np.stack([np.cos(u) * np.cos(a), np.sin(u), np.cos(u) * np.sin(a)], -1).reshape(-1, 3)
    seed = int(rng.integers(1 << 20))
    lump = value_noise(way[:, [0, 1]] * 2.1 + 5, seed) + value_noise(way[:, [1, 2]] * 2.7 + 9, seed + 1)
    size = np.exp(rng.uniform(np.log(0.25), np.log(1.8))) * np.exp(rng.normal(0, 0.25, 3)) * [1, 0.8, 1]
    return Piece(ROCK, way * (0.55 + 0.45 * lump)[:, None] * size, _grid(rows, columns))


def _grid(rows: int, columns: int) -> I64:
    """Triangles of a tube of rings, closed around."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    below = columns
    return np.concatenate(
        [np.stack([a, a + below, b], -1).reshape(-1, 3), np.stack([b, a + below, b + below], -1).reshape(-1, 3)]
    )


_BOX = np.array([[x, y, z] for y in (0, 1) for x in (-1, 1) for z in (-1, 1)], float)
_SIDES = np.array(
    [[0, 1, 4], [1, 5, 4], [1, 3, 5], [3, 7, 5], [3, 2, 7], [2, 6, 7], [2, 0, 6], [0, 4, 6], [4, 5, 6], [5, 7, 6]]
)


def _boxes(kind: int, places: list[tuple[float, float, float]], halves: list[tuple[float, float, float]]) -> Piece:
    """Boxes on feet at `places`, (half width, height, half depth) each."""
    points = [_BOX * half + place for place, half in zip(places, halves, strict=True)]
    return Piece(kind, np.concatenate(points), np.concatenate([_SIDES + 8 * k for k in range(len(places))]))


def _tent(rng: np.random.Generator) -> Piece:
    """A ridge tent with sagging sides."""
    width, height, length = rng.uniform(1.0, 1.9), rng.uniform(1.5, 2.6), rng.uniform(1.4, 2.8)
    rows = np.linspace(-1, 1, 9)
    shape = [(-1.0, 0.0), (-0.48, 0.45), (0.0, 1.0), (0.48, 0.45), (1.0, 0.0)]
    points = [
        (x * width, y * height * (1 - 0.05 * (1 - z * z)), z * length) for z in rows for x, y in shape
    ]  # fmt: skip
    n = len(shape)
    triangles = [
        t for r in range(len(rows) - 1) for c in range(n - 1) for a in [r * n + c]
        for t in ((a, a + n, a + 1), (a + 1, a + n, a + n + 1))
    ]  # fmt: skip
    for start in (0, n * (len(rows) - 1)):
        triangles += [(start, start + 1, start + 3), (start, start + 3, start + 4), (start + 1, start + 2, start + 3)]
    return Piece(TENT, np.array(points), np.array(triangles))


def _wall(rng: np.random.Generator) -> Piece:
    """A wall, often with battlements, sunk a little into the ground."""
    half, height, thick = rng.uniform(2, 9), np.exp(rng.uniform(np.log(0.7), np.log(5))), rng.uniform(0.2, 0.5)
    places, halves = [(0.0, -0.5, 0.0)], [(half, height + 0.5, thick)]
    if height > 1.6 and rng.random() < 0.7:
        for x in np.arange(-half + 0.4, half, 1.4):
            places.append((float(x), height, 0.0))
            halves.append((0.4, 0.55, thick))
    return _boxes(WALL, places, halves)


def _stakes(rng: np.random.Generator) -> Piece:
    """A row of posts with a rail."""
    count, height = int(rng.integers(4, 16)), rng.uniform(0.9, 2.6)
    step = rng.uniform(0.16, 0.9)
    places = [(float(k * step + rng.normal(0, 0.02)), -0.3, float(rng.normal(0, 0.02))) for k in range(count)]
    halves = [(0.05, height + 0.3 + float(rng.normal(0, 0.07)), 0.05) for _ in range(count)]
    if step > 0.3:
        places.append(((count - 1) * step / 2, 0.6 * height, 0.0))
        halves.append(((count - 1) * step / 2 + 0.2, 0.08, 0.03))
    return _boxes(STAKE, places, halves)
