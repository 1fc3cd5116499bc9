"""Faults of files and of the whole sequence, limits, presets and the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from support.delivered import FIRST, Made, made_frame, make_delivery, record, write_frame, write_manifest

from composer.cli.main import main
from composer.errors import InputError, InputErrors
from composer.io.exr import read_header
from composer.io.timecode import Timecode
from composer.qc.delivery import list_delivery, open_source
from composer.qc.limits import changed, load_limits
from composer.qc.measure import Ask, Measured, measure_delivery
from composer.qc.measures import MEASURES
from composer.qc.preset import load_preset, preset_findings, preset_names
from composer.qc.report import as_json, report_of
from composer.qc.rules import Head, rule_findings


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_delivery(tmp_path_factory.mktemp("good"), paint=True)


@pytest.fixture
def delivery(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(good.parents[2], tmp_path / "root")
    return tmp_path / "root" / "out" / "made" / "v001"


def _measured(folder: Path, **ask: object) -> Measured:
    listing = list_delivery(folder)
    return measure_delivery(listing, open_source(listing), Ask(**ask))  # type: ignore[arg-type]


def _failed(measured: Measured) -> set[str]:
    return {v.measure for v in report_of(measured, load_limits()).failed}


def _heads(folder: Path) -> dict[int, Head]:
    heads = {n: Head.of(n, path, read_header(path)) for n, path in list_delivery(folder).files.items()}
    return {n: head for n, head in heads.items() if head is not None}


def _rules(folder: Path) -> set[tuple[int | None, str]]:
    listing = list_delivery(folder)
    return {(f.frame, f.rule) for f in rule_findings(_heads(folder), listing, open_source(listing))}


def _rewrite(folder: Path, number: int, fault: Callable[[Made], None], paint: bool = True) -> None:
    """One frame anew, with a record of its own: only what the fault changed is wrong."""
    made = made_frame(number)
    fault(made)
    path = write_frame(folder, made)
    head = json.loads((folder / "manifest.json").read_text())
    old = head["frames"][number - FIRST]
    head["frames"][number - FIRST] = record(folder, path, number, old["paint"])
    (folder / "manifest.json").write_text(json.dumps(head))


def test_a_good_delivery_is_quiet_and_measured_whole(good: Path) -> None:
    measured = _measured(good)
    report = report_of(measured, load_limits())
    assert report.passed and measured.findings == () and measured.notes == ()
    assert {v.measure for v in report.verdicts if v.status == "not measured"} == set()
    assert {v.measure for v in report.verdicts} == set(MEASURES) - {
        "untouched_digest",
        "preset_breaks",
        "place_warp_error",
        "place_warp_ratio",
    }


def test_runs_side_by_side_measure_the_same(good: Path) -> None:
    one, three = (_measured(good, workers=n) for n in (1, 3))
    assert one.readings == three.readings and one.curves == three.curves


def test_a_delivery_without_its_shot_is_held_against_itself(delivery: Path) -> None:
    shutil.rmtree(delivery / ".muster")
    measured = _measured(delivery)
    assert "name it with --shot" in measured.notes[0]
    known = {r.measure for r in measured.readings if r.value is not None}
    assert "untouched_digest" in known and not known & {"untouched_px", "plate_warp_error", "warp_ratio"}
    shot = delivery.parents[2] / "made" / "shot.yaml"
    assert main(["qc", str(delivery), "--shot", str(shot), "--json"]) == 0


# --- files and frames ---


def test_a_missing_frame(delivery: Path) -> None:
    (delivery / "exr" / "made_v001.1002.exr").unlink()
    measured = _measured(delivery)
    assert _failed(measured) == {"missing_frames"}
    assert [f.line() for f in measured.findings] == ["frame 1002: missing: the frame is not there"]


def test_a_gap_that_no_list_knows(delivery: Path) -> None:
    head = json.loads((delivery / "manifest.json").read_text())
    del head["frames"][2]
    (delivery / "manifest.json").write_text(json.dumps(head))
    (delivery / "exr" / "made_v001.1003.exr").unlink()
    assert _failed(_measured(delivery)) == {"missing_frames"}


def test_frames_that_were_asked_for(delivery: Path) -> None:
    measured = _measured(delivery, frames=(1002, 1003, 1007))
    assert measured.frames == (1002, 1003)
    assert {(f.frame, f.rule) for f in measured.findings} == {(1007, "missing")}


def test_a_frame_with_the_picture_of_the_next(delivery: Path) -> None:
    """As a wrong offset makes it: picture and elements of 1003 under the name and header of 1002."""

    def shifted(made: Made) -> None:
        other = made_frame(1003)
        for name in ("rgb", "crowd", "ids", "depth", "coverage", "forward"):
            setattr(made, name, getattr(other, name))

    _rewrite(delivery, 1002, shifted)
    measured = _measured(delivery)
    assert {"untouched_px", "duplicate_frames"} <= _failed(measured)
    worst = next(r for r in measured.readings if r.measure == "untouched_px" and r.frame == 1002)
    assert worst.detail == "it shows the plate of frame 1003"
    assert [f.line() for f in measured.findings] == ["frame 1003: duplicate: has the picture of frame 1002"]


def test_a_still_plate_has_no_duplicates(tmp_path: Path) -> None:
    def still(number: int) -> Made:
        made = made_frame(1001)
        later = made_frame(number)
        made.number, made.attributes = number, later.attributes
        made.forward[...] = 0
        return made

    assert "duplicate_frames" not in _failed(_measured(make_delivery(tmp_path, make=still)))


def test_extra_changed_and_damaged_files(delivery: Path) -> None:
    (delivery / "exr" / "notes.txt").write_text("x")
    shutil.copy(delivery / "exr" / "made_v001.1001.exr", delivery / "exr" / "made_v001.1001.old.exr")
    path = delivery / "exr" / "made_v001.1004.exr"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    measured = _measured(delivery)
    assert _failed(measured) == {"extra_files", "unreadable_frames", "changed_files"} - {"changed_files"}
    assert {f.what.split(":")[0] for f in measured.findings if f.rule == "extra"} == {
        "exr/notes.txt", "exr/made_v001.1001.old.exr",
    }  # fmt: skip
    path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    assert {"changed_files", "unreadable_frames"} & _failed(_measured(delivery))


@pytest.mark.parametrize(
    ("attribute", "value", "rule"),
    [
        ("muster:frame", 1004, "header"),
        ("framesPerSecond", Fraction(25), "frame rate"),
        ("muster:timecode", "01:00:00:09", "time code"),
        ("timeCode", Timecode.parse("01:00:00:09", Fraction(24)), "time code"),
        ("muster:colorspace", "ACEScg", "colour space"),
        ("colorInteropID", "lin_ap1_scene", "colour space"),
        ("muster:version", "v002", "header"),
    ],
)
def test_headers_that_say_something_else(delivery: Path, attribute: str, value: object, rule: str) -> None:
    _rewrite(delivery, 1003, lambda made: made.attributes.__setitem__(attribute, value))
    assert _rules(delivery) == {(1003, rule)}


def test_another_pixel_aspect_and_another_name(delivery: Path) -> None:
    _rewrite(delivery, 1002, lambda made: setattr(made, "aspect", 2.0))
    assert _rules(delivery) == {(1002, "pixel aspect")}
    assert _failed(_measured(delivery)) == {"rule_breaks"}
    head = json.loads((delivery / "manifest.json").read_text())
    (delivery / "exr" / "made_v001.1002.exr").rename(delivery / "exr" / "made-1.1002.exr")
    head["frames"][1]["files"] = {"exr/made-1.1002.exr": next(iter(head["frames"][1]["files"].values()))}
    (delivery / "manifest.json").write_text(json.dumps(head))
    assert _rules(delivery) == {(1002, "pixel aspect"), (1002, "name")}


# --- limits ---


def test_limits_are_overridden_one_by_one() -> None:
    limits = load_limits()
    asked = changed(limits, ["grain_ratio.max=9", "seam=off", "warp_error.max=0.5"])
    assert (asked["grain_ratio"].min, asked["grain_ratio"].max) == (limits["grain_ratio"].min, 9)
    assert "seam" not in asked and asked["warp_error"].max == 0.5 and "seam" in limits


@pytest.mark.parametrize(
    "text", ["grain.max=1", "grain_ratio.most=1", "grain_ratio.max=", "grain_ratio", "seam.max=nan"]
)
def test_limits_that_mean_nothing(text: str) -> None:
    with pytest.raises(InputError):
        changed(load_limits(), [text])


def test_a_limits_file_with_mistakes_tells_all_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "qc.yaml"
    file.write_text("muster_qc: 1\nlimits:\n  grain_ratoi: {max: 1}\n  seem: {max: 2}\n")
    with pytest.raises(InputErrors) as caught:
        load_limits(file)
    lines = caught.value.line().splitlines()
    assert len(lines) == 2 and ":3:" in lines[0] and "did you mean grain_ratio?" in lines[0]


# --- presets ---


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_that_comes_with_muster_loads_and_says_where_it_is_from(name: str) -> None:
    preset = load_preset(name)
    rules = [r for r in (getattr(preset.rules, k) for k in type(preset.rules).model_fields) if r is not None]
    assert len(preset_names()) == 3 and len(rules) >= 8 and all(len(r.source) > 8 for r in rules)


def _preset(tmp_path: Path, rules: str, limits: str = "{}") -> str:
    file = tmp_path / "client.yaml"
    file.write_text(f"muster_delivery: 1\ntitle: T\nabout: A\nrules: {rules}\nlimits: {limits}\n")
    return str(file)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ('size_px: {least: [3840, 2160], from: "a paper"}', "size"),
        ('size_px: {just: [[1920, 1080]], from: "a paper"}', "size"),
        ('colorspace: {any_of: [ACEScg], from: "a paper"}', "colour space"),
        ('pixel_type: {any_of: [float], from: "a paper"}', "pixel type"),
        ('compression: {any_of: [none], from: "a paper"}', "compression"),
        ('frame_rate: {any_of: [25, 23.976], from: "a paper"}', "frame rate"),
        ('pixel_aspect: {any_of: [2], from: "a paper"}', "pixel aspect"),
        ('naming: {pattern: "other.*", from: "a paper"}', "naming"),
        ('one_part: {needed: true, from: "a paper"}', "one part"),
        ('channels: {any_of: [RGB], from: "a paper"}', "channels"),
        ('attributes: {all_of: [owner], from: "a paper"}', "attributes"),
    ],
)
def test_each_rule_of_a_preset_finds_its_break(good: Path, tmp_path: Path, rule: str, broken: str) -> None:
    preset = load_preset(_preset(tmp_path, f"{{{rule}}}"))
    found = preset_findings(preset, _heads(good), open_source(list_delivery(good)))
    assert {(f.frame, f.rule) for f in found} == {(n, broken) for n in range(1001, 1005)}
    assert all("(a paper)" in f.what for f in found)


def test_a_preset_that_is_kept_and_one_that_asks_for_the_whole_plate(delivery: Path, tmp_path: Path) -> None:
    kept = (
        '{size_px: {just: [[320, 180]], from: "p"}, frame_rate: {any_of: [24], from: "p"}, scanlines: {needed: true, from: "p"}, '
        'timecode: {needed: true, from: "p"}, full_data_window: {needed: true, from: "p"}, whole: {needed: true, from: "p"}}'
    )
    preset = load_preset(_preset(tmp_path, kept))
    assert _failed(_measured(delivery, preset=preset)) == set()
    head = json.loads((delivery / "manifest.json").read_text())
    (delivery / "exr" / "made_v001.1004.exr").unlink()
    write_manifest(delivery, head["frames"][:3])
    assert _failed(_measured(delivery)) == set()
    assert _failed(_measured(delivery, preset=preset)) == {"missing_frames"}


def test_a_preset_that_is_broken_fails_the_delivery(good: Path) -> None:
    assert _failed(_measured(good, preset=load_preset("netflix_nam"))) == {"preset_breaks"}


def test_a_preset_with_mistakes_says_where(tmp_path: Path) -> None:
    for rules in ("{size_px: {least: [1, 2]}}", "{sise: {}}", '{naming: {pattern: "(", from: "p"}}'):
        with pytest.raises(InputErrors) as caught:
            load_preset(_preset(tmp_path, rules))
        assert "client.yaml:4:" in caught.value.line()


# --- the command and its page ---


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.plots: list[dict[str, str | None]] = []
        self.titles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if told.get("id"):
            self.ids.append(str(told["id"]))
        self.links += [str(told[k]) for k in ("href", "src") if told.get(k)]
        if tag == "img":
            self.images.append(told)
        if tag == "svg":
            self.plots.append(told)
        self.titles += tag == "title"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_command_passes_a_good_delivery_and_writes_both_files(
    delivery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qc", str(delivery), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    written = json.loads((delivery / "qc.json").read_text())
    assert told["passed"] and {k: v for k, v in told.items() if k not in ("page", "report")} == written
    assert written["measures"]["untouched_px"]["by_frame"] == {str(n): 0 for n in range(1001, 1005)}
    assert (delivery / "qc.html").read_text().startswith("<!doctype html>")


def test_the_page_needs_nothing_else_and_can_be_read_aloud(delivery: Path) -> None:
    def spoil(made: Made) -> None:
        made.rgb[80, 60] = np.nan
        made.rgb[3, 5] += 0.5

    _rewrite(delivery, 1003, spoil)
    assert main(["qc", str(delivery), "--preset", "netflix_nam"]) == 1
    text = (delivery / "qc.html").read_text()
    page = _Page()
    page.feed(text)
    assert all(link.startswith(("#", "data:")) for link in page.links) and "url(" not in text and "<script" not in text
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text and ":focus-visible" in text
    assert len(page.ids) == len(set(page.ids)) and {x[1:] for x in page.links if x[0] == "#"} <= set(page.ids)
    assert page.images and all(i["alt"] and i["width"] and i["height"] for i in page.images)
    assert page.plots and all(p["role"] == "img" and str(p["aria-labelledby"]) in page.ids for p in page.plots)
    seen = " ".join(page.text)
    assert "measures fail" in seen and "Not finite" in seen and "1003" in seen and "at least 3840 x 2160" in seen
    assert "Close-up of frame 1003" in text and "outside the limit" in text


def test_words_of_a_delivery_cannot_break_the_page(delivery: Path) -> None:
    head = json.loads((delivery / "manifest.json").read_text())
    head["quality"] = "<script>alert(1)</script>"
    (delivery / "manifest.json").write_text(json.dumps(head))
    main(["qc", str(delivery)])
    assert "<script" not in (delivery / "qc.html").read_text()


@pytest.mark.parametrize(
    "more",
    [
        ["--preset", "nobody"], ["--limit", "x.max=1"], ["--workers", "0"], ["--frames", "2000-2010"],
        ["--limit", "seam.min=9"],
        ["--limits", "none.yaml"], ["--shot", "none.yaml"],
    ],
)  # fmt: skip
def test_wrong_options_write_nothing(delivery: Path, more: list[str]) -> None:
    assert main(["qc", str(delivery), *more]) == 2
    assert not (delivery / "qc.json").exists() and not (delivery / "qc.html").exists()


def test_no_delivery_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qc", str(tmp_path)]) == 2
    assert "no delivery here" in capsys.readouterr().err


def test_a_limit_on_the_command_line_decides_the_exit_code(delivery: Path) -> None:
    assert main(["qc", str(delivery), "--limit", "grain_ratio.min=5", "--limit", "grain_ratio.max=9"]) == 1
    assert main(["qc", str(delivery), "--limit", "grain_ratio=off"]) == 0


def test_a_stop_between_frames_leaves_what_was_there(delivery: Path) -> None:
    (delivery / "qc.json").write_text("old")
    listing = list_delivery(delivery)
    told: list[int] = []

    def stop(done: int, total: int, frame: int, what: str) -> None:
        told.append(frame)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_delivery(listing, open_source(listing), Ask(workers=1), stop)
    assert told == [1001] and (delivery / "qc.json").read_text() == "old"


def test_what_goes_into_json_can_be_read_back(delivery: Path) -> None:
    _rewrite(delivery, 1002, lambda made: made.rgb.__setitem__((slice(None), slice(None)), np.nan))
    told = as_json(report_of(_measured(delivery), load_limits()))
    assert json.loads(json.dumps(told, allow_nan=False))["passed"] is False
