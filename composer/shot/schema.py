"""`shot.yaml` as types. `load_shot` fills them in; the names here are the names in the file.

Lengths are metres, angles degrees, places on the plate pixels from the top left. Azimuth: 0 is -Z (into the picture
of a
camera that has not been turned), clockwise seen from above, 90 is +X (right). Paths are relative to the file's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PrivateAttr, Tag, model_validator
from pydantic_core import PydanticCustomError

from composer.errors import InputError, Where
from composer.io.timecode import frame_rate
from composer.shot.frames import frames_of

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Pair = tuple[float, float]
PositivePair = tuple[Positive, Positive]
Triple = tuple[float, float, float]
Colour = tuple[NotNegative, NotNegative, NotNegative]
#: A position in the file: keys and indices from the top.
Loc = tuple[str | int, ...]


def mistake(what: str, *, expected: str = "", got: str = "", hint: str = "", key: str = "") -> PydanticCustomError:
    """A mistake that the schema finds by itself, in the parts of an `InputError`. `key`: the key of the block it is
    at."""
    parts = {"what": what, "expected": expected, "got": got, "hint": hint, "key": key}
    return PydanticCustomError("shot", "{what}", parts)


class Part(BaseModel):
    """Base of every block: nothing is converted, nothing unknown is let through."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def exactly_one(self, *names: str) -> str:
        """The one of `names` that is given; a mistake unless it is just one."""
        given = [n for n in names if getattr(self, n) is not None]
        if len(given) != 1:
            raise mistake(
                "just one of these keys is needed",
                expected=" or ".join(names),
                got=" and ".join(given) or "none of them",
            )
        return given[0]

    def at_most_one(self, *names: str) -> None:
        """A mistake if more than one of `names` is given."""
        given = [n for n in names if getattr(self, n) is not None]
        if len(given) > 1:
            raise mistake(
                "these keys exclude each other", expected=f"one of {', '.join(names)}", got=" and ".join(given)
            )


