"""Measures of what a model painted: seams where tiles met, and how far it kept to its guides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from composer.inference.seams import borders_of, both_inside, seam_measure
from composer.inference.window import Axis
from composer.qc.frames import Delivered, eroded
from composer.qc.reading import Reading

#: So many steps across tile borders must lie within the painted crowd.
ENOUGH = 400
FLOOR = 2.0**-7


def painted_readings(frame: Delivered, paint: Mapping[str, object] | None) -> Iterator[Reading]:
    """paint: as the frame's record has it; None where nothing was painted."""
    if not paint:
        yield from (Reading(name, frame.number, None, "nothing was painted") for name in ("seam", "adherence"))
        return
    yield _seam(frame, paint.get("tiles"))
    kept = silhouette_kept(paint)
    if kept is not None:
        yield Reading("adherence", frame.number, kept)
    else:
        yield Reading("adherence", frame.number, None, "no figure tall enough to say")


def silhouette_kept(paint: Mapping[str, object]) -> float | None:
    """How much of the flat guide's own agreement with the silhouettes the painting keeps, at most 1. Soldiers in the colours
    of the field behind them can be told from it in neither."""
    own, guide = paint.get("adherence"), paint.get("guide_adherence")
    if not isinstance(own, int | float):
        return None
    return min(1.0, own / guide) if isinstance(guide, int | float) and guide > 0 else float(own)


def _seam(frame: Delivered, tiles: object) -> Reading:
    """Roughness across tile borders over that of lines between them, in the generated pixels alone, in stops."""
    axes = axes_of(tiles)
    if axes is None:
        return Reading("seam", frame.number, None, "the record does not say where its tiles lay")
    factor = 2 ** round(math.log2(frame.size_px[0] / axes[1].length))
    rows, columns = (borders_of(axis, factor) for axis in axes)
    inside = eroded(frame.solid, 1)
    count = 0
    for axis, places in ((0, rows), (1, columns)):
        both = both_inside(inside, axis).sum(1 - axis)
        count += int(sum(both[b - 1] for b in places if 0 < b < frame.solid.shape[axis]))
    if not len(rows) and not len(columns):
        return Reading("seam", frame.number, None, "one tile holds the whole picture")
    if count < ENOUGH:
        return Reading("seam", frame.number, None, f"fewer than {ENOUGH} steps across tile borders within the crowd")
    stops = np.log2(np.maximum(frame.light, 0) + FLOOR)
    tile = (axes[0].tile * factor, axes[1].tile * factor)
    value = seam_measure(stops, rows, columns, tile, inside)
    return Reading("seam", frame.number, value, detail=f"{count} steps across {len(rows)} + {len(columns)} borders")


def axes_of(tiles: object) -> tuple[Axis, Axis] | None:
    """(rows, columns) of the tile plan, out of a frame's record; None where it does not tell."""
    if not isinstance(tiles, Mapping):
        return None
    try:
        lengths = [int(n) for n in str(tiles["canvas"]).split("x")]
        sides = [int(n) for n in str(tiles["tile"]).split("x")[1:]]
        starts = [np.array(str(tiles[k]).split(), np.int32) for k in ("row_starts", "column_starts")]
    except (KeyError, ValueError):
        return None
    if len(lengths) != 2 or len(sides) != 2 or min(lengths + sides) < 1 or min(map(len, starts)) < 1:
        return None
    none = np.zeros((0, 0), np.float32)
    rows, columns = (Axis(n, t, s, none) for n, t, s in zip(lengths, sides, starts, strict=True))
    return rows, columns
