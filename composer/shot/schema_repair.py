"""`repairs:` of `shot.yaml`: what is to be painted out of the plate, a lamp post or a van."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Name, NotNegative, Pair, Positive, Text, mistake
from composer.shot.schema_painting import PaintBrief


class RepairSpec(PaintBrief):
    """A thing on the plate, marked on frame `frame`: by `polygon_px`, or a `matte` (a picture of that frame; 1 is the thing).
    `at_m`: how far off it stands, from that frame's camera; without, it is taken to lie where what is behind it does.
    `behind_m`: how far what is behind it is; without, it is the ground, and beyond that the horizon. In its place comes
    `clone_px`, the plate itself from so many pixels aside (x right, y down, on that frame), or `picture`, that frame with the
    thing painted away, in `colorspace`; or `bundle` paints it away on that frame, told by `prompt`, `negative`, `strength`,
    `steps`, `guidance` and `seed`. `soft_px`: the width of the edge."""

    name: Name
    frame: int
    polygon_px: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)] | None = None
    matte: Text | None = None
    channel: Text = "auto"
    clone_px: Pair | None = None
    picture: Text | None = None
    bundle: Text | None = None
    colorspace: Text | None = None
    at_m: Positive | None = None
    behind_m: Positive | None = None
    soft_px: NotNegative = 2.0

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("polygon_px", "matte")
        way = self.exactly_one("clone_px", "picture", "bundle")
        if way != "bundle":
            self.says_nothing(way)
        if way != "picture" and self.colorspace is not None:
            raise mistake("the plate has a space of its own", expected="no colorspace", key="colorspace")
        if self.clone_px == (0.0, 0.0):
            raise mistake("the thing itself cannot take its place", expected="[120, 0]", got="[0, 0]", key="clone_px")
        if self.at_m is not None and self.behind_m is not None and self.behind_m < self.at_m:
            raise mistake(
                "what is behind is nearer", expected=f"at least {self.at_m}", got=str(self.behind_m), key="behind_m"
            )
        return self
