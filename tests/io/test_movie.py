"""Movies that the tests encode themselves: exact frames, exact colour arithmetic, time code, damage."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from composer.errors import InputError
from composer.io.movie import Movie
from composer.io.movie_write import write_movie
from composer.io.sequence import FrameSequence

SIZE = (64, 48)
FORMATS = {  # codec, pixel format, container: lossless, or nearly
    "h264 8 bit 420": ("libx264", "yuv420p", "mp4"),
    "h264 10 bit 420": ("libx264", "yuv420p10le", "mp4"),
    "h264 10 bit 422": ("libx264", "yuv422p10le", "mov"),
    "ffv1 444 12 bit": ("ffv1", "yuv444p12le", "mkv"),
    "ffv1 gbr 10 bit": ("ffv1", "gbrp10le", "mkv"),
    "ffv1 grey 16 bit": ("ffv1", "gray16le", "mkv"),
    "prores 422 10 bit": ("prores_ks", "yuv422p10le", "mov"),
    "prores 4444 10 bit": ("prores_ks", "yuv444p10le", "mov"),
    "prores 4444 alpha": ("prores_ks", "yuva444p10le", "mov"),
}


def planes_of(number: int, fmt: str, rng_seed: int = 0) -> list[np.ndarray]:
    """Smooth code values that differ from frame to frame; the middle grey level counts the frame."""
    form = av.VideoFormat(fmt, *SIZE)
    planes = []
    for k, c in enumerate(form.components):
        y, x = np.mgrid[0 : c.height, 0 : c.width]
        top = 1 << c.bits
        wave = 0.1 * np.sin(x / 9 + k) + 0.1 * np.cos(y / 7 - k)
        level = 0.2 + 0.02 * number if k == 0 else 0.5
        values = np.clip((level + wave * (0.5 if k else 0.3)) * top, 0, top - 1)
        planes.append(values.astype("<u2" if c.bits > 8 else "u1"))
    return planes


def frame_of(number: int, fmt: str) -> av.VideoFrame:
    frame = av.VideoFrame(*SIZE, fmt)
    for plane, values in zip(frame.planes, planes_of(number, fmt), strict=True):
        lines = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        lines[:, : plane.width] = values
        plane.update(lines.tobytes())
    return frame


def encode(
    path: Path,
    codec: str,
    fmt: str,
    count: int = 12,
    rate: Fraction = Fraction(24),
    matrix: int = 1,
    full: int = 1,
    timecode: str = "",
) -> None:
    options = {"libx264": {"qp": "0", "bf": "2", "g": "6", "preset": "fast"}, "prores_ks": {"qscale": "1"}}.get(
        codec, {}
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = fmt
        stream.codec_context.time_base = 1 / rate
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = matrix, 1, 1, full
        if timecode:
            stream.metadata["timecode"] = timecode
        for number in range(count):
            frame = frame_of(number, fmt)
            frame.pts, frame.time_base = number, 1 / rate
            frame.colorspace, frame.color_range = matrix, full
            frame.color_primaries = frame.color_trc = 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def plain_rgb(number: int, fmt: str, matrix: int = 1, full: bool = False) -> np.ndarray:
    """The oracle, pixel by pixel in float64: ITU-R BT.709/601 equations, linear chroma."""
    form = av.VideoFormat(fmt, *SIZE)
    planes = [p.astype(np.float64) for p in planes_of(number, fmt)]
    bits = form.components[0].bits
    top = 2.0**bits - 1
    if fmt.startswith("gbr"):
        # PyAV's components are in the order of the planes' colours R, G, B; planes_of fills planes in that order
        g, b, r = planes[:3]
        return np.stack([r, g, b], -1) / top
    if fmt.startswith("gray"):
        y = planes[0] / top if full else (planes[0] / 2 ** (bits - 8) - 16) / 219
        return np.stack([y] * 3, -1)
    scale = 2.0 ** (bits - 8)
    y = planes[0] / top if full else (planes[0] / scale - 16) / 219
    chroma = [(p - 128 * scale) / (top if full else 224 * scale) for p in planes[1:3]]
    h, w = y.shape
    grown = []
    for c in chroma:
        ch, cw = c.shape
        out = np.empty((h, w))
        for j in range(h):
            v = j if ch == h else (j - 0.5) / 2
            j0 = int(np.floor(v))
            fv = v - j0
            line = (1 - fv) * c[min(max(j0, 0), ch - 1)] + fv * c[min(max(j0 + 1, 0), ch - 1)]
            for i in range(w):
                u = i if cw == w else i / 2
                i0 = int(np.floor(u))
                out[j, i] = (1 - (u - i0)) * line[i0] + (u - i0) * line[min(i0 + 1, cw - 1)]
        grown.append(out)
    cb, cr = grown
    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    rgb = np.stack([r, g, b], -1)
    return np.concatenate([rgb, planes[3][..., None] / top], -1) if len(planes) == 4 else rgb


@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_exact_in_any_order(tmp_path: Path, name: str) -> None:
    codec, fmt, suffix = FORMATS[name]
    path = tmp_path / f"a.{suffix}"
    encode(path, codec, fmt)
    movie = Movie.open(path)
    assert movie.frame_count == 12 and movie.size_px == SIZE and movie.frame_rate == 24
    tolerance = 0.01 if codec == "prores_ks" else 1e-6  # prores loses a little; the others nothing
    for index in (7, 0, 11, 6, 6, 3, 4, 10):
        image, info = movie.read(index)
        assert image.dtype == np.float32 and image.flags.c_contiguous
        expected = plain_rgb(index, fmt)
        assert image.shape == expected.shape
        assert np.abs(image - expected).max() < tolerance, (name, index)
    assert info.colorspace == "Rec.709" and info.channels == (
        ("R", "G", "B", "A") if "alpha" in name else ("R", "G", "B")
    )


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (6, False), (1, True), (6, True), (9, False)])
def test_the_streams_own_matrix_and_range(tmp_path: Path, matrix: int, full: bool) -> None:
    encode(tmp_path / "a.mp4", "libx264", "yuv420p10le", 3, matrix=matrix, full=2 if full else 1)
    movie = Movie.open(tmp_path / "a.mp4")
    assert np.abs(movie.read(1)[0] - plain_rgb(1, "yuv420p10le", matrix, full)).max() < 1e-6
    assert movie.notes == ()


def test_an_untagged_stream_is_noted(tmp_path: Path) -> None:
    encode(tmp_path / "a.mkv", "ffv1", "yuv420p", 3, matrix=2, full=0)
    movie = Movie.open(tmp_path / "a.mkv")
    assert any("BT.601" in n for n in movie.notes) and any("video range" in n for n in movie.notes)
    assert np.abs(movie.read(2)[0] - plain_rgb(2, "yuv420p", 6)).max() < 1e-6


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(60000, 1001)])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_rates_stay_fractions(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    encode(tmp_path / f"a.{suffix}", "libx264", "yuv420p", 30, rate)
    movie = Movie.open(tmp_path / f"a.{suffix}")
    assert movie.frame_rate == rate and movie.frame_count == 30
    assert not any("evenly" in n for n in movie.notes)
    assert np.abs(movie.read(17)[0] - plain_rgb(17, "yuv420p")).max() < 1e-6


@pytest.mark.parametrize(
    ("suffix", "codec", "fmt"), [("mp4", "libx264", "yuv420p"), ("mov", "prores_ks", "yuv422p10le")]
)
def test_time_code_goes_with_the_frames(tmp_path: Path, suffix: str, codec: str, fmt: str) -> None:
    encode(tmp_path / f"a.{suffix}", codec, fmt, 12, timecode="10:59:59:20")
    sequence = FrameSequence.find(f"a.{suffix}", tmp_path, first_frame=1001)
    assert sequence.is_movie and sequence.frames == tuple(range(1001, 1013))
    assert sequence.info(1001).timecode == "10:59:59:20" and sequence.info(1005).timecode == "11:00:00:00"


def test_written_movie_is_what_was_given(tmp_path: Path) -> None:
    y, x = np.mgrid[0:45, 0:63]
    frames = [np.stack([x * 3 + k, y * 4, 255 - x * 2 - 2 * k], -1).clip(0, 255).astype(np.uint8) for k in range(10)]
    notes = write_movie(tmp_path / "a.mp4", iter(frames), Fraction(24000, 1001), "01:00:00:00")
    assert notes and "64x46" in notes[0] and os.listdir(tmp_path) == ["a.mp4"]
    movie = Movie.open(tmp_path / "a.mp4")
    assert (movie.frame_count, movie.size_px, movie.frame_rate) == (10, (64, 46), Fraction(24000, 1001))
    assert movie.timecode == "01:00:00:00" and movie.colorspace == "Rec.709" and movie.notes == ()
    for k in (0, 9, 4):
        image = movie.read(k)[0][:45, :63]
        assert np.abs(image * 255 - frames[k]).mean() < 2.5
    head = (tmp_path / "a.mp4").read_bytes()
    assert head.find(b"moov") < head.find(b"mdat"), "the index stands at the front"


def test_players_see_the_same_colours(tmp_path: Path) -> None:
    """swscale, with nothing but the stream's tags, gives the colours back."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 64, 200)]
    frames = [np.full((64, 64, 3), c, np.uint8) for c in colours]
    write_movie(tmp_path / "a.mp4", frames, Fraction(24))
    with av.open(str(tmp_path / "a.mp4")) as container:
        for frame, colour in zip(container.decode(video=0), colours, strict=True):
            seen = frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709").to_ndarray()[32, 32]
            assert np.abs(seen.astype(int) - colour).max() <= 3, (seen, colour)
    movie = Movie.open(tmp_path / "a.mp4")
    for k, colour in enumerate(colours):
        assert np.abs(movie.read(k)[0][32, 32] * 255 - colour).max() <= 3


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def frames():  # type: ignore[no-untyped-def]
        yield np.zeros((32, 32, 3), np.uint8)
        yield np.zeros((32, 34, 3), np.uint8)

    with pytest.raises(InputError, match="one size"):
        write_movie(tmp_path / "a.mp4", frames(), Fraction(24))
    with pytest.raises(InputError, match="without frames"):
        write_movie(tmp_path / "a.mp4", [], Fraction(24))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("codec", "fmt", "suffix"),
    [("prores_ks", "yuv422p10le", "mov"), ("libx264", "yuv420p", "mp4"), ("libx264", "yuv420p", "mkv")],
)
def test_a_cut_movie_is_refused_or_shorter_by_its_own_word(tmp_path: Path, codec: str, fmt: str, suffix: str) -> None:
    encode(tmp_path / f"a.{suffix}", codec, fmt)
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.97):
        (tmp_path / f"b.{suffix}").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError) as error:
            Movie.open(tmp_path / f"b.{suffix}")
        assert "\n" not in str(error.value)


