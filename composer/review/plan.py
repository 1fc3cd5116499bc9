"""The lay of a shot at one frame, seen from above: what the layout picture and the layout page both draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.areas import FAINT, SOLID
from composer.crowd.directed import Directed
from composer.crowd.people import People
from composer.crowd.sites import area_of
from composer.environment.land import land_of
from composer.shot.schema_crowd import RegionSpec
from composer.shot.stage import Stage

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Rgb = tuple[int, int, int]

#: Sight lines end here, from the camera.
SIGHT_M = 400.0
_BORDER = 24
#: Colours of sides on the plan: told apart by people who see few colours, legible on light and dark paper.
_KNOWN: dict[str, Rgb] = {"red": (206, 62, 58), "blue": (58, 122, 214), "levy": (176, 132, 48)}
_MORE: tuple[Rgb, ...] = (
    (42, 157, 110),
    (152, 92, 196),
    (224, 122, 44),
    (38, 160, 176),
    (206, 84, 148),
    (128, 138, 52),
)


@dataclass(frozen=True)
class Outline:
    """A region as the artist drew it. key: `polygon_m`, `polygon_px` or `path_m` (open), empty for a painted one; frame: of
    pixels. points_m: float64 [V, 2], (x, z), vertex by vertex; NaN where a pixel meets no ground. rings, dense: of a painted
    one, closed lines round all paint and round what is at least half white."""

    name: str
    key: str
    frame: int | None
    points_m: F64
    count: int
    spec: RegionSpec
    rings: tuple[F64, ...] = ()
    dense: tuple[F64, ...] = ()

    @property
    def lines_m(self) -> list[F64]:
        """All lines that are drawn, as `line_m`."""
        return [self.line_m, *(np.concatenate([r, r[:1]]) for r in self.rings)]

    @property
    def middle_m(self) -> F64 | None:
        """Where its name is written: the middle of its vertices, or of the largest patch of paint."""
        every = [p[np.isfinite(p).all(axis=1)] for p in (self.points_m, *self.rings[:1])]
        return next((p.mean(axis=0) for p in every if len(p) > 1), None)

    @property
    def closed(self) -> bool:
        return self.key != "path_m"

    @property
    def line_m(self) -> F64:
        """Its vertices that are on the ground, back to the first one where it is closed: float64 [M, 2]."""
        points = self.points_m[np.isfinite(self.points_m).all(axis=1)]
        return np.concatenate([points, points[:1]]) if self.closed else points


@dataclass(frozen=True)
class Plan:
    """names, and per soldier: place_m float64 [N, 2] (x, z), height_m float64 [N], azimuth_deg float64 [N], clockwise
    from -Z; side, region int64 [N]; feet_px float64 [N, 2], where they stand in the picture, NaN behind the camera.
    directed: bool [N], named by an override (not with his region only). hidden: (name, (x, z)) of those who are hidden.
    camera_m: (x, z). sight_m: float64 [M, 2], what ground the picture shows. extent_m: (x0, z0, x1, z1)."""

    frame: int
    names: tuple[str, ...]
    agent_id: NDArray[np.uint32]
    place_m: F64
    height_m: F64
    azimuth_deg: F64
    side: I64
    region: I64
    directed: NDArray[np.bool_]
    hidden: tuple[tuple[str, tuple[float, float]], ...]
    side_names: tuple[str, ...]
    side_rgb: tuple[Rgb, ...]
    regions: tuple[Outline, ...]
    camera_m: tuple[float, float]
    sight_m: F64
    extent_m: tuple[float, float, float, float]
    feet_px: F64


def plan_of(stage: Stage, people: People, frame: int) -> Plan:
    """The plan at `frame`. Raises IndexError for frames that the camera does not cover."""
    view = stage.camera.view(frame)
    placed = people.layout
    agents = placed.at([frame])
    place = agents.position_m[0].astype(np.float64)
    directed, hidden = _directed(people, frame)
    regions = tuple(_outline(stage, r, int((placed.region == i).sum())) for i, r in enumerate(stage.shot.crowd.regions))
    sight = sight_of(stage, view)
    names = placed.casting.side_names
    return Plan(
        frame=frame,
        names=tuple(people.names.agent[int(i)] for i in agents.agent_id),
        agent_id=agents.agent_id,
        place_m=place[:, [0, 2]],
        height_m=place[:, 1],
        azimuth_deg=(np.degrees(-agents.heading_rad[0].astype(np.float64)) + 180) % 360 - 180,
        side=agents.side.astype(np.int64),
        region=placed.region.astype(np.int64),
        directed=np.isin(agents.agent_id, directed),
        hidden=hidden,
        side_names=names,
        side_rgb=side_colours(names),
        regions=regions,
        camera_m=(float(view.position_m[0]), float(view.position_m[2])),
        sight_m=sight,
        extent_m=_extent(place[:, [0, 2]], regions, view),
        feet_px=view.project(place)[0],
    )


def side_colours(names: Sequence[str]) -> tuple[Rgb, ...]:
    """One colour for each side; those of the built-in sides are their own."""
    spare = iter(_MORE * (len(names) // len(_MORE) + 1))
    return tuple(_KNOWN[n] if n in _KNOWN else next(spare) for n in names)


def _directed(people: People, frame: int) -> tuple[NDArray[np.uint32], tuple[tuple[str, tuple[float, float]], ...]]:
    """The ids that overrides name one by one, and where the hidden ones would stand."""
    placed = people.layout
    if not isinstance(placed, Directed):
        return np.zeros(0, np.uint32), ()
    from composer.crowd.names import agent_names

    base, orders = placed.base, placed.orders
    gone = orders.index[orders.hide]
    where = base.at([frame]).position_m[0][gone] if len(gone) else np.zeros((0, 3))
    names = agent_names(base) if len(gone) else {}
    hidden = tuple((names[int(base.agent_id[i])], (float(p[0]), float(p[2]))) for i, p in zip(gone, where, strict=True))
    return base.agent_id[orders.index[orders.named]], hidden


def _outline(stage: Stage, spec: RegionSpec, count: int) -> Outline:
    for key, drawn_m in (("polygon_m", spec.polygon_m), ("path_m", spec.path_m)):
        if drawn_m is not None:
            return Outline(spec.name, key, None, np.asarray(drawn_m, np.float64), count, spec)
    if spec.on is not None:  # all of a set piece
        return Outline(spec.name, "", None, np.zeros((0, 2)), count, spec)
    drawn = spec.polygon_px
    if drawn is None:  # a region that was painted: nothing to drag
        area, _ = area_of(spec, f"crowd.regions.{spec.name}", land_of(stage), stage.camera.view, stage.shot.folder)
        assert area.paint is not None
        rings, dense = area.paint.rings(FAINT), area.paint.rings(SOLID - 1e-6)
        return Outline(spec.name, "", None, np.zeros((0, 2)), count, spec, rings, dense)
    view = stage.camera.view(drawn.frame)
    hits = land_of(stage).intersect(view.position_m, view.rays(np.asarray(drawn.points, np.float64)))
    return Outline(spec.name, "polygon_px", drawn.frame, np.asarray(hits)[:, [0, 2]], count, spec)


def pixels_of(stage: Stage, frame: int, points_m: F64) -> F64:
    """Ground places [V, 2] in the picture at `frame`: float64 [V, 2], NaN behind the camera or off the ground."""
    height = np.asarray(land_of(stage).height_m(points_m[:, 0], points_m[:, 1]), np.float64)
    return stage.camera.view(frame).project(np.stack([points_m[:, 0], height, points_m[:, 1]], axis=1))[0]


def line_px(stage: Stage, frame: int, points: F64, piece_m: float = 2.0) -> F64:
    """A line on the ground [V, 2] in the picture, float64 [M, 2]; NaN where it can't be drawn."""
    if len(points) < 2:
        return np.zeros((0, 2))
    line = [
        a + (b - a) * np.linspace(0, 1, min(400, max(2, int(np.linalg.norm(b - a) / piece_m))), endpoint=False)[:, None]
        for a, b in pairwise(points)
    ]
    px = pixels_of(stage, frame, np.concatenate([*line, points[-1:]]))
    return np.where((np.abs(px) < 1e5).all(axis=1, keepdims=True), px, np.nan)


