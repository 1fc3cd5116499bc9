"""`cast.yaml`: the people that several shots share. Types made of parts, companies, heroes; read as a shot is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from composer.crowd.figure import outfit as parts
from composer.crowd.figure.outfit import OUTFITS
from composer.errors import Where
from composer.shot.load import read_strictly
from composer.shot.schema import SideSpec, place_of
from composer.shot.schema_base import Colour, Loc, Name, NotNegative, Pair, Part, Positive, Share, Text, mistake

_SOLDIER = re.compile(r"[A-Za-z0-9_-]{1,64}\.[0-9]{5,9}")
_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
#: Variants of one type: each is a figure of its own.
_MOST_VARIANTS = 24


def _colour(value: object) -> object:
    """'#85291D', picked in sRGB, to linear ACEScg; triples stay."""
    if isinstance(value, str):
        if not _HEX.fullmatch(value):
            raise mistake(
                "not a colour", expected='[r, g, b] in ACEScg, or "#85291D" as picked in sRGB', got=value[:40]
            )
        from composer.crowd.dyes import from_srgb

        return tuple(float(v) for v in from_srgb(value[1:])[0])
    return value


def _some(value: object) -> object:
    """One thing is a list of one."""
    if isinstance(value, tuple) and value and not isinstance(value[0], int | float):
        return value
    return (value,)


def _weighed(*words: str) -> BeforeValidator:
    """A part: one word, a list of words, or {word: how often}; becomes the last."""

    def check(value: object) -> object:
        if isinstance(value, bool) and set(words) == {"yes", "no"}:
            return {"yes" if value else "no": 1.0}
        if isinstance(value, str):
            value = (value,)
        if isinstance(value, tuple):
            value = dict.fromkeys(value, 1.0)
        if not isinstance(value, dict):
            raise mistake(
                "wrong kind of value", expected="a word, a list of words, or {word: how often}", got=repr(value)
            )
        for word in value:
            if word not in words:
                raise mistake("unknown value", expected=", ".join(words), got=str(word), hint=_near(str(word), words))
        return value

    return BeforeValidator(check)


def _soldier(value: object) -> object:
    if not isinstance(value, str) or not _SOLDIER.fullmatch(value):
        raise mistake("not a soldier's name", expected="his region and number, like host.00042", got=str(value)[:60])
    return value


def _near(word: str, words: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, words, 1)
    return f"did you mean {close[0]}?" if close else ""


def _choice(kind: object) -> object:
    return Annotated[dict[str, Positive], Field(min_length=1), _weighed(*get_args(kind))]


_YesNo = Annotated[dict[str, Positive], Field(min_length=1), _weighed("yes", "no")]
Hue = Annotated[Colour, BeforeValidator(_colour)]
Hues = Annotated[tuple[Hue, ...], Field(min_length=1, max_length=32), BeforeValidator(_some)]
Range = Annotated[tuple[NotNegative, NotNegative], BeforeValidator(lambda v: v if isinstance(v, tuple) else (v, v))]
ShareRange = Annotated[tuple[Share, Share], BeforeValidator(lambda v: v if isinstance(v, tuple) else (v, v))]


class ColourSpec(Part):
    """Dyes by material, one or several to choose from, the first most often. What is left out comes from the side, or
    from what such people have."""

    skin: Hues | None = None
    hair: Hues | None = None
    tunic: Hues | None = None
    trousers: Hues | None = None
    leather: Hues | None = None
    metal: Hues | None = None
    wood: Hues | None = None
    cloak: Hues | None = None
    shield: Hues | None = None
    crest: Hues | None = None
    coat: Hues | None = None
    mane: Hues | None = None


class OutfitSpec(Part):
    """Parts. Each may be one word, a list, or {word: how often}."""

    helmet: _choice(parts.Helmet) | None = None  # type: ignore[valid-type]
    neck: _choice(parts.Neck) | None = None  # type: ignore[valid-type]
    beard: _choice(parts.Beard) | None = None  # type: ignore[valid-type]
    armour: _choice(parts.Armour) | None = None  # type: ignore[valid-type]
    tunic: _choice(parts.Tunic) | None = None  # type: ignore[valid-type]
    trim: _YesNo | None = None
    sleeves: _choice(parts.Sleeves) | None = None  # type: ignore[valid-type]
    bracers: _YesNo | None = None
    legs: _choice(parts.Legs) | None = None  # type: ignore[valid-type]
    shins: _choice(parts.Shins) | None = None  # type: ignore[valid-type]
    greaves: _YesNo | None = None
    cloak: _choice(parts.Cloak) | None = None  # type: ignore[valid-type]
    shield: _choice(parts.Shield) | None = None  # type: ignore[valid-type]
    paint: _choice(parts.Paint) | None = None  # type: ignore[valid-type]
    weapon: _choice(parts.Weapon) | None = None  # type: ignore[valid-type]
    quiver: _YesNo | None = None
    mount: _choice(parts.Mount) | None = None  # type: ignore[valid-type]

    def given(self) -> dict[str, dict[str, float]]:
        """The parts that are written down: part to word to how often."""
        return {name: getattr(self, name) for name in OutfitSpec.model_fields if getattr(self, name) is not None}


class TypeSpec(OutfitSpec):
    """A kind of people. `like`: what they are where nothing else is said.

    character: a .glb, .gltf or USD file instead; clips: what Muster calls a motion to what the file does; openpose:
    body part to joint, where joints are called unusually; forward: which way it faces in the file.
    """

    like: Literal[*OUTFITS] = "levy"  # type: ignore[valid-type]
    builds: Annotated[dict[str, Positive], Field(min_length=1), _weighed("lean", "sturdy", "broad")] | None = None
    character: Text | None = None
    clips: Annotated[dict[Name, Text], Field(min_length=1)] | None = None
    openpose: dict[Name, Text] = Field(default_factory=dict)
    forward: Literal["z", "-z"] | None = None
    variants: Annotated[int, Field(ge=1, le=_MOST_VARIANTS)] = 6
    colors: ColourSpec = ColourSpec()
    height_m: Range | None = None
    age: Range | None = None
    wear: ShareRange | None = None
    dirt: ShareRange | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        parts = [*self.given(), *(n for n in ("like", "builds") if n in self.model_fields_set)]
        if self.character is not None and parts:
            raise mistake("a character is dressed already", expected="no parts with character", got=", ".join(parts))
        for name in ("clips", "openpose", "forward"):
            if self.character is None and getattr(self, name):
                raise mistake("that is for characters", expected="character: a file", got=name, key=name)
        return self

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name, least, most in (("height_m", 1.2, 2.3), ("age", 10, 99), ("wear", 0, 1), ("dirt", 0, 1)):
            span = getattr(self, name)
            if span is not None and not least <= span[0] <= span[1] <= most:
                raise mistake(
                    "not a range", expected=f"[from, to] within {least:g} to {most:g}", got=f"{list(span)}", key=name
                )
        return self


class HeroSpec(TypeSpec):
    """One person. `type`: whom he is like; `soldier`: the one in the layout who is him; or `at_m`: where he stands."""

    type: Name | None = None
    soldier: Annotated[str, BeforeValidator(_soldier)] | None = None
    at_m: Pair | None = None
    heading_deg: Annotated[float, Field(ge=-360, le=360)] | None = None
    clip: Text = "idle"
    side: Name = "red"
    face: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    reference: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        self.exactly_one("soldier", "at_m")
        if self.soldier is not None and self.heading_deg is not None:
            raise mistake(
                "a soldier of a region looks where his region looks",
                expected="heading_deg with at_m",
                got="heading_deg with soldier",
                key="heading_deg",
            )
        if "like" in self.model_fields_set and self.type is not None:
            raise mistake("these keys exclude each other", expected="like or type", got="like and type")
        return self


class CompanySpec(Part):
    """What the people of a region of this name are, in every shot. `side`: where the shot does not say."""

    types: Annotated[dict[str, Positive], Field(min_length=1)]
    side: Name | None = None


class CastFile(Part):
    """The whole of `cast.yaml`."""

    muster_cast: Literal[1]
    cast: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    sides: dict[Name, SideSpec] = Field(default_factory=dict)
    types: dict[Name, TypeSpec] = Field(default_factory=dict)
    companies: dict[Name, CompanySpec] = Field(default_factory=dict)
    heroes: dict[Name, HeroSpec] = Field(default_factory=dict)

    _file: Path = PrivateAttr(default=Path("cast.yaml"))
    _places: dict[Loc, tuple[int, int]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = (*self.types, *OUTFITS)
        for company, spec in self.companies.items():
            for name in spec.types:
                if name not in names:
                    raise mistake(
                        "no such type", expected=", ".join(names), got=f"{name}, in {company}", key="companies"
                    )
        taken: dict[str, str] = {}
        for hero, spec in self.heroes.items():
            if spec.type is not None and spec.type not in names:
                raise mistake("no such type", expected=", ".join(names), got=f"{spec.type}, of {hero}", key="heroes")
            if spec.soldier is not None and taken.setdefault(spec.soldier, hero) != hero:
                raise mistake(
                    "two heroes are one soldier", got=f"{taken[spec.soldier]} and {hero}: {spec.soldier}", key="heroes"
                )
        return self

    @property
    def folder(self) -> Path:
        """What its paths are relative to."""
        return self._file.parent

    def where(self, *loc: str | int) -> Where:
        """The line and column of a key."""
        return place_of(self._file, self._places, loc)


def load_cast(path: str | Path) -> CastFile:
    """Read and check one `cast.yaml`. Raises InputErrors with everything that is wrong with it."""
    cast, places = read_strictly(Path(path), CastFile, "a cast")
    cast._file, cast._places = Path(path), places
    return cast
