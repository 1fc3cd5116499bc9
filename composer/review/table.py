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
        self._stamp = _stamp(self.folders)
        self._catalog = open_catalog(self.folders)
        self._read: dict[Path, tuple[tuple[int, int], tuple[Line, ...]]] = {}

    @property
    def catalog(self) -> Catalog:
        """As it is now: options come in one by one while they are made, and may be made anew."""
        with self._lock:
            if (stamp := _stamp(self.folders)) != self._stamp:
                self._catalog, self._stamp = open_catalog(self.folders), stamp
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
        items = tuple(self.catalog.items.values())
        ledgers = {place: self._lines(place) for place in dict.fromkeys(item.ledger for item in items)}
        lines = [line for item in items for line in ledgers[item.ledger] if _is_about(line, item)]
        states = {}
        for item in items:
            last = decisions.standing(ledgers[item.ledger]).get(item.name)
            if last and last.decision:
                states[item.name] = {"do": last.decision.do, "who": last.decision.who, "at": last.at}
        wrong = [
            f"{place.name}/{decisions.NAME}: line {line.number}: {line.wrong}"
            for place, all_lines in ledgers.items()
            for line in all_lines
            if line.wrong
        ]
        return {"lines": [_line(line) for line in sorted(lines, key=lambda x: x.at)], "states": states, "wrong": wrong}

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

    def _lines(self, place: Path) -> tuple[Line, ...]:
        """A ledger, checked again only where it has changed."""
        try:
            status = (place / decisions.NAME).stat()
        except FileNotFoundError:
            return ()
        stamp = status.st_mtime_ns, status.st_size
        with self._lock:
            known = self._read.get(place)
        if known is None or known[0] != stamp:
            known = stamp, decisions.read(place)
            with self._lock:
                self._read[place] = known
        return known[1]


def _stamp(folders: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """Changes when an index or a manifest is written."""
    found = [p for f in folders for name in ("options.json", "manifest.json") for p in (f / name, *f.glob(f"*/{name}"))]
    return tuple((str(p), p.stat().st_mtime_ns) for p in found if p.is_file())


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
        "made": max(path.stat().st_mtime_ns for path in item.exr.values()) // 1_000_000,
    }


def _line(line: Line) -> dict[str, object]:
    assert line.decision is not None
    d = line.decision
    return {
        "n": line.number, "at": line.at, "do": d.do, "item": d.item, "frame": d.frame, "who": d.who, "text": d.text,
        "marks": d.marks, "sha256": d.sha256, "key": line.key, "wrong": line.wrong,
    }  # fmt: skip
