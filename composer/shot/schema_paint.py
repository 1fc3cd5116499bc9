"""`paint:` of `shot.yaml`: which model paints the crowd, what it is told, and how far it may go. All of it may be left
out; text is optional everywhere."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from composer.shot.schema_base import Name, Part, Share, Text, mistake

#: The keys of a part that say who; the others say what.
WHO = ("side", "type", "region")
_MOST_BUNDLES = 8

Prompt = Annotated[str, Field(max_length=4096)]


def _bundles(value: object) -> object:
    """One bundle or a list of them, each a name or a folder, as a tuple."""
    each = value if isinstance(value, tuple) else (value,)
    for one in each:
        if not isinstance(one, str) or not 1 <= len(one) <= 1024:
            raise mistake("not a bundle", expected="a bundle's name, its folder, or a list of them", got=repr(one)[:60])
    if not 1 <= len(each) <= _MOST_BUNDLES:
        raise mistake("which bundles?", expected=f"1 to {_MOST_BUNDLES} of them", got=str(len(each)))
    return each


Bundles = Annotated[tuple[str, ...], BeforeValidator(_bundles)]


class PaintPartSpec(Part):
    """What some of the crowd get in place of the shot's own: one of `side`, `type` (a kit or a type of the cast),
    `region` says who. Of several that fit a soldier, the last one that says something counts."""

    side: Name | None = None
    type: Text | None = None
    region: Name | None = None
    prompt: Prompt | None = None
    negative: Prompt | None = None
    strength: Share | None = None

    @model_validator(mode="after")
    def _sense(self) -> Self:
        self.exactly_one(*WHO)
        if self.prompt is None and self.negative is None and self.strength is None:
            raise mistake("what do they get?", expected="prompt, negative or strength", got="nothing")
        return self

    @property
    def who(self) -> tuple[str, str]:
        """(key, name): who is meant."""
        key = self.exactly_one(*WHO)
        return key, getattr(self, key)


class AnchorsSpec(Part):
    """Frames that are painted first and carried to the others: a list, or one in every so many from the first."""

    frames: Annotated[tuple[int, ...], Field(min_length=1, max_length=10_000)] | None = None
    every: Annotated[int, Field(ge=2, le=10_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("frames", "every")
        return self


class PaintSpec(Part):
    """strength: 0 keeps the guide render, 1 starts from noise. steps, guidance: in place of the bundle's own. seed: of
    the noise. noise: locked to the world, or to the screen (for comparison). references: pictures. edge_px: how far the
    painted edge may leave the guide's; grow_px: how far beyond the crowd is painted. exposure: of the model's range,
    `auto` or stops over it. steady: each frame is averaged with those beside it, along true motion."""

    bundle: Bundles | None = None
    prompt: Prompt = ""
    negative: Prompt = ""
    parts: Annotated[tuple[PaintPartSpec, ...], Field(max_length=64)] = ()
    strength: Share | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Field(ge=1, le=50)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    noise: Literal["world", "screen"] = "world"
    references: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    edge_px: Annotated[int, Field(ge=0, le=32)] = 2
    grow_px: Annotated[int, Field(ge=1, le=256)] = 12
    exposure: Literal["auto"] | Annotated[float, Field(ge=-20, le=20)] = "auto"
    anchors: AnchorsSpec | None = None
    steady: bool = False

    @model_validator(mode="after")
    def _band(self) -> Self:
        if self.edge_px > self.grow_px:
            raise mistake(
                "the edge lies outside what is painted",
                expected=f"at most grow_px, {self.grow_px}",
                got=str(self.edge_px),
                key="edge_px",
            )
        return self
