"""The blocks of `shot.yaml` about the place: plate, colour, camera, ground, scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from composer.shot.schema_base import (
    Frames,
    Pair,
    Part,
    Positive,
    PositivePair,
    Rate,
    Share,
    Text,
    Triple,
    mistake,
)


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
