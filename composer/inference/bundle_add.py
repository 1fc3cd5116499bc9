"""A new bundle out of a folder of weights: looks at each file, hashes it, writes bundle.yaml and card.md. Asks nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from composer.errors import InputError, InputErrors, MusterError, Where
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_config import family_of, read_json
from composer.inference.bundle_content import is_left_behind
from composer.inference.bundle_schema import CARD_NAME, FILE_NAME, is_plain_path
from composer.inference.bundle_text import bundle_text, card_text
from composer.inference.bundle_verify import Progress, check_file, hash_files, walk
from composer.inference.kinds import KINDS, USUAL
from composer.inference.library import home_for_new
from composer.io.files import atomic_write

_TEXTS = ("model_index.json", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "NOTICE")


@dataclass(frozen=True)
class Told:
    """What the user says of a new bundle; all but the folder may be left out. controls: condition to a ControlNet's folder.
    commercial: None where it is not known, which counts as no. copy: weights into the bundle, and only those that the family
    needs; else they stay where they are. models: the folder of bundles."""

    folder: Path
    name: str | None = None
    family: str | None = None
    licence: str = "unknown"
    commercial: bool | None = None
    trained_on: str | None = None
    controls: Mapping[str, Path] = field(default_factory=dict)
    repository: str | None = None
    revision: str | None = None
    copy: bool = False
    models: Path | None = None


@dataclass(frozen=True)
class Taken:
    """A source of the new bundle. files: path inside to SHA-256."""

    folder: Path
    files: Mapping[str, str]
    size: int
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Added:
    """left: files that --copy did not take. notes: what is still to be filled in."""

    bundle: Bundle
    left: tuple[str, ...]
    notes: tuple[str, ...]


def add_bundle(told: Told, progress: Progress | None = None) -> Added:
    """Makes models/<name>/. Raises InputErrors with all that is wrong; then nothing is written."""
    folder = told.folder.expanduser().absolute()
    if not folder.is_dir():
        raise InputError("no such folder", where=Where(file=told.folder), expected="a folder of weights")
    family = told.family or family_of(folder)
    if family is None or family not in KINDS:
        raise InputError(
            "unknown family" if told.family else "no family known by its files",
            where=Where(file=folder),
            expected=f"diffusers' layout (model_index.json, unet/ or transformer/, vae/) of {', '.join(KINDS)}",
            got=told.family,
        )
    home, name = home_for_new(told.models), told.name or folder.name
    target = home / name
    inside = folder.is_relative_to(target) and folder != target
    if (target / FILE_NAME).exists() or (target.exists() and not inside):
        raise InputError("that bundle is there already", where=Where(file=target), hint="give --name, or take it away")
    controls, sources = _sources(told, folder)
    taken = _taken(sources, family, controls, told.copy, progress)
    text = bundle_text(
        told, name, family, native_px(folder, family), taken, controls, None if told.copy else _paths(taken, target)
    )
    card = card_text(told, name, family)
    _check_text(text, target)
    if inside and not told.copy:
        _write_into(target, text, card)
    else:
        _write_new(target, text, card, taken if told.copy else {})
    notes = []
    if told.licence == "unknown":
        notes.append("the licence is unknown, so final is refused: fill in `licence:` in bundle.yaml")
    if told.trained_on is None:
        notes.append("what it was trained on is unknown: fill in `trained_on:` and card.md")
    if folder.joinpath("controlnet").is_dir() and not controls:
        notes.append("there is a controlnet folder: name its condition by --control depth=FOLDER/controlnet")
    left = tuple(path for source in taken.values() for path in source.left)
    return Added(load_bundle(target), left, tuple(notes))


def native_px(folder: Path, family: str) -> tuple[int, int]:
    """(height, width) by the denoiser's settings where they say it, else the family's own."""
    config = folder / "unet" / "config.json"
    told = read_json(config) if config.is_file() else {}
    side = told.get("sample_size") if isinstance(told, dict) else None
    return (side * 8, side * 8) if type(side) is int and 2 <= side <= 2048 else USUAL[family].native_px


def _sources(told: Told, folder: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """(condition to its place as <source>/<folder>, source to folder). One folder for two conditions is one source."""
    sources: dict[str, Path] = {"base": folder}
    controls: dict[str, str] = {}
    for condition, given in told.controls.items():
        place = given.expanduser().absolute()
        if not place.is_dir():
            raise InputError("no such folder", where=Where(file=given), expected=f"the ControlNet for {condition}")
        if place.is_relative_to(folder) and place != folder:
            controls[condition] = f"base/{place.relative_to(folder).as_posix()}"
            continue
        name = next((n for n, path in sources.items() if path == place), condition)
        sources[name] = place
        controls[condition] = name
    return controls, sources


def _taken(
    sources: Mapping[str, Path], family: str, controls: Mapping[str, str], copy: bool, progress: Progress | None
) -> dict[str, Taken]:
    """Every file that the bundle will list, looked at and hashed."""
    mistakes: list[MusterError] = []
    chosen: dict[str, list[tuple[str, int]]] = {}
    left: dict[str, tuple[str, ...]] = {}
    parts = {f"base/{name}": name for name in KINDS[family].classes} | {place: "control" for place in controls.values()}
    for name, folder in sources.items():
        try:
            there = list(_entries(folder, copy))
        except InputError as error:
            mistakes += error.errors if isinstance(error, InputErrors) else (error,)
            continue
        wanted = [entry for entry in there if not copy or _needed(f"{name}/{entry[0]}", parts, there)]
        left[name] = tuple(f"{name}/{path}" for path, _ in there if path not in dict(wanted))
        chosen[name] = wanted
        for path, _ in wanted:
            place = f"{name}/{path}".rpartition("/")[0]
            try:
                if not is_plain_path(path):
                    raise InputError("not a plain file name", where=Where(file=folder / path))
                check_file(folder / path, KINDS[family], parts.get(place))
            except InputError as error:
                mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)
    size = sum(count for entries in chosen.values() for _, count in entries)
    paths = [sources[name] / path for name, entries in chosen.items() for path, _ in entries]
    digests = iter(hash_files(paths, size, progress))
    return {
        name: Taken(sources[name], {path: next(digests) for path, _ in entries}, sum(n for _, n in entries), left[name])
        for name, entries in chosen.items()
    }


def _entries(folder: Path, copy: bool) -> list[tuple[str, int]]:
    """Files of a folder that may be listed. A copy may come out of links, as the hub's cache has them: what is copied are
    files."""
    if not copy:
        return [(path, size) for path, size in walk(folder) if not is_left_behind(path)]
    found = []
    for place, _, files in os.walk(folder):
        for name in files:
            path = Path(place) / name
            inside = path.relative_to(folder).as_posix()
            if path.is_file() and not is_left_behind(inside):
                found.append((inside, path.stat().st_size))
    return sorted(found)


def _needed(listed: str, parts: Mapping[str, str], there: list[tuple[str, int]]) -> bool:
    """Whether a copy takes a file: settings and weights of the parts, and of weights in two precisions the plain ones."""
    folder, _, name = listed.rpartition("/")
    if folder == "base" and name in _TEXTS:
        return True
    if folder not in parts:
        return False
    if name.endswith((".fp16.safetensors", ".bf16.safetensors")) or ".fp16-" in name or ".fp16." in name:
        inside = folder.partition("/")[2]
        plain = [Path(p).name for p, _ in there if Path(p).parent.as_posix() == (inside or ".")]
        return not any(p.endswith(".safetensors") and ".fp16" not in p and ".bf16" not in p for p in plain)
    return name.endswith((".json", ".txt", ".model", ".safetensors"))


def _paths(taken: Mapping[str, Taken], target: Path) -> dict[str, str]:
    """How bundle.yaml names folders that stay where they are."""
    return {
        name: source.folder.relative_to(target).as_posix()
        if source.folder.is_relative_to(target)
        else str(source.folder)
        for name, source in taken.items()
    }


def _check_text(text: str, target: Path) -> None:
    """What was told may still be wrong (a name with blanks, half a revision): said before anything is written."""
    with tempfile.TemporaryDirectory(prefix="muster-") as folder:
        file = Path(folder) / FILE_NAME
        file.write_text(text, encoding="utf-8")
        try:
            load_bundle(file)
        except InputErrors as error:
            raise InputErrors(
                InputError(
                    e.what, where=Where(file=target, field=e.where.field), expected=e.expected, got=e.got, hint=e.hint
                )
                for e in error.errors
            ) from None


def _write_into(target: Path, text: str, card: str) -> None:
    """Beside weights that lie in the bundle's folder already."""
    if not (target / CARD_NAME).exists():
        with atomic_write(target / CARD_NAME) as file:
            file.write_text(card, encoding="utf-8")
    with atomic_write(target / FILE_NAME) as file:
        file.write_text(text, encoding="utf-8")


def _write_new(target: Path, text: str, card: str, copied: Mapping[str, Taken]) -> None:
    """The whole folder under another name first: it appears complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.muster-tmp-{os.getpid()}")
    try:
        making.mkdir()
        (making / CARD_NAME).write_text(card, encoding="utf-8")
        (making / FILE_NAME).write_text(text, encoding="utf-8")
        for name, source in copied.items():
            for inside in source.files:
                place = making / "weights" / name / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.folder / inside, place)
        os.rename(making, target)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
