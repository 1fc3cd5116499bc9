"""Typed errors: what, where, expected and got, what to do next.

A library function raises one of these; only `composer.cli` prints them and turns them into an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Where:
    """A place that a person can open: a file, a line and column in it, a frame, a field of `shot.yaml`."""

    file: str | Path | None = None
    line: int | None = None
    column: int | None = None
    frame: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        place = str(self.file) if self.file is not None else ""
        if self.line is not None:
            place += f":{self.line}" + (f":{self.column}" if self.column is not None else "")
        if self.frame is not None:
            place += (" " if place else "") + f"frame {self.frame}"
        if self.field:
            place += (": " if place else "") + self.field
        return place


NOWHERE = Where()


class MusterError(Exception):
    """Base of every error that Muster raises on purpose. `str(error)` is one line, fit for a terminal."""

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: Where = NOWHERE,
        expected: str | None = None,
        got: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.expected, self.got, self.hint = what, where, expected, got, hint
        super().__init__(self.line())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled and copied as it is: by default an exception is made anew from its message alone."""
        return type(self).__new__, (type(self), *self.args), self.__dict__

    @property
    def errors(self) -> tuple[MusterError, ...]:
        """Its mistakes one by one: itself, unless it is several."""
        return (self,)

    def line(self) -> str:
        """The whole message on one line: `where: what: expected X, got Y; hint`."""
        text = f"{self.where}: {self.what}" if str(self.where) else self.what
        parts = [f"expected {self.expected}"] if self.expected else []
        parts += [f"got {self.got}"] if self.got else []
        if parts:
            text += ": " + ", ".join(parts)
        if self.hint:
            text += f"; {self.hint}"
        return " ".join(text.split())

    def as_json(self) -> dict[str, object]:
        """The same, for `--json`."""
        return {
            "what": self.what,
            "file": None if self.where.file is None else str(self.where.file),
            "line": self.where.line,
            "column": self.where.column,
            "frame": self.where.frame,
            "field": self.where.field,
            "expected": self.expected,
            "got": self.got,
            "hint": self.hint,
        }


class InputError(MusterError):
    """The input is wrong: nothing was written. Exit code 2; a farm must not retry it."""

    exit_code = 2


class MachineError(MusterError):
    """The machine failed (disk full, memory, device): the input may be fine. Exit code 1; worth a retry."""


class InputErrors(InputError):
    """Several mistakes found in one go, so that an artist mends them together."""

    def __init__(self, errors: Iterable[MusterError]) -> None:
        self._errors = tuple(errors)
        super().__init__(f"{len(self._errors)} mistakes" if len(self._errors) != 1 else "1 mistake")

    @property
    def errors(self) -> tuple[MusterError, ...]:
        return self._errors

    def line(self) -> str:
        return "\n".join(e.line() for e in self._errors)
