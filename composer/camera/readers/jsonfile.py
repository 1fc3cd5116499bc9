"""JSON with errors that say where: a value and its path in the document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from composer.camera.camera import Array
from composer.camera.readers.common import read_text
from composer.errors import InputError, Where


@dataclass(frozen=True)
class Json:
    """A value in a JSON file. Asking for what is not there raises InputError with its path
    (`frames.3.transform_matrix`)."""

    file: Path
    value: object
    place: str = ""

    @classmethod
    def load(cls, path: Path) -> Json:
        try:
            return cls(path, json.loads(read_text(path)))
        except json.JSONDecodeError as e:
            raise InputError("not valid JSON", where=Where(file=path, line=e.lineno, column=e.colno), got=e.msg) from e
        except RecursionError as e:
            raise InputError("the JSON is nested too deeply", where=Where(file=path)) from e

    def _at(self, key: str | int) -> str:
        return f"{self.place}.{key}" if self.place else str(key)

    def fail(self, what: str, expected: str | None = None, hint: str | None = None) -> InputError:
        got = None if isinstance(self.value, dict | list) else repr(self.value)[:60]
        return InputError(
            what, where=Where(file=self.file, field=self.place or None), expected=expected, got=got, hint=hint
        )

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str) -> Json:
        if not isinstance(self.value, dict):
            raise self.fail("not an object", expected="an object with " + key)
        if key not in self.value:
            raise InputError(f"{key} is missing", where=Where(file=self.file, field=self._at(key)))
        return Json(self.file, self.value[key], self._at(key))

    def items(self) -> Iterator[Json]:
        if not isinstance(self.value, list):
            raise self.fail("not a list")
        for i, v in enumerate(self.value):
            yield Json(self.file, v, self._at(i))

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.fail("not a number")
        try:
            value = float(self.value)
        except OverflowError:
            value = np.inf
        if not np.isfinite(value):
            raise self.fail("not a finite number")
        return value

    def whole(self) -> int:
        value = self.number()
        if value != int(value):
            raise self.fail("not a whole number")
        return int(value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.fail("not a text")
        return self.value

    def matrix(self) -> Array:
        """float64 [4, 4]; the last row may be left out."""
        rows = [[v.number() for v in row.items()] for row in self.items()]
        if len(rows) == 3:
            rows.append([0.0, 0.0, 0.0, 1.0])
        if len(rows) != 4 or any(len(r) != 4 for r in rows):
            raise self.fail("not a 4 x 4 matrix")
        return np.array(rows)
