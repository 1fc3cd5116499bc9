"""Who stands where: the regions of `shot.yaml` filled with people.

An agent is his region's name and the number of his place in it: his id, seed, kit, height and clip follow from those,
and his place from the region's own polygon, formation and the crowd's seed. So a smaller count is a part of a larger
one, and one region's edit touches no other (unless they overlap: the larger leaves room for the smaller one's places).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import F32, I16, Agents, Cast
from composer.crowd.casting import Casting, Sides, cast_people
from composer.crowd.formations import NEAREST_M, axes_of
from composer.crowd.regions import GroundLike
from composer.crowd.shares import check_ids, first_id, share_out, weights_of
from composer.crowd.sites import Site, sites_of
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema import CrowdSpec

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """N people, ready for any frame; ascending `agent_id`.

    place_m: float64 [N, 2], (x, z) at `first_frame`. velocity_m_s: float64 [N, 2], along the ground. heading_rad:
    float64 [N]. region: int16 [N], index into `region_names`. casting: what each looks like and does.
    wanted: how many were asked for; len() is how many there are.
    """

    ground: GroundLike
    first_frame: int
    frame_rate: Fraction
    agent_id: NDArray[np.uint32]
    place_m: F64
    velocity_m_s: F64
    heading_rad: F64
    region: I16
    region_names: tuple[str, ...]
    casting: Casting
    wanted: int
    notes: tuple[str, ...] = ()
    _still_m: F32 = field(default_factory=lambda: np.zeros((0, 3), np.float32), repr=False)

    def __len__(self) -> int:
        return len(self.agent_id)

    def at(self, frames: Sequence[int]) -> Agents:
        """Everybody at each of `frames` (any whole numbers; before `first_frame` too). Walkers follow the ground; one
        who has walked off its edge keeps the height at which he started."""
        seconds = np.array([(f - self.first_frame) / float(self.frame_rate) for f in frames], dtype=np.float64)
        shape = (len(frames), len(self))
        position = np.empty((*shape, 3), dtype=np.float32)
        position[:] = self._still_m
        walking = np.flatnonzero(self.velocity_m_s.any(axis=1))
        if len(walking):
            start, velocity = self.place_m[walking], self.velocity_m_s[walking]
            moved = (start[None] + velocity[None] * seconds[:, None, None]).astype(np.float32)
            height = np.asarray(self.ground.height_m(*moved.reshape(-1, 2).T.astype(np.float64)), dtype=np.float32)
            height = height.reshape(moved.shape[:2])
            position[:, walking, 0], position[:, walking, 2] = moved[..., 0], moved[..., 1]
            position[:, walking, 1] = np.where(np.isfinite(height), height, position[:, walking, 1])
        casting = self.casting
        return Agents(
            frames=tuple(frames),
            agent_id=self.agent_id,
            position_m=position,
            heading_rad=np.broadcast_to(self.heading_rad.astype(np.float32), shape).copy(),
            clip=np.broadcast_to(casting.clip, shape).copy(),
            phase=casting.phase_at(seconds),
            cast=casting.cast,
            side=casting.side,
            height_scale=casting.height_scale,
            albedo=casting.albedo,
            seed=casting.look,
            name=casting.heroes,
        )


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
) -> Layout:
    """Fill the crowd's regions.

    view_at: the camera at a frame, for regions drawn on the plate. sides: the shot's own, beside the built-in ones.
    first_frame: moving regions stand on their polygons there. count: instead of the crowd's own; the first `count` of a
    larger one are the same people. fit: a region that is too small for its people takes those who fit, with a note;
    otherwise that is an InputError that says how many fit and which spacing would do.
    Raises InputError (InputErrors for several): polygons, kits, sides, clips, counts, spacing.
    """
    sites = _all_sites(crowd, ground, view_at)
    weights, own_total = weights_of(crowd, [s.area_m2 / math.prod(s.spec.spacing_m) for s in sites])
    total = own_total if count is None else count
    wanted = share_out([r.name for r in crowd.regions], weights, total)
    notes = [n for s in sites for n in s.notes]
    taken: list[NDArray[np.int64]] = []
    errors: list[MusterError] = []
    for site, number in zip(sites, wanted, strict=True):
        places = site.first(number)
        if len(places) < number:
            too_few = _too_few(site, len(places), number)
            if fit:
                notes.append(f"{site.spec.name}: {len(places):,} of {number:,} fit")
            else:
                errors.append(too_few)
        taken.append(places)
        notes += site.found_notes()
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    return _assemble(crowd, cast, ground, sites, taken, sides, Fraction(frame_rate), first_frame, total, tuple(notes))


def _all_sites(crowd: CrowdSpec, ground: GroundLike, view_at: Callable[[int], View]) -> list[Site]:
    """One for each region; every wrong region is told in one go."""
    sites: list[Site] = []
    errors: list[MusterError] = []
    for number in range(len(crowd.regions)):
        try:
            sites.append(sites_of(crowd, number, ground, view_at))
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    standing = [s for s in sites if s.spec.count != 0]
    for site in standing:
        site.make_room(standing)
    return sites


def _too_few(site: Site, fit: int, number: int) -> InputError:
    spec = site.spec
    least = NEAREST_M if spec.formation == "rank_and_file" else 0.58
    shrink = math.sqrt(fit / number) * 0.98
    spacing = [math.floor(s * shrink * 100) / 100 for s in spec.spacing_m]
    if fit and min(spacing) >= least:
        hint = f"spacing_m: [{spacing[0]:g}, {spacing[1]:g}] would do, or draw it larger"
    else:
        hint = "draw the region larger, or ask for fewer"
    return InputError(
        "the region is too small for its people",
        where=Where(field=f"crowd.regions.{spec.name}"),
        expected=f"at most {fit:,} at a spacing of {spec.spacing_m[0]:g} x {spec.spacing_m[1]:g} m",
        got=f"{number:,}",
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
    order = np.argsort(agent_id, kind="stable")
    agent_id, region, place = agent_id[order], region[order], place[order]

    casting = cast_people(crowd, cast, sides, agent_id, region)
    heading = _headings(crowd, sites, casting, region, place)
    ahead = np.array([axes_of(s.heading_rad)[1] for s in sites]).reshape(-1, 2)
    still = np.empty((len(place), 3), np.float32)
    still[:, 0], still[:, 2] = place[:, 0], place[:, 1]
    still[:, 1] = ground.height_m(still[:, 0].astype(np.float64), still[:, 2].astype(np.float64))
    return Layout(
        ground=ground,
        first_frame=first_frame,
        frame_rate=frame_rate,
        agent_id=agent_id,
        place_m=place,
        velocity_m_s=ahead[region] * casting.speed_m_s[:, None],
        heading_rad=heading,
        region=region,
        region_names=names,
        casting=casting,
        wanted=wanted,
        notes=notes + casting.notes,
        _still_m=still,
    )


def _headings(crowd: CrowdSpec, sites: Sequence[Site], casting: Casting, region: I16, place: F64) -> F64:
    """float64 [N]. Blocks and moving regions look the region's way; a loose crowd that faces a point turns to it man by
    man. Those who stand still stray from it by a few degrees."""
    heading = np.array([s.heading_rad for s in sites])[region]
    for number, spec in enumerate(crowd.regions):
        if spec.face_m is not None and spec.formation == "loose" and not spec.moving:
            mine = np.flatnonzero(region == number)
            away = np.asarray(spec.face_m) - place[mine]
            heading[mine] = np.arctan2(-away[:, 0], -away[:, 1])
    ragged = [16.0 if r.formation == "loose" else min(20.0, 5.0 * r.jitter / 0.15) for r in crowd.regions]
    stray = np.radians([0.0 if r.moving else d for r, d in zip(crowd.regions, ragged, strict=True)])
    return heading + stray[region] * casting.stray
