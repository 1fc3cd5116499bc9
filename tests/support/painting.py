"""The plainest way to paint with an adapter: the whole picture as one tile, one step after the other. An oracle for engines,
and what the tests of the families drive them with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from composer.inference.adapter import Adapter, Prepared, TileBatch
from composer.inference.request import F32, WHOLE, PaintRequest, Part, Prompt


@dataclass(frozen=True)
class WhiteNoise:
    """Independent noise, the same for the same question. seed: of all of it."""

    seed: int = 0

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        salt = [self.seed, frame, *purpose.encode()]
        assert part == WHOLE
        return np.random.default_rng(salt).standard_normal((channels, *size)).astype(np.float32)


def request_of(frames: int = 1, size: tuple[int, int] = (64, 64), **changes: object) -> PaintRequest:
    """A request with something in every condition. The mask is made of whole 16x16 px cells, in the middle."""
    height, width = size
    rng = np.random.default_rng(7)
    t = np.arange(frames, dtype=np.float32)[:, None, None]
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    plate = np.stack([y + 0 * t, x + 0.05 * t, 0.3 + 0 * t + 0 * x], -1).astype(np.float32).clip(0, 1)
    mask = np.zeros((frames, height, width), np.float32)
    mask[:, 16 : height - 16, 16 : width - 16] = 1
    agents = np.zeros((frames, height, width), np.uint32)
    agents[:, 20:44, 20:30] = 41  # tall
    agents[:, 24:30, 34:38] = 42  # small
    there = (agents > 0).astype(np.float32)
    pose = np.zeros((frames, height, width, 3), np.float32)
    pose[:, 22:42, 24:26] = (1.0, 0.3, 0.0)
    pose[:, 24:30, 35:37] = (0.0, 0.3, 1.0)
    guide = plate * (1 - there[..., None]) + there[..., None] * np.float32([0.6, 0.2, 0.2])
    base = PaintRequest(
        frames=tuple(range(1001, 1001 + frames)), plate=plate, guide=guide.astype(np.float32), mask=mask,
        strength=np.ones_like(mask), depth=(0.2 + 0.6 * there).astype(np.float32),
        normal=(there[..., None] * rng.random((frames, height, width, 3))).astype(np.float32),
        albedo=(there[..., None] * rng.random((frames, height, width, 3))).astype(np.float32), pose=pose,
        agent_id=agents, noise=WhiteNoise(), steps=4, prompts=(Prompt("a muddy soldier"),), guidance=3.0,
    )  # fmt: skip
    return replace(base, **changes)


def noise_of(request: PaintRequest, adapter: Adapter) -> Tensor:
    """float32 [C, T', h, w]."""
    space = adapter.space
    size = (request.size[0] // space.factor, request.size[1] // space.factor)
    frames = range(1 + (len(request.frames) - 1) // space.time_factor)
    parts = [
        request.noise.latents(request.frames[0] + i, space.channels, size, space.factor, "initial") for i in frames
    ]
    return torch.from_numpy(np.stack(parts, 1))


def batch_of(adapter: Adapter, prepared: Prepared, latents: Tensor, text: int, timestep: float) -> TileBatch:
    """The whole picture as a batch of one tile."""
    return TileBatch(
        latents=latents[None], canvases={name: canvas.data[None] for name, canvas in prepared.canvases.items()}, text=text,
        timestep=torch.tensor([timestep], dtype=torch.float32), places=torch.zeros(1, 2, dtype=torch.int32),
        size=(latents.shape[2], latents.shape[3]), host_timestep=timestep,
    )  # fmt: skip


def sample(
    adapter: Adapter,
    request: PaintRequest,
    noise: Tensor,
    first: int = 0,
    from_noise: bool = False,
    hold: bool = True,
) -> Tensor:
    """The painted latents [C, T', h, w]. first: the step to begin with. from_noise: begin with noise alone. hold: keep what
    is known outside the mask; at the end without the noise that some schedules leave over, as the pipelines do."""
    prepared, schedule = adapter.prepare(request), adapter.schedule(request.steps)
    mask = max_pool2d(torch.from_numpy(request.mask), adapter.space.factor)
    mask = (
        torch.cat([mask[:1], mask[1:].unflatten(0, (-1, adapter.space.time_factor)).amax(1)]) if len(mask) > 1 else mask
    )
    known, before = prepared.known, torch.zeros_like(prepared.known)
    x = float(schedule.sigma[first]) * noise + (0 if from_noise else float(schedule.signal[first])) * known
    for i in range(first, len(schedule)):
        pred = torch.zeros_like(x)
        for text, weight in enumerate(prepared.weights):
            scaled = x * float(schedule.scale_in[i])
            pred += weight * adapter.denoise(batch_of(adapter, prepared, scaled, text, float(schedule.timestep[i])))[0]
        before = pred if i == first else before
        assert schedule.noise[i] == 0, "a stochastic sampler"
        x = float(schedule.keep[i]) * x + float(schedule.pred[i]) * pred + float(schedule.previous[i]) * before
        before = pred
        if hold:
            clean = i + 1 == len(schedule)
            outside = known if clean else float(schedule.signal[i + 1]) * known + float(schedule.sigma[i + 1]) * noise
            x = torch.where(mask > 0, x, outside)
    return x


def paint_plain(adapter: Adapter, request: PaintRequest) -> Tensor:
    """The painted pictures [3, T, H, W]."""
    return adapter.codec().decode(sample(adapter, request, noise_of(request, adapter))[None])[0]
