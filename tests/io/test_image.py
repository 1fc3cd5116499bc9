"""Every picture of the collection against OpenImageIO, and integer formats against what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.errors import InputError
from composer.io.image import read_channels, read_image, read_info
from composer.io.window import Window

DEEP = ("tinydeep", "deep-nosamples", "deepalpha", "manifest", "Balls", "Trunks")
PARTIAL = ("missingcolor__partial",)
ODD = ("WideFloatRange", "cryptomatte__cryptoasset")
EXR = "exr"


def exr_files(shared_data: Path) -> list[Path]:
    files = sorted((shared_data / EXR).rglob("*.exr"))
    assert len(files) >= 40
    return files


def oracle(path: Path) -> tuple[np.ndarray, list[str], oiio.ImageSpec]:
    """The first part over the display window, as OpenImageIO sees it."""
    buf = oiio.ImageBuf(str(path), 0, 0)
    spec = buf.spec()
    roi = oiio.ROI(
        spec.full_x, spec.full_x + spec.full_width, spec.full_y, spec.full_y + spec.full_height, 0, 1, 0, spec.nchannels
    )
    return buf.get_pixels(oiio.FLOAT, roi), list(spec.channelnames), spec


def test_every_flat_exr_agrees_with_openimageio(shared_data: Path) -> None:
    compared = 0
    for path in exr_files(shared_data):
        if any(word in path.name for word in DEEP + PARTIAL + ODD):
            continue
        image, info = read_image(path)
        if "RY" in info.channels:
            continue  # OpenImageIO does not read them: test_luminance_chroma
        expected, names, spec = oracle(path)
        assert info.size_px == (spec.full_width, spec.full_height) == image.shape[1::-1], path
        assert info.data == Window(spec.x - spec.full_x, spec.y - spec.full_y, spec.width, spec.height), path
        assert image.dtype == np.float32
        pick = [names.index(n) for n in ("RGBA"[: image.shape[2]] if "R" in names else "YYY")]
        assert np.array_equal(image, expected[..., pick], equal_nan=True), path
        compared += 1
    assert compared >= 28


def test_deep_is_refused_with_a_reason(shared_data: Path) -> None:
    deep = [p for p in exr_files(shared_data) if any(w in p.name for w in DEEP)]
    assert len(deep) == 6
    for path in deep:
        with pytest.raises(InputError, match=r"deep EXR.*flatten"):
            read_image(path)
        with pytest.raises(InputError, match="deep EXR"):
            read_info(path)


def test_a_picture_with_missing_lines_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match="6 of 16 chunks are missing"):
        read_image(shared_data / "exr/oiio/missingcolor__partial.exr")


def test_luminance_chroma_is_the_picture(shared_data: Path) -> None:
    """Rec709_YC is Rec709 stored as luminance and chroma: decoding it must give that picture back, up to what
    subsampled chroma in half float loses."""
    folder = shared_data / "exr/openexr-images/Chromaticities"
    decoded, info = read_image(folder / "Rec709_YC.exr")
    full, _ = read_image(folder / "Rec709.exr")
    assert decoded.shape == full.shape and "luminance-chroma decoded to RGB" in info.notes
    luminance = np.array([0.2126, 0.7152, 0.0722], np.float32)
    y = full @ luminance
    assert (np.abs(decoded @ luminance - y) <= y / 128 + 1e-4).all()  # the writer keeps 8 bits of luminance
    assert np.median(np.abs(decoded - full)) < 2e-3
    assert np.abs(decoded - full).mean() < 6.5e-3


def test_crissy_field_agrees_with_its_bilinear_copy(shared_data: Path) -> None:
    folder = shared_data / "plates/crissy_field_still"
    decoded, info = read_image(folder / "CrissyField.exr")
    copy, _ = read_image(folder / "CrissyField_rgb_half.exr")
    assert info.size_px == (1218, 810)
    assert np.median(np.abs(decoded - copy) / (copy + 0.01)) < 0.03  # their chroma filters differ
    assert np.allclose(decoded.mean((0, 1)), copy.mean((0, 1)), rtol=0.003)
    assert decoded.max() > 1


def test_mip_map_gives_level_zero(shared_data: Path) -> None:
    image, info = read_image(shared_data / "exr/openexr-images/MultiResolution/ColorCodedLevels.exr")
    assert image.shape == (512, 512, 4) and any("level 0" in n for n in info.notes)


def test_views_and_layers_are_noted(shared_data: Path) -> None:
    root = shared_data / "exr/openexr-images"
    assert any("several views, 'right'" in n for n in read_info(root / "Beachball/singlepart.0001.exr").notes)
    info = read_info(root / "Beachball/multipart.0001.exr")
    assert "rgba_right.R" in info.channels and "depth_left.Z" in info.channels
    left = read_channels(root / "Beachball/multipart.0001.exr", ["depth_left.Z"])["depth_left.Z"]
    assert left.shape == (1556, 2048) and np.isfinite(left).all()


def test_a_part_without_picture_says_what_it_has(tmp_path: Path) -> None:
    from composer.io.exr import ExrPart, write_exr

    write_exr(tmp_path / "z.exr", [ExrPart("depth", {"Z": np.ones((4, 4), np.float32)})], (4, 4))
    with pytest.raises(InputError, match=r"no picture.*Z"):
        read_image(tmp_path / "z.exr")
    image, _ = read_image(tmp_path / "z.exr", ["Z"])
    assert image.shape == (4, 4, 1)


def write_with_oiio(path: Path, pixels: np.ndarray, kind: str, **attributes: object) -> None:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(pixels), out.geterror()
    out.close()


@pytest.mark.parametrize("suffix", ["png", "tif", "dpx"])
@pytest.mark.parametrize(("kind", "top"), [("uint8", 255), ("uint16", 65535)])
def test_integers_are_divided_by_their_largest_value(tmp_path: Path, suffix: str, kind: str, top: int) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, top + 1, (9, 13, 3)).astype(kind)
    pixels[0, 0], pixels[0, 1] = 0, top
    write_with_oiio(tmp_path / f"a.{suffix}", pixels, kind)
    image, info = read_image(tmp_path / f"a.{suffix}")
    assert np.array_equal(image, pixels.astype(np.float32) / np.float32(top))
    assert image[0, 0].max() == 0 and image[0, 1].min() == 1 and info.dtype == kind


@pytest.mark.parametrize("bits", [10, 12])
def test_ten_and_twelve_bits_are_exact_codes(tmp_path: Path, bits: int) -> None:
    top = 2**bits - 1
    codes = np.arange(3 * 12 * 8, dtype=np.uint16).reshape(8, 12, 3) * (top // 287)
    spread = (codes.astype(np.uint32) << (16 - bits) | codes >> (2 * bits - 16)).astype(np.uint16)
    write_with_oiio(tmp_path / "a.dpx", spread, "uint16", oiio__BitsPerSample=bits)
    image, info = read_image(tmp_path / "a.dpx")
    assert info.dtype == f"uint{bits}"
    assert np.array_equal(image, codes.astype(np.float32) / np.float32(top))


def test_dpx_from_nuke_against_its_own_bits(shared_data: Path) -> None:
    """Three 10-bit codes in each big-endian word, top down from bit 31."""
    path = shared_data / "exr/dpx/dpx_nuke_10bits_rgb.dpx"
    image, info = read_image(path)
    raw = path.read_bytes()
    start = int.from_bytes(raw[4:8], "big")
    words = np.frombuffer(raw, ">u4", 512 * 512, start).reshape(512, 512)
    codes = np.stack([words >> 22 & 1023, words >> 12 & 1023, words >> 2 & 1023], axis=-1)
    assert info.size_px == (512, 512)
    assert np.array_equal(image, codes.astype(np.float32) / np.float32(1023))


def test_cineon_against_its_own_bits(shared_data: Path) -> None:
    path = shared_data / "exr/dpx/checker.cin"
    image, info = read_image(path)
    raw = path.read_bytes()
    words = np.frombuffer(raw, ">u4", 160 * 90, int.from_bytes(raw[4:8], "big")).reshape(90, 160)
    codes = np.stack([words >> 22 & 1023, words >> 12 & 1023, words >> 2 & 1023], axis=-1)
    assert info.size_px == (160, 90)
    assert np.array_equal(image, codes.astype(np.float32) / np.float32(1023))


def test_float_tiff_and_grey(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32) * 100
    write_with_oiio(tmp_path / "a.tif", pixels, "float")
    assert np.array_equal(read_image(tmp_path / "a.tif")[0], pixels)
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7, 1)
    write_with_oiio(tmp_path / "g.png", grey, "uint8")
    image, info = read_image(tmp_path / "g.png")
    assert np.array_equal(image, np.repeat(grey, 3, -1).astype(np.float32) / np.float32(255)) and info.notes


def test_further_pages_are_noted(tmp_path: Path) -> None:
    from PIL import Image

    pages = [Image.fromarray(np.full((4, 5, 3), v, np.uint8)) for v in (10, 20)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    image, info = read_image(tmp_path / "a.tif")
    assert np.allclose(image * 255, 10) and any("pages" in n for n in info.notes)


def test_alpha_is_not_multiplied_in(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, 50
    write_with_oiio(tmp_path / "a.png", pixels, "uint8", oiio__UnassociatedAlpha=1)
    image, info = read_image(tmp_path / "a.png")
    assert np.allclose(image[0, 0] * 255, [200, 0, 0, 50]) and any("alpha" in n for n in info.notes)
    assert np.allclose(read_channels(tmp_path / "a.png", ["A"])["A"] * 255, 50)


def test_jpeg_is_what_another_decoder_sees(shared_data: Path) -> None:
    import cv2

    path = shared_data / "plates/sam2_juggle/frames/juggle.1001.jpg"
    image, _ = read_image(path)
    other = cv2.imread(str(path))[..., ::-1]
    assert np.abs(np.rint(image * 255) - other).max() <= 3  # decoders differ in rounding and chroma filter


@pytest.mark.parametrize("suffix", ["png", "tif", "dpx", "jpg", "hdr", "cin"])
def test_any_cut_is_seen(tmp_path: Path, shared_data: Path, suffix: str) -> None:
    if suffix == "cin":
        whole = (shared_data / "exr/dpx/checker.cin").read_bytes()[: 32768 + 160 * 90 * 4]  # the rest is padding
    else:
        rng = np.random.default_rng(0)
        kind = "float" if suffix == "hdr" else "uint8"
        pixels = (
            rng.random((40, 50, 3)).astype(np.float32)
            if kind == "float"
            else rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        )
        write_with_oiio(tmp_path / f"a.{suffix}", pixels, kind)
        whole = (tmp_path / f"a.{suffix}").read_bytes()
        read_image(tmp_path / f"a.{suffix}")
    for part in np.linspace(0, 0.98, 29):
        (tmp_path / f"b.{suffix}").write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputError) as error:
            read_image(tmp_path / f"b.{suffix}")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "tif", "dpx", "jpg"])
def test_changed_bytes_give_a_picture_or_one_line(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (24, 30, 3)).astype(np.uint8)
    write_with_oiio(tmp_path / f"a.{suffix}", pixels, "uint8")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    refused = 0
    for _ in range(120):
        bad = bytearray(whole)
        for place in rng.integers(0, min(len(bad), 3000), 3):
            bad[place] = rng.integers(256)
        (tmp_path / f"b.{suffix}").write_bytes(bad)
        try:
            read_image(tmp_path / f"b.{suffix}")
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused >= 3


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "no.exr")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)
