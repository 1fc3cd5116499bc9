"""The words of a cue and the states of a man, as the kernels number them."""

from __future__ import annotations

from enum import IntEnum


class Do(IntEnum):
    """What somebody was told to do. `GO`: what a moving region does before its first cue."""

    HOLD = 0
    IDLE = 1
    MARCH = 2
    ADVANCE = 3
    CHARGE = 4
    BRACE = 5
    MELEE = 6
    VOLLEY = 7
    ROUT = 8
    CHEER = 9
    REACT = 10
    GO = 11


class Mode(IntEnum):
    """What he is doing. `FREE`: what his cue says. `GHOST`: not simulated, others keep clear of him.
    `LIES`: dead or wounded from the start; he stays, others step round him."""

    FREE = 0
    FIGHT = 1
    FALL = 2
    DEAD = 3
    GHOST = 4
    LIES = 5


class Play(IntEnum):
    """The clips that behaviour needs, by their place in `plan.ClipTable`."""

    WALK = 0
    MARCH = 1
    JOG = 2
    RUN = 3
    ROUT = 4
    BRACE = 5
    STRIKE = 6
    STRIKE_LOW = 7
    STRIKE_THRUST = 8
    PARRY = 9
    PARRY_LOW = 10
    FALL_BACK = 11
    FALL_FORWARD = 12
    FALL_SIDE = 13
    LOOSE = 14
    CHEER = 15
    GUARD = 16


#: The name of each clip in the cast, in the order of `Play`.
CLIP_NAMES = (
    "walk", "march", "jog", "run", "rout", "brace", "strike", "strike_low", "strike_thrust", "parry", "parry_low",
    "fall_back", "fall_forward", "fall_side", "draw_and_loose", "cheer", "guard",
)  # fmt: skip
