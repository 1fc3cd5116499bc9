"""`bundle.yaml`: what a model is, where its weights come from, and what each file must hash to. Read as strictly as a shot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from composer.errors import Where
from composer.inference.kinds import COMPONENTS, EVERY
from composer.inference.request import CONDITIONS
from composer.shot.load import read_strictly
from composer.shot.schema import place_of
from composer.shot.schema_base import Loc, Name, NotNegative, Part, Text, mistake

FILE_NAME = "bundle.yaml"
CARD_NAME = "card.md"
QUALITIES = ("preview", "draft", "final")
_MAX_FILES = 2000
_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX40 = re.compile(r"[0-9a-f]{40}")
_PART = re.compile(r"[A-Za-z0-9_+=@,() -][A-Za-z0-9._+=@,() -]*")
_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def is_plain_path(text: str) -> bool:
    """A relative path with forward slashes that cannot leave its folder, and names no hidden file."""
    return len(text) <= 512 and all(_PART.fullmatch(part) and not part.endswith(" ") for part in text.split("/"))


def _plain_path(value: object) -> object:
    if not isinstance(value, str) or not is_plain_path(value):
        raise mistake("not a path inside the folder", expected="like unet/config.json", got=repr(value)[:80])
    return value


def _hash(value: object) -> object:
    if not isinstance(value, str) or not _HEX64.fullmatch(value):
        raise mistake("not a SHA-256", expected="64 hexadecimal digits in lower case", got=repr(value)[:80])
    return value


def _revision(value: object) -> object:
    if not isinstance(value, str) or not _HEX40.fullmatch(value):
        raise mistake(
            "not a pinned revision",
            expected="the 40 hexadecimal digits of a commit",
            got=repr(value)[:60],
            hint="a branch or a tag may change under you; put digits in quotes",
        )
    return value


def _repository(value: object) -> object:
    if not isinstance(value, str) or not _HUB.fullmatch(value) or ".." in value:
        raise mistake("not a hub repository", expected="owner/name", got=repr(value)[:80])
    return value


def _condition(value: object) -> object:
    if value not in CONDITIONS:
        raise mistake("unknown condition", expected=", ".join(CONDITIONS), got=str(value)[:40])
    return value


def _family(value: object) -> object:
    if value not in EVERY:
        raise mistake("unknown family", expected=", ".join(EVERY), got=str(value)[:40])
    return value


PlainPath = Annotated[str, BeforeValidator(_plain_path)]
Sha256 = Annotated[str, BeforeValidator(_hash)]
Condition = Annotated[str, BeforeValidator(_condition)]
Side = Annotated[int, Field(ge=16, le=16384)]
Steps = Annotated[int, Field(ge=1, le=1000)]


class LicenceSpec(Part):
    """id: SPDX's or the hub's short name, or 'unknown'. commercial: whether it allows commercial use of what is made.
    text: its wording, a file beside bundle.yaml."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+_-]{1,64}$")]
    name: Text | None = None
    commercial: bool
    text: PlainPath | None = None


class SourceSpec(Part):
    """A folder of weights. path: relative to bundle.yaml or absolute; left out: weights/<source> beside it. repository,
    revision: where `fetch` gets it. files: path in that folder to SHA-256."""

    path: Text | None = None
    repository: Annotated[str, BeforeValidator(_repository)] | None = None
    revision: Annotated[str, BeforeValidator(_revision)] | None = None
    files: Annotated[dict[PlainPath, Sha256], Field(min_length=1, max_length=_MAX_FILES)]

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if (self.repository is None) != (self.revision is None):
            raise mistake("a repository goes with its pinned revision", expected="both keys", got="one of them")
        return self


class StepsSpec(Part):
    preview: Steps
    draft: Steps
    final: Steps


class BundleFile(Part):
    """The whole of `bundle.yaml`. components: which network lies where, as <source>/<folder>; left out, each lies in the
    base source's folder of its name. controls: condition to its ControlNet, as <source> or <source>/<folder>."""

    muster_bundle: Literal[1]
    bundle: Name
    family: Annotated[str, BeforeValidator(_family)]
    licence: LicenceSpec
    trained_on: Text
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    native_px: tuple[Side, Side]
    steps: StepsSpec
    guidance: Annotated[NotNegative, Field(le=100)] = 1.0
    memory_bytes: Annotated[int, Field(gt=0)] | None = None
    options: dict[Name, bool | int | float | Text] = Field(default_factory=dict)
    sources: dict[Name, SourceSpec]
    components: dict[Literal[COMPONENTS], PlainPath] = Field(default_factory=dict)  # type: ignore[valid-type]
    controls: dict[Condition, PlainPath] = Field(default_factory=dict)

    _file: Path = PrivateAttr(default=Path(FILE_NAME))
    _places: dict[Loc, tuple[int, int]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        kind = EVERY[self.family]
        if "base" not in self.sources:
            raise mistake("the source called base is missing", got=", ".join(self.sources) or "none", key="sources")
        if len(set(self.conditions)) < len(self.conditions):
            raise mistake("a condition stands twice", got=", ".join(self.conditions), key="conditions")
        for name in self.controls:
            if name not in self.conditions:
                raise mistake("a control for no condition", expected=f"{name} in conditions", key="controls")
        if self.controls and not kind.controls:
            raise mistake(f"{self.family} takes no ControlNets", got=", ".join(self.controls), key="controls")
        there = self.folders()
        for group, folders in (("components", self.components), ("controls", self.controls)):
            for name, folder in folders.items():
                if folder not in there:
                    raise mistake(
                        f"{name}: no file is listed there", expected=f"files in {folder} under sources", key=group
                    )
        placed = self.placed()
        missing = [name for name in kind.needs if name not in placed]
        if missing:
            raise mistake(f"{self.family} needs {', '.join(missing)}", got=", ".join(placed) or "none", key="sources")
        unknown = [name for name in placed if name not in kind.classes]
        if unknown:
            raise mistake(f"{self.family} has no {', '.join(unknown)}", got=", ".join(placed), key="components")
        return self

    def folders(self) -> set[str]:
        """Every folder that has a listed file in it, directly, as <source> or <source>/<folder>."""
        return {f"{name}/{path}".rpartition("/")[0] for name, source in self.sources.items() for path in source.files}

    def placed(self) -> dict[str, str]:
        """Component to its folder: as written, else where it is usual."""
        if self.components:
            return dict(self.components)
        there, root = self.folders(), EVERY[self.family].root
        usual = {name: f"base/{name}" for name in COMPONENTS if f"base/{name}" in there}
        return usual | ({root: "base"} if root and "base" in there else {})

    def where(self, *loc: str | int) -> Where:
        """The line and column of a key."""
        return place_of(self._file, self._places, loc)


def read_bundle_file(path: str | Path) -> BundleFile:
    """Read and check one `bundle.yaml`. Raises InputErrors with everything that is wrong with it."""
    file, places = read_strictly(Path(path), BundleFile, "a bundle")
    file._file, file._places = Path(path), places
    return file
