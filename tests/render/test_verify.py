"""`muster verify`: whatever is touched is found and named; a delivery that was not touched is clean."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from composer.cli.main import main
from composer.comp.layer import ELEMENTS
from composer.errors import InputError
from composer.render.job import prepare_job, run_job
from composer.render.manifest import read_record
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot

MakeShot = Callable[..., Path]


@pytest.fixture
def delivery(make_shot: MakeShot, tmp_path: Path) -> Path:
    """Two frames, with deep files."""
    shot = make_shot(frames=2)
    shot.write_text(shot.read_text() + "delivery: {deep: true}\n")
    return run_job(prepare_job(load_shot(shot), tmp_path / "out", load_quality("preview"))).delivery


def _found(delivery: Path) -> list[tuple[int | None, str]]:
    return [(f.frame, f.file) for f in verify_delivery(delivery).findings]


def _frames(delivery: Path) -> list[Path]:
    return sorted(p for d in ("exr", "deep") for p in (delivery / d).iterdir())


def test_what_was_rendered_is_clean(delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = verify_delivery(delivery)
    assert seen.findings == () and seen.notes == ()
    assert (seen.frames, seen.files) == (2, 5)
    assert main(["verify", str(delivery)]) == 0
    assert "2 frames, 5 files: all as rendered" in capsys.readouterr().out


def test_any_one_byte_of_any_frame_is_found_and_named(delivery: Path) -> None:
    """A hundred random bits, in every delivered file, its first and last byte included."""
    rng = random.Random(7)
    for path in [*_frames(delivery), next((delivery / "proxy").iterdir())]:
        data = path.read_bytes()
        name = path.relative_to(delivery).as_posix()
        frame = None if path.suffix == ".mp4" else int(path.stem.rsplit(".", 1)[1])
        for at in [0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(18))]:
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            assert set(_found(delivery)) == {(frame, name)}, at
        path.write_bytes(data)
    assert _found(delivery) == []


def test_cut_longer_and_swapped_files_are_found(delivery: Path) -> None:
    one, two = sorted((delivery / "exr").iterdir())
    whole, other = one.read_bytes(), two.read_bytes()
    for changed in (whole[:-1], whole + b"\0", b"", other):
        one.write_bytes(changed)
        assert {f for _, f in _found(delivery)} == {f"exr/{one.name}"}
    two.write_bytes(whole)
    assert {n for n, _ in _found(delivery)} == {1001, 1002}


def test_missing_and_extra_files_are_named(delivery: Path) -> None:
    gone = next((delivery / "deep").glob("*.1002.exr"))
    gone.rename(gone.with_name("x.1003.exr"))
    assert _found(delivery) == [(1002, f"deep/{gone.name}"), (1003, "deep/x.1003.exr")]


def test_a_stopped_run_is_told_and_is_no_finding(delivery: Path) -> None:
    (delivery / "exr" / ".x.1003.muster-tmp-00000000-1-1-1.exr").write_bytes(b"half")
    seen = verify_delivery(delivery)
    assert seen.findings == () and "left by a run that was stopped" in seen.notes[0]


def test_records_and_manifest_must_agree(delivery: Path) -> None:
    record, manifest = delivery / ".muster" / "frames" / "1001.json", delivery / "manifest.json"
    text = record.read_text()
    record.write_text(text.replace('"seed": 7', '"seed": 8'))
    findings = verify_delivery(delivery).findings
    assert [f.line() for f in findings] == [
        "frame 1001: .muster/frames/1001.json: record and manifest do not agree on seed"
    ]
    record.write_text(text[:-9])
    assert _found(delivery) == [(1001, ".muster/frames/1001.json")]
    record.unlink()
    assert _found(delivery) == [(1001, ".muster/frames/1001.json")]
    record.write_text(text)
    manifest.rename(delivery / "away")
    assert _found(delivery) == [(None, "manifest.json"), (None, f"proxy/{_proxy(delivery).name}")]


def _proxy(delivery: Path) -> Path:
    return next((delivery / "proxy").iterdir())


def test_a_delivery_that_travelled_without_its_records(delivery: Path) -> None:
    shutil.rmtree(delivery / ".muster")
    seen = verify_delivery(delivery)
    assert seen.findings == () and seen.files == 5 and "only the manifest" in seen.notes[0]
    path = _frames(delivery)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert {f for _, f in _found(delivery)} == {path.relative_to(delivery).as_posix()}


def test_the_plate_is_hashed_anew(delivery: Path) -> None:
    """A file whose digest was mended in both lists: its pixels still give it away, and only those outside the crowd."""
    path = next((delivery / "exr").glob("*.1001.exr"))
    original = path.read_bytes()
    for inside in (True, False):
        path.write_bytes(original)
        file = OpenEXR.File(str(path), separate_channels=True)
        parts = {p.name(): p for p in file.parts}
        red = parts["rgba"].channels["R"].pixels
        covered = np.zeros(red.shape, bool)
        for name in ("crowd", "shadow"):
            (x, y), (right, bottom) = parts[name].header["dataWindow"]
            covered[y : bottom + 1, x : right + 1] |= parts[name].channels["A"].pixels > 0
        y, x = np.argwhere(covered if inside else ~covered)[100]
        red[y, x] += np.float16(0.25)
        file.write(str(path))
        _mend(delivery, path, hashlib.sha256(path.read_bytes()).hexdigest())
        lines = [f.line() for f in verify_delivery(delivery).findings]
        assert len(lines) == (0 if inside else 1)
        assert inside or "pixels that should be the plate's" in lines[0]


def _mend(delivery: Path, path: Path, sha256: str) -> None:
    name = path.relative_to(delivery).as_posix()
    record, manifest = delivery / ".muster" / "frames" / "1001.json", delivery / "manifest.json"
    told = json.loads(record.read_text())
    told["files"][name] = sha256
    record.write_text(json.dumps(told))
    head = json.loads(manifest.read_text())
    head["frames"][0]["files"][name] = sha256
    manifest.write_text(json.dumps(head))


def test_names_that_lead_out_of_the_delivery_are_refused(delivery: Path) -> None:
    secret = delivery.parent / "secret"
    secret.write_bytes(b"x")
    record = delivery / ".muster" / "frames" / "1001.json"
    told = json.loads(record.read_text())
    for name in ("../secret", str(secret)):
        told["files"] = {name: hashlib.sha256(b"x").hexdigest()}
        record.write_text(json.dumps(told))
        assert (1001, name) in _found(delivery)


def test_a_damaged_list_is_a_finding_and_never_a_fault(delivery: Path) -> None:
    rng = random.Random(3)
    for path in (delivery / "manifest.json", delivery / ".muster" / "frames" / "1002.json"):
        data = path.read_bytes()
        start = data.index(b'"frames"') if path.name == "manifest.json" else 0
        for _ in range(25):
            changed = bytearray(data)
            changed[rng.randrange(start, len(data) - 2)] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            same = _read(bytes(changed)) == _read(data)
            assert bool(_found(delivery)) != same
        path.write_bytes(data)


def _read(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_all_findings_are_told_with_exit_code_1(delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = sorted((delivery / "exr").iterdir())
    one.unlink()
    two.write_bytes(two.read_bytes()[:-2])
    assert main(["verify", str(delivery), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["whole"] and {f["frame"] for f in told["findings"]} == {1001, 1002}
    assert main(["verify", str(delivery)]) == 1
    out = capsys.readouterr().out
    assert f"frame 1001: exr/{one.name}: missing" in out and f"frame 1002: exr/{two.name}: touched" in out
    assert "(frames 1001, 1002)" in out


def test_no_delivery_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no delivery here"):
        verify_delivery(tmp_path)
    assert main(["verify", str(tmp_path / "absent")]) == 2


AROUND = """\
environment:
  seed: 3
  terrain:
    - {name: hill, polygon_m: [[-20, -60], [20, -60], [20, -40], [-20, -40]], height_m: 2, falloff_m: 5, cell_m: 2}
  volumes:
    smoke: [{name: fire, at_m: [1.5, -8], height_m: 6, width_m: 0.8}]
  trampled: {}
