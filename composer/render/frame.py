"""`(shot, frame number) -> Frame`: no frame needs another frame's output, unless a painter's plan says so."""

from __future__ import annotations

from composer.comp.layer import Frame
from composer.guides.passes import GuidePasses
from composer.inference.record import PaintRecord
from composer.render.look import Inputs, Look, Scene, Stopwatch, guide_holdouts, look_at, matte_in_front, read_inputs

__all__ = [
    "Inputs", "Look", "Scene", "Stopwatch", "finish", "guide_holdouts", "look_at", "matte_in_front", "read_inputs",
    "render_frame",
]  # fmt: skip


def render_frame(scene: Scene, inputs: Inputs, watch: Stopwatch | None = None) -> Frame:
    """Guides of the crowd, painted where there is a painter, laid into the plate."""
    watch = watch or Stopwatch()
    look = look_at(scene, inputs, watch)
    if scene.painter is None:
        return finish(look, look.guides, None, watch)
    painted = scene.painter.paint(scene, look)
    watch.lap("paint")
    return finish(look, painted.guides, painted.record, watch)


def finish(look: Look, guides: GuidePasses, paint: PaintRecord | None, watch: Stopwatch) -> Frame:
    """The crowd, as `guides` have it, laid into the plate."""
    result = look.composite(guides)
    watch.lap("composite")
    notes = result.notes
    if guides.dropped:
        notes += (f"{guides.dropped} samples were dropped: more agents met in one pixel than there is room for",)
    return Frame(
        look.number, result.rgb, result.layers, result.touched, result.untouched_sha256, guides, look.pose, notes,
        look.delivery_from_working, paint,
    )  # fmt: skip
