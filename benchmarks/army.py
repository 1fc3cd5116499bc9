"""The whole chain at 1920x1080: a shot of `n` soldiers on a plain, rendered as `muster render` does, 4 samples a pixel.

Reading the plate, layout, guides, pose picture, composite, and a multi-part EXR with every part of the default delivery;
reading ahead and writing behind on threads. `python benchmarks/army.py 10000` measures one count in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import guides
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from composer.camera.camera import View
from composer.io.exr import ExrPart, write_exr
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot

#: Frames that are rendered, and how many at the start are left out: kernels load, caches fill, nothing is written beside.
FRAMES, WARM = 10, 2

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


def measure(count: int) -> dict[str, object]:
    """Seconds a frame once the job runs, between one frame's record and another's."""
    stamps: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        shot = write_shot(Path(folder), count, FRAMES, guides.camera())
        job = prepare_job(load_shot(shot), Path(folder) / "out", load_quality("preview"))
        result = run_job(job, lambda *_: stamps.append((time.perf_counter(), time.process_time())))
        records = json.loads(result.manifest.read_text())["frames"][WARM + 1 :]
        size = sum(f.stat().st_size for f in (job.delivery / "exr").iterdir()) / FRAMES / 1e6
    wall, busy = ((stamps[-1][k] - stamps[WARM][k]) / len(records) for k in (0, 1))
    stages = {stage: float(np.mean([r["seconds"][stage] for r in records])) for stage in records[0]["seconds"]}
    return {
        "seconds": round(wall, 3),
        "cpu_seconds": round(busy, 3),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "visible_soldiers": round(np.mean([r["soldiers_visible"] for r in records])),
        "exr_megabytes": round(size, 1),
        "stages": {name: round(s, 3) for name, s in stages.items()},
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
