"""The charge of `scenes/valley/charge.yaml` in figures: how far feet slide, how near people come to each other, and
what happens in the shot's frames. Nothing is drawn."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Cast
from composer.crowd.behaviour.acts import Acts
from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.slide import foot_slide_mm
from composer.crowd.behaviour.track import Track
from composer.crowd.people import People
from composer.crowd.skeleton import JOINT
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import prepare

SHOT = Path(__file__).parents[1] / "scenes" / "valley" / "charge.yaml"
SHOULDERS_M = 0.45
#: A man stands in a body that lies if he is this near to its spine, in plan, while that is lower than a knee and a half.
BODY_M, LOW_M = 0.2, 0.7
MOVES_M_S = 0.5

F64 = NDArray[np.float64]


def nearest_m(place_m: F64) -> F64:
    """float64 [N]: from each of place_m [N, 2] to the one nearest to him; inf where he is alone."""
    from scipy.spatial import cKDTree

    if len(place_m) < 2:
        return np.full(len(place_m), np.inf)
    return cKDTree(place_m).query(place_m, k=2)[0][:, 1]


def spines_m(track: Track, frame: int, who: NDArray[np.int64], height: F64, cast: Cast) -> F64:
    """float64 [K, 7, 3]: points from the hips to the head of `who`, (x, height over the ground, z), by their clips."""
    out = np.empty((len(who), 7, 3))
    for n, i in enumerate(who):
        clip = cast.clips[int(track.clip[frame, i])]
        pose = clip.position_m[min(int(track.phase[frame, i] * len(clip.position_m)), len(clip.position_m) - 1)]
        hips, head = (pose[JOINT[j]].astype(np.float64) * height[i] for j in ("hips", "head"))
        s, c = np.sin(track.heading_rad[frame, i]), np.cos(track.heading_rad[frame, i])
        line = hips + (head - hips) * np.linspace(0.0, 1.0, 7)[:, None]
        out[n] = np.stack([line[:, 0] * c + line[:, 2] * s, line[:, 1], line[:, 2] * c - line[:, 0] * s], axis=1)
        out[n, :, [0, 2]] += track.place_m[frame, i][:, None]
    return out


def treading(place_m: F64, spine_m: F64) -> int:
    """How many of place_m [N, 2] stand in one of the bodies spine_m [K, 7, 3] that lie."""
    from scipy.spatial import cKDTree

    low = spine_m[(spine_m[..., 1] < LOW_M).all(axis=1)].reshape(-1, 3)
    if not len(low) or not len(place_m):
        return 0
    return int((cKDTree(low[:, [0, 2]]).query(place_m)[0] < BODY_M).sum())


def _moments(acts: Acts, track: Track, cast: Cast, frames: range) -> list[dict[str, object]]:
    down = (int(Mode.FALL), int(Mode.DEAD))
    rows = []
    for frame in frames:
        k = frame - acts.start_frame
        place = track.place_m[k].astype(np.float64)
        fallen = np.isin(track.mode[k], down)
        gap = nearest_m(place[~fallen])
        spine = spines_m(track, k, np.flatnonzero(fallen), acts.plan.height, cast)
        rows.append(
            {
                "frame": frame,
                "fighting": int((track.foe[k] >= 0).sum()),
                "fallen": int(fallen.sum()),
                "least_m": round(float(gap.min()), 3),
                "within_shoulders": int((gap < SHOULDERS_M).sum()),
                "in_a_body": treading(place[~fallen], spine),
            }
        )
    return rows


def slides(people: People, frames: range) -> dict[str, object]:
    """Foot slide of all who are on their feet, millimetres a frame, over the shot's frames."""
    upright = np.array([not c.name.startswith("fall") for c in people.cast.clips])
    mm, moving = [], []
    for start in range(frames[0], frames[-1], 8):
        part = list(range(start, min(start + 8, frames[-1]) + 1))
        agents = people.layout.at(part)
        mm.append(foot_slide_mm(agents, people.cast, upright))
        way = np.linalg.norm(np.diff(agents.position_m[..., [0, 2]].astype(np.float64), axis=0), axis=-1)
        moving.append(way * float(people.layout.frame_rate) > MOVES_M_S)
    all_mm, moves = np.concatenate(mm), np.concatenate(moving)
    down = np.isfinite(all_mm)

    def of(chosen: NDArray[np.bool_]) -> dict[str, float]:
        values = all_mm[chosen]
        return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (50, 90, 99)}

    return {"all": of(down), "moving": of(down & moves), "moving_share": round(float(moves[down].mean()), 3)}


def measure(shot: Path = SHOT, count: int | None = None) -> dict[str, object]:
    stage = prepare(load_shot(shot))
    people = people_on(stage, count)
    frames = range(stage.plate.frames[0], stage.plate.frames[-1] + 1)
    acts = getattr(people.layout, "acts", None)
    assert acts is not None
    begin = time.perf_counter()
    track = acts.track_to(frames[-1] + 1)
    seconds = time.perf_counter() - begin
    rows = _moments(acts, track, people.cast, frames)
    men = len(people.layout)
    near = sum(int(row["within_shoulders"]) for row in rows)  # type: ignore[call-overload]
    return {
        "what": "a charge, over the frames of the shot",
        "soldiers": men,
        "frames": len(frames),
        "simulated_steps": len(track) - 1,
        "step_ms": round(seconds * 1000 / max(len(track) - 1, 1), 1),
        "foot_slide_mm_a_frame": slides(people, frames),
        "least_m_between_two": min(float(row["least_m"]) for row in rows),  # type: ignore[arg-type]
        "share_within_shoulder_width": round(near / (men * len(frames)), 6),
        "by_frame": rows[:: max(1, len(rows) // 8)] + rows[-1:],
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
