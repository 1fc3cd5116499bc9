"""The director's table: what is reviewed, what was decided about it, and decisions being added."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from composer.deliver.local_key import local_key
from composer.errors import InputError
from composer.io.files import sha256_file
from composer.render import decisions
from composer.render.decisions import Decision, Line
from composer.review.catalog import Catalog, Item, open_catalog
from composer.review.looks import grid, overlays_of
from composer.shot.schema_base import Part

_MOST_POINTS = 2000
Place = Annotated[float, Field(ge=-0.5, le=1.5)]


def _plain(value: object) -> object:
    """Text without controls, nor anything that turns its direction."""
    if isinstance(value, str):
        kept = (c for c in value if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
        return "".join(kept).strip()
    return value


class Asked(Part):
    """A decision as the page sends it."""

    do: Literal["approve", "reject", "withdraw", "comment"]
    item: Annotated[str, Field(min_length=1, max_length=128)]
    frame: int
    who: Annotated[str, BeforeValidator(_plain), Field(min_length=1, max_length=80, pattern=r"^[^\n]*$")]
    text: Annotated[str, BeforeValidator(_plain), Field(max_length=4000)] = ""
    marks: Annotated[
        tuple[Annotated[tuple[tuple[Place, Place], ...], Field(min_length=2, max_length=_MOST_POINTS)], ...],
        Field(max_length=40),
    ] = ()


class Table:
    """Safe to call from several threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders, self.key = tuple(folders), local_key()
        self.written = 0
        self._lock = threading.Lock()
        self._catalog = open_catalog(self.folders)

    @property
    def catalog(self) -> Catalog:
        """As it is now: options come in one by one while they are made."""
        with self._lock:
            if not self._catalog.complete:
                self._catalog = open_catalog(self.folders)
            return self._catalog

    def state(self) -> dict[str, object]:
        """Everything but the pictures."""
        catalog = self.catalog
        return {
            "shot": catalog.shot,
            "kind": catalog.kind,
            "complete": catalog.complete,
            "frameRate": catalog.frame_rate,
            "frames": catalog.frames,
            "grid": grid(),
            "key": self.key.fingerprint,
            "notes": catalog.notes,
            "items": [_told(item) for item in catalog.items.values()],
        }

    def decided(self) -> dict[str, object]:
        """Every line about what is on the table, oldest first, and how each item stands."""
        items = self.catalog.items.values()
        lines = [(line, item) for item in items for line in self._lines(item) if _is_about(line, item)]
        lines.sort(key=lambda pair: pair[0].at)
        wrong = [f"{place / decisions.NAME}: line {n}: {why}" for place, n, why in self._wrong()]
        states = {}
        for item in items:
            last = decisions.standing(self._lines(item)).get(item.name)
            if last and last.decision:
                states[item.name] = {"do": last.decision.do, "who": last.decision.who, "at": last.at}
        return {"lines": [_line(line) for line, _ in lines], "states": states, "wrong": wrong}

    def decide(self, asked: Asked) -> dict[str, object]:
        """Sign and keep one decision. Raises InputError."""
        catalog = self.catalog
        item, path = catalog.item(asked.item), catalog.frame(asked.item, asked.frame)
        if asked.do == "comment" and not asked.text and not asked.marks:
            raise InputError("an empty comment", expected="words, or something drawn")
        if sum(map(len, asked.marks)) > _MOST_POINTS:
            raise InputError("too much was drawn", expected=f"at most {_MOST_POINTS} points")
        marks = tuple(tuple((round(x, 4), round(y, 4)) for x, y in stroke) for stroke in asked.marks)
        decisions.add(
            item.ledger,
            Decision(
                asked.do, item.kind, item.shot, item.name, item.soldiers, item.asked, asked.frame,
                path.relative_to(item.ledger).as_posix(), sha256_file(path), asked.who, asked.text, marks,
            ),
            self.key,
        )  # fmt: skip
        with self._lock:
            self.written += 1
        return self.decided()

    def _lines(self, item: Item) -> tuple[Line, ...]:
        return decisions.read(item.ledger)

    def _wrong(self) -> list[tuple[Path, int, str]]:
        places = dict.fromkeys(item.ledger for item in self.catalog.items.values())
        return [(place, line.number, line.wrong) for place in places for line in decisions.read(place) if line.wrong]


def _is_about(line: Line, item: Item) -> bool:
    return line.decision is not None and line.decision.item == item.name and line.decision.kind == item.kind


def _told(item: Item) -> dict[str, object]:
    return {
        "name": item.name,
        "title": item.title,
        "soldiers": item.soldiers,
        "frames": sorted(item.exr),
        "lines": item.lines,
        "price": item.price,
        "passes": overlays_of(item.parts),
    }


def _line(line: Line) -> dict[str, object]:
    assert line.decision is not None
    d = line.decision
    return {
        "n": line.number, "at": line.at, "do": d.do, "item": d.item, "frame": d.frame, "who": d.who, "text": d.text,
        "marks": d.marks, "sha256": d.sha256, "key": line.key, "wrong": line.wrong,
    }  # fmt: skip
