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


@pytest.mark.parametrize("width", ["10", "100000", "wide"])
def test_a_width_that_is_none(
    width: str, make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(make_shot()), "--out", str(tmp_path / "out"), "--width", width]) == 2
    assert "--width" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_larger_than_the_plate_is_refused(make_shot: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smaller than the plate"):
        prepare_job(load_shot(make_shot()), tmp_path, load_quality("preview"), width_px=9999)
