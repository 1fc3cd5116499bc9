"""`FrameSequence`: numbered pictures, one still, or a movie, read by frame number."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from composer.errors import InputError, Where
from composer.io.image import read_image, read_info
from composer.io.movie import MOVIE_SUFFIXES, Movie
from composer.io.pixels import Image, ImageInfo

PICTURE_SUFFIXES = frozenset((".exr", ".sxr", ".dpx", ".cin", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".hdr"))
_PLACEHOLDER = re.compile(r"(#+)|%(0?)(\d*)d")
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
MAX_FILES = 1_000_000
MAX_DIGITS = 9


@dataclass(frozen=True)
class FrameSequence:
    """The frames of a plate, matte or depth sequence.

    pattern: where it lies, `name.####.ext` for numbered files. frames: what exists, ascending. missing: holes between
    the first and last frame. extra: files that look like it but are numbered with another padding. is_still: one
    picture that stands for every frame. file_offset: the number in a file name is frame - file_offset. notes: what was
    assumed.
    """

    pattern: str
    frames: tuple[int, ...]
    missing: tuple[int, ...] = ()
    extra: tuple[Path, ...] = ()
    is_movie: bool = False
    is_still: bool = False
    file_offset: int = 0
    notes: tuple[str, ...] = ()
    _files: tuple[Path, ...] = field(default=(), repr=False)
    _movie: Movie | None = field(default=None, repr=False, compare=False)

    @staticmethod
    def find(pattern: str | Path, base: Path, first_frame: int | None = None) -> FrameSequence:
        """Finds a sequence from `name.####.ext`, `name.%04d.ext`, a folder with one sequence, a still, or a movie.

        Relative paths are taken from `base`. first_frame: the frame number of a movie's or still's first picture;
        numbered files are renumbered so that the first is this frame (noted). Raises InputError where nothing or
        several sequences are found.
        """
        path = Path(pattern).expanduser()
        path = path if path.is_absolute() else base / path
        if _PLACEHOLDER.search(path.name):
            return _numbered(path, first_frame)
        if path.is_dir():
            return _numbered(_only_pattern_in(path), first_frame)
        if not path.exists():
            raise InputError("no such file or folder", where=Where(file=path), hint=_near(path))
        if path.suffix.lower() in MOVIE_SUFFIXES:
            movie = Movie.open(path)
            start = 1 if first_frame is None else first_frame
            frames = tuple(range(start, start + movie.frame_count))
            return FrameSequence(str(path), frames, is_movie=True, notes=movie.notes, _files=(path,), _movie=movie)
        match = _NUMBER.search(path.stem)
        own = int(match.group(1)) if match and len(match.group(1)) <= MAX_DIGITS else 1
        number = own if first_frame is None else first_frame
        return FrameSequence(str(path), (number,), is_still=True, _files=(path,))

    @property
    def first_frame(self) -> int:
        return self.frames[0]

    @property
    def last_frame(self) -> int:
        return self.frames[-1]

    def path(self, frame: int) -> Path:
        """The file that holds a frame. Raises InputError for frames that do not exist."""
        if self.is_still:
            return self._files[0]
        if frame not in self._index:
            raise InputError(
                "no such frame",
                where=Where(file=self.pattern, frame=frame),
                expected=f"{self.first_frame} to {self.last_frame}" + (" with holes" if self.missing else ""),
            )
        return self._files[0] if self.is_movie else self._files[self._index[frame]]

    def info(self, frame: int) -> ImageInfo:
        """The header of a frame."""
        path = self.path(frame)
        return self._movie.info(frame - self.first_frame) if self._movie is not None else read_info(path)

    def read(self, frame: int) -> tuple[Image, ImageInfo]:
        """float32 [H, W, C] over the display window, and the header. Raises InputError with the frame's number."""
        path = self.path(frame)
        try:
            return self._movie.read(frame - self.first_frame) if self._movie is not None else read_image(path)
        except InputError as error:
            where = Where(file=error.where.file or path, line=error.where.line, field=error.where.field, frame=frame)
            raise InputError(error.what, where=where, expected=error.expected, got=error.got, hint=error.hint) from None

    @property
    def _index(self) -> dict[int, int]:
        cached: dict[int, int] | None = self.__dict__.get("_index_cache")
        if cached is None:
            cached = {frame: k for k, frame in enumerate(self.frames)}
            object.__setattr__(self, "_index_cache", cached)
        return cached


