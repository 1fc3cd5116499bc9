"""The block `environment:` of `shot.yaml`: terrain, set pieces, sky, haze and paintings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from composer.shot.schema_air import TrampledSpec, VolumesSpec
from composer.shot.schema_base import Colour, Name, NotNegative, Pair, Part, Positive, Share, Text, mistake
from composer.shot.schema_painting import PaintingSpec

_Angle = Annotated[float, Field(ge=-360, le=360)]
_Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]
_Place = tuple[_Coordinate, _Coordinate]
_Polygon = Annotated[tuple[_Place, ...], Field(min_length=3, max_length=1000)]
_Path = Annotated[tuple[_Place, ...], Field(min_length=2, max_length=1000)]

KINDS = (
    "wall", "tower", "gate", "keep", "fortress", "tent", "palisade", "trebuchet", "ram", "siege_tower", "banner", "fire",
    "tree", "rock",
)  # fmt: skip
#: What is built along a path; everything else stands at places.
BUILT_ALONG = ("wall", "palisade")


class BearingSpec(Part):
    """A ridge across the view: its middle lies `distance_m` from the first frame's camera at `azimuth_deg`."""

    azimuth_deg: _Angle
    distance_m: Positive
    width_m: Positive


class TerrainSpec(Part):
    """Land that rises out of the plate's ground: inside a polygon, along a crest, or at a bearing. `height_m`: of the
    highest places. `falloff_m`: from where it leaves the ground up to its full height. `roughness`: 0 rolling, 1 alpine.
    `base_m`: the height of the land it rises from, where the ground does not reach so far. `cell_m`: of its grid."""

    name: Name
    polygon_m: _Polygon | None = None
    crest_m: _Path | None = None
    bearing: BearingSpec | None = None
    height_m: Positive
    falloff_m: Positive = 60.0
    roughness: Share = 0.5
    scale_m: Positive = 90.0
    base_m: float | None = None
    cell_m: Annotated[float, Field(ge=0.1, le=100)] | None = None
    turf: Colour = (0.09, 0.095, 0.03)
    rock: Colour = (0.20, 0.18, 0.155)

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("polygon_m", "crest_m", "bearing")
        return self


class PieceSpec(Part):
    """A set piece or many: `kind` out of Muster's kit, or `file` (.usd .obj .gltf .glb). Where: `at_m`, a `polygon_m` or
    along a `path_m`. `count` and `spacing_m` scatter; turning the count up moves nobody. `size_m`: of a fortress, its
    width and depth; of others, the height it is scaled to. `colour`: of its cloth."""

    name: Name
    kind: Literal[KINDS] | None = None  # type: ignore[valid-type]
    file: Text | None = None
    at_m: _Place | None = None
    polygon_m: _Polygon | None = None
    path_m: _Path | None = None
    count: Annotated[int, Field(ge=1, le=20_000)] | None = None
    spacing_m: Annotated[float, Field(ge=0.3, le=10_000)] | None = None
    jitter: Share = 0.5
    heading_deg: _Angle | None = None
    face_m: Pair | None = None
    turn_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Positive = 1.0
    vary: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    size_m: Positive | tuple[Positive, Positive] | None = None
    raise_m: float = 0.0
    colour: Colour | None = None
    albedo: Colour | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    obstacle: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        self.exactly_one("kind", "file")
        self.at_most_one("heading_deg", "face_m")
        where = self.exactly_one("at_m", "polygon_m", "path_m")
        if where == "at_m" and self.count not in (None, 1):
            raise mistake("one place holds one piece", expected="polygon_m or path_m", got="at_m", key="count")
        if where == "polygon_m" and self.count is None:
            raise mistake("how many?", expected="count: 12", got="no count")
        if self.kind in BUILT_ALONG and where == "polygon_m":
            raise mistake(f"a {self.kind} follows a line", expected="path_m or at_m", got="polygon_m", key="polygon_m")
        if isinstance(self.size_m, tuple) and self.kind != "fortress":
            raise mistake("only a fortress has a width and a depth", expected="size_m: 12", key="size_m")
        return self


class CloudSpec(Part):
    """Clouds of the made sky. `cover`: how much of it; `height_m`: of their layer; `wind_m_s`: they drift, by azimuth."""

    cover: Share = 0.35
    height_m: Positive = 2500.0
    size_m: Positive = 2200.0
    wind_m_s: NotNegative = 8.0
    wind_azimuth_deg: _Angle = 60.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SkyMatteSpec(Part):
    """The sky's share of each plate pixel: pictures of the artist's own, 1 is sky."""

    path: Text
    channel: Text = "auto"


class SkySpec(Part):
    """Another sky behind everything. Made from the sun of `light:`, or a lat-long picture: its middle looks along
    `azimuth_deg`. `strength`: on top of what fits the shot's sky light (made), or of the picture as it is. `matte`: in place of
    the one found on the plate."""

    latlong: Text | None = None
    azimuth_deg: _Angle = 0.0
    haze: Annotated[float, Field(ge=0, le=4)] = 1.0
    clouds: CloudSpec | None = None
    strength: Positive = 1.0
    matte: SkyMatteSpec | None = None
    key: Positive = 1.0


class HazeSpec(Part):
    """Air on the set pieces and the terrain: after `visibility_m` a fiftieth of them is left, the rest is `color`."""

    visibility_m: Positive
    color: Colour
    height_m: Positive | None = None


class EnvironmentSpec(Part):
    """What is built around the crowd, and what is painted on it."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    terrain: Annotated[tuple[TerrainSpec, ...], Field(max_length=64)] = ()
    pieces: Annotated[tuple[PieceSpec, ...], Field(max_length=256)] = ()
    sky: SkySpec | None = None
    haze: HazeSpec | None = None
    volumes: VolumesSpec | None = None
    paintings: Annotated[tuple[PaintingSpec, ...], Field(max_length=16)] = ()
    trampled: TrampledSpec | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        seen: set[str] = set()
        for part in (*self.terrain, *self.pieces):
            if part.name in seen:
                raise mistake("two parts of the place have one name", expected="a name of its own", got=part.name)
            seen.add(part.name)
        for painting in self.paintings:
            for name in painting.pieces or ():
                if name not in seen:
                    known = ", ".join(sorted(seen)) or "no part at all"
                    raise mistake(
                        "a painting on a part that the place lacks", expected=known, got=name, key="paintings"
                    )
        if len({p.frame for p in self.paintings if p.pieces is None}) < sum(p.pieces is None for p in self.paintings):
            raise mistake("two paintings of one frame", expected="a frame of its own", key="paintings")
        return self
