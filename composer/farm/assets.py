"""The files that a shot is made from, for farms that bring them to their nodes.

Found by what the shot says: every text in `shot.yaml`, and in the YAML and JSON files that it names, that is a file, a
sequence or a folder on the disk. A word that happens to be a file's name as well costs a file too many, none too few.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from composer.inference.bundle import Bundle
from composer.io.files import whole_files
from composer.render.depends import frame_files
from composer.render.ready import Job

_TEXTS = (".yaml", ".yml", ".json", ".gltf")
_SCENES = (".usd", ".usda", ".usdc", ".usdz")
#: A text file that is larger holds no names of others.
_MOST_BYTES = 4 * 2**20
_NUMBER = re.compile(r"#+|%0?\d*d")


def assets_of(job: Job, bundle: Bundle | None, out: Path) -> tuple[Path, ...]:
    """Absolute files, each once, sorted. bundle: one whose files nodes do not have by themselves. out: what lies in there is
    made by the job, and is none of them."""
    shot = job.scene.stage.shot
    found: dict[Path, None] = {Path(str(shot.where("shot").file)).absolute(): None}
    for number in job.scene.stage.plate.frames:
        found |= dict.fromkeys(p.absolute() for p in frame_files(job.scene.stage, number))
    _follow(_texts(shot.model_dump()), shot.folder.absolute(), found)
    if bundle is not None:
        found[bundle.folder / "bundle.yaml"] = None
        found |= dict.fromkeys(bundle.path_of(name) for name in bundle.files)
    inside = out.absolute()
    return tuple(sorted(p for p in found if not p.is_relative_to(inside)))


def _texts(value: object) -> Iterator[str]:
    """Every text in plain values."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from _texts(k)
            yield from _texts(v)
    elif isinstance(value, list | tuple | set | frozenset):
        for v in value:
            yield from _texts(v)


def _follow(texts: Iterator[str], folder: Path, found: dict[Path, None]) -> None:
    """Add the files that are meant, and those that they name."""
    for text in texts:
        for path in _files(folder, text):
            if path in found:
                continue
            found[path] = None
            if path.suffix.lower() in _SCENES:
                found |= dict.fromkeys(_scene_files(path))
            elif path.suffix.lower() in _TEXTS and path.stat().st_size < _MOST_BYTES:
                _follow(_texts(_read(path)), path.parent, found)


def _files(folder: Path, text: str) -> list[Path]:
    """What a text means on the disk: a file, a sequence, all files of a folder; mostly nothing."""
    if not text or len(text) > 1024 or "\0" in text or "\n" in text:
        return []
    path = folder / text
    try:
        if _NUMBER.search(path.name):
            return whole_files(path.parent, _NUMBER.sub("*", path.name)) if path.parent.is_dir() else []
        if path.is_file():
            return [Path(path)]
        if "/" in text and path.is_dir():
            return [p for p in sorted(path.rglob("*")) if p.is_file()]
    except (OSError, ValueError):
        pass  # not a path at all
    return []


def _read(path: Path) -> object:
    """Plain values of a YAML or JSON file; None where it is neither."""
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix.lower() in (".json", ".gltf") else YAML(typ="safe").load(text)
    except (OSError, ValueError, YAMLError):
        return None  # whoever reads it in earnest has said so already


def _scene_files(path: Path) -> list[Path]:
    """Layers and other files of a USD scene."""
    from pxr import UsdUtils

    layers, assets, _ = UsdUtils.ComputeAllDependencies(str(path))
    names = [layer.realPath for layer in layers] + [str(a) for a in assets]
    return [Path(n) for n in names if n and Path(n).is_file()]
