"""What `muster options` compares: counts, and where they are asked for hours of the day, formations and mixes of kits. Every
option is one of each axis.

    counts     100,1000,10000
    sun        elevation@azimuth in degrees, several by comma      15@298,50@180
    formation  names, several by comma                             rank_and_file,loose
    mix        kit:weight joined by +, several by comma            spearman:3+swordsman:1,levy
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar, get_args

from pydantic import ValidationError

from composer.crowd.casting import castable
from composer.crowd.people import cast_file_of
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.shot.schema import ShotFile
from composer.shot.schema_crowd import USUAL, CrowdSpec, Formation, RegionSpec
from composer.shot.schema_light import SunSpec

FORMATIONS: tuple[str, ...] = get_args(Formation)
MOST_SOLDIERS, MOST_OPTIONS = 1_000_000, 32
#: What belongs to a formation and does not go with another one.
_OF_FORMATION = ("formation", "spacing_m", "jitter", "ranks", "files", "head", "width_m")
T = TypeVar("T")
Mix = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Option:
    """One choice. What is None is as the shot has it. sun: (elevation, azimuth) in degrees. mix: kits and their weights."""

    count: int
    sun: tuple[float, float] | None = None
    formation: str | None = None
    mix: Mix | None = None

    @property
    def name(self) -> str:
        """What its folder is called: `1000`, `1000_sun15-298_loose`."""
        parts = [str(self.count)]
        parts += [f"sun{self.sun[0]:g}-{self.sun[1]:g}"] if self.sun else []
        parts += [self.formation] if self.formation else []
        parts += ["-".join(f"{kit}{weight:g}" for kit, weight in self.mix)] if self.mix else []
        return "_".join(parts)[:120]

    @property
    def title(self) -> str:
        """The same in words."""
        parts = [f"{self.count:,} soldiers" if self.count != 1 else "1 soldier"]
        parts += [f"sun {self.sun[0]:g}° high at {self.sun[1]:g}°"] if self.sun else []
        parts += [self.formation.replace("_", " ")] if self.formation else []
        parts += [", ".join(f"{weight:g} {kit}" for kit, weight in self.mix)] if self.mix else []
        return "  ".join(parts)

    @property
    def variant(self) -> tuple[object, ...]:
        """All but the count."""
        return self.sun, self.formation, self.mix

    def told(self) -> dict[str, object]:
        """For options.json."""
        return {
            "count": self.count,
            "sun": None if self.sun is None else {"elevation_deg": self.sun[0], "azimuth_deg": self.sun[1]},
            "formation": self.formation,
            "mix": None if self.mix is None else dict(self.mix),
        }


def options_of(
    shot: ShotFile, counts: str, sun: str | None = None, formation: str | None = None, mix: str | None = None
) -> tuple[Option, ...]:
    """The options that the command line asks for, fewest soldiers first. Raises InputErrors with all that is wrong."""
    errors: list[MusterError] = []

    def read(flag: str, text: str | None, one: Callable[[str], T]) -> Sequence[T | None]:
        if text is None:
            return (None,)
        parts = [part.strip() for part in text.split(",") if part.strip()]
        found: list[T] = []
        for part in parts:
            try:
                value = one(part)
            except InputError as error:
                told = InputError(
                    error.what, where=Where(field=flag), expected=error.expected, got=part, hint=error.hint
                )
                errors.append(told)
                continue
            if value in found:
                errors.append(InputError("named twice", where=Where(field=flag), got=part))
            found.append(value)
        if not parts:
            errors.append(InputError("nothing to compare", where=Where(field=flag), expected="one or more", got="none"))
        return found

    kits = castable(_types_of(shot))
    axes = (
        read("--counts", counts, _count),
        read("--sun", sun, _sun),
        read("--formation", formation, _formation),
        read("--mix", mix, lambda text: _mix(text, kits)),
    )
    if errors:
        raise InputErrors(errors)
    made = [Option(*choice) for choice in product(*axes)]  # type: ignore[arg-type]
    if len(made) > MOST_OPTIONS:
        raise InputErrors([InputError("too many options", expected=f"at most {MOST_OPTIONS}", got=str(len(made)))])
    return tuple(sorted(made, key=lambda option: option.count))  # stable: the other axes keep their order


def shot_of(shot: ShotFile, option: Option) -> ShotFile:
    """The shot with everything of an option but its count. Raises InputError where a region can't take the formation."""
    regions = shot.crowd.regions
    if option.formation is not None:
        regions = tuple(_drawn_up(region, option.formation) for region in regions)
    if option.mix is not None:
        regions = tuple(region.model_copy(update={"kits": dict(option.mix)}) for region in regions)
    light = shot.light
    if option.sun is not None:
        kept = {} if light.sun is None else {"color": light.sun.color, "strength": light.sun.strength}
        light = light.model_copy(
            update={"sun": SunSpec(elevation_deg=option.sun[0], azimuth_deg=option.sun[1], **kept)}
        )
    crowd: CrowdSpec = shot.crowd.model_copy(update={"regions": regions})
    return shot.model_copy(update={"crowd": crowd, "light": light})


def notes_of(options: Iterable[Option]) -> tuple[str, ...]:
    """What a person should know of the axes."""
    options = tuple(options)
    notes: tuple[str, ...] = ()
    if any(o.sun for o in options):
        notes += ("--sun lights the crowd and throws its shadows: the plate keeps the light that it was shot in",)
    if any(o.formation for o in options):
        notes += ("--formation: regions that change it stand at the new one's usual spacing",)
    return notes


def _drawn_up(region: RegionSpec, formation: str) -> RegionSpec:
    """A region in another formation, at that one's own spacing."""
    if region.formation == formation:
        return region
    given = {k: v for k, v in region.model_dump(exclude_unset=True).items() if k not in _OF_FORMATION}
    try:
        return RegionSpec.model_validate({**given, "formation": formation})
    except ValidationError as error:
        first = error.errors()[0]
        parts = first.get("ctx", {})
        raise InputError(
            f"the region {region.name} can't stand like that: {parts.get('what') or first['msg']}",
            where=Where(field="--formation"),
            expected=parts.get("expected") or ", ".join(sorted(USUAL)),
            got=formation,
        ) from error


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SOLDIERS:
        raise InputError("not a number of soldiers", expected=f"1 to {MOST_SOLDIERS:,}, as in 100,1000,10000")
    return int(text)


def _sun(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)@(-?\d+(?:\.\d+)?)", text)
    if found is None or not 0 < float(found[1]) <= 90 or abs(float(found[2])) > 360:
        raise InputError("not a place of the sun", expected="elevation@azimuth in degrees, as in 15@298")
    return float(found[1]), float(found[2])


def _formation(text: str) -> str:
    if text not in FORMATIONS:
        raise InputError("unknown formation", expected=", ".join(FORMATIONS))
    return text


def _mix(text: str, kits: Sequence[str]) -> Mix:
    mix: dict[str, float] = {}
    for part in text.split("+"):
        kit, _, weight = part.partition(":")
        if kit not in kits:
            raise InputError("unknown kit", expected=", ".join(kits))
        if kit in mix:
            raise InputError("a kit is named twice", expected="kit:weight+kit:weight")
        if weight and (not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", weight) or float(weight) == 0):
            raise InputError("not a weight", expected="kit:weight+kit:weight, weights above 0")
        mix[kit] = float(weight or 1)
    return tuple(mix.items())


def _types_of(shot: ShotFile) -> tuple[str, ...]:
    file = cast_file_of(shot)
    return () if file is None else tuple(file.types)
