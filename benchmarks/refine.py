"""Edges refined: seconds a frame at 3840x2160, against the machine's plain box blur of the same picture in the same run, and how
much nearer to the true alpha a mask comes that was cut hard out of a picture of 256 x 256, as a segmentation model cuts it.

The truth is a comp of two mottled colours over a wavy edge, at four softnesses and noises; the figure is mean square error of the
mask over that of the refined matte.
"""

from __future__ import annotations

import json
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from composer.shot.refine import Way, edge_band, refine_matte

F32 = NDArray[np.float32]
WAYS: tuple[Way, ...] = ("guided", "closed_form")
TIMES = 3


def comp(width: int, sigma: float, noise: float) -> tuple[F32, F32]:
    """(linear picture, its true alpha), three to two."""
    rng, height = np.random.default_rng(3), width * 2 // 3
    y, x = np.mgrid[0:height, 0:width] / np.float32(width)
    far = np.hypot((x - 0.5) / 0.28, (y - 0.33) / 0.25) - 0.12 * np.sin(9 * np.arctan2(y - 0.33, x - 0.5))
    alpha = cv2.GaussianBlur((far < 1).astype(np.float32), (0, 0), sigma)

    def mottled(*colour: float) -> F32:
        spots = cv2.GaussianBlur(rng.normal(size=(height, width, 3)).astype(np.float32), (0, 0), 6)
        return np.float32(colour) * (1 + 2 * spots)

    rgb = alpha[..., None] * mottled(0.5, 0.2, 0.1) + (1 - alpha[..., None]) * mottled(0.1, 0.3, 0.5)
    return (rgb + noise * rng.normal(size=rgb.shape)).astype(np.float32), alpha


def as_cut(alpha: F32) -> F32:
    small = cv2.resize((alpha > 0.5).astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA)
    return (cv2.resize(small, alpha.shape[::-1]) > 0.5).astype(np.float32)


def nearer() -> list[dict[str, object]]:
    """At 1280 pixels, within 6."""
    rows: list[dict[str, object]] = []
    for sigma in (1.2, 2.5):
        for noise in (0.003, 0.02):
            rgb, alpha = comp(1280, sigma, noise)
            cut = as_cut(alpha)
            before = float(((cut - alpha) ** 2).mean())
            row: dict[str, object] = {"softness_px": sigma, "noise": noise}
            for way in WAYS:
                row[way] = round(before / float(((refine_matte(rgb, cut, way, 6) - alpha) ** 2).mean()), 1)
            rows.append(row)
    return rows


def seconds() -> dict[str, object]:
    """Of a figure as large as half the picture, within 18 pixels."""
    rgb, alpha = comp(3240, 3.0, 0.01)
    rgb, cut = cv2.resize(rgb, (3840, 2160)), as_cut(cv2.resize(alpha, (3840, 2160)))
    told: dict[str, object] = {"band_px": int(edge_band(cut, 18).sum())}
    jobs = {way: (lambda way=way: refine_matte(rgb, cut, way, 18)) for way in WAYS}
    for name, job in {**jobs, "box_blur": lambda: cv2.blur(rgb, (37, 37))}.items():
        best = float("inf")
        for _ in range(TIMES):
            begin = time.perf_counter()
            job()
            best = min(best, time.perf_counter() - begin)
        told[f"{name}_s"] = round(best, 3)
    return told


def measure() -> dict[str, object]:
    return {"what": "edges of mattes refined out of the plate", "seconds": seconds(), "nearer": nearer()}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
