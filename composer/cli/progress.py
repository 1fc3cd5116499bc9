"""The progress bar: frames done, time left. On a terminal it redraws one line; in a log it writes one line a frame."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from composer.review.options_words import clock


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
        steps = what.startswith("painting")
        if (what == "skipped" and done < total) or (steps and not self.stream.isatty()):
            return
        line = f"{_bar(done, total)} {done}/{total}  frame {frame} {what}{self._left(done, total)}"
        if self.stream.isatty():
            last = done >= total and not steps
            print(f"\r\033[K{line}", end="\n" if last else "", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)

    def say(self, what: str) -> None:
        """A line of its own, for what takes its time before the frames."""
        if not self.silent:
            print(what, file=self.stream, flush=True)

    def begin_again(self, what: str) -> None:
        """Another job: the clock starts anew."""
        self.say(what)
        self.begin, self.rendered = time.monotonic(), 0

    def _left(self, done: int, total: int) -> str:
        if not self.rendered or done >= total:
            return ""
        seconds = (time.monotonic() - self.begin) / self.rendered * (total - done)
        return f"  about {clock(seconds)} left"


def _bar(done: int, total: int, width: int = 24) -> str:
    full = round(width * done / max(total, 1))
    return "[" + "#" * full + "." * (width - full) + "]"
