"""Scale options end to end on a tiny shot: nested pictures, counts that do not fit, forecasts, resume, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tables import quick

from composer.cli.main import main
from composer.errors import InputError
from composer.io.exr import read_exr_parts
from composer.render import costs
from composer.review import options as review
from composer.review.option_axes import Option, options_of, shot_of
from composer.shot.load import load_shot

Make = Callable[..., Path]


@pytest.fixture
def no_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "measure", quick)


def run(shot: Path, out: Path, *more: str) -> int:
    return main(["options", str(shot), "--out", str(out), "--width", "160", *more])


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def _crypto(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """First rank of a delivered frame's Cryptomatte, uint32 [H, W], and its manifest, name to hexadecimal id."""
    part = next(p for p in read_exr_parts(path) if p.name == "crypto_agent00")
    key = next(k for k, v in part.attributes.items() if k.endswith("/name") and v == "crypto_agent")
    names = json.loads(str(part.attributes[key.removesuffix("name") + "manifest"]))
    return np.ascontiguousarray(part.channels["R"]).view(np.uint32), names


def seen_in(path: Path) -> set[str]:
    """Names of those who lead a pixel of a delivered frame."""
    ids, names = _crypto(path)
    there = set(ids.ravel().tolist())
    return {name for name, value in names.items() if int(value, 16) in there}


def people_in(path: Path) -> set[str]:
    """Names of all who are there, seen or not."""
    return set(_crypto(path)[1])


def test_the_sheet_the_folder_and_nested_pictures(make_shot: Make, tmp_path: Path, capsys, monkeypatch) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(review, "FRAMES", 2)
    assert run(make_shot(frames=3), out, "--counts", "40,8,100000", "--frames", "2", "--json") == 0
    data = told(capsys)
    folder = Path(data["folder"])
    assert data == {**json.loads((folder / "options.json").read_text()), "folder": str(folder)}
    assert folder == out / "tiny" / "options" and data["complete"] and data["frames"] == [1001, 1003]
    assert [o["name"] for o in data["options"]] == ["8", "40", "100000"], "fewest first, whatever was typed"
    assert data["size_px"] == [160, 90] and data["plate_px"] == [192, 108]
    seen = [seen_in(folder / o["exr"]["1001"]) for o in data["options"]]
    assert 0 < len(seen[0]) <= 8 < len(seen[1]) <= 40 < len(seen[2])
    whole = [o["soldiers"] for o in data["options"]]
    assert whole[:2] == [8, 40] and 100 < whole[2] < 1000
    crowds = [people_in(folder / o["exr"]["1001"]) for o in data["options"]]
    assert crowds[0] < crowds[1] < crowds[2], "the 8 are among the 40, the 40 among those who fit"
    assert data["options"][1]["limit"] == {"text": "all of them fit", "regions": []}
    for option in data["options"]:
        for picture in option["pictures"].values():
            assert Image.open(folder / picture).size == (160, 90)
        assert (folder / option["proxy"]).stat().st_size > 500 and (folder / option["manifest"]).is_file()
        assert option["measured"]["seconds"] > 0 and option["measured"]["peak_mib"] > 50
        assert option["forecast"]["final"]["frames"] == 3 and option["forecast"]["draft"]["money"] > 0
        painted = {tier: told["painted"] for tier, told in option["forecast"].items()}
        assert painted == {"draft": True, "final": False}, "draft is painted without asking, as a render is"
    assert not list(folder.glob(".measure*")), "what was measured is gone"
    assert Image.open(folder / "sheet.png").width == 960
    assert (folder / "sheet.pdf").read_bytes()[:5] == b"%PDF-"


def test_what_does_not_fit_is_told_and_what_would_hold_it(make_shot: Make, tmp_path: Path, capsys, no_measures) -> None:
    shot = make_shot(frames=1)
    assert run(shot, tmp_path / "out", "--counts", "200,5000", "--json") == 0
    nearly, never = told(capsys)["options"]
    assert nearly["limit"]["text"].startswith(f"the regions hold {nearly['soldiers']} of 200; spacing 0.")
    across, deep = nearly["limit"]["regions"][0]["nearer_m"]
    shot.write_text(shot.read_text().replace("clip: march", f"clip: march\n      spacing_m: [{across}, {deep}]"))
    assert run(shot, tmp_path / "again", "--counts", "200", "--json") == 0
    assert told(capsys)["options"][0]["limit"]["text"] == "all of them fit", "the spacing that was named does"
    assert "times the ground" in never["limit"]["text"] and never["soldiers"] == nearly["soldiers"]


def test_what_is_there_is_not_made_again(make_shot: Make, tmp_path: Path, capsys, monkeypatch, no_measures) -> None:
    shot, out = make_shot(frames=2), tmp_path / "out"
    assert run(shot, out, "--counts", "6,12") == 0
    first = capsys.readouterr().err
    files = sorted((out / "tiny" / "options").rglob("*.exr"))
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}
    monkeypatch.setattr(costs, "measure", lambda *_: pytest.fail("measured again"))
    assert run(shot, out, "--counts", "6,12") == 0
    assert "already there" not in first and capsys.readouterr().err.count("already there") == 2
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}
    monkeypatch.setattr(costs, "measure", quick)
    make_shot(seed=8)
    assert run(shot, out, "--counts", "6", "--frames", "1001") == 0
    assert "already there" not in capsys.readouterr().err
    assert [p.name for p in (out / "tiny/options/6/exr").iterdir()] == ["tiny_v001.1001.exr"], "no frames of an old ask"


