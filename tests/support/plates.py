"""Frames to measure, made or real, and a plain synthesis of grain that shares no code with Muster's own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.measure.sights import Sight, Sights

F64 = NDArray[np.float64]

REC709 = np.array([0.2126, 0.7152, 0.0722])


def view_of(
    size_px: tuple[int, int], number: int = 1001, x_m: float = 0.0, pitch_deg: float = 0.0, height_m: float = 2.0
) -> View:
    """A 50 degree camera at (x_m, height_m, 0), looking along -Z and down by pitch_deg."""
    width, height = size_px
    pose = np.eye(4)
    a = np.radians(-pitch_deg)
    pose[:3, :3] = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    pose[:3, 3] = (x_m, height_m, 0.0)
    return View(number, size_px, pose, (width * 1.07, width * 1.07), (width / 2, height / 2))


def sights_of(
    pictures: list[F64],
    distances: list[F64] | None = None,
    views: list[View] | None = None,
    locked: bool = False,
    linear: bool = True,
    depth_from: str = "ground",
) -> Sights:
    """Pictures [H, W, 3] as frames to measure; ACEScg and the delivery space are one."""
    frames = []
    for i, rgb in enumerate(pictures):
        height, width = rgb.shape[:2]
        distance = np.full((height, width), np.inf) if distances is None else distances[i]
        view = view_of((width, height), 1001 + i) if views is None else views[i]
        held = np.zeros((height, width), dtype=bool)
        frames.append(Sight(1001 + i, rgb.astype(np.float32), distance.astype(np.float32), held, view))
    return Sights(tuple(frames), locked, depth_from, linear, REC709, np.eye(3))


def grained(rgb: F64, variance: F64, kernel: F64, mix: F64, seed: int) -> F64:
    """rgb with Gaussian noise of `variance` [H, W, 3], of a spectrum (kernel [3, n, n]) and correlation (mix @ mix.T)."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((*rgb.shape[:2], 3))
    noise = np.stack(
        [cv2.filter2D(white[..., c], -1, kernel[c], borderType=cv2.BORDER_WRAP) for c in range(3)], axis=-1
    )
    return rgb + noise @ mix.T * np.sqrt(variance)


def gaussian_kernel(sigma_px: float, half: int = 4) -> F64:
    """[n, n], squares sum to 1."""
    u = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma_px, 1e-6)) ** 2)
    square = np.outer(u, u)
    return square / np.sqrt((square**2).sum())


def crissy(shared_data: Path) -> F64:
    """Scene-linear still: heath, pines, grey sky. [810, 1218, 3]"""
    return _read(shared_data / "plates/crissy_field_still/CrissyField_rgb_half.exr")


def sceaux(shared_data: Path) -> F64:
    """An 8-bit photograph, made linear. [2128, 2832, 3]"""
    return linear_picture(shared_data / "plates/sceaux_castle/images/100_7104.jpg")


def uhaul(shared_data: Path) -> F64:
    """A street with a parked van, a frame of a film of 8 bits. [1080, 1280, 3]"""
    return linear_picture(shared_data / "plates/matchmover_uhaul/imageSequence.0000.png")


def linear_picture(path: Path) -> F64:
    """An sRGB picture of 8 bits, made linear, [H, W, 3]."""
    code = cv2.imread(str(path))[..., ::-1].astype(np.float64) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _read(path: Path) -> F64:
    from composer.io.image import read_image

    return read_image(path)[0][..., :3].astype(np.float64)
