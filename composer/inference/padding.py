"""A request made to fit the latents: padded to whole tiles' multiples, and the change map in latents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.inference.adapter import LatentSpace
from composer.inference.request import F32, WHOLE, NoiseSource, PaintRequest, Part, Prompt

#: Strengths this little above a threshold do not ask for one more step: 0.3 * 10 is 3 steps.
_SLACK = 1e-4


def latent_frames(pictures: int, time_factor: int) -> int:
    """Latents along time of so many pictures."""
    return 1 + -(-(pictures - 1) // time_factor)


def pictures_of(latent: int, time_factor: int) -> tuple[int, int]:
    """[first, end) pictures that a latent stands for: the first stands for one, the others for `time_factor`."""
    return (0, 1) if latent == 0 else (1 + (latent - 1) * time_factor, 1 + latent * time_factor)


def pad_request(request: PaintRequest, space: LatentSpace) -> PaintRequest:
    """Sides become multiples of factor * multiple pixels and the pictures whole latents along time. Pictures repeat their
    edge, mask and strength are 0 there, agent ids too."""
    side = space.factor * space.multiple
    (h, w), t = request.size, len(request.frames)
    whole = 1 + (latent_frames(t, space.time_factor) - 1) * space.time_factor
    pad = ((0, whole - t), (0, -h % side), (0, -w % side))
    if not any(end for _, end in pad):
        return request
    last = request.frames[-1]

    def edge(picture: F32) -> F32:
        return np.pad(picture, pad + ((0, 0),) * (picture.ndim - 3), mode="edge")

    def nothing(mask: NDArray) -> NDArray:  # type: ignore[type-arg]
        return np.pad(mask, pad)

    return replace(
        request,
        frames=request.frames + tuple(last + 1 + k for k in range(whole - t)),
        **{name: edge(getattr(request, name)) for name in ("plate", "guide", "depth", "normal", "albedo", "pose")},
        **{name: nothing(getattr(request, name)) for name in ("mask", "strength", "agent_id")},
        prompts=tuple(
            p if p.weight is None else Prompt(p.text, p.negative, edge(np.asarray(p.weight))) for p in request.prompts
        ),
    )


def begin_steps(request: PaintRequest, space: LatentSpace, steps: int) -> NDArray[np.int16]:
    """int16 [T', h, w]: the first step that paints a latent, `steps` where nothing is painted. A latent is painted as
    strongly as the strongest of its pixels: change = mask * strength, one threshold a step (differential diffusion, Levin
    and Froehlich 2023)."""
    change = np.clip(request.mask, 0, 1) * np.clip(request.strength, 0, 1)
    t, h, w = change.shape
    f = space.factor
    blocks = change.reshape(t, h // f, f, w // f, f).max(axis=(2, 4))
    count = latent_frames(t, space.time_factor)
    spans = [pictures_of(k, space.time_factor) for k in range(count)]
    strongest = np.stack([blocks[a:b].max(axis=0) for a, b in spans])
    return (steps - np.ceil(np.maximum(strongest * steps - _SLACK, 0))).astype(np.int16)


def noise_latents(source: NoiseSource, request: PaintRequest, space: LatentSpace, purpose: str) -> F32:
    """float32 [C, T', h, w] of the source; a latent along time takes the noise of its first picture's frame. Where a network
    wants to see no more than what is painted, noise matters only there."""
    size, part = _where(request, space)
    parts = [source.latents(n, space.channels, size, space.factor, purpose, part) for n in _frames(request, space)]
    return np.ascontiguousarray(np.stack(parts, axis=1), dtype=np.float32)


def smooth_latents(request: PaintRequest, space: LatentSpace, count: int) -> F32:
    """float32 [count, T', h, w], the same of its smooth noise."""
    size, part = _where(request, space)
    parts = [request.noise.smooth(n, count, size, space.factor, part) for n in _frames(request, space)]
    return np.ascontiguousarray(np.stack(parts, axis=1), dtype=np.float32)


def _where(request: PaintRequest, space: LatentSpace) -> tuple[tuple[int, int], Part]:
    """(h, w), and which of those latents matter."""
    h, w = request.size
    part = Part(where=begin_steps(request, space, 1).min(axis=0) < 1) if space.beside else WHOLE
    return (h // space.factor, w // space.factor), part


def _frames(request: PaintRequest, space: LatentSpace) -> list[int]:
    """Of each latent along time the first picture's number."""
    count = latent_frames(len(request.frames), space.time_factor)
    return [request.frames[pictures_of(k, space.time_factor)[0]] for k in range(count)]
