"""What Muster itself renders: the promises hold, the delivery remembers its shot, and a line says so after the render."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import OpenEXR
import pytest

from composer.cli.main import main
from composer.qc.quick import quick_look
from composer.render.manifest import shot_of
from composer.shot.load import load_shot
from composer.shot.stage import prepare

PROMISES = ("untouched_px", "nonfinite_px", "id_iou", "depth_iou", "fringe_outside")
WHOLE = ("missing_frames", "unreadable_frames", "duplicate_frames", "extra_files", "changed_files", "rule_breaks")


@pytest.mark.parametrize("ext", ["exr", "png"])
def test_a_render_keeps_its_promises(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], ext: str
) -> None:
    shot = make_shot(ext=ext, space="Linear Rec.709 (sRGB)" if ext == "exr" else "sRGB", frames=2)
    assert main(["render", str(shot), "--out", str(tmp_path / "out"), "--json"]) == 0
    rendered = json.loads(capsys.readouterr().out)
    assert rendered["qc"]["measures"] == {
        "untouched_px": 0, "nonfinite_px": 0, "missing_frames": 0, "rule_breaks": 0,
    }  # fmt: skip
    folder = Path(rendered["delivery"])
    assert shot_of(folder) == shot.resolve()
    main(["qc", str(folder), "--json"])
    measures = json.loads(capsys.readouterr().out)["measures"]
    for name in (*PROMISES, *WHOLE):
        assert measures[name]["status"] == "pass", (name, measures[name])
    assert main(["verify", str(folder)]) == 0, "the report lies beside what was rendered and changes none of it"


def test_a_smaller_version_is_held_against_the_plate_made_smaller(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(frames=1)
    assert main(["render", str(shot), "--out", str(tmp_path / "out"), "--width", "128", "--json"]) == 0
    folder = Path(json.loads(capsys.readouterr().out)["delivery"])
    main(["qc", str(folder), "--json"])
    measures = json.loads(capsys.readouterr().out)["measures"]
    assert [measures[n]["status"] for n in ("untouched_px", "rule_breaks")] == ["pass", "pass"]
    assert measures["grain_ratio"]["status"] == "not measured" and "smaller than the plate" in str(
        measures["grain_ratio"]
    )


def test_the_line_after_a_render_tells_what_is_wrong(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(frames=3)
    assert main(["render", str(shot), "--out", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out" / "tiny" / "v001"
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("qc:"))
    assert line == (
        "qc: 3 frames, none missing between them; frame 1002: 0 plate pixels changed, 0 not finite; headers in order"
    )
    path = folder / "exr" / "tiny_v001.1002.exr"
    file = OpenEXR.File(str(path), separate_channels=True)
    red = next(p for p in file.parts if p.name() == "rgba").channels["R"].pixels
    red[0, 50:53] += 0.25
    file.write(str(path))
    (folder / "exr" / "tiny_v001.1003.exr").unlink()
    text = quick_look(folder, [1002], prepare(load_shot(shot))).text
    assert "1 MISSING between them (1003)" in text and "frame 1002: 3 plate pixels changed" in text


def test_an_element_that_was_not_asked_for_breaks_no_limit(
    make_shot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(frames=1)
    shot.write_text(shot.read_text() + "delivery: {parts: [rgba, crowd]}\n")
    assert main(["render", str(shot), "--out", str(tmp_path / "out"), "--json"]) == 0
    rendered = json.loads(capsys.readouterr().out)
    told = "drawn but not among the parts: shadow"
    assert (
        rendered["qc"]["measures"]["untouched_px"] is None and f"plate not looked at ({told})" in rendered["qc"]["line"]
    )
    folder = Path(rendered["delivery"])
    main(["qc", str(folder), "--json"])
    measure = json.loads(capsys.readouterr().out)["measures"]["untouched_px"]
    assert measure["status"] == "not measured" and told in str(measure)
    shot.rename(tmp_path / "gone.yaml")  # its digest then
    main(["qc", str(folder), "--json"])
    measure = json.loads(capsys.readouterr().out)["measures"]["untouched_digest"]
    assert measure["status"] == "not measured" and told in str(measure)


def test_the_line_never_fails_a_render(make_shot: Callable[..., Path], tmp_path: Path) -> None:
    stage = prepare(load_shot(make_shot()))
    assert quick_look(tmp_path, [1001], stage).text.startswith("qc: could not look")