def sight_of(stage: Stage, view: View) -> F64:
    """The ground that the picture shows, as an outline [M, 2]: up the left edge, along the top, down the right, and back
    along the bottom. Rays that meet none end at `SIGHT_M`."""
    w, h = view.size_px
    t = np.linspace(0, 1, _BORDER)
    left, top = np.stack([0 * t, h * (1 - t)], -1), np.stack([w * t, 0 * t], -1)
    right, bottom = np.stack([0 * t + w, h * t], -1), np.stack([w * (1 - t), 0 * t + h], -1)
    rays = view.rays(np.concatenate([left, top, right, bottom]))
    rays = rays[np.isfinite(rays).all(axis=1)]
    flat = rays[:, [0, 2]] / np.maximum(np.linalg.norm(rays[:, [0, 2]], axis=1, keepdims=True), 1e-9)
    origin = view.position_m[[0, 2]]
    hits = np.asarray(land_of(stage).intersect(view.position_m, rays), np.float64)[:, [0, 2]]
    reach = np.linalg.norm(hits - origin, axis=1)
    near = np.isfinite(reach) & (reach < SIGHT_M)
    return np.where(near[:, None], np.nan_to_num(hits), origin + flat * SIGHT_M)


def _extent(place: F64, regions: Sequence[Outline], view: View) -> tuple[float, float, float, float]:
    """A box round soldiers, regions and the camera, with a margin."""
    camera = view.position_m[[0, 2]][None]
    ends = [p[np.isfinite(p).all(axis=1)] for r in regions for p in (r.points_m, *r.rings)]
    every = np.concatenate([place[np.isfinite(place).all(axis=1)], *ends, camera])
    close = every[np.linalg.norm(every - camera, axis=1) < 3 * SIGHT_M]
    low, high = close.min(axis=0), close.max(axis=0)
    margin = max(3.0, 0.06 * float((high - low).max()))
    return tuple(float(v) for v in (*(low - margin), *(high + margin)))  # type: ignore[return-value]


def relief(stage: Stage, extent_m: tuple[float, float, float, float], width: int, height: int) -> F64 | None:
    """How light the ground is from above, float64 [height, width] in 0..1 (0.5 is level, NaN is no ground), as if lit from
    the upper left; None for a plane."""
    if land_of(stage).kind == "plane":
        return None
    x0, z0, x1, z1 = extent_m
    x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
    z = z0 + (np.arange(height) + 0.5) * (z1 - z0) / height
    grid = np.meshgrid(x, z)
    high = np.asarray(land_of(stage).height_m(*grid), np.float64)
    dz, dx = np.gradient(high, z, x)
    return np.clip(0.5 + 0.9 * (dx + dz) / np.sqrt(1 + dx**2 + dz**2), 0, 1)
