"""A region's places on the real ground: which of a formation's places a person can stand on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.formations import NEAREST_M, Places, check_spacing, loose, rank_and_file
from composer.crowd.regions import F64, GroundLike, area_m2, centroid_m, region_polygon
from composer.crowd.seeds import hash_u32
from composer.crowd.shares import first_id
from composer.errors import Where
from composer.shot.schema import CrowdSpec, RegionSpec

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

I64 = NDArray[np.int64]

#: Nobody stands on ground steeper than this.
STEEPEST_DEG = 40.0
_EVERYONE = 2**40


def folded(seed: int) -> int:
    """A seed of up to 63 bits as 32 bits."""
    return (seed ^ (seed >> 32)) & 0xFFFFFFFF


class Site:
    """One region. `position_m` float64 [M, 2] are its places so far; their numbers never change as more are made."""

    def __init__(self, spec: RegionSpec, polygon: F64, heading_rad: float, seed: int, ground: GroundLike) -> None:
        self.spec, self.polygon, self.heading_rad = spec, polygon, heading_rad
        self.area_m2 = area_m2(polygon)
        self.notes: tuple[str, ...] = ()
        self._seed, self._ground = seed, ground
        self._places = Places(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0, np.int64), False)
        self._standable = np.zeros(0, dtype=bool)
        self._neighbours: list[Site] = []
        self._crowded = self._no_ground = 0
        self._tree: cKDTree | None = None

    @property
    def position_m(self) -> F64:
        return self._places.position_m

    @property
    def clearance_m(self) -> float:
        """How far people of larger regions keep from this one's places: its ranks stay its own."""
        return max(NEAREST_M, 0.7 * min(self.spec.spacing_m))

    def first(self, number: int) -> I64:
        """The numbers of the first `number` places on which a person can stand; fewer if there are no more."""
        wanted = number
        while number:
            self._make(wanted)
            self._look(wanted)
            free = np.flatnonzero(self._standable)
            if len(free) >= number:
                return free[:number]
            if self._places.whole and len(self._standable) == len(self.position_m):
                return free
            wanted = max(wanted * 2, 1024)
        return np.zeros(0, np.int64)

    def make_room(self, sites: Sequence[Site]) -> None:
        """Where regions overlap, the larger one (by area, then by name) keeps clear of the smaller one's places."""
        for other in sites:
            if (other.area_m2, other.spec.name) < (self.area_m2, self.spec.name) and _overlap(self, other):
                self._neighbours.append(other)

    def found_notes(self) -> tuple[str, ...]:
        """What was left empty, and why."""
        notes = list(self._places.notes)
        if self._no_ground:
            notes.append(f"{self._no_ground:,} places have no ground or a slope above {STEEPEST_DEG:g} deg: left empty")
        if self._crowded:
            others = ", ".join(n.spec.name for n in self._neighbours)
            notes.append(f"{self._crowded:,} places lie too near to those of {others}: left empty")
        return tuple(f"{self.spec.name}: {n}" for n in notes)

    def _make(self, wanted: int) -> None:
        if self._places.whole or len(self.position_m) >= wanted:
            return
        if self.spec.formation == "rank_and_file":
            spec = self.spec
            self._places = rank_and_file(self.polygon, self.heading_rad, spec.spacing_m, spec.jitter, self._seed)
        else:
            self._places = loose(self.polygon, self.spec.spacing_m, self._seed, wanted)

    def _look(self, wanted: int) -> None:
        """Judge the ground under the places up to number `wanted`."""
        done = len(self._standable)
        new = self.position_m[done : max(wanted, done)]
        if not len(new):
            return
        x, z = np.ascontiguousarray(new[:, 0]), np.ascontiguousarray(new[:, 1])
        up = np.asarray(self._ground.normal(x, z), dtype=np.float64)[..., 1]
        solid = np.isfinite(np.asarray(self._ground.height_m(x, z))) & (up >= math.cos(math.radians(STEEPEST_DEG)))
        clear = np.ones(len(new), dtype=bool)
        for other in self._neighbours:
            clear &= ~other.crowds(new)
        self._no_ground += int((~solid).sum())
        self._crowded += int((solid & ~clear).sum())
        self._standable = np.concatenate([self._standable, solid & clear])

    def crowds(self, points: F64) -> NDArray[np.bool_]:
        """Which points [N, 2] lie within arm's length of a place of this region, taken or not."""
        if self._tree is None:
            from scipy.spatial import cKDTree

            standing = self.first(_EVERYONE)
            self._tree = cKDTree(self.position_m[standing])
        if not self._tree.n:
            return np.zeros(len(points), dtype=bool)
        distance, _ = self._tree.query(points, distance_upper_bound=self.clearance_m)
        return np.isfinite(distance)


def sites_of(crowd: CrowdSpec, number: int, ground: GroundLike, view_at: Callable[[int], View]) -> Site:
    """The region with this number, on the ground. Raises InputError for its polygon or its spacing."""
    spec = crowd.regions[number]
    check_spacing(spec.formation, spec.spacing_m, Where(field=f"crowd.regions.{number}.spacing_m"))
    drawn = None if spec.polygon_px is None else (spec.polygon_px.frame, spec.polygon_px.points)
    key = "polygon_m" if drawn is None else "polygon_px"
    where = Where(field=f"crowd.regions.{number}.{key}")
    polygon, notes = region_polygon(spec.polygon_m, drawn, ground, view_at, where)
    heading = -math.radians(spec.heading_deg or 0.0)  # the shot's degrees are clockwise, as its azimuths
    if spec.face_m is not None:
        away = np.asarray(spec.face_m) - centroid_m(polygon)
        heading = math.atan2(-away[0], -away[1])
    seed = int(hash_u32(folded(crowd.seed) ^ first_id(spec.name), "places"))
    site = Site(spec, polygon, heading, seed, ground)
    site.notes = notes
    return site


def _overlap(one: Site, other: Site) -> bool:
    """Whether the boxes round two polygons have ground in common (the distance between places decides the rest)."""
    a, b = one.polygon, other.polygon
    return bool((a.min(axis=0) < b.max(axis=0)).all() and (b.min(axis=0) < a.max(axis=0)).all())
