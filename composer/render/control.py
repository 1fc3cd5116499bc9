"""Near and far of a shot's `control_depth`: one scale for all its frames, so that a soldier's value does not jump."""

from __future__ import annotations

import math

import numpy as np

from composer.camera.camera import View
from composer.crowd.agents import Agents
from composer.crowd.people import People
from composer.shot.stage import Stage

#: Frames that are looked at, spread over the shot; reach of a body with its arms; least near; steps in an octave.
LOOKS, BODY_M, NEAREST_M, STEPS = 9, 1.2, 0.25, 4
EMPTY_M = (1.0, 100.0)


def control_range(stage: Stage, people: People) -> tuple[float, float]:
    """(near_m, far_m): what the shot says, or those that hold the crowd in the picture over the whole plate (not only
    the frames of this job), rounded outwards to a quarter of an octave so that small edits leave them as they are."""
    given = stage.shot.delivery.control_depth_m
    if given:
        return given
    frames = stage.plate.frames
    chosen = sorted({frames[round(i)] for i in np.linspace(0, len(frames) - 1, LOOKS)})
    spans = [span for n in chosen if (span := _span(people.layout.at([n]), stage.camera.view(n)))]
    if not spans:
        return EMPTY_M
    near = max(min(a for a, _ in spans) - BODY_M, NEAREST_M)
    far = max(b for _, b in spans) + BODY_M
    low, high = math.floor(math.log2(near) * STEPS), math.ceil(math.log2(far) * STEPS)
    return 2.0 ** (low / STEPS), 2.0 ** (max(high, low + 1) / STEPS)


def _span(agents: Agents, view: View) -> tuple[float, float] | None:
    """Least and greatest planar depth of those who stand in the picture or close beside it; None: nobody does."""
    place = agents.position_m[0].astype(np.float64) - view.position_m
    x, y, z = (place @ view.camera_from_world[:3, :3].T).T
    depth = -z
    (w, h), (fx, fy), (cx, cy) = view.size_px, view.focal_px, view.centre_px
    margin = 0.15
    with np.errstate(invalid="ignore"):
        seen = depth > 0
        for value, focal, centre, size in ((x, fx, cx, w), (-y, fy, cy, h)):
            tall = 2.5 * focal  # feet below the picture, or a head in it
            at = value * focal
            seen &= at > (-margin * size - centre) * depth - tall
            seen &= at < ((1 + margin) * size - centre) * depth + tall
    return (float(depth[seen].min()), float(depth[seen].max())) if seen.any() else None
