"""How a farm is used, as `configs/farm.yaml` has it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from composer.errors import InputError, InputErrors, Where
from composer.io.content import find_content
from composer.io.settings import is_number, read_with_keys

#: Lowest and highest of each, and whether it is a whole number.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "cores": (1, 1024, True),
    "memory_headroom": (1, 10, False),
    "start_share": (0.001, 1, False),
    "task_seconds": (1, 1e6, False),
    "most_frames_per_task": (1, 1e5, True),
    "frames_per_task": (1, 1e5, True),
    "attempts": (1, 100, True),
    "losses": (0, 1e4, True),
    "backoff_s": (0, 3600, False),
    "most_backoff_s": (0, 86400, False),
    "patience_s": (0, 86400, False),
}


@dataclass(frozen=True)
class FarmSettings:
    """The fields are explained in `configs/farm.yaml`."""

    cores: int
    memory_headroom: float
    start_share: float
    task_seconds: float
    most_frames_per_task: int
    frames_per_task: int
    attempts: int
    losses: int
    backoff_s: float
    most_backoff_s: float
    patience_s: float


def load_farm(file: Path | None = None) -> FarmSettings:
    """The settings, or those of another file. Raises InputErrors."""
    path = file or find_content("configs/farm.yaml")
    names = [f.name for f in fields(FarmSettings)]
    read = read_with_keys(path, names, "not settings of a farm")
    wrong = []
    for name in names:
        low, high, whole = _RANGES[name]
        if not is_number(read[name], low, high, whole=whole):
            where, expected = Where(file=path, field=name), f"{low:g} to {high:g}" + (", whole" if whole else "")
            wrong.append(InputError("out of range", where=where, expected=expected, got=str(read[name])))
    if wrong:
        raise InputErrors(wrong)
    return FarmSettings(**{n: int(read[n]) if _RANGES[n][2] else float(read[n]) for n in names})  # type: ignore[arg-type]