def _frames(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mistake("not a frame range", expected="1001-1024", got=repr(value))
    try:
        frames_of(value)
    except InputError as error:
        raise mistake(error.what, expected=error.expected or "", got=error.got or "") from error
    return str(value)


def _rate(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise mistake("not a frame rate", expected='24, 23.976 or "24000/1001"', got=repr(value))
    try:
        return frame_rate(value)
    except InputError as error:
        raise mistake(error.what, expected=error.expected or "", got=error.got or "") from error


Frames = Annotated[str, BeforeValidator(_frames)]
Rate = Annotated[Fraction, BeforeValidator(_rate)]


class PlateSpec(Part):
    """The pictures. `frames`: which of them belong to the shot (all, if left out)."""

    path: Text
    frames: Frames | None = None
    first_frame: int | None = None
    frame_rate: Rate | None = None
    colorspace: Text | None = None
    timecode: Text | None = None
    pixel_aspect: Positive | None = None


class ColorSpec(Part):
    """OpenColorIO: a built-in config by name or a file, its context variables, and the view for pictures to look at."""

    config: Text | None = None
    context: dict[str, str] = Field(default_factory=dict)
    display: Text | None = None
    view: Text | None = None


class LensFile(Part):
    """A lens out of a tracker's file (Nuke LD_3DE* node, 3DEqualizer text)."""

    path: Text
    node: Text | None = None


class LensBrown(Part):
    """Brown's model as in OpenCV and COLMAP."""

    model: Literal["brown"]
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0


class LensStMap(Part):
    """A pair of ST maps."""

    model: Literal["stmap"]
    distort: Text | None = None
    undistort: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.distort is None and self.undistort is None:
            raise mistake("an ST map lens needs a file", expected="distort or undistort", got="neither")
        return self


class Lens3de(Part):
    """A 3DEqualizer lens written by hand; the parameters are the fields of `composer.camera.lens.tde4`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    model: Literal["3de_classic", "3de_radial4", "3de_anamorphic4"]

    @property
    def params(self) -> Mapping[str, float]:
        """Every parameter that is given, by name."""
        return dict(self.__pydantic_extra__ or {})


def _lens_kind(value: object) -> str:
    model = value.get("model") if isinstance(value, Mapping) else getattr(value, "model", None)
    if model is None:
        return "path"
    if isinstance(model, str) and model.startswith("3de"):
        return "3de"
    return "stmap" if model == "stmap" else "brown"


LensSpec = Annotated[
    Annotated[LensFile, Tag("path")]
    | Annotated[LensBrown, Tag("brown")]
    | Annotated[LensStMap, Tag("stmap")]
    | Annotated[Lens3de, Tag("3de")],
    Discriminator(_lens_kind),
]


class LockedCamera(Part):
    """A locked-off camera by hand. It stands at (0, height_m, 0), looks down -Z, then turns: pan (positive right), tilt
    (positive up), roll (positive clockwise)."""

    focal_mm: Positive
    filmback_mm: PositivePair
    height_m: Positive
    tilt_deg: Annotated[float, Field(gt=-90, lt=90)] = 0.0
    roll_deg: Annotated[float, Field(ge=-180, le=180)] = 0.0
    pan_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0


class CameraSpec(Part):
    """A track (`path`) or a locked-off camera (`locked`)."""

    path: Text | None = None
    locked: LockedCamera | None = None
    format: Text = "auto"
    node: Text | None = None
    scale: Positive = 1.0
    up: Literal["y", "z", "x", "-y", "-z", "-x"] | None = None
    frame_offset: int = 0
    rotation_order: Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"] | None = None
    filmback_mm: PositivePair | None = None
    focal_mm: Positive | None = None
    lens: LensSpec | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.exactly_one("path", "locked") == "locked":
            stray = sorted(self.model_fields_set - {"locked", "lens"})
            if stray:
                raise mistake(
                    "only a track's path takes this", expected="locked and lens", got=", ".join(stray), key=stray[0]
                )
        return self


class PlaneSpec(Part):
    """A plane in the camera file's world, after `up` and `scale`."""

    point_m: Triple = (0.0, 0.0, 0.0)
    normal: Triple = (0.0, 1.0, 0.0)

    @model_validator(mode="after")
    def _up(self) -> Self:
        length = sum(v * v for v in self.normal) ** 0.5
        if length == 0 or self.normal[1] / length < 0.5:
            raise mistake(
                "the ground must be within 60 degrees of level",
                expected="a normal like [0, 1, 0]",
                got=str(list(self.normal)),
                key="normal",
            )
        return self


class PicksSpec(Part):
    """Three places on the ground, picked on the plate at `frame`."""

    frame: int
    points_px: tuple[Pair, Pair, Pair]
    within_px: Positive = 40.0


class HeightFieldSpec(Part):
    """A picture of heights. Its first row is the far side (-Z). `size_m`: width (X) and depth (Z); `origin_m`: its
    middle."""

    path: Text
    size_m: PositivePair
    origin_m: Triple = (0.0, 0.0, 0.0)
    height_scale: float = 1.0
    channel: Text = "auto"


class GroundSpec(Part):
    """Where people stand: one of `plane`, `fit`, `picks`, `mesh`, `height_field`."""

    plane: PlaneSpec | None = None
    fit: Literal["points"] | None = None
    min_trust: Share = 0.5
    picks: PicksSpec | None = None
    mesh: Text | None = None
    height_field: HeightFieldSpec | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        kind = self.exactly_one("plane", "fit", "picks", "mesh", "height_field")
        if "min_trust" in self.model_fields_set and kind != "fit":
            raise mistake("only a fit takes this", expected="fit: points", got=f"ground.{kind}", key="min_trust")
        return self


class DistanceSpec(Part):
    """Two places on the ground, picked on the plate at `frame`, and how far apart they are."""

    frame: int
    points_px: tuple[Pair, Pair]
    metres: Positive


class ScaleSpec(Part):
    """What makes the solve's units metres."""

    distance: DistanceSpec | None = None
    camera_height_m: Positive | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("distance", "camera_height_m")
        return self


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


#: What a cue can tell people to do.
CueWord = Literal["hold", "idle", "march", "advance", "charge", "brace", "melee", "volley", "rout", "cheer", "react"]


class CueSpec(Part):
    """From frame `at` a region's people do something. `target`: another region's name or a place (x, z). `spread_s`:
    they start one by one within this time. `share`: the part of them that obeys."""

    at: int
    do: CueWord
    target: Name | Pair | None = None
    spread_s: NotNegative = 0.6
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _aimed(self) -> Self:
        if self.target is None and self.do in ("volley", "react"):
            raise mistake(
                f"{self.do} at what?", expected="target: a region's name or [x, z]", got="no target", key="do"
            )
        return self


class BehaviourSpec(Part):
    """How those with cues behave. `lethality`: 1 is two falls in five exchanges of blows, 0 spares everybody.
    `keep_apart_m`: nobody comes nearer to another than this (a tenth less where a crowd presses hard)."""

    lethality: Annotated[float, Field(ge=0, le=4)] = 1.0
    keep_apart_m: Annotated[float, Field(ge=0.4, le=1.0)] = 0.45


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
    cues: Annotated[tuple[CueSpec, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("polygon_m", "polygon_px")
        self.at_most_one("heading_deg", "face_m")
        self.at_most_one("share", "count")
        return self


class CrowdSpec(Part):
    """Who is there. `count` is shared by the regions after those with a count of their own. `start_frame`: where
    regions with cues stand in their places; the plate's first frame without it."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    regions: Annotated[tuple[RegionSpec, ...], Field(min_length=1, max_length=256)]
    start_frame: int | None = None
    behaviour: BehaviourSpec = Field(default_factory=BehaviourSpec)

    @model_validator(mode="after")
    def _targets(self) -> Self:
        names = [r.name for r in self.regions]
        for region in self.regions:
            for cue in region.cues:
                if isinstance(cue.target, str) and (cue.target not in names or cue.target == region.name):
                    others = ", ".join(n for n in names if n != region.name) or "[x, z] (there is no other region)"
                    raise mistake(
                        "a cue's target is no other region",
                        expected=others,
                        got=f"{cue.target}, told to {region.name}",
                        key="regions",
                    )
        return self

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
    """The whole of `shot.yaml`."""

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
