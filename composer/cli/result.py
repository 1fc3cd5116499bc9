"""What a verb gives back: text for a person, data for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    text: str
    data: Mapping[str, object]
    exit_code: int = 0
