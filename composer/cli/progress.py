"""The progress bar: frames done, time left. On a terminal it redraws one line; in a log it writes one line a frame."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class ProgressBar:
    """Callable as `composer.render.job.Progress`."""

    def __init__(self, stream: TextIO | None = None, silent: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.silent = silent
        self.begin = time.monotonic()
        self.rendered = 0

    def __call__(self, done: int, total: int, frame: int, what: str) -> None:
        if self.silent:
            return
        self.rendered += what == "rendered"
        if what == "skipped" and done < total:
            return
        line = f"{_bar(done, total)} {done}/{total}  frame {frame} {what}{self._left(done, total)}"
        if self.stream.isatty():
            print(f"\r\033[K{line}", end="" if done < total else "\n", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)

    def _left(self, done: int, total: int) -> str:
        if not self.rendered or done >= total:
            return ""
        seconds = (time.monotonic() - self.begin) / self.rendered * (total - done)
        return f"  about {_clock(seconds)} left"


def _bar(done: int, total: int, width: int = 24) -> str:
    full = round(width * done / max(total, 1))
    return "[" + "#" * full + "." * (width - full) + "]"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
