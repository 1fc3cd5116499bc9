"""Who stands where: the regions of `shot.yaml` filled with people.

An agent is his region's name and the number of his place in it: his id, seed, kit, height and clip follow from those,
and his place from the region's own polygon, formation and the crowd's seed. So a smaller count is a part of a larger
one, and one region's edit touches no other (unless they overlap: the larger leaves room for the smaller one's places).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path as FilePath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import I16, Cast
from composer.crowd.behaviour.acts import Acts
from composer.crowd.behaviour.planning import plan_of
from composer.crowd.casting import Casting, Sides, cast_people
from composer.crowd.formations import axes_of, least_spacing_m
from composer.crowd.laid import Layout, Marchers, Short
from composer.crowd.obstacles import Obstacles, open_obstacles
from composer.crowd.regions import GroundLike, PlatformLike
from composer.crowd.shares import check_ids, first_id, share_out, weights_of
from composer.crowd.sites import Site, site_of
from composer.crowd.ways import walked_into
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema_crowd import CrowdSpec

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


#: Who stands on a slope turns with it this far: the feet lie better on it, the body stays almost upright.
STANDING_LEAN, LYING_LEAN = 0.3, 1.0


def layout(
    crowd: CrowdSpec,
    cast: Cast,
    ground: GroundLike,
    view_at: Callable[[int], View],
    sides: Sides | None = None,
    *,
    frame_rate: Fraction,
    first_frame: int,
    count: int | None = None,
    fit: bool = False,
    folder: FilePath = FilePath(),
    last_frame: int | None = None,
    cache: FilePath | None = None,
    platforms: Mapping[str, PlatformLike] = MappingProxyType({}),
) -> Layout:
    """Fill the crowd's regions.

    view_at: the camera at a frame, for regions drawn on the plate. sides: the shot's own, beside the built-in ones.
    first_frame: moving regions stand on their polygons there. count: instead of the crowd's own; the first `count` of a
    larger one are the same people. fit: a region that is too small for its people takes those who fit, with a note;
    otherwise that is an InputError that says how many fit and which spacing would do. folder: what the crowd's files
    (density maps, obstacles) are relative to. last_frame: of the shot, how far cues are simulated in one go. cache: the
    folder that keeps simulations. platforms: what regions with `on` stand on, by name; obstacles on the ground are not in
    their way.
    Raises InputError (InputErrors for several): polygons, kits, sides, clips, counts, spacing.
    """
    obstacles = open_obstacles(crowd.obstacles, folder)
    sites = _all_sites(crowd, ground, view_at, folder, obstacles, platforms)
    weights, own_total = weights_of(crowd, [s.room for s in sites])
    total = own_total if count is None else count
    wanted = share_out([r.name for r in crowd.regions], weights, total)
    notes = [*obstacles.notes, *(n for s in sites for n in s.notes)]
    taken: list[NDArray[np.int64]] = []
    errors: list[MusterError] = []
    short: list[Short] = []
    for site, number in zip(sites, wanted, strict=True):
        try:
            places = site.first(number)
        except InputError as error:
            errors.append(error)
            continue
        if len(places) < number:
            few = _short(site, len(places), number)
            short.append(few)
            if fit:
                notes.append(f"{site.spec.name}: {len(places):,} of {number:,} fit")
            else:
                errors.append(_too_few(site, few))
        taken.append(places)
        notes += site.found_notes()
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    rate = Fraction(frame_rate)
    made = _assemble(crowd, cast, ground, sites, taken, sides, rate, first_frame, total, tuple(notes))
    last = first_frame if last_frame is None else last_frame
    met = walked_into(crowd.regions, made.region, obstacles, (first_frame, last), made.straight_on)
    made = replace(made, short=tuple(short), notes=made.notes + met)
    if not any(r.cues for r in crowd.regions):
        return made
    start = first_frame if crowd.start_frame is None else crowd.start_frame
    last = max(last, start)
    plan = plan_of(crowd, cast, sites, made, start, obstacles, float((last - start) / rate))
    return replace(made, acts=Acts(plan, start, last, rate, cache))


def _all_sites(
    crowd: CrowdSpec, ground: GroundLike, view_at: Callable[[int], View], folder: FilePath, obstacles: Obstacles,
    platforms: Mapping[str, PlatformLike],
) -> list[Site]:  # fmt: skip
    """One for each region; every wrong region is told in one go."""
    sites: list[Site] = []
    errors: list[MusterError] = []
    for number, spec in enumerate(crowd.regions):
        try:
            if spec.on is None:
                sites.append(site_of(crowd, number, ground, view_at, folder, obstacles))
            else:
                sites.append(site_of(crowd, number, platforms[spec.on], view_at, folder, Obstacles()))
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    standing = [s for s in sites if s.spec.count != 0]
    for site in standing:
        site.make_room(standing)
    return sites


def _short(site: Site, holds: int, wanted: int) -> Short:
    spec = site.spec
    shrink = math.sqrt(holds / wanted) * 0.98
    nearer = (math.floor(spec.spacing_m[0] * shrink * 100) / 100, math.floor(spec.spacing_m[1] * shrink * 100) / 100)
    does = spec.formation in ("rank_and_file", "phalanx", "loose", "mob", "camp") and holds > 0
    does = does and min(nearer) >= least_spacing_m(spec.formation)
    return Short(spec.name, holds, wanted, spec.spacing_m, nearer if does else None)


def _too_few(site: Site, short: Short) -> InputError:
    spec = site.spec
    if short.nearer_m is not None:
        hint = f"spacing_m: [{short.nearer_m[0]:g}, {short.nearer_m[1]:g}] would do, or draw it larger"
    elif spec.formation == "column":
        hint = "a longer path, more files or closer ranks would do"
    else:
        hint = "draw the region larger, or ask for fewer"
    return InputError(
        "the region is too small for its people",
        where=Where(field=f"crowd.regions.{spec.name}"),
        expected=f"at most {short.holds:,} at a spacing of {spec.spacing_m[0]:g} x {spec.spacing_m[1]:g} m",
        got=f"{short.wanted:,}",
        hint=hint,
    )


def _assemble(
    crowd: CrowdSpec,
    cast: Cast,
    ground: GroundLike,
    sites: Sequence[Site],
    taken: Sequence[NDArray[np.int64]],
    sides: Sides | None,
    frame_rate: Fraction,
    first_frame: int,
    wanted: int,
    notes: tuple[str, ...],
) -> Layout:
    names = tuple(s.spec.name for s in sites)
    ids = {n: (first_id(n) + t).astype(np.uint32) for n, t in zip(names, taken, strict=True)}
    check_ids(names, ids)
    region = np.concatenate([np.full(len(t), i, np.int16) for i, t in enumerate(taken)])
    agent_id = np.concatenate([ids[n] for n in names])
    place = np.concatenate([s.position_m[t] for s, t in zip(sites, taken, strict=True)])
    looks = np.concatenate([_looks(s, t) for s, t in zip(sites, taken, strict=True)])
    number = np.concatenate([t for t in taken])
    order = np.argsort(agent_id, kind="stable")
    agent_id, region, place, looks, number = (a[order] for a in (agent_id, region, place, looks, number))

    casting = cast_people(crowd, cast, sides, agent_id, region)
    heading = _headings(crowd, casting, region, place, looks)
    ahead = np.array([axes_of(s.heading_rad)[1] for s in sites]).reshape(-1, 2)[region]
    marchers = _marchers(sites, casting, region, number)
    for column in marchers:
        ahead[column.who] = -np.stack([np.sin(looks[column.who]), np.cos(looks[column.who])], axis=1)
    still = np.empty((len(place), 3), np.float32)
    still[:, 0], still[:, 2] = place[:, 0], place[:, 1]
    still[:, 1] = ground.height_m(still[:, 0].astype(np.float64), still[:, 2].astype(np.float64))
    return Layout(
        ground=ground,
        first_frame=first_frame,
        frame_rate=frame_rate,
        agent_id=agent_id,
        place_m=place,
        velocity_m_s=ahead * casting.speed_m_s[:, None],
        heading_rad=heading,
        region=region,
        region_names=names,
        casting=casting,
        wanted=wanted,
        notes=notes + casting.notes,
        marchers=marchers,
        lean=tuple(LYING_LEAN if c.name.startswith("fall") else STANDING_LEAN for c in cast.clips),
        _still_m=still,
    )


def _looks(site: Site, taken: I64) -> F64:
    """Where the formation has each of these places look. Those who move look where the region goes, columns along their
    path."""
    own = site.places.heading_rad
    if own is None or (site.spec.moving and site.places.march is None):
        return np.full(len(taken), site.heading_rad)
    return own[taken]


def _marchers(sites: Sequence[Site], casting: Casting, region: I16, number: I64) -> tuple[Marchers, ...]:
    """The columns that move. number: int64 [N], each one's place in his site."""
    found = []
    for index, site in enumerate(sites):
        march, who = site.places.march, np.flatnonzero(region == index)
        if march is not None and site.spec.moving and len(who):
            along, offset = march.along_m[number[who]], march.offset_m[number[who]]
            found.append(Marchers(who, march.path, along, offset, float(casting.speed_m_s[who[0]])))
    return tuple(found)


#: How far people who stand still look aside, in degrees; drilled ones by their jitter.
_ASIDE_DEG = {"loose": 16.0, "mob": 18.0, "camp": 14.0, "skirmish_line": 14.0}
#: Where everybody turns by himself to the point that the region faces.
_ONE_BY_ONE = ("loose", "mob", "skirmish_line")


def _headings(crowd: CrowdSpec, casting: Casting, region: I16, place: F64, looks: F64) -> F64:
    """float64 [N]. People look as their formation has it (`looks`); loose crowds that face a point turn to it man by
    man. Those who stand still stray from it by a few degrees."""
    heading = looks.copy()
    for number, spec in enumerate(crowd.regions):
        if spec.face_m is not None and spec.formation in _ONE_BY_ONE and not spec.moving:
            mine = np.flatnonzero(region == number)
            away = np.asarray(spec.face_m) - place[mine]
            heading[mine] = np.arctan2(-away[:, 0], -away[:, 1])
    ragged = [_ASIDE_DEG.get(r.formation, min(20.0, 5.0 * r.jitter / 0.15)) for r in crowd.regions]
    stray = np.radians([0.0 if r.moving else d for r, d in zip(crowd.regions, ragged, strict=True)])
    return heading + stray[region] * casting.stray
