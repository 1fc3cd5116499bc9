"""Versions side by side: where they differ most is found, and everybody has a column."""

from __future__ import annotations

import numpy as np

from composer.color.spaces import ColorManager
from composer.deliver.compare import comparison, piece_that_differs
from composer.io.exr import ExrPart


def test_the_piece_in_which_they_differ_most() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 1, (80, 120, 3)).astype(np.float32)
    b = a.copy()
    b[50:60, 90:110] += 0.5
    b[0, 0] += 0.1
    rows, columns = piece_that_differs([a, b, a])
    assert (rows.stop - rows.start, columns.stop - columns.start) == (20, 30)
    assert rows.start <= 50 and rows.stop >= 60 and columns.start <= 90 and columns.stop >= 110
    assert piece_that_differs([a, a]) == (slice(30, 50), slice(45, 75))
    b[3, 3] = np.nan
    assert piece_that_differs([a, b])[0].stop <= 80


def test_a_column_for_each_however_small_the_pictures() -> None:
    tags = {"muster:colorspace": "ACEScg", "muster:bundle": "one", "muster:paint_seed": "3"}
    versions = [
        {"rgba": ExrPart("rgba", {c: np.full((18, 32), v, np.float16) for c in "RGB"}, None, "zip", tags)}
        for v in (0.02, 0.6)
    ]
    sheet = comparison(versions, ["v001_one", "v001_two"], ColorManager.open(), 640)
    assert sheet.shape[1] == 640 and sheet.dtype == np.uint8
    left, right = sheet[20:180, 60:250].mean(), sheet[20:180, 400:600].mean()
    assert left < 80 < right
