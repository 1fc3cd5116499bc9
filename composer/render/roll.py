"""One roll: some soldiers painted anew, with other noise, into a picture of which everything else is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from composer.comp.layer import F32
from composer.guides.passes import GuidePasses, Samples
from composer.inference.bind import bind
from composer.inference.conditions import Brief, Change, Sight, change_of, request_of
from composer.inference.reach import paint_mask, reach_of
from composer.inference.rebind import rebound
from composer.inference.record import PaintRecord
from composer.inference.request import PaintRequest
from composer.render.look import Look, Scene
from composer.render.paint import Painter, reported
from composer.render.steady import Alone

Bools = NDArray[np.bool_]
#: What stands in a frame only because coverage did, so that nobody's place is lost.
LEAST = np.float32(2.0**-14)


@dataclass(frozen=True)
class Roll:
    """agents: uint32 [K], ascending, whom to paint anew. seed: of the new noise. told: for the record."""

    agents: NDArray[np.uint32]
    seed: int
    told: Mapping[str, object]


@dataclass(frozen=True)
class Kept:
    """What the soldiers are painted into, before the plate's look. picture: float32 [H, W, 3], ACEScg, all of it. light: float32
    [H, W, 3], premultiplied, ACEScg, and alpha: float32 [H, W], of its crowd."""

    picture: F32
    light: F32
    alpha: F32

    @classmethod
    def of(cls, look: Look, guides: GuidePasses) -> Kept:
        """The crowd as these guides have it."""
        return cls(look.shown(guides), guides.beauty, guides.coverage)


@dataclass(frozen=True)
class Room:
    """Where a roll may paint. change: as in `conditions`; inside: bool [H, W], where it changes anything at all."""

    sight: Sight
    change: Change
    inside: Bools

    @property
    def empty(self) -> bool:
        """None of them is seen."""
        return self.sight.reach is None or not self.inside.any()


def room_of(scene: Scene, look: Look, agents: NDArray[np.uint32]) -> Room:
    """The grown mattes of these soldiers."""
    assert scene.painter is not None
    brief = scene.painter.plan.brief
    who = seen(look.guides.samples, agents).reshape(look.guides.coverage.shape)
    sight = look.sight(brief.grow_px)
    matte = grown_matte(look, who, reroll_grow_px(scene.painter))
    change = change_of(sight, brief)
    change = Change(change.mask * matte, change.strength)
    return Room(sight, change, (change.mask > 0) & (change.strength > 0))


def rolled(
    scene: Scene, look: Look, kept: Kept, room: Room, roll: Roll, kept_of: Callable[[Look], Kept | None]
) -> tuple[GuidePasses, PaintRecord]:
    """The crowd with the soldiers painted anew, averaged with frames beside it where the shot's painted frames are. room: not
    empty. kept_of: what the soldiers are painted into in those, None where that is not there."""
    assert scene.painter is not None and room.sight.reach is not None
    painter, sight, change = scene.painter, room.sight, room.change
    brief, reach = painter.plan.brief, room.sight.reach

    def paint(there: Look) -> Alone | None:
        if there is look:
            return _by_itself(scene, look, kept, room, roll)
        beside = room_of(scene, there, roll.agents)
        into = None if beside.empty else kept_of(there)
        return None if into is None else _by_itself(scene, there, into, beside, roll)

    rgb, record = painter.agreed(lambda: painter.steadied(scene, look, roll.seed, paint))
    painted = brief.range.decode(rgb, _around(room, kept))
    bound = bind(painted, sight, change, painter.plan.edge_px, brief.range)
    cut, share = reach.cut, change.mask[reach.cut]
    light = _mixed(kept.light[cut], bound.guides.beauty[cut], share[..., None])
    alpha = _mixed(kept.alpha[cut], bound.guides.coverage[cut], share)
    alpha = np.where(look.guides.coverage[cut] > 0, np.maximum(alpha, LEAST), alpha)
    guides = rebound(look.guides, reach, light, alpha.astype(np.float32))
    return guides, replace(record, adherence=bound.adherence, guide_adherence=bound.guide_adherence)


def _by_itself(scene: Scene, look: Look, kept: Kept, room: Room, roll: Roll) -> Alone:
    """A frame whatever lies beside it."""
    assert scene.painter is not None
    painter, change = scene.painter, room.change
    around = replace(room.sight, guide=_around(room, kept))
    painting = painter.ask(_request(scene, look, around, painter.plan.brief, change, roll.seed))
    record = replace(painter.plan.record(), reroll=dict(roll.told), frames=(look.number,))
    guides = look.guides
    return Alone(
        painting.rgb[0], change.mask * change.strength, guides.coverage, guides.agent_id, reported(record, painting)
    )


def _around(room: Room, kept: Kept) -> F32:
    """The guides of whom is painted anew, in the picture that is kept."""
    return np.where(room.inside[..., None], room.sight.guide, kept.picture).astype(np.float32)


def _request(scene: Scene, look: Look, sight: Sight, brief: Brief, change: Change, seed: int) -> PaintRequest:
    assert scene.painter is not None
    noise = scene.painter.noise_of(scene, [look], seed, scene.painter.brush.factor)
    request = request_of([sight], brief, noise)
    return replace(request, mask=change.mask[None])


def _mixed(old: F32, new: F32, share: F32) -> F32:
    return old + share * (new - old)


def reroll_grow_px(painter: Painter) -> int:
    """How far round a soldier is painted anew: his edge and a little more, so that his neighbours keep their faces."""
    return max(painter.plan.edge_px + 2, painter.plan.brief.grow_px // 2)


def seen(samples: Samples, agents: NDArray[np.uint32]) -> Bools:
    """bool [H * W]: pixels in which any of these agents is seen."""
    pixel = np.repeat(np.arange(len(samples.start) - 1), np.diff(samples.start))
    found = np.zeros(len(samples.start) - 1, bool)
    found[pixel[np.isin(samples.agent_id, agents)]] = True
    return found


def grown_matte(look: Look, who: Bools, grow_px: int) -> F32:
    """float32 [H, W]: 1 on and close around the pixels of `who`, falling to 0 at `grow_px`."""
    out = np.zeros(who.shape, np.float32)
    reach = reach_of(look.guides, look.holdouts, look.ground_m, grow_px, who)
    if reach is not None:
        out[reach.cut] = paint_mask(reach, grow_px)
    return out
