"""`crowd:` in `shot.yaml`: regions and their formations, cues, obstacles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Name, NotNegative, Pair, Part, Positive, Share, Text, mistake


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


def _usual_formation(given: Mapping[str, object]) -> Formation:
    """Those on a set piece stand where there is room."""
    return "rank_and_file" if given.get("on") is None else "loose"


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
    path a column's head is at the first frame, 0 the start, 1 the end. `width_m`: of the band along a path. `on`: a set piece
    of `environment:` whose level tops they stand on, all of them or those in a `polygon_m`; it takes a `count`."""

    name: Name
    on: Name | None = None
    polygon_m: Annotated[tuple[Pair, ...], Field(min_length=3, max_length=1000)] | None = None
    polygon_px: PolygonPx | None = None
    path_m: Annotated[tuple[tuple[_Coordinate, _Coordinate], ...], Field(min_length=2, max_length=1000)] | None = None
    density: DensitySpec | None = None
    formation: Formation = Field(default_factory=_usual_formation)
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
        if self.on is None:
            self.exactly_one("polygon_m", "polygon_px", "path_m", "density")
        self.at_most_one("heading_deg", "face_m")
        self.at_most_one("share", "count")
        return self

    @model_validator(mode="after")
    def _stands_on(self) -> Self:
        if self.on is None:
            return self
        for key, wrong in (("moving", self.moving), ("cues", self.cues)):
            if wrong:
                raise mistake("those who stand on a piece stay there", expected=f"`on` without {key}", got=key, key=key)
        for key in ("polygon_px", "path_m", "density"):
            if getattr(self, key) is not None:
                raise mistake("on a piece, a region is drawn from above", expected="polygon_m, or nothing for all of it",
                              got=key, key=key)  # fmt: skip
        if self.count is None:
            raise mistake("how many stand on a piece is not known", expected="count", key="on")
        return self

    @model_validator(mode="after")
    def _drill(self) -> Self:
        if self.on is not None and self.polygon_m is None:
            kind, drawn = self.formation, "polygon_m"
        else:
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
