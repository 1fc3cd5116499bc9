"""Things painted out of the plate, in scale options: shown as a render of the same quality shows them, and told where not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from support.tables import quick
from support.tiny import SIZE

from composer.cli.main import main
from composer.io.image import read_channels
from composer.render import costs
from composer.review import options as review
from composer.shot.load import load_shot
from composer.shot.reduced import reduced
from composer.shot.stage import prepare

Make = Callable[..., Path]
WIDTH = 160
#: By pixels of the plate, left to right along its lower edge, below the crowd.
BOXES = {"cloned": (8, 90, 40, 104), "drawn": (70, 90, 100, 104), "painted": (130, 90, 160, 104)}
HOW = {"cloned": "clone_px: [24, -12]", "drawn": "picture: clean.exr", "painted": "bundle: tiny-sd15-inpaint, steps: 2"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers")
    from tests.support.bundles import tiny_bundle

    folder = tmp_path_factory.mktemp("models")
    tiny_bundle(folder / "tiny-sd15-inpaint", "sd15-inpaint")
    return folder


@pytest.fixture
def shot(make_shot: Make, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With all three kinds of repairs."""
    monkeypatch.setenv("MUSTER_MODELS", str(models))
    monkeypatch.setattr(costs, "measure", quick)
    file = make_shot(frames=1)
    lines = ""
    for name, (x0, y0, x1, y1) in BOXES.items():
        region = f"[[{x0}, {y0}], [{x1}, {y0}], [{x1}, {y1}], [{x0}, {y1}]]"
        lines += f"  - {{name: {name}, frame: 1001, polygon_px: {region}, soft_px: 0, {HOW[name]}}}\n"
    file.write_text(file.read_text().replace("crowd:\n", f"repairs:\n{lines}crowd:\n", 1))
    output = oiio.ImageOutput.create("x.exr")
    assert output.open(str(file.with_name("clean.exr")), oiio.ImageSpec(*SIZE, 3, "float"))
    assert output.write_image(np.full((*SIZE[::-1], 3), 0.3, np.float32))
    output.close()
    return file


def inside(name: str) -> tuple[slice, slice]:
    """The region in the options' pictures, less its rim."""
    x0, y0, x1, y1 = (round(v * WIDTH / SIZE[0]) for v in BOXES[name])
    return slice(y0 + 2, y1 - 2), slice(x0 + 2, x1 - 2)


def options(shot: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    arguments = ["options", str(shot), "--counts", "4,8", "--width", str(WIDTH), "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def pictures(data: dict, shot: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each option: the composite, how much of the repairs lies on it, and the plate."""
    plate = reduced(prepare(load_shot(shot)), WIDTH).plate.read(1001)
    made = []
    for option in data["options"]:
        planes = read_channels(Path(data["folder"]) / option["exr"]["1001"], [*"RGB", "repair.A"])
        made.append((np.stack([planes[c] for c in "RGB"], -1), planes["repair.A"], plate))
    return made


def test_preview_shows_what_it_can_and_names_what_it_leaves(
    shot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = options(shot, tmp_path, capsys)
    for rgb, alpha, plate in pictures(data, shot):
        for name in ("cloned", "drawn"):
            assert (alpha[inside(name)] == 1).all() and np.abs(rgb - plate)[inside(name)].mean() > 0.01, name
        assert np.allclose(rgb[inside("drawn")], 0.3, atol=1e-3)
        left = inside("painted")
        assert (alpha[left] == 0).all() and np.array_equal(rgb[left].astype(np.float16), plate[left].astype(np.float16))
    told = [n for n in data["notes"] if "the plate keeps what bundles are to paint out" in n]
    assert told == ["quality preview is not painted: the plate keeps what bundles are to paint out: painted"]
    assert "forecasts leave out what bundles paint once a shot: repair painted" in data["notes"]
    manifest = json.loads((Path(data["folder"]) / data["options"][0]["manifest"]).read_text())
    assert told[0] in manifest["notes"]


def test_draft_paints_it_once_for_all_options(
    shot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "usual_bundle", lambda quality: ())  # the crowd is not the point
    data = options(shot, tmp_path, capsys, "--quality", "draft")
    (one, alpha, plate), (two, _, _) = pictures(data, shot)
    region = inside("painted")
    assert (alpha[region] == 1).all() and np.abs(one - plate)[region].mean() > 0.01
    assert np.array_equal(one[region], two[region])
    assert len(list(Path(data["folder"]).rglob("*.npy"))) == 1
    assert not any("the plate keeps" in n for n in data["notes"])


def test_a_repair_that_cannot_be_made_is_told_before_anything_is_written(
    shot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot.write_text(shot.read_text().replace("frame: 1001, polygon_px", "frame: 1009, polygon_px"))
    assert main(["options", str(shot), "--counts", "4", "--out", str(tmp_path / "out"), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert error.count("a repair on a frame that the plate has not") == 3
    assert not (tmp_path / "out").exists()
