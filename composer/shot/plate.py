"""The plate: its frames, what they are, and their pixels in the delivery space or in ACEScg."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.color.spaces import ColorManager
from composer.errors import InputError, Where
from composer.io.pixels import ImageInfo
from composer.io.sequence import FrameSequence
from composer.shot.frames import frames_of
from composer.shot.located import located
from composer.shot.schema import ShotFile

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Plate:
    """The pictures that the shot is about.

    frames: those that belong to the shot, ascending. colorspace: of the files, canonical OCIO name.
    delivery_colorspace: the same where it is scene-linear, else ACEScg. timecode: of the first frame.
    """

    sequence: FrameSequence
    frames: tuple[int, ...]
    size_px: tuple[int, int]
    frame_rate: Fraction
    timecode: str | None
    pixel_aspect: float
    colorspace: str
    delivery_colorspace: str
    color: ColorManager
    notes: tuple[str, ...] = ()

    def read(self, frame: int) -> Image:
        """float32 [H, W, 3] in the DELIVERY space: a scene-linear file's own values, bit for bit; others in ACEScg."""
        rgb = self._own(frame)
        if self.colorspace == self.delivery_colorspace:
            return rgb
        return self.color.to_working(rgb, self.colorspace)

    def read_working(self, frame: int) -> Image:
        """float32 [H, W, 3], ACEScg."""
        return self.color.to_working(self._own(frame), self.colorspace)

    def path(self, frame: int) -> Path:
        """The file that holds a frame."""
        return self.sequence.path(frame)

    def _own(self, frame: int) -> Image:
        if frame not in self.frames:
            raise InputError(
                "this frame is not part of the plate",
                where=Where(file=self.sequence.pattern, frame=frame),
                expected=f"{self.frames[0]}-{self.frames[-1]}",
            )
        pixels, info = self.sequence.read(frame)
        if info.size_px != self.size_px:
            raise wrong_size(self, frame, info)
        return rgb_of(pixels)


def rgb_of(pixels: Image) -> Image:
    """float32 [H, W, 3], contiguous, from 1, 2, 3 or 4 channels (luminance repeated, alpha left out)."""
    rgb = np.repeat(pixels[..., :1], 3, axis=-1) if pixels.shape[-1] < 3 else pixels[..., :3]
    return np.ascontiguousarray(rgb, dtype=np.float32)


def wrong_size(plate: Plate, frame: int, info: ImageInfo) -> InputError:
    """The size changes within the sequence."""
    return InputError(
        "the size changes",
        where=Where(file=info.path, frame=frame),
        expected=f"{plate.size_px[0]} x {plate.size_px[1]}",
        got=f"{info.size_px[0]} x {info.size_px[1]}",
    )


def open_color(shot: ShotFile) -> ColorManager:
    """The colour management of a shot."""
    with located(shot, "color", "config"):
        return ColorManager.open(shot.color.config, shot.color.context, shot.folder)


def open_plate(shot: ShotFile, color: ColorManager) -> Plate:
    """Finds the plate and reads the header of its first frame. Raises InputError at the shot's line."""
    spec = shot.plate
    with located(shot, "plate", "path"):
        sequence = FrameSequence.find(spec.path, shot.folder, spec.first_frame)
    frames = _frames(shot, sequence)
    with located(shot, "plate", "path"):
        info = sequence.info(frames[0])
    notes = [*sequence.notes, *info.notes]
    colorspace = _colorspace(shot, color, info, notes)
    rate = spec.frame_rate or info.frame_rate
    if rate is None:
        rate = Fraction(24)
        if len(frames) > 1:
            notes.append("plate: no frame rate in the shot or in the files: 24 frames a second assumed")
    elif spec.frame_rate and info.frame_rate and spec.frame_rate != info.frame_rate:
        notes.append(f"plate: frame rate {spec.frame_rate} as the shot says; the files say {info.frame_rate}")
    return Plate(
        sequence=sequence,
        frames=frames,
        size_px=info.size_px,
        frame_rate=rate,
        timecode=_timecode(shot, info, rate),
        pixel_aspect=spec.pixel_aspect or info.pixel_aspect or 1.0,
        colorspace=colorspace,
        delivery_colorspace=colorspace if color.is_scene_linear(colorspace) else color.space("ACEScg"),
        color=color,
        notes=tuple(notes),
    )


def _frames(shot: ShotFile, sequence: FrameSequence) -> tuple[int, ...]:
    asked = frames_of(shot.plate.frames) if shot.plate.frames is not None else ()
    if sequence.is_still:
        return asked or sequence.frames
    if not asked:
        if sequence.missing:
            raise InputError(
                "frames are missing from the plate",
                where=shot.where("plate", "path"),
                got=listed(sequence.missing),
                hint="give plate.frames if that is as it should be",
            )
        return sequence.frames
    there = set(sequence.frames)
    missing = tuple(f for f in asked if f not in there)
    if missing:
        raise InputError(
            "frames are missing from the plate",
            where=shot.where("plate", "frames"),
            expected=listed(asked),
            got=f"no {listed(missing)}",
        )
    return asked


def _colorspace(shot: ShotFile, color: ColorManager, info: ImageInfo, notes: list[str]) -> str:
    if shot.plate.colorspace is not None:
        with located(shot, "plate", "colorspace"):
            return color.space(shot.plate.colorspace)
    if info.colorspace is not None:
        try:
            space = color.space(info.colorspace)
            notes.append(f"plate: colour space {space}, as its files say")
            return space
        except InputError:
            notes.append(f"plate: its files name a colour space that is not known, {info.colorspace!r}")
    floats = info.dtype in ("half", "float", "float16", "float32", "double")
    space = color.space("linear Rec.709" if floats else "sRGB")
    notes.append(
        f"plate: no colour space in the shot or in the files: {space} assumed; plate.colorspace says otherwise"
    )
    return space


def _timecode(shot: ShotFile, info: ImageInfo, rate: Fraction) -> str | None:
    if shot.plate.timecode is None:
        return info.timecode
    from composer.io.timecode import Timecode

    with located(shot, "plate", "timecode"):
        return str(Timecode.parse(shot.plate.timecode, rate))


def listed(frames: tuple[int, ...]) -> str:
    """`1001-1010, 1013` out of frame numbers."""
    runs: list[list[int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    text = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs[:8])
    return text + (f", and {len(runs) - 8} more runs" if len(runs) > 8 else "")
