"""Deep files of our own, read back: the same samples; damage is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import InputError
from composer.io.exr_deep import DeepImage, write_deep_exr
from composer.io.exr_deep_read import read_deep_exr
from composer.io.window import Window


def image(seed: int, window: Window, most: int = 5) -> DeepImage:
    rng = np.random.default_rng(seed)
    start = np.concatenate([[0], np.cumsum(rng.integers(0, most + 1, window.width * window.height))]).astype(np.int64)
    n = int(start[-1])
    channels = {
        "R": rng.uniform(-1, 9, n).astype(np.float16),
        "A": np.full(n, 0.5, np.float16),
        "Z": rng.uniform(1, 99, n).astype(np.float32),
        "id": rng.integers(0, 2**32, n).astype(np.uint32),
    }
    return DeepImage(window, start, channels)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12), st.sampled_from([0, 1, 6]))
def test_what_was_written_is_read(tmp_path_factory, seed: int, width: int, height: int, most: int) -> None:
    written = image(seed, Window(3, 2, width, height), most)
    path = tmp_path_factory.mktemp("deep") / "a.exr"
    write_deep_exr(path, "deep", written, (64, 32))
    read = read_deep_exr(path)
    assert read.window == written.window and np.array_equal(read.start, written.start)
    assert set(read.channels) == set(written.channels)
    for name, values in written.channels.items():
        assert read.channels[name].dtype == values.dtype and np.array_equal(read.channels[name], values), name


def test_damage_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_deep_exr(path, "deep", image(1, Window(0, 0, 20, 10)), (20, 10))
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    bad = tmp_path / "b.exr"
    for at in rng.integers(0, len(data), 120).tolist():
        bad.write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        try:
            read_deep_exr(bad)
        except InputError:
            continue
    for cut in (0, 7, 100, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:cut])
        with pytest.raises(InputError):
            read_deep_exr(bad)
    with pytest.raises(InputError, match="cannot be read"):
        read_deep_exr(tmp_path / "gone.exr")


def test_flat_files_are_refused(tmp_path: Path) -> None:
    from composer.io.exr import ExrPart, write_exr

    path = tmp_path / "flat.exr"
    write_exr(path, [ExrPart("rgba", {"R": np.zeros((4, 4), np.float16)})], (4, 4))
    with pytest.raises(InputError, match="not a deep file that Muster wrote"):
        read_deep_exr(path)
