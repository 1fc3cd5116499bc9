"""A region's places on the real ground: which of a formation's places a person can stand on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.crowd.areas import Area, Paint, ViewAt, band, paint_on_plate
from composer.crowd.blocks import RANKS_ON_PATH, phalanx, rank_and_file, skirmish_line, square, wedge
from composer.crowd.columns import FILES, column, turn_of
from composer.crowd.crowds import camp, loose, mob
from composer.crowd.formations import NEAREST_M, NO_PLACES, Brief, Places, axes_of, check_spacing
from composer.crowd.obstacles import Obstacles
from composer.crowd.paths import path_through
from composer.crowd.regions import F64, GroundLike, region_polygon, told_at
from composer.crowd.seeds import hash_u32
from composer.crowd.shares import first_id
from composer.errors import Where
from composer.shot.density import read_density
from composer.shot.schema_crowd import CrowdSpec, DensitySpec, RegionSpec

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

I64 = NDArray[np.int64]

#: Nobody stands on ground steeper than this.
STEEPEST_DEG = 40.0
_EVERYONE = 2**40
#: How wide a band along a path is, and how far beyond it those may stand who are drawn up along it.
_BAND_M, _BEYOND_M = 6.0, 20.0


def folded(seed: int) -> int:
    """A seed of up to 63 bits as 32 bits."""
    return (seed ^ (seed >> 32)) & 0xFFFFFFFF


#: How each formation is made: from its brief and how many places are wanted (it may make more).
FORMATIONS: dict[str, Callable[[Brief, int], Places]] = {
    "rank_and_file": rank_and_file,
    "phalanx": phalanx,
    "column": column,
    "wedge": wedge,
    "skirmish_line": skirmish_line,
    "square": square,
    "loose": loose,
    "mob": mob,
    "camp": camp,
}
#: Those who keep their places in it, and stand on paint or do not.
DRILLED = ("rank_and_file", "phalanx", "column", "wedge", "skirmish_line", "square")
#: About how many stand on a spacing squared, where that is not one.
_PACKING = {"wedge": 0.5, "square": 0.35, "mob": 0.45, "camp": 5.5}


class Site:
    """One region. `position_m` float64 [M, 2] are its places so far; their numbers never change as more are made."""

    def __init__(self, spec: RegionSpec, brief: Brief, ground: GroundLike, obstacles: Obstacles) -> None:
        self.spec, self.brief = spec, brief
        self.notes: tuple[str, ...] = ()
        self._ground, self._obstacles = ground, obstacles
        self._places = NO_PLACES
        self._made = False
        self._standable = np.zeros(0, dtype=bool)
        self._neighbours: list[Site] = []
        self._crowded = self._no_ground = self._blocked = 0
        self._tree: cKDTree | None = None

    @property
    def places(self) -> Places:
        return self._places

    @property
    def position_m(self) -> F64:
        return self._places.position_m

    @property
    def heading_rad(self) -> float:
        """Where the region looks on the whole."""
        return self.brief.heading_rad

    @property
    def area_m2(self) -> float:
        return self.brief.area.area_m2 if self.brief.path is None else self.room * math.prod(self.spec.spacing_m)

    @property
    def room(self) -> float:
        """About how many people it takes."""
        spec, brief = self.spec, self.brief
        if spec.formation == "column":
            depth = brief.area.polygon @ axes_of(brief.heading_rad)[1]
            length = float(np.ptp(depth)) if brief.path is None else brief.path.length_m
            return (spec.files or FILES) * brief.head * length / spec.spacing_m[1]
        if brief.path is not None:
            return (spec.ranks or RANKS_ON_PATH[spec.formation]) * brief.path.length_m / spec.spacing_m[0]
        return brief.area.room_m2 / math.prod(spec.spacing_m) * _PACKING.get(spec.formation, 1.0)

    @property
    def clearance_m(self) -> float:
        """How far people of larger regions keep from this one's places: its ranks stay its own."""
        if self.spec.formation in ("camp", "mob", "skirmish_line"):
            return 2 * NEAREST_M
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
        if self._blocked:
            notes.append(f"{self._blocked:,} places lie in or too near to obstacles: left empty")
        if self._no_ground:
            notes.append(f"{self._no_ground:,} places have no ground or a slope above {STEEPEST_DEG:g} deg: left empty")
        if self._crowded:
            others = ", ".join(n.spec.name for n in self._neighbours)
            notes.append(f"{self._crowded:,} places lie too near to those of {others}: left empty")
        return tuple(f"{self.spec.name}: {n}" for n in notes)

    def _make(self, wanted: int) -> None:
        if self._made and (self._places.whole or len(self.position_m) >= wanted):
            return
        self._places, self._made = FORMATIONS[self.spec.formation](self.brief, wanted), True

    def _look(self, wanted: int) -> None:
        """Judge the ground under the places up to number `wanted`."""
        done = len(self._standable)
        new = slice(done, max(wanted, done))
        at = self.position_m[new]
        if not len(at):
            return
        solid, clear = self._is_ground(at), ~self._obstacles.block(at)
        if self._places.anchor_m is not None:
            solid &= self._is_ground(self._places.anchor_m[new])
            clear &= ~self._obstacles.block(self._places.anchor_m[new])
        alone = np.ones(len(at), dtype=bool)
        for other in self._neighbours:
            alone &= ~other.crowds(at)
        self._no_ground += int((~solid).sum())
        self._blocked += int((solid & ~clear).sum())
        self._crowded += int((solid & clear & ~alone).sum())
        self._standable = np.concatenate([self._standable, solid & clear & alone])

    def _is_ground(self, at: F64) -> NDArray[np.bool_]:
        """Where there is ground, and it is not too steep."""
        x, z = np.ascontiguousarray(at[:, 0]), np.ascontiguousarray(at[:, 1])
        up = np.asarray(self._ground.normal(x, z), dtype=np.float64)[..., 1]
        return np.isfinite(np.asarray(self._ground.height_m(x, z))) & (up >= math.cos(math.radians(STEEPEST_DEG)))

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


