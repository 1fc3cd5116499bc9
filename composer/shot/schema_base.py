"""What every block of `shot.yaml` is made of: strict values, and mistakes in words."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from composer.errors import InputError
from composer.io.timecode import frame_rate
from composer.shot.frames import frames_of

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Pair = tuple[float, float]
PositivePair = tuple[Positive, Positive]
Triple = tuple[float, float, float]
Colour = tuple[NotNegative, NotNegative, NotNegative]
#: A position in the file: keys and indices from the top.
Loc = tuple[str | int, ...]


def mistake(what: str, *, expected: str = "", got: str = "", hint: str = "", key: str = "") -> PydanticCustomError:
    """A mistake that the schema finds by itself, in the parts of an `InputError`. `key`: the key of the block it is
    at."""
    parts = {"what": what, "expected": expected, "got": got, "hint": hint, "key": key}
    return PydanticCustomError("shot", "{what}", parts)


class Part(BaseModel):
    """Base of every block: nothing is converted, nothing unknown is let through."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def exactly_one(self, *names: str) -> str:
        """The one of `names` that is given; a mistake unless it is just one."""
        given = [n for n in names if getattr(self, n) is not None]
        if len(given) != 1:
            raise mistake(
                "just one of these keys is needed",
                expected=" or ".join(names),
                got=" and ".join(given) or "none of them",
            )
        return given[0]

    def at_most_one(self, *names: str) -> None:
        """A mistake if more than one of `names` is given."""
        given = [n for n in names if getattr(self, n) is not None]
        if len(given) > 1:
            raise mistake(
                "these keys exclude each other", expected=f"one of {', '.join(names)}", got=" and ".join(given)
            )


def _frames(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mistake("not a frame range", expected="1001-1024", got=repr(value))
    try:
        frames_of(value)
    except InputError as error:
        raise mistake(error.what, expected=error.expected or "", got=error.got or "") from error
    return str(value)


def _rate(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise mistake("not a frame rate", expected='24, 23.976 or "24000/1001"', got=repr(value))
    try:
        return frame_rate(value)
    except InputError as error:
        raise mistake(error.what, expected=error.expected or "", got=error.got or "") from error


Frames = Annotated[str, BeforeValidator(_frames)]
Rate = Annotated[Fraction, BeforeValidator(_rate)]
