"""`environment.paintings` of `shot.yaml`: matte paintings that are projected onto the place."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Name, Part, Share, Text, mistake

_Words = Annotated[str, Field(max_length=4096)]
#: What tells a bundle how to paint.
BRIEF = ("prompt", "negative", "strength", "steps", "guidance", "seed")


class PaintBrief(Part):
    """What a bundle is told that paints a picture of its own."""

    prompt: _Words | None = None
    negative: _Words | None = None
    strength: Share | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Field(ge=1, le=50)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    def says_nothing(self, instead: str) -> None:
        """A mistake if a bundle is told something. instead: the key that stands in place of `bundle`."""
        for key in BRIEF:
            if getattr(self, key) is not None:
                raise mistake("this tells a bundle how to paint", expected="bundle: NAME", got=instead, key=key)


class PaintingSpec(PaintBrief):
    """A painting of the place as frame `frame` sees it. `picture`: a file of the plate's size, in `colorspace` (EXR: what the
    file says, else the plate's own space; others: sRGB); or `bundle` paints it, told by `prompt`, `negative`, `strength`,
    `steps`, `guidance` and `seed`. `pieces`: only these parts of the place; a group's name means all of it."""

    frame: int
    picture: Text | None = None
    bundle: Text | None = None
    colorspace: Text | None = None
    pieces: Annotated[tuple[Name, ...], Field(min_length=1, max_length=320)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.exactly_one("picture", "bundle") == "bundle":
            if self.colorspace is not None:
                raise mistake("a bundle paints in the shot's own space", expected="no colorspace", key="colorspace")
            return self
        self.says_nothing("picture")
        return self
