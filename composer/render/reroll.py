"""Re-roll: a few soldiers of an approved version painted anew, with other noise; every pixel outside their grown mattes is
the approved file's own, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.comp.composite import untouched_digest
from composer.comp.layer import F32, Frame
from composer.deliver.deep import deep_image
from composer.deliver.exr import Slate, parts_of
from composer.deliver.merge import merge_deep, merge_parts
from composer.guides.passes import Samples
from composer.inference.bind import bind
from composer.inference.conditions import Brief, Change, Sight, change_of, request_of
from composer.inference.reach import paint_mask, reach_of
from composer.inference.rebind import rebound
from composer.inference.record import PaintRecord
from composer.inference.request import Painting, PaintRequest
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.exr_deep import DeepImage
from composer.io.exr_deep_read import read_deep_exr
from composer.io.files import atomic_write, sha256_bytes
from composer.io.window import Window
from composer.render.look import Inputs, Look, Scene, Stopwatch, finish, look_at
from composer.render.manifest import FrameRecord
from composer.render.paint import Painter, reported

Bools = NDArray[np.bool_]
#: What stands in a frame only because coverage did, so that nobody's place is lost.
LEAST = np.float32(2.0**-14)


@dataclass(frozen=True)
class Reroll:
    """approved: the folder of the version that is kept; records: its frames. agents: uint32 [K], ascending, whom to paint
    anew. version: what the new one is called. seed: of the new noise."""

    approved: Path
    records: dict[int, FrameRecord]
    agents: NDArray[np.uint32]
    names: tuple[str, ...]
    version: str
    seed: int

    def told(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "parent": self.approved.name,
            "agents": self.agents.tolist(),
            "names": list(self.names),
            "seed": self.seed,
        }

    def key(self, own: str, number: int) -> str:
        """Digest of all that a frame's files are made from: `own`, that of painting it, and the approved files."""
        return sha256_bytes(json.dumps([own, dict(self.records[number].files), self.told()], sort_keys=True).encode())

    def begin(self, delivery: Path) -> None:
        """Leave word in the new version's folder of what it is, so that a run that was stopped goes on."""
        with atomic_write(word_path(delivery)) as temporary:
            temporary.write_text(json.dumps(self.told(), indent=1) + "\n")

    def file(self, number: int, kind: str) -> Path | None:
        """The approved 'exr' or 'deep' file of a frame."""
        named = [n for n in self.records[number].files if n.startswith(f"{kind}/")]
        return self.approved / named[0] if named else None


def word_path(delivery: Path) -> Path:
    return delivery / ".muster" / "reroll.json"


@dataclass(frozen=True)
class Rerolled:
    """frame: the picture with the soldiers in it, true only where `inside`, bool [H, W]. parts, deep: as they are
    written."""

    frame: Frame
    inside: Bools
    parts: list[ExrPart]
    deep: DeepImage | None


def reroll_frame(scene: Scene, inputs: Inputs, reroll: Reroll, slate: Slate, watch: Stopwatch) -> Rerolled:
    """One frame of the new version."""
    assert scene.painter is not None
    look = look_at(scene, inputs, watch)
    approved = reroll.file(look.number, "exr")
    assert approved is not None
    old = list(read_exr_parts(approved))
    watch.lap("approved")
    frame, inside = _painted_anew(scene, look, reroll, old, watch)
    parts = merge_parts(old, parts_of(frame, slate, scene.people.names), inside)
    digest = _untouched(parts, inside.shape)
    deep = None
    if slate.deep and (path := reroll.file(look.number, "deep")) is not None:
        h, w = inside.shape
        new = deep_image(frame.guides.samples, (w, h), frame.delivery_from_working)
        deep = merge_deep(read_deep_exr(path), new, inside)
    watch.lap("merge")
    return Rerolled(replace(frame, untouched_sha256=digest), inside, parts, deep)


def _painted_anew(
    scene: Scene, look: Look, reroll: Reroll, old: Sequence[ExrPart], watch: Stopwatch
) -> tuple[Frame, Bools]:  # fmt: skip
    """The frame with the soldiers painted anew, and where: nowhere if none of them is seen in it."""
    assert scene.painter is not None
    painter, brief = scene.painter, scene.painter.plan.brief
    who = seen(look.guides.samples, reroll.agents).reshape(look.guides.coverage.shape)
    sight = look.sight(brief.grow_px)
    matte = grown_matte(look, who, reroll_grow_px(painter))
    record = replace(painter.plan.record(), reroll=reroll.told(), frames=(look.number,))
    change = change_of(sight, brief)
    change = Change(change.mask * matte, change.strength)
    inside = (change.mask > 0) & (change.strength > 0)
    if sight.reach is None or not inside.any():
        return finish(look, look.guides, replace(record, notes=("none of them is seen",)), watch), inside & False
    crowd, picture = (_over(old, n, c, inside.shape) for n, c in (("crowd", "RGBA"), ("rgba", "RGB")))
    kept = replace(sight, guide=np.where(inside[..., None], sight.guide, look.working(picture)).astype(np.float32))
    request = _request(scene, look, kept, brief, change, reroll.seed)

    def paint() -> tuple[Painting, PaintRecord]:
        painting = painter.ask(request)
        return painting, reported(record, painting)

    painting, record = painter.agreed(paint)
    watch.lap("paint")
    painted = brief.range.decode(painting.rgb[0], kept.guide)
    bound = bind(painted, sight, change, painter.plan.edge_px, brief.range)
    cut, share = sight.reach.cut, change.mask[sight.reach.cut]
    light = _mixed(look.working(crowd[..., :3])[cut], bound.guides.beauty[cut], share[..., None])
    alpha = _mixed(crowd[..., 3][cut], bound.guides.coverage[cut], share)
    alpha = np.where(look.guides.coverage[cut] > 0, np.maximum(alpha, LEAST), alpha)
    guides = rebound(look.guides, sight.reach, light, alpha.astype(np.float32))
    record = replace(record, adherence=bound.adherence, guide_adherence=bound.guide_adherence)
    return finish(look, guides, record, watch), inside


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


def _over(parts: Sequence[ExrPart], name: str, channels: str, shape: tuple[int, int]) -> F32:
    """A part of a file over the whole picture, float32 [H, W, C]; 0 where it is not."""
    out = np.zeros((*shape, len(channels)), np.float32)
    part = next((p for p in parts if p.name == name), None)
    if part is not None:
        cut = (part.window or Window(0, 0, shape[1], shape[0])).slices(Window(0, 0, shape[1], shape[0]))
        for i, channel in enumerate(channels):
            out[(*cut, i)] = part.channels[channel]
    return out


def _untouched(parts: Sequence[ExrPart], shape: tuple[int, int]) -> str:
    """Digest of the plate's pixels as the merged file has them."""
    touched = np.zeros(shape, bool)
    for name in ("crowd", "shadow", "environment", "air", "ground"):
        touched |= _over(parts, name, "A", shape)[..., 0] > 0
    return untouched_digest(_over(parts, "rgba", "RGB", shape).astype(np.float16), touched)
