"""`(shot, frame number) -> Frame`: no frame needs another frame's output, unless a painter's plan says so."""

from __future__ import annotations

from composer.comp.layer import Frame
from composer.render.look import Inputs, Scene, Stopwatch, finish, guide_holdouts, look_at, matte_in_front, read_inputs

__all__ = ["Inputs", "Scene", "Stopwatch", "guide_holdouts", "matte_in_front", "read_inputs", "render_frame"]


def render_frame(scene: Scene, inputs: Inputs, watch: Stopwatch | None = None) -> Frame:
    """Guides of the crowd, painted where there is a painter, laid into the plate."""
    watch = watch or Stopwatch()
    drawn = None if scene.painter is None else scene.painter.ahead(inputs.number)
    look = drawn or look_at(scene, inputs, watch)
    if scene.painter is None:
        return finish(look, look.guides, None, watch)
    painted = scene.painter.paint(scene, look)
    watch.lap("paint")
    return finish(look, painted.guides, painted.record, watch)
