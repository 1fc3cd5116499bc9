"""Who falls, falls where nobody stands, as far as there is such a way."""

from __future__ import annotations

import numpy as np
from support.cues import NAMES, box, laid

from composer.crowd.behaviour.modes import Mode


def test_nobody_falls_onto_the_one_who_struck_him() -> None:
    """Two thin lines fight with room behind them: bodies lie away from every man who stands."""
    line = {"spacing_m": (1.6, 1.6), "jitter": 0.0, "count": 24}
    red = {"name": "red", "polygon_m": box(-20, 0, 20, 1.2), "heading_deg": 0.0, "side": "red", **line}
    blue = {"name": "blue", "polygon_m": box(-20, -4.2, 20, -3), "heading_deg": 180.0, "side": "blue", **line}
    crowd = laid(
        {**red, "cues": ({"at": 1003, "do": "melee", "target": "blue"},)},
        {**blue, "cues": ({"at": 1003, "do": "melee", "target": "red"},)},
        last=1160,
        behaviour={"lethality": 3.0},
    )
    track = crowd.acts.track_to(1161)
    down = np.isin(track.mode, (Mode.FALL, Mode.DEAD))
    fallen = np.flatnonzero(down[-1])
    assert len(fallen) >= 8
    ways, near = set(), []
    for man in fallen:
        frame = int(down[:, man].argmax())
        name = str(NAMES[track.clip[frame, man]])
        ways.add(name)
        a = float(track.heading_rad[frame, man])
        ahead, right = np.array([-np.sin(a), -np.cos(a)]), np.array([np.cos(a), -np.sin(a)])
        way = {"fall_back": -ahead, "fall_forward": ahead, "fall_side": right}[name]
        head = track.place_m[frame, man] + way
        others = np.flatnonzero(~down[frame])
        near.append(np.linalg.norm(track.place_m[frame, others] - head, axis=1).min())
        later = min(frame + 40, len(track) - 1)
        assert track.clip[later, man] == track.clip[frame, man]  # he stays as he fell
    assert len(ways) >= 2 and np.min(near) > 0.35 and np.median(near) > 0.6
