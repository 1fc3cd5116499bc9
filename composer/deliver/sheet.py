"""The contact sheet: one PNG with the composite, the elements and every pass, each with its legend."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from composer.color.spaces import ColorManager
from composer.deliver.cryptomatte import hash_floats
from composer.deliver.deep import deep_name
from composer.deliver.proxy import to_display
from composer.errors import InputError, Where
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.exr_deep import deep_counts
from composer.io.files import atomic_write, whole_files

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

PAPER, INK, FAINT = (24, 24, 26), (228, 228, 228), (150, 150, 150)
GAP, COLUMNS = 12, 4
#: Colours for the few groups of a Cryptomatte by side or cast, with what they are called.
INKS = (
    ("orange", (240, 130, 40)), ("cyan", (60, 190, 220)), ("green", (110, 190, 80)), ("violet", (170, 110, 220)),
    ("yellow", (240, 210, 80)), ("grey", (160, 160, 160)),
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A picture, uint8 [h, w, 3], with a title and what its colours mean."""

    title: str
    legend: str
    picture: U8


def delivered_frames(delivery: Path) -> dict[int, Path]:
    """Frame number to EXR; InputError where the folder is no delivery."""
    files = {int(p.stem.rsplit(".", 1)[1]): p for p in whole_files(delivery / "exr", "*.[0-9]*.exr")}
    if not files:
        raise InputError(
            "no delivered frames here",
            where=Where(file=delivery),
            expected="a folder that `muster render` wrote (OUT/<shot>/<version>), with exr/ in it",
        )
    return files


def contact_sheet(path: Path, color: ColorManager, width_px: int = 1920) -> U8:
    """The sheet of one delivered EXR, uint8 [h, w, 3], `width_px` wide. The composite fills its width, or, where it has no
    more pixels than half of that, its left half, with passes beside it."""
    parts = {p.name: p for p in read_exr_parts(path)}
    head = parts["rgba"].attributes
    size = _size(parts["rgba"])
    show = Show(color, head, size)
    inner = width_px - 2 * GAP
    title = (
        f"{head.get('muster:shot', path.stem)}  {head.get('muster:version', '')}  frame {head.get('muster:frame', '')}"
    )
    cell = (inner - (COLUMNS - 1) * GAP) // COLUMNS
    small = pass_tiles(path, parts, show, cell)
    picture, half = show.colour(show.planes(parts["rgba"], "RGB"), inner), 2 * cell + GAP
    beside: list[list[Tile]] = []
    if picture.shape[1] <= half:
        picture = cv2.resize(
            picture, (half, round(half * picture.shape[0] / picture.shape[1])), interpolation=cv2.INTER_CUBIC
        )
        beside, small = [small[:2], small[2:4]], small[4:]
    big = Tile(title, "composite, through the display transform", picture)
    return page([[big], *(small[i : i + COLUMNS] for i in range(0, len(small), COLUMNS))], width_px, beside)


def pass_tiles(path: Path, parts: Mapping[str, ExrPart], show: Show, cell: int) -> list[Tile]:
    """A tile of `cell` pixels' width for each element and pass of the frame at `path`, its deep file included."""
    head = parts["rgba"].attributes
    small = [tile for part in parts.values() for tile in show.tiles(part, cell)]
    deep = path.parent.parent / deep_name(
        str(head.get("muster:shot")), str(head.get("muster:version")), int(str(head.get("muster:frame", 0)))
    )
    if deep.is_file():
        small.append(show.deep(deep_counts(deep), cell))
    return small


