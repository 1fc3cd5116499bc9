"""Muster's own small settings files, `configs/*.yaml`: read, and their keys and numbers checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from composer.errors import InputError, Where


def read_settings(path: Path) -> object:
    """The plain values of a YAML file. Raises InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=Where(file=path)) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not YAML: {str(error).splitlines()[0]}", where=Where(file=path)) from error


def read_with_keys(path: Path, keys: Sequence[str], otherwise: str) -> Mapping[str, object]:
    """A YAML file that has just these keys. otherwise: what to say of any other. Raises InputError."""
    read = read_settings(path)
    if not isinstance(read, dict) or set(read) != set(keys):
        got = ", ".join(map(str, read)) if isinstance(read, dict) else type(read).__name__
        raise InputError(otherwise, where=Where(file=path), expected=", ".join(keys), got=got)
    return read


def is_number(value: object, low: float, high: float, *, whole: bool = False) -> bool:
    """Whether it is a number from low to high, and a whole one where that is asked."""
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
