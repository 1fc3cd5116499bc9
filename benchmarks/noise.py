"""World-locked noise: seconds a frame at 1920x1080, and how much stiller a picture is than with noise that stays on the screen.

Stillness: warp error along true motion, world-locked over screen-locked, of the same network. The networks have random
weights: three convolutions, and the tiny bundles of the tests through the engine with four steps from pure noise. Noise cannot
be both white and exactly movable by parts of a latent, so slow pans gain least.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from guides import SIZE, crowd_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import soldiers
from support.bundles import tiny_bundle
from support.in_time import FRAMES, GRID, Painter, shot, warp_error
from support.painting import request_of

from composer.camera.camera import Pinhole, View
from composer.crowd.cast import default_cast
from composer.guides.surface import surface_pass
from composer.inference.bundle import load_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import open_adapter
from composer.inference.noise import ScreenNoise, WorldNoise
from composer.inference.request import NoiseSource

#: Samples a pixel, pixels a latent, channels.
CASES = ((4, 8, 4), (1, 8, 4), (4, 8, 16), (4, 2, 12))
#: Degrees of pan a frame; one is 6 px.
PANS = (0.3, 1.0, 2.6)
TIMES = 3


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
    """By pan: error with world-locked noise over that with the screen's."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        engines = {}
        for family in ("sd15", "sdxl"):
            adapter = open_adapter(load_bundle(tiny_bundle(Path(folder) / family, family)), "cpu")
            engines[f"tiny {family}"] = Engine(adapter, EngineOptions(tile=(24, 24)))
        for pan in PANS:
            row: dict[str, object] = {"px_a_frame": round(6 * pan, 1)}
            row["convolutions"] = round(_error(_by_net, pan, True) / _error(_by_net, pan, False), 3)
            for name, engine in engines.items():
                by = _by_engine(engine)
                row[name] = round(_error(by, pan, True) / _error(by, pan, False), 3)
            rows.append(row)
    return rows


def _by_net(noise: NoiseSource, frame: int) -> np.ndarray:
    return Painter(1)(noise.latents(frame, 4, GRID, 8, "initial"))[: soldiers.SIZE[1]]


def _by_engine(engine: Engine):  # type: ignore[no-untyped-def]
    w, h = soldiers.SIZE
    one, grey = np.ones((1, h, w), np.float32), np.full((1, h, w, 3), 0.5, np.float32)
    base = replace(
        request_of(1, (h, w)), mask=one, strength=one, guide=grey, plate=grey, depth=0 * one, normal=0 * grey,
        pose=0 * grey, agent_id=np.zeros((1, h, w), np.uint32), prompts=(), guidance=1.0,
    )  # fmt: skip
    return lambda noise, frame: engine.paint(replace(base, frames=(frame,), noise=noise)).rgb[0]


def _error(paint, pan: float, world: bool) -> float:  # type: ignore[no-untyped-def]
    surfaces = shot(pan)
    noise: NoiseSource = WorldNoise(surfaces.__getitem__, 1) if world else ScreenNoise(1)
    return warp_error([paint(noise, k) for k in range(FRAMES)], surfaces)


def measure() -> dict[str, object]:
    torch.set_num_threads(1)
    return {
        "what": "world-locked noise: 10,000 soldiers at 1920x1080; warp error over 16 frames of a pan at 384x216",
        "seconds": seconds(),
        "warp_error_over_that_of_screen_noise": ratios(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
