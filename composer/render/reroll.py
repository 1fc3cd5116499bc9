"""Re-roll: a few soldiers of an approved version painted anew, with other noise; every pixel outside their grown mattes is
the approved file's own, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.comp.composite import Composite, untouched_digest
from composer.comp.layer import ELEMENTS, Frame
from composer.deliver.deep import deep_image
from composer.deliver.exr import Slate, parts_of
from composer.deliver.merge import merge_deep, merge_parts
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.exr_deep import DeepImage
from composer.io.exr_deep_read import read_deep_exr
from composer.io.files import atomic_write, sha256_bytes
from composer.render.look import Inputs, Look, Scene, Stopwatch, finish, look_at
from composer.render.manifest import FrameRecord
from composer.render.merged import over_picture
from composer.render.reroll_look import changed, check_same, kept_before, painted_before, rolls_of
from composer.render.roll import Kept, Roll, rolled, room_of

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reroll:
    """approved: the folder of the version that is kept; records: its frames, and those that are read beside them. agents: uint32
    [K], ascending, whom to paint anew. version: what the new one is called. seed: of the new noise."""

    approved: Path
    records: dict[int, FrameRecord]
    agents: NDArray[np.uint32]
    names: tuple[str, ...]
    version: str
    seed: int

    @property
    def roll(self) -> Roll:
        """What is painted."""
        return Roll(self.agents, self.seed, self.told())

    def told(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "parent": self.approved.name,
            "agents": self.agents.tolist(),
            "names": list(self.names),
            "seed": self.seed,
        }

    def key(self, own: str, number: int, beside: Sequence[int]) -> str:
        """Digest of all that a frame's files are made from: `own`, that of painting it, and the approved files, of frames beside
        it too."""
        files = [dict(self.records[n].files) for n in (number, *beside) if n in self.records]
        return sha256_bytes(json.dumps([own, *files, self.told()], sort_keys=True).encode())

    def begin(self, delivery: Path) -> None:
        """Leave word in the new version's folder of what it is, so that a run that was stopped goes on."""
        with atomic_write(word_path(delivery)) as temporary:
            temporary.write_text(json.dumps(self.told(), indent=1) + "\n")

    def file(self, number: int, kind: str) -> Path | None:
        """The approved 'exr' or 'deep' file of a frame."""
        files = self.records[number].files if number in self.records else {}
        named = [n for n in files if n.startswith(f"{kind}/")]
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
    look = scene.painter.ahead(inputs.number) or look_at(scene, inputs, watch)
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
    roll, room = reroll.roll, room_of(scene, look, reroll.agents)
    if room.empty:
        record = replace(scene.painter.plan.record(), reroll=reroll.told(), frames=(look.number,))
        return finish(look, look.guides, replace(record, notes=("none of them is seen",)), watch), room.inside & False
    if look.matching is not None:
        return _before_the_look(scene, look, reroll, old, watch)
    guides, record = rolled(scene, look, _approved(look, old), room, roll, partial(_beside, reroll))
    watch.lap("paint")
    return finish(look, guides, record, watch), room.inside


def _approved(look: Look, parts: Sequence[ExrPart]) -> Kept:
    """What an approved file shows."""
    shape = look.guides.coverage.shape
    crowd, picture = (over_picture(parts, n, c, shape) for n, c in (("crowd", "RGBA"), ("rgba", "RGB")))
    return Kept(look.working(picture), look.working(crowd[..., :3]), crowd[..., 3])


def _beside(reroll: Reroll, look: Look) -> Kept | None:
    """The same of another frame; None where it has none."""
    file = reroll.file(look.number, "exr")
    return None if file is None else _approved(look, list(read_exr_parts(file)))


def _before_the_look(
    scene: Scene, look: Look, reroll: Reroll, old: Sequence[ExrPart], watch: Stopwatch
) -> tuple[Frame, Bools]:  # fmt: skip
    """The same where the plate's look is on the approved crowd."""
    file = reroll.file(look.number, "exr")
    assert file is not None and look.matching is not None
    rolls = rolls_of(reroll.approved)
    painted = painted_before(scene, look, rolls)
    before = look.composite(painted)
    check_same(before, old, file, look.number)
    watch.lap("approved")
    room = room_of(scene, look, reroll.agents)
    guides, record = rolled(scene, look, Kept.of(look, painted), room, reroll.roll, kept_before(scene, rolls))
    watch.lap("paint")
    frame = finish(look, guides, record, watch)
    after = Composite(frame.composite, frame.layers, frame.touched, frame.untouched_sha256, ())
    return frame, changed(before, after, room.inside, look.matching.spread_px(guides))


def _untouched(parts: Sequence[ExrPart], shape: tuple[int, int]) -> str:
    """Digest of the plate's pixels as the merged file has them."""
    touched = np.zeros(shape, bool)
    for name in ELEMENTS:
        touched |= over_picture(parts, name, "A", shape)[..., 0] > 0
    return untouched_digest(over_picture(parts, "rgba", "RGB", shape).astype(np.float16), touched)
