"""Arrows among the agents: each has an id and a name of its own, so it is drawn, masked and told apart like a soldier.

One is in the archer's fist while he draws, flies, and then sticks in the ground, in a shield or in a man. It is a figure
on a rig of one joint, and `Agents.up` says where it points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Agents, Cast
from composer.crowd.behaviour.acts import Acts
from composer.crowd.behaviour.modes import Mode
from composer.crowd.behaviour.quiver import ArrowsSeen
from composer.crowd.figure import arrow
from composer.crowd.motion.curves import rotated
from composer.crowd.motions import played
from composer.crowd.orders import Crowd
from composer.crowd.posed import joints_at
from composer.crowd.regions import GroundLike
from composer.crowd.seeds import hash01, hash_u32
from composer.crowd.shares import free_id
from composer.crowd.skeleton import JOINT
from composer.shot.schema_crowd import CrowdSpec

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: As many arrows of one archer have ids of their own; then the oldest ones go.
PER_ARCHER = 64
DRAWS = "draw_and_loose"
#: The part of that clip in which he holds the arrow: from the quiver to the loose.
HELD = (0.15, 0.62)
#: A point goes so deep into a man, and through a shield's board.
DEEP_M, THROUGH_M, BODY_M = 0.10, 0.12, 0.12


#: Fields of `Agents` whose first axis is the frame.
_BY_FRAME = ("position_m", "heading_rad", "clip", "phase", "up", "clip_from", "phase_from", "blend")


def shoots(crowd: CrowdSpec) -> bool:
    """Whether anybody of the crowd ever holds an arrow."""
    return any(r.clip == DRAWS or any(c.do == "volley" for c in r.cues) for r in crowd.regions)


def with_arrow(cast: Cast) -> Cast:
    """The cast with an arrow as its last figure and clip, on a rig of its own."""
    rig = len(cast.skeletons)
    return replace(
        cast,
        figures=(*cast.figures, arrow.figure(rig)),
        clips=(*cast.clips, arrow.still(rig)),
        more_skeletons=(*cast.more_skeletons, arrow.skeleton()),
    )


@dataclass(frozen=True)
class _Sights:
    """R sights of an arrow at a frame. frame: int64 [R], its place among the agents' frames. id: int64 [R]. side: int8
    [R]. place, way: float64 [R, 3], its middle and where it points."""

    frame: I64
    id: I64
    side: NDArray[np.int8]
    place: F64
    way: F64


@dataclass(frozen=True)
class Archery:
    """The arrows of a crowd whose cast has one (`with_arrow`)."""

    cast: Cast
    crowd: Crowd
    ground: GroundLike

    @cached_property
    def first_id(self) -> int:
        """Of the arrows. They follow each other by archer, in the order of `base_id`, and by shot."""
        return free_id("arrows", len(self.base_id) * PER_ARCHER, self.base_id)

    @cached_property
    def base_id(self) -> NDArray[np.uint32]:
        """Ids of everybody who was laid out, hidden or not; the order in which `Acts` counts people."""
        base = getattr(self.crowd, "base", self.crowd)
        return base.agent_id

    def archer_of(self, agent: int) -> int | None:
        """The id of him whose arrow this is."""
        place = (agent - self.first_id) // PER_ARCHER
        return int(self.base_id[place]) if 0 <= place < len(self.base_id) else None

    def shot_of(self, agent: int) -> int:
        """The how manieth of his archer it is, from 0."""
        return (agent - self.first_id) % PER_ARCHER

    def over(self, agents: Agents) -> Agents:
        """The agents and the arrows that are to be seen at any of their frames; where one is not, its place is NaN."""
        acts = self.crowd.acts
        row = np.full(len(self.base_id), -1, np.int64)
        row[np.searchsorted(self.base_id, agents.agent_id)] = np.arange(len(agents))
        if acts is None or not agents.frames:
            return _joined(agents, self.cast, [self._in_hand(agents, np.zeros(agents.phase.shape, np.int64))])
        loosed = acts.arrows(agents.frames, self.ground.height_m)
        gone = [np.bincount(loosed.archer[seen], minlength=len(row)) for seen in loosed.visible]
        shot = np.stack(gone)[:, row >= 0]
        return _joined(agents, self.cast, [self._in_hand(agents, shot), self._on_their_way(agents, row, acts, loosed)])

    # --- in the fist ---

    def _in_hand(self, agents: Agents, shot: I64) -> _Sights:
        """Of everybody who draws a bow now: the nock in his right fist, the shaft over his left. shot: int64 [F, N], how
        many each has loosed so far."""
        plays = played(self.cast)
        named = np.array([c.name == DRAWS for c in self.cast.clips])
        draws = named[plays[agents.cast, agents.clip]]
        draws &= (agents.phase >= HELD[0]) & (agents.phase < HELD[1])
        if agents.blend is not None:
            draws &= agents.blend > 0.5
        who = np.flatnonzero(draws.any(axis=0))
        fist, bow = (
            joints_at(agents, self.cast, who, np.full(len(who), JOINT[joint]))[1] for joint in ("sword", "shield")
        )
        way = bow - fist
        way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
        f, k = np.nonzero(draws[:, who])
        ids = self._ids(agents.agent_id[who[k]], shot[f, who[k]])
        return _Sights(f, ids, agents.side[who[k]], (fist + way * (arrow.LENGTH_M / 2))[f, k], way[f, k])

    def _ids(self, archer: NDArray[np.uint32], shot: I64) -> I64:
        return self.first_id + np.searchsorted(self.base_id, archer) * PER_ARCHER + shot % PER_ARCHER

    # --- loosed ---

    def _on_their_way(self, agents: Agents, row: I64, acts: Acts, loosed: ArrowsSeen) -> _Sights:
        """Those in the air, in the ground, and in whom they struck. Who is hidden shoots none, and none sticks in him."""
        number = _numbered(loosed.archer)
        last = np.bincount(loosed.archer, minlength=len(row))[loosed.archer]
        chosen = np.flatnonzero((row[loosed.archer] >= 0) & (number + PER_ARCHER > last))
        place = loosed.position_m[:, chosen].astype(np.float64)
        way = loosed.direction[:, chosen].astype(np.float64)
        visible = loosed.visible[:, chosen].copy()
        hit = np.flatnonzero(loosed.stuck[:, chosen].any(axis=0) & (loosed.struck[chosen] >= 0))
        hidden = row[loosed.struck[chosen[hit]]] < 0
        visible[:, hit[hidden]] = False
        hit = hit[~hidden]
        if len(hit):
            at, to = self._in_the_body(agents, row, acts, loosed, chosen[hit])
            stuck = loosed.stuck[:, chosen[hit]][..., None]
            place[:, hit] = np.where(stuck, at, place[:, hit])
            way[:, hit] = np.where(stuck, to, way[:, hit])
        f, k = np.nonzero(visible)
        mine = chosen[k]
        archer = loosed.archer[mine]
        return _Sights(
            f, self._ids(self.base_id[archer], number[mine]), agents.side[row[archer]], place[f, k], way[f, k]
        )

    def _in_the_body(self, agents: Agents, row: I64, acts: Acts, loosed: ArrowsSeen, which: I64) -> tuple[F64, F64]:
        """Middle and direction float64 [F, K, 3] of arrows that stick in people: in the chest of those who fall of it, in
        the shield of those who do not and have one."""
        track = acts.track_to(max(agents.frames))
        man = loosed.struck[which]
        who = row[man]
        step = acts.struck_step(track.arrows.land_s[which], len(track))
        soon = track.mode[np.minimum(step + 2, len(track) - 1), man]
        falls = np.isin(soon, (int(Mode.FALL), int(Mode.DEAD)))
        on_shield = ~falls & self._shielded[agents.cast[who]]
        joint = np.where(on_shield, JOINT["shield"], JOINT["chest"])
        turn, place, bind = joints_at(agents, self.cast, who, joint)
        chance = [hash01(which, f"arrow {k}").astype(np.float64) - 0.5 for k in "xy"]
        # the way it came, to him as he stood
        came = loosed.direction[loosed.stuck[:, which].argmax(axis=0), which].astype(np.float64)
        s, c = np.sin(track.heading_rad[step, man]), np.cos(track.heading_rad[step, man])
        local = np.stack([came[:, 0] * c - came[:, 2] * s, came[:, 1], came[:, 0] * s + came[:, 2] * c], axis=1)
        spot = bind + np.stack([0.16 * chance[0], 0.2 * chance[1], np.zeros(len(which))], axis=1)
        tip = spot + local * (DEEP_M - BODY_M)
        aslant = np.stack([0.4 * chance[0], np.full(len(which), -0.35), np.full(len(which), 0.9)], axis=1)
        aslant /= np.linalg.norm(aslant, axis=1, keepdims=True)
        board = bind + np.stack([0.4 * chance[0], 0.5 * chance[1], np.full(len(which), -0.07)], axis=1)
        local = np.where(on_shield[:, None], aslant, local)
        tip = np.where(on_shield[:, None], board + aslant * THROUGH_M, tip)
        middle = tip - local * (arrow.LENGTH_M / 2)
        scale = agents.height_scale[who].astype(np.float64)[:, None]
        return place + rotated(turn, (middle - bind)[None]) * scale, rotated(turn, local[None])

    @cached_property
    def _shielded(self) -> NDArray[np.bool_]:
        """bool [figures]: who has a shield on his arm."""
        return np.array([(f.lods[0].material == MATERIALS.index("shield")).any() for f in self.cast.figures])


def _numbered(archer: NDArray[np.int32]) -> I64:
    """The how manieth of his archer each arrow is, from 0."""
    order = np.argsort(archer, kind="stable")
    start = np.concatenate([[True], np.diff(archer[order]) != 0])
    first = np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
    out = np.empty(len(archer), np.int64)
    out[order] = np.arange(len(order)) - first
    return out


def _joined(agents: Agents, cast: Cast, lots: Sequence[_Sights]) -> Agents:
    """The agents and the arrows, by ascending id."""
    seen = _Sights(*(np.concatenate([getattr(lot, f.name) for lot in lots]) for f in fields(_Sights)))
    ids, which = np.unique(seen.id, return_inverse=True)
    frames, count = len(agents.frames), len(ids)
    if not count:
        return agents
    place = np.full((frames, count, 3), np.nan, np.float32)
    up = np.empty((frames, count, 3), np.float32)
    up[:, which] = seen.way  # at frames where it is not to be seen too
    place[seen.frame, which], up[seen.frame, which] = seen.place, seen.way
    side = np.zeros(count, np.int8)
    side[which] = seen.side
    seed = hash_u32(ids, "arrow")
    tone = (0.75 + 0.5 * hash01(seed, "tone"))[:, None, None]
    own = {
        "agent_id": ids.astype(np.uint32),
        "position_m": place,
        "heading_rad": np.tile((2 * np.pi * hash01(seed, "turn")).astype(np.float32), (frames, 1)),
        "clip": np.full((frames, count), len(cast.clips) - 1, np.int16),
        "phase": np.zeros((frames, count), np.float32),
        "cast": np.full(count, len(cast.figures) - 1, np.int16),
        "side": side,
        "height_scale": np.ones(count, np.float32),
        "albedo": (arrow.albedo(len(MATERIALS))[None] * tone).astype(np.float32),
        "seed": seed,
        "up": up,
    }
    if agents.blend is not None:
        own |= {"clip_from": own["clip"], "phase_from": own["phase"], "blend": np.ones((frames, count), np.float32)}
    if agents.up is None:
        upright = np.broadcast_to(np.array([0, 1, 0], np.float32), agents.position_m.shape)
        agents = replace(agents, up=upright)
    order = np.argsort(np.concatenate([agents.agent_id, own["agent_id"]]), kind="stable")

    def both(name: str) -> np.ndarray:
        axis = 1 if name in _BY_FRAME else 0
        return np.take(np.concatenate([getattr(agents, name), own[name]], axis=axis), order, axis=axis)

    return replace(agents, **{name: both(name) for name in own})
