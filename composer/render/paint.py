"""The painter of a shot: a bundle that is cleared and whole, and how it is told to paint; then frame after frame."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np

from composer.comp.layer import F32
from composer.guides.passes import GuidePasses
from composer.inference.bind import bind
from composer.inference.conditions import change_of, guide_in_range, request_of
from composer.inference.record import PaintRecord
from composer.inference.request import NoiseSource, Painting, PaintRequest
from composer.io.files import sha256_bytes
from composer.render.agreed import Limit, TileWord, named, smaller
from composer.render.anchors import Picture, Shown, Store, carried, shown_by
from composer.render.brush import Steps
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.paint_plan import Plan
from composer.render.steady import Alone, averaged

#: Windows of a video model that are kept, painted, for the next frame; and anchors, for those between them.
KEPT = 2
#: Frames that are kept, painted by themselves, where each is averaged with those beside it; of the shot, and of each roll.
KEPT_ALONE = 3
T = TypeVar("T")


class Brush(Protocol):
    """What paints requests: the tile engine over a bundle's adapter. factor: pixels a latent. limit: of its tiles; smaller
    after a picture for which memory ran out."""

    factor: int
    limit: Limit

    def paint(self, request: PaintRequest, told: Steps | None = None) -> Painting: ...


#: Noise for the looks of a request, from a seed, for latents of so many pixels.
NoiseOf = Callable[[Scene, Sequence[Look], int, int], NoiseSource]


@dataclass(frozen=True)
class Painted:
    """guides: the painted crowd's. record: for the manifest."""

    guides: GuidePasses
    record: PaintRecord


#: Of an anchor out of the store.
_BEFORE = "the anchor was painted before"


