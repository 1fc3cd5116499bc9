"""Movies out: H.264 for review, tagged so that players show what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError, Where
from composer.io.files import atomic_write
from composer.io.timecode import Timecode

__all__ = ["write_movie"]

_BT709, _LIMITED = 1, 1


def write_movie(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    frame_rate: Fraction,
    timecode: str | None = None,
    *,
    crf: int = 18,
) -> tuple[str, ...]:
    """H.264 yuv420p MP4 or MOV of uint8 [H, W, 3] frames, atomically; returns notes.

    BT.709 matrix, primaries and transfer, video range, index at the front. Odd sides are padded by repeating the last
    row or column (noted). timecode: of the first frame. Raises InputError for no frames, or frames that change size.
    """
    path = Path(path)
    where = Where(file=path)
    tag = str(Timecode.parse(timecode, frame_rate)) if timecode else None
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError("a movie without frames", where=where)
    _check(first, first.shape, path)
    h, w = first.shape[:2]
    even = (h + h % 2, w + w % 2)
    with atomic_write(path) as temporary:
        _encode(temporary, first, iterator, even, Fraction(frame_rate), tag, crf, path)
    return (f"{w}x{h} padded to {even[1]}x{even[0]} for 4:2:0",) if even != (h, w) else ()


def _encode(
    temporary: Path,
    first: NDArray[np.uint8],
    rest: Iterable[NDArray[np.uint8]],
    even: tuple[int, int],
    rate: Fraction,
    timecode: str | None,
    crf: int,
    path: Path,
) -> None:
    import av

    options = {"movflags": "+faststart+write_colr", "write_tmcd": "on"}
    with av.open(str(temporary), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast", "bf": "0"})
        stream.height, stream.width = even
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = max(1, round(rate))
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.colorspace = _BT709
        stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        stream.codec_context.color_range = _LIMITED
        if timecode:
            stream.metadata["timecode"] = timecode
        for number, picture in enumerate(_chain(first, rest)):
            _check(picture, first.shape, path)
            for packet in stream.encode(_frame(picture, even, number, rate)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def _chain(first: NDArray[np.uint8], rest: Iterable[NDArray[np.uint8]]) -> Iterable[NDArray[np.uint8]]:
    yield first
    yield from rest


def _frame(picture: NDArray[np.uint8], even: tuple[int, int], number: int, rate: Fraction):  # type: ignore[no-untyped-def]
    import av
    from av.video.reformatter import ColorRange, Colorspace

    h, w = picture.shape[:2]
    if (h, w) != even:
        picture = np.pad(picture, ((0, even[0] - h), (0, even[1] - w), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    frame.colorspace = _BT709
    frame.color_range = _LIMITED
    frame.pts, frame.time_base = number, 1 / rate
    return frame


def _check(picture: NDArray[np.uint8], shape: tuple[int, ...], path: Path) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3 or picture.shape != shape:
        raise InputError(
            "movie frames must be uint8 [H, W, 3] of one size",
            where=Where(file=path),
            expected=str(list(shape)),
            got=f"{picture.dtype} {list(picture.shape)}",
        )
