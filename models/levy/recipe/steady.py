"""How still the painted demo holds: as the demo paints it, against each frame painted by itself out of noise that stays on
the screen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from composer.cli.demo import WIDTH_PX
from composer.inference.bundle import Bundle
from composer.inference.carry import carry
from composer.inference.conditions import guide_in_range
from composer.io.content import find_content
from composer.render.anchors import surface_at, traced
from composer.render.brush import noise_of
from composer.render.job import prepare_job
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.paint import Painter
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from models.levy.recipe import measures as m
from models.levy.recipe.evaluate import Figures

#: How much of a pixel is the crowd, and was seen before, where pictures are compared.
ALL = 0.99


def steadiness(
    bundle: Bundle, device: str, figures: Figures, frames: int, told: Callable[[str], None] = print,
    width_px: int = int(WIDTH_PX),
) -> Figures:  # fmt: skip
    """Acceptance 5 (motion) over the first so many frames of the embedded scene, 4 steps, painted from noise alone: each
    against the next (near_*) and the first (far_*)."""
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    ask = PaintAsk((str(bundle.folder),), steps=4, strength=1.0)
    with tempfile.TemporaryDirectory() as out:
        job = prepare_job(shot, Path(out), load_quality("draft"), device=device, ask=ask, width_px=width_px)
    scene, numbers = job.scene, job.frames[:frames]
    assert scene.painter is not None
    painters = _painters(scene.painter)
    errors: dict[str, m.Mean] = {}
    first: tuple[Look, dict[str, m.F32]] | None = None
    before = first
    for number in numbers:
        look = look_at(scene, read_inputs(scene.stage, number))
        now = look, _pictures(scene, look, painters)
        for name, then in (("near", before), ("far", first)):
            if then is not None:
                for kind, error in _errors(scene, then, now).items():
                    errors.setdefault(f"{name}_{kind}", m.Mean()).add(error)
        first, before = first or now, now
        told(f"frame {number} painted")
    told_of = {f.name for f in fields(Figures)}
    values = {name: error.value for name, error in errors.items() if name in told_of}
    return replace(figures, **values, steady_frames=len(numbers))


def _painters(own: Painter) -> dict[str, Painter]:
    """demo: as the shot says. world, screen: each frame by itself out of such noise, and again out of another seed's."""
    brush, painters = own.brush, {"demo": own}
    for kind in ("world", "screen"):
        for name, seed in ((kind, own.plan.seed), (f"{kind}_again", own.plan.seed + 1)):
            plan = replace(own.plan.by_itself(), noise=kind, seed=seed)
            painters[name] = replace(own, plan=plan, noise_of=noise_of(kind), open_brush=lambda: brush)
    return painters


def _pictures(scene: Scene, look: Look, painters: dict[str, Painter]) -> dict[str, m.F32]:
    """The guide; the frame as each paints it; and what noise makes of that: the difference of two seeds over the root of
    two."""
    plan = painters["demo"].plan
    pictures = {name: p.picture(scene, look, p.plan.record())[0] for name, p in painters.items()}
    for kind in ("world", "screen"):
        pictures[f"{kind}_noise"] = (pictures[kind] - pictures.pop(f"{kind}_again")) / np.float32(2**0.5)
    return {"guide": guide_in_range(look.sight(plan.brief.grow_px), plan.brief), **pictures}


def _errors(scene: Scene, first: tuple[Look, dict[str, m.F32]], now: tuple[Look, dict[str, m.F32]]) -> dict[str, float]:
    """RMS between each picture and an earlier frame's, carried along the true motion to where this one shows the same
    (Lai et al., Learning Blind Video Temporal Consistency, 2018)."""
    (begin, before), (look, pictures) = first, now
    parts = [*before.values(), begin.guides.coverage[..., None]]
    moved = carry(
        np.concatenate(parts, axis=-1), surface_at(scene, begin), traced(scene, look, begin.number), device=scene.device
    )
    seen = (moved.seen > ALL) & (moved.picture[..., -1] > ALL) & (look.guides.coverage > ALL)
    return {name: m.rms(moved.picture[..., 3 * k : 3 * k + 3], pictures[name], seen) for k, name in enumerate(before)}
