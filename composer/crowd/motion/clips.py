"""The clips: tables of key poses, feet on the ground, solved by the rig."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from composer.crowd.agents import Clip, Mesh
from composer.crowd.motion import fights, gaits, idles, ranks
from composer.crowd.motion.curves import F64, periodic
from composer.crowd.motion.falls import FALLS, fall_clip, settled, steady_hand
from composer.crowd.motion.feet import FootTrack, Gait, standing, stepping
from composer.crowd.motion.keys import STAND, Stance, Table, Value
from composer.crowd.motion.rig import Tracks, solve

SAMPLES = 60


def _curve(value: Value | Mapping[float, Value], phase: F64) -> F64:
    return periodic(value if isinstance(value, Mapping) else {0.0: value}, phase)


def _tracks(table: Table, feet: tuple[FootTrack, FootTrack], phase: F64) -> Tracks:
    channels = {name: _curve(table.get(name, STAND[name]), phase) for name in STAND}
    return Tracks(**channels, r_foot=feet[0], l_foot=feet[1])


def _phase() -> F64:
    return np.arange(SAMPLES) / SAMPLES


def _standing_clip(name: str, duration_s: float, stance: Stance, table: Table) -> Clip:
    phase = _phase()
    right, left = (standing(*np.ascontiguousarray(_curve(side, phase).T)) for side in stance)
    return solve(name, duration_s, _tracks(table, (right, left), phase))


def _gait_clip(name: str, duration_s: float, gait: Gait, table: Table) -> Clip:
    phase = _phase()
    feet = (stepping(gait, phase, 1), stepping(gait, phase, -1))
    return solve(name, duration_s, _tracks(table, feet, phase), stride_m=gait.stride_m)


def own_clips(meshes: tuple[Mesh, ...] = ()) -> tuple[Clip, ...]:
    """Every clip of Muster's own, `idle` first. All but the falls are looped; gaits carry their stride. meshes: the
    figures that will lie on the ground; nothing of them goes under it."""
    return (
        _standing_clip("idle", 6.0, idles.EASE_STANCE, idles.IDLE),
        _standing_clip("idle_lean", 7.0, idles.LEAN_STANCE, idles.IDLE_LEAN),
        _standing_clip("idle_shift", 8.0, idles.SHIFT_STANCE, idles.IDLE_SHIFT),
        _standing_clip("idle_rest", 7.5, idles.REST_STANCE, idles.IDLE_REST),
        _gait_clip("walk", 1.12, gaits.WALK_GAIT, gaits.WALK),
        _gait_clip("march", 1.04, gaits.MARCH_GAIT, gaits.MARCH),
        _gait_clip("run", 0.74, gaits.RUN_GAIT, gaits.RUN),
        _standing_clip("brace", 3.2, ranks.BRACE_STANCE, ranks.BRACE),
        _standing_clip("strike", 1.5, fights.STRIKE_STANCE, fights.STRIKE),
        _standing_clip("cheer", 2.2, ranks.CHEER_STANCE, ranks.CHEER),
        _gait_clip("jog", 0.76, gaits.JOG_GAIT, gaits.JOG),
        _gait_clip("rout", 0.70, gaits.ROUT_GAIT, gaits.ROUT),
        _standing_clip("guard", 2.6, fights.GUARD_STANCE, fights.GUARD),
        steady_hand(_standing_clip("strike_low", 1.5, fights.STRIKE_LOW_STANCE, fights.STRIKE_LOW)),
        steady_hand(_standing_clip("strike_thrust", 1.4, fights.STRIKE_THRUST_STANCE, fights.STRIKE_THRUST)),
        _standing_clip("parry", 1.5, fights.PARRY_STANCE, fights.PARRY),
        _standing_clip("parry_low", 1.5, fights.PARRY_LOW_STANCE, fights.PARRY_LOW),
        _standing_clip("draw_and_loose", 3.6, ranks.LOOSE_STANCE, ranks.LOOSE),
        *(settled(fall_clip(name, fall, SAMPLES), meshes) for name, fall in FALLS.items()),
    )
