"""A delivery made by hand, good in every measure, in which faults are planted: three tents that glide over a still field.

It shares no code with the composite or the guides. Everything is known: what moves by how much, how strong the grain is,
where the alpha goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from composer.io.exr import ExrPart, write_exr
from composer.io.exr_attributes import Chromaticities
from composer.io.files import sha256_file
from composer.io.timecode import Timecode

SIZE = (320, 180)
FIRST = 1001
#: Pixels to the next frame, x right.
STEP_PX = 2.5
GRAIN = 0.02
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
SPACE = "Linear Rec.709 (sRGB)"
IDS = np.array([0x3F123456, 0x40123456, 0x41123456], np.uint32)
TILES = {"tile": "1x10x15", "grid": "1x3x3", "canvas": "24x40", "row_starts": "0 7 14", "column_starts": "0 12 25"}
SHOT = """\
muster: 1
shot: made
version: v001
plate: {{path: plate.####.exr, colorspace: "{space}", frame_rate: 24, timecode: "01:00:00:00"}}
camera: {{locked: {{focal_mm: 32, filmback_mm: [36, 20.25], height_m: 1.7, tilt_deg: -14}}}}
ground: {{plane: {{point_m: [0, 0, 0], normal: [0, 1, 0]}}}}
light: {{sun: {{elevation_deg: 30, azimuth_deg: 60, strength: 3}}, exposure: 0}}
crowd:
  seed: 7
  count: 3
  regions:
    - {{name: host, polygon_m: [[-6, -9], [6, -9], [6, -22], [-6, -22]], formation: rank_and_file, side: red, clip: idle}}
"""


@dataclass
class Made:
    """One frame before it is written; a fault changes it. All arrays [H, W] or [H, W, C], float32; rgb, crowd and plate in
    linear light. attributes: of the file. grain: that lies on the tents."""

    number: int
    plate: np.ndarray
    rgb: np.ndarray
    crowd: np.ndarray
    shadow: np.ndarray
    forward: np.ndarray
    coverage: np.ndarray
    ids: np.ndarray
    depth: np.ndarray
    attributes: dict[str, object]
    grain: np.ndarray
    aspect: float = 1.0
    extra: dict[str, ExrPart] = field(default_factory=dict)


Fault = Callable[[Made], None]


def grain_field(seed: int, sigma: float = 0.6) -> np.ndarray:
    """Unit variance [H, W], with a soft spectrum."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((SIZE[1], SIZE[0])), sigma, mode="wrap")
    return (noise / noise.std()).astype(np.float32)


def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the tents: smooth, around 1."""
    return 1 + 0.25 * np.sin(x * 0.22) * np.cos(y * 0.17) + 0.1 * np.sin(0.45 * x + 0.3 * y)


def field_at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The plate without grain, [H, W]."""
    return 0.16 + 0.1 * y / SIZE[1] + 0.05 * np.sin(x * 0.12) * np.cos(y * 0.09)


def plate_of(number: int) -> np.ndarray:
    """float32 [H, W, 3] of half-float values."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    still = field_at(y, x)
    grey = still * (1 + GRAIN * grain_field(number))
    rgb = grey[..., None] * np.array([1.0, 0.95, 0.9], np.float32)
    return rgb.astype(np.float16).astype(np.float32)


def tents(number: int, slip_px: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(alpha [H, W], colour [H, W] without grain, which [H, W] 0..2). slip_px: how far their texture runs ahead."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32) + 0.5
    alpha, colour = (np.zeros((SIZE[1], SIZE[0]), np.float32) for _ in range(2))
    which = np.zeros((SIZE[1], SIZE[0]), np.int64)
    for k, (cx, cy) in enumerate(((62.0, 80.0), (150.0, 96.0), (236.0, 84.0))):
        u, v = x - cx - STEP_PX * (number - FIRST), y - cy
        inside = np.minimum(34 - np.abs(u), 52 - np.abs(v))
        a = np.clip(inside / 4 + 0.5, 0, 1)
        better = a > alpha
        alpha, which = np.where(better, a, alpha), np.where(better, k, which)
        colour = np.where(better, (0.15 + 0.06 * k) * texture(u - slip_px, v), colour)
    return alpha.astype(np.float32), colour.astype(np.float32), which


def made_frame(number: int, slip_px: float = 0.0, grain: float = GRAIN, sigma: float = 0.6) -> Made:
    """A good frame. slip_px, grain, sigma: of the tents, where a fault wants others."""
    plate = plate_of(number)
    alpha, colour, which = tents(number, slip_px)
    alpha = alpha.astype(np.float16).astype(np.float32)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    shadow = np.where((y > 140) & (y < 160) & (x > 40) & (x < 280), 0.4, 0).astype(np.float32)
    noise = grain * grain_field(5000 + number, sigma)
    body = colour * (1 + noise)
    crowd = np.dstack([alpha * body, alpha * body * 0.8, alpha * body * 0.7, alpha]).astype(np.float32)
    forward = np.zeros((SIZE[1], SIZE[0], 2), np.float32)
    forward[..., 0] = np.where(alpha > 0, STEP_PX, 0)
    made = Made(
        number, plate, plate.copy(), crowd, shadow, forward, alpha.copy(),
        np.where(alpha > 0, IDS[which], 0).astype(np.uint32), np.where(alpha > 0, 12.0, np.inf).astype(np.float32),
        head(number), noise,
    )  # fmt: skip
    over(made)
    return made


def over(made: Made) -> None:
    """Lay the crowd into the plate; a fault that changes the crowd calls it again."""
    a, s = made.crowd[..., 3:], made.shadow[..., None]
    mixed = made.crowd[..., :3] + (1 - a) * (1 - s) * made.plate
    made.rgb = np.where((a > 0) | (s > 0), mixed, made.plate)


def head(number: int) -> dict[str, object]:
    rate = Fraction(24)
    code = Timecode.parse(f"01:00:00:{number - FIRST:02d}", rate)
    return {
        "framesPerSecond": rate, "timeCode": code, "muster:timecode": str(code),
        "chromaticities": Chromaticities.of(REC709), "colorInteropID": "lin_rec709_scene", "muster:shot": "made",
        "muster:version": "v001", "muster:frame": number, "muster:colorspace": SPACE,
    }  # fmt: skip


def write_frame(folder: Path, made: Made, name: str | None = None) -> Path:
    half = np.float16
    rgb = {c: made.rgb[..., i].astype(half) for i, c in enumerate("RGB")}
    ids = np.ascontiguousarray(made.ids).view(np.float32)
    none = np.zeros_like(ids)
    motion = {
        "forward.u": made.forward[..., 0], "forward.v": -made.forward[..., 1],
        "backward.u": -made.forward[..., 0], "backward.v": made.forward[..., 1],
    }  # fmt: skip
    parts = [
        ExrPart("rgba", {**rgb, "A": np.ones_like(rgb["R"])}, None, "piz"),
        ExrPart("crowd", {c: made.crowd[..., i].astype(half) for i, c in enumerate("RGBA")}),
        ExrPart("shadow", {**dict.fromkeys("RGB", none.astype(half)), "A": made.shadow.astype(half)}),
        ExrPart("depth", {"Z": made.depth}),
        ExrPart("motion", {k: v.astype(half) for k, v in motion.items()}),
        ExrPart("crypto_agent00", {"R": ids, "G": made.coverage, "B": none, "A": none}),
        *made.extra.values(),
    ]  # fmt: skip
    path = folder / "exr" / (name or f"made_v001.{made.number:04d}.exr")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_exr(path, parts, SIZE, made.attributes, pixel_aspect=made.aspect)
    return path


def record(folder: Path, path: Path, number: int, paint: Mapping[str, object] | None = None) -> dict[str, object]:
    parts = ["rgba", "crowd", "shadow", "depth", "motion", "crypto_agent00"]
    return {
        "frame": number, "key": "k", "files": {f"exr/{path.name}": sha256_file(path)}, "parts": parts, "left_out": [],
        "untouched_sha256": "", "soldiers_visible": 3, "seed": 7, "code_version": "0", "notes": [], "seconds": {},
        "peak_memory_mib": 0, "paint": paint,
    }  # fmt: skip


def write_manifest(folder: Path, records: list[dict[str, object]]) -> None:
    told = {
        "shot": "made",
        "version": "v001",
        "quality": "preview",
        "colorspace": SPACE,
        "frame_rate": "24",
        "frames": records,
    }
    (folder / "manifest.json").write_text(json.dumps(told))


def make_delivery(
    root: Path, frames: int = 4, fault: Mapping[int, Fault] | None = None, paint: bool = False,
    make: Callable[[int], Made] = made_frame,
) -> Path:  # fmt: skip
    """Plate, shot and delivery under `root`; the delivery's folder. fault: by frame, changes the frame before it is written."""
    shot = root / "made"
    shot.mkdir(parents=True, exist_ok=True)
    (shot / "shot.yaml").write_text(SHOT.format(space=SPACE))
    folder = root / "out" / "made" / "v001"
    records = []
    for number in range(FIRST, FIRST + frames):
        made = make(number)
        plain = ExrPart("", {c: made.plate[..., i].astype(np.float16) for i, c in enumerate("RGB")})
        write_exr(shot / f"plate.{number:04d}.exr", [plain], SIZE)
        if fault and number in fault:
            fault[number](made)
        path = write_frame(folder, made)
        records.append(record(folder, path, number, {"tiles": TILES, "adherence": 0.97} if paint else None))
    write_manifest(folder, records)
    (folder / ".muster").mkdir()
    (folder / ".muster" / "shot.json").write_text('{"shot": "../../../made/shot.yaml"}')
    return folder