def test_real_movies(shared_data: Path) -> None:
    sequence = FrameSequence.find("plates/sam2_juggle/05_default_juggle.mp4", shared_data, first_frame=1001)
    assert len(sequence.frames) == 247 and sequence.info(1001).frame_rate == 24
    stills = FrameSequence.find("plates/sam2_juggle/frames", shared_data)
    for frame in (1040, 1003, 1020):
        image, still = sequence.read(frame)[0], stills.read(frame)[0]
        neighbour = stills.read(frame + 1)[0]
        assert np.abs(image - still).mean() < 0.02  # the stills are JPEG at quality 86
        assert np.abs(image - still).mean() < np.abs(image - neighbour).mean()
    phone = FrameSequence.find("plates/park_handheld/sample-5s.mp4", shared_data)
    assert len(phone.frames) == 171 and phone.info(1).size_px == (1920, 1080)


def test_every_frame_of_a_real_movie_is_the_one_a_straight_run_gives(shared_data: Path) -> None:
    path = shared_data / "plates/sam2_juggle/05_default_juggle.mp4"
    movie = Movie.open(path)
    wanted = {3, 60, 61, 130, 200}
    with av.open(str(path)) as container:
        run = {k: f.to_ndarray()[:720] for k, f in enumerate(container.decode(video=0)) if k in wanted}
    for index in (200, 3, 130, 61, 60):
        frame = movie._decode(index)
        assert np.array_equal(frame.to_ndarray()[:720], run[index])
