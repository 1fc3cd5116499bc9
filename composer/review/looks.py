"""The pictures behind the review page: proxies, scene-linear halves, the display's table, passes as overlays, who is where.

A proxy is ready to look at (JPEG, through the display transform): quick, for playback and as the first thing to see. A half
is the composite itself, scene-linear ACEScg in half floats, which the page exposes before the display transform: a stop is
a stop, and what lay above white comes back.
"""

from __future__ import annotations

import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from composer.color.baked import HIGH, LOW, SIDE
from composer.color.spaces import ColorManager
from composer.deliver.proxy import to_display
from composer.deliver.sheet import Show
from composer.errors import InputError
from composer.io.exr import ExrPart, read_exr_parts, read_header
from composer.io.image import read_channels
from composer.review.catalog import Item

PROXY_PX, HALF_PX, PASS_PX, THUMB_PX = 1280, 2048, 1280, 240
HALF_MAX = 65504.0
#: Matte parts: only their alpha is shown, in a colour of their own.
_MATTES = {"crowd": (255, 92, 40), "shadow": (80, 150, 255)}
_PASSES = (
    "depth", "normal", "motion", "albedo", "pose", "control_depth", "light_sun", "light_sky", "light_bounce",
    "crypto_agent00", "crypto_side00", "crypto_cast00",
)  # fmt: skip
T = TypeVar("T")
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Half:
    """size_px: width and height. data: float16 [H, W, 3], scene-linear ACEScg, little-endian bytes."""

    size_px: tuple[int, int]
    data: bytes


@dataclass(frozen=True)
class Who:
    """Names by the first rank of the Cryptomattes."""

    name: str
    side: str | None
    cast: str | None


@dataclass(frozen=True)
class _Ids:
    """One layer over its window: ids as uint32 [h, w], 0 nobody; names by id."""

    x: int
    y: int
    ids: NDArray[np.uint32]
    names: Mapping[int, str]

    def at(self, x: int, y: int) -> str | None:
        h, w = self.ids.shape
        inside = self.x <= x < self.x + w and self.y <= y < self.y + h
        return self.names.get(int(self.ids[y - self.y, x - self.x])) if inside else None


class Looks:
    """Makes and keeps them. Safe to call from several threads."""

    def __init__(self, color: ColorManager) -> None:
        self.color = color
        self._kept: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self._sizes: dict[tuple[object, ...], int] = {}
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._budget = 384 << 20

    def proxy(self, item: Item, frame: int, path: Path, thumb: bool = False) -> bytes:
        """JPEG of a frame as it is meant to be seen."""
        width = THUMB_PX if thumb else PROXY_PX
        return self._once(("proxy", path, _stamp(path), width), lambda: self._proxy(item, frame, path, width), len)

    def half(self, path: Path) -> Half:
        """The composite of a frame."""
        return self._once(("half", path, _stamp(path)), lambda: self._half(path), lambda half: len(half.data))

    def table(self, path: Path) -> bytes:
        """The display transform of a frame as a table: float16 [SIDE red, SIDE green, SIDE blue, 3], little-endian."""
        show = self._show(path)
        asked = (show.display, show.view)

        def made() -> bytes:
            return self.color.display_table(*map(_text, asked)).astype("<f2").tobytes()

        return self._once(("table", *asked), made, len)

    def overlay(self, path: Path, name: str) -> bytes:
        """A pass or matte of a frame, to lay over the picture: PNG with alpha."""
        return self._once(("overlay", path, _stamp(path), name), lambda: self._overlay(path, name), len)

    def who(self, path: Path, x: float, y: float) -> Who | None:
        """Who is seen at a place of the picture, (0, 0) upper left and (1, 1) lower right."""
        (w, h), agent, side, cast = self._once(
            ("who", path, _stamp(path)), lambda: _ids_of(path), lambda ids: sum(i.ids.nbytes for i in ids[1:] if i)
        )
        at = min(int(x * w), w - 1), min(int(y * h), h - 1)
        name = agent.at(*at) if agent else None
        return Who(name, side and side.at(*at), cast and cast.at(*at)) if name else None

    # --- made once ---

    def _once(self, key: tuple[object, ...], make: Callable[[], T], size: Callable[[T], int]) -> T:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value]
        with self._making:  # one at a time: a picture takes every core that there is
            with self._lock:
                if key in self._kept:
                    return self._kept[key]  # type: ignore[return-value]
            made = make()
        with self._lock:
            self._kept[key], self._sizes[key] = made, size(made)
            while sum(self._sizes.values()) > self._budget and len(self._kept) > 1:
                old, _ = self._kept.popitem(last=False)
                del self._sizes[old]
        return made

    def _show(self, path: Path) -> Show:
        return _show(self.color, path)

    def _proxy(self, item: Item, frame: int, path: Path, width: int) -> bytes:
        if (ready := item.pictures.get(frame)) is not None and ready.stat().st_mtime_ns >= path.stat().st_mtime_ns:
            with Image.open(ready) as picture:
                small = picture.convert("RGB")
                small.thumbnail((width, width), Image.Resampling.BOX)
                return _encoded(small, "JPEG")
        show = self._show(path)
        rgb = _composite(path)
        return _encoded(
            Image.fromarray(
                to_display(
                    rgb, show.colorspace, show.pixel_aspect, self.color, width, _text(show.display), _text(show.view),
                    exact=False,
                )
            ),
            "JPEG",
        )  # fmt: skip

    def _half(self, path: Path) -> Half:
        show = self._show(path)
        rgb = np.nan_to_num(_composite(path), posinf=HALF_MAX, neginf=0.0)
        height, width = rgb.shape[:2]
        across = min(HALF_PX, round(width * max(show.pixel_aspect, 1.0)))
        size = (across, max(1, round(across * height / (width * show.pixel_aspect))))
        small = rgb if size == (width, height) else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        working = self.color.to_working(np.ascontiguousarray(small, dtype=np.float32), show.colorspace)
        return Half(size, np.clip(working, -HALF_MAX, HALF_MAX).astype("<f2").tobytes())

    def _overlay(self, path: Path, name: str) -> bytes:
        parts = {p.name: p for p in read_exr_parts(path)}
        part = parts.get(name)
        if part is None or name not in overlays_of(tuple(parts)):
            raise InputError("no such pass", expected=", ".join(overlays_of(tuple(parts))), got=name[:80])
        show = Show(self.color, parts["rgba"].attributes, _size(parts["rgba"]))
        width = min(PASS_PX, show.size_px[0])
        if name in _MATTES:
            return _encoded(Image.fromarray(_matte(show, part, name, width)), "PNG")
        (tile,) = show.tiles(part, width)
        alpha = np.where(tile.picture.any(axis=-1), 255, 0).astype(np.uint8)
        return _encoded(Image.fromarray(np.dstack([tile.picture, alpha])), "PNG")


