"""The settings files of a bundle: sizes, strict JSON, no custom code, and only classes that the family knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from composer.errors import InputError, Where
from composer.inference.bundle_content import PICTURES, TEXT_LIMITS, open_plain
from composer.inference.bundle_schema import is_plain_path
from composer.inference.kinds import FINDERS, KINDS, Kind
from composer.inference.safetensors_header import parse_json

MAX_CONFIG_BYTES = 1 << 20
_INDEX = ".safetensors.index."
_LARGE = ("tokenizer.json", "vocab.json", "added_tokens.json")
#: Keys by which libraries load code or other files than those that are listed.
_CODE_KEYS = ("auto_map", "custom_pipeline", "custom_pipelines", "trust_remote_code", "quantization_config")
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")


def read_json(path: Path) -> object:
    """A JSON file of bounded size. Raises InputError."""
    large = path.name in _LARGE or _INDEX in path.name
    limit = TEXT_LIMITS[".json"] if large else MAX_CONFIG_BYTES
    try:
        return parse_json(_read(path, limit))
    except ValueError as error:
        raise InputError(str(error), where=Where(file=path)) from None


def check_text(path: Path) -> None:
    """What is listed and is neither weights nor JSON: text is text, pictures are pictures."""
    where = Where(file=path)
    if path.suffix in PICTURES:
        with open_plain(path) as file:
            if not file.read(8).startswith(PICTURES[path.suffix]):
                raise InputError("not the picture that its name says", where=where)
        return
    data = _read(path, TEXT_LIMITS.get(path.suffix, TEXT_LIMITS[".md"]))
    if path.suffix == ".model":
        if not _is_sentencepiece(data):
            raise InputError("not a SentencePiece model", where=where)
        return
    try:
        if "\0" in data.decode("utf-8"):
            raise InputError("not text", where=where, expected="UTF-8 without zero bytes")
    except UnicodeDecodeError:
        raise InputError("not text", where=where, expected="UTF-8") from None


def check_config(path: Path, told: object, kind: Kind, part: str | None) -> None:
    """One JSON file. part: the component that its folder is, 'control' for a ControlNet's, None for any other folder."""
    where = Where(file=path)
    for key in _keys(told):
        if key in _CODE_KEYS:
            raise InputError(f"{key} is refused", where=where, hint="nothing in a bundle brings code of its own")
    if _INDEX in path.name:
        _check_index(told, path)
    if not isinstance(told, dict):
        if path.name.endswith("config.json"):
            raise InputError("not a list of settings", where=where)
        return
    if path.name == "model_index.json":
        _check_model_index(told, path, kind)
    if part is None or not path.name.endswith("config.json") or path.name == "generation_config.json":
        return
    allowed = kind.controls if part == "control" else kind.classes[part]
    if path.name == "tokenizer_config.json":
        _check_class(told.get("tokenizer_class"), allowed, where, "tokenizer_class")
    elif "architectures" in told:
        names = told["architectures"]
        for name in names if isinstance(names, list) and names else [names]:
            _check_class(name, allowed, where, "architectures")
    elif path.name in ("config.json", "scheduler_config.json"):
        _check_class(told.get("_class_name"), allowed, where, "_class_name")


def family_of(folder: Path) -> str | None:
    """The family of a folder of weights in diffusers' or transformers' layout, by its settings files; None where they say
    none."""
    index = folder / "model_index.json"
    if index.is_file():
        told = read_json(index)
        name = told.get("_class_name") if isinstance(told, dict) else None
        found = [f for f, kind in KINDS.items() if str(name).startswith(kind.pipelines)]
        # 'StableDiffusionXL...' also begins as 'StableDiffusion...' might: the longest beginning wins
        return max(
            found, key=lambda f: max(len(p) for p in KINDS[f].pipelines if str(name).startswith(p)), default=None
        )
    for family in reversed(KINDS):  # sdxl holds all that sd15 does
        if "vae" not in KINDS[family].needs:
            continue  # its parts are those of another family that is not whole
        if all((folder / part).is_dir() for part in KINDS[family].needs) and _classes_fit(folder, KINDS[family]):
            return family
    return _finder(folder)


def _finder(folder: Path) -> str | None:
    """The family of one network of transformers, by the class that it was saved from."""
    told = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
    names = told.get("architectures") if isinstance(told, dict) else None
    if not isinstance(names, list) or len(names) != 1:
        return None
    return next((f for f, kind in FINDERS.items() if names[0] in kind.classes["network"]), None)


def _classes_fit(folder: Path, kind: Kind) -> bool:
    part = kind.needs[0]
    told = read_json(folder / part / "config.json") if (folder / part / "config.json").is_file() else None
    return isinstance(told, dict) and told.get("_class_name") in kind.classes[part]


def _read(path: Path, limit: int) -> bytes:
    with open_plain(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError("too large for its kind", where=Where(file=path), expected=f"at most {limit} bytes")
    return data


def _is_sentencepiece(data: bytes) -> bool:
    """True where a file reads as SentencePiece's ModelProto (protocol buffers): pieces first, only messages, to the end."""
    at, size = 0, len(data)
    while at < size:
        field, at = _varint(data, at)
        length, at = _varint(data, at)
        if field < 0 or length < 0 or field & 7 != 2 or not 1 <= field >> 3 <= 1000 or at + length > size:
            return False
        at += length
    return data[:1] == b"\n"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, place behind it); value -1 where there is none."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    return -1, at


def _keys(value: object) -> Iterator[str]:
    """Every key at every depth."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield from value
            todo += value.values()
        elif isinstance(value, list):
            todo += value


def _check_class(name: object, allowed: Sequence[str], where: Where, key: str) -> None:
    if name not in allowed:
        raise InputError(
            f"{key} is none of the family's", where=where, expected=" or ".join(allowed), got=str(name)[:60]
        )


def _check_index(told: object, path: Path) -> None:
    """Shards lie beside their index."""
    where = Where(file=path)
    shards = told.get("weight_map") if isinstance(told, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise InputError("an index without a weight_map", where=where)
    for name in set(map(str, shards.values())):
        if "/" in name or not is_plain_path(name) or not name.endswith(".safetensors"):
            raise InputError("a shard outside the index's folder", where=where, got=name[:60])
        if not (path.parent / name).is_file():
            raise InputError("a shard is missing", where=where, got=name[:60])


def _check_model_index(told: dict[str, object], path: Path, kind: Kind) -> None:
    where = Where(file=path)
    if not str(told.get("_class_name")).startswith(kind.pipelines):
        expected = " or ".join(f"{name}..." for name in kind.pipelines)
        raise InputError(
            "another family's pipeline", where=where, expected=expected, got=str(told.get("_class_name"))[:60]
        )
    for part, value in told.items():
        if part.startswith("_") or not isinstance(value, list):
            continue
        if len(value) != 2 or (value[0] is not None and value[0] not in _LIBRARIES):
            raise InputError(
                f"{part} comes from code of its own", where=where, expected=" or ".join(_LIBRARIES), got=str(value)[:60]
            )
        if part in kind.classes and value[1] is not None:
            _check_class(value[1], kind.classes[part], where, part)
