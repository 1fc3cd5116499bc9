"""A new bundle out of a folder of weights: looks at each file, hashes it, writes bundle.yaml and card.md. Asks nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, InputErrors, MusterError, Where
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_config import family_of, read_json
from composer.inference.bundle_content import is_left_behind, refuse_code
from composer.inference.bundle_schema import CARD_NAME, FILE_NAME, is_plain_path
from composer.inference.bundle_text import Told, bundle_text, card_text
from composer.inference.bundle_verify import Progress, check_file, hash_files, walk
from composer.inference.kinds import EVERY, FINDERS, KINDS, usual_of
from composer.inference.library import home_for_new
from composer.inference.policy import UNKNOWN
from composer.io.files import atomic_write

_TEXTS = ("model_index.json", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "NOTICE")


@dataclass(frozen=True)
class Added:
    """left: files that --copy did not take. notes: what is still to be filled in."""

    bundle: Bundle
    left: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """A bundle to be. sources: to their folders. controls: condition to its place. files: of each source, path inside to
    bytes. left: what a copy leaves."""

    told: Told
    name: str
    family: str
    target: Path
    sources: Mapping[str, Path]
    controls: Mapping[str, str]
    files: Mapping[str, Mapping[str, int]]
    left: tuple[str, ...]

    def part(self, listed: str) -> str | None:
        """As `bundle_verify.part_of`."""
        place = listed.rpartition("/")[0]
        if place in self.controls.values():
            return "control"
        source, _, name = place.partition("/")
        kind = EVERY[self.family]
        if place == "base":
            return kind.root
        return name if source == "base" and name in kind.classes else None

    def text(self, hashes: Mapping[str, Mapping[str, str]]) -> str:
        """bundle.yaml with each file's hash."""
        told, target = self.told, self.target
        paths = None if told.copy else {name: _path_from(target, folder) for name, folder in self.sources.items()}
        native = native_px(self.sources["base"], self.family)
        return bundle_text(told, self.name, self.family, native, hashes, self.controls, paths)


def add_bundle(told: Told, progress: Progress | None = None) -> Added:
    """Makes models/<name>/. Raises InputErrors with all that is wrong; then nothing is written."""
    draft = _draft(told)
    if told.copy:
        with _appearing(draft.target) as making:
            _copy(draft, making / "weights")
            _write(draft, _hashes(draft, {name: making / "weights" / name for name in draft.sources}, progress), making)
    else:
        hashes = _hashes(draft, draft.sources, progress)
        if draft.target.exists():  # the weights lie in it
            _write(draft, hashes, draft.target)
        else:
            with _appearing(draft.target) as making:
                _write(draft, hashes, making)
    notes = []
    if told.licence == UNKNOWN:
        notes.append("the licence is unknown, so final is refused: fill in `licence:` in bundle.yaml")
    if told.trained_on is None:
        notes.append("what it was trained on is unknown: fill in `trained_on:` and card.md")
    if draft.sources["base"].joinpath("controlnet").is_dir() and not told.controls:
        notes.append("there is a controlnet folder: name its condition by --control depth=FOLDER/controlnet")
    return Added(load_bundle(draft.target), draft.left, tuple(notes))


def _draft(told: Told) -> Draft:
    """What can be known without reading weights; raises for what is wrong with it."""
    folder = told.folder.expanduser().absolute()
    if not folder.is_dir():
        raise InputError("no such folder", where=Where(file=told.folder), expected="a folder of weights")
    family = told.family or family_of(folder)
    if family is None or family not in EVERY:
        raise InputError(
            "unknown family" if told.family else "no family known by its files",
            where=Where(file=folder),
            expected=f"diffusers' layout (model_index.json, unet/ or transformer/, vae/) of {', '.join(KINDS)}; "
            f"transformers' (config.json) of {', '.join(FINDERS)}",
            got=told.family,
        )
    name = told.name or folder.name
    target = home_for_new(told.models) / name
    inside = folder.is_relative_to(target) and folder != target and not told.copy
    if (target / FILE_NAME).exists() or (target.exists() and not inside):
        raise InputError("that bundle is there already", where=Where(file=target), hint="give --name, or take it away")
    controls, sources = _sources(told, folder)
    places = {f"base/{part}" for part in EVERY[family].classes} | set(controls.values())
    places |= {"base"} if EVERY[family].root else set()
    files, left = _chosen(sources, places, told.copy)
    draft = Draft(told, name, family, target, sources, controls, files, left)
    _check_text(draft.text({source: dict.fromkeys(paths, "0" * 64) for source, paths in files.items()}), target)
    return draft


def native_px(folder: Path, family: str) -> tuple[int, int]:
    """(height, width) by the network's settings where they say it, else the family's own."""
    if family in FINDERS:
        encoder = _setting(folder / "config.json", "prompt_encoder_config")
        seen = encoder.get("image_size") if isinstance(encoder, dict) else None
        size = seen if family == "sam2" else _setting(folder / "preprocessor_config.json", "size")
        size = [size.get("height"), size.get("width")] if isinstance(size, dict) else size
        pair = [size, size] if type(size) is int else size
        sound = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and 16 <= n <= 16384 for n in pair)
        return (pair[0], pair[1]) if sound else usual_of(family).native_px  # type: ignore[index]
    side = _setting(folder / "unet" / "config.json", "sample_size")
    return (side * 8, side * 8) if type(side) is int and 2 <= side <= 2048 else usual_of(family).native_px


