"""The shot's crowd, ready to be seen: the cast with the shot's own motions, everybody's place, everybody's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.crowd.arrows import Archery, shoots, with_arrow
from composer.crowd.bvh import read_bvh
from composer.crowd.cast import default_cast
from composer.crowd.cast_file import CastFile, load_cast
from composer.crowd.laid import Short
from composer.crowd.layout import layout
from composer.crowd.names import Names, names_of, with_arrows
from composer.crowd.orders import Crowd
from composer.crowd.overrides import Picker, direct
from composer.crowd.regions import GroundLike, PlatformLike
from composer.crowd.retarget import retarget
from composer.crowd.wardrobe import Wardrobe, wardrobe, with_cast
from composer.errors import InputError, InputErrors, Where
from composer.shot.located import located
from composer.shot.schema import ShotFile
from composer.shot.schema_crowd import CrowdSpec


@dataclass(frozen=True)
class People:
    """cast: what they look like and do. layout: who stands where, overrides and all. names: of everybody. references:
    pictures of heroes, by agent id. notes: what was assumed. archery: where somebody shoots. short: regions that are too
    small, where that is let through."""

    cast: Cast
    layout: Crowd
    names: Names
    notes: tuple[str, ...]
    references: Mapping[int, Path] = field(default_factory=dict)
    archery: Archery | None = None
    short: tuple[Short, ...] = ()

    def at(self, frames: Sequence[int]) -> Agents:
        """All that is drawn at these frames: everybody, and the arrows."""
        agents = self.layout.at(frames)
        return agents if self.archery is None else self.archery.over(agents)


def people_of(
    shot: ShotFile,
    ground: GroundLike,
    view_at: Callable[[int], View],
    frame_rate: Fraction,
    first_frame: int,
    count: int | None = None,
    pick: Callable[[Cast], Picker] | None = None,
    last_frame: int | None = None,
    cache: Path | None = None,
    fit: bool = False,
    platforms: Mapping[str, PlatformLike] = MappingProxyType({}),
) -> People:
    """Lay the shot's crowd out, and put its overrides on it. count: in place of the shot's own. pick: makes what asks the
    id pass, for overrides by pixel. last_frame, cache: for regions with cues, how far they are simulated in one go, and the
    folder that keeps that. fit: of too many, those are there who fit. platforms: as `layout`. Raises InputError at the line of
    `shot.yaml`."""
    file = cast_file_of(shot)
    with located(shot, "cast"):
        crowd = shot.crowd if file is None else with_cast(shot.crowd, file)
    dressed, notes = cast_of(shot, file, crowd)
    sides = {**(file.sides if file else {}), **shot.sides}
    cast = with_arrow(dressed.cast) if shoots(crowd) else dressed.cast
    try:
        placed = layout(
            crowd,
            cast,
            ground,
            view_at,
            sides,
            frame_rate=frame_rate,
            first_frame=first_frame,
            count=count,
            folder=shot.folder,
            last_frame=last_frame,
            cache=cache,
            fit=fit,
            platforms=platforms,
        )
    except InputErrors as errors:
        raise InputErrors([_at_its_line(e, shot) for e in errors.errors if isinstance(e, InputError)]) from errors
    except InputError as error:
        raise _at_its_line(error, shot) from error
    heroes = placed.casting.heroes
    pictures = {agent: dressed.references[hero] for agent, hero in heroes.items() if hero in dressed.references}
    own = shot.crowd.count if shot.crowd.count is not None else sum(r.count or 0 for r in shot.crowd.regions)
    look = pick(cast) if pick else None
    full = shot.model_copy(update={"crowd": crowd, "sides": sides})
    directed = direct(full, cast, placed, ground, pick=look, fewer=count is not None and count < own)
    names = names_of(directed)
    archery = Archery(cast, directed, ground) if shoots(crowd) else None
    if archery:
        names = with_arrows(names, archery)
    return People(cast, directed, names, (*notes, *directed.notes), pictures, archery, placed.short)


def cast_file_of(shot: ShotFile) -> CastFile | None:
    """The `cast.yaml` that the shot names. Raises InputErrors with all that is wrong with it."""
    return None if shot.cast is None else load_cast(shot.path(shot.cast))


def cast_of(shot: ShotFile, file: CastFile | None, crowd: CrowdSpec) -> tuple[Wardrobe, tuple[str, ...]]:
    """Muster's own cast with whom the crowd needs, and the shot's BVH motions retargeted onto its skeleton; notes."""
    cast, notes = default_cast(), []
    for i, spec in enumerate(shot.clips):
        with located(shot, "clips", i):
            if spec.name in {c.name for c in cast.clips}:
                raise InputError("a motion of this name is there already", got=spec.name, hint="give it another name")
            made = retarget(read_bvh(shot.folder / spec.bvh), cast.skeleton, spec.name, spec.frames, spec.loop)
        cast = replace(cast, clips=(*cast.clips, made.clip))
        notes += [f"clip {spec.name}: {n}" for n in made.notes]
    wanted = [kit for region in crowd.regions for kit in region.kits or ()]
    wanted += [spec.wears[1] for spec in shot.overrides if spec.wears]
    dressed = wardrobe(cast, file, dict.fromkeys(wanted))
    return dressed, (*notes, *dressed.notes)


def _at_its_line(error: InputError, shot: ShotFile) -> InputError:
    """The error at its place in `shot.yaml`, for errors that know their field, and their region by name or number."""
    field = error.where.field or ""
    if error.where.line is not None or not field.startswith("crowd"):
        return error
    loc: list[str | int] = [int(part) if part.isdigit() else part for part in field.split(".")]
    for i, spec in enumerate(shot.crowd.regions):
        if loc[:3] == ["crowd", "regions", spec.name]:
            loc[2] = i
    there = shot.where(*loc)
    where = Where(there.file, there.line, there.column, error.where.frame, field)
    return InputError(error.what, where=where, expected=error.expected, got=error.got, hint=error.hint)
