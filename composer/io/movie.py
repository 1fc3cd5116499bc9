"""Movies in, through PyAV: exact frames by number, as RGB float."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from composer.errors import InputError, Where
from composer.io.limits import check_size, damaged
from composer.io.movie_pixels import frame_notes, to_rgb
from composer.io.pixels import Image, ImageInfo
from composer.io.window import Window

if TYPE_CHECKING:
    import av

MOVIE_SUFFIXES = frozenset((".mp4", ".mov", ".mkv", ".m4v", ".mxf"))
MIN_SIDE_PX = 16
MAX_FRAMES = 1_000_000
_INTRA_ONLY = frozenset(("prores", "dnxhd", "mjpeg", "cfhd", "v210", "rawvideo", "png", "qtrle"))
_FORWARD = 24
"""Frames that are decoded on the way rather than sought: cheaper than starting at a keyframe again."""
_TRANSFER = {1: "Rec.709", 6: "Rec.709", 14: "Rec.709", 15: "Rec.709", 13: "sRGB", 8: "linear", 16: "PQ", 18: "HLG"}


@dataclass
class Movie:
    """An open movie. `times`: the presentation time of each frame in the stream's time base, ascending."""

    path: Path
    times: list[int]
    frame_rate: Fraction
    timecode: str | None
    size_px: tuple[int, int]
    pixel_aspect: float
    notes: tuple[str, ...]
    description: dict[str, object]
    colorspace: str | None
    dtype: str
    channels: tuple[str, ...]
    _container: av.container.InputContainer = field(repr=False)
    _frames: Iterator[av.VideoFrame] | None = field(default=None, repr=False)
    _next: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def frame_count(self) -> int:
        return len(self.times)

    @staticmethod
    def open(path: Path) -> Movie:
        """Indexes a movie and decodes its first frame. Raises InputError for files that are damaged or cut off, and for
        those that no plate can be: under 16 pixels a side, or a single frame."""
        import av

        try:
            container = av.open(str(path), metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise damaged(path, "cannot be opened as a movie", got=_reason(error)) from None
        try:
            return _index(path, container)
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            container.close()
            raise damaged(path, "cannot be read as a movie", got=_reason(error)) from None
        except BaseException:
            container.close()
            raise

    def info(self, index: int) -> ImageInfo:
        """The header, with the time code of the frame."""
        from composer.io.timecode import add_frames

        timecode = add_frames(self.timecode, index, self.frame_rate) if self.timecode else None
        return ImageInfo(
            path=self.path,
            size_px=self.size_px,
            data=Window(0, 0, *self.size_px),
            channels=self.channels,
            pixel_aspect=self.pixel_aspect,
            frame_rate=self.frame_rate,
            timecode=timecode,
            colorspace=self.colorspace,
            dtype=self.dtype,
            attributes=self.description,
            notes=self.notes,
        )

    def read(self, index: int) -> tuple[Image, ImageInfo]:
        """Frame `index` (from 0) as float32 [H, W, 3 or 4]. Safe from several threads."""
        if not 0 <= index < len(self.times):
            raise InputError(
                "no such frame", where=Where(file=self.path, frame=index), expected=f"0 to {len(self.times) - 1}"
            )
        import av

        with self._lock:
            try:
                frame = self._decode(index)
            except (av.error.FFmpegError, ValueError) as error:
                self._frames = None
                raise damaged(self.path, f"picture {index} cannot be decoded", got=_reason(error)) from None
            image = to_rgb(frame)
        return np.ascontiguousarray(np.rot90(image, _turns(frame))), self.info(index)

    def _decode(self, index: int) -> av.VideoFrame:
        wanted = self.times[index]
        stream = self._container.streams.video[0]
        if self._frames is None or not 0 <= index - self._next <= _FORWARD:
            self._container.seek(wanted, stream=stream, backward=True)
            self._frames = self._container.decode(stream)
        frame = self._forward_to(wanted)
        if frame is None:  # an open group of pictures, or an index that lies: from the start
            self._container.seek(min(self.times[0], 0), stream=stream, backward=True)
            self._frames = self._container.decode(stream)
            frame = self._forward_to(wanted)
        if frame is None or frame.is_corrupt:
            self._frames = None
            raise damaged(
                self.path, f"picture {index} cannot be decoded", got="nothing" if frame is None else "a corrupt picture"
            )
        if (frame.width, frame.height) != tuple(self.description["coded size"]):  # type: ignore[arg-type]
            raise damaged(self.path, f"picture {index} has another size", got=f"{frame.width}x{frame.height}")
        self._next = index + 1
        return frame

    def _forward_to(self, wanted: int) -> av.VideoFrame | None:
        assert self._frames is not None
        for frame in self._frames:
            if frame.pts is not None and frame.pts >= wanted:
                return frame if frame.pts == wanted else None
        return None


def _index(path: Path, container: av.container.InputContainer) -> Movie:
    if not container.streams.video:
        raise damaged(path, "no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise damaged(path, "no decoder for this video")
    coded = (stream.codec_context.width, stream.codec_context.height)
    check_size(path, *coded, "video")
    if min(coded) < MIN_SIDE_PX:
        raise InputError(
            "video too small for a plate",
            where=Where(file=path),
            expected=f"{MIN_SIDE_PX} px a side",
            got=f"{coded[0]}x{coded[1]}",
        )
    stream.thread_type = "AUTO"
    times = _times(path, container, stream)
    if len(times) < 2:
        raise InputError(
            "a movie of one frame",
            where=Where(file=path),
            expected="at least 2 frames",
            hint="use a picture for a still",
        )
    rate = _rate(path, stream, times)
    _check_length(path, stream, times, rate)
    container.seek(min(times[0], 0), stream=stream, backward=True)
    first = next(iter(container.decode(stream)), None)
    if first is None or first.is_corrupt:
        raise damaged(path, "the first picture cannot be decoded")
    if (first.width, first.height) != coded:
        raise damaged(
            path,
            "the first picture has another size",
            expected=f"{coded[0]}x{coded[1]}",
            got=f"{first.width}x{first.height}",
        )
    turns = _turns(first)
    alpha = any(c.is_alpha for c in first.format.components)
    bits = max(c.bits for c in first.format.components)
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    return Movie(
        path=path,
        times=times,
        frame_rate=rate,
        timecode=_timecode(container, rate),
        size_px=coded[::-1] if turns % 2 else coded,
        pixel_aspect=(1 / aspect) if turns % 2 else aspect,
        notes=frame_notes(first)
        + _timing_notes(stream, times, rate)
        + ((f"turned by {90 * turns} degrees as the file says",) if turns else ()),
        description={
            "codec": stream.codec_context.name,
            "profile": stream.codec_context.profile or "",
            "pixel format": first.format.name,
            "coded size": coded,
            "matrix": int(first.colorspace),
            "transfer": int(first.color_trc),
            "primaries": int(first.color_primaries),
        },
        colorspace=_TRANSFER.get(int(first.color_trc)),
        dtype=f"uint{bits}",
        channels=("R", "G", "B", "A") if alpha else ("R", "G", "B"),
        _container=container,
    )


def _times(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> list[int]:
    """Presentation times of all frames. Reads the index where one frame is one entry, else all packets."""
    length = path.stat().st_size
    entries = stream.index_entries
    if stream.codec_context.name in _INTRA_ONLY and len(entries) == stream.frames > 0:
        spans = [(e.timestamp, e.pos + e.size) for e in (entries[k] for k in range(len(entries)))]
        if max(end for _, end in spans) > length:
            raise damaged(path, "cut off", expected=f"{max(end for _, end in spans)} bytes", got=str(length))
        return sorted(t for t, _ in spans)
    indexed = len(entries)
    times, packets = [], 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        packets += 1
        if packet.is_corrupt:
            raise damaged(path, "cut off or damaged", got=f"packet {packets} is not whole")
        if packet.pts is not None and not packet.is_discard:
            times.append(packet.pts)
        if packets > MAX_FRAMES:
            raise InputError("too many frames", where=Where(file=path), expected=f"at most {MAX_FRAMES}")
    if packets < indexed:
        raise damaged(path, "cut off", expected=f"{indexed} pictures", got=str(packets))
    if not times or len(set(times)) != len(times):
        raise damaged(path, "pictures without times of their own")
    return sorted(times)


def _rate(path: Path, stream: av.VideoStream, times: list[int]) -> Fraction:
    """The rate as a fraction, from the frames' own distance where the file names none."""
    from composer.io.timecode import frame_rate

    said = stream.average_rate or stream.guessed_rate or stream.base_rate
    span = (times[-1] - times[0]) * (stream.time_base or Fraction(0))
    if not said:
        said = (len(times) - 1) / span if span else None
    if not said or not 1 <= said <= 1000:
        raise damaged(path, "no usable frame rate", got=str(said))
    return frame_rate(Fraction(said))


def _check_length(path: Path, stream: av.VideoStream, times: list[int], rate: Fraction) -> None:
    """Matroska has no table of frames; its DURATION tag tells a file that was cut off."""
    match = re.match(r"^(\d+):(\d\d):(\d\d(?:\.\d+)?)$", stream.metadata.get("DURATION", ""))
    if not match:
        return
    said = int(match.group(1)) * 3600 + int(match.group(2)) * 60 + float(match.group(3))
    end = float(times[-1] * (stream.time_base or 0)) + float(1 / rate)
    if end < said - 0.75 / float(rate):
        raise damaged(path, "cut off", expected=f"{said:.3f} s", got=f"{end:.3f} s")


def _timing_notes(stream: av.VideoStream, times: list[int], rate: Fraction) -> tuple[str, ...]:
    base = stream.time_base or Fraction(1)
    step = 1 / rate / base
    drift = max(abs((t - times[0]) - k * step) for k, t in enumerate(times))
    if drift > step / 2:
        return (
            f"frames are not evenly timed (up to {float(drift * base):.3f} s off): taken one after the other at {rate}",
        )
    return ()


def _timecode(container: av.container.InputContainer, rate: Fraction) -> str | None:
    from composer.io.timecode import Timecode

    tags = [s.metadata for s in container.streams] + [container.metadata]
    for tag in tags:
        text = tag.get("timecode")
        if text:
            try:
                return str(Timecode.parse(text, rate))
            except InputError:
                return None
    return None


def _turns(frame: av.VideoFrame) -> int:
    """Quarter turns against the clock that the display matrix asks for."""
    return round(frame.rotation / 90) % 4


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:120]
