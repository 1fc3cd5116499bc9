"""`shot.yaml` as types. `load_shot` fills them in; the names here are the names in the file.

Lengths are metres, angles degrees, places on the plate pixels from the top left. Azimuth: 0 is -Z (into the picture
of a
camera that has not been turned), clockwise seen from above, 90 is +X (right). Paths are relative to the file's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from composer.errors import Where
from composer.shot.schema_base import (
    Colour,
    Loc,
    Name,
    NotNegative,
    Pair,
    Part,
    Positive,
    Share,
    Text,
    mistake,
)
from composer.shot.schema_place import CameraSpec, ColorSpec, GroundSpec, PlateSpec, ScaleSpec


class DifferenceSpec(Part):
    """A matte of what differs from the clean plate (locked-off cameras only). `clean`: `auto`, a still, or a sequence
    or movie from the same camera, out of which the clean plate is then made. `threshold`: the difference that counts,
    0..1."""

    clean: Text = "auto"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.05
    soften_px: NotNegative = 1.5


class HoldoutSpec(Part):
    """Something on the plate that stands in front of the crowd: one of `matte`, `cryptomatte`, `depth`,
    `difference`."""

    matte: Text | None = None
    cryptomatte: Text | None = None
    depth: Text | None = None
    difference: DifferenceSpec | None = None
    names: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    channel: Text | None = None
    invert: bool = False
    scale: Positive = 1.0
    bias_m: float = 0.0
    distance_m: NotNegative | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        kind = self.exactly_one("matte", "cryptomatte", "depth", "difference")
        takes = {
            "matte": {"channel", "invert", "distance_m"},
            "cryptomatte": {"names", "invert", "distance_m"},
            "depth": {"channel", "scale", "bias_m"},
            "difference": {"distance_m"},
        }[kind]
        stray = sorted(self.model_fields_set - takes - {kind})
        if stray:
            raise mistake(
                f"a {kind} holdout does not take this", expected=", ".join(sorted(takes)), got=stray[0], key=stray[0]
            )
        if kind == "cryptomatte" and self.names is None:
            raise mistake("which objects?", expected="names: [object, ...]", got="no names")
        return self

    @property
    def kind(self) -> str:
        """`matte`, `cryptomatte`, `depth` or `difference`."""
        return self.exactly_one("matte", "cryptomatte", "depth", "difference")


class SunPickSpec(Part):
    """An upright object on the ground: its top, its base, and the tip of its shadow, picked on the plate at `frame`."""

    frame: int
    top_px: Pair
    base_px: Pair
    tip_px: Pair


class SunSpec(Part):
    """By angles, or by a pick. `strength`: radiance of a white surface facing the sun, before exposure."""

    elevation_deg: Annotated[float, Field(gt=0, le=90)] | None = None
    azimuth_deg: Annotated[float, Field(ge=-360, le=360)] | None = None
    pick: SunPickSpec | None = None
    color: Colour = (1.0, 0.9, 0.75)
    strength: NotNegative = 3.0

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.at_most_one("pick", "elevation_deg")
        self.at_most_one("pick", "azimuth_deg")
        if self.pick is None and (self.elevation_deg is None or self.azimuth_deg is None):
            raise mistake("where is the sun?", expected="elevation_deg and azimuth_deg, or pick", got="neither")
        return self


class GlowSpec(Part):
    """Light from above (sky) or from below (bounce). No colour for bounce: the ground's own, out of the plate."""

    color: Colour | None = None
    strength: NotNegative = 1.0


class LightSpec(Part):
    """`exposure`: `auto`, or stops over the strengths as written."""

    sun: SunSpec | None = None
    sky: GlowSpec | None = None
    bounce: GlowSpec | None = None
    exposure: Literal["auto"] | float = "auto"


class PolygonPx(Part):
    """A polygon on the plate at `frame`, laid onto the ground."""

    frame: int
    points: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)]


