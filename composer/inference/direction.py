"""Art direction: which text and which strength each soldier gets, out of `paint` in shot.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.cast import KITS
from composer.crowd.figure.outfit import OUTFITS
from composer.crowd.people import People
from composer.errors import InputError, InputErrors, MusterError
from composer.shot.schema import ShotFile
from composer.shot.schema_paint import PaintPartSpec, PaintSpec

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Text:
    """What a model is told, and what it is told to avoid; both may be empty."""

    prompt: str
    negative: str


@dataclass(frozen=True)
class Direction:
    """texts: the first is the shot's own, for whatever is no soldier of another. agent_id: uint32 [N], ascending.
    text: int64 [N + 1], index into `texts`; strength: float32 [N + 1]; the last row is for what is no soldier, as arrows
    are. shot_strength: for everything else. notes: parts that nobody fits."""

    texts: tuple[Text, ...]
    agent_id: NDArray[np.uint32]
    text: NDArray[np.int64]
    strength: F32
    shot_strength: float
    notes: tuple[str, ...] = ()

    def rows(self, agent_id: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Where each of these ids stands in the arrays; any shape."""
        at = np.searchsorted(self.agent_id, agent_id)
        known = np.append(self.agent_id, 0)[at] == agent_id  # 0 is nobody's
        return np.where(known, at, len(self.agent_id))


def direction_of(spec: PaintSpec, people: People, strength: float) -> Direction:
    """Who gets what. The later part wins, for each of prompt, negative and strength by itself; a part that says only
    one of the two texts leaves the other as it was. `check_direction` has found all names known."""
    ids = people.layout.agent_id
    own = Text(spec.prompt, spec.negative)
    pairs = [own] * len(ids)
    strengths = np.full(len(ids), strength, np.float32)
    notes = []
    for part in spec.parts:
        mine = np.flatnonzero(_fits(part, people))
        if not len(mine):
            notes.append("paint: nobody is {} {}".format(*part.who))
        if part.strength is not None:
            strengths[mine] = part.strength
        if part.prompt is not None or part.negative is not None:
            for i in mine.tolist():
                pairs[i] = Text(
                    pairs[i].prompt if part.prompt is None else part.prompt,
                    pairs[i].negative if part.negative is None else part.negative,
                )
    texts = tuple(dict.fromkeys([own, *pairs]))
    index = {text: i for i, text in enumerate(texts)}
    order = np.argsort(ids, kind="stable")
    text = np.array([index[p] for p in pairs], np.int64)
    own_row = (np.append(text[order], 0), np.append(strengths[order], np.float32(strength)))
    return Direction(texts, ids[order], *own_row, strength, tuple(notes))


def _fits(part: PaintPartSpec, people: People) -> NDArray[np.bool_]:
    """bool [N]: who is meant, in the layout's order."""
    key, name = part.who
    layout = people.layout
    if key == "region":
        return layout.region == layout.region_names.index(name) if name in layout.region_names else layout.region < 0
    called = people.names.side if key == "side" else people.names.cast
    return np.array([called[a] == name for a in layout.agent_id.tolist()], dtype=bool)


def check_direction(shot: ShotFile, people: People) -> None:
    """Raises InputErrors for sides, types and regions of `paint.parts` that the shot does not know, at their lines."""
    known = {
        "region": [r.name for r in shot.crowd.regions],
        "side": sorted({*people.layout.casting.side_names, *people.names.side.values(), *shot.sides}),
        "type": sorted(types_of(people)),
    }
    errors: list[MusterError] = []
    for i, part in enumerate(shot.paint.parts):
        key, name = part.who
        if name not in known[key]:
            errors.append(_unknown(shot, i, key, name, known[key]))
    if errors:
        raise InputErrors(errors)


def types_of(people: People) -> set[str]:
    """What people can be: kits built in, and types of the cast file."""
    return {*KITS, *OUTFITS, *people.layout.casting.kinds}


def _unknown(shot: ShotFile, index: int, key: str, name: str, known: Sequence[str]) -> InputError:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return InputError(
        f"unknown {key}",
        where=shot.where("paint", "parts", index, key),
        expected=", ".join(known),
        got=name,
        hint=f"did you mean {close[0]}?" if close else None,
    )
