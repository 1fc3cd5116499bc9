"""Whether a bundle's weights are what bundle.yaml says, before any library opens them. Reads only; executes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, InputErrors, MusterError, Where
from composer.inference.bundle import Bundle
from composer.inference.bundle_config import check_config, check_text, read_json
from composer.inference.bundle_content import is_known_name, is_left_behind, open_plain, refuse_code
from composer.inference.bundle_seal import seal, sealed, stamp
from composer.inference.kinds import EVERY, Kind
from composer.inference.safetensors_header import read_header

_MOST_ENTRIES = 20_000
_CHUNK = 4 << 20
#: Called with (bytes hashed, bytes in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What was looked at. parameters: elements in all weights; weight_bytes: of their data."""

    files: int
    bytes: int
    weight_bytes: int
    parameters: int


def verify_bundle(bundle: Bundle, progress: Progress | None = None, *, again: bool = True) -> Verified:
    """Every listed file is there, is what its name says, and hashes to what is written; nothing else lies beside. Raises
    InputErrors with all that is wrong, one line each. again: hash also files that were right before and have not changed
    since (see `bundle_seal`); everything else is looked at every time."""
    mistakes: list[MusterError] = []
    found: dict[str, int] = {}
    for name, source in bundle.sources.items():
        try:
            refuse_linked_folder(source.folder, bundle.folder)
            inside, wrong = walk(source.folder)
        except InputError as error:
            mistakes.append(error)
            continue
        mistakes += wrong
        entries = {f"{name}/{path}": size for path, size in inside.items()}
        found |= entries
        listed = {path for path in bundle.files if path.partition("/")[0] == name}
        no_file = {error.where.file for error in wrong}
        absent = sorted(listed - entries.keys())
        mistakes += [_missing(bundle, path) for path in absent if bundle.path_of(path) not in no_file]
        extra = sorted(path for path in entries.keys() - listed)
        mistakes += [e for path in extra if (e := _unlisted(bundle, path)) is not None]
    there = sorted(found.keys() & bundle.files.keys())
    if bundle.licence.text is not None and not bundle.licence.text.is_file():
        mistakes.append(InputError("the licence's text is missing", where=Where(file=bundle.licence.text)))
    known = set() if again else sealed(bundle, there)
    unknown = {path: found[path] for path in there if path not in known}
    stamps = {path: stamp(bundle.path_of(path)) for path in there}
    mistakes += _wrong_hashes(bundle, unknown, progress)
    looked = [_look(bundle.path_of(path), EVERY[bundle.family], part_of(bundle, path)) for path in there]
    mistakes += [error for error, _, _ in looked if error is not None]
    if not mistakes:
        mistakes += _without_weights(bundle)
    if mistakes:
        unique = {e.line(): e for e in mistakes}
        raise InputErrors(unique.values())
    if unknown:
        seal(bundle, stamps)
    return Verified(
        len(there), sum(found[p] for p in there), sum(b for _, b, _ in looked), sum(n for _, _, n in looked)
    )


def check_file(path: Path, kind: Kind, part: str | None) -> tuple[int, int]:
    """One file by its content: (bytes of weights, elements). Raises InputError."""
    refuse_code(path)
    if path.suffix == ".safetensors":
        header = read_header(path)
        elements = sum(_product(t.shape) for t in header.tensors.values())
        return header.data_bytes, elements
    if path.suffix == ".json":
        check_config(path, read_json(path), kind, part)
    elif is_known_name(path.name):
        check_text(path)
    else:
        raise InputError(
            "not a kind of file that a bundle has", where=Where(file=path), hint="weights are .safetensors"
        )
    return 0, 0


