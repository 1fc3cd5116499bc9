"""SMPTE time code and frame rates as exact fractions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from composer.errors import InputError

_TEXT = re.compile(r"^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$")
_NTSC = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120))


def frame_rate(value: str | int | float | Fraction) -> Fraction:
    """An exact frame rate from what people write: 24, 23.976, "29.97", "24000/1001", "25p".

    The NTSC roundings (23.976, 23.98, 29.97, 59.94 ...) become n * 1000 / 1001. Raises InputError outside 1..1000.
    """
    try:
        if isinstance(value, str):
            text = value.strip().lower().removesuffix("fps").removesuffix("p").strip()
            rate = Fraction(text)
        elif isinstance(value, bool):
            raise ValueError
        else:
            rate = Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        raise InputError("not a frame rate", expected="such as 24, 23.976 or 24000/1001", got=repr(value)) from None
    if not 1 <= rate <= 1000:
        raise InputError("frame rate out of range", expected="1 to 1000", got=str(value))
    if rate.denominator == 1 or rate.denominator == 1001:
        return rate
    for exact in _NTSC:
        if abs(float(rate) - float(exact)) < 0.006:
            return exact
    return rate.limit_denominator(100_000)


def is_drop_rate(rate: Fraction) -> bool:
    """True where drop-frame time code is defined: 30000/1001 and 60000/1001."""
    return rate in (Fraction(30000, 1001), Fraction(60000, 1001))


@dataclass(frozen=True)
class Timecode:
    """A SMPTE label. `drop` counts as in SMPTE ST 12-1: labels 00 and 01 (at 60: 00 to 03) of each minute that is not
    a multiple of ten do not exist."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drop: bool = False

    @staticmethod
    def parse(text: str, rate: Fraction | None = None) -> Timecode:
        """Reads `HH:MM:SS:FF`, with `;` or `.` before the frames for drop frame. With `rate`, labels that do not exist
        at it are refused."""
        match = _TEXT.match(text.strip())
        if not match:
            raise InputError("not a time code", expected="HH:MM:SS:FF or HH:MM:SS;FF", got=repr(text))
        h, m, s, f = (int(match.group(i)) for i in (1, 2, 3, 5))
        timecode = Timecode(h, m, s, f, match.group(4) != ":")
        if h > 23 or m > 59 or s > 59:
            raise InputError("no such time code", expected="up to 23:59:59", got=text)
        if rate is not None:
            timecode._check(rate)
        return timecode

    def _check(self, rate: Fraction) -> None:
        nominal = round(rate)
        if self.frames >= nominal:
            raise InputError(
                "no such time code", expected=f"frames below {nominal} at {rate} frames a second", got=str(self)
            )
        if self.drop:
            if not is_drop_rate(rate):
                raise InputError(
                    "drop-frame time code", expected="29.97 or 59.94 frames a second", got=f"{self} at {rate}"
                )
            if self.minutes % 10 and self.seconds == 0 and self.frames < nominal // 15:
                raise InputError("no such time code: drop frame skips this label", got=str(self))

    def __str__(self) -> str:
        return f"{self.hours:02d}:{self.minutes:02d}:{self.seconds:02d}{';' if self.drop else ':'}{self.frames:02d}"

    def frame_number(self, rate: Fraction) -> int:
        """Frames since 00:00:00:00 at `rate`."""
        self._check(rate)
        nominal = round(rate)
        minutes = self.hours * 60 + self.minutes
        number = (minutes * 60 + self.seconds) * nominal + self.frames
        return number - nominal // 15 * (minutes - minutes // 10) if self.drop else number

    @staticmethod
    def from_frame_number(number: int, rate: Fraction, drop: bool = False) -> Timecode:
        """The label of a frame count; wraps after 24 hours."""
        nominal = round(rate)
        skipped = nominal // 15 if drop else 0
        per_minute = nominal * 60 - skipped
        per_ten = nominal * 600 - 9 * skipped
        number %= per_ten * 6 * 24
        if drop:
            tens, rest = divmod(number, per_ten)
            number += 9 * skipped * tens
            if rest >= nominal * 60:
                number += skipped * ((rest - nominal * 60) // per_minute + 1)
        seconds, frames = divmod(number, nominal)
        return Timecode(seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frames, drop)

    def plus(self, frames: int, rate: Fraction) -> Timecode:
        """This label `frames` later (or earlier)."""
        return Timecode.from_frame_number(self.frame_number(rate) + frames, rate, self.drop)


def add_frames(text: str, frames: int, rate: Fraction) -> str:
    """`add_frames("01:00:00:00", 24, Fraction(24))` is `"01:00:01:00"`."""
    return str(Timecode.parse(text, rate).plus(frames, rate))
