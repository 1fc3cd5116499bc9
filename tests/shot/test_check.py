from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from composer.shot.check import check


def lines(path: Path, **known: tuple[str, ...]) -> list[str]:
    return [e.line().replace(str(path.parent) + "/", "") for e in check(path, **known)]


def test_a_good_shot_has_no_mistakes(tiny: Path) -> None:
    before = sorted(p.name for p in tiny.parent.iterdir())
    assert lines(tiny) == []
    assert sorted(p.name for p in tiny.parent.iterdir()) == before


@pytest.mark.parametrize("name", ["sceaux", "juggle", "crissy", "park"])
def test_the_real_shots_have_no_mistakes(real_shot: Callable[[str], str], tmp_path: Path, name: str) -> None:
    path = tmp_path / "shot.yaml"
    path.write_text(real_shot(name))
    assert lines(path) == []


def test_everything_at_once(tiny: Path) -> None:
    folder = tiny.parent
    cv2.imwrite(str(folder / "plate.1002.png"), np.zeros((64, 80, 3), np.uint8))
    (folder / "plate.1003.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    cv2.imwrite(str(folder / "plate.00002.png"), np.zeros((64, 96, 3), np.uint8))
    cv2.imwrite(str(folder / "man.png"), np.zeros((10, 10), np.uint8))
    text = tiny.read_text().replace("[[-2, -6], [2, -6], [2, -12], [-2, -12]]", "[[-2, 6], [2, 6], [2, 12], [-2, 12]]")
    text += "      clip: idel\n      kits: {spearman: 1}\n"
    text += "holdouts: [{matte: man.png}, {matte: none.png}]\nclips: [{name: w, bvh: w.bvh}]\n"
    tiny.write_text(text)
    told = "\n".join(lines(tiny, known_clips=("idle", "march"), known_kits=("swordsman",)))
    for words in (
        "shot.yaml:3:9 frame 1002: plate.path: plate.1002.png: the size changes: expected 96 x 64, got 80 x 64",
        "shot.yaml:3:9 frame 1003: plate.path: plate.1003.png: damaged",
        "extra files look like frames of the plate: got plate.00002.png",
        "crowd.regions.0.polygon_m: the region is behind the camera in every frame",
        "crowd.regions.0.clip: unknown clip: expected idle, march, w, got idel; did you mean idle?",
        "crowd.regions.0.kits.spearman: unknown kit",
        "holdouts.0.matte: man.png: not the plate's size",
        "holdouts.1.matte: none.png: no such file",
        "clips.0.bvh: w.bvh: no such file",
    ):
        assert words in told, f"{words}\n--\n{told}"
    assert all(line.startswith("shot.yaml:") for line in told.splitlines())


def test_a_hole_in_the_plate_and_frames_that_are_not_there(tiny: Path) -> None:
    (tiny.parent / "plate.1002.png").unlink()
    assert lines(tiny) == [
        "shot.yaml:3:9: plate.path: frames are missing from the plate: got 1002; "
        "give plate.frames if that is as it should be"
    ]
    tiny.write_text(tiny.read_text().replace("colorspace: sRGB", "frames: 1001-1005, colorspace: sRGB"))
    (line,) = lines(tiny)
    assert "plate.frames: frames are missing from the plate: expected 1001-1005, got no 1002, 1004-1005" in line


def test_an_unknown_colour_space_and_camera_file(tiny: Path) -> None:
    text = tiny.read_text().replace("colorspace: sRGB", "colorspace: sRBG")
    text = text.replace(
        "{locked: {focal_mm: 36, filmback_mm: [36, 24], height_m: 2.0, tilt_deg: -10}}",
        "{path: cam.nk}\nground: {plane: {}}",
    )
    tiny.write_text(text)
    told = lines(tiny)
    assert len(told) == 2
    assert "plate.colorspace: unknown colour space" in told[0] and "camera.path: cam.nk: no such file" in told[1]


def test_a_camera_that_is_too_short(tiny: Path) -> None:
    (tiny.parent / "cam.chan").write_text("1001 0 2 0 -10 0 0 36\n1002 0 2 0 -10 0 0 36\n")
    text = tiny.read_text().replace(
        "{locked: {focal_mm: 36, filmback_mm: [36, 24], height_m: 2.0, tilt_deg: -10}}",
        "{path: cam.chan, rotation_order: ZXY, filmback_mm: [36, 24], focal_mm: 36}\nground: {plane: {}}",
    )
    tiny.write_text(text)
    (line,) = lines(tiny)
    assert "camera: the camera is too short: expected frames 1001-1003, got 1001-1002, none for 1003" in line


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        ("polygon_px: {frame: 1001, points: [[10, 2], [60, 2], [40, 4]]}", "does not come down on the ground"),
        ("polygon_px: {frame: 900, points: [[10, 50], [60, 50], [40, 60]]}", "the camera has no such frame"),
        ("polygon_m: [[90, -5], [95, -5], [95, -6]]", "never in the picture"),
        ("polygon_m: [[0, -5], [1, -6], [2, -7]]", "no area"),
    ],
)
def test_regions_that_cannot_be_stood_on(tiny: Path, polygon: str, words: str) -> None:
    tiny.write_text(tiny.read_text().replace("polygon_m: [[-2, -6], [2, -6], [2, -12], [-2, -12]]", polygon))
    told = lines(tiny)
    assert len(told) == 1 and words in told[0] and "crowd.regions.0" in told[0]


def test_a_broken_file_is_told_and_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "shot.yaml"
    path.write_text("muster: 1\nshot: x\nplate: {pth: y}\n")
    told = lines(path)
    assert len(told) == 4 and any("did you mean path?" in line for line in told)
