"""The frame of each formation: where its middle is and which way it looks while it marches, wheels or charges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from composer.crowd.behaviour.modes import Do, Play
from composer.crowd.behaviour.plan import Band, Cue, Plan
from composer.crowd.behaviour.terrain import pace_on

F64 = NDArray[np.float64]

#: A charging formation goes at this share of its men's own pace, and is that fast after so long.
CHARGE_SHARE, CHARGE_START_S = 0.985, 1.3
_WALKS = {Do.MARCH: Play.MARCH, Do.ADVANCE: Play.WALK}
#: A formation sets out this share of a cue's spread after its frame; the last of its men catch up.
_LEAD = 0.2
_SCATTERS = (Do.CHARGE, Do.MELEE, Do.ROUT)


@dataclass
class Frame:
    """One region's frame now. turn_rad_s: how fast it wheels. phase: of the clip that all march to. on_way: it keeps to
    its path, along which it has come gone_m."""

    band: Band
    middle_m: F64
    heading_rad: float
    velocity_m_s: F64 = field(default_factory=lambda: np.zeros(2))
    turn_rad_s: float = 0.0
    phase: float = 0.245
    arrived: bool = False
    order: int = 0
    on_way: bool = False
    gone_m: float = 0.0


class Frames:
    """All regions' frames, stepped on the host."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.each = [
            Frame(b, np.array(b.middle_m, np.float64), b.heading_rad, on_way=b.way is not None) for b in plan.bands
        ]
        self._terrain = plan.terrain.made if plan.terrain else None
        clips = plan.clips
        gait = {do: clips.index[:, play] for do, play in _WALKS.items()}
        self._pace = {do: clips.stride_m[clip] / clips.duration_s[clip] for do, clip in gait.items()}
        self._stride_m = clips.stride_m[clips.index[:, Play.MARCH]]
        self._charge = CHARGE_SHARE * clips.pace_m_s[:, 0]
        mean = [plan.along_m[plan.region == k] for k in range(len(plan.bands))]
        self._along_m = [float(m.mean()) if len(m) else 0.0 for m in mean]
        slots = slots_of(plan)
        self._slot_mean = [slots[plan.region == k].mean(axis=0) if (plan.region == k).any() else np.zeros(2)
                           for k in range(len(plan.bands))]  # fmt: skip
        self._half_width = [float(np.abs(slots[plan.region == k, 0]).max()) if (plan.region == k).any() else 1.0
                            for k in range(len(plan.bands))]  # fmt: skip

    def goal(self, cue: Cue, centres: F64) -> F64 | None:
        """Where a cue points now, or None."""
        if isinstance(cue.target, int):
            return centres[cue.target]
        return None if cue.target is None else np.array(cue.target, np.float64)

    def step(self, time_s: float, step_s: float, centres: F64) -> None:
        """To `time_s`. centres: float64 [R, 2], the middle of each region's living."""
        for number, frame in enumerate(self.each):
            if not frame.band.simulated:
                continue
            cues = frame.band.cues
            order = max(k for k, c in enumerate(cues) if time_s >= c.at_s + _LEAD * c.spread_s)
            if order != frame.order:
                scattered = cues[frame.order].do in _SCATTERS
                frame.order, frame.arrived = order, False
                if frame.on_way and (cues[order].do in _SCATTERS or cues[order].target is not None):
                    scattered |= self._leave_path(frame, number, cues[order])
                if scattered and cues[order].do in _WALKS:
                    frame.middle_m = centres[number] - _on_ground(self._slot_mean[number], frame.heading_rad)
            self._move(frame, number, time_s, step_s, centres)

    def _leave_path(self, frame: Frame, number: int, cue: Cue) -> bool:
        """Whether a cue takes a column off its path; it then looks where that led."""
        if cue.do not in (*_SCATTERS, *_WALKS):
            return False
        assert frame.band.way is not None
        frame.on_way = False
        place, heading = frame.band.way.at(np.array([self._along_m[number] + frame.gone_m]))
        frame.middle_m, frame.heading_rad = place[0], float(heading[0])
        return True

    def _along_path(self, frame: Frame, number: int, pace: float, step_s: float) -> None:
        """On along the path, at the pace of the ground under the column's middle."""
        assert frame.band.way is not None
        place, heading = frame.band.way.at(np.array([self._along_m[number] + frame.gone_m]))
        frame.heading_rad = float(heading[0])
        ahead = np.array([-math.sin(frame.heading_rad), -math.cos(frame.heading_rad)])
        frame.middle_m = place[0]
        pace *= self._on_slope(frame.middle_m, ahead)
        frame.velocity_m_s, frame.gone_m = ahead * pace, frame.gone_m + pace * step_s
        frame.phase = (frame.phase + pace * step_s / float(self._stride_m[frame.band.kind])) % 1.0

    def _on_slope(self, place_m: F64, ahead: F64) -> float:
        return 1.0 if self._terrain is None else pace_on(self._terrain.slope(place_m, ahead))

    def _move(self, frame: Frame, number: int, time_s: float, step_s: float, centres: F64) -> None:
        cue = frame.band.cues[frame.order]
        goal = self.goal(cue, centres)
        frame.velocity_m_s, frame.turn_rad_s = np.zeros(2), 0.0
        if cue.do == Do.GO:
            pace = frame.band.pace_m_s
        elif cue.do == Do.CHARGE:
            pace = float(self._charge[frame.band.kind]) * min(1.0, 0.4 + max(time_s - cue.at_s, 0.0) / CHARGE_START_S)
        else:
            pace = float(self._pace[cue.do][frame.band.kind]) if cue.do in self._pace else 0.0
        if pace <= 0.0 or frame.arrived:
            return
        if frame.on_way:
            self._along_path(frame, number, pace, step_s)
            return
        ahead = np.array([-math.sin(frame.heading_rad), -math.cos(frame.heading_rad)])
        if goal is not None:
            away = goal - frame.middle_m
            distance = float(np.hypot(*away))
            if distance < max(0.6, pace * step_s):
                frame.arrived = True
                return
            if cue.do == Do.CHARGE:
                ahead = away / distance
            else:
                off = math.remainder(math.atan2(-away[0], -away[1]) - frame.heading_rad, math.tau)
                most = 0.6 * pace / max(self._half_width[number], 2.0)
                frame.turn_rad_s = max(-most, min(most, off / step_s))
                frame.heading_rad += frame.turn_rad_s * step_s
                pace = min(pace * max(0.15, math.cos(off)), distance / step_s)
                ahead = np.array([-math.sin(frame.heading_rad), -math.cos(frame.heading_rad)])
        pace *= self._on_slope(frame.middle_m, ahead)
        frame.velocity_m_s = ahead * pace
        frame.middle_m = frame.middle_m + frame.velocity_m_s * step_s
        frame.phase = (frame.phase + pace * step_s / float(self._stride_m[frame.band.kind])) % 1.0


def _on_ground(slot: F64, heading_rad: float) -> F64:
    """(right, ahead) [..., 2] as (x, z)."""
    s, c = math.sin(heading_rad), math.cos(heading_rad)
    return slot[..., :1] * np.array([c, -s]) + slot[..., 1:] * np.array([-s, -c])


def slots_of(plan: Plan) -> F64:
    """float64 [N, 2]: each one's place as (right, ahead) of his region's middle."""
    middle = np.array([b.middle_m for b in plan.bands], np.float64).reshape(-1, 2)[plan.region]
    heading = np.array([b.heading_rad for b in plan.bands], np.float64)[plan.region]
    away = plan.place_m - middle
    s, c = np.sin(heading), np.cos(heading)
    return np.stack([away[:, 0] * c - away[:, 1] * s, -away[:, 0] * s - away[:, 1] * c], axis=1)
