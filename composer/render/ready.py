"""A job that is ready to go, and what its files say of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import composer
from composer.deliver.exr import Slate
from composer.deliver.signing import Signing
from composer.render.agreed import behind
from composer.render.depends import code_digest
from composer.render.frame import Scene
from composer.render.quality import Quality
from composer.render.reroll import Reroll
from composer.shot.frames import ranges
from composer.shot.schema_delivery import PLACE_PARTS


@dataclass(frozen=True)
class Job:
    """A render that is ready to go. `frames` is the subset asked for; `delivery` is OUT/<shot>/<version>;
    `control_range_m` near and far of `control_depth`, where that is wanted. `reroll`: whom to paint anew in an approved
    version, where that is all. `signing`: with what the files are signed; None where they are not. `approval`: what the
    shot needed; None where it needs none."""

    scene: Scene
    frames: tuple[int, ...]
    delivery: Path
    quality: Quality
    notes: tuple[str, ...]
    control_range_m: tuple[float, float] | None = None
    reroll: Reroll | None = None
    signing: Signing | None = None
    approval: Mapping[str, object] | None = None


def slate_of(job: Job) -> Slate:
    """What every frame of this job says about itself; `timecode` is that of the plate's first frame."""
    stage = job.scene.stage
    plate, shot = stage.plate, stage.shot
    return Slate(
        shot=shot.shot,
        version=shot.version,
        frame_rate=plate.frame_rate,
        timecode=plate.timecode,
        pixel_aspect=plate.pixel_aspect,
        colorspace=plate.delivery_colorspace,
        chromaticities=stage.color.chromaticities(plate.delivery_colorspace),
        seed=shot.crowd.seed,
        code_version=composer.__version__,
        display=stage.color.display_view(shot.color.display, shot.color.view)[0],
        view=shot.color.view or stage.color.natural_view(plate.colorspace, shot.color.display),
        compression=shot.delivery.compression,
        parts=tuple(p for p in shot.delivery.wanted if shot.environment is not None or p not in PLACE_PARTS),
        control_range_m=job.control_range_m,
        deep=shot.delivery.deep,
        note=shot.delivery.slate,
        extra={"quality": job.quality.name, "soldiers": str(len(job.scene.people.layout)), **_painter_tags(job)},
    )


def _painter_tags(job: Job) -> dict[str, str]:
    """What every file says of the model that painted it."""
    if job.scene.painter is None:
        return {}
    plan = job.scene.painter.plan
    licence = plan.bundle.licence
    return {
        "bundle": plan.bundle.name,
        "bundle_sha256": plan.bundle.sha256,
        "bundle_licence": licence.id,
        "paint_seed": str(plan.seed),
        **({"reroll_parent": job.reroll.approved.name, "reroll_seed": str(job.reroll.seed)} if job.reroll else {}),
    }


def notes_of(job: Job) -> tuple[str, ...]:
    """The job's notes, and what was found while the crowd was simulated."""
    acts = job.scene.people.layout.acts
    return (*job.notes, *(acts.notes if acts else ()))


def painted_with(job: Job) -> str | None:
    """The model, its licence and its steps; None where nothing is painted."""
    if job.scene.painter is None:
        return None
    plan = job.scene.painter.plan
    return f"{plan.bundle.name} ({plan.bundle.licence.id}), {plan.brief.steps} steps"


def head_of(job: Job) -> dict[str, object]:
    """What the manifest says of the whole job, before its frames and files."""
    stage, painter = job.scene.stage, job.scene.painter
    slate = slate_of(job)
    late = behind(painter.word, job.delivery) if painter else ()
    note = f"frames {ranges(late)} were painted in larger tiles before memory ran out: render them again"
    return {
        "muster": composer.__version__,
        "shot": stage.shot.shot,
        "version": stage.shot.version,
        "quality": job.quality.name,
        "soldiers": len(job.scene.people.layout),
        "seed": stage.shot.crowd.seed,
        "device": job.scene.device,
        "machine": f"{platform.system()} {platform.machine()}",
        "colorspace": slate.colorspace,
        "size_px": list(stage.plate.size_px),
        "frame_rate": str(slate.frame_rate),
        "code_sha256": code_digest(),
        "paint": None if painter is None else painter.plan.told(),
        "reroll": None if job.reroll is None else job.reroll.told(),
        "approval": job.approval,
        "notes": [*notes_of(job), *([note] if late else [])],
    }
