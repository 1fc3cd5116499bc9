"""`match:` from shot.yaml to delivery: what is asked for is on the crowd, and only there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.errors import InputErrors
from composer.render.check import check_shot
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.match import plate_look
from composer.render.quality import load_quality
from composer.shot.load import load_shot

MakeShot = Callable[..., Path]
MATCH = """\
match:
  grade: {gain: [1.1, 1.0, 0.9]}
  air: {visibility_m: 400, inscatter: [0.4, 0.45, 0.5]}
  edge: {spread_px: 0.8, wrap: 0.4, wrap_px: 4}
  vignette: {k: [-0.2, 0, 0]}
  fringe: {red: 1.002, blue: 0.998}
  grain: {level: [0, 1], variance: [[1e-4, 1e-3], [1e-4, 1e-3], [1e-4, 1e-3]], size_px: 0.6}
"""
LENS = """\
  defocus: {f_stop: 1.0, focus_m: 9, blades: 6}
  motion_blur: {shutter_deg: 180}
"""


def _render(shot: Path, out: Path, *lines: str, **options: object) -> JobResult:
    text = shot.read_text()
    shot.write_text(text + "".join(lines))
    try:
        return run_job(prepare_job(load_shot(shot), out, load_quality("preview"), **options))
    finally:
        shot.write_text(text)


def _part(result: JobResult, frame: int, name: str) -> np.ndarray:
    path = next((result.delivery / "exr").glob(f"*.{frame}.exr"))
    source, index = oiio.ImageInput.open(str(path)), 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        if spec["name"] == name:
            pixels = source.read_image(index, 0, 0, spec.nchannels, oiio.FLOAT).reshape(spec.height, spec.width, -1)
            out = np.zeros((spec.full_height, spec.full_width, spec.nchannels), np.float32)
            out[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = pixels
            order = sorted(range(spec.nchannels), key=lambda k: "RGBA".find(spec.channelnames[k].rsplit(".", 1)[-1]))
            return out[..., order]
        index += 1
    raise KeyError(name)


def _plate(shot: Path, frame: int) -> np.ndarray:
    return oiio.ImageBuf(str(next(shot.parent.glob(f"plate.{frame}.*")))).get_pixels(oiio.FLOAT)[..., :3]


def test_off_everywhere_is_the_same_as_without(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot()
    without = _render(shot, tmp_path / "a", frames=[1001])
    off = _render(shot, tmp_path / "b", "match: {grade: off, grain: off, edge: off}\n", frames=[1001])
    weak = _render(shot, tmp_path / "c", "match: {grade: {gain: [2, 2, 2], strength: 0}}\n", frames=[1001])
    first, second, third = (next((r.delivery / "exr").glob("*.exr")).read_bytes() for r in (without, off, weak))
    assert first == second == third


@pytest.mark.parametrize("lens", ["", LENS])
def test_the_plate_stays_outside_of_what_the_look_spreads(make_shot: MakeShot, tmp_path: Path, lens: str) -> None:
    shot = make_shot()
    plain = _render(shot, tmp_path / "a", frames=[1002])
    result = _render(shot, tmp_path / "b", MATCH, lens, frames=[1002])
    crowd, shadow, rgb = (_part(result, 1002, name) for name in ("crowd", "shadow", "rgba"))
    touched = (crowd[..., 3] > 0) | (shadow[..., 3] > 0)
    assert np.array_equal(rgb[..., :3][~touched], _plate(shot, 1002)[~touched])
    kept = np.ascontiguousarray(rgb[..., :3][~touched].astype("<f2"))
    record = json.loads(next((result.delivery / ".muster" / "frames").glob("*1002*")).read_text())
    assert record["untouched_sha256"] == hashlib.sha256(kept.tobytes()).hexdigest()
    before = _part(plain, 1002, "crowd")[..., 3] > 0
    assert touched.sum() > (before | (_part(plain, 1002, "shadow")[..., 3] > 0)).sum()  # it did spread
    # the elements alone rebuild the picture: grain, wrap and fringe are in them
    built = _plate(shot, 1002) * (1 - shadow[..., 3:]) + shadow[..., :3]
    built = built * (1 - crowd[..., 3:]) + crowd[..., :3]
    assert np.allclose(built, rgb[..., :3], rtol=4e-3, atol=4e-3)
    for part in ("crypto_agent00", "depth", "normal"):
        assert np.array_equal(_part(plain, 1002, part), _part(result, 1002, part))
    notes = " ".join(json.loads(result.manifest.read_text())["notes"])
    assert "match: grade, air, grain, edge, vignette, fringe" in notes


def test_it_is_part_of_the_frames_key(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot()
    grain = "match: {grain: {level: [0], variance: [[1e-4], [1e-4], [1e-4]], size_px: 0, strength: %s}}\n"
    out = tmp_path / "out"
    assert _render(shot, out, grain % 1.0, frames=[1001]).rendered == (1001,)
    assert _render(shot, out, grain % 1.0, frames=[1001]).rendered == ()
    assert _render(shot, out, grain % 0.5, frames=[1001]).rendered == (1001,)
    assert _render(shot, out, frames=[1001]).rendered == (1001,)


def test_check_finds_every_mistake_with_its_line(make_shot: MakeShot) -> None:
    shot = make_shot()
    wrong = """\
match:
  grade: {gain: [1, 1, 1], matrix: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
  air: {inscatter: [1, 1, 1]}
  grain: {level: [1, 0], variance: [[0, 0], [0, 0], [0, 0]], size_px: 1}
  defocus: {f_stop: 2.8, focus_m: 10, blades: 2}
  vignette: {k: [-2, 0, 0]}
"""
    shot.write_text(shot.read_text() + wrong)
    found = [e.line() for e in check_shot(shot).errors]
    for key in ("match.grade", "match.air", "match.grain.level", "match.defocus.blades", "match.vignette.k"):
        assert any(key in line for line in found), (key, found)
    with pytest.raises(InputErrors):
        load_shot(shot)


def test_strengths_are_taken_in(make_shot: MakeShot) -> None:
    shot = make_shot()
    text = """\
match:
  grade: {gain: [3, 1, 1], offset: [0.2, 0, 0], strength: 0.5}
  air: {visibility_m: 1000, inscatter: [1, 1, 1], strength: 0.5}
  grain: {level: [0], variance: [[4e-4], [4e-4], [4e-4]], size_px: 0, strength: 0.5}
  defocus: {f_stop: 2, focus_m: 10, strength: 0.5}
  motion_blur: {shutter_deg: 180, strength: 0.5}
  edge: {spread_px: 1, wrap: 0.8, strength: 0.5}
"""
    shot.write_text(shot.read_text() + text)
    look = plate_look(load_shot(shot).match)
    assert look is not None and look.grade and look.air and look.grain and look.optics and look.edge
    assert np.allclose(np.diag(look.grade.matrix), [2, 1, 1]) and np.allclose(look.grade.offset, [0.1, 0, 0])
    assert np.isclose(np.exp(-look.air.extinction_per_m[0] * 2000), 0.02)  # half as thick
    assert np.allclose(look.grain.variance, 1e-4)
    assert look.optics.f_stop == 4 and look.optics.shutter_deg == 90 and look.optics.shutter_offset_deg == -45
    assert look.edge.spread_px == 0.5 and look.edge.wrap == 0.4