@dataclass
class Painter:
    """plan: what to paint. open_brush: loads the networks, at the first frame that needs them. noise_of: where the noise
    comes from. store: where painted anchors are kept. told: of each step of a picture, where somebody listens. word: the tile
    that all who paint this shot agree upon."""

    plan: Plan
    open_brush: Callable[[], Brush]
    noise_of: NoiseOf
    store: Store | None = None
    told: Steps | None = None
    word: TileWord | None = None
    _limit: Limit = field(default=None, init=False, repr=False)
    _used: set[Limit] = field(default_factory=set, init=False, repr=False)
    _painted: OrderedDict[int, Painting] = field(default_factory=OrderedDict, init=False, repr=False)
    _shown: OrderedDict[tuple[int, str], Shown] = field(default_factory=OrderedDict, init=False, repr=False)
    _alone: dict[int | None, OrderedDict[int, Alone | None]] = field(default_factory=dict, init=False, repr=False)
    _within: int = field(default=0, init=False, repr=False)
    _ahead: Look | None = field(default=None, init=False, repr=False)
    _load_s: float = field(default=0.0, init=False, repr=False)

    @cached_property
    def brush(self) -> Brush:
        begin = time.perf_counter()
        brush = self.open_brush()
        self._load_s = time.perf_counter() - begin
        return brush

    def close(self) -> None:
        """Let go of the networks and of what was kept."""
        self.__dict__.pop("brush", None)
        self._painted.clear()
        self._shown.clear()
        self._alone.clear()
        self._ahead = None

    def ahead(self, number: int) -> Look | None:
        """What a frame shows, where that was drawn for the frame before it; it is given once."""
        look, self._ahead = self._ahead, None
        return look if look is not None and look.number == number else None

    def paint(self, scene: Scene, look: Look) -> Painted:
        """The crowd of one frame, painted and bound to its guides. Where nobody is seen, nothing is painted."""
        record = self.plan.record()
        sight = look.sight(self.plan.brief.grow_px)
        if sight.reach is None:
            return Painted(look.guides, record)
        change = change_of(sight, self.plan.brief)
        if not (change.mask * change.strength).any():
            return Painted(look.guides, replace(record, notes=("strength 0: the guide render is kept",)))
        rgb, record = self.agreed(lambda: self.picture(scene, look, record))
        if self._load_s:  # of the first frame
            record = replace(record, seconds={"load": round(self._load_s, 4), **record.seconds})
            self._load_s = 0.0
        model_range = self.plan.brief.range
        bound = bind(model_range.decode(rgb, sight.guide), sight, change, self.plan.edge_px, model_range)
        return Painted(
            bound.guides,
            replace(
                record, adherence=bound.adherence, guide_adherence=bound.guide_adherence, added_px=bound.added,
                taken_px=bound.taken,
            ),
        )  # fmt: skip

    def ask(self, request: PaintRequest) -> Painting:
        """The brush's answer, in tiles no larger than agreed upon."""
        self.brush.limit = self._limit
        painting = self.brush.paint(request, self.told)
        self._limit = self.brush.limit
        self._used.add(self._limit)
        return painting

    def agreed(self, work: Callable[[], tuple[T, PaintRecord]]) -> tuple[T, PaintRecord]:
        """`work`, done again where its tiles became smaller meanwhile, here or on another node, so that all of its parts
        (windows, anchors) have the tile that its record names. One may be part of another."""
        notes: tuple[str, ...] = ()
        outer = set(self._used) if self._within else set[Limit]()
        self._lower(self.word.read() if self.word else None)
        self._within += 1
        try:
            while True:
                self._used.clear()
                result, record = work()
                self._lower(self.word.lower(self._limit) if self.word else self._limit)
                notes = tuple(dict.fromkeys([*notes, *record.notes]))
                if self._used <= {self._limit}:
                    return result, replace(record, notes=notes, tile_limit=named(self._limit))
        finally:
            self._within -= 1
            self._used |= outer

    def _lower(self, limit: Limit) -> None:
        """No larger tiles from here on; what was kept of larger ones goes."""
        limit = smaller(self._limit, limit)
        if limit != self._limit or not self._used <= {limit}:
            self._painted.clear()
            self._alone.clear()
        self._limit = limit

    def picture(self, scene: Scene, look: Look, record: PaintRecord) -> tuple[F32, PaintRecord]:
        """float32 [H, W, 3] in model range, before it is bound to the guides. look: somebody is painted in it."""
        if not self.plan.steady:
            return self._picture(scene, look, record)
        rgb, record = self.steadied(scene, look, None, lambda there: self._by_itself(scene, there))
        return rgb, replace(record, frames=self.plan.reads(look.number))

    def steadied(
        self, scene: Scene, look: Look, roll: int | None, paint: Callable[[Look], Alone | None]
    ) -> tuple[F32, PaintRecord]:
        """float32 [H, W, 3] in model range: a frame averaged, where the shot asks for that, with those beside it. paint: a frame
        by itself, None where nobody is painted, which is not this one; roll: names what that paints, None the shot itself."""
        kept, beside = self._alone.setdefault(roll, OrderedDict()), dict[int, tuple[Alone, F32]]()
        if look.number not in kept:
            kept[look.number] = paint(look)
        for number in self.plan.beside(look.number):
            later = number > look.number
            if number not in kept:
                there = look_at(scene, read_inputs(scene.stage, number))
                kept[number] = paint(there)
                self._ahead = there if later else self._ahead
            if (other := kept[number]) is not None:
                beside[number] = other, look.guides.motion_px if later else look.guides.motion_back_px
        own = kept[look.number]
        assert own is not None
        while len(kept) > (KEPT_ALONE if self.plan.steady else 0):
            kept.popitem(last=False)
        self._used.add(self._limit)
        return averaged(own, beside.values()), replace(own.record, frames=tuple(sorted([*beside, look.number])))

    def _by_itself(self, scene: Scene, look: Look) -> Alone | None:
        """A frame as it is painted whatever lies beside it; None where nobody is painted."""
        sight = look.sight(self.plan.brief.grow_px)
        if sight.reach is None:
            return None
        change = change_of(sight, self.plan.brief)
        if not (painted := change.mask * change.strength).any():
            return None
        rgb, record = self._picture(scene, look, self.plan.record())
        return Alone(rgb, painted, look.guides.coverage, look.guides.agent_id, record)

    def _picture(self, scene: Scene, look: Look, record: PaintRecord) -> tuple[F32, PaintRecord]:
        """float32 [H, W, 3] in model range."""
        parts = self.plan.anchors.of(look.number)
        if parts:
            return self._between(scene, look, parts, record)
        if look.number in self.plan.anchors.chosen:
            picture, record = self._anchor(scene, look, record)
            return picture.rgb, record
        return self._afresh(scene, look, record)

    def _afresh(self, scene: Scene, look: Look, record: PaintRecord) -> tuple[F32, PaintRecord]:
        """Painted by itself: out of one window or, where several hold the frame, blended."""
        total: F32 | None = None
        for part in self.plan.windows.of(look.number):
            painting = self._window(scene, look, part.start)
            mine = np.float32(part.weight) * painting.rgb[part.index].astype(np.float32)
            total = mine if total is None else total + mine
            record = reported(record, painting)
        assert total is not None
        return total, replace(record, frames=self.plan.together(look.number))

    def _anchor(self, scene: Scene, look: Look, record: PaintRecord) -> tuple[Picture, PaintRecord]:
        """An anchor: out of the store where it is there, else painted and stored."""
        from composer.render.depends import scene_key

        assert self.store is not None
        base = scene_key(scene, look.number)
        if (found := self.store.get(look.number, self._key(base))) is not None:
            self._used.add(self._limit)
            return found, replace(record, notes=(_BEFORE,), frames=(look.number,))
        rgb, record = self._afresh(scene, look, record)
        mask = change_of(look.sight(self.plan.brief.grow_px), self.plan.brief).mask
        return self.store.put(look.number, self._key(base), Picture(rgb, mask)), record

    def _key(self, scene_key: str) -> str:
        """An anchor's: another tile is another picture."""
        return scene_key if self._limit is None else sha256_bytes(f"{scene_key} {named(self._limit)}".encode())

    def paint_ahead(self, scene: Scene, look: Look) -> bool:
        """Paint an anchor and keep it for those that wait for it; whether it was not there yet."""
        if look.sight(self.plan.brief.grow_px).reach is None:
            return False
        return _BEFORE not in self._anchor(scene, look, self.plan.record())[1].notes

    def _between(
        self, scene: Scene, look: Look, parts: tuple[tuple[int, float], ...], record: PaintRecord
    ) -> tuple[F32, PaintRecord]:  # fmt: skip
        """A frame between anchors: theirs where they show it, healed elsewhere."""
        brief = self.plan.brief
        sight = look.sight(brief.grow_px)
        anchors = [(self._anchor_shown(scene, n, record), share) for n, share in parts]
        shown, seen = carried(scene, look, guide_in_range(sight, brief), anchors)
        noise = self.noise_of(scene, [look], self.plan.seed, self.brush.factor)
        request = request_of([sight], brief, noise)
        guide = request.guide[0] + seen[..., None] * (shown - request.guide[0])
        request = replace(request, guide=guide[None], strength=request.strength * (1.0 - seen))
        painting = self.ask(request)
        rgb = painting.rgb[0] + seen[..., None] * (shown - painting.rgb[0])
        waited = tuple(n for n, _ in parts)
        return rgb.astype(np.float32), replace(reported(record, painting), frames=(look.number,), depends_on=waited)

    def _anchor_shown(self, scene: Scene, number: int, record: PaintRecord) -> Shown:
        """What frames beside an anchor read of it, kept for the next of them."""
        from composer.render.depends import scene_key

        base = scene_key(scene, number)
        if (kept := self._shown.get((number, self._key(base)))) is not None:
            self._used.add(self._limit)
            return kept
        there = look_at(scene, read_inputs(scene.stage, number))
        picture, _ = self._anchor(scene, there, record)
        guide = guide_in_range(there.sight(self.plan.brief.grow_px), self.plan.brief)
        shown = self._shown[number, self._key(base)] = shown_by(scene, there, picture, guide)
        while len(self._shown) > KEPT:
            self._shown.popitem(last=False)
        return shown

    def _window(self, scene: Scene, look: Look, start: int) -> Painting:
        if start in self._painted:
            self._used.add(self._limit)
            return replace(self._painted[start], seconds={})
        numbers = self.plan.windows.frames_from(start)
        looks = [look if n == look.number else look_at(scene, read_inputs(scene.stage, n)) for n in numbers]
        brief = self.plan.brief
        request = request_of(
            [k.sight(brief.grow_px) for k in looks], brief, self.noise_of(scene, looks, self.plan.seed, self.brush.factor)
        )  # fmt: skip
        painting = self.ask(request)
        if len(numbers) > 1:
            painting = replace(painting, rgb=painting.rgb.astype(np.float16))
            self._painted[start] = painting
            while len(self._painted) > KEPT:
                self._painted.popitem(last=False)
        return painting


def reported(record: PaintRecord, painting: Painting) -> PaintRecord:
    """The record with what the engine says of a painting added to it."""
    seconds = dict(record.seconds)
    for stage, value in painting.seconds.items():
        seconds[stage] = round(seconds.get(stage, 0.0) + value, 4)
    return replace(
        record,
        tiles=painting.tiles,
        dropped=tuple(dict.fromkeys([*record.dropped, *painting.dropped])),
        notes=tuple(dict.fromkeys([*record.notes, *painting.notes])),
        seconds=seconds,
        peak_bytes=max(record.peak_bytes, painting.peak_bytes),
    )
