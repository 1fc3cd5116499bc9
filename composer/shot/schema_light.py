"""`light:` in `shot.yaml`: sun, sky and bounce, as written or measured."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Colour, NotNegative, Pair, Part, mistake


class SunPickSpec(Part):
    """An upright object on the ground: its top, its base, and the tip of its shadow, picked on the plate at `frame`."""

    frame: int
    top_px: Pair
    base_px: Pair
    tip_px: Pair


class SunSpec(Part):
    """By angles, by a pick, or by several. `strength`: radiance of a white surface facing the sun, before exposure."""

    elevation_deg: Annotated[float, Field(gt=0, le=90)] | None = None
    azimuth_deg: Annotated[float, Field(ge=-360, le=360)] | None = None
    pick: SunPickSpec | None = None
    picks: Annotated[tuple[SunPickSpec, ...], Field(min_length=2, max_length=32)] | None = None
    color: Colour = (1.0, 0.9, 0.75)
    strength: NotNegative = 3.0

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.at_most_one("pick", "picks", "elevation_deg")
        self.at_most_one("pick", "picks", "azimuth_deg")
        picked = self.pick is not None or self.picks is not None
        if not picked and (self.elevation_deg is None or self.azimuth_deg is None):
            raise mistake(
                "where is the sun?", expected="elevation_deg and azimuth_deg, pick or picks", got="none of them"
            )
        return self


class GlowSpec(Part):
    """Light from above (sky) or from below (bounce). No colour for bounce: the ground's own, out of the plate."""

    color: Colour | None = None
    strength: NotNegative = 1.0


class BallSpec(Part):
    """A chrome or grey ball on the plate at `frame`. `reflectance`: of its surface; 0.18 (grey) and 0.6 (chrome)
    without."""

    kind: Literal["chrome", "grey"]
    frame: int
    centre_px: Pair
    radius_px: Annotated[float, Field(ge=4, le=8192)]
    reflectance: Annotated[float, Field(gt=0, le=1)] | None = None


class LightSpec(Part):
    """`exposure`: `auto`, or stops over the strengths as written. `measure`: what is not written here is measured on the
    plate: on the ball, where there is one, else on lit and shaded ground."""

    measure: bool = False
    ball: BallSpec | None = None
    sun: SunSpec | None = None
    sky: GlowSpec | None = None
    bounce: GlowSpec | None = None
    exposure: Literal["auto"] | float = "auto"
