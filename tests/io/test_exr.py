"""EXR out and in: bit for bit, with OpenImageIO as the other opinion."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import InputError
from composer.io.exr import Chromaticities, ExrPart, read_exr_parts, read_header, write_exr
from composer.io.image import read_channels, read_image, read_info
from composer.io.timecode import Timecode
from composer.io.window import Window

SIZE = (37, 23)
ACESCG = Chromaticities((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), (0.32168, 0.33767))


def some_parts(compression: str = "zip") -> list[ExrPart]:
    rng = np.random.default_rng(5)
    half = {c: rng.normal(size=(23, 37)).astype(np.float16) for c in "RGBA"}
    window = Window(5, 3, 11, 9)
    crypto = {c: rng.integers(0, 2**32, (9, 11), dtype=np.uint64).astype(np.uint32).view(np.float32) for c in "RGBA"}
    return [
        ExrPart("rgba", half, None, compression),
        ExrPart("depth", {"Z": np.full((23, 37), np.inf, np.float32)}, None, compression, {"kind": "planar"}),
        ExrPart("crypto_agent00", crypto, window, compression),
        ExrPart("ids", {"id": np.arange(99, dtype=np.uint32).reshape(9, 11) + 2**31}, window, compression),
    ]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("compression", ["zip", "zips", "piz", "rle", "none"])
def test_parts_come_back_bit_for_bit(tmp_path: Path, compression: str) -> None:
    parts = some_parts(compression)
    write_exr(tmp_path / "a.exr", parts, SIZE)
    back = read_exr_parts(tmp_path / "a.exr")
    assert [p.name for p in back] == [p.name for p in parts]
    for wrote, read in zip(parts, back, strict=True):
        assert read.window == (wrote.window or Window(0, 0, *SIZE))
        assert read.compression == compression
        assert set(read.channels) == set(wrote.channels)
        assert all(same_bits(read.channels[n], wrote.channels[n]) for n in wrote.channels)


def test_openimageio_reads_parts_windows_and_attributes(tmp_path: Path) -> None:
    matrix = np.arange(16, dtype=np.float32).reshape(4, 4)
    attributes = {
        "framesPerSecond": Fraction(24000, 1001),
        "timeCode": Timecode(1, 2, 3, 4),
        "chromaticities": ACESCG,
        "worldToCamera": matrix,
        "muster:seed": 7,
        "muster:shot": "valley_010",
        "muster:exposure": 0.5,
        "adoptedNeutral": (0.32168, 0.33767),
        "muster:tags": ("a", "b"),
    }
    parts = some_parts()
    write_exr(tmp_path / "a.exr", parts, SIZE, attributes, pixel_aspect=2.0)
    source = oiio.ImageInput.open(str(tmp_path / "a.exr"))
    for index, part in enumerate(parts):
        assert source.seek_subimage(index, 0)
        spec = source.spec()
        window = part.window or Window(0, 0, *SIZE)
        assert (spec.x, spec.y, spec.width, spec.height) == (window.x, window.y, window.width, window.height)
        assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (0, 0, *SIZE)
        assert spec.getattribute("oiio:subimagename") == part.name
        assert spec.get_float_attribute("PixelAspectRatio") == 2.0
        assert spec.getattribute("muster:seed") == 7 and spec.getattribute("muster:shot") == "valley_010"
        assert spec.getattribute("muster:exposure") == 0.5
        assert spec.getattribute("smpte:TimeCode")[0] == 0x01020304  # BCD, SMPTE ST 12-1
        assert np.allclose(spec.getattribute("chromaticities"), ACESCG.values())
        assert np.array_equal(np.reshape(spec.getattribute("worldToCamera"), (4, 4)), matrix)
        pixels = source.read_image("float" if "id" not in part.channels else "uint")
        for k, name in enumerate(spec.channelnames):
            assert np.array_equal(
                pixels[..., k], part.channels[name.removeprefix(part.name + ".")].astype(pixels.dtype), equal_nan=True
            )
    assert read_exr_parts(tmp_path / "a.exr")[1].attributes["kind"] == "planar"


def test_attributes_come_back(tmp_path: Path) -> None:
    attributes = {
        "framesPerSecond": Fraction(24000, 1001),
        "timeCode": Timecode(23, 59, 58, 29, True),
        "chromaticities": ACESCG,
        "m": np.eye(4, dtype=np.float32) * 3,
        "text": "dünn",
        "number": -3,
        "real": 0.25,
        "pair": (1.5, 2.5),
        "triple": (1.0, 2.0, 3.0),
        "names": ("a", "bc"),
        "yes": True,
        "numpy": np.float32(0.5),
    }
    write_exr(tmp_path / "a.exr", some_parts()[:1], SIZE, attributes)
    back = read_exr_parts(tmp_path / "a.exr")[0].attributes
    assert back["framesPerSecond"] == Fraction(24000, 1001)
    assert back["timeCode"] == Timecode(23, 59, 58, 29, True)
    assert isinstance(back["chromaticities"], Chromaticities) and back["chromaticities"].close_to(ACESCG, 1e-6)
    assert np.array_equal(back["m"], np.eye(4) * 3)  # type: ignore[arg-type]
    for name in ("text", "number", "real", "pair", "triple", "names"):
        assert back[name] == attributes[name]
    assert back["yes"] == 1 and back["numpy"] == 0.5
    info = read_info(tmp_path / "a.exr")
    assert (info.frame_rate, info.timecode, info.colorspace) == (Fraction(24000, 1001), "23:59:58;29", "ACEScg")


def test_views_of_larger_arrays_are_written_right(tmp_path: Path) -> None:
    big = np.random.default_rng(1).normal(size=(60, 80, 4)).astype(np.float32)
    view = big[5:28, 7:44]
    assert not view[..., 1].flags.c_contiguous
    write_exr(tmp_path / "a.exr", [ExrPart("", {c: view[..., k] for k, c in enumerate("RGBA")})], SIZE)
    image, _ = read_image(tmp_path / "a.exr")
    assert np.array_equal(image, view)


def test_the_callers_dicts_stay_as_they_are(tmp_path: Path) -> None:
    channels, attributes = {"R": np.zeros((23, 37), np.float16)}, {"a": 1}
    write_exr(tmp_path / "a.exr", [ExrPart("x", channels, attributes=attributes)], SIZE, attributes)
    assert list(channels) == ["R"] and isinstance(channels["R"], np.ndarray) and attributes == {"a": 1}


@pytest.mark.parametrize(
    "part",
    [
        ExrPart("x", {}),
        ExrPart("x", {"R": np.zeros((5, 5), np.float16)}),
        ExrPart("x", {"R": np.zeros((23, 37), np.float64)}),
        ExrPart("x", {"R": np.zeros((23, 37, 1), np.float16)}),
        ExrPart("x", {"R": np.zeros((23, 37), np.float16)}, compression="dwaa"),
        ExrPart("x", {"R": np.zeros((0, 37), np.float16)}, Window(0, 0, 37, 0)),
        ExrPart("x", {"R": np.zeros((23, 37), np.float16)}, attributes={"a": object()}),
        ExrPart("x", {"R": np.zeros((23, 37), np.float16)}, attributes={"timeCode": Timecode(0, 0, 0, 47)}),
        ExrPart("x", {"R": np.zeros((23, 37), np.float16)}, attributes={"channels": "mine"}),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, part: ExrPart) -> None:
    with pytest.raises(InputError):
        write_exr(tmp_path / "a.exr", [part], SIZE)
    assert os.listdir(tmp_path) == []


def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    part = some_parts()[0]
    with pytest.raises(InputError, match="names"):
        write_exr(tmp_path / "a.exr", [part, part], SIZE)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_is_seen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A file that ends early is always refused: header, table or pixels."""
    folder = tmp_path_factory.mktemp("cut")
    write_exr(folder / "a.exr", some_parts("piz"), SIZE)
    whole = (folder / "a.exr").read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    (folder / "b.exr").write_bytes(whole[:length])
    with pytest.raises(InputError) as error:
        read_exr_parts(folder / "b.exr")
    assert "\n" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_gives_a_picture_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("byte")
    write_exr(folder / "a.exr", some_parts("zip"), SIZE)
    changed = bytearray((folder / "a.exr").read_bytes())
    changed[place % len(changed)] = value
    (folder / "b.exr").write_bytes(changed)
    try:
        parts = read_exr_parts(folder / "b.exr")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(parts) == 4


