"""A layout with orders for some of its soldiers. Whoever has none keeps his arrays, bit for bit.

A directed soldier's own time runs `speed` times as fast and `delay_s` late; his way is turned about the place where he
stood at the first frame, then shifted; he is put back onto the ground. What he does follows from the layout's answer
for him at that time, so this holds for a simulated crowd as for one that stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import I16, Agents, Cast
from composer.crowd.behaviour.acts import Acts
from composer.crowd.casting import Casting, clips_called
from composer.crowd.looks import Looks, rows
from composer.crowd.orders import NEVER, UP, Crowd, Orders, Track, between, rows_of
from composer.crowd.regions import GroundLike
from composer.crowd.seeds import hash01

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: One without a clip for it tips over in this time, and then lies this far above his axis (the depth of a back).
TIP_S, BACK_M = 0.75, 0.13
_LAST_PHASE = float(np.nextafter(np.float32(1), np.float32(0)))
_KEPT_FRAMES = 256


@dataclass(frozen=True)
class Directed:
    """`base` under orders. `agent_id`, `region` and `casting` are those of the soldiers who are not hidden."""

    base: Crowd
    ground: GroundLike
    cast: Cast
    orders: Orders
    looks: Looks
    first: Agents
    notes: tuple[str, ...] = ()
    _memory: dict[int, Track] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.base) - int(self.orders.hide.sum())

    @property
    def first_frame(self) -> int:
        return self.base.first_frame

    @property
    def frame_rate(self) -> Fraction:
        return self.base.frame_rate

    @property
    def agent_id(self) -> NDArray[np.uint32]:
        return self.base.agent_id[self._kept]

    @property
    def region(self) -> I16:
        return self.base.region[self._kept]

    @property
    def region_names(self) -> tuple[str, ...]:
        return self.base.region_names

    @property
    def wanted(self) -> int:
        return self.base.wanted

    @property
    def acts(self) -> Acts | None:
        return self.base.acts

    @property
    def casting(self) -> Casting:
        """As laid out, with the new looks and sides."""
        out = rows(self.base.casting, np.arange(len(self.base)))
        for key in ("cast", "side", "height_scale", "albedo", "seed", "look", "kit"):
            getattr(out, key)[self.orders.index] = getattr(self.looks, key)
        return replace(rows(out, self._kept), side_names=self.looks.side_names)

    @property
    def _kept(self) -> I64:
        kept = np.ones(len(self.base), dtype=bool)
        kept[self.orders.index[self.orders.hide]] = False
        return np.flatnonzero(kept)

    def with_notes(self, notes: tuple[str, ...]) -> Directed:
        return replace(self, notes=(*self.base.notes, *notes))

    def assumed(self, name_of: Callable[[int], str]) -> list[str]:
        """What follows from the orders and was not asked for in words. name_of: by index into the layout."""
        notes = []
        if (self.orders.kill_at != NEVER).any() and not clips_called(self.cast, "fall"):
            notes.append("no clip of this cast falls: those who are killed tip over")
        still = self._rooted & ~self.orders.pin & self._travels(self.first.clip[0, self.orders.index])
        for who in self.orders.index[still][:3].tolist():
            notes.append(f"{name_of(who)} does not walk in his clip: he stays where he is at the first frame")
        return notes

    def at(self, frames: Sequence[int]) -> Agents:
        """Everybody who is not hidden, at each of `frames`."""
        agents = self.base.at(frames)
        orders, looks = self.orders, self.looks
        if not len(orders.index):
            return agents
        numbers = np.array(frames, dtype=np.int64)
        track = self._alive(numbers)
        self._fall(track, numbers)

        def put(old: NDArray[np.generic], new: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
            out = old.copy()
            out[(slice(None),) * axis + (orders.index,)] = new
            return out[(slice(None),) * axis + (self._kept,)] if orders.hide.any() else out

        upright = agents.up is None and not (track.up != UP).any()
        up = agents.up
        if not upright:
            up = np.broadcast_to(UP.astype(np.float32), agents.position_m.shape) if up is None else up
            up = put(up, track.up.astype(np.float32), 1)
        fade = {}
        if agents.blend is not None:
            unchanged = (track.clip == agents.clip[:, orders.index]) & (
                np.abs(track.phase - agents.phase[:, orders.index]) < 1e-6
            )
            fade = {
                "clip_from": put(agents.clip_from, agents.clip_from[:, orders.index], 1),
                "phase_from": put(agents.phase_from, agents.phase_from[:, orders.index], 1),
                "blend": put(agents.blend, np.where(unchanged, agents.blend[:, orders.index], np.float32(1)), 1),
            }
        return replace(
            agents,
            **fade,
            agent_id=agents.agent_id[self._kept],
            position_m=put(agents.position_m, track.place.astype(np.float32), 1),
            heading_rad=put(agents.heading_rad, track.heading.astype(np.float32), 1),
            up=up,
            clip=put(agents.clip, track.clip, 1),
            phase=put(agents.phase, np.minimum(track.phase.astype(np.float32), np.float32(_LAST_PHASE)), 1),
            cast=put(agents.cast, looks.cast, 0),
            side=put(agents.side, looks.side, 0),
            height_scale=put(agents.height_scale, looks.height_scale, 0),
            albedo=put(agents.albedo, looks.albedo, 0),
            seed=put(agents.seed, looks.look, 0),
        )

    # --- the living ---

    @property
    def _rooted(self) -> Bools:
        """bool [K]: those who stay where they are: pinned, or told to do something that does not walk."""
        asked = np.maximum(self.orders.clip, 0)
        return self.orders.pin | ((self.orders.clip >= 0) & ~self._travels(asked))

    def _travels(self, clip: NDArray[np.integer]) -> Bools:
        return np.array([c.stride_m > 0 for c in self.cast.clips])[clip]

    def _alive(self, numbers: I64) -> Track:
        """The K soldiers under all orders but the last one."""
        orders, first = self.orders, self.base.first_frame
        rate = float(self.base.frame_rate)
        own_s = ((numbers - first)[:, None] / rate - orders.delay_s) * orders.speed  # each one's own time [F, K]
        track = self._laid_out(numbers, own_s)
        here = self.first.position_m[0, orders.index].astype(np.float64)
        stay = self._rooted
        track.place[:, stay] = here[stay]
        cos, sin = np.cos(orders.turn_rad), np.sin(orders.turn_rad)
        x, z = (track.place[..., i] - here[:, i] for i in (0, 2))
        moved = stay | orders.shift_m.any(axis=1) | (orders.speed != 1) | (orders.delay_s != 0)
        moved |= (orders.turn_rad != 0) & ((x != 0) | (z != 0)).any(axis=0)
        self._put_down(track, here, np.stack([x * cos + z * sin, z * cos - x * sin], axis=-1), np.flatnonzero(moved))
        track.heading += orders.turn_rad
        self._play(track, own_s)
        return track

    def _put_down(self, track: Track, here: F64, way: F64, who: I64) -> None:
        """Those who are moved, at their new places on the ground; who leans with it leans with the new one. way: float64
        [F, K, 2], how far each has come."""
        if not len(who):
            return
        old = track.place[:, who].copy()
        new = here[who][:, [0, 2]] + self.orders.shift_m[who] + way[:, who]
        # what the guides will read: the ground is asked where the rounded place is
        x, z = (np.ascontiguousarray(new[..., i].astype(np.float32).astype(np.float64)) for i in (0, 1))
        height = np.asarray(self.ground.height_m(x, z), dtype=np.float64)
        off = ~np.isfinite(height)
        if off.any():  # walked off the edge: the height at which he started
            start = here[who][:, [0, 2]] + self.orders.shift_m[who]
            kept = np.asarray(self.ground.height_m(*np.ascontiguousarray(start.T)), dtype=np.float64)
            height = np.where(off, np.where(np.isfinite(kept), kept, here[who, 1]), height)
        track.place[:, who] = np.stack([x, height, z], axis=-1)
        if self.first.up is not None:
            was, now = (
                np.asarray(self.ground.normal(p[..., 0], p[..., -1]), dtype=np.float64)
                for p in (old, track.place[:, who])
            )
            known = np.isfinite(was).all(axis=-1) & np.isfinite(now).all(axis=-1)
            track.up[:, who] = np.where(known[..., None], _carried(track.up[:, who], was, now), track.up[:, who])

    def _play(self, track: Track, own_s: F64) -> None:
        """Clips and phases: those asked for, a re-roll's own, and standing for those who no longer walk."""
        orders, looks = self.orders, self.looks
        clips = self.cast.clips
        length = np.array([c.duration_s for c in clips])
        looped = np.array([c.looped for c in clips])
        laid_out = self.first.clip[0, orders.index]
        if looks.rolled.any():  # where he does what his own casting says, he does what the new one says
            before = rows(self.base.casting, orders.index)
            his = looks.rolled & (track.clip == before.clip).all(axis=0)
            track.clip[:, his] = looks.again.clip[his]
            turned = looks.again.start[his] + own_s[:, his] * looks.again.rate_hz[his]
            track.phase[:, his] = _wrapped(turned, looks.again.once[his])
        asked = orders.clip >= 0
        pinned = orders.pin & ~asked
        mine = np.flatnonzero(asked | (pinned & self._travels(laid_out)))
        if len(mine):
            idle = clips_called(self.cast, "idle") or (0,)
            clip = np.where(asked[mine], orders.clip[mine], looks.choice(mine, "idle", idle))
            start = np.where(looped[clip], hash01(looks.seed[mine], "phase").astype(np.float64), 0.0)
            rate = (0.96 + 0.08 * hash01(looks.seed[mine], "tempo")) / length[clip]
            rate = np.where(looped[clip], rate, 1.0 / length[clip])
            rate = self._in_stride(mine, clip, rate)
            track.clip[:, mine] = clip
            track.phase[:, mine] = _wrapped(start + own_s[:, mine] * rate, ~looped[clip])
        given = np.flatnonzero(np.isfinite(orders.phase))
        if len(given):
            clip = track.clip[:, given]
            begun = self._phase_at_first(given)
            moved = track.phase[:, given] - begun + orders.phase[given]
            once = orders.phase[given] + own_s[:, given] / length[clip]
            track.phase[:, given] = np.where(looped[clip], moved - np.floor(moved), np.clip(once, 0, _LAST_PHASE))

    def _phase_at_first(self, who: I64) -> F64:
        """What the phases of `who` would be at the first frame, had none been given, float64 [K]."""
        bare = replace(self.orders, phase=np.full_like(self.orders.phase, np.nan))
        numbers = np.array([self.base.first_frame], np.int64)
        return replace(self, orders=bare)._alive(numbers).phase[0, who]

    def _in_stride(self, who: I64, clip: I16, rate: F64) -> F64:
        """Phases a second: for those who walk on at their region's pace, as many steps as that takes."""
        pace = np.linalg.norm(
            getattr(self.base, "velocity_m_s", np.zeros((len(self.base), 2)))[self.orders.index[who]], axis=1
        )
        stride = np.array([c.stride_m for c in self.cast.clips])[clip] * self.looks.height_scale[who]
        walks = (pace > 0) & (stride > 0) & ~self.orders.pin[who]
        return np.where(walks, pace / np.where(walks, stride, 1.0), rate)

    # --- the layout's own answer ---

    def _laid_out(self, numbers: I64, own_s: F64) -> Track:
        """The K soldiers as laid out, each at his own time own_s [F, K], in between frames where need be."""
        frame = self.base.first_frame + own_s * float(self.base.frame_rate)
        plain = (self.orders.delay_s == 0) & (self.orders.speed == 1)
        frame[:, plain] = numbers[:, None]
        low = np.floor(np.where(np.abs(frame - np.rint(frame)) < 1e-6, np.rint(frame), frame)).astype(np.int64)
        share = frame - low
        share[np.abs(share) < 1e-6] = 0.0
        wanted = np.unique(np.concatenate([low.ravel(), (low + (share > 0)).ravel()]))
        known = self._remembered(wanted)
        who = np.arange(low.shape[1])
        a = known.take(np.searchsorted(wanted, low), who)
        if not (share > 0).any():
            return a
        return between(a, known.take(np.searchsorted(wanted, low + (share > 0)), who), share)

    def _remembered(self, numbers: I64) -> Track:
        """The layout's answer at whole frames; a few hundred frames are kept."""
        memory = self._memory
        missing = [int(n) for n in numbers if int(n) not in memory]
        if len(memory) + len(missing) > _KEPT_FRAMES:
            memory.clear()
            missing = [int(n) for n in numbers]
        for start in range(0, len(missing), 8):
            part = missing[start : start + 8]
            agents = self.base.at(part)
            for f, number in enumerate(part):
                memory[number] = rows_of(agents, f, self.orders.index)
        return Track(*(np.stack([getattr(memory[int(n)], f.name) for n in numbers]) for f in fields(Track)))

    # --- the dead ---

    def _fall(self, track: Track, numbers: I64) -> None:
        """Those killed by these frames, from the state they were in: by a clip that falls, or tipping over stiffly."""
        orders = self.orders
        who = np.flatnonzero(orders.kill_at <= (numbers.max() if len(numbers) else 0))
        if not len(who):
            return
        ends, row = np.unique(orders.kill_at[who], return_inverse=True)
        last = self._alive(ends).take(row, who)
        since = (numbers[:, None] - orders.kill_at[who]) / float(self.base.frame_rate)
        dead = since >= 0
        falls = clips_called(self.cast, "fall")
        if falls:
            clip = self.looks.choice(who, "fall", falls)
            length = np.array([c.duration_s for c in self.cast.clips])[clip]
            phase = np.clip(since / length, 0, _LAST_PHASE)
            place, up = last.place, last.up
        else:
            clip, phase = last.clip, np.broadcast_to(last.phase, since.shape)
            place, up = self._tipped(last, who, since)
        for name, value in (("place", place), ("heading", last.heading), ("clip", clip), ("phase", phase), ("up", up)):
            old = getattr(track, name)[:, who]
            where = dead if old.ndim == 2 else dead[..., None]
            getattr(track, name)[:, who] = np.where(where, value, old)

    def _tipped(self, last: Track, who: I64, since: F64) -> tuple[F64, F64]:
        """Place [F, D, 3] and body axis [F, D, 3] of those who tip over: backwards mostly, faster and faster."""
        seed = self.looks.seed[who]
        turn = last.heading + np.pi * (hash01(seed, "fall way") < 0.65) + 1.2 * (hash01(seed, "fall aside") - 0.5)
        way = np.stack([-np.sin(turn), np.zeros(len(who)), -np.cos(turn)], axis=-1)
        x, z = np.ascontiguousarray(last.place[:, 0]), np.ascontiguousarray(last.place[:, 2])
        normal = np.asarray(self.ground.normal(x, z), dtype=np.float64)
        normal = np.where(np.isfinite(normal), normal, UP)
        flat = way - (way * normal).sum(-1, keepdims=True) * normal
        flat /= np.linalg.norm(flat, axis=-1, keepdims=True)
        tilt = 0.5 * np.pi * np.clip(since / TIP_S, 0, 1)[..., None] ** 2
        start = last.up - (last.up * flat).sum(-1, keepdims=True) * flat
        start /= np.maximum(np.linalg.norm(start, axis=-1, keepdims=True), 1e-9)
        up = np.cos(tilt) * start + np.sin(tilt) * flat
        lift = BACK_M * self.looks.height_scale[who][:, None] * np.sin(tilt)
        return last.place + lift * normal, up


def _wrapped(phase: F64, once: Bools) -> F64:
    """Round and round, or from start to end and there he stays."""
    return np.where(once, np.clip(phase, 0.0, _LAST_PHASE), phase - np.floor(phase))


def _carried(v: F64, was: F64, now: F64) -> F64:
    """Unit vectors v [..., 3] turned by the shortest arc that takes `was` to `now` (both up, so never opposite)."""
    axis, cos = np.cross(was, now), (was * now).sum(-1, keepdims=True)
    return v * cos + np.cross(axis, v) + axis * (axis * v).sum(-1, keepdims=True) / (1.0 + cos)
