"""`build_environment`: what a shot's `environment:` comes to on its stage."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from composer.crowd.seeds import hash_u32, purpose_key
from composer.environment.imports import read_shape
from composer.environment.kit.pieces import footprint_of, kit_shape
from composer.environment.model import PIECE_BITS, Environment, Haze, Mesh
from composer.environment.openness import openness
from composer.environment.place import Spot, spots_of
from composer.environment.sky import sky_of
from composer.environment.solid import Shape, moved_by, placed
from composer.environment.terrain import Seat, Terrain, make_terrain, surface_of
from composer.environment.volumes import volumes_of
from composer.errors import InputError
from composer.shot.ground import Ground
from composer.shot.located import located
from composer.shot.schema_environment import EnvironmentSpec, PieceSpec
from composer.shot.stage import Stage

F64 = NDArray[np.float64]

MOST_TRIANGLES = 6_000_000
#: Visibility is where a fiftieth of the contrast is left (Koschmieder).
FIFTIETH = float(np.log(50.0))

_built: OrderedDict[tuple[int, int, int], tuple[object, Environment]] = OrderedDict()
_lock = Lock()


def build_environment(stage: Stage) -> Environment | None:
    """What stands around the crowd of this stage; None where its shot has no `environment:`. The same object for the
    same stage. Raises InputError at the line of `shot.yaml`."""
    spec = stage.shot.environment
    if spec is None:
        return None
    key = (id(spec), id(stage.ground), id(stage.light))
    with _lock:
        if key not in _built:
            _built[key] = ((spec, stage), _build(stage, spec))
            while len(_built) > 3:
                _built.popitem(last=False)
        _built.move_to_end(key)
        return _built[key][1]


@dataclass
class _Site:
    """What is known while building."""

    stage: Stage
    spec: EnvironmentSpec
    ground: Ground
    eye: F64
    terrains: list[Terrain] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    footprints: list[F64] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shapes: dict[tuple[object, ...], tuple[Shape, NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, name: str, kind: str, shape: Shape, open_: NDArray[np.float32]) -> None:
        """One more piece, shape in world metres."""
        number = int(hash_u32(int(purpose_key(name)), "piece")) | PIECE_BITS
        if number in self.names:
            raise InputError("two pieces get one id", got=f"{self.names[number]} and {name}", hint=f"rename {name}")
        self.names[number], self.kinds[number] = name, kind
        self.meshes.append(
            Mesh(
                name,
                shape.vertices,
                shape.triangles,
                shape.albedo,
                number,
                shape.normal,
                shape.uv,
                open_,
                shape.surface,
            )
        )

    def height(self, x: F64, z: F64, base_m: float | None = None) -> F64:
        """World y of the plate's ground, continued where it ends."""
        return _ground_height(self.ground, x, z, base_m)

    def tops(self, x: F64, z: F64) -> F64:
        """What pieces stand on: the ground, or land that is higher."""
        return np.nanmax(np.array([self.height(x, z), *(t.height(x, z) for t in self.terrains)]), axis=0)


def _ground_height(ground: Ground, x: F64, z: F64, base_m: float | None) -> F64:
    y = np.asarray(ground.height_m(x, z), np.float64)
    gone = ~np.isfinite(y)
    if gone.any():
        if base_m is not None:
            y[gone] = base_m
        else:
            low, high = ground.position_m.min(0).astype(float), ground.position_m.max(0).astype(float)
            inset = 0.02 * (high - low)
            nearest = ground.height_m(
                np.clip(x[gone], low[0] + inset[0], high[0] - inset[0]),
                np.clip(z[gone], low[2] + inset[2], high[2] - inset[2]),
            )
            y[gone] = np.where(np.isfinite(nearest), nearest, np.median(ground.position_m[:, 1]))
    return y


def _build(stage: Stage, spec: EnvironmentSpec) -> Environment:
    eye = stage.camera.view(stage.plate.frames[0]).position_m
    site = _Site(stage, spec, stage.ground, eye)
    groups = _groups(site)
    seats = _seats(groups)
    for i, land in enumerate(spec.terrain):
        with located(stage.shot, "environment", "terrain", i):
            seed = spec.seed * 1009 + int(purpose_key(land.name)) % 100_003
            base = land.base_m
            terrain = make_terrain(
                land, seed, lambda x, z, b=base: site.height(x, z, b), (float(eye[0]), float(eye[2])), seats
            )
            site.terrains.append(terrain)
            vertices, triangles, normal, albedo, open_, kind = surface_of(terrain, land, seed)
            site.add(land.name, "terrain", Shape(vertices, triangles, normal, albedo, vertices, kind), open_)
            site.notes.append(f"place: {land.name}: {len(triangles)} triangles, a grid of {terrain.cell_m:g} m")
    for i, (piece, spots) in enumerate(groups):
        with located(stage.shot, "environment", "pieces", i):
            _raise_pieces(site, piece, spots, seats)
    total = sum(len(m.triangles) for m in site.meshes)
    if total > MOST_TRIANGLES:
        raise InputError(
            "too many triangles around the crowd", where=stage.shot.where("environment"), expected=f"at most {MOST_TRIANGLES}",
            got=str(total), hint="fewer pieces, or a coarser cell_m",
        )  # fmt: skip
    sky, sky_notes = (None, ()) if spec.sky is None else sky_of(stage, spec.sky)
    haze = None
    if spec.haze is not None:
        half = spec.haze.height_m if spec.haze.height_m is not None else float("inf")
        haze = Haze(FIFTIETH / spec.haze.visibility_m, np.array(spec.haze.color), half)
    volumes, air_notes = (None, ()) if spec.volumes is None else volumes_of(stage, spec.volumes)
    notes = (*site.notes, f"place: {len(site.names)} pieces, {total} triangles", *sky_notes, *air_notes)
    return Environment(tuple(site.meshes), site.names, site.kinds, tuple(site.footprints), sky, haze, volumes, notes)