def site_of(
    crowd: CrowdSpec, number: int, ground: GroundLike, view_at: ViewAt, folder: Path, obstacles: Obstacles
) -> Site:
    """The region with this number, on the ground. Raises InputError for where it lies or its spacing."""
    spec = crowd.regions[number]
    field = f"crowd.regions.{number}"
    check_spacing(spec.formation, spec.spacing_m, Where(field=f"{field}.spacing_m"))
    seed = int(hash_u32(folded(crowd.seed) ^ first_id(spec.name), "places"))
    area, notes = area_of(spec, field, ground, view_at, folder)
    path, heading = None, -math.radians(spec.heading_deg or 0.0)  # the shot's degrees are clockwise, as its azimuths
    if spec.face_m is not None:
        away = np.asarray(spec.face_m) - area.middle_m
        heading = math.atan2(-away[0], -away[1])
    turned = False
    if area.path is not None:
        undirected = spec.heading_deg is None and spec.face_m is None
        along = turn_of(area.path)
        if spec.formation in DRILLED:
            path = area.path
            looks = along if spec.formation == "column" else along + math.pi / 2
            turned = not undirected and math.cos(heading - looks) < 0
            heading = looks if undirected else heading
        elif undirected:
            heading = along
    if spec.density is not None and spec.formation in DRILLED:
        notes += (f"{spec.name}: a {spec.formation} stands where the map is at least half white",)
    brief = Brief(
        area=area,
        heading_rad=heading,
        spacing_m=spec.spacing_m,
        jitter=spec.jitter,
        seed=seed,
        files=spec.files,
        ranks=spec.ranks,
        path=path,
        head=spec.head or 1.0,
        turned=turned,
        where=Where(field=f"{field}.path_m" if path is not None else field),
    )
    site = Site(spec, brief, ground, obstacles)
    site.notes = notes
    return site


def area_of(
    spec: RegionSpec, field: str, ground: GroundLike, view_at: ViewAt, folder: Path
) -> tuple[Area, tuple[str, ...]]:
    """The ground of a region, however it is drawn, and notes."""
    if spec.path_m is not None:
        path = path_through(spec.path_m, Where(field=f"{field}.path_m"))
        return band(path, _BAND_M if spec.width_m is None else spec.width_m), ()
    if spec.density is not None:
        with told_at(Where(field=f"{field}.density.map")):
            value, notes = read_density(folder / spec.density.map, spec.density.channel)
        paint, more = _paint_of(spec.density, value, f"{field}.density", ground, view_at)
        return Area(paint.outline(), paint), (*(f"{spec.name}: {n}" for n in notes), *more)
    if spec.on is not None and spec.polygon_m is None:
        return Area(ground.outline_m), ()  # type: ignore[attr-defined]
    drawn = None if spec.polygon_px is None else (spec.polygon_px.frame, spec.polygon_px.points)
    where = Where(field=f"{field}.polygon_m" if drawn is None else f"{field}.polygon_px")
    polygon, notes = region_polygon(spec.polygon_m, drawn, ground, view_at, where)
    return Area(polygon), notes


def _paint_of(
    spec: DensitySpec, value: NDArray[np.float32], field: str, ground: GroundLike, view_at: ViewAt
) -> tuple[Paint, tuple[str, ...]]:
    if spec.on == "plate":
        assert spec.frame is not None
        return paint_on_plate(value, view_at(spec.frame), ground, Where(field=field))
    corners = np.array(spec.extent_m, dtype=np.float64)
    return Paint(value, corners.min(axis=0), corners.max(axis=0)), ()


def _overlap(one: Site, other: Site) -> bool:
    """Whether the boxes round two areas have ground in common (the distance between places decides the rest)."""
    a, b = one.brief.area, other.brief.area
    reach = 0.0 if a.plain and b.plain else _BEYOND_M
    low, high = (np.stack([v.polygon.min(axis=0), v.polygon.max(axis=0)]) for v in (a, b))
    return bool((low[0] < high[1] + reach).all() and (high[0] < low[1] + reach).all())
