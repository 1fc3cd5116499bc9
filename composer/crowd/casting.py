"""What each person in a layout looks like and does: kit, body, height, side, clip and where in it he is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, I16, Cast, Hero, Kit
from composer.crowd.cast import KITS, figures_of_kit
from composer.crowd.dyes import Palette, Person, dyed, palettes_with
from composer.crowd.figure.outfit import OUTFITS
from composer.crowd.motions import played
from composer.crowd.seeds import hash01, hash_u32
from composer.crowd.shares import first_id
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema import SideSpec
from composer.shot.schema_crowd import CrowdSpec, RegionSpec

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]
Sides = Mapping[str, SideSpec]

#: A region that names no kits.
_USUAL_KITS = {"spearman": 3.0, "swordsman": 2.0}
_PHALANX_KITS = {"spearman": 1.0}

#: Heights are spread by this much (one standard deviation), and those who march less, so that they keep step.
_HEIGHT_SPREAD, _MARCHING_SPREAD = 0.03, 0.012
#: People of a cast of their own are of one height in every shot, whether they march in it or not.
_SHARED_SPREAD = 0.022
#: How tall a figure of height scale 1 is.
MAN_M = 1.75
#: Riders closer than this (file, rank) stand in each other's horses.
_HORSE_ROOM_M = (1.2, 2.8)
#: Clips in which everybody is at the same point, give or take this share of the clip.
_IN_STEP, _STEP_RAGGED = ("march",), 0.025
_LAST_PHASE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True)
class Casting:
    """N people. cast, clip: int16 [N]. side: int8 [N], index into `side_names`. height_scale: float32 [N]. albedo:
    float32 [N, materials, 3]. seed: uint32 [N], what he does follows from it; look: uint32 [N], how he looks. kit: int16
    [N], what he is cast as, index into `kinds`: names of kits and types.
    speed_m_s: float64 [N], along the heading. stray: float64 [N], -1 to 1, how he stands out of line. heroes: names by
    agent id.

    start: float64 [N], the clip's phase at the first frame; rate_hz: float64 [N], phases a second. once: bool [N], the
    clip is played once: before phase 0 he waits at its start, after 1 he stays at its end.
    """

    cast: I16
    clip: I16
    side: NDArray[np.int8]
    side_names: tuple[str, ...]
    height_scale: F32
    albedo: F32
    seed: U32
    speed_m_s: F64
    stray: F64
    start: F64
    rate_hz: F64
    once: NDArray[np.bool_]
    look: U32
    kit: I16
    kinds: tuple[str, ...]
    heroes: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def phase_at(self, seconds: F64) -> F32:
        """float32 [F, N] in [0, 1), at times [F], or [F, N] where each has his own, from the first frame."""
        phase = self.start + (seconds[:, None] if seconds.ndim == 1 else seconds) * self.rate_hz
        if self.once.any():
            phase = np.where(self.once, np.clip(phase, 0.0, 1.0), phase - np.floor(phase))
        else:
            phase -= np.floor(phase)
        return np.minimum(phase.astype(np.float32), _LAST_PHASE)


def cast_people(crowd: CrowdSpec, cast: Cast, sides: Sides | None, agent_id: U32, region: I16) -> Casting:
    """Everybody's part: a function of the crowd's seed, his id and his region (int16 [N], index into crowd.regions).
    With a cast of its own (`Cast.look_seed`), how he looks follows from that, his id and his region's kits instead.

    Raises InputErrors for kits and clips that the cast does not have, and regions that cannot move.
    """
    roles, errors = [], []
    kits = kits_of(cast)
    plays = played(cast)
    for number, spec in enumerate(crowd.regions):
        try:
            roles.append(_Role.of(spec, number, cast, kits, plays))
        except InputErrors as found:
            errors += found.errors
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    side_names = tuple(sorted({r.side for r in crowd.regions}))
    n = len(agent_id)
    seed = hash_u32(hash_u32((crowd.seed ^ (crowd.seed >> 32)) & 0xFFFFFFFF, "crowd") ^ agent_id, "agent")
    look = seed if cast.look_seed is None else hash_u32(np.uint32(cast.look_seed) ^ agent_id, "agent")
    heroes, hero_of, hero_notes = _met(cast, [r.name for r in crowd.regions], agent_id)
    look = look.copy()
    for index, hero in hero_of.items():
        look[index] = hero.face
    marching = np.array([r.speed_m_s > 0 for r in roles])[region] & (cast.look_seed is None)
    out = Casting(
        cast=np.zeros(n, np.int16),
        clip=np.zeros(n, np.int16),
        side=np.array([side_names.index(r.side) for r in crowd.regions], np.int8)[region],
        side_names=side_names,
        height_scale=_heights(look, marching, cast.look_seed is not None),
        albedo=np.zeros((0, 0, 3), np.float32),
        seed=seed,
        speed_m_s=np.array([r.speed_m_s for r in roles])[region],
        stray=_bell(seed, "stray").clip(-1, 1),
        start=np.zeros(n),
        rate_hz=np.zeros(n),
        once=np.zeros(n, dtype=bool),
        look=look,
        kit=np.zeros(n, np.int16),
        kinds=tuple(kit.kind or kit.name for kit in kits.values()),
        heroes=heroes,
        notes=tuple(note for r in roles for note in r.notes) + hero_notes,
    )
    kit = out.kit
    for number, role in enumerate(roles):
        mine = np.flatnonzero(region == number)
        if len(mine):
            kit[mine] = role.cast_as(look[mine])
    names = list(kits)
    for index, hero in hero_of.items():
        kit[index] = names.index(hero.kit)
    for number in np.unique(kit).tolist():
        _embody(out, np.flatnonzero(kit == number), kits[names[number]])
    for number, role in enumerate(roles):
        mine = np.flatnonzero(region == number)
        if len(mine):
            role.play(out, mine)
    return replace(out, albedo=_albedo(out, list(kits.values()), sides))


def recast(people: Casting, cast: Cast, sides: Sides | None, kit: NDArray[np.int64]) -> Casting:
    """The same people as other kits, in colours to match. kit: int64 [N], index into `kits_of(cast)`, -1 as before."""
    table = list(kits_of(cast).values())
    out = replace(people, **{key: getattr(people, key).copy() for key in ("cast", "height_scale", "kit")})
    for number in np.unique(kit[kit >= 0]).tolist():
        mine = np.flatnonzero(kit == number)
        out.kit[mine] = number
        _embody(out, mine, table[number])
    return replace(out, albedo=_albedo(out, table, sides))


def castable(types: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of all that people can be cast as: the built-in kits and kinds, and these types of a cast file."""
    return tuple(dict.fromkeys((*KITS, *OUTFITS, *types)))


