"""Deep scanline EXR, read back by OpenImageIO and by the OpenEXR package, which share no code with the writer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from composer.errors import InputError
from composer.io.exr import read_exr_parts
from composer.io.exr_attributes import Chromaticities
from composer.io.exr_deep import DeepImage, write_deep_exr
from composer.io.timecode import Timecode
from composer.io.window import Window

SIZE = (50, 30)


def _image(seed: int = 1, busy: float = 1.0) -> DeepImage:
    rng = np.random.default_rng(seed)
    window = Window(7, 4, 33, 21)
    count = rng.poisson(busy, window.width * window.height)
    count[: 2 * window.width] = 0  # scanlines without a sample
    e = int(count.sum())
    channels = {
        "Z": np.sort(rng.uniform(1, 99, e)).astype(np.float32),
        "id": rng.integers(0, 2**32, e, dtype=np.uint32),
        "A": rng.uniform(0, 1, e).astype(np.float16),
        "R": np.full(e, 0.25, np.float16),
    }
    return DeepImage(window, np.concatenate([[0], np.cumsum(count)]).astype(np.int64), channels)


@pytest.mark.parametrize("busy", [0.0, 0.3, 4.0])
def test_openimageio_reads_every_sample(tmp_path: Path, busy: float) -> None:
    path, image = tmp_path / "a.exr", _image(busy=busy)
    write_deep_exr(path, "deep", image, SIZE, {}, 2.0)
    source = oiio.ImageInput.open(str(path))
    spec = source.spec()
    assert spec.deep and spec["name"] == "deep" and spec.getattribute("PixelAspectRatio") == 2.0
    w = image.window
    assert (spec.x, spec.y, spec.width, spec.height) == (w.x, w.y, w.width, w.height)
    assert (spec.full_width, spec.full_height) == SIZE
    deep = source.read_native_deep_image()
    assert deep is not None, source.geterror()
    names = list(spec.channelnames)
    assert set(names) == set(image.channels)
    count = np.diff(image.start)
    assert [deep.samples(p) for p in range(w.width * w.height)] == count.tolist()
    for name, values in image.channels.items():
        c = names.index(name)
        read = deep.deep_value_uint if name == "id" else deep.deep_value
        got = [read(p, c, s) for p in range(w.width * w.height) for s in range(count[p])]
        assert np.array_equal(np.array(got, dtype=values.dtype), values), name


def test_the_openexr_package_reads_every_sample_and_attribute(tmp_path: Path) -> None:
    path, image = tmp_path / "a.exr", _image(seed=2)
    colours = Chromaticities((0.7, 0.3), (0.2, 0.8), (0.1, 0.05), (0.32, 0.33))
    attributes = {
        "muster:a name that is longer than thirty-one bytes": "gr\u00fcn",
        "framesPerSecond": Fraction(24000, 1001),
        "chromaticities": colours,
        "timeCode": Timecode(1, 2, 3, 4),
        "worldToCamera": np.arange(16, dtype=np.float32).reshape(4, 4),
        "muster:frame": 1003,
        "muster:scale": 0.5,
    }
    write_deep_exr(path, "deep", image, SIZE, attributes)
    with OpenEXR.File(str(path), separate_channels=True) as file:
        part = file.parts[0]
        head = part.header
        assert part.type() == OpenEXR.deepscanline and head["maxSamplesPerPixel"] == np.diff(image.start).max()
        for name, values in image.channels.items():
            pixels = part.channels[name].pixels.ravel()
            got = np.concatenate([p for p in pixels if p is not None])
            assert got.dtype == values.dtype and np.array_equal(got, values), name
        assert head["muster:a name that is longer than thirty-one bytes"] == "gr\u00fcn"
        assert head["framesPerSecond"] == Fraction(24000, 1001) and head["muster:frame"] == 1003
        assert np.allclose(head["chromaticities"], colours.values())
        assert np.array_equal(head["worldToCamera"], attributes["worldToCamera"]) and head["muster:scale"] == 0.5
        code = head["timeCode"]
        assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 2, 3, 4)


def test_the_same_samples_give_the_same_file_and_flat_readers_say_no(tmp_path: Path) -> None:
    for name in "ab":
        write_deep_exr(tmp_path / f"{name}.exr", "deep", _image(seed=3), SIZE)
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    with pytest.raises(InputError, match="deep"):
        read_exr_parts(tmp_path / "a.exr")


def test_arrays_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    good, path = _image(), tmp_path / "a.exr"
    short = DeepImage(good.window, good.start[:-1], good.channels)
    wrong = DeepImage(good.window, good.start, {**good.channels, "Z": good.channels["Z"].astype(np.float64)})
    fewer = DeepImage(good.window, good.start, {"Z": good.channels["Z"][1:]})
    for image in (short, wrong, fewer, DeepImage(good.window, good.start, {})):
        with pytest.raises(InputError):
            write_deep_exr(path, "deep", image, SIZE)
    with pytest.raises(InputError, match="cannot be stored"):
        write_deep_exr(path, "deep", good, SIZE, {"muster:x": b"bytes"})
    with pytest.raises(InputError, match="belong to the file"):
        write_deep_exr(path, "deep", good, SIZE, {"channels": "R"})
    assert list(tmp_path.iterdir()) == []
