"""Which licence may render which quality, as `configs/licences.yaml` and the studio's own words in it have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from composer.errors import InputError
from composer.inference.bundle import Bundle
from composer.inference.bundle_schema import QUALITIES, Sha256
from composer.io.content import find_content
from composer.shot.load import read_strictly
from composer.shot.schema_base import Name, Part, Text

UNKNOWN = "unknown"
_FILE = "configs/licences.yaml"
_LEVELS = ("none", *QUALITIES)
Level = Literal["none", "preview", "draft", "final"]
LicenceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+_-]{1,64}$")]


class _WordSpec(Part):
    may: Level
    because: Text
    sha256: Sha256 | None = None


class _PolicyFile(Part):
    muster_licences: Literal[1]
    otherwise: Level
    licences: dict[LicenceId, Level]
    bundles: dict[Name, _WordSpec] = Field(default_factory=dict)


@dataclass(frozen=True)
class Word:
    """The studio's own on one bundle. sha256: the very bundle that is meant, where that is written."""

    may: Level
    because: str
    sha256: str | None = None


@dataclass(frozen=True)
class Policy:
    """file: where it stands. licences: by short name in lower case."""

    file: Path
    otherwise: Level
    licences: Mapping[str, Level]
    bundles: Mapping[str, Word]

    @staticmethod
    def load(path: str | Path | None = None) -> Policy:
        """The given file, else `configs/licences.yaml` where content is looked for. Raises InputErrors."""
        file = Path(path) if path is not None else find_content(_FILE)
        told, _ = read_strictly(file, _PolicyFile, "a policy")
        return Policy(
            file,
            told.otherwise,
            {name.lower(): level for name, level in told.licences.items()},
            {name: Word(word.may, word.because, word.sha256) for name, word in told.bundles.items()},
        )

    def may(self, bundle: Bundle) -> tuple[Level, str]:
        """The best quality that a bundle may render, and why."""
        word = self.bundles.get(bundle.name)
        if word is not None and word.sha256 in (None, bundle.sha256):
            return word.may, f"{self.file.name} says of {bundle.name}: {word.because}"
        licence = bundle.licence.id.lower()
        level = self.licences.get(licence, self.otherwise)
        if licence == UNKNOWN:
            why = "its licence is unknown"
        elif licence in self.licences:
            why = f"its licence is {bundle.licence.id}"
        else:
            why = f"its licence {bundle.licence.id} is not in {self.file.name}"
        if not bundle.licence.commercial and level == "final":
            return "draft", f"{why}, and bundle.yaml says that it allows no commercial use"
        return level, why

    def refuse(self, bundle: Bundle, quality: str) -> str | None:
        """Why this bundle may not render that quality, one line; None where it may."""
        if quality not in QUALITIES:
            raise InputError("unknown quality", expected=" or ".join(QUALITIES), got=quality)
        level, why = self.may(bundle)
        if _LEVELS.index(quality) <= _LEVELS.index(level):
            return None
        most = "nothing" if level == "none" else f"{level} at most"
        return f"{bundle.name} is not cleared for {quality}: {why}, which may render {most} ({self.file})"