def kits_of(cast: Cast) -> dict[str, Kit]:
    """All that people can be cast as: the built-in kits and the cast's own, which win."""
    built_in = {n: Kit(n, figures_of_kit(n), (1.0,) * len(figures_of_kit(n)), n) for n in KITS}
    return {**built_in, **{kit.name: kit for kit in cast.kits}}


def _met(cast: Cast, regions: Sequence[str], agent_id: U32) -> tuple[dict[int, str], dict[int, Hero], tuple[str, ...]]:
    """Heroes' names by agent id, the heroes by index, and notes on those who are not there."""
    names: dict[int, str] = {}
    found: dict[int, Hero] = {}
    notes: list[str] = []
    for hero in cast.heroes:
        region, _, number = hero.soldier.rpartition(".")
        wanted = first_id(region) + int(number)
        index = int(np.searchsorted(agent_id, wanted)) if wanted < 2**32 else len(agent_id)
        if region in regions and index < len(agent_id) and int(agent_id[index]) == wanted:
            names[wanted], found[index] = hero.name, hero
        else:
            notes.append(f"{hero.name} ({hero.soldier}) is not in this shot's crowd")
    return names, found, tuple(notes)


def _embody(out: Casting, mine: NDArray[np.int64], kit: Kit) -> None:
    """Figures and heights of those who are cast as `kit`."""
    look = out.look[mine]
    which = np.minimum(
        np.searchsorted(np.cumsum(kit.weight) / sum(kit.weight), hash01(look, "body"), side="right"),
        len(kit.figures) - 1,
    )
    out.cast[mine] = np.asarray(kit.figures, np.int16)[which]
    if kit.height_m is not None:
        low, high = kit.height_m
        out.height_scale[mine] = (low + (high - low) * hash01(look, "height of kind")) / MAN_M