def _groups(site: _Site) -> list[tuple[PieceSpec, tuple[Spot, ...]]]:
    out = []
    for i, piece in enumerate(site.spec.pieces):
        seed = int(hash_u32(site.spec.seed + 7 * piece.seed, f"pieces {piece.name}")) % 2**30
        where = site.stage.shot.where("environment", "pieces", i)
        out.append((piece, spots_of(piece, seed, where)))
    return out


def _seats(groups: list[tuple[PieceSpec, tuple[Spot, ...]]]) -> tuple[Seat, ...]:
    """Level places for what is built on land: those of great pieces."""
    seats = []
    for piece, spots in groups:
        if piece.kind in ("fortress", "keep", "gate", "tower"):
            radius = footprint_of(piece) * piece.scale
            seats += [Seat(s.x, s.z, radius, max(0.7 * radius, 8.0)) for s in spots]
    return tuple(seats)


def _raise_pieces(site: _Site, piece: PieceSpec, spots: tuple[Spot, ...], seats: tuple[Seat, ...]) -> None:
    seed = int(hash_u32(site.spec.seed + 7 * piece.seed, f"pieces {piece.name}")) % 2**30
    kind, many = piece.kind or "import", len(spots) > 1
    if piece.polygon_m is not None:
        clear = tuple(s for s in spots if all(np.hypot(s.x - q.x, s.z - q.z) > q.radius_m for q in seats))
        if len(clear) < len(spots):
            site.notes.append(f"place: {len(spots) - len(clear)} of {piece.name} would stand in a building: left out")
        spots = clear
    heights = site.tops(np.array([s.x for s in spots]), np.array([s.z for s in spots])) + piece.raise_m
    for spot, height in zip(spots, heights.tolist(), strict=True):
        shape, open_ = _shape_of(site, piece, spot, seed)
        size = piece.scale * spot.scale
        stood = placed(shape, moved_by(spot.x, height, spot.z, spot.heading_rad, size))
        if kind in ("tree", "rock"):  # detail in space, its own for each
            stood = replace(stood, uv=stood.vertices)
        site.add(f"{piece.name}.{spot.number:05d}" if many else piece.name, kind, stood, open_)
        if piece.obstacle:
            trunk = np.array([spot.x, spot.z]) + 0.4 * size * _CIRCLE
            site.footprints.append(trunk if kind == "tree" else _outline(stood, height))


_CIRCLE = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)


def _outline(shape: Shape, foot_m: float) -> F64:
    """The convex outline, seen from above, of what a man would walk into."""
    from scipy.spatial import ConvexHull

    corner = shape.vertices[shape.triangles]
    low = (corner[..., 1].min(1) < foot_m + 1.9) & (corner[..., 1].max(1) > foot_m + 0.1)
    points = corner[low if low.any() else slice(None)].reshape(-1, 3)[:, [0, 2]].astype(np.float64)
    return points[ConvexHull(points).vertices].round(3)


#: Variants of a scattered kind: as many models are made, the rest are turned and scaled copies.
_VARIANTS = 9
VARIED = ("tree", "rock", "tent", "fire", "banner", "palisade")


def _shape_of(site: _Site, piece: PieceSpec, spot: Spot, seed: int) -> tuple[Shape, NDArray[np.float32]]:
    if piece.file is not None:
        key: tuple[object, ...] = (piece.file, piece.albedo)
        if key not in site.shapes:
            shape, notes = read_shape(site.stage.shot.path(piece.file), piece.albedo)
            site.notes += list(notes)
            if isinstance(piece.size_m, float):
                tall = float(np.ptp(shape.vertices[:, 1]))
                shape = placed(shape, moved_by(0, 0, 0, 0, piece.size_m / max(tall, 1e-6)))
            site.shapes[key] = (shape, openness(shape, float(shape.vertices[:, 1].min())))
        return site.shapes[key]
    variant = (seed + spot.number) % _VARIANTS if piece.kind in VARIED else piece.seed
    far_m = float(np.hypot(spot.x - site.eye[0], spot.z - site.eye[2])) / piece.scale
    fine = 1 if far_m > 150 else 2 if far_m > 40 else 3
    length = float(np.ceil(spot.length_m * 4) / 4)  # panels lap a little, and few models do for all
    key = (piece.kind, variant, piece.size_m, piece.colour, length, fine if piece.kind == "tree" else 0)
    if key not in site.shapes:
        shape = kit_shape(piece, variant, length, fine)
        site.shapes[key] = (shape, openness(shape))
    return site.shapes[key]
