"""`holdouts:` that a model finds on the plate: a thing that is clicked on, or depth."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Pair, Part, Text, mistake

Refine = Literal["none", "guided", "closed_form"]
_Clicks = Annotated[tuple[Pair, ...], Field(max_length=64)]


class PromptSpec(Part):
    """What the artist points at, in pixels of the plate's `frame`. `click`: on the thing. `background`: beside it, on what is
    not. `box`: [left, top, right, bottom] round it."""

    frame: int
    click: _Clicks = ()
    background: _Clicks = ()
    box: tuple[float, float, float, float] | None = None

    @model_validator(mode="after")
    def _pointed(self) -> Self:
        if not self.click and self.box is None:
            raise mistake("where is it?", expected="click: [[x, y]] or box: [left, top, right, bottom]", got="neither")
        if self.box is not None and (self.box[0] >= self.box[2] or self.box[1] >= self.box[3]):
            raise mistake("this box has no area", expected="[left, top, right, bottom]", got=str(self.box), key="box")
        return self


class SegmentSpec(PromptSpec):
    """A thing that a segmentation model (a bundle of the family sam2) finds where it is pointed at, and follows through the
    plate's frames. `also`: the same thing pointed at on further frames. The artist's own mattes win: `core` always hides,
    `garbage` never does, and on the frames that `roto` has it stands in place of what was found."""

    bundle: Text
    also: Annotated[tuple[PromptSpec, ...], Field(max_length=64)] = ()
    roto: Text | None = None
    core: Text | None = None
    garbage: Text | None = None

    @model_validator(mode="after")
    def _frames(self) -> Self:
        seen = {self.frame}
        for prompt in self.also:
            if prompt.frame in seen:
                raise mistake(
                    "this frame is pointed at twice", expected="a frame of its own", got=str(prompt.frame), key="also"
                )
            seen.add(prompt.frame)
        return self

    @property
    def prompts(self) -> tuple[PromptSpec, ...]:
        """All of them, by frame."""
        return tuple(sorted((self, *self.also), key=lambda p: p.frame))


class DepthModelSpec(Part):
    """Depth that a model (a bundle of the family depth-anything) tells of each frame by itself, brought to metres by the tracked
    camera's ground and solved points. Only what stands up from the ground holds out."""

    bundle: Text
