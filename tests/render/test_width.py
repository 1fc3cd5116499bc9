"""A smaller picture than the plate's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from composer.cli.main import main
from composer.errors import InputError
from composer.io.image import read_channels
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot


def test_the_plate_is_made_smaller_and_then_left_alone(make_shot: Callable[..., Path], tmp_path: Path) -> None:
    shot = load_shot(make_shot())
    whole = prepare_job(shot, tmp_path, load_quality("preview"), frames=[1001])
    wide, high = whole.scene.stage.plate.size_px
    job = prepare_job(shot, tmp_path, load_quality("preview"), frames=[1001], width_px=wide // 2)
    result = run_job(job)
    assert result.delivery.name == f"{shot.version}_w{wide // 2}"
    assert any(f"{wide // 2} x {high // 2}" in note for note in result.notes)
    assert json.loads(result.manifest.read_text())["size_px"] == [wide // 2, high // 2]
    assert not verify_delivery(result.delivery).findings
    plate = oiio.ImageBuf(str(next(shot.folder.glob("plate.1001.*")))).get_pixels(oiio.FLOAT)[..., :3]
    small = cv2.resize(plate, (wide // 2, high // 2), interpolation=cv2.INTER_AREA).astype(np.float16)
    made = oiio.ImageBuf(str(next((result.delivery / "exr").glob("*.exr")))).get_pixels(oiio.FLOAT)
    assert made.shape[:2] == (high // 2, wide // 2)
    same = (made[..., :3] == small.astype(np.float32)).all(-1)
    assert 0.2 < same.mean() < 1.0  # the crowd is somewhere, and the rest is the plate
    people, fewer = (j.scene.people.layout.agent_id for j in (whole, job))
    assert np.array_equal(people, fewer)  # the same people, from the same shot


LOOKS = {
    "plain": "",
    "edge": "match: {edge: {spread_px: 2.0}}",
    "grain": "match: {grain: {level: [0, 1], variance: [[4e-3, 4e-3], [4e-3, 4e-3], [4e-3, 4e-3]], size_px: 0}}",
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_smaller_crowd_is_as_sharp_and_as_grainy_as_the_picture_made_smaller(
    make_shot: Callable[..., Path], tmp_path: Path, look: str
) -> None:
    shot = make_shot()
    shot.write_text(f"{shot.read_text()}\n{look}\n")
    pictures = []
    for width in (None, 128):
        job = prepare_job(load_shot(shot), tmp_path, load_quality("preview"), frames=[1001], width_px=width)
        file = next((run_job(job).delivery / "exr").glob("*.exr"))
        crowd = read_channels(file, [f"crowd.{c}" for c in "RGBA"])
        pictures.append(np.stack(list(crowd.values()), -1))
    large, small = pictures
    wanted = cv2.resize(large, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    # drawn with as many samples a pixel, and so with a little more contrast than four times as many have
    inside = cv2.erode((wanted[..., 3] > 0.9).astype(np.uint8), np.ones((3, 3))) > 0
    fine = [float((p - cv2.blur(p, (3, 3)))[inside][:, :3].std()) for p in (small, wanted)]
    assert inside.sum() > 300 and fine[0] == pytest.approx(fine[1], rel=0.2)


@pytest.mark.parametrize("width", ["10", "100000", "wide"])
def test_a_width_that_is_none(
    width: str, make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(make_shot()), "--out", str(tmp_path / "out"), "--width", width]) == 2
    assert "--width" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_larger_than_the_plate_is_refused(make_shot: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smaller than the plate"):
        prepare_job(load_shot(make_shot()), tmp_path, load_quality("preview"), width_px=9999)