class RegionSpec(Part):
    """People of one side on one piece of ground. `heading_deg`: where they look, as an azimuth."""

    name: Name
    polygon_m: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)] | None = None
    polygon_px: PolygonPx | None = None
    formation: Literal["rank_and_file", "loose"] = "rank_and_file"
    spacing_m: tuple[Annotated[float, Field(ge=0.3)], Annotated[float, Field(ge=0.3)]] = (0.9, 1.2)
    jitter: Share = 0.15
    heading_deg: Annotated[float, Field(ge=-360, le=360)] | None = None
    face_m: Pair | None = None
    side: Name = "red"
    kits: dict[str, Positive] | None = None
    clip: Text = "idle"
    moving: bool = False
    share: Positive | None = None
    count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("polygon_m", "polygon_px")
        self.at_most_one("heading_deg", "face_m")
        self.at_most_one("share", "count")
        return self


class CrowdSpec(Part):
    """Who is there. `count` is shared by the regions after those with a count of their own."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    regions: Annotated[tuple[RegionSpec, ...], Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _names(self) -> Self:
        seen: set[str] = set()
        for region in self.regions:
            if region.name in seen:
                raise mistake("two regions have one name", expected="a name of its own", got=region.name, key="regions")
            seen.add(region.name)
        if self.count is None and any(r.count is None for r in self.regions):
            raise mistake("how many?", expected="crowd.count, or a count for each region", got="neither")
        return self


class SideSpec(Part):
    """A side's colours, ACEScg reflectance by material; what is left out keeps its own colour."""

    tunic: Colour | None = None
    trousers: Colour | None = None
    cloak: Colour | None = None
    shield: Colour | None = None
    crest: Colour | None = None


class ClipSpec(Part):
    """A motion of the artist's own, out of a BVH file. `frames`: first and last of that file's."""

    name: Name
    bvh: Text
    frames: tuple[int, int] | None = None
    loop: bool = True


class DeliverySpec(Part):
    """What is written."""

    parts: tuple[Name, ...] | None = None
    compression: Literal["zip", "piz"] = "zip"
    slate: Annotated[str, Field(max_length=200)] = ""


class ShotFile(Part):
    """The whole of `shot.yaml`. `cast`: a `cast.yaml`, shared by several shots."""

    muster: Literal[1]
    shot: Name
    version: Name = "v001"
    plate: PlateSpec
    color: ColorSpec = Field(default_factory=ColorSpec)
    camera: CameraSpec
    ground: GroundSpec | None = None
    scale: ScaleSpec | None = None
    holdouts: tuple[HoldoutSpec, ...] = ()
    light: LightSpec = Field(default_factory=LightSpec)
    crowd: CrowdSpec
    cast: Text | None = None
    sides: dict[Name, SideSpec] = Field(default_factory=dict)
    clips: tuple[ClipSpec, ...] = ()
    delivery: DeliverySpec = Field(default_factory=DeliverySpec)

    _file: Path = PrivateAttr(default=Path("shot.yaml"))
    _places: dict[Loc, tuple[int, int]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.ground is None and self.camera.locked is None:
            raise mistake(
                "a tracked camera needs a ground",
                expected="ground: {fit: points}, plane, picks, mesh ...",
                got="no ground",
            )
        if self.scale is not None and self.ground is not None and (self.ground.mesh or self.ground.height_field):
            raise mistake(
                "a mesh or height field is in metres already", expected="camera.scale", got="scale", key="scale"
            )
        if self.camera.locked is not None and self.ground is not None and (self.ground.fit or self.ground.picks):
            raise mistake(
                "a locked camera has no solve to find the ground in",
                expected="no ground, or ground.plane",
                got="ground.fit or ground.picks",
                key="ground",
            )
        return self

    @property
    def file(self) -> Path:
        """Where it was read from."""
        return self._file

    @property
    def folder(self) -> Path:
        """What its paths are relative to."""
        return self._file.parent

    def path(self, written: str) -> Path:
        """A path as written in the file, resolved against the file's folder. `~` and variables are not expanded."""
        return self.folder / written

    def where(self, *loc: str | int, frame: int | None = None) -> Where:
        """The line and column of a key, for errors that come later than loading."""
        return place_of(self._file, self._places, loc, frame=frame)


def place_of(file: Path, places: Mapping[Loc, tuple[int, int]], loc: Loc, *, frame: int | None = None) -> Where:
    """`Where` for `loc`, at the innermost part of it that stands in the file."""
    line = column = None
    for n in range(len(loc), -1, -1):
        if loc[:n] in places:
            line, column = places[loc[:n]]
            break
    return Where(file=file, line=line, column=column, frame=frame, field=".".join(map(str, loc)) or None)
