"""A request's arrays as tensors: pictures, masks at the size of latents, the texts' weights, and what was given at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from composer.errors import InputError
from composer.inference.adapter import LatentSpace
from composer.inference.request import CONDITIONS, PaintRequest, Prompt


def given(request: PaintRequest) -> tuple[str, ...]:
    """The conditions that carry anything, in the order of CONDITIONS."""
    there = {
        "depth": bool(request.depth.any()),
        "pose": bool(request.pose.any()),
        "normal": bool(request.normal.any()),
        "albedo": bool(request.albedo.any()),
        "id": bool(request.agent_id.any()),
        "references": bool(request.references),
        "text": any(p.text or p.negative for p in request.prompts),
    }
    return tuple(name for name in CONDITIONS if there.get(name, True))


def dropped(request: PaintRequest, takes: frozenset[str]) -> tuple[str, ...]:
    """The conditions that were given and that nothing listens to."""
    return tuple(name for name in given(request) if name not in takes)


def check_size(request: PaintRequest, space: LatentSpace) -> None:
    """InputError where frames or size do not fit the latents. The engine pads, so that this names a fault of the caller."""
    step = space.factor * space.multiple
    height, width = request.size
    if height % step or width % step:
        raise InputError(f"the picture's sides must be multiples of {step} px", got=f"{width}x{height}")
    if space.frames == 1 and len(request.frames) != 1:
        raise InputError("a picture model paints one frame at a time", got=f"{len(request.frames)} frames")
    if (len(request.frames) - 1) % space.time_factor:
        raise InputError(
            f"a window has a multiple of {space.time_factor} frames and one more", got=str(len(request.frames))
        )


def picture(array: NDArray[np.float32], device: torch.device) -> Tensor:
    """float32 [T, H, W, 3] or [T, H, W] to float32 [3 or 1, T, H, W] on the device."""
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)
    return tensor.unsqueeze(0) if tensor.ndim == 3 else tensor.permute(3, 0, 1, 2).contiguous()


def painted(request: PaintRequest, device: torch.device) -> Tensor:
    """float32 [1, T, H, W]: 1 where the model is to paint. A hard edge: a soft one is the engine's, a latent at a time."""
    return (picture(request.mask, device) > 0.5).float()


def any_in(mask: Tensor, factor: int) -> Tensor:
    """[C, T, H, W] to [C, T, H / factor, W / factor]: the largest in each cell, so that no thin figure is lost."""
    return max_pool2d(mask, factor)


@dataclass(frozen=True)
class Texts:
    """prompts: one or more. weights: float32 [P, T', h, w], summing to one."""

    prompts: tuple[Prompt, ...]
    weights: Tensor


def texts_of(request: PaintRequest, space: LatentSpace, device: torch.device, default: str = "") -> Texts:
    """The request's prompts with their weights as latents. Where none speaks, `default` does, and in place of empty ones."""
    height, width = (side // space.factor for side in request.size)
    count = 1 + (len(request.frames) - 1) // space.time_factor
    prompts = request.prompts or (Prompt(""),)
    everywhere = torch.ones(count, height, width, device=device)
    weights = torch.stack(
        [everywhere if p.weight is None else _in_latents(picture(p.weight, device)[0], space) for p in prompts]
    )
    total = weights.sum(0)
    if bool((total <= 0).any()):
        prompts = (*prompts, Prompt(""))
        weights = torch.cat([weights, (total <= 0).float()[None]])
        total = weights.sum(0)
    return Texts(tuple(p if p.text else replace(p, text=default) for p in prompts), weights / total)


def _in_latents(weight: Tensor, space: LatentSpace) -> Tensor:
    """[T, H, W] to [T', h, w], the mean over each latent's pixels and pictures (its first latent has one picture)."""
    small = avg_pool2d(weight.clamp(0, 1)[None], space.factor)[0]
    groups = small[1:].unflatten(0, (-1, space.time_factor)).mean(1) if len(small) > 1 else small[1:]
    return torch.cat([small[:1], groups])
