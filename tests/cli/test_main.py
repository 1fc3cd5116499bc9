"""The command: exit codes, one line an error, JSON, nothing written for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.cli.main import check_alone, main
from composer.cli.progress import ProgressBar
from composer.errors import InputError


def test_render_then_sheet(make_shot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = make_shot(frames=2)
    assert main(["render", str(shot.parent), "--out", str(tmp_path / "out"), "--count", "CROWD=12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["soldiers"] == 12 and told["rendered"] == [1001, 1002]
    assert Path(told["manifest"]).is_file() and Path(told["proxy"]).is_file()
    assert main(["sheet", told["delivery"], "--width", "960", "--json"]) == 0
    sheet = Path(json.loads(capsys.readouterr().out)["sheet"])
    assert sheet.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert main(["sheet", told["delivery"], "--frame", "7"]) == 2
    assert "expected 1001-1002, got 7" in capsys.readouterr().err


def test_progress_and_summary_are_told_to_a_person(
    make_shot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(frames=2)
    assert main(["render", str(shot), "--out", str(tmp_path / "out"), "--count", "5"]) == 0
    said = capsys.readouterr()
    assert "2/2" in said.err and "left" in said.err
    assert "2 frames rendered, 0 already there, 5 soldiers" in said.out


def test_check_finds_nothing_wrong_and_writes_nothing(make_shot, capsys: pytest.CaptureFixture[str]) -> None:
    shot = make_shot(frames=1)
    before = sorted(p.name for p in shot.parent.iterdir())
    assert main(["check", str(shot)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert sorted(p.name for p in shot.parent.iterdir()) == before


def test_check_tells_every_mistake_at_once(make_shot, capsys: pytest.CaptureFixture[str]) -> None:
    shot = make_shot(frames=1)
    text = shot.read_text().replace("focal_mm: 32", "focal_mm: -3").replace("formation:", "formations:")
    shot.write_text(text.replace("clip: march", "clip: moonwalk"))
    assert main(["check", str(shot)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"muster: {shot}:") for line in lines)
    assert any("formations" in line and "formation" in line for line in lines)
    assert any("focal_mm" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["render", "nowhere.yaml"], "nowhere.yaml"),
        (["render", "{shot}", "--frames", "10-"], "10-"),
        (["render", "{shot}", "--frames", "5000"], "1001"),
        (["render", "{shot}", "--count", "many"], "CROWD=500"),
        (["render", "{shot}", "--count", "0"], "CROWD=500"),
        (["sheet", "{folder}"], "no delivered frames"),
    ],
)
def test_bad_input_is_one_line_and_code_2(make_shot, tmp_path, capsys, arguments: list[str], said: str) -> None:
    shot = make_shot(frames=1)
    arguments = [a.format(shot=shot, folder=shot.parent) for a in arguments]
    if arguments[0] == "render":
        arguments += ["--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["errors"]


def test_a_fault_of_ours_is_no_traceback(make_shot, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    import composer.render.job

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(composer.render.job, "prepare_jobs", broken)
    assert main(["render", str(make_shot(frames=1))]) == 1
    assert "a fault in Muster itself: ZeroDivisionError: oops" in capsys.readouterr().err


def test_the_bar_counts_up_and_guesses_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    bar(1, 4, 1001, "skipped")
    bar(2, 4, 1002, "rendered")
    bar(4, 4, 1004, "rendered")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "2/4" in lines[0] and "left" in lines[0] and "4/4" in lines[1]


def test_the_other_package_of_that_name_is_told(tmp_path: Path) -> None:
    check_alone(tmp_path)
    (tmp_path / "trainer").mkdir()
    with pytest.raises(InputError, match="environment of its own"):
        check_alone(tmp_path)
