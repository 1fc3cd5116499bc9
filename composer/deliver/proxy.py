"""The proxy: an H.264 movie of the composite through the display transform, with shot, version, frame and time code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.color.spaces import ColorManager
from composer.deliver.exr import Slate
from composer.io.files import whole_files
from composer.io.image import read_channels
from composer.io.movie_write import write_movie
from composer.io.timecode import add_frames

U8 = NDArray[np.uint8]
WIDTH_PX = 1280


def proxy_path(delivery: Path, slate: Slate) -> Path:
    return delivery / "proxy" / f"{slate.shot}_{slate.version}.mp4"


def write_proxy(
    delivery: Path,
    slate: Slate,
    first_frame: int,
    color: ColorManager,
) -> Path | None:
    """Encode every frame that lies in `delivery`/exr, in order; None where there is none.

    slate.timecode is that of `first_frame`, the plate's first.
    """
    files = whole_files(delivery / "exr", "*.exr")
    if not files:
        return None

    def pictures() -> Iterator[U8]:
        for path in files:
            number = frame_number(path)
            code = add_frames(slate.timecode, number - first_frame, slate.frame_rate) if slate.timecode else ""
            rgb = display_picture(path, slate, color, WIDTH_PX)
            yield burn_in(rgb, f"{slate.shot}  {slate.version}  {slate.note}".rstrip(), f"{number}  {code}".rstrip())

    path = proxy_path(delivery, slate)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = slate.timecode
    if start:
        start = add_frames(start, frame_number(files[0]) - first_frame, slate.frame_rate)
    write_movie(path, pictures(), slate.frame_rate, start)
    return path


def frame_number(path: Path) -> int:
    """1001 of `valley_v001.1001.exr`."""
    return int(path.stem.rsplit(".", 1)[1])


def display_picture(path: Path, slate: Slate, color: ColorManager, width_px: int) -> U8:
    """The composite of one delivered EXR, uint8 [h, w, 3], scaled in linear light to at most `width_px` wide and to square
    pixels."""
    planes = read_channels(path, ["rgba.R", "rgba.G", "rgba.B"])
    rgb = np.stack([planes[f"rgba.{c}"] for c in "RGB"], axis=-1)
    return to_display(
        rgb, slate.colorspace, slate.pixel_aspect, color, width_px, slate.display, slate.view, exact=False
    )


def to_display(
    rgb: NDArray[np.float32],
    colorspace: str,
    pixel_aspect: float,
    color: ColorManager,
    width_px: int,
    display: str | None = None,
    view: str | None = None,
    exact: bool = True,
) -> U8:
    """Scene-linear float32 [H, W, 3] as a display picture, uint8 [h, w, 3]; not exact: through a table, within a code value or
    so, and much quicker."""
    height, width = rgb.shape[:2]
    across = min(width_px, round(width * max(pixel_aspect, 1.0)))
    size = (across, max(1, round(across * height / (width * pixel_aspect))))
    small = cv2.resize(np.nan_to_num(rgb, posinf=65504.0, neginf=0.0), size, interpolation=cv2.INTER_AREA)
    working = color.to_working(np.ascontiguousarray(small, dtype=np.float32), colorspace)
    return color.display_rgb8(working, display, view, exact=exact)


def burn_in(rgb: U8, left: str, right: str) -> U8:
    """The picture with one line of text at its lower left and lower right, on a dark strip of its own."""
    width = rgb.shape[1]
    size = max(12, width // 64)
    strip = Image.new("RGB", (width, size * 2), (16, 16, 16))
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size)
    draw.text((size, size // 2), left, fill=(220, 220, 220), font=font)
    draw.text((width - size - draw.textlength(right, font=font), size // 2), right, fill=(220, 220, 220), font=font)
    return np.concatenate([rgb, np.asarray(strip)], axis=0)
