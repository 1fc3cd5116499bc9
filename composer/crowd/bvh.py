"""BVH files: a skeleton and its motion, read strictly, with forward kinematics in the file's own axes and units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_MOST_BYTES = 256 * 2**20
_MOST_JOINTS = 2000
_AXES = {"Xrotation": 0, "Yrotation": 1, "Zrotation": 2}
_SHIFTS = {"Xposition": 0, "Yposition": 1, "Zposition": 2}


@dataclass(frozen=True)
class Bvh:
    """J joints, parents first, and F frames.

    parent: int64 [J], -1 for the root. offset: float64 [J, 3], from the parent at rest, in the file's units. channels:
    for each joint its channel names in the file's order (rotations are applied in that order, each about turned axes).
    motion: float64 [F, C], degrees and the file's units, C channels of all joints one after the other.
    """

    path: Path
    names: tuple[str, ...]
    parent: I64
    offset: F64
    channels: tuple[tuple[str, ...], ...]
    frame_time_s: float
    motion: F64

    def world(self) -> tuple[F64, F64]:
        """(rotation [F, J, 3, 3], position [F, J, 3]) of every joint in the file's world."""
        rotation = np.empty((len(self.motion), len(self.names), 3, 3))
        position = np.empty((len(self.motion), len(self.names), 3))
        first = 0
        for j, channels in enumerate(self.channels):
            turn = np.broadcast_to(np.eye(3), (len(self.motion), 3, 3))
            at = np.broadcast_to(self.offset[j], (len(self.motion), 3)).copy()
            if any(name in _SHIFTS for name in channels):
                at[:] = np.where([n in channels for n in _SHIFTS], 0.0, at)
            for name in channels:
                value = self.motion[:, first]
                first += 1
                if name in _SHIFTS:
                    at[:, _SHIFTS[name]] = value
                else:
                    turn = turn @ _about(_AXES[name], np.radians(value))
            p = int(self.parent[j])
            if p < 0:
                rotation[:, j], position[:, j] = turn, at
            else:
                rotation[:, j] = rotation[:, p] @ turn
                position[:, j] = position[:, p] + np.einsum("fij,fj->fi", rotation[:, p], at)
        return rotation, position


def _about(axis: int, angle: F64) -> F64:
    """Rotation matrices [F, 3, 3] about one axis."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = c
    out[:, i, j], out[:, j, i] = -s, s
    return out


def read_bvh(path: str | Path) -> Bvh:
    """Read a BVH file: any channel order, joints with three or six channels (or none), end sites.

    Raises InputError with file and line for anything else: another format, a joint given twice, a number that is none,
    a frame with too few numbers, fewer frames than the file announces (it was cut).
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError("the BVH file is too large", where=Where(path), expected="at most 256 MiB")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError("cannot read the BVH file", where=Where(path), got=error.strerror) from error
    except UnicodeDecodeError as error:
        raise InputError("not a BVH file", where=Where(path), expected="text", got="binary data") from error
    return _Reader(path, text).read()