def _albedo(out: Casting, kits: Sequence[Kit], sides: Sides | None) -> F32:
    """Everybody's colours: of his side and his kind."""
    written = {name: spec.model_dump(exclude_none=True) for name, spec in (sides or {}).items()}
    palettes: Mapping[str, Palette] = palettes_with(written)
    kit = out.kit
    like = np.array([k.like if k.like else k.name for k in kits])[kit]

    def between(what: str) -> F32:
        spans = [getattr(k, what) or (np.nan, np.nan) for k in kits]
        low, high = np.array(spans, np.float32)[kit].T
        return low + (high - low) * hash01(out.look, what)

    own: dict[str, list[tuple[F32, NDArray[np.bool_]]]] = {}
    for number, one in enumerate(kits):
        for material, choices in one.albedo.items():
            own.setdefault(material, []).append((choices, kit == number))
    person = Person(between("wear"), between("dirt"), between("age"), own)
    albedo = dyed(like, out.side_names, out.side, out.look, palettes, person)
    for number, one in enumerate(kits):
        if one.own_albedo is not None:
            albedo[kit == number] = one.own_albedo
    return albedo


def _bell(seed: U32, purpose: str) -> F64:
    """Near to normal, mean 0, deviation 1, never beyond 3."""
    thirds = [hash01(seed, f"{purpose} {i}").astype(np.float64) for i in range(3)]
    return (thirds[0] + thirds[1] + thirds[2] - 1.5) * 2


def _heights(seed: U32, marching: NDArray[np.bool_], in_every_shot: bool) -> F32:
    spread = np.where(marching, _MARCHING_SPREAD, _SHARED_SPREAD if in_every_shot else _HEIGHT_SPREAD)
    return (1 + spread * _bell(seed, "height")).astype(np.float32)


