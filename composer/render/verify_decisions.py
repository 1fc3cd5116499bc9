"""The decisions beside a delivery: that every line is signed and in its chain, and that what was approved is still there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from composer.errors import InputError
from composer.io.files import sha256_file
from composer.render.decisions import NAME, Line, read, standing
from composer.render.verify_signatures import inside


def check_decisions(folder: Path, notes: list[str]) -> Iterator[tuple[str, str]]:
    """File and what is wrong with it, for each finding; notes: what a person should know besides."""
    try:
        lines = read(folder)
    except InputError as error:
        yield NAME, error.line()
        return
    for line in lines:
        if line.wrong:
            yield NAME, f"line {line.number}: {line.wrong}"
    if lines:
        keys = sorted({line.key for line in lines if line.key})
        notes.append(f"{NAME}: {len(lines)} decisions, signed with key {', '.join(keys)}")
    for line in standing(lines).values():
        if changed := _changed(folder, line):
            notes.append(changed)


def _changed(folder: Path, line: Line) -> str | None:
    """Where the picture that a verdict is about is no longer the one that was looked at."""
    decision = line.decision
    assert decision is not None
    words = f"{NAME}: line {line.number}: {decision.do} of {decision.item} by {decision.who}"
    if not inside(decision.file):
        return f"{words}: not the name of a file here"
    path = folder / decision.file
    try:
        same = sha256_file(path) == decision.sha256
    except OSError:
        return f"{words}: {decision.file} is not there any more"
    return None if same else f"{words}: frame {decision.frame} was made anew since"
