"""The shot through its own camera, as the layout tools show it: the composite, who is where in it, regions drawn on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.comp.layer import Frame
from composer.deliver.proxy import to_display
from composer.environment.land import Land, land_of
from composer.guides.ground import ground_depth
from composer.render.frame import Scene, read_inputs, render_frame
from composer.review.paper import INK, MARK, PAPER, region_rgb
from composer.review.plan import Plan

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
_EDGE_M, _MOST_PIECES = 0.5, 4000
#: A name is written over soldiers at least this high in the picture.
_NAMED_PX = 70.0


@dataclass(frozen=True)
class Through:
    """display: uint8 [h, w, 3], the composite at square pixels. agent_id: uint32 [H, W], plate pixels. head_px: float64
    [N, 2] and height_px: float64 [N], of those in `ids` (uint32 [N]) in plate pixels. ground_m: float32 [H, W]."""

    frame: int
    display: U8
    agent_id: NDArray[np.uint32]
    ids: NDArray[np.uint32]
    head_px: F64
    height_px: F64
    ground_m: NDArray[np.float32]


def look_through(scene: Scene, number: int, width_px: int) -> Through:
    """Render one frame for looking at."""
    stage = scene.stage
    made: Frame = render_frame(scene, read_inputs(stage, number))
    plate, color, shot = stage.plate, stage.color, stage.shot
    view = shot.color.view or color.natural_view(plate.colorspace, shot.color.display)
    display = color.display_view(shot.color.display, view)[0]
    rgb = made.composite.astype(np.float32)
    picture = to_display(
        rgb, plate.delivery_colorspace, plate.pixel_aspect, color, width_px, display, view, exact=False
    )
    guides = made.guides
    joints = guides.pose_px.astype(np.float64)
    front = joints[..., 2] > 0
    high = np.where(front, joints[..., 1], np.inf).min(axis=1, initial=np.inf)
    low = np.where(front, joints[..., 1], -np.inf).max(axis=1, initial=-np.inf)
    head = np.stack([np.where(front[:, 0], joints[:, 0, 0], np.nan), high], axis=1)
    seen = guides.pose_visible.sum(axis=1) >= 3
    land, view = land_of(stage), stage.camera.view(number)
    parts = (land.ground, *land.hills) if isinstance(land, Land) else (stage.ground,)
    ground = np.minimum.reduce([ground_depth(part, view) for part in parts])
    return Through(number, picture, guides.agent_id, guides.pose_agent[seen], head[seen], (low - high)[seen], ground)


def drawn_over(scene: Scene, plan: Plan, seen: Through, width_px: int, selected: Sequence[str] = ()) -> U8:
    """The display picture, at least `width_px` wide, with region outlines and names, uint8 [h, w, 3]."""
    h, w = seen.display.shape[:2]
    h, w = (round(h * width_px / w), width_px) if w < width_px else (h, w)
    plate_w, plate_h = scene.stage.camera.size_px
    scale = np.array([w / plate_w, h / plate_h])
    page = Image.fromarray(seen.display).resize((w, h), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(page, "RGBA")
    for region in plan.regions:
        pieces = (p for line in region.lines_m for p in outline_px(scene, plan.frame, seen.ground_m, line))
        for a, b, hidden in pieces:
            colour = tuple(min(255, c + 40) for c in region_rgb(plan, region.spec.side))
            pen.line(
                [tuple(a * scale), tuple(b * scale)], fill=(*colour, 70 if hidden else 235), width=max(1, w // 640)
            )
    _names(pen, plan, seen, scale, (w, h), selected)
    return np.asarray(page)


def outline_px(scene: Scene, frame: int, ground_m: NDArray[np.float32], line_m: F64) -> list[tuple[F64, F64, bool]]:
    """A line on the ground as pieces in the picture: (from, to, behind a hill), plate pixels."""
    if len(line_m) < 2:
        return []
    pieces = []
    for a, b in pairwise(line_m):
        count = min(_MOST_PIECES, max(2, int(np.linalg.norm(b - a) / _EDGE_M)))
        pieces.append(a + (b - a) * np.linspace(0, 1, count, endpoint=False)[:, None])
    line = np.concatenate([*pieces, line_m[-1:]])
    stage = scene.stage
    height = np.asarray(land_of(stage).height_m(line[:, 0], line[:, 1]), np.float64)
    px, depth = stage.camera.view(frame).project(np.stack([line[:, 0], height, line[:, 1]], axis=1))
    h, w = ground_m.shape
    good = np.isfinite(px).all(axis=1) & (np.abs(px) < 8 * max(w, h)).all(axis=1)
    x = np.clip(np.nan_to_num(px[:, 0]), 0, w - 1).astype(int)
    y = np.clip(np.nan_to_num(px[:, 1]), 0, h - 1).astype(int)
    hidden = depth > ground_m[y, x] * 1.03 + 0.3
    ends = zip(range(len(line) - 1), range(1, len(line)), strict=True)
    return [(px[i], px[j], bool(hidden[i] | hidden[j])) for i, j in ends if good[i] and good[j]]


def _names(
    pen: ImageDraw.ImageDraw, plan: Plan, seen: Through, scale: F64, size: tuple[int, int], selected: Sequence[str]
) -> None:
    """Over their heads: those chosen, those directed, and whoever is large; the nearest first."""
    w = size[0]
    text = max(11, w // 90)
    font = ImageFont.load_default(text)
    name_of = dict(zip(plan.agent_id.tolist(), plan.names, strict=True))
    marked = set(plan.agent_id[plan.directed].tolist()) | {i for i, n in name_of.items() if n in set(selected)}
    taken: list[tuple[float, float, float, float]] = []
    order = sorted(range(len(seen.ids)), key=lambda k: (int(seen.ids[k]) not in marked, -seen.height_px[k]))
    for k in order:
        agent, tall = int(seen.ids[k]), seen.height_px[k] * scale[1]
        if agent not in name_of or not np.isfinite(seen.head_px[k]).all() or (agent not in marked and tall < _NAMED_PX):
            continue
        x, y = seen.head_px[k] * scale
        at = (x, max(y - 0.6 * text, text))
        box = pen.textbbox(at, name_of[agent], font=font, anchor="ms")
        box = (box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2)
        if (
            box[0] < 0
            or box[2] > w
            or any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
        ):
            continue
        taken.append(box)
        pen.rounded_rectangle(box, 3, fill=(*PAPER, 165))
        pen.text(at, name_of[agent], font=font, anchor="ms", fill=MARK if agent in marked else INK)
