"""Small adapters with random weights: a convolution-only one with a known halo, one with attention, and a request to
paint with them. The engine's tests, and anyone's who paints, use them in place of gigabytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from composer.inference.adapter import Canvas, Codec, LatentSpace, Prepared, Schedule, TileBatch
from composer.inference.noise import ScreenNoise
from composer.inference.request import CONDITIONS, WHOLE, NoiseSource, PaintRequest, Part, Prompt

F32 = NDArray[np.float32]


def straight_schedule(steps: int, stochastic: float = 0.0, momentum: float = 0.0) -> Schedule:
    """Rectified flow: x = (1 - s) x0 + s z, p = z - x0, Euler steps; the last step lands on the data. stochastic: share of
    a step's noise made anew. momentum: Adams-Bashforth weight of the prediction before."""
    sigma = np.linspace(1, 0, steps + 1).astype(np.float32)
    step = sigma[1:] - sigma[:-1]
    one = np.ones(steps, np.float32)
    previous = np.full(steps, -momentum, np.float32) * step
    previous[0] = 0
    return Schedule(
        timestep=sigma[:-1] * 1000,
        scale_in=one,
        keep=one,
        pred=step - previous,
        previous=previous,
        noise=np.full(steps, stochastic, np.float32) * sigma[1:],
        signal=1 - sigma,
        sigma=sigma,
    )


class SeededNoise:
    """Independent of the order of calls: seeded by the frame and the purpose; the same numbers whatever the padding."""

    def __init__(self, seed: int = 7, room: int = 512) -> None:
        self.seed, self.room = seed, room

    def latents(
        self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str, part: Part = WHOLE
    ) -> F32:
        rng = np.random.default_rng([self.seed, frame, *purpose.encode()])
        whole = rng.standard_normal((channels, self.room, self.room), dtype=np.float32)
        y, x = part.corner
        return np.ascontiguousarray(whole[:, y : y + size[0], x : x + size[1]])

    def smooth(self, frame: int, count: int, size: tuple[int, int], factor: int, part: Part = WHOLE) -> F32:
        return ScreenNoise(self.seed).smooth(frame, count, size, factor, part)


class BlockCodec:
    """Lossless: a block of factor x factor pixels is one latent of 3 * factor^2 channels; picture k is latent k."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def modules(self) -> Mapping[str, nn.Module]:
        return {}

    def encode(self, pictures: Tensor) -> Tensor:
        n, c, t, h, w = pictures.shape
        f = self.factor
        blocks = pictures.reshape(n, c, t, h // f, f, w // f, f).permute(0, 1, 4, 6, 2, 3, 5)
        return blocks.reshape(n, c * f * f, t, h // f, w // f) * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        n, c, t, h, w = latents.shape
        f = self.factor
        blocks = (latents * 0.5 + 0.5).reshape(n, c // f // f, f, f, t, h, w).permute(0, 1, 4, 5, 2, 6, 3)
        return blocks.reshape(n, c // f // f, t, h * f, w * f)


class ConvNet(nn.Module):
    """3x3 convolutions and SiLU, nothing else: the receptive field reaches `depth` latents."""

    def __init__(self, channels: int, given: int, depth: int = 3, width: int = 24) -> None:
        super().__init__()
        sizes = [channels + given + 1, *[width] * (depth - 1), channels]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = nn.functional.silu(layer(x))
        return self.layers[-1](x)


class AttentionNet(nn.Module):
    """A convolution, self-attention over the whole tile, a convolution."""

    def __init__(self, channels: int, given: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels + given + 1, width, 3, padding=1)
        self.to_qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        b, c, h, w = x.shape
        q, k, v = self.to_qkv(x.flatten(2).transpose(1, 2)).chunk(3, dim=-1)
        seen = nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return self.last(nn.functional.silu(x + self.out(seen).transpose(1, 2).reshape(b, c, h, w)))


@dataclass(frozen=True)
class Told:
    """What a request's texts became: one colour shift a text, [P, C]."""

    shift: Tensor


