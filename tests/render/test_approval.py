"""A final render waits for an approval where the shot demands one, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from composer.cli.main import main
from composer.deliver.local_key import local_key
from composer.errors import InputError
from composer.io.files import sha256_file
from composer.render.approval import needed_approval
from composer.render.decisions import NAME, Decision, add
from composer.render.job import prepare_job, run_job
from composer.render.quality import Quality
from composer.shot.load import load_shot
from composer.shot.schema import ShotFile

FINAL, DRAFT = Quality("final", 4), Quality("draft", 4)


@pytest.fixture
def demanding(make_shot) -> Path:
    shot = make_shot(frames=1)
    shot.write_text(shot.read_text() + "review: {approval: required}\n")
    return shot


@pytest.fixture
def shot(demanding: Path) -> ShotFile:
    return load_shot(demanding)


def decided(out: Path, do: str = "approve", **more: object) -> Decision:
    """A verdict about option 30 with a picture that is there."""
    options = out / "tiny" / "options"
    picture = options / "30" / "exr" / "tiny.1001.exr"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"a picture")
    asked = {"count": 30, "sun": None, "formation": None, "mix": None}
    one = Decision(do, "option", "tiny", "30", 30, asked, 1001, "30/exr/tiny.1001.exr", sha256_file(picture), "Ada")
    one = replace(one, **more)
    add(options, one, local_key())
    return one


def test_nobody_asks_for_it_unless_the_shot_does_and_the_render_is_final(shot: ShotFile, tmp_path: Path) -> None:
    calm = shot.model_copy(update={"review": shot.review.model_copy(update={"approval": "none"})})
    assert needed_approval(calm, FINAL, tmp_path, None, 30) is None
    assert needed_approval(shot, DRAFT, tmp_path, None, 30) is None
    with pytest.raises(InputError, match=r"asks for an approval.*no verdict.*muster review"):
        needed_approval(shot, FINAL, tmp_path, None, 30)


def test_an_approved_option_of_this_count_is_leave_and_the_manifest_says_whose(shot: ShotFile, tmp_path: Path) -> None:
    decided(tmp_path)
    told = needed_approval(shot, FINAL, tmp_path, None, 30)
    assert told["approved"] == "30" and told["by"] == "Ada" and told["key"] == local_key().fingerprint
    assert told["ledger"] == f"options/{NAME}" and len(told["line_sha256"]) == 64
    with pytest.raises(InputError, match=r"with 31 soldiers.*30 has 30 soldiers"):
        needed_approval(shot, FINAL, tmp_path, 31, 31)
    decided(tmp_path, "reject")
    with pytest.raises(InputError, match="30 was rejected by Ada"):
        needed_approval(shot, FINAL, tmp_path, None, 30)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"sun": {"elevation_deg": 30, "azimuth_deg": 60}}, None),
        ({"sun": {"elevation_deg": 50, "azimuth_deg": 60}}, "another sun"),
        ({"formation": "rank_and_file"}, None),
        ({"formation": "loose"}, "another formation"),
        ({"mix": {"levy": 1.0}}, "another mix"),
    ],
)
def test_what_was_approved_must_be_what_the_shot_is(
    shot: ShotFile, tmp_path: Path, asked: dict[str, object], said: str | None
) -> None:
    decided(tmp_path, asked={"count": 30, "sun": None, "formation": None, "mix": None, **asked})
    if said is None:
        assert needed_approval(shot, FINAL, tmp_path, None, 30)
        return
    with pytest.raises(InputError, match=said):
        needed_approval(shot, FINAL, tmp_path, None, 30)


def test_a_picture_that_was_made_anew_is_not_the_one_that_was_approved(shot: ShotFile, tmp_path: Path) -> None:
    decided(tmp_path)
    (tmp_path / "tiny/options/30/exr/tiny.1001.exr").write_bytes(b"another picture")
    with pytest.raises(InputError, match="is not the picture that was"):
        needed_approval(shot, FINAL, tmp_path, None, 30)


def test_an_approved_version_counts_by_its_soldiers(shot: ShotFile, tmp_path: Path) -> None:
    one = decided(tmp_path, "withdraw")
    version = tmp_path / "tiny" / "v000"
    (version / "exr").mkdir(parents=True)
    (version / "exr/a.exr").write_bytes(b"x")
    told = replace(
        one, do="approve", kind="version", item="v000", file="exr/a.exr", sha256=sha256_file(version / "exr/a.exr")
    )
    add(version, told, local_key())
    assert needed_approval(shot, FINAL, tmp_path, None, 30)["approved"] == "v000"
    with pytest.raises(InputError, match="v000 has 30 soldiers"):
        needed_approval(shot, FINAL, tmp_path, None, 29)


def test_only_the_keys_that_the_shot_lists_may_approve(shot: ShotFile, tmp_path: Path) -> None:
    decided(tmp_path)
    for keys, good in (((local_key().fingerprint,), True), (("0" * 16,), False)):
        strict = shot.model_copy(update={"review": shot.review.model_copy(update={"keys": keys})})
        if good:
            assert needed_approval(strict, FINAL, tmp_path, None, 30)
        else:
            with pytest.raises(InputError, match=r"no verdict by the keys that review\.keys lists"):
                needed_approval(strict, FINAL, tmp_path, None, 30)


def test_a_ledger_that_was_touched_gives_no_leave(shot: ShotFile, tmp_path: Path) -> None:
    decided(tmp_path, "reject")
    file = tmp_path / "tiny/options" / NAME
    file.write_bytes(file.read_bytes().replace(b'"reject"', b'"approve"'))
    with pytest.raises(InputError, match=r"cannot be trusted.*signature does not hold"):
        needed_approval(shot, FINAL, tmp_path, None, 30)


def test_the_render_job_says_it_in_one_line_writes_nothing_and_then_goes_on(
    demanding: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    ask = ["render", str(demanding), "--quality", "final", "--out", str(out)]
    assert main(ask) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "shot.yaml:" in said and "review.approval" in said and "muster review" in said
    assert not list(out.rglob("*.exr")) and not list(out.rglob("manifest.json"))
    decided(out)
    run_job(prepare_job(load_shot(demanding), out, FINAL))
    manifest = json.loads((out / "tiny/v001/manifest.json").read_text())
    assert manifest["approval"]["by"] == "Ada" and manifest["approval"]["approved"] == "30"
