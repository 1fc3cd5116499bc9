"""Frame ranges as people write them: `1001-1024`, `1001-1100x2`, `1001,1005,1010-1020`; and as render farms do:
`1001-1100:2`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from composer.errors import InputError

_PART = re.compile(r"^(-?\d+)(?:-(-?\d+)(?:[x:](\d+))?)?$")
MAX_FRAMES = 100_000


def frames_of(expression: str | int) -> tuple[int, ...]:
    """Frame numbers, ascending and each once. Raises InputError for anything that is not a range."""
    frames: set[int] = set()
    for part in str(expression).replace(" ", "").split(","):
        match = _PART.match(part)
        if match is None:
            raise InputError("not a frame range", expected="1001-1024, 1001-1100x2 or 1001,1005", got=repr(expression))
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step < 1 or last < first:
            raise InputError("a frame range runs forwards", expected="first-lastxstep", got=repr(part))
        if (last - first) // step >= MAX_FRAMES:
            raise InputError("too many frames", expected=f"at most {MAX_FRAMES}", got=repr(part))
        frames.update(range(first, last + 1, step))
    return tuple(sorted(frames))


def ranges(numbers: Sequence[int]) -> str:
    """`1, 2, 3, 7` as `1-3, 7`."""
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in spans)
