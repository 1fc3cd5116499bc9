"""What a call costs beside another in the same run: a ratio holds on a slow machine and on a busy one, seconds do not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def timed(call: Callable[[], T], times: int = 3) -> tuple[T, float]:
    """What `call` returns, and the least processor time of `times` calls, s."""
    spent = []
    for _ in range(times):
        begin = time.process_time()
        result = call()
        spent.append(time.process_time() - begin)
    return result, min(spent)
