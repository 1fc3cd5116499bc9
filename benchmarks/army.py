"""A shot of `n` soldiers on a plain at 1920x1080, written to a folder: what `muster render` costs with everything on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from composer.camera.camera import View
from composer.io.exr import ExrPart, write_exr

SHOT = """\
muster: 1
shot: army
plate: {{path: plate.####.exr, frame_rate: 24, colorspace: ACEScg}}
camera: {{path: camera.json, format: transforms, up: y}}
ground: {{plane: {{point_m: [0, 0, 0]}}}}
light:
  sun: {{elevation_deg: 28, azimuth_deg: 141, color: [1.0, 0.87, 0.7], strength: 3.0}}
  sky: {{color: [0.55, 0.7, 1.0], strength: 1.0}}
  bounce: {{color: [0.9, 0.8, 0.6], strength: 0.2}}
  exposure: 0
crowd:
  seed: 1
  regions:
    - name: host
      polygon_m: {polygon}
      formation: rank_and_file
      spacing_m: [1.0, 1.5]
      jitter: 0.1
      heading_deg: 0
      kits: {{spearman: 1, swordsman: 1}}
      clip: march
      moving: true
      count: {count}
"""


def write_shot(folder: Path, count: int, frames: int, view: View) -> Path:
    """The shot's file; the plates are a sky and a field with grain, the camera is `view` on a slow truck."""
    w, h = view.size_px
    rng = np.random.default_rng(7)
    rows = np.linspace(0.0, 1.0, h, dtype=np.float32)[:, None, None]
    base = np.where(rows < 0.4, (0.35, 0.5, 0.8), (0.28, 0.25, 0.12)) * (0.6 + 0.8 * rows)
    cameras = []
    for k in range(frames):
        grained = base * (1.0 + 0.04 * rng.standard_normal((h, w, 3), np.float32))
        channels = {c: np.ascontiguousarray(grained[..., i], np.float16) for i, c in enumerate("RGB")}
        write_exr(folder / f"plate.{1001 + k}.exr", [ExrPart("", channels, compression="zip")], (w, h))
        matrix = view.world_from_camera.copy()
        matrix[0, 3] += 0.02 * k
        cameras.append({"file_path": f"plate.{1001 + k}.exr", "transform_matrix": matrix.tolist()})
    lens = {"camera_model": "OPENCV", "w": w, "h": h, "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}
    lens |= dict(zip(("fl_x", "fl_y", "cx", "cy"), (*view.focal_px, *view.centre_px), strict=True))
    (folder / "camera.json").write_text(json.dumps({**lens, "frames": cameras}))
    # as `guides.crowd_of` stands: five wide for two deep, from 15 m before the camera on
    wide = np.sqrt(2.5 * count) * 1.15 + 4.0
    deep = 1.5 * count * 1.25 / wide + 4.0
    x, z = wide / 2, -14.0 - deep
    polygon = [[-x, -14.0], [x, -14.0], [x, z], [-x, z]]
    path = folder / "shot.yaml"
    path.write_text(SHOT.format(polygon=[[round(float(v), 1) for v in p] for p in polygon], count=count))
    return path
