"""A re-roll where the plate's look is on the approved crowd: its file has the crowd graded, blurred and with grain, so the crowd
as it was painted is painted again, and the new soldier goes into that before the look."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.comp.composite import Composite
from composer.comp.layer import F32
from composer.errors import MachineError, Where
from composer.guides.passes import GuidePasses
from composer.io.exr import ExrPart
from composer.render.look import Look, Scene
from composer.render.merged import over_picture
from composer.render.roll import Kept, Roll, rolled, room_of

Bools = NDArray[np.bool_]
#: A half float apart, and a little: less than this is not seen.
APART = 2e-3
#: Share of the crowd's pixels that may come out otherwise, for a machine that rounds otherwise.
OTHERWISE = 0.005


def rolls_of(version: Path) -> tuple[Roll, ...]:
    """The rolls that were made before this version was what it is, the first one first."""
    try:
        word = json.loads((version / ".muster" / "reroll.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    own = Roll(np.array(word["agents"], np.uint32), int(word["seed"]), word)
    return (*rolls_of(version.parent / str(word["parent"])), own)


def painted_before(scene: Scene, look: Look, rolls: tuple[Roll, ...]) -> GuidePasses:
    """The approved crowd as it was painted, without the look, and these rolls one into the other: the same noise paints the
    same picture."""
    if not rolls:
        assert scene.painter is not None
        return scene.painter.paint(scene, look).guides
    *before, last = rolls
    guides, room = painted_before(scene, look, tuple(before)), room_of(scene, look, last.agents)
    if room.empty:
        return guides
    return rolled(scene, look, Kept.of(look, guides), room, last, kept_before(scene, tuple(before)))[0]


def kept_before(scene: Scene, rolls: tuple[Roll, ...]) -> Callable[[Look], Kept]:
    """What the roll after these is painted into, of any frame."""
    return lambda look: Kept.of(look, painted_before(scene, look, rolls))


def check_same(made: Composite, old: Sequence[ExrPart], file: Path, number: int) -> None:
    """MachineError unless what was painted again is what the approved file shows."""
    picture = over_picture(old, "rgba", "RGB", made.touched.shape)
    differs = apart(made.rgb.astype(np.float32), picture)
    if np.count_nonzero(differs) > OTHERWISE * max(np.count_nonzero(made.touched), 1):
        raise MachineError(
            "the approved painting does not come out again as it was",
            where=Where(file=file, frame=number),
            expected="the same picture from the same noise",
            got=f"{np.count_nonzero(differs):,} other pixels",
            hint="re-roll where it was painted, with the same paint and match in the shot; or render the shot again with another "
            "paint.seed",
        )


def changed(before: Composite, after: Composite, inside: Bools, spread_px: int) -> Bools:
    """bool [H, W]: where the new soldier is, and where the look spreads him to. inside: where he was painted."""
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * spread_px + 1, 2 * spread_px + 1))
    reach = cv2.dilate(inside.astype(np.uint8), wide).astype(bool)
    differs = apart(before.rgb.astype(np.float32), after.rgb.astype(np.float32))
    for old, new in zip(before.layers, after.layers, strict=True):
        differs |= apart(old.rgba.astype(np.float32), new.rgba.astype(np.float32))
    return inside | (reach & differs)


def apart(one: F32, other: F32) -> Bools:
    """bool [H, W]: where two pictures can be told apart."""
    with np.errstate(invalid="ignore"):
        same = np.abs(one - other) <= APART * (np.abs(one) + 0.05)
    return ~(same | ((one == other) | (np.isnan(one) & np.isnan(other)))).all(axis=-1)