def write_sheet(target: Path, sheet: U8) -> None:
    """Write the sheet as PNG, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


class Show:
    """How each part is made visible."""

    def __init__(self, color: ColorManager, head: Mapping[str, object], size_px: tuple[int, int]) -> None:
        self.color, self.size_px = color, size_px
        self.colorspace = str(head.get("muster:colorspace", "ACEScg"))
        self.display, self.view = (head.get(f"muster:{k}") for k in ("display", "view"))
        self.pixel_aspect = float(str(head.get("pixelAspectRatio", 1.0)))

    def planes(self, part: ExrPart, names: str | tuple[str, ...]) -> F32:
        """Channels of a part over the whole display window, float32 [H, W, C]; 0 outside its own window."""
        w, h = self.size_px
        out = np.zeros((h, w, len(names)), dtype=np.float32)
        box = part.window
        for i, name in enumerate(names):
            if box is None:
                out[..., i] = part.channels[name]
            else:
                out[box.y : box.y + box.height, box.x : box.x + box.width, i] = part.channels[name]
        return out

    def colour(self, rgb: F32, width: int) -> U8:
        return to_display(rgb, self.colorspace, self.pixel_aspect, self.color, width, self.display, self.view)

    def fit(self, picture: U8, width: int) -> U8:
        h = round(width * self.size_px[1] / (self.size_px[0] * self.pixel_aspect))
        return cv2.resize(picture, (width, h), interpolation=cv2.INTER_AREA)

    def tiles(self, part: ExrPart, width: int) -> list[Tile]:
        draw: dict[str, Callable[[ExrPart, int], Tile]] = {
            "crowd": self.crowd,
            "shadow": self.shadow,
            "depth": self.depth,
            "normal": self.normal,
            "motion": self.motion,
            "albedo": self.albedo,
            "pose": self.pose,
            "light_sun": self.light,
            "light_sky": self.light,
            "light_bounce": self.light,
            "control_depth": self.control,
            "crypto_agent00": self.ids,
            "crypto_side00": self.groups,
            "crypto_cast00": self.groups,
            "environment": self.crowd,
            "environment_depth": self.depth,
            "environment_normal": self.normal,
            "environment_motion": self.motion,
            "environment_albedo": self.albedo,
            "crypto_environment00": self.ids,
            "air": self.crowd,
            "ground": self.crowd,
            "repair": self.crowd,
        }
        if part.name not in draw:
            return []
        tile = draw[part.name](part, width)
        title = part.name.removesuffix("00")
        return [replace(tile, title=title) if "environment" in title or title in ("air", "ground", "repair") else tile]

    def crowd(self, part: ExrPart, width: int) -> Tile:
        rgba = self.planes(part, "RGBA")
        grey = 0.18 * (1.0 - rgba[..., 3:])
        return Tile("crowd", "premultiplied element, here over 18 % grey", self.colour(rgba[..., :3] + grey, width))

    def shadow(self, part: ExrPart, width: int) -> Tile:
        alpha = self.planes(part, "A")[..., 0]
        legend = f"alpha: white is lit, darkest takes {alpha.max():.0%} of the light"
        return Tile("shadow", legend, self.fit(_grey(1.0 - alpha), width))

    def depth(self, part: ExrPart, width: int) -> Tile:
        depth = self.planes(part, ("Z",))[..., 0]
        some = np.isfinite(depth) & (depth > 0)
        near, far = (float(depth[some].min()), float(depth[some].max())) if some.any() else (0.0, 0.0)
        scaled = np.log(np.where(some, depth, near or 1) / (near or 1)) / max(np.log((far or 2) / (near or 1)), 1e-6)
        ramp = cv2.applyColorMap(_grey(1.0 - scaled)[..., 0], cv2.COLORMAP_VIRIDIS)[..., ::-1]
        legend = f"planar, yellow {near:.1f} m to violet {far:.1f} m, logarithmic"
        return Tile("depth", legend, self.fit(np.where(some[..., None], ramp, 0).astype(np.uint8), width))

    def normal(self, part: ExrPart, width: int) -> Tile:
        n = self.planes(part, "XYZ")
        some = (n != 0).any(axis=-1, keepdims=True)
        picture = np.where(some, (n * 0.5 + 0.5) * 255, 0).clip(0, 255).astype(np.uint8)
        return Tile("normal", "camera space: red right, green up, blue towards the camera", self.fit(picture, width))

    def motion(self, part: ExrPart, width: int) -> Tile:
        m = self.planes(part, ("forward.u", "forward.v"))
        length = np.hypot(m[..., 0], m[..., 1])
        top = float(np.percentile(length[length > 0], 99)) if (length > 0).any() else 1.0
        hue = (np.degrees(np.arctan2(m[..., 1], m[..., 0])) % 360 / 2).astype(np.uint8)
        value = (np.clip(length / top, 0, 1) * 255).astype(np.uint8)
        rgb = cv2.cvtColor(np.stack([hue, np.full_like(hue, 200), value], axis=-1), cv2.COLOR_HSV2RGB)
        legend = f"to the next frame: hue is direction (red right, green up-left), full at {top:.2f} px"
        return Tile("motion", legend, self.fit(rgb, width))

    def albedo(self, part: ExrPart, width: int) -> Tile:
        return Tile("albedo", "reflectance, unlit", self.colour(self.planes(part, "RGB"), width))

    def pose(self, part: ExrPart, width: int) -> Tile:
        picture = (self.planes(part, "RGB") * 255).clip(0, 255).astype(np.uint8)
        return Tile("pose", "OpenPose skeletons, from the agents' own joints", self.fit(picture, width))

    def light(self, part: ExrPart, width: int) -> Tile:
        name = part.name.removeprefix("light_")
        legend = f"what the {name} adds to crowd, premultiplied"
        return Tile(part.name, legend, self.colour(self.planes(part, "RGB"), width))

    def control(self, part: ExrPart, width: int) -> Tile:
        near, far = (float(str(part.attributes.get(f"muster:control_{k}_m", 0))) for k in ("near", "far"))
        legend = f"inverse depth, white {near:.2f} m to black {far:.2f} m, the same in every frame"
        return Tile("control_depth", legend, self.fit(_grey(self.planes(part, "Y")[..., 0]), width))

    def ids(self, part: ExrPart, width: int) -> Tile:
        planes = self.planes(part, "RG")
        ids = np.ascontiguousarray(planes[..., 0]).view(np.uint32)
        mix = np.stack([ids * np.uint32(k) >> np.uint32(24) for k in (2654435761, 2246822519, 3266489917)], axis=-1)
        picture = ((64 + mix * 0.75) * planes[..., 1:]).clip(0, 255).astype(np.uint8)
        legend = f"Cryptomatte, first rank: {len(np.unique(ids[ids != 0])):,} soldiers lead a pixel"
        return Tile("crypto_agent", legend, self.fit(picture, width))

    def groups(self, part: ExrPart, width: int) -> Tile:
        layer = part.name.removesuffix("00")
        planes, picture, said = self.planes(part, "RG"), np.zeros((*self.size_px[::-1], 3), np.float32), []
        for i, name in enumerate(_manifest(part, layer)):
            called, colour = INKS[i % len(INKS)]
            mine = planes[..., :1] == hash_floats([name])[0]
            picture += np.where(mine, planes[..., 1:] * np.array(colour, np.float32), 0)
            said.append(f"{name} {called}")
        more = f" and {len(said) - 4} more" if len(said) > 4 else ""
        legend = f"Cryptomatte, first rank: {', '.join(said[:4])}{more}"
        return Tile(layer, legend, self.fit(picture.clip(0, 255).astype(np.uint8), width))

    def deep(self, counts: NDArray[np.int32], width: int) -> Tile:
        ramp = np.array([(0, 0, 0), (60, 70, 110), (70, 150, 150), (240, 190, 60), (255, 90, 60)], np.uint8)
        legend = f"soldiers in a pixel: 1 blue, 2 green, 3 yellow, more red; {counts.sum():,} samples"
        return Tile("deep", legend, self.fit(ramp[np.minimum(counts, 4)], width))


def _manifest(part: ExrPart, layer: str) -> list[str]:
    """The names in one Cryptomatte layer's manifest."""
    key = next((k for k, v in part.attributes.items() if k.endswith("/name") and v == layer), "")
    return sorted(json.loads(str(part.attributes.get(key.removesuffix("name") + "manifest", "{}"))))


