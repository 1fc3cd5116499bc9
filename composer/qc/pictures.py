"""Thumbnails for the page: frames through the display transform, and close-ups of the worst places."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from composer.color.spaces import ColorManager
from composer.deliver.sheet import Show
from composer.qc.frames import Delivered, read_delivered
from composer.qc.measures import MEASURES
from composer.qc.report import Report, with_unit

WIDE, CLOSE, AROUND = 480, 240, 96
MOST_WORST = 6
_BOX = (255, 96, 0)


@dataclass(frozen=True)
class Picture:
    """jpeg: as a data URI. what: alternative text; title and words below it."""

    title: str
    words: str
    what: str
    jpeg: str
    size_px: tuple[int, int]


def pictures_of(report: Report) -> tuple[Picture, ...]:
    """First, middle and last frame; then the worst place of each measure that fails, as far as it has one."""
    measured = report.measured
    stage = measured.source.stage
    color = stage.color if stage else ColorManager.open()
    bad = {f.frame for f in measured.findings if f.rule == "unreadable"}
    frames = [n for n in measured.frames if n not in bad]
    if not frames:
        return ()
    marks: dict[int, list[tuple[str, tuple[int, int] | None, str]]] = {}
    for verdict in report.failed[:MOST_WORST]:
        worst = verdict.worst
        if worst is not None and worst.frame in frames:
            told = f"{MEASURES[verdict.measure].title}: {with_unit(verdict.measure, worst.value)}"
            marks.setdefault(worst.frame, []).append((told, worst.at, worst.detail))
    plain = list(dict.fromkeys([frames[0], frames[len(frames) // 2], frames[-1]]))
    made: list[Picture] = []
    for number in sorted({*plain, *marks}):
        made += _of_frame(read_delivered(measured.listing.files[number], number), marks.get(number, ()), color)
    return tuple(made)


def _of_frame(
    frame: Delivered, marks: Sequence[tuple[str, tuple[int, int] | None, str]], color: ColorManager
) -> list[Picture]:
    show = Show(color, frame.head, frame.size_px)
    rgb = np.nan_to_num(frame.rgb.astype(np.float32), nan=0.0, posinf=65504.0, neginf=0.0)
    shown = Image.fromarray(show.colour(rgb, min(WIDE, frame.size_px[0])))
    scale = shown.width / frame.size_px[0], shown.height / frame.size_px[1]
    places = [at for _, at, _ in marks if at is not None]
    pen = ImageDraw.Draw(shown)
    for x, y in places:
        half = AROUND / 2
        box = [(x - half) * scale[0], (y - half) * scale[1], (x + half) * scale[0], (y + half) * scale[1]]
        pen.rectangle(box, outline=_BOX, width=2)
    words = "; ".join(told for told, _, _ in marks) or "the composite, through the display transform"
    marked = f", {len(places)} places marked" if places else ""
    made = [_picture(f"Frame {frame.number}", words, f"Composite of frame {frame.number}{marked}", shown)]
    for told, at, detail in marks:
        if at is not None:
            close = Image.fromarray(show.colour(_around(rgb, at), AROUND)).resize(
                (CLOSE, CLOSE), Image.Resampling.NEAREST
            )
            where = f"x {at[0]}, y {at[1]}; {detail}".rstrip("; ")
            made.append(
                _picture(told, f"frame {frame.number}, {where}", f"Close-up of frame {frame.number}: {told}", close)
            )
    return made


def _around(rgb: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """`AROUND` pixels square about a place, the picture's edge repeated."""
    half = AROUND // 2
    rows = np.clip(np.arange(at[1] - half, at[1] + half), 0, rgb.shape[0] - 1)
    columns = np.clip(np.arange(at[0] - half, at[0] + half), 0, rgb.shape[1] - 1)
    return np.ascontiguousarray(rgb[np.ix_(rows, columns)])


def _picture(title: str, words: str, what: str, picture: Image.Image) -> Picture:
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=88, subsampling=0)
    uri = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return Picture(title, words, what, uri, picture.size)
