"""World-locked noise: seconds a frame at 1920x1080, and how much stiller a picture is than with noise that stays on the screen.

Stillness: warp error along true motion, over that with screen-locked noise and without anchors, of the same network and steps.
The networks have random weights: three convolutions, and the tiny bundles of the tests through the engine with four steps from
pure noise. Noise cannot be both white and exactly movable by parts of a latent, so slow pans gain least: anchors are for those.
The last rows are the embedded shot's own slow camera through the whole render, with soft spots in a model's place.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from guides import SIZE, crowd_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import soldiers
from support.brushes import GuideBrush, SmoothBrush
from support.bundles import tiny_bundle
from support.in_time import F32, FRAMES, GRID, Painter, anchored, rendered_error, shot, warp_error
from support.painting import request_of

from composer.camera.camera import Pinhole, View
from composer.crowd.cast import default_cast
from composer.guides.surface import Surface, surface_pass
from composer.inference.bundle import load_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import open_adapter
from composer.inference.noise import ScreenNoise, WorldNoise
from composer.inference.request import NoiseSource
from composer.io.content import find_content
from composer.render.job import prepare_job
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot

#: Samples a pixel, pixels a latent, channels.
CASES = ((4, 8, 4), (1, 8, 4), (4, 8, 16), (4, 2, 12))
#: Degrees of pan a frame; one is 6 px.
PANS = (0.3, 1.0, 2.6)
TIMES = 3
#: (noise, frame, what anchors show, how much of each pixel) to a picture.
Paint = Callable[..., F32]


def seconds() -> list[dict[str, object]]:
    """Of 10,000 soldiers on a plain, the surface pass and one draw."""
    cast = default_cast()
    agents, (w, h) = crowd_of(10_000, cast), SIZE
    tilt = np.radians(-6.0)
    m = np.eye(4)
    m[:3, :3] = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    m[1, 3] = 4.0
    view = View(0, SIZE, m, (1700.0, 1700.0), (w / 2, h / 2), Pinhole())
    ground = soldiers.ground(view)
    rows = []
    for samples, factor, channels in CASES:
        size = (-(-h // factor), -(-w // factor))
        took = np.full((TIMES, 3), np.inf)
        for k in range(TIMES):
            marks = [time.perf_counter()]
            surface = surface_pass(agents, cast, (view, view, view), ground, samples)
            marks.append(time.perf_counter())
            noise = WorldNoise({0: surface}.__getitem__, 1)
            for purpose in ("initial", "step 1"):
                noise.latents(0, channels, size, factor, purpose)
                marks.append(time.perf_counter())
            took[k] = np.diff(marks)
        least = took.min(0)
        rows.append({
            "samples": samples, "factor": factor, "channels": channels, "surface_s": round(least[0], 3),
            "first_draw_s": round(least[1], 3), "each_further_draw_s": round(least[2], 3),
        })  # fmt: skip
    return rows


def ratios() -> list[dict[str, object]]:
    """By pan: error with world-locked noise over that with the screen's, by itself and with anchors at both ends."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        nets: dict[str, Paint] = {"convolutions": _by_net}
        for family in ("sd15", "sdxl"):
            adapter = open_adapter(load_bundle(tiny_bundle(Path(folder) / family, family)), "cpu")
            nets[f"tiny {family}"] = _by_engine(Engine(adapter, EngineOptions(tile=(24, 24))))
        for pan in PANS:
            row: dict[str, object] = {"px_a_frame": round(6 * pan, 1)}
            for name, paint in nets.items():
                surfaces = shot(pan)
                world, screen = WorldNoise(surfaces.__getitem__, 1), ScreenNoise(1)
                least = _error(paint, screen, surfaces)
                row[name] = round(_error(paint, world, surfaces) / least, 3)
                carried = anchored(partial(paint, world), pan, FRAMES - 1)
                row[f"{name}, anchors"] = round(warp_error(carried, surfaces) / least, 3)
            rows.append(row)
    return rows


def _by_net(noise: NoiseSource, frame: int, shown: F32 | None = None, seen: F32 | None = None) -> F32:
    return Painter(1)(noise.latents(frame, 4, GRID, 8, "initial"))[: soldiers.SIZE[1]]


def _by_engine(engine: Engine) -> Paint:
    w, h = soldiers.SIZE
    one, grey = np.ones((1, h, w), np.float32), np.full((1, h, w, 3), 0.5, np.float32)
    base = replace(
        request_of(1, (h, w)), mask=one, strength=one, guide=grey, plate=grey, depth=0 * one, normal=0 * grey,
        pose=0 * grey, agent_id=np.zeros((1, h, w), np.uint32), prompts=(), guidance=1.0,
    )  # fmt: skip

    def paint(noise: NoiseSource, frame: int, shown: F32 | None = None, seen: F32 | None = None) -> F32:
        """With anchors' picture and how much of each pixel they show, painted where they show nothing."""
        told = replace(base, frames=(frame,), noise=noise)
        if shown is not None and seen is not None:
            guide = grey[0] + seen[..., None] * (shown - grey[0])
            told = replace(told, guide=guide[None].astype(np.float32), strength=1 - seen[None])
        return engine.paint(told).rgb[0]

    return paint


def _error(paint: Paint, noise: NoiseSource, surfaces: tuple[Surface, ...]) -> float:
    return warp_error([paint(noise, k) for k in range(FRAMES)], surfaces)


def slow_camera() -> list[dict[str, object]]:
    """The embedded shot, 1920x1080, about two pixels a frame where the crowd stands: errors through the whole render."""
    frames, rows = range(1001, 1001 + FRAMES), []
    scene = find_content("scenes/valley")
    with tempfile.TemporaryDirectory() as folder:
        ask = PaintAsk((str(tiny_bundle(Path(folder) / "tiny-sd15", "sd15")),))
        copied = Path(folder) / "valley"
        copied.mkdir()
        for part in scene.iterdir():
            (copied / part.name).symlink_to(part)
        shot_file, text = copied / "slow.yaml", (scene / "shot.yaml").read_text().partition("\npaint:")[0]
        for name, brush, more in (
            ("the guide render alone", GuideBrush, "noise: world"),
            ("screen", SmoothBrush, "noise: screen"),
            ("world", SmoothBrush, "noise: world"),
            ("world, anchors", SmoothBrush, f"noise: world, anchors: {{frames: [{frames[0]}, {frames[-1]}]}}"),
            ("world, averaged", SmoothBrush, "noise: world, steady: true"),
        ):
            shot_file.write_text(f"{text}\npaint: {{strength: 1, edge_px: 0, {more}}}\n")
            job = prepare_job(load_shot(shot_file), Path(folder) / "out" / name, load_quality("draft"), ask=ask)
            assert job.scene.painter is not None
            painter = replace(job.scene.painter, open_brush=brush)
            job = replace(job, scene=replace(job.scene, painter=painter))
            rows.append({"noise": name, "warp_error": round(rendered_error(job, frames), 6)})
    least = float(str(rows[1]["warp_error"]))
    return [{**row, "over_screen": round(float(str(row["warp_error"])) / least, 3)} for row in rows]


def measure() -> dict[str, object]:
    torch.set_num_threads(1)
    return {
        "what": "world-locked noise: 10,000 soldiers at 1920x1080; warp error over 16 frames of a pan at 384x216",
        "seconds": seconds(),
        "warp_error_over_that_of_screen_noise": ratios(),
        "slow_camera": slow_camera(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