def page(rows: Sequence[Sequence[Tile]], width: int, beside: Sequence[Sequence[Tile]] = ()) -> U8:
    """Rows of tiles below each other, on dark paper; beside: those to the right of the first one."""
    text = max(13, width // 110)
    caption = round(text * 3.2)

    def tall(row: Sequence[Tile]) -> int:
        return max((tile.picture.shape[0] for tile in row), default=-caption) + caption

    first = max(tall(rows[0]), sum(map(tall, beside)))
    paper = Image.new("RGB", (width, 2 * GAP + first + sum(map(tall, rows[1:]))), PAPER)
    pen = ImageDraw.Draw(paper)

    def draw(row: Sequence[Tile], x: int, y: int) -> int:
        for tile in row:
            _place(paper, pen, tile, (x, y), text)
            x += tile.picture.shape[1] + GAP
        return x

    right, y = draw(rows[0], GAP, GAP), GAP
    for row in beside:
        draw(row, right, y)
        y += tall(row)
    y = GAP + first
    for row in rows[1:]:
        draw(row, GAP, y)
        y += tall(row)
    return np.asarray(paper)


def _place(page: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, at: tuple[int, int], text: int) -> None:
    page.paste(Image.fromarray(tile.picture), at)
    x, y = at[0], at[1] + tile.picture.shape[0] + text // 3
    pen.text((x, y), tile.title, fill=INK, font=ImageFont.load_default(text))
    pen.text((x, y + round(text * 1.25)), tile.legend, fill=FAINT, font=ImageFont.load_default(round(text * 0.8)))


def _grey(values: F32) -> U8:
    """0..1 as uint8 [H, W, 3]."""
    return np.repeat((values.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=-1)


def _size(part: ExrPart) -> tuple[int, int]:
    h, w = part.channels["R"].shape
    return w, h
