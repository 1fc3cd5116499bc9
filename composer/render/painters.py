"""From what a shot and its render ask for to painters: which bundles, cleared for the quality, their files proven, and
everything else that they are told. All that can be wrong is found here, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from composer.color.model_range import ModelRange
from composer.comp.layer import F32
from composer.crowd.people import People
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.inference.bundle import Bundle
from composer.inference.bundle_verify import verify_bundle
from composer.inference.conditions import Brief
from composer.inference.direction import check_direction, direction_of
from composer.inference.library import find_bundle, list_bundles
from composer.inference.policy import Policy
from composer.io.files import sha256_file
from composer.io.image import read_image
from composer.io.pixels import ImageInfo
from composer.render.anchors import Anchors, anchors_of
from composer.render.brush import noise_of, open_brush, window_of
from composer.render.control import control_range
from composer.render.paint import Painter
from composer.render.paint_plan import Plan
from composer.render.quality import Quality
from composer.shot.located import located
from composer.shot.schema import ShotFile
from composer.shot.stage import Stage

#: What is painted with where neither shot nor command line says how strongly.
USUAL_STRENGTH = 0.6


@dataclass(frozen=True)
class PaintAsk:
    """What the command line says in place of the shot. bundles: names or folders."""

    bundles: tuple[str, ...] = ()
    steps: int | None = None
    strength: float | None = None

    @property
    def given(self) -> str | None:
        """The first option that was used, as a person types it."""
        for flag, value in (("--bundle", self.bundles), ("--steps", self.steps), ("--strength", self.strength)):
            if value not in (None, ()):
                return flag
        return None


def open_painters(
    stage: Stage, people: People, quality: Quality, ask: PaintAsk, device: str, verified: Callable[[str], None] | None = None
) -> tuple[Painter, ...]:  # fmt: skip
    """One for each bundle; none where the quality is not painted or no bundle is named. verified: told the name of each
    bundle before its files are hashed. Raises InputErrors."""
    shot = stage.shot
    if not ask.bundles and not shot.paint.bundle:
        ask = replace(ask, bundles=usual_bundle(quality))
    names = ask.bundles or shot.paint.bundle or ()
    _refuse_idle(ask, quality, names)
    check_direction(shot, people)
    if not quality.paints or not names:
        return ()
    bundles = _bundles(shot, ask, names, quality, verified)
    direction = direction_of(shot.paint, people, _strength(shot, ask))
    model_range = range_of(stage)
    near_far = control_range(stage, people)
    pictures, digests = _references(shot, model_range)
    return tuple(
        Painter(
            Plan(
                bundle,
                Brief(
                    direction, model_range, near_far, ask.steps or shot.paint.steps or quality.steps_of(bundle),
                    shot.paint.guidance or bundle.guidance, shot.paint.grow_px, pictures,
                ),
                shot.paint.seed, shot.paint.noise, shot.paint.edge_px, stage.plate.frames, window_of(bundle), digests,
                _anchors(shot, stage, bundle), shot.paint.steady,
            ),
            lambda bundle=bundle: open_brush(bundle, device),
            noise_of(shot.paint.noise),
        )
        for bundle in bundles
    )  # fmt: skip


def check_paint(stage: Stage, people: People) -> None:
    """What `muster check` can say of painting without reading weights: names, bundles, references, anchors. Raises
    InputErrors."""
    shot = stage.shot
    errors: list[MusterError] = []
    for job in (
        lambda: check_direction(shot, people),
        lambda: anchors_of(shot, stage.plate.frames),
        *(lambda name=name: _found(shot, PaintAsk(), name) for name in shot.paint.bundle or ()),
        *(lambda i=i: _reference(shot, i) for i in range(len(shot.paint.references))),
    ):
        try:
            job()
        except InputError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)


def usual_bundle(quality: Quality) -> tuple[str, ...]:
    """What the quality paints with where nobody names a bundle: none where it is not there."""
    there = quality.paints and quality.bundle in {listed.name for listed in list_bundles()}
    return (str(quality.bundle),) if there else ()


def _refuse_idle(ask: PaintAsk, quality: Quality, names: Sequence[str]) -> None:
    """Options of the painter where nothing would be painted."""
    flag = ask.given
    if flag and not quality.paints:
        raise InputError(
            f"quality {quality.name} is not painted",
            where=Where(field=flag),
            expected="--quality draft or final",
            got=quality.name,
        )
    if flag and not names:
        hint = "muster models list shows which there are"
        raise InputError(
            "no bundle to paint with", where=Where(field=flag), expected="--bundle NAME, or paint.bundle", hint=hint
        )


def _anchors(shot: ShotFile, stage: Stage, bundle: Bundle) -> Anchors:
    """Those that the shot asks for; a video model paints whole windows and has none."""
    anchors = anchors_of(shot, stage.plate.frames)
    return anchors if window_of(bundle) == 1 else Anchors((), stage.plate.frames)


def _strength(shot: ShotFile, ask: PaintAsk) -> float:
    if ask.strength is not None:
        return ask.strength
    return USUAL_STRENGTH if shot.paint.strength is None else shot.paint.strength


def _bundles(
    shot: ShotFile, ask: PaintAsk, names: Sequence[str], quality: Quality, verified: Callable[[str], None] | None
) -> list[Bundle]:
    """Found, cleared and whole, in the order asked for; everything wrong with any of them at once."""
    policy = Policy.load()
    found: list[Bundle] = []
    errors: list[MusterError] = []
    for name in names:
        try:
            bundle = _found(shot, ask, name)
            with _at_its_place(shot, ask):
                if why := policy.refuse(bundle, quality.name):
                    raise InputError(why, where=Where(field="--bundle"))
                if bundle.name in {b.name for b in found}:
                    raise InputError("this bundle is named twice", where=Where(field="--bundle"), got=bundle.name)
            if verified:
                verified(bundle.name)
            verify_bundle(bundle)
            found.append(bundle)
        except InputError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)
    return found


def _found(shot: ShotFile, ask: PaintAsk, name: str) -> Bundle:
    with _at_its_place(shot, ask):
        return find_bundle(name if ask.bundles else bundle_place(shot, name))


def _at_its_place(shot: ShotFile, ask: PaintAsk) -> AbstractContextManager[None]:
    return nullcontext() if ask.bundles else located(shot, "paint", "bundle")


def bundle_place(shot: ShotFile, name: str) -> str:
    """A bundle as a shot names it. Folders in a shot are relative to its file, as all its paths are."""
    folder = shot.path(name)
    return str(folder) if "/" in name or (folder / "bundle.yaml").is_file() else name


def range_of(stage: Stage) -> ModelRange:
    """The model range of a shot: from the plate's middle frame, whichever frames are rendered."""
    exposure, frames = stage.shot.paint.exposure, stage.plate.frames
    middle = stage.plate.read_working(frames[len(frames) // 2])
    return ModelRange.of_plate(middle, None if exposure == "auto" else 2.0**exposure)


def _references(shot: ShotFile, model_range: ModelRange) -> tuple[tuple[F32, ...], tuple[str, ...]]:
    """The pictures in model range, and their digests. Pictures for a display are so already; EXR is taken for ACEScg."""
    pictures, digests = [], []
    for i, written in enumerate(shot.paint.references):
        path = shot.path(written)
        rgb, info = _reference(shot, i)
        rgb = np.ascontiguousarray(rgb[..., :3])
        pictures.append(model_range.encode(rgb) if "float" in info.dtype or info.dtype == "half" else rgb.clip(0, 1))
        digests.append(sha256_file(path))
    return tuple(pictures), tuple(digests)


def _reference(shot: ShotFile, index: int) -> tuple[F32, ImageInfo]:
    with located(shot, "paint", "references", index):
        return read_image(shot.path(shot.paint.references[index]))
