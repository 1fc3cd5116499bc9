"""A shot small enough to render in a test: a plain plate, a locked-off camera, level ground, thirty soldiers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

SIZE = (192, 108)
SHOT = """\
muster: 1
shot: tiny
version: v001
plate: {{path: plate.####.{ext}, colorspace: "{space}", frame_rate: 24, timecode: "01:00:00:00"}}
camera: {{locked: {{focal_mm: 32, filmback_mm: [36, 20.25], height_m: 1.7, tilt_deg: -4}}}}
ground: {{plane: {{point_m: [0, 0, 0], normal: [0, 1, 0]}}}}
light:
  sun: {{elevation_deg: 30, azimuth_deg: 60, strength: 3}}
  exposure: 0
crowd:
  seed: {seed}
  count: {count}
  regions:
    - name: host
      polygon_m: [[-6, -9], [6, -9], [6, -22], [-6, -22]]
      formation: rank_and_file
      heading_deg: 180
      side: red
      clip: march
      moving: true
"""


def write_plate(folder: Path, ext: str, frames: range) -> None:
    """A gradient with noise and some values above 1: half EXR, or 8-bit PNG."""
    width, height = SIZE
    for frame in frames:
        rng = np.random.default_rng(frame)
        ramp = np.linspace(0.05, 0.9, height, dtype=np.float32)[:, None, None]
        rgb = ramp * np.array([1.0, 0.9, 0.8], np.float32) + rng.normal(0, 0.02, (height, width, 3))
        if ext == "exr":
            rgb[:8, :30] = 12.5
        spec = oiio.ImageSpec(width, height, 3, "half" if ext == "exr" else "uint8")
        output = oiio.ImageOutput.create(f"x.{ext}")
        assert output.open(str(folder / f"plate.{frame:04d}.{ext}"), spec)
        assert output.write_image(np.clip(rgb, 0, None).astype(np.float32))
        output.close()


@pytest.fixture
def make_shot(tmp_path: Path) -> Callable[..., Path]:
    """`make_shot(ext="exr", space="lin_rec709", seed=7, count=30, frames=3)` writes plate and shot.yaml, returns the latter."""

    def make(
        ext: str = "exr", space: str = "Linear Rec.709 (sRGB)", seed: int = 7, count: int = 30, frames: int = 3
    ) -> Path:
        folder = tmp_path / "tiny"
        if not folder.exists():
            folder.mkdir()
            write_plate(folder, ext, range(1001, 1001 + frames))
        (folder / "shot.yaml").write_text(SHOT.format(ext=ext, space=space, seed=seed, count=count))
        return folder / "shot.yaml"

    return make
