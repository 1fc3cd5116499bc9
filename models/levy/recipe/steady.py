"""How still the painted demo holds: world-locked noise against noise that stays on the screen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from composer.inference.bundle import Bundle
from composer.inference.carry import carry
from composer.inference.conditions import request_of
from composer.io.content import find_content
from composer.render.anchors import surface_at, traced
from composer.render.brush import noise_of
from composer.render.job import prepare_job
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from models.levy.recipe import measures as m
from models.levy.recipe.evaluate import Figures

#: How much of a pixel is the crowd, and was seen in the first frame, where pictures are compared.
ALL = 0.99
KINDS = ("world", "screen")
#: Errors are also of averages of so many pixels a side: of single ones, most is fine detail that was resampled.
LOW_PX = 4


def steadiness(
    bundle: Bundle, device: str, figures: Figures, frames: int, told: Callable[[str], None] = print,
    width_px: int | None = None,
) -> Figures:  # fmt: skip
    """Acceptance 5 (motion) over all of the embedded scene, 4 steps, painted from noise alone: its first frame against
    frames - 1 others up to the last, each further on than the one before. width_px: of smaller pictures than the plate's."""
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    ask = PaintAsk((str(bundle.folder),), steps=4, strength=1.0)
    with tempfile.TemporaryDirectory() as out:
        job = prepare_job(shot, Path(out), load_quality("draft"), device=device, ask=ask, width_px=width_px)
    scene, numbers = job.scene, job.frames
    errors: dict[str, m.Mean] = {}
    first: tuple[Look, dict[str, m.F32]] | None = None
    for k in _spread(len(numbers), frames):
        look = look_at(scene, read_inputs(scene.stage, numbers[k]))
        pictures = _pictures(scene, look)
        if first is None:
            first = look, pictures
        else:
            for name, error in _errors(scene, first, (look, pictures)).items():
                errors.setdefault(name, m.Mean()).add(error)
        told(f"frame {numbers[k]} painted")
    told_of = {f.name for f in fields(Figures)}
    values = {key: error.value for name, error in errors.items() if (key := f"carried_{name}") in told_of}
    return replace(figures, **values, carried_frames=len(numbers))


def _spread(count: int, wanted: int) -> list[int]:
    """The first of so many, the last, the next, and others between these, further and further apart."""
    later = np.unique(np.geomspace(count - 1, 1, max(1, min(wanted, count) - 1)).round().astype(int))
    return [0, *map(int, later)]


def _pictures(scene: Scene, look: Look) -> dict[str, m.F32]:
    """The guide; what is painted over it; and what noise makes of that: the difference of two seeds over the root of two."""
    painter = scene.painter
    assert painter is not None
    plan, brush = painter.plan, painter.brush
    pictures: dict[str, m.F32] = {}
    for kind in KINDS:
        painted = []
        for seed in (plan.seed, plan.seed + 1):
            noise = noise_of(kind)(scene, [look], seed, brush.factor)
            request = request_of([look.sight(plan.brief.grow_px)], plan.brief, noise)
            pictures["guide"] = request.guide[0]
            painted.append(brush.paint(request).rgb[0])
        one, two = painted
        pictures |= {
            kind: one,
            f"{kind}_over": one - pictures["guide"],
            f"{kind}_noise": (one - two) / np.float32(2**0.5),
        }
    return pictures


def _errors(scene: Scene, first: tuple[Look, dict[str, m.F32]], now: tuple[Look, dict[str, m.F32]]) -> dict[str, float]:
    """RMS between each picture and the first frame's, carried along the true motion to where this one shows the same
    (Lai et al., Learning Blind Video Temporal Consistency, 2018); NAME_low: of averages."""
    (begin, before), (look, pictures) = first, now
    parts = [*before.values(), begin.guides.coverage[..., None]]
    moved = carry(
        np.concatenate(parts, axis=-1), surface_at(scene, begin), traced(scene, look, begin.number), device=scene.device
    )
    seen = (moved.seen > ALL) & (moved.picture[..., -1] > ALL) & (look.guides.coverage > ALL)
    whole = m.low(seen[..., None].astype(np.float32), LOW_PX)[..., 0] == 1
    errors = {}
    for k, name in enumerate(before):
        was, here = moved.picture[..., 3 * k : 3 * k + 3], pictures[name]
        errors[name] = m.rms(was, here, seen)
        errors[f"{name}_low"] = m.rms(m.low(was, LOW_PX), m.low(here, LOW_PX), whole)
    return errors
