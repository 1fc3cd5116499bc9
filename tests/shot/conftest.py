"""Shots for the tests: the three real plates, and a tiny one made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

SHOTS = Path(__file__).parent / "shots"


@pytest.fixture()
def real_shot(shared_data: Path) -> Callable[[str], str]:
    """The text of one of `shots/`, with the folder of real inputs filled in."""
    return lambda name: (SHOTS / f"{name}.yaml").read_text(encoding="utf-8").replace("{shared}", str(shared_data))


TINY = """\
muster: 1
shot: tiny_010
plate: {path: "plate.####.png", colorspace: sRGB, frame_rate: 23.976}
camera: {locked: {focal_mm: 36, filmback_mm: [36, 24], height_m: 2.0, tilt_deg: -10}}
light: {sun: {elevation_deg: 30, azimuth_deg: 90}}
crowd:
  seed: 7
  count: 10
  regions:
    - name: host
      polygon_m: [[-2, -6], [2, -6], [2, -12], [-2, -12]]
"""


@pytest.fixture()
def tiny(tmp_path: Path) -> Path:
    """A shot of three grey 96 x 64 frames, 1001-1003, with a locked camera."""
    for frame in (1001, 1002, 1003):
        cv2.imwrite(str(tmp_path / f"plate.{frame}.png"), np.full((64, 96, 3), 118, np.uint8))
    path = tmp_path / "shot.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path
