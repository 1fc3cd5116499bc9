"""What a frame depends on, as one digest: when it is unchanged, the frame need not be made again.

What `shot.yaml` says enters as what came of it (views, people, light, ground), so an edit that does not reach a frame does not
make it again; pictures enter as the digest of their files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

import composer
from composer.deliver.exr import Slate
from composer.io.files import sha256_file
from composer.render.frame import Scene
from composer.render.match import matching_of
from composer.render.paintings import painting_files, told_of
from composer.render.repairs import repair_files, told_of_repairs
from composer.shot.found import Found
from composer.shot.holdout import Difference, Pictures
from composer.shot.sky_matte import sky_matte_file
from composer.shot.stage import Stage


def frame_key(scene: Scene, slate: Slate, number: int, known: dict[int, str] | None = None) -> str:
    """SHA-256 over everything that the delivered file of frame `number` is made from. known: what is read for each
    frame, kept from call to call where one frame is made from several."""
    total = hashlib.sha256()
    _feed(total, slate)
    total.update(scene_key(scene, number, known).encode())
    return total.hexdigest()


def scene_key(scene: Scene, number: int, known: dict[int, str] | None = None) -> str:
    """The same for what is in the picture alone, whatever the file says about itself."""
    known = {} if known is None else known
    total = hashlib.sha256()
    for value in (code_digest(), number, scene.samples, scene.device, scene.stage.light):
        _feed(total, value)
    _feed(total, scene.people.layout.casting.side_names)
    total.update(_shared(scene).encode())
    for spec in scene.stage.shot.holdouts:
        _feed(total, spec.model_dump_json())
    if (matching := matching_of(scene.stage, number)) is not None:
        _feed(total, matching)
    painter = scene.painter
    if painter is not None:
        _feed(total, painter.plan.key())
    for other in (number,) if painter is None else painter.plan.reads(number):
        if other not in known:
            known[other] = _digest_at(scene, other)
        total.update(known[other].encode())
    return total.hexdigest()


def place_key(scene: Scene, number: int) -> str:
    """What a key view of the place is painted from: the place, its light, the view and the plate of frame `number`."""
    stage, total = scene.stage, hashlib.sha256()
    for value in (code_digest(), number, scene.samples, scene.device, stage.light, stage.camera.view(number)):
        _feed(total, value)
    total.update(_shared(scene).encode())
    _feed_repairs(total, scene)
    for path in frame_files(stage, number, paintings=False):
        total.update(file_digest(path).encode())
    return total.hexdigest()


def _digest_at(scene: Scene, number: int) -> str:
    """Digest of what is read to draw one frame: views, people, picture files."""
    stage, near = scene.stage, (number - 1, number, number + 1)
    total = hashlib.sha256()
    _feed(total, [stage.camera.view(n) for n in near])
    _feed(total, scene.people.at(near))
    _feed(total, told_of(stage))
    _feed_repairs(total, scene)
    if scene.place_painter is not None:
        _feed(total, scene.place_painter.key())
    if (matte := sky_matte_file(stage, number)) is not None:
        total.update(file_digest(matte).encode())
    for source in stage.holdouts.sources:
        if isinstance(source, Found):
            _feed(total, source.key(number))
    for path in frame_files(stage, number, followed=False):
        total.update(file_digest(path).encode())
    return total.hexdigest()


def _feed_repairs(total: hashlib._Hash, scene: Scene) -> None:
    _feed(total, told_of_repairs(scene.stage))
    if scene.repair_painter is not None:
        _feed(total, scene.repair_painter.key())


def frame_files(stage: Stage, number: int, paintings: bool = True, followed: bool = True) -> list[Path]:
    """The picture files that frame `number` is made from: its plate, its mattes and depths, all that a clean plate is made
    of, and what repairs and paintings are made of. followed: with the plate's frames through which a model follows a thing
    up to this one."""
    plate = stage.plate
    files = [plate.path(number), *repair_files(stage), *(painting_files(stage) if paintings else ())]
    for source in stage.holdouts.sources:
        if isinstance(source, Difference):
            clip = source.source
            files += [clip.path(n) for n in clip.frames] if clip else [plate.path(n) for n in plate.frames]
        elif isinstance(source, Pictures):
            files.append(source.sequence.path(number))
        elif isinstance(source, Found):
            files += source.files(number) if followed else source.drawn(number)
    return list(dict.fromkeys(files))


def _shared(scene: Scene) -> str:
    """Digest of what every frame shares and that is costly to digest: the cast and the ground."""
    place = scene.environment
    key = (id(scene.people.cast), id(scene.stage.ground), id(place))
    if key not in _SHARED:
        total = hashlib.sha256()
        _feed(total, scene.people.cast)
        _feed(total, scene.stage.ground)
        if place is not None:
            _feed(total, place)
        _SHARED[key] = (total.hexdigest(), scene)  # the scene is kept so that the ids stay its own
    return _SHARED[key][0]


_SHARED: dict[tuple[int, int, int], tuple[str, Scene]] = {}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, known as long as it has not changed."""
    status = path.stat()
    return _cached_digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=65536)
def _cached_digest(path: Path, mtime_ns: int, size: int) -> str:
    return sha256_file(path)


def forget_files() -> None:
    """Digest every file anew from here on, as another process would."""
    _cached_digest.cache_clear()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over Muster's own source files: a changed program renders again."""
    root = Path(composer.__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _feed(total: hashlib._Hash, value: object) -> None:
    """Feed a value's content: dataclasses, arrays, collections and plain values; private fields are derived, so left out."""
    if isinstance(value, np.ndarray):
        total.update(f"{value.dtype.str}{value.shape}".encode())
        total.update(np.ascontiguousarray(value).data)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        total.update(type(value).__name__.encode())
        for f in dataclasses.fields(value):
            if not f.name.startswith("_"):
                _feed(total, getattr(value, f.name))
    elif isinstance(value, Mapping):
        for k in sorted(value, key=str):
            _feed(total, k)
            _feed(total, value[k])
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        total.update(f"[{len(value)}]".encode())
        for v in value:
            _feed(total, v)
    elif value is None or isinstance(value, str | bytes | int | float | bool | Fraction | np.generic | Path):
        total.update(repr(value).encode())
    else:
        raise TypeError(f"{type(value).__name__} has no digest")
