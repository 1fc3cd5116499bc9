"""Measures of single pixels: the untouched plate, odd values, levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from composer.comp.composite import untouched_digest
from composer.io.exr import ExrPart
from composer.io.window import Window
from composer.qc.frames import F32, Delivered, eroded, luminance
from composer.qc.reading import Reading

HALF_MAX = 65504.0
#: A generated channel below this is negative; the grain of a plate goes a little below 0 around black, and may.
NEGATIVE = -0.01
#: Levels are read at these shares of the pixels, in percent, where there are enough of them.
BLACK, WHITE, ENOUGH = 0.5, 99.5, 2000
_TINY = 2.0**-14


def half_of(plate: F32) -> np.ndarray:
    """The plate as a delivery stores it: half float, finite overflow clipped."""
    with np.errstate(over="ignore"):
        half = plate.astype(np.float16)
    over = np.isinf(half) & np.isfinite(plate)
    half[over] = np.copysign(HALF_MAX, plate[over])
    return half


def untouched_readings(
    frame: Delivered, plate: F32 | None, beside: Callable[[], Mapping[int, F32]] | None = None,
    undelivered: Sequence[str] = (),
) -> Iterator[Reading]:  # fmt: skip
    """Pixels outside the touched region that do not have the plate's bits.

    plate: float32 [H, W, 3], in the delivery space; None where it cannot be read again: the header's digest stands for it
    then. beside: gives plates of other frames, asked for where this one is wrong. undelivered: layers that are in the picture
    and in no part: where the bits are not the plate's, nobody can say whether one of those is there."""
    unknown = f"drawn but not among the parts: {', '.join(undelivered)}"
    if plate is None:
        header = str(frame.head.get("muster:untouched_sha256", ""))
        differs = 0.0 if untouched_digest(frame.rgb, frame.touched) == header else 1.0
        told = undelivered and differs
        yield Reading("untouched_digest", frame.number, None if told else differs, unknown if told else "")
        return
    if plate.shape != frame.rgb.shape:
        why = f"the plate is {plate.shape[1]} x {plate.shape[0]}, the frame {frame.size_px[0]} x {frame.size_px[1]}"
        yield Reading("untouched_px", frame.number, float(plate.shape[0] * plate.shape[1]), detail=why)
        return
    other = _differs(frame, plate)
    count = int(other.sum())
    if count and undelivered:
        yield Reading("untouched_px", frame.number, None, unknown)
        return
    at, detail = None, ""
    if count:
        rows, columns = np.nonzero(other)
        middle = len(rows) // 2
        at = (int(columns[middle]), int(rows[middle]))
        gap = np.abs(frame.light - luminance(plate))[other].max()
        detail = f"largest difference {gap:.4g}"
        shown = [
            n
            for n, p in (beside() if beside else {}).items()
            if p.shape == plate.shape and not _differs(frame, p).any()
        ]
        if shown:
            detail = f"it shows the plate of frame {shown[0]}"
    yield Reading("untouched_px", frame.number, float(count), at=at, detail=detail)


def _differs(frame: Delivered, plate: F32) -> np.ndarray:
    """bool [H, W]: untouched, and not the plate's bits."""
    return (frame.rgb.view(np.uint16) != half_of(plate).view(np.uint16)).any(axis=-1) & ~frame.touched


def range_readings(frame: Delivered) -> Iterator[Reading]:
    """Lowest and highest value of the composite; a preset may have limits on them."""
    finite = frame.rgb[np.isfinite(frame.rgb)]
    for name, pick in (("lowest_value", np.min), ("highest_value", np.max)):
        value = float(pick(finite)) if len(finite) else None
        yield Reading(name, frame.number, value, "" if len(finite) else "no finite value")


def odd_readings(frame: Delivered) -> Iterator[Reading]:
    """Values that are not finite, where Muster made the pixel, and negative ones among the generated."""
    width, height = frame.size_px
    odd = np.zeros((height, width), bool)
    parts = [name for name, part in frame.parts.items() if _add_odd(frame, name, part, odd)]
    at = None
    if parts:
        rows, columns = np.nonzero(odd)
        at = (int(columns[0]), int(rows[0]))
    detail = f"in {', '.join(parts)}" if parts else ""
    yield Reading("nonfinite_px", frame.number, float(odd.sum()), at=at, detail=detail)
    covered = frame.generated[..., 3] > 0
    if not covered.any():
        yield Reading("negative_share", frame.number, None, "nothing generated in the frame")
        return
    # the layers' sum: their colours share a pixel by coverage, so a negative one shows in it or is nothing to see
    low = (frame.generated[..., :3] < NEGATIVE).any(axis=-1) & covered
    low |= (frame.rgb < NEGATIVE).any(axis=-1) & frame.solid
    yield Reading("negative_share", frame.number, float(low.sum()) / float(covered.sum()))


#: Parts that are infinite where nothing stands.
DEPTHS = ("depth", "environment_depth")


def _add_odd(frame: Delivered, name: str, part: ExrPart, odd: np.ndarray) -> bool:
    """Marks where a part holds what it must not; whether it does. Depth is infinite where nobody is, ids are bits and no
    numbers, and what the plate itself holds is the plate's."""
    height, width = odd.shape
    whole = Window(0, 0, width, height)
    window = part.window or whole
    shared = window.intersect(whole)
    found = False
    for channel, values in part.channels.items():
        if shared is None or (name.startswith("crypto") and channel in "RB") or values.dtype.kind != "f":
            continue
        wrong = np.isnan(values) if name in DEPTHS else _not_finite(values)
        if not wrong.any():
            continue
        here = wrong[shared.slices(window)]
        if name == "rgba":
            here = here & frame.touched[shared.slices(whole)]
        odd[shared.slices(whole)] |= here
        found |= bool(here.any())
    return found


def _not_finite(values: np.ndarray) -> np.ndarray:
    """As ~np.isfinite, which is slow for halves."""
    if values.dtype != np.float16:
        return ~np.isfinite(values)
    return (values.view(np.uint16) & np.uint16(0x7C00)) == np.uint16(0x7C00)


def level_readings(frame: Delivered) -> Iterator[Reading]:
    """Black and white of the generated pixels against those of the plate, in stops."""
    light = frame.light
    made, plate = light[eroded(frame.solid, 1)], light[~frame.touched]
    if min(len(made), len(plate)) < ENOUGH:
        why = f"fewer than {ENOUGH} pixels that are wholly generated, or the plate's"
        yield from (Reading(name, frame.number, None, why) for name in ("black_stops", "white_stops"))
        return
    for name, share in (("black_stops", BLACK), ("white_stops", WHITE)):
        ours, theirs = (float(np.percentile(v, share)) for v in (made, plate))
        stops = float(np.log2(max(ours, _TINY) / max(theirs, _TINY)))
        yield Reading(name, frame.number, stops, detail=f"generated {ours:.4g}, plate {theirs:.4g}")
