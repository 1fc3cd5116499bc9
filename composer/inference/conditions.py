"""From the guides to what a model is asked for: pictures in its range, mask, control depth, pose, ids, texts, strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.color.model_range import ModelRange
from composer.guides.control import control_depth
from composer.guides.passes import GuidePasses, PlacePasses
from composer.inference.direction import Direction
from composer.inference.reach import Reach, paint_mask
from composer.inference.request import NoiseSource, PaintRequest, Prompt

F32 = NDArray[np.float32]
#: What half float holds; plates may hold more, or no number at all.
MOST = 65504.0


@dataclass(frozen=True)
class Sight:
    """One frame as it is before it is painted. All pictures float32 [H, W, 3], ACEScg.

    plate: without the crowd, with its shadow. guide: with the flat guide render in it. behind: what `guide` shows
    beside the crowd's own premultiplied light: the plate's share of each pixel, a holdout's edge included. pose: the
    OpenPose picture. soft: float32 [H, W], how much of the pixel a matte in front of the crowd covers. reach: None where
    nobody is seen. focal_px: of the view, along y; infinite where it is not known.
    """

    number: int
    plate: F32
    guide: F32
    behind: F32
    guides: GuidePasses
    pose: F32
    soft: F32
    reach: Reach | None
    focal_px: float = math.inf


@dataclass(frozen=True)
class Brief:
    """What is the same in every frame of a shot. near_far_m: of the control depth. references: pictures in model
    range."""

    direction: Direction
    range: ModelRange
    near_far_m: tuple[float, float]
    steps: int
    guidance: float
    grow_px: int
    references: tuple[F32, ...] = ()


@dataclass(frozen=True)
class Change:
    """Where and how far a frame may be changed. mask, strength: float32 [H, W] in 0..1."""

    mask: F32
    strength: F32


def request_of(
    sights: Sequence[Sight], brief: Brief, noise: NoiseSource, only: Sequence[F32] | None = None
) -> PaintRequest:
    """A frame, or a window of frames. only: float32 [H, W] for each, a further mask (a re-roll's)."""
    changes = [change_of(s, brief) for s in sights]
    masks = [c.mask if only is None else c.mask * only[i] for i, c in enumerate(changes)]
    normals = [np.where(s.guides.normal.any(axis=-1, keepdims=True), (s.guides.normal + 1) / 2, 0) for s in sights]
    return PaintRequest(
        frames=tuple(s.number for s in sights),
        plate=_stack(brief.range.encode(tame(s.plate)) for s in sights),
        guide=_stack(guide_in_range(s, brief) for s in sights),
        mask=_stack(masks),
        strength=_stack(c.strength for c in changes),
        depth=_stack(control_depth(s.guides.depth_m, *brief.near_far_m) for s in sights),
        normal=_stack(normals),
        albedo=_stack(albedo_in_range(s.guides) for s in sights),
        pose=_stack(s.pose for s in sights),
        agent_id=np.stack([s.guides.agent_id for s in sights]),
        noise=noise,
        steps=brief.steps,
        prompts=prompts_of(sights, brief.direction),
        references=brief.references,
        guidance=brief.guidance,
        metre_px=(sights[0].focal_px / brief.near_far_m[1], sights[0].focal_px / brief.near_far_m[0]),
    )


def guide_in_range(sight: Sight, brief: Brief) -> F32:
    """float32 [H, W, 3] in model range."""
    return np.asarray(brief.range.encode(tame(sight.guide)), np.float32)


def albedo_in_range(passes: GuidePasses | PlacePasses) -> F32:
    """float32 [H, W, 3]: what a pass says of colour without light, in model range at an exposure of 1; 0 where nothing is."""
    there, picture = passes.coverage > 0, np.zeros_like(passes.albedo)
    picture[there] = ModelRange(1.0).encode(passes.albedo[there] / passes.coverage[there][:, None])
    return picture


def tame(rgb: F32) -> F32:
    """Finite, within half float: what no model could read is black or as bright as can be."""
    return np.nan_to_num(rgb, nan=0.0, posinf=MOST, neginf=0.0)


def change_of(sight: Sight, brief: Brief) -> Change:
    """The grown coverage; and the strength of whoever is nearest."""
    shape = sight.guides.coverage.shape
    mask, strength = np.zeros(shape, np.float32), np.full(shape, brief.direction.shot_strength, np.float32)
    if sight.reach is not None:
        cut = sight.reach.cut
        mask[cut] = paint_mask(sight.reach, brief.grow_px)
        strength[cut] = _mixed(sight, brief.direction, brief.direction.strength[:, None])[..., 0]
    return Change(mask, strength)


def prompts_of(sights: Sequence[Sight], direction: Direction) -> tuple[Prompt, ...]:
    """The texts that somebody in these frames is told, with their weights; a shot's own text alone has none. Nothing at
    all where no text says anything."""
    if not any(t.prompt or t.negative for t in direction.texts):
        return ()
    own = direction.texts[0]
    if len(direction.texts) == 1:
        return (Prompt(own.prompt, own.negative),)
    weights = np.stack([_text_weights(s, direction) for s in sights])
    told = [i for i in range(len(direction.texts)) if weights[..., i].any()]
    return tuple(
        Prompt(direction.texts[i].prompt, direction.texts[i].negative, np.ascontiguousarray(weights[..., i]))
        for i in told
    )


def _text_weights(sight: Sight, direction: Direction) -> F32:
    """float32 [H, W, texts], summing to one: each soldier's own text on him and in what is grown from him."""
    count = len(direction.texts)
    out = np.zeros((*sight.guides.coverage.shape, count), np.float32)
    out[..., 0] = 1.0
    if sight.reach is not None:
        each = np.eye(count, dtype=np.float32)[direction.text]
        out[sight.reach.cut] = _mixed(sight, direction, each)
    return out


def _mixed(sight: Sight, direction: Direction, each: F32) -> F32:
    """float32 [h, w, C] of the reach's box: `each` [N, C], by agent, averaged over who is seen in a pixel, and carried
    outwards from the nearest covered one."""
    assert sight.reach is not None
    samples = sight.guides.samples
    count = np.diff(samples.start)
    filled = np.flatnonzero(count)
    value = each[direction.rows(samples.agent_id)] * samples.coverage[:, None]
    total = np.maximum(np.add.reduceat(samples.coverage, samples.start[filled]), 1e-9)
    mean = np.zeros((len(count), each.shape[1]), np.float32)
    mean[filled] = np.add.reduceat(value, samples.start[filled], axis=0) / total[:, None]
    return sight.reach.outwards(mean.reshape(*sight.guides.coverage.shape, -1))


def _stack(pictures) -> F32:  # type: ignore[no-untyped-def]
    return np.ascontiguousarray(np.stack([np.asarray(p, np.float32) for p in pictures]))
