"""The blocks `environment.volumes:` and `environment.trampled:` of `shot.yaml`: smoke, dust and fog that fill depth, worn ground.

Colours are what a grain of it throws back of the light that falls on it (albedo); the light is the shot's own. Winds blow
towards their azimuth.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Name, NotNegative, Part, Positive, Share, mistake

_Angle = Annotated[float, Field(ge=-360, le=360)]
_Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]
_Place = tuple[_Coordinate, _Coordinate]
_Seed = Annotated[int, Field(ge=0, lt=2**31)]
_Albedo = tuple[Share, Share, Share]
#: How far light goes on: 0 to all sides, near 1 straight on.
_Forward = Annotated[float, Field(ge=-0.9, le=0.9)]


class WindSpec(Part):
    """What carries smoke, dust and fog along."""

    speed_m_s: Annotated[float, Field(ge=0, le=60)] = 1.5
    azimuth_deg: _Angle = 60.0


class SmokeSpec(Part):
    """A column of smoke. `height_m`: where it is gone. `width_m`: at its foot; `spread`: metres wider for each metre of its way.
    `rise_m_s`: at its foot. `density`: optical depth across its foot (1 lets 37 % through). `age_s`: how long it has burned at
    the plate's first frame; without it, long enough. `lift_m`: its foot above the ground. `wind`: in place of the common one."""

    name: Name
    at_m: _Place
    height_m: Annotated[float, Field(ge=1, le=2000)] = 30.0
    width_m: Annotated[float, Field(ge=0.1, le=200)] = 1.5
    spread: Annotated[float, Field(ge=0, le=1)] = 0.22
    rise_m_s: Annotated[float, Field(gt=0, le=50)] = 3.0
    density: Positive = 3.0
    colour: _Albedo = (0.55, 0.54, 0.53)
    forward: _Forward = 0.5
    lift_m: float = 0.0
    age_s: NotNegative | None = None
    wind: WindSpec | None = None
    seed: _Seed = 0


class DustPolygonPx(Part):
    """A polygon on the plate at `frame`, laid onto the ground."""

    frame: int
    points: Annotated[tuple[tuple[float, float], ...], Field(min_length=3, max_length=1000)]


class DustSpec(Part):
    """A bank of dust over a piece of ground, given as the crowd's regions are. `height_m`: to where an eighth of it is left.
    `visibility_m`: a fiftieth of the contrast is left after so far, near the ground. `soft_m`: how far it thins out inside its
    edge. `patches`: 0 even, 1 in billows."""

    name: Name
    polygon_m: Annotated[tuple[_Place, ...], Field(min_length=3, max_length=1000)] | None = None
    polygon_px: DustPolygonPx | None = None
    path_m: Annotated[tuple[_Place, ...], Field(min_length=2, max_length=1000)] | None = None
    width_m: Annotated[float, Field(ge=1, le=1000)] | None = None
    height_m: Annotated[float, Field(ge=0.2, le=200)] = 4.0
    visibility_m: Positive = 60.0
    soft_m: Positive = 6.0
    patches: Share = 0.8
    colour: _Albedo = (0.72, 0.62, 0.47)
    forward: _Forward = 0.5
    wind: WindSpec | None = None
    seed: _Seed = 0

    @model_validator(mode="after")
    def _one(self) -> Self:
        drawn = self.exactly_one("polygon_m", "polygon_px", "path_m")
        if self.width_m is not None and drawn != "path_m":
            raise mistake("only a bank along a path has a width", expected="path_m", got=drawn, key="width_m")
        if drawn == "path_m" and self.width_m is None:
            raise mistake("how wide is the bank along its path?", expected="width_m: 12", got="no width_m")
        return self


class FogSpec(Part):
    """Fog that lies over the ground. `visibility_m`: at `base_m`, the height of the lie of the land without it. `height_m`: for
    each so many metres up, half of it is left. `patches` of `size_m` drift with the wind."""

    visibility_m: Positive
    height_m: Positive = 4.0
    base_m: float | None = None
    patches: Share = 0.6
    size_m: Annotated[float, Field(ge=2, le=2000)] = 60.0
    colour: _Albedo = (0.95, 0.95, 0.95)
    forward: _Forward = 0.6
    wind: WindSpec | None = None
    seed: _Seed = 0


class FeetSpec(Part):
    """Dust that people raise where they walk and run. `dryness` of the ground: 0 raises none. `linger_s`: how long it hangs."""

    dryness: Share = 0.6
    strength: Positive = 1.0
    height_m: Annotated[float, Field(ge=0.1, le=10)] = 0.9
    linger_s: Annotated[float, Field(ge=0.5, le=12)] = 3.5
    colour: _Albedo = (0.72, 0.62, 0.47)
    forward: _Forward = 0.5
    seed: _Seed = 0


class VolumesSpec(Part):
    """What hangs in the air between camera, crowd, place and plate."""

    wind: WindSpec = Field(default_factory=WindSpec)
    smoke: Annotated[tuple[SmokeSpec, ...], Field(max_length=12)] = ()
    dust: Annotated[tuple[DustSpec, ...], Field(max_length=8)] = ()
    fog: FogSpec | None = None
    dust_at_feet: FeetSpec | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [part.name for part in (*self.smoke, *self.dust)]
        for name in names:
            if names.count(name) > 1:
                raise mistake("two volumes have one name", expected="a name of its own", got=name)
        return self


class TrampledSpec(Part):
    """Ground that the crowd has trodden down. `strength`: of what is worn wholly. `colour`: what the plate's ground is multiplied
    with there. `before_s`: how long people have walked before the first frame, where no cue says when they began."""

    strength: Share = 0.5
    colour: _Albedo = (0.72, 0.62, 0.50)
    before_s: Annotated[float, Field(ge=0, le=60)] = 6.0
