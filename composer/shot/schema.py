"""`shot.yaml` as types. `load_shot` fills them in; the names here are the names in the file.

Lengths are metres, angles degrees, places on the plate pixels from the top left. Azimuth: 0 is -Z (into the picture
of a
camera that has not been turned), clockwise seen from above, 90 is +X (right). Paths are relative to the file's folder.
"""

from __future__ import annotations

import difflib
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
from composer.shot.schema_environment import EnvironmentSpec
from composer.shot.schema_holdout import DepthModelSpec, Refine, SegmentSpec
from composer.shot.schema_match import MatchSpec
from composer.shot.schema_override import OverrideSpec
from composer.shot.schema_paint import PaintSpec
from composer.shot.schema_place import CameraSpec, ColorSpec, GroundSpec, PlateSpec, ScaleSpec
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
    refine: Refine | None = None
    edge_px: Annotated[float, Field(ge=1, le=200)] | None = None

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


class PolygonPx(Part):
    """A polygon on the plate at `frame`, laid onto the ground."""

    frame: int
    points: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)]


Formation = Literal["rank_and_file", "phalanx", "column", "wedge", "skirmish_line", "square", "loose", "mob", "camp"]


class DensitySpec(Part):
    """A painted picture of how dense a region is: white is the spacing as written, black is nobody. On the ground:
    `extent_m` are two opposite corners (x, z), the picture's top lies towards -Z. On the plate: it covers the plate of
    `frame`. `channel`: `lum`, `alpha`, or a channel by name."""

    map: Text
    on: Literal["ground", "plate"] = "ground"
    extent_m: tuple[Pair, Pair] | None = None
    frame: int | None = None
    channel: Text = "lum"

    @model_validator(mode="after")
    def _placed(self) -> Self:
        needs, stray = ("extent_m", "frame") if self.on == "ground" else ("frame", "extent_m")
        if getattr(self, stray) is not None:
            raise mistake(f"a map on the {self.on} does not take this", expected=needs, got=stray, key=stray)
        if getattr(self, needs) is None:
            how = "extent_m: [[x, z], [x, z]]" if self.on == "ground" else "frame: 1001"
            raise mistake(f"where does the map lie on the {self.on}?", expected=how, got=f"no {needs}")
        if self.extent_m is not None and any(a == b for a, b in zip(*self.extent_m, strict=True)):
            raise mistake("this extent has no area", expected="two opposite corners", key="extent_m")
        return self


#: Each formation's own metres (between files, between ranks; a camp's are between fires) and jitter.
USUAL: dict[str, tuple[Pair, float]] = {
    "rank_and_file": ((0.9, 1.2), 0.15),
    "phalanx": ((0.6, 0.9), 0.06),
    "column": ((1.0, 1.4), 0.1),
    "wedge": ((0.9, 1.1), 0.12),
    "skirmish_line": ((3.0, 4.0), 0.35),
    "square": ((0.7, 0.8), 0.08),
    "loose": ((0.9, 1.2), 0.15),
    "mob": ((0.8, 0.8), 0.15),
    "camp": ((8.0, 8.0), 0.15),
}
#: What has ranks can be told how many; which formations can be drawn along a spline, and which of those in a band.
_WITH_RANKS = ("rank_and_file", "phalanx", "skirmish_line", "square")
_WITH_FILES = ("column", "square")
_IN_A_BAND = ("loose", "mob", "camp")
_ALONG_A_PATH = ("column", "rank_and_file", "phalanx", "skirmish_line", *_IN_A_BAND)
_FAR_APART = Annotated[float, Field(ge=0.3, le=1000)]
_Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]
_Usual = Mapping[str, str]


def _usual_spacing(given: _Usual) -> Pair:
    return USUAL[given["formation"]][0]


