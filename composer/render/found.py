"""Puts the models into a stage whose holdouts are to be found: bundles looked up, cleared and verified before any work; their
networks are loaded when the first frame asks for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from composer.errors import InputError, InputErrors, MusterError, Where
from composer.inference.bundle import Bundle
from composer.inference.bundle_config import read_json
from composer.inference.bundle_verify import verify_bundle
from composer.inference.finding.kept import Kept
from composer.inference.finding.prompt import Prompt
from composer.inference.library import find_bundle
from composer.inference.policy import Policy
from composer.render.painters import bundle_place, range_of
from composer.shot.found import Found, Model
from composer.shot.holdout import Holdouts
from composer.shot.located import located
from composer.shot.plate import listed
from composer.shot.schema_holdout import PromptSpec, SegmentSpec
from composer.shot.stage import Stage

if TYPE_CHECKING:
    from composer.inference.finding.depth import DepthNet
    from composer.inference.finding.segment import SegmentNet
    from composer.render.finders import Sight


def with_found(stage: Stage, device: str = "cpu", quality: str | None = None) -> Stage:
    """The stage with models in its holdouts; the same stage where none is to be found. quality: what the bundles' licences must
    allow; None asks nothing. Raises InputErrors with all that is wrong, each at its line; writes nothing."""
    holdouts = stage.holdouts
    assert isinstance(holdouts, Holdouts)
    if not any(isinstance(source, Found) for source in holdouts.sources):
        return stage
    from composer.render.finders import Sight  # most shots ask no model, and start without all that

    sight = Sight(stage, device, range_of(stage))
    sources, notes, errors = [], [], []
    for index, source in enumerate(holdouts.sources):
        if isinstance(source, Found):
            try:
                with located(stage.shot, "holdouts", index, source.spec.kind):
                    source, note = _with_model(source, sight, quality)
                notes.append(f"holdout {index + 1}: {note}")
            except InputErrors as several:
                errors += several.errors
            except MusterError as error:
                errors.append(error)
        sources.append(source)
    if errors:
        raise InputErrors(errors)
    return replace(stage, holdouts=replace(holdouts, sources=tuple(sources)), notes=(*stage.notes, *notes))


def _with_model(source: Found, sight: Sight, quality: str | None) -> tuple[Found, str]:
    from composer.render.finders import DepthFinder, SegmentFinder

    asked = source.spec.finds
    assert asked is not None
    segment = asked if isinstance(asked, SegmentSpec) else None
    bundle = _cleared(sight.stage, asked.bundle, "sam2" if segment else "depth-anything", quality)
    kept = Kept(bundle.sha256)
    if segment is not None:
        prompts = {p.frame: _prompt(p) for p in segment.prompts}
        follows = _follows(bundle)
        if not follows:
            _all_pointed_at(source, sight.stage, prompts)
        thing = SegmentFinder(sight, bundle, _segment_net(bundle, sight.device), kept, prompts, follows)
        model = Model(thing.find, thing.files, thing.key)
    else:
        depth = DepthFinder(sight, bundle, _depth_net(bundle, sight.device), kept)
        model = Model(depth.find, depth.files, depth.key_in_metres)
    licence = f"licence {bundle.licence.id}"
    note = f"found by {bundle.name} ({bundle.family}, {licence}, {bundle.sha256[:12]}) on {sight.device}"
    return replace(source, model=model), note


def _cleared(stage: Stage, name: str, family: str, quality: str | None) -> Bundle:
    """The bundle of that name, of the right family, allowed, and whole."""
    bundle = find_bundle(bundle_place(stage.shot, name))
    if bundle.family != family:
        raise InputError(
            f"{bundle.name} is a bundle of another family", where=Where(file=bundle.folder / "bundle.yaml"),
            expected=family, got=bundle.family, hint="muster models list shows which there are",
        )  # fmt: skip
    if quality is not None and (why := Policy.load().refuse(bundle, quality)):
        raise InputError(why)
    verify_bundle(bundle, again=False)
    return bundle


def _follows(bundle: Bundle) -> bool:
    """Whether its model goes from frame to frame, by its settings alone."""
    told = read_json(bundle.components["network"] / "config.json")
    return isinstance(told, dict) and told.get("architectures") == ["Sam2VideoModel"]


def _all_pointed_at(source: Found, stage: Stage, prompts: dict[int, Prompt]) -> None:
    """A model of single pictures needs a prompt on every frame that the artist has not drawn."""
    if stage.plate.sequence.is_still:
        return
    drawn = source.roto
    left = tuple(f for f in stage.plate.frames if f not in prompts and not (drawn is not None and drawn.has(f)))
    if left:
        raise InputError(
            "this bundle's model finds in single pictures and follows nothing", expected="a click or box on every frame",
            got=f"none on {listed(left)}", hint="also: points at it on more frames; or a bundle of the video model",
        )  # fmt: skip


def _prompt(spec: PromptSpec) -> Prompt:
    return Prompt(spec.click, spec.background, spec.box)


def _segment_net(bundle: Bundle, device: str) -> Callable[[], SegmentNet]:
    return lambda: _open_segment(_ByDigest(bundle), device)


def _depth_net(bundle: Bundle, device: str) -> Callable[[], DepthNet]:
    return lambda: _open_depth(_ByDigest(bundle), device)


class _ByDigest:
    """A bundle that is the same as another of its digest: two holdouts of one bundle share its network."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and other.bundle.sha256 == self.bundle.sha256

    def __hash__(self) -> int:
        return hash(self.bundle.sha256)


@cache
def _open_segment(which: _ByDigest, device: str) -> SegmentNet:
    from composer.inference.finding.segment import SegmentNet

    return SegmentNet(which.bundle, device)


@cache
def _open_depth(which: _ByDigest, device: str) -> DepthNet:
    from composer.inference.finding.depth import DepthNet

    return DepthNet(which.bundle, device)
