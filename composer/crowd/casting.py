"""What each person in a layout looks like and does: kit, body, height, side, clip and where in it he is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, I16, Cast
from composer.crowd.cast import KITS, albedo_for, figures_of_kit
from composer.crowd.dyes import palettes_with
from composer.crowd.seeds import hash01, hash_u32
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema import CrowdSpec, RegionSpec, SideSpec

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]
Sides = Mapping[str, SideSpec]

#: A region that names no kits.
_USUAL_KITS = {"spearman": 3.0, "swordsman": 2.0}
_PHALANX_KITS = {"spearman": 1.0}

#: Heights are spread by this much (one standard deviation), and those who march less, so that they keep step.
_HEIGHT_SPREAD, _MARCHING_SPREAD = 0.03, 0.012
#: Clips in which everybody is at the same point, give or take this share of the clip.
_IN_STEP, _STEP_RAGGED = ("march",), 0.025
_LAST_PHASE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True)
class Casting:
    """N people. cast, clip: int16 [N]. side: int8 [N], index into `side_names`. height_scale: float32 [N]. albedo:
    float32 [N, materials, 3]. seed: uint32 [N]. speed_m_s: float64 [N], along the heading. stray: float64 [N], -1 to 1,
    how he stands out of line.

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

    Raises InputErrors for kits and clips that the cast does not have, and regions that cannot move.
    """
    roles, errors = [], []
    for number, spec in enumerate(crowd.regions):
        try:
            roles.append(_Role.of(spec, number, cast))
        except InputErrors as found:
            errors += found.errors
    if errors:
        raise InputErrors(errors) if len(errors) > 1 else errors[0]
    side_names = tuple(sorted({r.side for r in crowd.regions}))
    n = len(agent_id)
    seed = hash_u32(hash_u32((crowd.seed ^ (crowd.seed >> 32)) & 0xFFFFFFFF, "crowd") ^ agent_id, "agent")
    out = Casting(
        cast=np.zeros(n, np.int16),
        clip=np.zeros(n, np.int16),
        side=np.array([side_names.index(r.side) for r in crowd.regions], np.int8)[region],
        side_names=side_names,
        height_scale=_heights(seed, np.array([r.speed_m_s > 0 for r in roles])[region]),
        albedo=np.zeros((0, 0, 3), np.float32),
        seed=seed,
        speed_m_s=np.array([r.speed_m_s for r in roles])[region],
        stray=_bell(seed, "stray").clip(-1, 1),
        start=np.zeros(n),
        rate_hz=np.zeros(n),
        once=np.zeros(n, dtype=bool),
        notes=tuple(note for r in roles for note in r.notes),
    )
    for number, role in enumerate(roles):
        mine = np.flatnonzero(region == number)
        if len(mine):
            role.play(out, mine)
    own = {name: spec.model_dump(exclude_none=True) for name, spec in (sides or {}).items()}
    albedo = albedo_for(out.cast, side_names, seed, side=out.side, palettes=palettes_with(own))
    return replace(out, albedo=albedo)


def _bell(seed: U32, purpose: str) -> F64:
    """Near to normal, mean 0, deviation 1, never beyond 3."""
    thirds = [hash01(seed, f"{purpose} {i}").astype(np.float64) for i in range(3)]
    return (thirds[0] + thirds[1] + thirds[2] - 1.5) * 2


def _heights(seed: U32, marching: NDArray[np.bool_]) -> F32:
    spread = np.where(marching, _MARCHING_SPREAD, _HEIGHT_SPREAD)
    return (1 + spread * _bell(seed, "height")).astype(np.float32)


@dataclass(frozen=True)
class _Role:
    """What a region asks of its people. figures: a list for each kit, by weight; clips: those to choose from."""

    clips: tuple[int, ...]
    figures: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...]
    cast: Cast
    in_step: bool
    speed_m_s: float
    notes: tuple[str, ...]

    @classmethod
    def of(cls, spec: RegionSpec, number: int, cast: Cast) -> _Role:
        errors: list[MusterError] = []
        notes: list[str] = []
        kits = spec.kits or (_PHALANX_KITS if spec.formation == "phalanx" else _USUAL_KITS)
        figures = [figures_of_kit(kit) for kit in kits if kit in KITS]
        for kit in kits:
            if kit not in KITS:
                where = Where(field=f"crowd.regions.{number}.kits")
                errors.append(InputError("no such kit", where=where, expected=", ".join(KITS), got=kit))
        at_clip = Where(field=f"crowd.regions.{number}.clip")
        clips = clips_called(cast, spec.clip)
        if not clips:
            names = ", ".join(c.name for c in cast.clips)
            errors.append(InputError("no such clip", where=at_clip, expected=names, got=spec.clip))
        elif spec.moving:
            clips = clips[:1]  # one stride for all, or the ranks would drift apart
            clip = cast.clips[clips[0]]
            if clip.stride_m <= 0 or not clip.looped:
                walks = ", ".join(c.name for c in cast.clips if c.stride_m > 0 and c.looped)
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
        clip = cast.clips[clips[0]]
        speed = clip.stride_m / clip.duration_s if spec.moving else 0.0
        in_step = clip.name.split("_")[0] in _IN_STEP
        return cls(clips, tuple(figures), tuple(kits.values()), cast, in_step, speed, tuple(notes))

    def play(self, out: Casting, mine: NDArray[np.int64]) -> None:
        """Write the parts of the people `mine` (indices) into `out`."""
        seed = out.seed[mine]
        edges = np.cumsum(self.weights) / sum(self.weights)
        kit = np.minimum(np.searchsorted(edges, hash01(seed, "kit"), side="right"), len(edges) - 1)
        for number, bodies in enumerate(self.figures):
            which = np.flatnonzero(kit == number)
            out.cast[mine[which]] = np.asarray(bodies, np.int16)[_pick(seed[which], "body", len(bodies))]
        clip = np.asarray(self.clips, np.int16)[_pick(seed, "clip", len(self.clips))]
        out.clip[mine] = clip
        clips = self.cast.clips
        duration = np.array([c.duration_s for c in clips])[clip]
        once = np.array([not c.looped for c in clips])[clip]
        start = hash01(seed, "phase").astype(np.float64)
        tempo = 1 + 0.04 * _bell(seed, "tempo").clip(-2, 2)
        if self.in_step:
            start, tempo = _STEP_RAGGED * _bell(seed, "ragged"), np.ones(len(mine))
        if self.speed_m_s:  # all at one speed, so that nobody runs into the next; long legs step less often
            tempo = 1 / out.height_scale[mine].astype(np.float64)
        out.once[mine] = once
        out.start[mine] = np.where(once, -2 * start, start)  # one by one, within two lengths of the clip
        out.rate_hz[mine] = tempo / duration


def _pick(seed: U32, purpose: str, count: int) -> NDArray[np.int64]:
    return np.minimum((hash01(seed, purpose) * count).astype(np.int64), count - 1)


def clips_called(cast: Cast, name: str) -> tuple[int, ...]:
    """Indices of the clip with this name and of its variants (`idle_2` for `idle`), the clip itself first."""
    found = [i for i, c in enumerate(cast.clips) if c.name == name]
    return tuple(found + [i for i, c in enumerate(cast.clips) if c.name.startswith(name + "_")])
