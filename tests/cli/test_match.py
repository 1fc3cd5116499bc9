"""`muster match`: numbers, a page, and nothing on bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.cli.main import main


def test_it_writes_numbers_and_a_page(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.tiny.SIZE", (640, 360))
    shot = make_shot()
    before = shot.read_bytes()
    assert main(["match", str(shot), "--out", str(tmp_path / "out"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    for part in ("grain", "edge", "air", "vignette", "fringe"):
        assert set(data[part]) == {"measured", "confidence", "samples", "residual", "notes"} and data[part]["notes"]
    # The plate has noise of 0.02 everywhere, on a ramp
    assert data["grain"]["measured"] and not data["vignette"]["measured"]
    text = Path(data["numbers"]).read_text()
    assert "match:" in text and "grain:" in text
    page = np.asarray(Image.open(data["page"]))
    assert page.shape[1] == 1800 and page.shape[0] > 1000
    assert (page == (70, 200, 230)).all(axis=-1).sum() > 200  # patches are marked on the plate
    assert shot.read_bytes() == before


def test_the_crowd_is_graded_to_a_region(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["match", str(make_shot()), "--out", str(tmp_path / "out"), "--frames", "1001", "--json"]
    assert main([*arguments, "--region", "1001:20,60,100,40", "--strength", "0.5"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["grade"]["measured"] and "grade:" in Path(data["numbers"]).read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--frames", "7"], "no such frames"),
        (["--region", "1001:0,0,4,4"], "no such region"),
        (["--region", "here"], "not a region"),
        (["--strength", "2"], "--strength"),
    ],
)
def test_bad_input_writes_nothing(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture, more: list[str], said: str
) -> None:
    out = tmp_path / "out"
    assert main(["match", str(make_shot()), "--out", str(out), *more]) == 2
    assert said in capsys.readouterr().err and not out.exists()
