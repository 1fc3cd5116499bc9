"""Files of the scene: plate, matte and depth as EXR, the ground as OBJ. Grain comes on the finished picture here."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from . import move, world

F32 = NDArray[np.float32]
ACESCG = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
GRAIN_FLOOR, GRAIN_SIGNAL = 0.0016, 0.00040
GROUND_STEP_M, GROUND_DEPTH_M = 1.0, (3.0, 220.0)
CHARGE_STEP_M, CHARGE_LAND_M = 2.0, (-118.0, 118.0, -175.0, -21.0)


def grain_sigma(signal: F32) -> F32:
    """Standard deviation of the grain at a scene-linear value: a read-noise floor and shot noise."""
    return np.sqrt(GRAIN_FLOOR**2 + GRAIN_SIGNAL * np.maximum(signal, 0.0)).astype(np.float32)


def grain(rgb: F32, frame: int) -> F32:
    """The picture with sensor grain: signal dependent, a little larger than a pixel, new in each frame."""
    rng = np.random.default_rng(910_000 + frame)
    noise = rng.standard_normal((rgb.shape[0] + 2, rgb.shape[1] + 2, 3), dtype=np.float32)
    common = rng.standard_normal((rgb.shape[0] + 2, rgb.shape[1] + 2, 1), dtype=np.float32)
    noise = 0.82 * noise + 0.57 * common
    k = np.array([0.45, 1.0, 0.45], np.float32)
    k /= np.sqrt((k**2).sum())
    noise = sum(k[i] * noise[i : i + rgb.shape[0]] for i in range(3))
    noise = sum(k[i] * noise[:, i : i + rgb.shape[1]] for i in range(3))
    return rgb + noise * grain_sigma(rgb)


def _header(frame: int, compression: object) -> dict[str, object]:
    t = frame - move.FIRST_FRAME
    seconds, frames = divmod(t, move.FRAME_RATE)
    code = OpenEXR.TimeCode()
    code.hours, code.minutes, code.seconds, code.frame = 1, 0, seconds, frames
    return {
        "compression": compression,
        "type": OpenEXR.scanlineimage,
        "framesPerSecond": Fraction(move.FRAME_RATE, 1),
        "timeCode": code,
        "comments": "Muster, scenes/valley/make_plate.py",
    }


def _write(path: Path, header: dict[str, object], channels: dict[str, F32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {name: np.ascontiguousarray(c, dtype=np.float16) for name, c in channels.items()}
    OpenEXR.File(header, half).write(str(path))


def write_plate(path: Path, rgb: F32, frame: int, dwa_level: float) -> None:
    header = _header(frame, OpenEXR.DWAB_COMPRESSION)
    header |= {"chromaticities": ACESCG, "dwaCompressionLevel": dwa_level}
    _write(path, header, {c: rgb[..., i] for i, c in enumerate("RGB")})


def write_matte(path: Path, matte: F32, frame: int) -> None:
    _write(path, _header(frame, OpenEXR.PIZ_COMPRESSION), {"A": matte.round(3)})


def coarse(depth_m: F32) -> F32:
    """Depth rounded as far as its use allows, so that it compresses: to 0.1 % in the field, 0.8 % behind it, 6 % in the
    woods and hills."""
    part, power = np.frexp(depth_m)
    bits = np.where(depth_m < 230.0, 9, np.where(depth_m < 330.0, 6, 3)).astype(np.float32)
    step = np.exp2(-bits)
    return np.ldexp(np.round(part / step) * step, power).astype(np.float32)


def write_depth(path: Path, depth_m: F32, frame: int) -> None:
    _write(path, _header(frame, OpenEXR.ZIP_COMPRESSION), {"Z": coarse(depth_m)})


def write_ground(path: Path) -> int:
    """The meadow as triangles in world metres, within the picture and a margin beside it. Returns their number."""
    near, far = GROUND_DEPTH_M
    step = GROUND_STEP_M
    xs = np.arange(-220, 220 + step, step, dtype=np.float32)
    zs = -np.arange(near, far + step, step, dtype=np.float32)
    gx, gz = np.meshgrid(xs, zs)
    y = world.height_m(gx, gz)
    used = np.abs(gx) < 0.58 * -gz + 14.0
    cell = used[:-1, :-1] & used[:-1, 1:] & used[1:, 1:] & used[1:, :-1]
    i = np.arange(gx.size).reshape(gx.shape)
    a, b, c, d = (v[cell] for v in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
    tri = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return _write_obj(path, gx, y, gz, tri)


def write_charge_ground(path: Path) -> int:
    """The land that the charge needs, beside the picture too: its hosts come from there."""
    x0, x1, z0, z1 = CHARGE_LAND_M
    gx, gz = np.meshgrid(*(np.arange(a, b, CHARGE_STEP_M, np.float32) for a, b in ((x0, x1), (-z1, -z0))))
    gz = -gz
    i = np.arange(gx.size).reshape(gx.shape)
    a, b, c, d = (v.ravel() for v in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
    tri = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return _write_obj(path, gx, world.height_m(gx, gz), gz, tri)


def _write_obj(path: Path, gx: F32, y: F32, gz: F32, tri: NDArray[np.int64]) -> int:
    """The grid points that the triangles use, and the triangles. Returns their number."""
    keep, index = np.unique(tri, return_inverse=True)
    tri = index.reshape(tri.shape) + 1
    lines = ["# Muster valley: ground in metres, Y up"]
    lines += [f"v {gx.flat[k]:.6g} {y.flat[k]:.3f} {gz.flat[k]:.6g}" for k in keep]
    lines += [f"f {t[0]} {t[1]} {t[2]}" for t in tri]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return len(tri)
