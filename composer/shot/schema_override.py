"""The `overrides` of `shot.yaml`: what one soldier, or a few, do otherwise than their region says."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from composer.shot.schema_base import Name, Pair, Part, Positive, Text, mistake

#: The keys that say who; the others say what.
WHO = ("soldier", "region", "pixel")
_MOST = 10_000


def _soldiers(value: object) -> object:
    """One soldier or a list of them, each a name (`host.00042`) or an agent id, as a tuple."""
    each = value if isinstance(value, tuple) else (value,)
    for one in each:
        named = isinstance(one, str) and 1 <= len(one) <= 128
        counted = isinstance(one, int) and not isinstance(one, bool) and 1 <= one < 2**32
        if not named and not counted:
            raise mistake("not a soldier", expected="host.00042, an agent id, or a list of them", got=repr(one)[:60])
    if not 1 <= len(each) <= _MOST:
        raise mistake("which soldiers?", expected=f"1 to {_MOST:,} of them", got=str(len(each)))
    return each


Soldiers = Annotated[tuple[str | int, ...], BeforeValidator(_soldiers)]
Degrees = Annotated[float, Field(ge=-360, le=360)]


class PixelSpec(Part):
    """Whoever is seen at a pixel of a frame: of this shot as the overrides before leave it, or of a delivered EXR."""

    frame: int | None = None
    at_px: Pair
    exr: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("frame", "exr")
        return self


class OverrideSpec(Part):
    """Who (one of `soldier`, `region`, `pixel`) and what. The list is applied in order."""

    soldier: Soldiers | None = None
    region: Name | None = None
    pixel: PixelSpec | None = None
    move_m: Pair | None = None
    place_m: Pair | None = None
    turn_deg: Degrees | None = None
    heading_deg: Degrees | None = None
    kit: Text | None = None
    recast: Text | None = None
    side: Name | None = None
    clip: Text | None = None
    phase: Annotated[float, Field(ge=0, lt=1)] | None = None
    delay_s: Annotated[float, Field(ge=-3600, le=3600)] | None = None
    speed: Annotated[Positive, Field(le=10)] | None = None
    hide: bool | None = None
    kill_at: int | None = None
    pin: bool | None = None
    reroll: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    @property
    def wears(self) -> tuple[str, str] | None:
        """The key (`kit`, or `recast`, which is the same) and the kit or type that he is cast as."""
        for key in ("kit", "recast"):
            if (name := getattr(self, key)) is not None:
                return key, name
        return None

    @model_validator(mode="after")
    def _sense(self) -> Self:
        self.exactly_one(*WHO)
        self.at_most_one("move_m", "place_m")
        self.at_most_one("turn_deg", "heading_deg")
        self.at_most_one("kit", "recast")
        if not self.model_fields_set - set(WHO):
            names = [n for n in type(self).model_fields if n not in WHO]
            raise mistake("what is he to do?", expected="one of " + ", ".join(names), got="nothing")
        if self.place_m is not None and (self.region is not None or len(self.soldier or ()) > 1):
            raise mistake("a place has room for one", expected="move_m, or one soldier", got="several", key="place_m")
        return self
