"""`shot.yaml` as types. `load_shot` fills them in; the names here are the names in the file.

Lengths are metres, angles degrees, places on the plate pixels from the top left. Azimuth: 0 is -Z (into the picture of a
camera that has not been turned), clockwise seen from above, 90 is +X (right). Paths are relative to the file's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from composer.errors import Where
from composer.shot.schema_base import Colour, Loc, Name, NotNegative, Part, Positive, Text, mistake
from composer.shot.schema_crowd import CrowdSpec
from composer.shot.schema_delivery import DeliverySpec
from composer.shot.schema_environment import EnvironmentSpec
from composer.shot.schema_holdout import DepthModelSpec, Refine, SegmentSpec
from composer.shot.schema_light import LightSpec
from composer.shot.schema_match import MatchSpec
from composer.shot.schema_override import OverrideSpec
from composer.shot.schema_paint import PaintSpec
from composer.shot.schema_place import CameraSpec, ColorSpec, GroundSpec, PlateSpec, ScaleSpec
from composer.shot.schema_repair import RepairSpec
from composer.shot.schema_review import ReviewSpec


class DifferenceSpec(Part):
    """A matte of what differs from the clean plate (locked-off cameras only). `clean`: `auto`, a still, or a sequence
    or movie from the same camera, out of which the clean plate is then made. `threshold`: the difference that counts,
    0..1."""

    clean: Text = "auto"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.05
    soften_px: NotNegative = 1.5


_HOLDOUTS = ("matte", "cryptomatte", "depth", "difference", "segment")


class HoldoutSpec(Part):
    """Something on the plate that stands in front of the crowd: one of `matte`, `cryptomatte`, `depth`,
    `difference`, `segment`. `refine`: how the edge is made soft out of the plate (what a model finds: guided, others: none);
    `edge_px`: how far to either side."""

    matte: Text | None = None
    cryptomatte: Text | None = None
    depth: Text | DepthModelSpec | None = None
    difference: DifferenceSpec | None = None
    segment: SegmentSpec | None = None
    names: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    channel: Text | None = None
    invert: bool = False
    scale: Positive = 1.0
    bias_m: float = 0.0
    distance_m: NotNegative | None = None
    shadow: Literal["feet", "distance", "depth"] | None = None
    refine: Refine | None = None
    edge_px: Annotated[float, Field(ge=1, le=200)] | None = None

    @model_validator(mode="after")
    def _shaded(self) -> Self:
        if self.shadow is not None and (self.shadow == "depth") != (self.depth is not None):
            fits = "depth" if self.depth is not None else "feet or distance"
            raise mistake("this holdout does not stand there", expected=fits, got=self.shadow, key="shadow")
        if self.shadow == "distance" and not self.distance_m:
            raise mistake("how far away does it stand?", expected="distance_m: 8", got="no distance_m", key="shadow")
        return self

    @model_validator(mode="after")
    def _one(self) -> Self:
        kind = self.exactly_one(*_HOLDOUTS)
        takes = {
            "matte": {"channel", "invert", "distance_m", "refine", "edge_px"},
            "cryptomatte": {"names", "invert", "distance_m", "refine", "edge_px"},
            "depth": {"bias_m", "refine", "edge_px"} if self.finds else {"channel", "scale", "bias_m"},
            "difference": {"distance_m"},
            "segment": {"invert", "distance_m", "refine", "edge_px"},
        }[kind]
        stray = sorted(self.model_fields_set - takes - {kind, "shadow"})
        if stray:
            raise mistake(
                f"a {kind} holdout does not take this", expected=", ".join(sorted(takes)), got=stray[0], key=stray[0]
            )
        if kind == "cryptomatte" and self.names is None:
            raise mistake("which objects?", expected="names: [object, ...]", got="no names")
        return self

    @property
    def kind(self) -> str:
        """`matte`, `cryptomatte`, `depth`, `difference` or `segment`."""
        return self.exactly_one(*_HOLDOUTS)

    @property
    def finds(self) -> SegmentSpec | DepthModelSpec | None:
        """What a model is asked to find, where one is."""
        return self.segment or (self.depth if isinstance(self.depth, DepthModelSpec) else None)

    @property
    def refined(self) -> Refine:
        """How the edge is refined."""
        return self.refine or ("guided" if self.finds else "none")


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
    environment: EnvironmentSpec | None = None
    repairs: Annotated[tuple[RepairSpec, ...], Field(max_length=64)] = ()
    match: MatchSpec | None = None
    crowd: CrowdSpec
    cast: Text | None = None
    sides: dict[Name, SideSpec] = Field(default_factory=dict)
    clips: tuple[ClipSpec, ...] = ()
    overrides: Annotated[tuple[OverrideSpec, ...], Field(max_length=10_000)] = ()
    paint: PaintSpec = Field(default_factory=PaintSpec)
    delivery: DeliverySpec = Field(default_factory=DeliverySpec)
    review: ReviewSpec = Field(default_factory=ReviewSpec)

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
