"""What a layout asks of behaviour: its people at any frame, from the cache where it has them, else simulated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Agents
from composer.crowd.behaviour.cache import cache_file, load_track, save_track
from composer.crowd.behaviour.plan import Plan
from composer.crowd.behaviour.track import Moment, Track
from composer.errors import InputError

if TYPE_CHECKING:
    from composer.crowd.behaviour.quiver import ArrowsSeen

F64 = NDArray[np.float64]
#: The ground's height at (x, z), float64 [K] each; NaN where there is none.
HeightAt = Callable[[F64, F64], NDArray[np.floating]]

#: A simulation that is asked for frames beyond its last one goes on in lots of this many.
_LOT = 24
#: More than this many frames before the one asked for is a mistake in `crowd.start_frame`.
_MOST_FRAMES = 20_000
#: Where an arrow strikes a man of the figures' height.
_CHEST_M = 1.2


@dataclass
class _Store:
    """What is known so far; filled at the first question."""

    track: Track | None = None
    lock: Lock = field(default_factory=Lock)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Acts:
    """The simulated part of a layout. start_frame: where everybody is in his place; last_frame: of the shot. cache: the
    folder, or None to keep nothing."""

    plan: Plan
    start_frame: int
    last_frame: int
    frame_rate: Fraction
    cache: Path | None = None
    _store: _Store = field(default_factory=_Store, repr=False, compare=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found wrong in the cache so far."""
        return tuple(self._store.notes)

    def track_to(self, frame: int) -> Track:
        """The track from the start to `frame` at least: out of the cache, or simulated and put there."""
        wanted = max(frame, self.last_frame + 1) - self.start_frame + 1
        if wanted > _MOST_FRAMES:
            raise InputError(
                "too many frames to simulate",
                expected=f"at most {_MOST_FRAMES:,} from crowd.start_frame",
                got=f"{wanted:,}",
            )
        with self._store.lock:
            track = self._store.track
            if track is None or len(track) < wanted:
                if track is not None:
                    wanted = -(-wanted // _LOT) * _LOT
                self._store.track = track = self._found(wanted) or self._made(wanted)
            return track

    def _key(self, frames: int) -> str:
        return hashlib.sha256(f"{self.plan.digest()} {frames}".encode()).hexdigest()

    def _found(self, frames: int) -> Track | None:
        if self.cache is None:
            return None
        key = self._key(frames)
        path = cache_file(self.cache, key)
        if not path.is_file():
            return None
        try:
            return load_track(path, key)
        except (InputError, OSError) as error:
            self._store.notes.append(f"behaviour: {error}")
            return None

    def _made(self, frames: int) -> Track:
        track = simulate(self.plan, frames)
        if self.cache is not None:
            key = self._key(frames)
            save_track(cache_file(self.cache, key), key, track)
        return track

    def over(self, agents: Agents, ground_height: HeightAt) -> Agents:
        """The agents with those who are simulated where their cues have brought them. ground_height: (x, z) float64 [K]
        to heights; where there is no ground, one keeps the height he has."""
        who = np.flatnonzero(self.plan.simulated)
        if not len(who) or not agents.frames:
            return agents
        track = self.track_to(max(agents.frames))
        at = np.array([f - self.start_frame for f in agents.frames])
        now = np.clip(at, 0, len(track) - 1)
        place = track.place_m[np.ix_(now, who)]
        phase = track.phase[np.ix_(now, who)]
        early = at < 0
        if early.any() and len(track) > 1:  # before the start all go on as they began
            step = (track.place_m[1, who] - track.place_m[0, who])[None]
            place = place + np.where(early, at, 0)[:, None, None].astype(np.float32) * step
            turn = np.mod(track.phase[1, who] - track.phase[0, who] + 0.5, 1.0) - 0.5
            phase = np.mod(phase + np.where(early, at, 0)[:, None] * turn[None], 1.0)
        position = agents.position_m.copy()
        position[:, who, 0], position[:, who, 2] = place[..., 0], place[..., 1]
        height = np.asarray(ground_height(*place.reshape(-1, 2).T.astype(np.float64)), np.float32)
        height = height.reshape(place.shape[:2])
        position[:, who, 1] = np.where(np.isfinite(height), height, position[:, who, 1])

        def laid(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            out = old.copy()
            out[:, who] = new
            return out

        most = np.nextafter(np.float32(1), np.float32(0))
        clip_from, phase_from = agents.clip.copy(), agents.phase.copy()
        return replace(
            agents,
            position_m=position,
            heading_rad=laid(agents.heading_rad, track.heading_rad[np.ix_(now, who)]),
            clip=laid(agents.clip, track.clip[np.ix_(now, who)]),
            phase=laid(agents.phase, np.minimum(phase.astype(np.float32), most)),
            clip_from=laid(clip_from, track.clip_from[np.ix_(now, who)]),
            phase_from=laid(phase_from, track.phase_from[np.ix_(now, who)]),
            blend=laid(np.ones(agents.phase.shape, np.float32), track.blend[np.ix_(now, who)]),
        )

    def arrows(self, frames: Sequence[int], ground_height: HeightAt) -> ArrowsSeen:
        """All arrows of the shot at these frames."""
        from composer.crowd.behaviour.quiver import arrows_at

        track = self.track_to(max(frames))
        flown = track.arrows

        def heights(at: F64) -> F64:
            return np.nan_to_num(np.asarray(ground_height(*at.T), np.float64)) if len(flown) else np.zeros(0)

        # whom it strikes is where he was when it came down
        hit = np.full((len(flown), 3), np.nan)
        who = np.flatnonzero(flown.struck >= 0)
        if len(who):
            man, step = flown.struck[who], self.struck_step(flown.land_s[who], len(track))
            at = track.place_m[step, man].astype(np.float64)
            chest_m = _CHEST_M * self.plan.height[man].astype(np.float64)
            height = np.nan_to_num(np.asarray(ground_height(*at.T), np.float64)) + chest_m
            hit[who] = np.stack([at[:, 0], height, at[:, 1]], axis=1)
        seconds = np.array([(f - self.start_frame) / float(self.frame_rate) for f in frames])
        return arrows_at(flown, seconds, heights(flown.start_m), heights(flown.aim_m), hit)

    def struck_step(self, land_s: F64, steps: int) -> NDArray[np.int64]:
        """The step of the track at which arrows that land at these times strike."""
        step = np.ceil(land_s * float(self.frame_rate) - 1e-6).astype(np.int64)
        return np.minimum(step, steps - 1)


def simulate(plan: Plan, frames: int, *, device: str = "cpu", threads: int | None = None) -> Track:
    """`frames` frames from the start on, the first being the start itself."""
    import warp as wp

    from composer.crowd.behaviour.step import Simulation

    wp.config.quiet = True
    running = Simulation(plan, device, threads)
    try:
        moments: list[Moment] = [running.moment()]
        for _ in range(frames - 1):
            running.step()
            moments.append(running.moment())
    finally:
        running.close()
    parts = {f.name: np.stack([getattr(m, f.name) for m in moments]) for f in fields(Moment)}
    return Track(**parts, arrows=running.quiver.arrows())
