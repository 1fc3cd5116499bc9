"""`muster layout`: one picture with the plan from above, the camera's own view, and what the colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.errors import InputError, Where
from composer.io.files import atomic_write
from composer.render.frame import Scene
from composer.review.paper import FAINT, INK, MARK, PAPER, picture_extent, top_view
from composer.review.plan import Plan, plan_of, relief
from composer.review.through import drawn_over, look_through

U8 = NDArray[np.uint8]
_RELIEF_PX = 420


def layout_picture(scene: Scene, frame: int, width_px: int = 2400, selected: Sequence[str] = ()) -> U8:
    """The whole picture, uint8 [h, w, 3]. selected: soldiers to mark by name. Raises InputError for those unknown."""
    plan = plan_of(scene.stage, scene.people, frame)
    unknown = [n for n in selected if n not in set(plan.names)]
    if unknown:
        raise InputError("no such soldier", where=Where(field="--select"), got=", ".join(unknown))
    gap = width_px // 120
    room = width_px - 3 * gap
    left = _left_share(plan, scene.stage.camera.size_px, room)
    right = room - left
    seen = drawn_over(scene, plan, look_through(scene, frame, right), right, selected)
    seen_h = round(seen.shape[0] * right / seen.shape[1])
    legend = _legend(scene, plan, right, gap)
    x0, z0, x1, z1 = plan.extent_m
    head = 4 * gap
    height = int(max(seen_h + legend.shape[0] + gap, min(left * (z1 - z0) / (x1 - x0), 1.25 * left)))
    above = top_view(plan, (left, height), _shade(scene, plan, (left, height)), selected)
    page = Image.new("RGB", (width_px, head + height + gap), PAPER)
    page.paste(Image.fromarray(above), (gap, head))
    page.paste(Image.fromarray(seen).resize((right, seen_h)), (left + 2 * gap, head))
    page.paste(Image.fromarray(legend), (left + 2 * gap, head + seen_h + gap))
    pen = ImageDraw.Draw(page)
    shot = scene.stage.shot
    pen.text((gap, head / 2), f"{shot.shot}  {shot.version}", font=_font(width_px, 1.6), fill=INK, anchor="lm")
    told = f"frame {frame}     {len(plan.names):,} soldiers     layout, seen from above and through the camera"
    pen.text((width_px - gap, head / 2), told, font=_font(width_px, 1.1), fill=FAINT, anchor="rm")
    return np.asarray(page)


def write_picture(target: Path, picture: U8) -> None:
    """As PNG, whole or not at all."""
    with atomic_write(target) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def _left_share(plan: Plan, plate_px: tuple[int, int], room: int) -> int:
    """How wide the plan is, so that it is about as high as the camera's view with the legend under it."""
    x0, z0, x1, z1 = plan.extent_m
    tall, wide = (z1 - z0) / (x1 - x0), plate_px[1] / plate_px[0]
    return int(np.clip((room * wide + 0.14 * room) / (tall + wide), 0.3 * room, 0.58 * room))


def _shade(scene: Scene, plan: Plan, size: tuple[int, int]) -> NDArray[np.float64] | None:
    width = _RELIEF_PX
    return relief(scene.stage, picture_extent(plan, size), width, max(2, round(width * size[1] / size[0])))


def _font(width_px: int, times: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(11, round(width_px / 130 * times)))


def _legend(scene: Scene, plan: Plan, width: int, gap: int) -> U8:
    """Sides and their numbers, the marks, and who is directed how."""
    text = max(11, width // 72)
    font, line = ImageFont.load_default(text), round(1.7 * text)
    entries = _entries(scene)
    rows = max(len(plan.side_names) + 4, 3 + len(entries))
    page = Image.new("RGB", (width, rows * line + 2 * gap), (30, 32, 35))
    pen = ImageDraw.Draw(page)
    x, y = gap, gap
    for name, rgb, count in zip(
        plan.side_names, plan.side_rgb, np.bincount(plan.side, minlength=len(plan.side_names)), strict=True
    ):
        pen.rounded_rectangle((x, y + 0.3 * text, x + 1.6 * text, y + 1.3 * text), 3, fill=rgb)
        pen.text((x + 2.4 * text, y + 0.8 * text), f"{name}: {int(count):,}", font=font, fill=INK, anchor="lm")
        y += line
    y += line // 3
    pen.ellipse((x + 0.3 * text, y + 0.3 * text, x + 1.3 * text, y + 1.3 * text), outline=MARK, width=2)
    pen.text((x + 2.4 * text, y + 0.8 * text), "under an override", font=font, fill=INK, anchor="lm")
    y += line
    for s in (0, 1):
        pen.line(
            (x + 0.4 * text, y + (0.4 + 0.8 * s) * text, x + 1.2 * text, y + (1.2 - 0.8 * s) * text),
            fill=FAINT,
            width=2,
        )
    pen.text((x + 2.4 * text, y + 0.8 * text), "hidden", font=font, fill=INK, anchor="lm")
    x, y = width * 2 // 5, gap
    pen.text((x, y + 0.8 * text), "overrides" if entries else "no overrides", font=font, fill=FAINT, anchor="lm")
    for entry in entries:
        y += line
        while pen.textlength(entry, font=font) > width - x - gap:
            entry = entry[:-2].rstrip("…") + "…"
        pen.text((x, y + 0.8 * text), entry, font=font, fill=INK, anchor="lm")
    return np.asarray(page)


def _entries(scene: Scene, most: int = 9) -> list[str]:
    """Each override in a few words."""
    told = []
    for spec in scene.stage.shot.overrides:
        data = spec.model_dump(exclude_none=True)
        who = spec.region or ", ".join(map(str, spec.soldier or ())) or f"pixel {list(data.pop('pixel')['at_px'])}"
        what = [f"{k} {_plain(v)}" for k, v in data.items() if k not in ("soldier", "region")]
        told.append(f"{who}: {', '.join(what)}")
    return told if len(told) <= most else [*told[: most - 1], f"and {len(told) - most + 1:,} more"]


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{v:g}" for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