class _Reader:
    """Lines of tokens, with the line number for errors."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = self._filled(text)
        self.number = 0
        self.names: list[str] = []
        self.parent: list[int] = []
        self.offset: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []

    @staticmethod
    def _filled(text: str) -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(text.splitlines(), 1):
            for piece in re.split(r"([{}])", line):  # braces may share a line with anything
                tokens = piece.split()
                if tokens:
                    yield number, tokens

    def next(self, expected: str) -> list[str]:
        for number, tokens in self.lines:
            self.number = number
            return tokens
        raise self.wrong("the file ends too early", expected=expected, hint="it was probably cut off; copy it again")

    def wrong(
        self, what: str, *, expected: str | None = None, got: str | None = None, hint: str | None = None
    ) -> InputError:
        where = Where(self.path, self.number or None)
        return InputError(what, where=where, expected=expected, got=None if got is None else got[:60], hint=hint)

    def numbers(self, tokens: list[str], count: int, what: str) -> list[float]:
        try:
            values = [float(t) for t in tokens]
        except ValueError:
            bad = next(t for t in tokens if not _is_number(t))
            raise self.wrong(f"{what}: not a number", got=bad) from None
        if len(values) != count:
            raise self.wrong(what, expected=f"{count} numbers", got=str(len(values)))
        if not all(map(math.isfinite, values)):
            raise self.wrong(f"{what}: not finite")
        return values

    def read(self) -> Bvh:
        start = self.next("HIERARCHY")
        if start[0].upper() != "HIERARCHY":
            raise self.wrong(
                "not a BVH file", expected="HIERARCHY", got=" ".join(start), hint="convert ASF/AMC and FBX to BVH first"
            )
        self.hierarchy()
        frames, frame_time_s = self.motion_header()
        width = sum(map(len, self.channels))
        if frames * width > 200_000_000:
            raise self.wrong("too much motion", got=f"{frames} frames x {width} channels")
        rows: list[list[float]] = []
        for number, tokens in self.lines:
            self.number = number
            if len(rows) == frames:
                raise self.wrong("more motion than announced", expected=f"{frames} frames")
            rows.append(self.numbers(tokens, width, f"frame {len(rows) + 1}"))
        if len(rows) < frames:
            hint = "the file was probably cut off; copy it again"
            raise self.wrong("frames are missing", expected=f"{frames}", got=str(len(rows)), hint=hint)
        return Bvh(
            path=self.path,
            names=tuple(self.names),
            parent=np.array(self.parent, np.int64),
            offset=np.array(self.offset, np.float64),
            channels=tuple(self.channels),
            frame_time_s=frame_time_s,
            motion=np.array(rows, np.float64).reshape(frames, width),
        )

    def hierarchy(self) -> None:
        tokens = self.next("ROOT")
        if tokens[0].upper() != "ROOT":
            raise self.wrong("the skeleton has no root", expected="ROOT", got=tokens[0])
        open_joints: list[int] = []
        self.joint(tokens, -1)
        open_joints.append(0)
        while open_joints:
            tokens = self.next("JOINT, End Site or }")
            if tokens[0].upper() == "JOINT":
                self.joint(tokens, open_joints[-1])
                open_joints.append(len(self.names) - 1)
            elif tokens[0].upper() == "END":
                self.expect("{")
                self.numbers(self.keyword("OFFSET"), 3, "the end site's OFFSET")
                self.expect("}")
            elif tokens[0] == "}":
                open_joints.pop()
            else:
                raise self.wrong("the skeleton is malformed", expected="JOINT, End Site or }", got=tokens[0])

    def joint(self, tokens: list[str], parent: int) -> None:
        name = " ".join(tokens[1:])
        if not name or name in self.names:
            raise self.wrong("a joint needs a name of its own", got=name or "no name")
        if len(self.names) >= _MOST_JOINTS:
            raise self.wrong("too many joints", expected=f"at most {_MOST_JOINTS}")
        self.expect("{")
        self.names.append(name)
        self.parent.append(parent)
        self.offset.append(self.numbers(self.keyword("OFFSET"), 3, f"{name}: OFFSET"))
        channels = self.keyword("CHANNELS")
        known = {**_AXES, **_SHIFTS}
        if not channels or channels[0] != str(len(channels) - 1) or len(set(channels)) != len(channels):
            raise self.wrong(f"{name}: CHANNELS does not say how many", got=" ".join(channels))
        for channel in channels[1:]:
            if channel not in known:
                raise self.wrong(f"{name}: unknown channel", expected=", ".join(known), got=channel)
        self.channels.append(tuple(channels[1:]))

    def expect(self, brace: str) -> None:
        tokens = self.next(brace)
        if tokens != [brace]:
            raise self.wrong("the skeleton is malformed", expected=brace, got=" ".join(tokens))

    def keyword(self, word: str) -> list[str]:
        tokens = self.next(word)
        if tokens[0].upper() != word:
            raise self.wrong("the skeleton is malformed", expected=word, got=tokens[0])
        return tokens[1:]

    def motion_header(self) -> tuple[int, float]:
        tokens = self.next("MOTION")
        if tokens[0].upper() != "MOTION":
            raise self.wrong("the motion is missing", expected="MOTION", got=tokens[0])
        tokens = self.next("Frames:")
        if tokens[0] != "Frames:" or len(tokens) != 2 or not tokens[1].isdecimal() or not 0 < int(tokens[1]) < 10**7:
            raise self.wrong("how many frames?", expected="Frames: and a whole number", got=" ".join(tokens))
        frames = int(tokens[1])
        tokens = self.next("Frame Time:")
        if tokens[:2] != ["Frame", "Time:"]:
            raise self.wrong("how long is a frame?", expected="Frame Time: and seconds", got=" ".join(tokens))
        seconds = self.numbers(tokens[2:], 1, "Frame Time")[0]
        if not 1e-4 <= seconds <= 1:
            raise self.wrong("the frame time makes no sense", expected="0.0001 to 1 s", got=f"{seconds:g}")
        return frames, seconds


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True