def test_stopped_in_the_middle_leaves_whole_files(make_shot: Make, tmp_path: Path, monkeypatch, capsys) -> None:
    shot, out = make_shot(frames=1), tmp_path / "out"
    calls = []

    def stop(*args: object) -> None:
        calls.append(args)
        raise KeyboardInterrupt

    monkeypatch.setattr(costs, "measure", stop)
    assert run(shot, out, "--counts", "5,9") == 1
    assert len(calls) == 1 and "muster: stopped" in capsys.readouterr().err
    folder = out / "tiny" / "options"
    index = json.loads((folder / "options.json").read_text())
    assert not index["complete"] and [o["name"] for o in index["options"]] == ["5"]
    Image.open(folder / index["options"][0]["pictures"]["1001"]).load()
    Image.open(folder / "sheet.png").load()
    assert not [p for p in folder.rglob("*") if "muster-tmp" in p.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--counts", ""], "nothing to compare"),
        (["--counts", "0"], "not a number of soldiers"),
        (["--counts", "100,many"], "not a number of soldiers"),
        (["--counts", "5,5"], "named twice"),
        (["--counts", "5", "--formation", "triangle"], "unknown formation"),
        (["--counts", "5", "--formation", "camp"], "a camp stays where it is"),
        (["--counts", "5", "--sun", "noon"], "not a place of the sun"),
        (["--counts", "5", "--sun", "95@10"], "not a place of the sun"),
        (["--counts", "5", "--mix", "wizard:2"], "unknown kit"),
        (["--counts", "5", "--mix", "spearman:0"], "not a weight"),
        (["--counts", "5", "--frames", "9"], "not so many frames"),
        (["--counts", "5", "--frames", "2001-2003"], "no such frames"),
        (["--counts", "5", "--width", "7"], "width out of range"),
        (["--counts", "5", "--rates", "{folder}/none.yaml"], "cannot be read"),
        (["--counts", "5", "--bundle", "nobody"], "nobody"),
        (["--counts", ",".join(map(str, range(1, 40)))], "too many options"),
    ],
)
def test_bad_input_is_code_2_and_nothing_is_written(make_shot: Make, tmp_path: Path, capsys, arguments, said) -> None:
    shot = make_shot(frames=1)
    arguments = [a.format(folder=tmp_path) for a in arguments]
    assert run(shot, tmp_path / "out", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_all_mistakes_of_the_axes_come_at_once(make_shot: Make) -> None:
    with pytest.raises(InputError) as caught:
        options_of(load_shot(make_shot(frames=1)), "0", "x", "y", "z")
    assert len(str(caught.value).splitlines()) == 4 or len(caught.value.errors) == 4


def test_axes_combine_and_change_what_they_name(make_shot: Make) -> None:
    shot = load_shot(make_shot(frames=1))
    options = options_of(shot, "20,5", "15@298,50.5@-20", "loose", "spearman:3+swordsman")
    assert [o.count for o in options] == [5, 5, 20, 20]
    assert options[0].name == "5_sun15-298_loose_spearman3-swordsman1" and len({o.name for o in options}) == 4
    changed = shot_of(shot, options[1])
    assert changed.light.sun is not None and (changed.light.sun.elevation_deg, changed.light.sun.azimuth_deg) == (
        50.5,
        -20,
    )
    assert changed.light.sun.strength == 3 and changed.light.exposure == 0
    region = changed.crowd.regions[0]
    assert region.formation == "loose" and region.kits == {"spearman": 3.0, "swordsman": 1.0} and region.moving
    assert shot_of(shot, Option(5)) == shot


def test_another_sun_is_another_picture_of_the_same_people(
    make_shot: Make, tmp_path: Path, capsys, no_measures
) -> None:
    assert run(make_shot(frames=1), tmp_path, "--counts", "20", "--sun", "10@90,60@270", "--json") == 0
    data = told(capsys)
    one, two = (Path(data["folder"]) / o["exr"]["1001"] for o in data["options"])
    assert people_in(one) == people_in(two) and len(people_in(one)) == 20
    beauty = [{p.name: p for p in read_exr_parts(path)}["rgba"].channels["R"] for path in (one, two)]
    assert np.abs(beauty[0].astype(np.float32) - beauty[1]).max() > 0.05


@pytest.mark.slow  # its quick twin: test_forecast's painting and tiles
def test_a_painted_forecast_counts_tiles(make_shot: Make, tmp_path: Path, capsys, monkeypatch) -> None:
    pytest.importorskip("diffusers")
    from tests.support.bundles import tiny_bundle

    tiny_bundle(tmp_path / "models" / "tiny-sd15", "sd15")
    monkeypatch.setenv("MUSTER_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(review, "FRAMES", 1)
    arguments = ("--counts", "25", "--bundle", "tiny-sd15", "--steps", "2", "--json")
    assert run(make_shot(frames=2), tmp_path / "out", *arguments) == 0
    data = told(capsys)
    (option,) = data["options"]
    assert option["measured"]["load"]["tile_steps"] == 0, "a preview is not painted"
    assert all(f["painted"] for f in option["forecast"].values())
    painted = [m for m in data["model"]["measures"] if m["load"]["tile_steps"]]
    assert painted and all(m["paint_s"] > 0 and m["seconds"] > m["paint_s"] for m in painted)
    assert data["model"]["paint_s"]["tile and step"] >= 0 and any(data["model"]["paint_s"].values())
