"""Painted frames in time: with noise locked to the world, texture stays on what it is painted on while the camera moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from composer.guides.passes import GuidePasses
from composer.render.frame import read_inputs, render_frame
from composer.render.job import Job, prepare_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from tests.support.brushes import SmoothBrush

W, H = 320, 180
SHOT = """\
muster: 1
shot: move
plate: {path: plate.####.exr, colorspace: ACEScg, frame_rate: 24}
camera: {path: cam.chan, rotation_order: ZXY, filmback_mm: [36, 20.25]}
ground: {plane: {point_m: [0, 0, 0], normal: [0, 1, 0]}}
light: {sun: {elevation_deg: 30, azimuth_deg: 60}, exposure: 0}
crowd:
  seed: 7
  count: 40
  regions:
    - {name: host, polygon_m: [[-6, -3], [6, -3], [6, -14], [-6, -14]], heading_deg: 180, clip: march}
"""


@pytest.fixture
def moving(tmp_path: Path) -> Callable[[int], Path]:
    """A shot of so many frames whose camera walks and pans: four to seven pixels a frame where the crowd stands."""

    def make(frames: int) -> Path:
        ramp = np.linspace(0.3, 0.5, H, dtype=np.float32)[:, None, None] * np.ones((1, W, 3), np.float32)
        lines = []
        for i in range(frames):
            output = oiio.ImageOutput.create("x.exr")
            assert output.open(str(tmp_path / f"plate.{1001 + i}.exr"), oiio.ImageSpec(W, H, 3, "half"))
            assert output.write_image(ramp)
            output.close()
            lines.append(f"{1001 + i} {-3 + 0.35 * i:.4f} 1.7 {4 - 0.2 * i:.4f} -6 {-4 + 0.6 * i:.4f} 0 35")
        (tmp_path / "cam.chan").write_text("\n".join(lines) + "\n")
        (tmp_path / "shot.yaml").write_text(SHOT)
        return tmp_path / "shot.yaml"

    return make


def job_of(shot: Path, noise: str, factor: int) -> Job:
    shot.write_text(SHOT + f"paint: {{bundle: tiny-sd15, strength: 1, edge_px: 0, noise: {noise}}}\n")
    job = prepare_job(load_shot(shot), shot.parent / "out", load_quality("draft"))
    painter, brush = job.scene.painter, SmoothBrush()
    assert painter is not None
    brush.factor = factor
    return replace(job, scene=replace(job.scene, painter=replace(painter, open_brush=lambda: brush)))


def warp_error(job: Job, frames: range) -> float:
    """Mean squared difference between a frame and the one before it, moved by true motion, where both show the same
    soldier whole; in model range."""
    painter = job.scene.painter
    assert painter is not None
    errors: list[np.ndarray] = []
    before: tuple[np.ndarray, GuidePasses] | None = None
    y, x = np.mgrid[:H, :W].astype(np.float32)
    for number in frames:
        frame = render_frame(job.scene, read_inputs(job.scene.stage, number))
        picture, guides = painter.plan.brief.range.encode(frame.composite.astype(np.float32)), frame.guides
        if before is not None:
            to = x + guides.motion_back_px[..., 0], y + guides.motion_back_px[..., 1]
            was, there = before

            def moved(values: np.ndarray, how: int, to: tuple[np.ndarray, np.ndarray] = to) -> np.ndarray:
                return cv2.remap(values.astype(np.float32), *to, how, borderValue=-1)

            same = (moved(there.agent_id, cv2.INTER_NEAREST) == guides.agent_id.astype(np.float32)) & (
                moved(there.coverage, cv2.INTER_NEAREST) == 1
            )
            near = np.abs(moved(np.nan_to_num(there.depth_m, posinf=0), cv2.INTER_NEAREST) - guides.depth_m) < 0.3
            known = same & near & (guides.coverage == 1)
            assert known.sum() > 2000
            errors.append(((moved(was, cv2.INTER_LINEAR) - picture) ** 2).sum(-1)[known])
        before = picture, guides
    return float(np.concatenate(errors).mean())


@pytest.mark.parametrize("factor", [8, 4])
def test_locked_to_the_world_texture_is_at_least_twice_as_still(
    moving: Callable[[int], Path], with_models: Path, factor: int
) -> None:
    shot = moving(4)
    world, screen = (warp_error(job_of(shot, noise, factor), range(1001, 1005)) for noise in ("world", "screen"))
    assert world < 0.5 * screen


@pytest.mark.slow
def test_over_sixteen_frames_too(moving: Callable[[int], Path], with_models: Path) -> None:
    """Its twin that always runs is the one above, with four."""
    shot = moving(16)
    world, screen = (warp_error(job_of(shot, noise, 8), range(1001, 1017)) for noise in ("world", "screen"))
    print(f"warp error: world {world:.5f}, screen {screen:.5f}, ratio {world / screen:.3f}")
    assert world < 0.5 * screen