@dataclass(frozen=True)
class _Role:
    """What a region asks of its people. kits: indices into the table of kits, by weight; clips: those to choose from.
    plays: as from `motions.played`."""

    clips: tuple[int, ...]
    kits: tuple[int, ...]
    weights: tuple[float, ...]
    cast: Cast
    plays: I16
    in_step: bool
    speed_m_s: float
    notes: tuple[str, ...]

    @classmethod
    def of(cls, spec: RegionSpec, number: int, cast: Cast, table: Mapping[str, Kit], plays: I16) -> _Role:
        errors: list[MusterError] = []
        notes: list[str] = []
        kits = spec.kits or (_PHALANX_KITS if spec.formation == "phalanx" else _USUAL_KITS)
        for kit in kits:
            if kit not in table:
                where = Where(field=f"crowd.regions.{number}.kits")
                known = ", ".join(castable(cast.types))
                errors.append(InputError("no such kit", where=where, expected=known, got=kit))
        at_clip = Where(field=f"crowd.regions.{number}.clip")
        clips = clips_called(cast, spec.clip)
        speed = 0.0
        if not clips:
            names = ", ".join(dict.fromkeys(c.name for c in cast.clips))
            errors.append(InputError("no such clip", where=at_clip, expected=names, got=spec.clip))
        elif spec.moving:
            clips = clips[:1]  # one stride for all, or the ranks would drift apart
            clip = cast.clips[clips[0]]
            paces = [cast.clips[plays[table[k].figures[0], clips[0]]] for k in kits if k in table]
            speed = next((p.stride_m / p.duration_s for p in paces if p.stride_m > 0), 0.0)  # the first kit that walks
            if clip.stride_m <= 0 or not clip.looped:
                walks = ", ".join(dict.fromkeys(c.name for c in cast.clips if c.stride_m > 0 and c.looped))
                errors.append(
                    InputError(
                        "this clip cannot move a region",
                        where=at_clip,
                        expected=f"a looped clip that travels ({walks})",
                        got=spec.clip,
                        hint="choose one of those, or leave out `moving`",
                    )
                )
        elif cast.clips[clips[0]].stride_m > 0:
            notes.append(f"{spec.name}: {spec.clip} travels but the region does not move: they step on the spot")
        if errors:
            raise InputErrors(errors)
        notes += _riders_too_close(spec, [table[k] for k in kits], cast)
        names = list(table)
        in_step = cast.clips[clips[0]].name.split("_")[0] in _IN_STEP
        numbers = tuple(names.index(k) for k in kits)
        return cls(clips, numbers, tuple(kits.values()), cast, plays, in_step, speed, tuple(notes))

    def cast_as(self, look: U32) -> NDArray[np.int64]:
        """The kit of each, index into the table."""
        edges = np.cumsum(self.weights) / sum(self.weights)
        which = np.minimum(np.searchsorted(edges, hash01(look, "kit"), side="right"), len(edges) - 1)
        return np.asarray(self.kits, np.int64)[which]

    def play(self, out: Casting, mine: NDArray[np.int64]) -> None:
        """Write what the people `mine` (indices) do into `out`."""
        seed = out.seed[mine]
        told = np.asarray(self.clips, np.int16)[_pick(seed, "clip", len(self.clips))]
        clip = self.plays[out.cast[mine], told]
        out.clip[mine] = clip
        clips = self.cast.clips
        duration = np.array([c.duration_s for c in clips])[clip]
        stride = np.array([c.stride_m for c in clips])[clip]
        once = np.array([not c.looped for c in clips])[clip]
        start = hash01(seed, "phase").astype(np.float64)
        tempo = 1 + 0.04 * _bell(seed, "tempo").clip(-2, 2)
        if self.in_step:
            start, tempo = _STEP_RAGGED * _bell(seed, "ragged"), np.ones(len(mine))
        if self.speed_m_s:  # all at one speed, so that nobody runs into the next; long legs step less often
            walks = stride > 0
            pace = np.where(walks, stride, 1.0) / duration
            tempo = np.where(walks, self.speed_m_s / pace / out.height_scale[mine].astype(np.float64), tempo)
            out.speed_m_s[mine] = np.where(walks, self.speed_m_s, 0.0)  # who lies or sits stays behind
        out.once[mine] = once
        out.start[mine] = np.where(once, -2 * start, start)  # one by one, within two lengths of the clip
        out.rate_hz[mine] = tempo / duration


def _riders_too_close(spec: RegionSpec, kits: Sequence[Kit], cast: Cast) -> list[str]:
    """A note, if horses stand in each other."""
    riders = [k.name for k in kits if any("horse_head" in cast.skeletons[cast.figures[f].rig].names for f in k.figures)]
    if riders and (spec.spacing_m[0] < _HORSE_ROOM_M[0] or spec.spacing_m[1] < _HORSE_ROOM_M[1]):
        room = f"[{_HORSE_ROOM_M[0]:g}, {_HORSE_ROOM_M[1]:g}]"
        return [f"{spec.name}: {riders[0]} stand closer than a horse is long: spacing_m of at least {room} would do"]
    return []


def _pick(seed: U32, purpose: str, count: int) -> NDArray[np.int64]:
    return np.minimum((hash01(seed, purpose) * count).astype(np.int64), count - 1)


def clips_called(cast: Cast, name: str) -> tuple[int, ...]:
    """Indices of the clip with this name and of its variants (`idle_2` for `idle`), the clip itself first."""
    found = [i for i, c in enumerate(cast.clips) if c.name == name and c.rig == 0]
    variants = [i for i, c in enumerate(cast.clips) if c.name.startswith(name + "_") and c.rig == 0]
    return tuple(found + variants) or tuple(i for i, c in enumerate(cast.clips) if c.name == name)
