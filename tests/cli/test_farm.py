"""`muster farm`: what it tells beforehand, and mistakes in one line each with nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from composer.cli.main import main
from composer.farm import cluster

Make = Callable[..., Path]
PLAIN = ["--device", "cpu", "--chunk", "2", "--memory", "700"]


def test_what_it_needs_is_told_beforehand(make_shot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot, out = make_shot(frames=3), tmp_path / "out"
    assert main(["farm", str(shot.parent), "--out", str(out), *PLAIN, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(s["name"], s["tasks"]) for s in told["steps"]] == [("Cache", 1), ("Frames", 2), ("Finish", 1)]
    assert {s["memory_mib"] for s in told["steps"]} == {1024} and {s["gpus"] for s in told["steps"]} == {0}
    assert told["frames"] == [1001, 1002, 1003] and told["delivery"] == str(out / "tiny" / "v001")
    assert main(["farm", str(shot), "--out", str(out), *PLAIN]) == 0
    assert "Frames: 2 tasks of 2 frames, 2 cores, 1,024 MiB, after Cache" in capsys.readouterr().out
    assert not out.exists()


def test_options_reach_the_nodes(make_shot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--frames", "1001-1003x2", "--count", "CROWD=12", "--quality", "draft", "--sign"]
    assert main(["farm", str(make_shot(frames=3)), "--out", str(tmp_path / "out"), *PLAIN, *options, "--json"]) in (
        0,
        2,
    )
    said = capsys.readouterr().out
    if "c2pa" in said:
        pytest.skip("the extra `provenance` is not installed")
    steps = {s["name"]: s["command"] for s in json.loads(said)["steps"]}
    for words in (["--count", "CROWD=12"], ["--quality", "draft"], ["--device", "cpu"], ["--frames", "<FRAMES>"]):
        at = steps["Frames"].index(words[0])
        assert steps["Frames"][at : at + 2] == words
    assert "--sign" in steps["Finish"] and "--sign" not in steps["Frames"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing_here.yaml"], "nothing_here.yaml: no such file"),
        (
            ["SHOT", "--frames", "1001-1009"],
            "--frames: the plate has no such frames: expected 1001-1003, got 1004-1009",
        ),
        (["SHOT", "--chunk", "0"], "--chunk: out of range: expected 1 to 100,000, got 0"),
        (["SHOT", "--memory", "lots"], "--memory: out of range"),
        (["SHOT", "--address", "host:6379"], "--address: this belongs to --to ray"),
        (["SHOT", "--to", "ray", "--job", "x"], "--job: this belongs to --to openjd: got --to ray"),
        (
            ["SHOT", "--to", "ray", "--address", "host"],
            "--address: not a cluster's address: expected HOST:PORT or auto",
        ),
        (["SHOT", "--settings", "SHOT"], "not settings of a farm"),
        (["SHOT", "--out", "SHOT"], "--out: cannot be written: expected a folder, got a file"),
        (["SHOT", "--to", "openjd", "--job", "SHOT/job"], "--job: cannot be written: expected a folder, got a file"),
    ],
)
def test_mistakes_in_one_line(
    make_shot: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "find_spec", lambda name: object())
    shot = str(make_shot(frames=3))
    assert main(["farm", *(a.replace("SHOT", shot) for a in arguments)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny"]


def test_ray_is_not_installed(
    make_shot: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert main(["farm", str(make_shot()), "--to", "ray", "--out", str(tmp_path / "out")]) == 2
    assert "Ray is not installed: expected the extra `ray`; pip install 'muster-vfx[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parts_of_a_render_are_commands_too(
    make_shot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, out = str(make_shot(frames=2)), str(tmp_path)
    assert main(["render", shot, "--out", out, "--only", "frames", "--frames", "1001:1"]) == 2
    assert "not a frame range" in capsys.readouterr().err
    assert main(["render", shot, "--out", out, "--only", "frames", "--frames", "1001-1002:1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rendered"] == [1001, 1002] and told["manifest"] is None and told["proxy"] is None
    # the lists need no card, wherever the frames were drawn: none of these was
    assert main(["render", shot, "--out", out, "--only", "finish", "--device", "cuda"]) == 1
    assert "frames are missing" in capsys.readouterr().err
    assert main(["render", shot, "--out", out, "--only", "finish", "--device", "cpu", "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["manifest"]).is_file()
    assert main(["render", shot, "--out", out, "--only", "frames", "--reroll", "1"]) == 2
    assert "--only: a re-roll is one piece" in capsys.readouterr().err