def _usual_jitter(given: _Usual) -> float:
    return USUAL[given["formation"]][1]


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
    """People of one side on one piece of ground: a polygon, a painted map or a spline. `heading_deg`: where they look,
    as an azimuth. `files`: how wide a column or the side of a square. `ranks`: how deep at most. `head`: where on its
    path a column's head is at the first frame, 0 the start, 1 the end. `width_m`: of the band along a path."""

    name: Name
    polygon_m: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)] | None = None
    polygon_px: PolygonPx | None = None
    path_m: Annotated[tuple[tuple[_Coordinate, _Coordinate], ...], Field(min_length=2, max_length=1000)] | None = None
    density: DensitySpec | None = None
    formation: Formation = "rank_and_file"
    spacing_m: tuple[_FAR_APART, _FAR_APART] = Field(default_factory=_usual_spacing)
    jitter: Share = Field(default_factory=_usual_jitter)
    files: Annotated[int, Field(ge=1, le=1000)] | None = None
    ranks: Annotated[int, Field(ge=1, le=1000)] | None = None
    width_m: Annotated[float, Field(ge=1, le=1000)] | None = None
    head: Annotated[float, Field(gt=0, le=1)] | None = None
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
        self.exactly_one("polygon_m", "polygon_px", "path_m", "density")
        self.at_most_one("heading_deg", "face_m")
        self.at_most_one("share", "count")
        return self

    @model_validator(mode="after")
    def _drill(self) -> Self:
        kind, drawn = self.formation, self.exactly_one("polygon_m", "polygon_px", "path_m", "density")
        for key, takes in (("ranks", _WITH_RANKS), ("files", _WITH_FILES), ("head", ("column",))):
            if getattr(self, key) is not None and kind not in takes:
                raise mistake(f"a {kind} does not take this", expected=" or ".join(takes), got=key, key=key)
        if drawn == "path_m" and kind not in _ALONG_A_PATH:
            hint = "give it a polygon"
            raise mistake(
                f"a {kind} has no path", expected=", ".join(_ALONG_A_PATH), got=kind, hint=hint, key="formation"
            )
        if self.width_m is not None and (drawn != "path_m" or kind not in _IN_A_BAND):
            where = f"path_m with {', '.join(_IN_A_BAND)}"
            raise mistake("only a band along a path has a width", expected=where, got=f"{drawn}, {kind}", key="width_m")
        if kind == "column" and drawn == "density":
            raise mistake("a column is not painted", expected="path_m or a polygon", got="density", key="formation")
        if kind == "column" and drawn == "path_m" and (self.heading_deg is not None or self.face_m is not None):
            key = "face_m" if self.heading_deg is None else "heading_deg"
            raise mistake("a column looks along its path", expected="no heading", got=key, key=key)
        if kind == "camp" and self.moving:
            raise mistake("a camp stays where it is", expected="moving: false", got="moving: true", key="moving")
        return self


class ObstacleSpec(Part):
    """Where nobody stands: a polygon, or all that a mesh (OBJ or USD, world metres) covers seen from above."""

    polygon_m: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)] | None = None
    mesh: Text | None = None
    clearance_m: Annotated[float, Field(ge=0, le=100)] = 0.4

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("polygon_m", "mesh")
        return self


class CrowdSpec(Part):
    """Who is there. `count` is shared by the regions after those with a count of their own. `start_frame`: where
    regions with cues stand in their places; the plate's first frame without it."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    regions: Annotated[tuple[RegionSpec, ...], Field(min_length=1, max_length=256)]
    obstacles: Annotated[tuple[ObstacleSpec, ...], Field(max_length=256)] = ()
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


#: The parts of a delivered EXR, in its order.
LIGHT_SET = ("light_sun", "light_sky", "light_bounce")
CRYPTOMATTES = ("crypto_agent", "crypto_side", "crypto_cast")
#: Those of the place around the crowd; only of a shot with `environment:`.
PLACE_PARTS = (
    "environment", "environment_depth", "environment_normal", "environment_motion", "environment_albedo", "crypto_environment",
)  # fmt: skip
PARTS = (
    "rgba", "crowd", *LIGHT_SET, "shadow", "depth", "control_depth", "normal", "motion", "albedo", "pose",
    *CRYPTOMATTES, *PLACE_PARTS,
)  # fmt: skip
PARTS_BY_DEFAULT = tuple(p for p in PARTS if p not in (*LIGHT_SET, "control_depth"))


class DeliverySpec(Part):
    """What is written. parts: those wanted, beside the composite (none given: PARTS_BY_DEFAULT); light_set adds its
    three; deep: a deep file with each frame. control_depth_m: near and far of `control_depth`, in place of the crowd's
    own. compression: of every part, in place of the quickest for each. sign: content credentials (C2PA) for what is
    delivered."""

    parts: tuple[Name, ...] | None = None
    light_set: bool = False
    deep: bool = False
    control_depth_m: tuple[Positive, Positive] | None = None
    compression: Literal["zip", "piz"] | None = None
    slate: Annotated[str, Field(max_length=200)] = ""
    sign: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.parts or ():
            if name not in PARTS:
                near = difflib.get_close_matches(name.rstrip("0123456789"), PARTS, 1)
                hint = f"did you mean {near[0]}?" if near else ""
                if name == "deep":
                    hint = "deep: true asks for the deep files"
                raise mistake("no such part", expected=", ".join(PARTS), got=name, hint=hint, key="parts")
        if self.control_depth_m and self.control_depth_m[0] >= self.control_depth_m[1]:
            raise mistake(
                "near must be nearer than far",
                expected="[near, far] in metres",
                got=str(list(self.control_depth_m)),
                key="control_depth_m",
            )
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The parts asked for, in the file's order. The composite is always among them."""
        asked = {"rgba", *(PARTS_BY_DEFAULT if self.parts is None else self.parts)}
        asked |= set(LIGHT_SET) if self.light_set else set()
        return tuple(p for p in PARTS if p in asked)


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
        if self.match is not None and self.environment is not None:
            hint = "the place is not matched to the plate yet: leave one of them out"
            raise mistake(
                "match and environment exclude each other", expected="one of them", got="both", hint=hint, key="match"
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