def walk(folder: Path) -> tuple[dict[str, int], list[InputError]]:
    """Path inside to bytes of every file below a folder, and what is wrong there: links and special files. Raises
    InputError where there is no folder, or one without end."""
    if not folder.is_dir():
        raise InputError("no such folder of weights", where=Where(file=folder), hint="muster models fetch brings it")
    files: dict[str, int] = {}
    mistakes: list[InputError] = []
    todo, seen = [folder], 0
    while todo:
        for entry in sorted(os.scandir(todo.pop()), key=lambda e: e.name):
            seen += 1
            if seen > _MOST_ENTRIES:
                raise InputError("too many files", where=Where(file=folder), expected=f"at most {_MOST_ENTRIES}")
            path = Path(entry.path)
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                hint = "put the file itself there, or add the folder again with --copy"
                mistakes.append(
                    InputError(
                        "a link in a bundle", where=Where(file=path), got=f"-> {os.readlink(path)}"[:120], hint=hint
                    )
                )
            elif stat.S_ISDIR(mode):
                todo.append(path)
            elif stat.S_ISREG(mode):
                files[path.relative_to(folder).as_posix()] = entry.stat(follow_symlinks=False).st_size
            else:
                mistakes.append(InputError("not a plain file", where=Where(file=path)))
    return files, mistakes


def refuse_linked_folder(folder: Path, home: Path) -> None:
    """Weights that are said to lie in the bundle do lie in it; those elsewhere are named as a path by bundle.yaml."""
    if not folder.is_relative_to(home):
        return
    for part in (folder, *folder.parents):
        if part == home:
            return
        if part.is_symlink():
            raise InputError(
                "a link out of the bundle",
                where=Where(file=part),
                hint="write the folder itself as `path:` in bundle.yaml",
            )


def part_of(bundle: Bundle, listed: str) -> str | None:
    """The component that a file belongs to, 'control' for a ControlNet's, None for others."""
    folder = bundle.path_of(listed).parent
    for name, place in bundle.components.items():
        if place == folder:
            return name
    return "control" if folder in bundle.controls.values() else None


def hash_file(path: Path, told: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a plain file, never through a link."""
    total = hashlib.sha256()
    with open_plain(path) as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
            if told is not None:
                told(len(chunk))
    return total.hexdigest()


def hash_files(paths: list[Path], size: int, progress: Progress | None) -> list[str]:
    """The same for many, several at a time (hashing frees Python's lock)."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, size)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="hash") as pool:
        return list(pool.map(lambda path: hash_file(path, told), paths))


def _wrong_hashes(bundle: Bundle, sizes: dict[str, int], progress: Progress | None) -> list[MusterError]:
    """sizes: listed file to bytes."""
    digests = hash_files([bundle.path_of(path) for path in sizes], sum(sizes.values()), progress)
    return [
        InputError(
            "wrong hash: the file is not the one that was added",
            where=Where(file=bundle.path_of(path)),
            expected=bundle.files[path],
            got=digest,
        )
        for path, digest in zip(sizes, digests, strict=True)
        if digest != bundle.files[path]
    ]


def _look(path: Path, kind: Kind, part: str | None) -> tuple[InputError | None, int, int]:
    try:
        return None, *check_file(path, kind, part)
    except InputError as error:
        return error, 0, 0


def _missing(bundle: Bundle, listed: str) -> InputError:
    hint = "muster models fetch brings it" if bundle.sources[listed.partition("/")[0]].repository else None
    return InputError("missing: listed in bundle.yaml", where=Where(file=bundle.path_of(listed)), hint=hint)


def _unlisted(bundle: Bundle, path: str) -> InputError | None:
    """Code is called by its name, listed or not."""
    file, inside = bundle.path_of(path), path.partition("/")[2]
    try:
        refuse_code(file)
    except InputError as error:
        return error
    if is_left_behind(inside):
        return None
    return InputError("not listed in bundle.yaml", where=Where(file=file), hint="take it away, or add the folder again")


def _without_weights(bundle: Bundle) -> Iterator[MusterError]:
    """A network's folder needs its settings and its weights."""
    networks = {**{n: f for n, f in bundle.components.items() if not n.startswith(("tokenizer", "scheduler"))}}
    networks |= {f"control {name}": folder for name, folder in bundle.controls.items()}
    names = [bundle.path_of(path) for path in bundle.files]
    for name, folder in networks.items():
        inside = [p.name for p in names if p.parent == folder]
        if "config.json" not in inside or not any(n.endswith(".safetensors") for n in inside):
            yield InputError(
                f"{name} is not whole", where=Where(file=folder), expected="config.json and .safetensors weights"
            )
    scheduler = bundle.components.get("scheduler")
    if scheduler is not None and scheduler / "scheduler_config.json" not in names:
        yield InputError("scheduler is not whole", where=Where(file=scheduler), expected="scheduler_config.json")


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total
