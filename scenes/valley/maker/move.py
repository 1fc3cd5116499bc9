"""The camera: a slow crane and truck over 24 frames on a 35 mm lens with a little barrel distortion."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FIRST_FRAME, LAST_FRAME, FRAME_RATE = 1001, 1024, 24
SIZE_PX = (1920, 1080)
FOCAL_MM, FILMBACK_MM = 34.0, (36.0, 20.25)
K1, K2 = -0.034, 0.006
SHUTTER = (-0.25, 0.25)
EYE_M = 3.0  # above the knoll's ground at the first frame
CHARGE_EYE_M, CHARGE_PAN_DEG, CHARGE_TILT_DEG = 10.0, 1.0, -8.0
CHARGE_FRAMES = 48


def world_from_camera(frame: float, ground_m: float) -> NDArray[np.float64]:
    """float64 [4, 4] at a (fractional) frame. `ground_m`: terrain height at the origin."""
    t = (frame - FIRST_FRAME) / (LAST_FRAME - FIRST_FRAME)
    s = t + 0.06 * math.sin(2 * math.pi * t) / (2 * math.pi)  # an operator's hand is not a ruler
    x, y, z = -0.30 + 0.62 * s, ground_m + EYE_M + 0.34 * s, 0.10 - 0.42 * s
    pan, tilt, roll = math.radians(0.4 + 0.55 * s), math.radians(-4.2 - 0.35 * s), math.radians(0.25)
    cp, sp, ct, st, cr, sr = (f(a) for a in (pan, tilt, roll) for f in (math.cos, math.sin))
    ry = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])  # positive pan looks right
    rx = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    m = np.eye(4)
    m[:3, :3] = ry @ rx @ rz
    m[:3, 3] = x, y, z
    return m


def charge_from_camera(frame: float, ground_m: float) -> NDArray[np.float64]:
    """The charge's camera, float64 [4, 4]: locked, high above the knoll, looking down on the field."""
    del frame
    pan, tilt = math.radians(CHARGE_PAN_DEG), math.radians(CHARGE_TILT_DEG)
    cp, sp, ct, st = math.cos(pan), math.sin(pan), math.cos(tilt), math.sin(tilt)
    m = np.eye(4)
    m[:3, :3] = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]]) @ np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    m[:3, 3] = 0.0, ground_m + CHARGE_EYE_M, 0.0
    return m


def focal_px() -> float:
    return FOCAL_MM * SIZE_PX[0] / FILMBACK_MM[0]


def distort(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brown, ideal (x right, y down) to plate."""
    r2 = (xy**2).sum(-1, keepdims=True)
    return xy * (1 + K1 * r2 + K2 * r2 * r2)


def undistort(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plate to ideal, by fixed-point iteration to 1e-12."""
    ideal = xy.copy()
    for _ in range(24):
        r2 = (ideal**2).sum(-1, keepdims=True)
        ideal = xy / (1 + K1 * r2 + K2 * r2 * r2)
    return ideal


def write_transforms(path: Path, ground_m: float) -> None:
    """The move as a NeRF-style transforms.json (OpenGL axes, metres, Brown lens numbers)."""
    frames = {
        f"plate/valley.{frame:04d}.exr": world_from_camera(frame, ground_m)
        for frame in range(FIRST_FRAME, LAST_FRAME + 1)
    }
    path.write_text(json.dumps(_transforms(frames), indent=1) + "\n", encoding="utf-8")


def write_charge_transforms(path: Path, ground_m: float) -> None:
    """The charge's camera, in the same form."""
    frames = {
        f"charge.{frame:04d}.exr": charge_from_camera(frame, ground_m)
        for frame in range(FIRST_FRAME, FIRST_FRAME + CHARGE_FRAMES)
    }
    path.write_text(json.dumps(_transforms(frames)) + "\n", encoding="utf-8")


def _transforms(frames: dict[str, NDArray[np.float64]]) -> dict[str, object]:
    w, h = SIZE_PX
    f = focal_px()
    return {
        "camera_model": "OPENCV",
        "w": w,
        "h": h,
        "fl_x": f,
        "fl_y": f,
        "cx": w / 2,
        "cy": h / 2,
        "k1": K1,
        "k2": K2,
        "p1": 0.0,
        "p2": 0.0,
        "frames": [{"file_path": name, "transform_matrix": m.round(9).tolist()} for name, m in frames.items()],
    }