def _numbered(path: Path, first_frame: int | None) -> FrameSequence:
    """A sequence from a path with one placeholder in its file name."""
    found = list(_PLACEHOLDER.finditer(path.name))
    if len(found) != 1:
        raise InputError("several frame placeholders", where=Where(file=path), expected="one #### or %04d")
    hashes, zero, digits = found[0].groups()
    padding = len(hashes) if hashes else int(digits or 1)
    if not hashes and digits and not zero:
        raise InputError(
            "frame numbers padded with blanks", where=Where(file=path), expected=f"%0{digits}d", got=f"%{digits}d"
        )
    prefix, suffix = path.name[: found[0].start()], path.name[found[0].end() :]
    files: dict[int, Path] = {}
    extra: list[Path] = []
    for name in _names(path.parent):
        middle = name[len(prefix) : len(name) - len(suffix)]
        if not (name.startswith(prefix) and name.endswith(suffix) and middle.isascii() and middle.isdigit()):
            continue
        if len(middle) > MAX_DIGITS:
            continue
        if len(middle) == padding or (len(middle) > padding and middle[0] != "0"):
            files[int(middle)] = path.parent / name
        else:
            extra.append(path.parent / name)
    if not files:
        hint = f"there is {extra[0].name}: another padding" if extra else _near(path)
        raise InputError("no frames found", where=Where(file=path), hint=hint)
    numbers = sorted(files)
    offset = 0 if first_frame is None else first_frame - numbers[0]
    notes = (f"file number {numbers[0]} is frame {first_frame}",) if offset else ()
    if numbers[-1] - numbers[0] >= MAX_FILES:
        raise InputError(
            "frame numbers lie too far apart", where=Where(file=path), got=f"{numbers[0]} to {numbers[-1]}"
        )
    missing = tuple(n + offset for n in range(numbers[0], numbers[-1] + 1) if n not in files)
    return FrameSequence(
        pattern=str(path.parent / f"{prefix}{'#' * padding}{suffix}"),
        frames=tuple(n + offset for n in numbers),
        missing=missing,
        extra=tuple(sorted(extra)),
        file_offset=offset,
        notes=notes,
        _files=tuple(files[n] for n in numbers),
    )


def _only_pattern_in(folder: Path) -> Path:
    """The pattern of the one sequence in a folder: names that differ in one number only."""
    pictures = [n for n in _names(folder) if Path(n).suffix.lower() in PICTURE_SUFFIXES]
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in pictures:
        stem, suffix = os.path.splitext(name)
        match = _NUMBER.search(stem)
        if match:
            groups[(stem[: match.start()], stem[match.end() :] + suffix)].append(match.group(1))
    if not groups:
        what = "no numbered pictures" if pictures else "no pictures"
        raise InputError(f"{what} in this folder", where=Where(file=folder))
    if len(groups) > 1:
        listed = sorted(f"{a}####{b} ({len(n)})" for (a, b), n in groups.items())
        raise InputError(
            f"{len(groups)} sequences in this folder",
            where=Where(file=folder),
            expected="one",
            got=", ".join(listed[:6]),
            hint="name one by its pattern",
        )
    ((prefix, suffix), numbers), *_ = groups.items()
    padded = Counter(len(n) for n in numbers if n[0] == "0")
    padding = padded.most_common(1)[0][0] if padded else min(len(n) for n in numbers)
    return folder / f"{prefix}{'#' * padding}{suffix}"


def _names(folder: Path) -> list[str]:
    """File names of a folder, sorted, without hidden ones."""
    try:
        names = sorted(e.name for e in os.scandir(folder) if not e.name.startswith("."))
    except OSError as error:
        raise InputError("no such folder", where=Where(file=folder), got=error.strerror or str(error)) from None
    if len(names) > MAX_FILES:
        raise InputError("too many files in this folder", where=Where(file=folder), got=str(len(names)))
    return names


def _near(path: Path) -> str | None:
    """A hint: what stands nearby under a like name."""
    import difflib

    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    near = difflib.get_close_matches(path.name, _names(path.parent), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None