repairs:
  - {name: van, frame: 1001, polygon_px: [[20, 60], [60, 60], [60, 90], [20, 90]], clone_px: [80, 0]}
"""


@pytest.mark.parametrize("kept", [ELEMENTS, (), *((e,) for e in ELEMENTS)], ids=lambda kept: "+".join(kept) or "rgba")
def test_elements_that_were_not_asked_for_are_no_finding(
    kept: tuple[str, ...], make_shot: MakeShot, tmp_path: Path
) -> None:
    """Everything that can lie on the plate, and only some of it delivered."""
    shot = make_shot(frames=1)
    text = shot.read_text().replace("crowd:\n", AROUND + "crowd:\n", 1)
    shot.write_text(text + f"delivery: {{parts: [rgba, {', '.join(kept)}]}}\n")
    made = run_job(prepare_job(load_shot(shot), tmp_path / "out", load_quality("preview"))).delivery
    record = read_record(made, 1001)
    assert record is not None and set(record.elements or ()) == set(ELEMENTS)
    seen = verify_delivery(made)
    assert seen.findings == ()
    told = [n for n in seen.notes if "the plate's own pixels cannot be told" in n]
    assert len(told) == (kept != ELEMENTS)
    if told:
        named = told[0].split("(")[1].split(":")[0].split(", ")
        assert set(named) == set(ELEMENTS) - set(kept)
    path = next((made / "exr").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert set(_found(made)) == {(1001, f"exr/{path.name}")}
