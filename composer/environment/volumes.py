"""What hangs in the air of a shot: smoke columns, dust banks, fog, and how people raise dust.

A column is a bent-over plume of puffs that were let go one after the other: each rises ever more slowly and goes with the
wind, and grows by the air that it takes in (Briggs, "Plume Rise", 1969, for the shape). So what has left the foot at one
time stays together, and the pattern is carried, never slides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.regions import region_polygon
from composer.crowd.seeds import hash_u32
from composer.errors import InputError
from composer.shot.located import located
from composer.shot.schema_air import DustSpec, FeetSpec, SmokeSpec, VolumesSpec, WindSpec
from composer.shot.stage import Stage

F64 = NDArray[np.float64]
Rgb = tuple[float, float, float]

#: Visibility is where a fiftieth of the contrast is left (Koschmieder).
FIFTIETH = float(np.log(50.0))
#: A bank's density falls by this factor to its `height_m`.
EIGHTH = float(np.log(8.0))


@dataclass(frozen=True)
class Plume:
    """foot_m: float64 [3]. radius_m at the foot, and how much it grows for each metre of its way; rise_m_s at the foot; wind
    (x, z) metres a second; extinction_per_m in the middle of the foot; age_s at the shot's first frame; voxel_m: of its grid."""

    name: str
    foot_m: F64
    height_m: float
    radius_m: float
    spread: float
    rise_m_s: float
    wind_m_s: tuple[float, float]
    extinction_per_m: float
    albedo: Rgb
    forward: float
    age_s: float
    seed: int

    def age_at(self, up_m: float) -> float:
        """Seconds since that was let go which is now so far up."""
        return up_m / self.rise_m_s * (1.0 + 0.5 * up_m / self.height_m)

    def radius_at(self, up_m: float) -> float:
        way = up_m + 0.5 * float(np.hypot(*self.wind_m_s)) * self.age_at(up_m)
        return self.radius_m + self.spread * way


@dataclass(frozen=True)
class Bank:
    """outline_m: float64 [V, 2] (x, z). height_m: of a factor e. ground: heights are read from it. The rest as in `Plume`."""

    name: str
    outline_m: F64
    height_m: float
    soft_m: float
    extinction_per_m: float
    patches: float
    wind_m_s: tuple[float, float]
    albedo: Rgb
    forward: float
    seed: int


@dataclass(frozen=True)
class Fog:
    """extinction_per_m at `base_m`, less by e each `fall_m` up."""

    extinction_per_m: float
    base_m: float
    fall_m: float
    patches: float
    size_m: float
    wind_m_s: tuple[float, float]
    albedo: Rgb
    forward: float
    seed: int


@dataclass(frozen=True)
class Feet:
    """strength: with dryness; height_m: to which fresh dust is raised; linger_s: how long it hangs."""

    strength: float
    height_m: float
    linger_s: float
    wind_m_s: tuple[float, float]
    albedo: Rgb
    forward: float
    seed: int


@dataclass(frozen=True)
class Volumes:
    """start_frame: at which a plume has its `age_s`. eye_m: float64 [3], the first frame's camera: what is near it is made
    finer."""

    plumes: tuple[Plume, ...]
    banks: tuple[Bank, ...]
    fog: Fog | None
    feet: Feet | None
    start_frame: int
    frame_rate: float
    eye_m: F64

    def seconds(self, frame: int) -> float:
        return (frame - self.start_frame) / self.frame_rate

    def __bool__(self) -> bool:
        return bool(self.plumes or self.banks or self.fog or self.feet)


