"""How still the painted demo holds: world-locked noise against noise that stays on the screen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from composer.inference.bundle import Bundle
from composer.inference.conditions import request_of
from composer.io.content import find_content
from composer.render.brush import noise_of
from composer.render.job import prepare_job
from composer.render.look import look_at, read_inputs
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from models.levy.recipe import measures as m
from models.levy.recipe.evaluate import Figures


def steadiness(
    bundle: Bundle, device: str, figures: Figures, frames: int, told: Callable[[str], None] = print
) -> Figures:
    """Acceptance 5 (motion) over the first frames of the embedded scene, 4 steps, painted from noise alone."""
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    ask = PaintAsk((str(bundle.folder),), steps=4, strength=1.0)
    with tempfile.TemporaryDirectory() as out:
        job = prepare_job(shot, Path(out), load_quality("draft"), device=device, ask=ask)
    scene, painter = job.scene, job.scene.painter
    assert painter is not None
    brief = painter.plan.brief
    errors = {kind: m.Mean() for kind in ("guide", "world", "screen", "world_over", "screen_over")}
    before: dict[str, m.F32] = {}
    last: m.Shown | None = None
    for n in job.frames[:frames]:
        look = look_at(scene, read_inputs(scene.stage, n))
        now: dict[str, m.F32] = {}
        for kind in ("world", "screen"):
            noise = noise_of(kind)(scene, [look], painter.plan.seed, painter.brush.factor)
            request = request_of([look.sight(brief.grow_px)], brief, noise)
            now["guide"], now[kind] = request.guide[0], painter.brush.paint(request).rgb[0]
            now[f"{kind}_over"] = now[kind] - now["guide"]
        guides = look.guides
        here = m.Shown(guides.motion_px, guides.motion_back_px, guides.coverage > 0.9, guides.agent_id)
        if last is not None:
            for kind, error in errors.items():
                error.add(m.carried_error(before[kind], now[kind], last, here))
        last, before = here, now
        told(f"frame {n} painted")
    values = {f"carried_{kind}": error.value for kind, error in errors.items()}
    return replace(figures, **values, carried_frames=min(frames, len(job.frames)))