def test_swapped_and_missing_chunks_are_seen(tmp_path: Path) -> None:
    write_exr(
        tmp_path / "a.exr", [ExrPart("", {"Y": np.random.default_rng(0).random((64, 64)).astype(np.float32)})], (64, 64)
    )
    whole = bytearray((tmp_path / "a.exr").read_bytes())
    table = _table(tmp_path / "a.exr")
    first, second = whole[table : table + 8], whole[table + 8 : table + 16]
    for name, change in (("swapped", second + first), ("missing", first + bytes(8)), ("doubled", first + first)):
        bad = bytearray(whole)
        bad[table : table + 16] = change
        (tmp_path / f"{name}.exr").write_bytes(bad)
        with pytest.raises(InputError, match="chunk"):
            read_exr_parts(tmp_path / f"{name}.exr")


def test_pixels_that_do_not_decode_give_one_line_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_exr(tmp_path / "a.exr", [ExrPart("", {"Y": np.zeros((64, 64), np.float32)})], (64, 64))
    bad = bytearray((tmp_path / "a.exr").read_bytes())
    bad[-20:] = bytes(range(20))
    (tmp_path / "a.exr").write_bytes(bad)
    with pytest.raises(InputError, match="cannot be decoded"):
        read_exr_parts(tmp_path / "a.exr")
    assert capfd.readouterr() == ("", "")


