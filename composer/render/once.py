"""What bundles paint once for all frames of a shot: key views of the place, and things out of the plate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from composer.render.look import Scene
from composer.render.paint_place import BundlePainter, open_place_painter
from composer.render.paint_repair import BundleRepairer, open_repair_painter
from composer.render.paintings import painting_notes
from composer.render.quality import Quality
from composer.render.repairs import check_repairs
from composer.shot.stage import Stage


@dataclass(frozen=True)
class Once:
    """place, repairs: None where bundles have nothing to paint there, or the quality is not painted. notes: what the job
    says of paintings and repairs, by bundles or not."""

    place: BundlePainter | None
    repairs: BundleRepairer | None
    notes: tuple[str, ...]

    def on(self, scene: Scene) -> Scene:
        """The scene with them at work."""
        return replace(scene, place_painter=self.place, repair_painter=self.repairs)


def open_once(
    stage: Stage, quality: Quality, folder: Path, device: str, told: Callable[[str], None] | None = None
) -> Once:
    """folder: keeps what is painted. told: of what takes its time. Writes nothing; raises InputErrors with all that is wrong with
    the shot's paintings or repairs."""
    notes = (*painting_notes(stage), *check_repairs(stage))
    place, of_place = open_place_painter(stage, quality, folder, device, told)
    repairs, of_repairs = open_repair_painter(stage, quality, folder, device, told)
    return Once(place, repairs, (*notes, *of_place, *of_repairs))


def left_to_bundles(stage: Stage) -> tuple[str, ...]:
    """The names of what bundles paint once, as a person knows them."""
    place = stage.shot.environment
    views = () if place is None else tuple(f"key view {p.frame}" for p in place.paintings if p.bundle is not None)
    return views + tuple(f"repair {s.name}" for s in stage.shot.repairs if s.bundle is not None)
