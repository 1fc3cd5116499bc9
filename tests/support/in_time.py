"""A moving camera's surfaces, a small random network in a model's place, and the warp error along true motion."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from composer.guides.passes import GuidePasses
from composer.guides.surface import Surface
from composer.inference.carry import carry, together
from composer.render.anchors import Anchors
from composer.render.frame import read_inputs, render_frame
from composer.render.ready import Job
from support import soldiers

F32 = NDArray[np.float32]
FRAMES, FACTOR, GRID = 16, 8, (27, 48)


class Painter:
    """Three convolutions on the latents, then a smooth enlargement: as a decoder does, texture of a latent's size."""

    def __init__(self, seed: int) -> None:
        g = torch.Generator().manual_seed(seed)
        sizes = ((16, 4), (16, 16), (3, 16))
        self.weight = [1.5 * torch.randn(o, i, 3, 3, generator=g) / (3 * i**0.5) for o, i in sizes]

    def __call__(self, latents: F32) -> F32:
        x = torch.from_numpy(latents)[None]
        for w in self.weight[:2]:
            x = torch.tanh(torch.conv2d(x, w, padding=1))
        x = torch.conv2d(x, self.weight[2], padding=1)
        x = torch.nn.functional.interpolate(x, scale_factor=FACTOR, mode="bicubic", align_corners=False)
        return x[0].permute(1, 2, 0).numpy()


@lru_cache(maxsize=2)
def shot(pan_deg: float = 1.0) -> tuple[Surface, ...]:
    """A pan of so many degrees a frame with a slow travel; each surface is traced into the frame before. One degree is six
    pixels."""
    views = [soldiers.view(pan_deg=pan_deg * k, x_m=0.02 * k) for k in range(FRAMES)]
    return tuple(
        soldiers.surface(soldiers.crowd(walk_m=0.03, frame=k, past=max(k - 1, 0)), at, past=views[max(k - 1, 0)])
        for k, at in enumerate(views)
    )


def traced(pan_deg: float, frame: int, anchor: int) -> Surface:
    """A frame of that shot, each point followed to where it is in the anchor."""
    at, past = (soldiers.view(pan_deg=pan_deg * k, x_m=0.02 * k) for k in (frame, anchor))
    return soldiers.surface(soldiers.crowd(walk_m=0.03, frame=frame, past=anchor), at, past=past)


#: (frame, what anchors show of it, how much of each pixel they show) to a picture; None of both for an anchor itself.
Paints = Callable[[int, F32 | None, F32 | None], F32]


def anchored(paints: Paints, pan_deg: float, every: int) -> list[F32]:
    """The shot's pictures: anchors first, the others carried from those beside them and healed, as `render.paint` does."""
    surfaces, frames = shot(pan_deg), tuple(range(FRAMES))
    anchors = Anchors(tuple(dict.fromkeys([*frames[::every], frames[-1]])), frames)
    kept = {a: paints(a, None, None) for a in anchors.chosen}
    pictures = []
    for k in frames:
        if k in kept:
            pictures.append(kept[k])
            continue
        whole = together([(s, carry(kept[a], surfaces[a], traced(pan_deg, k, a))) for a, s in anchors.of(k)])
        fresh = paints(k, whole.picture, whole.seen)
        pictures.append(fresh + whole.seen[..., None] * (whole.picture - fresh))
    return pictures


def warp_error(pictures: list[F32], surfaces: tuple[Surface, ...]) -> float:
    """Mean squared difference between each frame and the one before it warped by true motion, over what both show of the
    crowd and the ground."""
    errors = []
    for k in range(1, len(pictures)):
        was, now = surfaces[k - 1], surfaces[k]
        assert now.before_px is not None
        at = now.before_px[:, :, 0]
        h, w = at.shape[:2]
        i, j = (np.clip(np.nan_to_num(at[..., n], nan=-1), 0, size - 1).astype(int) for n, size in ((0, w), (1, h)))
        same = (was.agent_id[j, i, 0] == now.agent_id[..., 0]) & (was.kind[j, i, 0] == now.kind[..., 0])
        same &= (at > 1).all(-1) & (at[..., 0] < w - 1) & (at[..., 1] < h - 1) & (now.kind[..., 0] > 0)
        x, y = (np.ascontiguousarray(at[..., n] - 0.5) for n in (0, 1))
        warped = cv2.remap(pictures[k - 1], x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        errors.append(((warped - pictures[k])[same] ** 2).mean())
    return float(np.mean(errors))


def rendered_error(job: Job, frames: range) -> float:
    """The same for rendered frames, in model range, over what is the same soldier's whole pixels in both."""
    painter = job.scene.painter
    assert painter is not None
    errors: list[NDArray[np.float32]] = []
    before: tuple[F32, GuidePasses] | None = None
    for number in frames:
        frame = render_frame(job.scene, read_inputs(job.scene.stage, number))
        picture, guides = painter.plan.brief.range.encode(frame.composite.astype(np.float32)), frame.guides
        if before is not None:
            was, there = before
            y, x = np.mgrid[: was.shape[0], : was.shape[1]].astype(np.float32)
            to = x + guides.motion_back_px[..., 0], y + guides.motion_back_px[..., 1]

            def moved(values: NDArray, how: int, to: tuple[F32, F32] = to) -> F32:  # type: ignore[type-arg]
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
