"""Held-out pairs painted through the real engine and adapter, as a shot is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.inference.bundle import Bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import open_adapter
from composer.inference.noise import ScreenNoise
from composer.inference.request import PaintRequest, Prompt
from models.levy.recipe.data import Stored

F32 = NDArray[np.float32]


def request_from(pair: Stored, seed: int = 1, steps: int = 4) -> PaintRequest:
    """What `pairs` asked for, as far as eight bits keep it."""
    return PaintRequest(
        frames=(pair.number,), plate=pair.part("plate")[None], guide=pair.part("guide")[None],
        mask=pair.part("mask")[None], strength=np.ones_like(pair.part("mask"))[None],
        depth=pair.depth.astype(np.float32)[None], normal=pair.part("normal")[None],
        albedo=pair.part("albedo")[None], pose=pair.part("pose")[None],
        agent_id=pair.agent.astype(np.uint32)[None], noise=ScreenNoise(seed), steps=steps, prompts=(Prompt(pair.text),),
    )  # fmt: skip


@dataclass
class Brushes:
    """The model over the guide, and the same shown depth and pose alone."""

    guided: Engine
    alone: Engine

    @staticmethod
    def of(bundle: Bundle, device: str, options: EngineOptions | None = None) -> Brushes:
        blind = replace(bundle, options={**bundle.options, "masked_picture": "plate"})
        return Brushes(*(Engine(open_adapter(b, device), options) for b in (bundle, blind)))

    def over_guide(self, pair: Stored, steps: int, seed: int = 1, **change: object) -> F32:
        return self.guided.paint(replace(request_from(pair, seed, steps), **change)).rgb[0]

    def from_depth_and_pose(self, pair: Stored, steps: int, seed: int = 1, without: tuple[str, ...] = ()) -> F32:
        """without: of 'depth' (its normals with it), 'pose', 'text'. What the engine keeps outside the mask is the plate."""
        request = request_from(pair, seed, steps)
        request = replace(request, guide=request.plate, albedo=np.zeros_like(request.albedo))
        if "depth" in without:
            request = replace(request, depth=np.zeros_like(request.depth), normal=np.zeros_like(request.normal))
        if "pose" in without:
            request = replace(request, pose=np.zeros_like(request.pose))
        if "text" in without:
            request = replace(request, prompts=())
        return self.alone.paint(request).rgb[0]


def columns(pair: Stored, brushes: Brushes) -> list[F32]:
    """depth | pose | guide | target | 4 steps | 8 steps | depth and pose only."""
    depth = np.repeat(pair.depth.astype(np.float32)[..., None], 3, -1)
    return [
        depth, pair.part("pose"), pair.part("guide"), pair.part("target"), brushes.over_guide(pair, 4),
        brushes.over_guide(pair, 8), brushes.from_depth_and_pose(pair, 8),
    ]  # fmt: skip


def write_grid(rows: list[list[F32]], path: Path) -> None:
    """The columns of several pairs, one below the other."""
    from PIL import Image

    picture = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8)).save(path, optimize=True)