def volumes_of(stage: Stage, spec: VolumesSpec) -> tuple[Volumes, tuple[str, ...]]:
    """The volumes that a shot asks for, and notes. Raises InputError at the line of `shot.yaml`."""
    notes: list[str] = []
    plumes = []
    for i, one in enumerate(spec.smoke):
        with located(stage.shot, "environment", "volumes", "smoke", i):
            plumes.append(_plume(stage, one, one.wind or spec.wind))
    banks = []
    for i, bank in enumerate(spec.dust):
        with located(stage.shot, "environment", "volumes", "dust", i):
            made, told = _bank(stage, bank, bank.wind or spec.wind, i)
            banks.append(made)
            notes += told
    fog = None
    if spec.fog is not None:
        base = _lie_of_the_land(stage) if spec.fog.base_m is None else spec.fog.base_m
        fog = Fog(
            FIFTIETH / spec.fog.visibility_m, base, spec.fog.height_m / float(np.log(2.0)), spec.fog.patches,
            spec.fog.size_m, wind_of(spec.fog.wind or spec.wind), spec.fog.colour, spec.fog.forward, spec.fog.seed,
        )  # fmt: skip
        if spec.fog.base_m is None:
            notes.append(f"air: the fog's base_m is {base:.1f}, the lie of the land")
    feet = None if spec.dust_at_feet is None else _feet(spec.dust_at_feet, spec.wind)
    eye = np.asarray(stage.camera.view(stage.plate.frames[0]).position_m, np.float64)
    rate = float(stage.plate.frame_rate)
    volumes = Volumes(tuple(plumes), tuple(banks), fog, feet, stage.plate.frames[0], rate, eye)
    parts = [f"{len(plumes)} columns of smoke"] * bool(plumes) + [f"{len(banks)} banks of dust"] * bool(banks)
    parts += ["fog"] * bool(fog) + ["dust at feet"] * bool(feet)
    return volumes, (f"air: {', '.join(parts) or 'nothing'}", *notes)


def wind_of(wind: WindSpec) -> tuple[float, float]:
    """(x, z) metres a second."""
    turn = np.radians(wind.azimuth_deg)
    return wind.speed_m_s * float(np.sin(turn)), -wind.speed_m_s * float(np.cos(turn))


def _plume(stage: Stage, spec: SmokeSpec, wind: WindSpec) -> Plume:
    x, z = spec.at_m
    y = float(stage.ground.height_m(np.array([x]), np.array([z]))[0])
    if not np.isfinite(y):
        raise InputError("there is no ground under this smoke", expected="a place on the ground", got=f"[{x:g}, {z:g}]")
    radius = spec.width_m / 2
    made = Plume(
        spec.name, np.array([x, y + spec.lift_m, z]), spec.height_m, radius, spec.spread, spec.rise_m_s, wind_of(wind),
        spec.density / spec.width_m, spec.colour, spec.forward, 0.0, _seed(spec.name, spec.seed),
    )  # fmt: skip
    age = 2.0 * made.age_at(spec.height_m) if spec.age_s is None else spec.age_s
    return Plume(**{**made.__dict__, "age_s": age})


def _bank(stage: Stage, spec: DustSpec, wind: WindSpec, number: int) -> tuple[Bank, tuple[str, ...]]:
    where = stage.shot.where("environment", "volumes", "dust", number)
    notes: tuple[str, ...] = ()
    if spec.path_m is not None:
        assert spec.width_m is not None
        outline = _band(np.array(spec.path_m, float), spec.width_m)
    else:
        drawn = None if spec.polygon_px is None else (spec.polygon_px.frame, spec.polygon_px.points)
        outline, notes = region_polygon(spec.polygon_m, drawn, stage.ground, stage.camera.view, where)
    made = Bank(
        spec.name, outline, spec.height_m / EIGHTH, spec.soft_m, FIFTIETH / spec.visibility_m, spec.patches, wind_of(wind),
        spec.colour, spec.forward, _seed(spec.name, spec.seed),
    )  # fmt: skip
    return made, notes


def _band(path: F64, width_m: float) -> F64:
    """The outline of a band along a path."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width_m / 2)
    return np.concatenate([path + aside, (path - aside)[::-1]])


def _feet(spec: FeetSpec, wind: WindSpec) -> Feet | None:
    strength = spec.strength * spec.dryness
    if strength == 0:
        return None
    return Feet(strength, spec.height_m, spec.linger_s, wind_of(wind), spec.colour, spec.forward, spec.seed)


def _lie_of_the_land(stage: Stage) -> float:
    """A low height of the ground before the first frame's camera, up to 400 m away."""
    view = stage.camera.view(stage.plate.frames[0])
    ahead = -view.world_from_camera[:3, 2]
    turn = float(np.arctan2(ahead[0], -ahead[2]))
    r, a = np.meshgrid(np.linspace(10, 400, 40), turn + np.radians(np.linspace(-30, 30, 13)))
    x, z = view.position_m[0] + r * np.sin(a), view.position_m[2] - r * np.cos(a)
    height = np.asarray(stage.ground.height_m(x.ravel(), z.ravel()), np.float64)
    height = height[np.isfinite(height)]
    if not len(height):
        raise InputError("there is no ground for the fog to lie on", expected="fog.base_m")
    return float(np.round(np.quantile(height, 0.2), 2))


def _seed(name: str, seed: int) -> int:
    return int(hash_u32(seed, f"air {name}")) % 2**31
