"""Finding frames by pattern, folder, still and movie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import InputError
from composer.io.exr import ExrPart, write_exr
from composer.io.sequence import FrameSequence


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def small_exr(path: Path, value: float) -> None:
    write_exr(path, [ExrPart("", {c: np.full((2, 3), value, np.float16) for c in "RGB"})], (3, 2))


@pytest.mark.parametrize("pattern", ["a.####.exr", "a.%04d.exr", "."])
def test_patterns_and_folder_agree(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "a.0998.exr", "a.0999.exr", "a.1001.exr", "a.10000.exr", "a.exr.txt", ".a.0997.exr")
    found = FrameSequence.find(pattern, tmp_path)
    assert found.frames == (998, 999, 1001, 10000)
    assert found.missing[0] == 1000 and len(found.missing) == 10000 - 998 + 1 - 4
    assert found.path(10000).name == "a.10000.exr" and found.pattern.endswith("a.####.exr")
    assert not found.is_movie and not found.is_still and found.extra == ()


def test_other_padding_is_extra(tmp_path: Path) -> None:
    touch(tmp_path, "a.0001.png", "a.0002.png", "a.3.png", "a.00004.png")
    found = FrameSequence.find("a.####.png", tmp_path)
    assert found.frames == (1, 2) and [p.name for p in found.extra] == ["a.00004.png", "a.3.png"]
    with pytest.raises(InputError, match="another padding"):
        FrameSequence.find("a.######.png", tmp_path)


def test_unpadded_numbers(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a.{n}.png" for n in range(8, 13)))
    assert FrameSequence.find("a.#.png", tmp_path).frames == tuple(range(8, 13))
    assert FrameSequence.find("a.%d.png", tmp_path).frames == tuple(range(8, 13))
    assert FrameSequence.find(tmp_path, tmp_path).frames == tuple(range(8, 13))


def test_the_last_number_counts(tmp_path: Path) -> None:
    touch(tmp_path, "100_7100.jpg", "100_7101.jpg", "100_7103.jpg", "notes.txt")
    found = FrameSequence.find(tmp_path, Path("/"))
    assert found.frames == (7100, 7101, 7103) and found.missing == (7102,)


def test_first_frame_renumbers_and_says_so(tmp_path: Path) -> None:
    for n in (7, 8):
        small_exr(tmp_path / f"a.{n:04d}.exr", n)
    found = FrameSequence.find("a.####.exr", tmp_path, first_frame=1001)
    assert found.frames == (1001, 1002) and found.file_offset == 994 and found.notes
    assert found.read(1002)[0].max() == 8


def test_a_still_stands_for_every_frame(tmp_path: Path) -> None:
    small_exr(tmp_path / "still.0042.exr", 3)
    found = FrameSequence.find("still.0042.exr", tmp_path)
    assert found.is_still and found.frames == (42,)
    assert found.read(42)[0].max() == found.read(5000)[0].max() == 3
    assert FrameSequence.find("still.0042.exr", tmp_path, first_frame=1001).frames == (1001,)


@pytest.mark.parametrize(
    ("names", "pattern", "word"),
    [
        (["a.0001.exr", "b.0001.exr"], ".", "2 sequences"),
        (["a.txt"], ".", "no pictures"),
        (["a.exr"], ".", "no numbered pictures"),
        (["a.0001.exr"], "b.####.exr", "no frames"),
        (["plate.0001.exr"], "plaet.####.exr", r"did you mean plate\.0001\.exr"),
        (["plate.0001.exr"], "nowhere/a.####.exr", "no such folder"),
        (["plate.exr"], "plat.exr", r"did you mean plate\.exr"),
        (["a.0001.exr"], "a.%4d.exr", "blanks"),
        (["a.0001.exr"], "####.####.exr", "several"),
        (["a.0000000001.exr"], "a.#.exr", "no frames"),
    ],
)
def test_what_cannot_be_found(tmp_path: Path, names: list[str], pattern: str, word: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=word):
        FrameSequence.find(pattern, tmp_path)


def test_frames_that_do_not_exist(tmp_path: Path) -> None:
    touch(tmp_path, "a.0001.exr", "a.0003.exr")
    found = FrameSequence.find("a.####.exr", tmp_path)
    with pytest.raises(InputError, match="frame 2"):
        found.path(2)
    with pytest.raises(InputError, match=r"frame 1.*too short"):
        found.read(1)


def test_real_folders(shared_data: Path) -> None:
    found = FrameSequence.find("plates/sceaux_castle/images", shared_data)
    assert found.frames == tuple(range(7100, 7111)) and found.pattern.endswith("100_####.jpg")
    assert found.info(7105).size_px == (2832, 2128)
    assert len(FrameSequence.find("plates/davis_tennis/mask", shared_data).frames) == 70


@settings(max_examples=30, deadline=None)
@given(numbers=st.sets(st.integers(0, 12000), min_size=1, max_size=12), padding=st.integers(1, 6))
def test_holes_and_frames_make_a_whole(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], padding: int
) -> None:
    folder = tmp_path_factory.mktemp("seq")
    touch(folder, *(f"x{n:0{padding}d}.tif" for n in numbers))
    found = FrameSequence.find(f"x{'#' * padding}.tif", folder)
    assert set(found.frames) == numbers and list(found.frames) == sorted(numbers)
    assert set(found.frames) | set(found.missing) == set(range(min(numbers), max(numbers) + 1))
    assert not set(found.frames) & set(found.missing)
