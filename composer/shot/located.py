"""Errors from other rooms, told at the line of `shot.yaml` that led to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from composer.errors import InputError, InputErrors
from composer.shot.schema import ShotFile


def relocated(error: InputError, shot: ShotFile, *loc: str | int) -> InputError:
    """The same error at `loc` of the shot; the file that it was about is kept in its words."""
    if error.where.file == shot.file:
        return error
    about = error.where
    place = "" if about.file is None else f"{about.file}{'' if about.line is None else f':{about.line}'}: "
    where = shot.where(*loc, frame=about.frame)
    return InputError(place + error.what, where=where, expected=error.expected, got=error.got, hint=error.hint)


@contextmanager
def located(shot: ShotFile, *loc: str | int) -> Iterator[None]:
    """InputErrors raised inside are told at `loc` of the shot."""
    try:
        yield
    except InputErrors as errors:
        raise InputErrors(
            [relocated(e, shot, *loc) if isinstance(e, InputError) else e for e in errors.errors]
        ) from errors
    except InputError as error:
        raise relocated(error, shot, *loc) from error