def _setting(config: Path, name: str) -> object:
    told = read_json(config) if config.is_file() else None
    return told.get(name) if isinstance(told, dict) else None


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


def _chosen(
    sources: Mapping[str, Path], places: set[str], copy: bool
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """Of each source the files that the bundle will list, with their bytes; and those that a copy leaves."""
    mistakes: list[MusterError] = []
    files: dict[str, dict[str, int]] = {}
    left: list[str] = []
    for name, folder in sources.items():
        there, wrong = _entries(folder, copy)
        wanted = {p: size for p, size in there.items() if not copy or _needed(f"{name}/{p}", places, there)}
        mistakes += [*wrong, *_bad_names(folder, wanted)]
        files[name] = wanted
        left += [f"{name}/{path}" for path in there if path not in wanted]
    if mistakes:  # with what the files themselves have wrong, so that all is told in one go
        raise InputErrors([*mistakes, *_looked_into(sources, files)])
    return files, tuple(left)


def _bad_names(folder: Path, files: Mapping[str, int]) -> list[InputError]:
    return [InputError("not a plain file name", where=Where(file=folder / p)) for p in files if not is_plain_path(p)]


def _looked_into(sources: Mapping[str, Path], files: Mapping[str, Mapping[str, int]]) -> Iterator[InputError]:
    """Pickles and programs among the files."""
    for name, paths in files.items():
        for path in paths:
            try:
                refuse_code(sources[name] / path)
            except InputError as error:
                yield error


def _entries(folder: Path, copy: bool) -> tuple[dict[str, int], list[InputError]]:
    """Files of a folder that may be listed, with their bytes, and what is wrong there. A copy may come out of links, as the
    hub's cache has them: what is copied are files."""
    found, wrong = walk(folder)
    if copy:
        found, wrong = {}, []
        for place, _, names in os.walk(folder):
            paths = [Path(place) / name for name in names]
            found |= {p.relative_to(folder).as_posix(): p.stat().st_size for p in paths if p.is_file()}
    return {path: size for path, size in sorted(found.items()) if not is_left_behind(path)}, wrong


def _needed(listed: str, parts: set[str], there: Mapping[str, int]) -> bool:
    """Whether a copy takes a file: settings and weights of the parts, and of weights in two precisions the plain ones."""
    folder, _, name = listed.rpartition("/")
    if folder == "base" and name in _TEXTS:
        return True
    if folder not in parts:
        return False
    if name.endswith((".fp16.safetensors", ".bf16.safetensors")) or ".fp16-" in name or ".fp16." in name:
        inside = folder.partition("/")[2]
        plain = [Path(p).name for p in there if Path(p).parent.as_posix() == (inside or ".")]
        return not any(p.endswith(".safetensors") and ".fp16" not in p and ".bf16" not in p for p in plain)
    return name.endswith((".json", ".txt", ".model", ".safetensors"))


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


def _hashes(draft: Draft, folders: Mapping[str, Path], progress: Progress | None) -> dict[str, dict[str, str]]:
    """Every file looked at and hashed. folders: where each source lies now; errors name where it came from."""
    mistakes: list[MusterError] = []
    for name, files in draft.files.items():
        for path in files:
            try:
                check_file(folders[name] / path, EVERY[draft.family], draft.part(f"{name}/{path}"))
            except InputError as error:
                where = Where(file=draft.sources[name] / path)
                mistakes.append(
                    InputError(error.what, where=where, expected=error.expected, got=error.got, hint=error.hint)
                )
    if mistakes:
        raise InputErrors(mistakes)
    listed = [(name, path) for name, files in draft.files.items() for path in files]
    size = sum(sum(files.values()) for files in draft.files.values())
    digests = hash_files([folders[name] / path for name, path in listed], size, progress)
    hashes: dict[str, dict[str, str]] = {name: {} for name in draft.files}
    for (name, path), digest in zip(listed, digests, strict=True):
        hashes[name][path] = digest
    return hashes


def _path_from(target: Path, folder: Path) -> str:
    """How bundle.yaml names a folder that stays where it is."""
    return folder.relative_to(target).as_posix() if folder.is_relative_to(target) else str(folder)


def _copy(draft: Draft, weights: Path) -> None:
    for name, files in draft.files.items():
        for path in files:
            place = weights / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(draft.sources[name] / path, place)


def _write(draft: Draft, hashes: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """bundle.yaml last: a folder is a bundle once it is there."""
    if not (folder / CARD_NAME).exists():
        with atomic_write(folder / CARD_NAME) as file:
            file.write_text(card_text(draft.told, draft.name, draft.family), encoding="utf-8")
    with atomic_write(folder / FILE_NAME) as file:
        file.write_text(draft.text(hashes), encoding="utf-8")


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A folder under another name first: it appears complete or not at all."""
    missing = [folder for folder in target.parents if not folder.exists()]
    making = target.with_name(f".{target.name}.muster-tmp-{os.getpid()}")
    try:
        making.mkdir(parents=True)
        yield making
        os.rename(making, target)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