class SmallAdapter:
    """`net` over latents, the guide's latents, depth and time. A text shifts the prediction by a vector of its own, so that
    regions show. attention: which of the two networks. frames: of a window; each latent frame is denoised by itself."""

    family = "small"
    takes = frozenset(CONDITIONS) - {"references", "normal"}

    def __init__(
        self,
        attention: bool = False,
        factor: int = 4,
        frames: int = 1,
        native: tuple[int, int] = (16, 16),
        steps: Schedule | None = None,
        device: str = "cpu",
        seed: int = 1,
    ) -> None:
        torch.manual_seed(seed)
        channels = 3 * factor * factor
        self.device, self.dtype, self._steps = torch.device(device), torch.float32, steps
        self.space = LatentSpace(channels, factor, native, 1, frames, 1, None if attention else 3)
        net = AttentionNet(channels, channels + 1) if attention else ConvNet(channels, channels + 1)
        self.net = net.eval().to(self.device)
        self._codec, self._told, self.calls = BlockCodec(factor), Told(torch.zeros(1, channels)), 0
        self.seen: list[tuple[int, ...]] = []

    def schedule(self, steps: int) -> Schedule:
        return self._steps or straight_schedule(steps)

    def notes(self) -> tuple[str, ...]:
        return ()

    def codec(self) -> Codec:
        return self._codec

    def prepare(self, request: PaintRequest) -> Prepared:
        guide = torch.from_numpy(np.ascontiguousarray(request.guide)).permute(3, 0, 1, 2)[None].to(self.device)
        known = self._codec.encode(guide)[0]
        f = self.space.factor
        depth = torch.from_numpy(np.ascontiguousarray(request.depth))[None].to(self.device)
        prompts = request.prompts or (Prompt(""),)
        shifts = [np.random.default_rng([3, *p.text.encode()]).standard_normal(len(known)) for p in prompts]
        self._told = Told(torch.from_numpy(np.stack(shifts)).float().to(self.device))
        t, h, w = known.shape[1:]
        weights = [np.ones(request.mask.shape, np.float32) if p.weight is None else p.weight for p in prompts]
        stack = np.stack(weights).reshape(len(prompts), t, h, f, w, f).mean(axis=(3, 5))
        stack /= np.maximum(stack.sum(axis=0), 1e-6)
        given = {k for k in ("references", "normal") if k == "normal" or request.references}
        return Prepared(
            known=known,
            canvases={"guide": Canvas(known, 1), "depth": Canvas(depth, f)},
            weights=torch.from_numpy(stack.astype(np.float32)).to(self.device),
            dropped=tuple(sorted(given)),
        )

    def stage(self, timestep: float) -> int:
        return 0

    def work_key(self, text: int) -> tuple[object, ...]:
        return (self._told.shift.data_ptr(),)

    def denoise(self, batch: TileBatch) -> Tensor:
        self.calls += 1
        b, c, t, h, w = batch.latents.shape
        self.seen.append((b, t, h, w, batch.text))
        f = self.space.factor
        depth = nn.functional.avg_pool2d(batch.canvases["depth"].flatten(0, 0).transpose(1, 2).flatten(0, 1), f)
        guide = batch.canvases["guide"].transpose(1, 2).flatten(0, 1)
        time = (batch.timestep / 1000).repeat_interleave(t)[:, None, None, None].expand(-1, 1, h, w)
        x = batch.latents.transpose(1, 2).flatten(0, 1)
        out = self.net(torch.cat([x, guide, depth, time], dim=1))
        out = out + 0.3 * self._told.shift[batch.text][None, :, None, None]
        return out.reshape(b, t, c, h, w).transpose(1, 2)


def small_request(
    size: tuple[int, int] = (96, 128),
    frames: tuple[int, ...] = (1001,),
    steps: int = 3,
    noise: NoiseSource | None = None,
) -> PaintRequest:
    """A picture of soft waves with a figure's worth of depth in the middle; everything is painted from noise."""
    (h, w), t = size, len(frames)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    phase = np.arange(t, dtype=np.float32)[:, None, None]
    guide = np.stack([0.5 + 0.4 * np.sin(x / (9 + 4 * k) + y / (13 - 2 * k) + 0.2 * phase) for k in range(3)], axis=-1)
    depth = np.exp(-(((x - w / 2) / (w / 5)) ** 2) - ((y - h / 2) / (h / 4)) ** 2)
    one = np.ones((t, h, w), np.float32)
    return PaintRequest(
        frames=frames,
        plate=guide.astype(np.float32) * 0.5,
        guide=guide.astype(np.float32),
        mask=one,
        strength=one.copy(),
        depth=(one * depth).astype(np.float32),
        normal=np.zeros((t, h, w, 3), np.float32),
        albedo=np.zeros((t, h, w, 3), np.float32),
        pose=np.zeros((t, h, w, 3), np.float32),
        agent_id=np.zeros((t, h, w), np.uint32),
        noise=noise or SeededNoise(),
        steps=steps,
    )


def within(request: PaintRequest, top: int, bottom: int, left: int, right: int, strength: float = 1.0) -> PaintRequest:
    """The same, painted only in a rectangle of pixels."""
    mask = np.zeros_like(request.mask)
    mask[:, top:bottom, left:right] = 1
    return replace(request, mask=mask, strength=np.full_like(mask, strength))


def nchw(array: object) -> torch.Tensor:
    """[1, H, W(, 3)] to [1, 3 or 1, H, W]."""
    tensor = torch.as_tensor(array)
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