def test_what_others_print_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    from composer.io.quiet import caught_output

    with caught_output() as said:
        os.write(2, b"hello\n")
        print("there")
    assert said == ["hello", "there"] and capfd.readouterr() == ("there\n", "hello\n")
    with pytest.raises(ValueError), caught_output() as said:
        os.write(2, b"noise\n")
        print("more")
        raise ValueError
    assert said == ["noise"] and capfd.readouterr() == ("", "")


def _table(path: Path) -> int:
    from composer.io import exr_header

    return exr_header.parse(memoryview(path.read_bytes()), path).end


def test_half_values_are_exact_in_float32(shared_data: Path) -> None:
    """All 65,536 half bit patterns, NaN payloads apart."""
    path = shared_data / "exr/openexr-images/TestImages/AllHalfValues.exr"
    image, info = read_image(path)
    stored = read_exr_parts(path)[0].channels["R"]
    assert len(np.unique(stored.view(np.uint16))) == 65536
    assert np.array_equal(image[..., 0], stored.astype(np.float32), equal_nan=True)
    other = oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT)
    assert np.array_equal(image, other, equal_nan=True)
    assert any("6138 NaN and 6 infinite" in n for n in info.notes)


def test_channels_by_name(tmp_path: Path) -> None:
    parts = some_parts()
    write_exr(tmp_path / "a.exr", parts, SIZE)
    planes = read_channels(tmp_path / "a.exr", ["rgba.G", "Z", "ids.id", "crypto_agent00.R"])
    assert np.array_equal(planes["rgba.G"], parts[0].channels["G"].astype(np.float32))
    assert planes["ids.id"].dtype == np.uint32 and planes["ids.id"].shape == (23, 37)
    assert np.array_equal(planes["ids.id"][3:12, 5:16], parts[3].channels["id"])
    assert planes["ids.id"].sum(dtype=np.uint64) == parts[3].channels["id"].sum(dtype=np.uint64)
    assert same_bits(np.ascontiguousarray(planes["crypto_agent00.R"][3:12, 5:16]), parts[2].channels["R"])
    with pytest.raises(InputError, match=r"rgba\.R"):
        read_channels(tmp_path / "a.exr", ["rgba.Q"])


def test_header_alone_proves_the_file(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", some_parts(), SIZE)
    header = read_header(tmp_path / "a.exr")
    assert header.multipart and [p.name for p in header.parts] == ["rgba", "depth", "crypto_agent00", "ids"]
