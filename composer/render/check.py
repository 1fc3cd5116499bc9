"""Everything that is wrong with a shot, found before any work: the shot's own check, then a trial layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from composer.crowd.casting import castable
from composer.crowd.motion.clips import own_clips
from composer.crowd.people import cast_file_of
from composer.errors import InputErrors, MusterError
from composer.shot.check import check
from composer.shot.load import load_shot
from composer.shot.stage import prepare


@dataclass(frozen=True)
class CheckReport:
    """errors: empty when the shot can be rendered. notes: what its readers assumed."""

    errors: tuple[MusterError, ...]
    notes: tuple[str, ...]


def check_shot(path: Path) -> CheckReport:
    """Check a `shot.yaml` (or its folder). Never raises for bad input and writes nothing."""
    types, errors = _types_of(path)
    errors += check(path, known_clips=tuple(c.name for c in own_clips()), known_kits=castable(types))
    if errors:
        return CheckReport(tuple(errors), ())
    try:
        stage = prepare(load_shot(path))
    except MusterError as error:
        return CheckReport(error.errors, ())
    # a plate that cannot be read is told before all that draws is loaded
    from composer.environment.build import build_environment
    from composer.render.found import with_found
    from composer.render.match import match_notes
    from composer.render.painters import check_paint
    from composer.render.paintings import painting_notes
    from composer.render.people import people_on
    from composer.render.repairs import check_repairs

    try:
        stage = with_found(stage)
        people = people_on(stage)
        check_paint(stage, people)
        painted = painting_notes(stage) + check_repairs(stage)
    except MusterError as error:
        return CheckReport(error.errors, ())
    place = build_environment(stage)
    around = place.notes if place else ()
    return CheckReport((), (*stage.notes, *people.notes, *match_notes(stage), *around, *painted))


def _types_of(path: Path) -> tuple[tuple[str, ...], list[MusterError]]:
    """The types of the shot's cast file, and what is wrong with that file."""
    try:
        shot = load_shot(path)
    except InputErrors:
        return (), []  # told by the shot's own check
    try:
        file = cast_file_of(shot)
    except InputErrors as errors:
        return (), list(errors.errors)
    return (() if file is None else tuple(file.types)), []