def overlays_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Which of a frame's parts can be laid over the picture, mattes first."""
    return tuple(p for p in (*_MATTES, *_PASSES) if p in parts)


def grid() -> dict[str, float]:
    """What the page must know to look into the table."""
    return {"side": SIDE, "low": LOW, "high": HIGH}


def _show(color: ColorManager, path: Path) -> Show:
    """How a frame says it is to be seen."""
    part = read_header(path).parts[0]
    return Show(color, part.attributes, part.size_px)


def _composite(path: Path) -> NDArray[np.float32]:
    planes = read_channels(path, ["rgba.R", "rgba.G", "rgba.B"])
    return np.stack([planes[f"rgba.{c}"] for c in "RGB"], axis=-1).astype(np.float32)


def _matte(show: Show, part: ExrPart, name: str, width: int) -> U8:
    alpha = show.fit((show.planes(part, "A")[..., 0].clip(0, 1) * 255).astype(np.uint8), width)
    colour = np.broadcast_to(np.array(_MATTES[name], np.uint8), (*alpha.shape, 3))
    return np.dstack([colour, alpha])


def _ids_of(path: Path) -> tuple[tuple[int, int], _Ids | None, _Ids | None, _Ids | None]:
    """Size of the picture; ids of agents, sides and casts."""
    parts = {p.name: p for p in read_exr_parts(path)}
    found = [_ids(parts.get(f"crypto_{kind}00"), f"crypto_{kind}") for kind in ("agent", "side", "cast")]
    return _size(parts["rgba"]), *found  # type: ignore[return-value]


def _ids(part: ExrPart | None, layer: str) -> _Ids | None:
    if part is None:
        return None
    key = next((k for k, v in part.attributes.items() if k.endswith("/name") and v == layer), None)
    if key is None:
        return None
    told = json.loads(str(part.attributes.get(key.removesuffix("name") + "manifest", "{}")))
    ids = np.ascontiguousarray(part.channels["R"], dtype=np.float32).view(np.uint32)
    there = np.where(part.channels["G"] > 0, ids, np.uint32(0))
    x, y = (part.window.x, part.window.y) if part.window else (0, 0)
    return _Ids(x, y, there, {int(value, 16): name for name, value in told.items()})


def _size(part: ExrPart) -> tuple[int, int]:
    h, w = part.channels["R"].shape
    return w, h


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 92, "subsampling": 0} if kind == "JPEG" else {"compress_level": 3}))
    return buffer.getvalue()
