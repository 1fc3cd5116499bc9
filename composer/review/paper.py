"""A plan on paper: the top view as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.review.plan import Plan, Rgb

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

#: Ink on dark paper.
PAPER, GROUND, GRID, FAINT, INK = (22, 23, 26), (40, 43, 46), (58, 62, 66), (146, 151, 156), (232, 234, 236)
SIGHT, CAMERA, MARK = (250, 214, 110), (250, 214, 110), (255, 255, 255)
_SUPER = 2
_SHOULDERS_M = 0.55


@dataclass(frozen=True)
class Scale:
    """World (x, z) to picture pixels: -Z is up the page."""

    x0: float
    z0: float
    per_m: float
    left: float
    top: float

    def px(self, points_m: F64) -> F64:
        """float64 [..., 2]."""
        return (np.asarray(points_m, np.float64) - (self.x0, self.z0)) * self.per_m + (self.left, self.top)


def fitted(extent_m: tuple[float, float, float, float], size_px: tuple[int, int]) -> Scale:
    """The extent as large as the picture allows, in its middle."""
    x0, z0, x1, z1 = extent_m
    w, h = size_px
    per_m = min(w / (x1 - x0), h / (z1 - z0))
    return Scale(x0, z0, per_m, (w - (x1 - x0) * per_m) / 2, (h - (z1 - z0) * per_m) / 2)


def top_view(plan: Plan, size_px: tuple[int, int], shade: F64 | None, selected: Sequence[str] = ()) -> U8:
    """The plan from above, uint8 [h, w, 3]. shade: of the ground over the whole picture, as from `relief`."""
    w, h = (s * _SUPER for s in size_px)
    scale = fitted(plan.extent_m, (w, h))
    page = Image.fromarray(_ground(shade, (w, h)))
    pen = ImageDraw.Draw(page, "RGBA")
    step = _grid(pen, scale, (w, h))
    _sight(pen, plan, scale)
    _paint(page, plan, scale)
    _regions(pen, plan, scale)
    _soldiers(pen, plan, scale, selected)
    page = page.resize(size_px, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(page, "RGBA")
    small = Scale(scale.x0, scale.z0, scale.per_m / _SUPER, scale.left / _SUPER, scale.top / _SUPER)
    _words(pen, plan, small, size_px, step, selected)
    return np.asarray(page)


def picture_extent(plan: Plan, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
    """What ground the whole picture shows, (x0, z0, x1, z1)."""
    s = fitted(plan.extent_m, size_px)
    x0, z0 = s.x0 - s.left / s.per_m, s.z0 - s.top / s.per_m
    return x0, z0, x0 + size_px[0] / s.per_m, z0 + size_px[1] / s.per_m


def round_step(per_m: float, least_px: float) -> float:
    """The smallest of 1, 2, 5, 10, ... metres that is at least so many pixels wide."""
    metres = least_px / per_m
    power = 10 ** math.floor(math.log10(metres))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= metres * (1 - 1e-9))


def _ground(shade: F64 | None, size: tuple[int, int]) -> U8:
    w, h = size
    flat = np.empty((h, w, 3), np.uint8)
    flat[:] = GROUND
    if shade is None:
        return flat
    import cv2

    large = cv2.resize(np.nan_to_num(shade, nan=-1.0).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    lit = np.array(GROUND) * (0.45 + 1.1 * large[..., None].clip(0, 1))
    bare = np.array(PAPER, np.float64)
    return np.where(large[..., None] < -0.01, bare, lit).clip(0, 255).astype(np.uint8)


def _grid(pen: ImageDraw.ImageDraw, scale: Scale, size: tuple[int, int]) -> float:
    """Metre lines over the whole picture; returns their step."""
    w, h = size
    step = round_step(scale.per_m, 70 * _SUPER)
    for axis, length in ((0, w), (1, h)):
        start, offset = (scale.x0, scale.left) if axis == 0 else (scale.z0, scale.top)
        first = math.ceil((start - offset / scale.per_m) / step)
        last = math.floor((start + (length - offset) / scale.per_m) / step)
        for k in range(first, last + 1):
            at = (k * step - start) * scale.per_m + offset
            line = [(at, 0), (at, h)] if axis == 0 else [(0, at), (w, at)]
            pen.line(line, fill=(*GRID, 255 if k == 0 else 150), width=_SUPER * (2 if k == 0 else 1))
    return step


def _sight(pen: ImageDraw.ImageDraw, plan: Plan, scale: Scale) -> None:
    """The ground in the picture, and the camera with its edges of sight."""
    shown = [tuple(p) for p in scale.px(plan.sight_m)]
    if len(shown) > 2:
        pen.polygon(shown, fill=(*SIGHT, 16))
    camera = scale.px(np.array(plan.camera_m))
    if len(shown) > 2:
        ends = scale.px(plan.sight_m) - camera
        angle = np.arctan2(ends[:, 1], ends[:, 0])
        middle = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())
        off = (angle - middle + np.pi) % (2 * np.pi) - np.pi
        for i in (int(off.argmin()), int(off.argmax())):
            pen.line([tuple(camera), tuple(camera + ends[i])], fill=(*SIGHT, 170), width=_SUPER)
        u = np.array([math.cos(middle), math.sin(middle)])
        v = np.array([-u[1], u[0]])
        r = 9 * _SUPER
        pen.polygon(
            [tuple(camera + p) for p in (u * r * 1.2 - v * r * 0.8, u * r * 1.2 + v * r * 0.8, u * 0)], fill=CAMERA
        )
        pen.polygon(
            [tuple(camera + p) for p in (-u * r - v * r * 0.55, -v * r * 0.55, v * r * 0.55, -u * r + v * r * 0.55)],
            fill=CAMERA,
        )


def _regions(pen: ImageDraw.ImageDraw, plan: Plan, scale: Scale) -> None:
    for region in plan.regions:
        colour = region_rgb(plan, region.spec.side)
        for drawn in region.lines_m:
            line = [tuple(p) for p in scale.px(drawn)]
            if len(line) > 1:
                if region.key and region.closed and len(line) > 3:
                    pen.polygon(line, fill=(*colour, 34))
                pen.line(line, fill=(*colour, 235), width=round(1.5 * _SUPER), joint="curve")


def _paint(page: Image.Image, plan: Plan, scale: Scale) -> None:
    """Painted regions as a tint, twice as strong where it is at least half white; holes stay open."""
    import cv2

    for region in plan.regions:
        for rings in (region.rings, region.dense):
            if rings:
                mask = np.zeros(page.size[::-1], np.uint8)
                cv2.fillPoly(mask, [np.round(scale.px(r)).astype(np.int32) for r in rings], 38)  # even-odd
                page.paste(region_rgb(plan, region.spec.side), (0, 0), Image.fromarray(mask))


def region_rgb(plan: Plan, side: str) -> Rgb:
    return plan.side_rgb[plan.side_names.index(side)] if side in plan.side_names else FAINT


def _soldiers(pen: ImageDraw.ImageDraw, plan: Plan, scale: Scale, selected: Sequence[str]) -> None:
    """Arrow heads, as wide as shoulders or as large as can be seen; who is directed wears a ring."""
    place = scale.px(plan.place_m)
    size = max(0.5 * _SHOULDERS_M * scale.per_m, (2.6 if len(place) < 20_000 else 1.2) * _SUPER)
    turn = np.radians(plan.azimuth_deg)
    ahead = np.stack([np.sin(turn), -np.cos(turn)], -1) * size
    right = np.stack([-ahead[:, 1], ahead[:, 0]], -1)
    shape = [place + 1.5 * ahead, place - ahead + 0.95 * right, place - 0.45 * ahead, place - ahead - 0.95 * right]
    corners = np.stack(shape, axis=1)
    tints = [tuple(min(255, round(c * 0.85 + 46)) for c in rgb) for rgb in plan.side_rgb]
    for i in np.flatnonzero(np.isfinite(corners).all(axis=(1, 2))).tolist():
        pen.polygon([tuple(p) for p in corners[i].tolist()], fill=tints[plan.side[i]])
    ring = 2.1 * size + 2 * _SUPER
    chosen = set(selected)
    for i in np.flatnonzero(plan.directed | np.isin(plan.names, list(chosen))).tolist():
        x, y = place[i]
        pen.ellipse([x - ring, y - ring, x + ring, y + ring], outline=MARK, width=_SUPER)
    for _, at in plan.hidden:
        x, y = scale.px(np.array(at))
        r = max(size, 3 * _SUPER)
        for s in (1, -1):
            pen.line([(x - r, y - s * r), (x + r, y + s * r)], fill=(*FAINT, 255), width=_SUPER)


def _words(
    pen: ImageDraw.ImageDraw, plan: Plan, scale: Scale, size: tuple[int, int], step: float, selected: Sequence[str]
) -> None:
    """Names, metres, the way to -Z, the bar of the scale. No two words lie over each other."""
    w, h = size
    text = max(11, w // 85)
    taken: list[tuple[float, float, float, float]] = []
    font = ImageFont.load_default(text)

    def write(at: tuple[float, float], word: str, colour: Rgb, anchor: str = "mm", must: bool = False) -> None:
        box = pen.textbbox(at, word, font=font, anchor=anchor)
        box = (box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2)
        free = not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= w and box[3] <= h
        if must or (free and inside):
            taken.append(box)
            pen.rounded_rectangle(box, 3, fill=(*PAPER, 150))
            pen.text(at, word, font=font, anchor=anchor, fill=colour)

    bar = round_step(scale.per_m, w * 0.12)
    x1, y1 = w - text, h - text
    x0 = x1 - bar * scale.per_m
    taken.append((x0 - 6, y1 - 3.2 * text, w, h))
    pen.rounded_rectangle((x0 - 8, y1 - 2.4 * text, x1 + 8, y1 + 8), 4, fill=(*PAPER, 190))
    pen.line([(x0, y1 - 5), (x0, y1), (x1, y1), (x1, y1 - 5)], fill=INK, width=2)
    pen.text(((x0 + x1) / 2, y1 - 0.5 * text), f"{bar:g} m", font=font, anchor="ms", fill=INK)
    nx, ny = w - 2 * text, 3.4 * text
    pen.polygon([(nx, ny - 2.2 * text), (nx + 0.6 * text, ny), (nx, ny - 0.5 * text), (nx - 0.6 * text, ny)], fill=INK)
    write((nx, ny + 0.8 * text), "-Z, 0°", INK, must=True)

    camera = scale.px(np.array(plan.camera_m))
    write((camera[0], min(camera[1] + 1.5 * text, h - text)), f"camera, frame {plan.frame}", CAMERA)
    place = scale.px(plan.place_m)
    chosen = set(selected)
    first = [i for i, n in enumerate(plan.names) if n in chosen]
    first += [i for i in np.flatnonzero(plan.directed).tolist() if plan.names[i] not in chosen][:60]
    for i in first:
        write((place[i, 0], place[i, 1] - 1.15 * text), plan.names[i], MARK)
    for region in plan.regions:
        if region.middle_m is not None:
            x, y = scale.px(region.middle_m)
            write((x, y), f"{region.name}  {region.count:,}", INK)
    _metres(write, scale, size, step)
    if scale.per_m * _SHOULDERS_M > 9:  # near enough that names find room
        for i in set(range(len(plan.names))) - set(first):
            write((place[i, 0], place[i, 1] + 1.3 * text), plan.names[i].rpartition(".")[2], FAINT)


def _metres(write, scale: Scale, size: tuple[int, int], step: float) -> None:  # type: ignore[no-untyped-def]
    """The grid's lines in metres, along the left and the bottom edge."""
    w, h = size
    x_first, z_first = scale.x0 - scale.left / scale.per_m, scale.z0 - scale.top / scale.per_m
    for k in range(math.ceil(x_first / step), math.floor((x_first + w / scale.per_m) / step) + 1):
        write((float(scale.px(np.array([k * step, 0.0]))[0]), h - 12), f"{k * step:g}", FAINT)
    for k in range(math.ceil(z_first / step), math.floor((z_first + h / scale.per_m) / step) + 1):
        write((6, float(scale.px(np.array([0.0, k * step]))[1])), f"{k * step:g}", FAINT, "lm")
