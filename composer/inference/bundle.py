"""A model bundle: `bundle.yaml` as the rest of the program sees it. Loading one opens no weights; `bundle_verify` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from composer.inference.bundle_schema import FILE_NAME, BundleFile, read_bundle_file
from composer.io.files import sha256_bytes


@dataclass(frozen=True)
class Licence:
    """id: SPDX's or the hub's short name, or 'unknown'. commercial: whether it allows commercial use. text: its wording."""

    id: str
    name: str
    commercial: bool
    text: Path | None = None


@dataclass(frozen=True)
class Source:
    """A folder of weights, and the hub repository at a commit that it comes from, where there is one."""

    folder: Path
    repository: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Bundle:
    """folder: where bundle.yaml lies. conditions: out of CONDITIONS. native_px: (height, width). steps: by quality.
    guidance: classifier-free; 1 is none. memory_bytes: as measured at the native size, where it was. components: 'unet' or
    'transformer', 'vae', 'text_encoder', ... to absolute folders. controls: condition to its ControlNet's folder; a union net
    stands under several. options: plain settings of the family. files: '<source>/<path in it>' to SHA-256. sha256: digest
    of all that makes the picture: family, files, which part is which, options. file: as read, for places in errors."""

    name: str
    folder: Path
    family: str
    licence: Licence
    trained_on: str
    conditions: tuple[str, ...]
    native_px: tuple[int, int]
    steps: Mapping[str, int]
    guidance: float
    components: Mapping[str, Path]
    controls: Mapping[str, Path]
    files: Mapping[str, str]
    sources: Mapping[str, Source]
    sha256: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    memory_bytes: int | None = None
    file: BundleFile | None = field(default=None, repr=False, compare=False)

    def path_of(self, listed: str) -> Path:
        """Where a file of `files` lies."""
        source, _, path = listed.partition("/")
        return self.sources[source].folder / path


def load_bundle(folder: str | Path) -> Bundle:
    """The bundle in a folder, or of a bundle.yaml. Reads that one file; the weights may not even be there yet. Raises
    InputErrors with the line and column of everything that is wrong."""
    path = Path(folder)
    path = path if path.suffix in (".yaml", ".yml") else path / FILE_NAME
    file = read_bundle_file(path)
    home = path.absolute().parent
    sources = {
        name: Source(_source_folder(home, name, spec.path), spec.repository, spec.revision)
        for name, spec in file.sources.items()
    }

    def folder_of(place: str) -> Path:
        source, _, inside = place.partition("/")
        return sources[source].folder / inside

    files = {f"{name}/{inside}": sha for name, spec in file.sources.items() for inside, sha in spec.files.items()}
    licence = file.licence
    return Bundle(
        name=file.bundle,
        folder=home,
        family=file.family,
        licence=Licence(
            licence.id,
            licence.name or licence.id,
            licence.commercial,
            home / licence.text if licence.text else None,
        ),
        trained_on=file.trained_on,
        conditions=file.conditions,
        native_px=file.native_px,
        steps=file.steps.model_dump(),
        guidance=float(file.guidance),
        components={name: folder_of(place) for name, place in file.placed().items()},
        controls={name: folder_of(place) for name, place in file.controls.items()},
        files=files,
        sources=sources,
        sha256=_digest(file, files),
        options=dict(file.options),
        memory_bytes=file.memory_bytes,
        file=file,
    )


def _source_folder(home: Path, name: str, path: str | None) -> Path:
    """Absolute; links in the way to it are the user's own affair, links inside it are refused later."""
    return home / "weights" / name if path is None else (home / Path(path).expanduser()).absolute()


def _digest(file: BundleFile, files: Mapping[str, str]) -> str:
    what = [file.family, dict(files), file.placed(), dict(file.controls), dict(file.options)]
    return sha256_bytes(json.dumps(what, sort_keys=True).encode())
