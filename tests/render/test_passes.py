"""Passes on request, from shot.yaml to the files, on a small shot with two sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.deliver.cryptomatte import name_hash
from composer.errors import InputErrors, MusterError
from composer.io.exr import ExrPart, read_exr_parts
from composer.io.files import sha256_file
from composer.render import job as jobs
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot

MakeShot = Callable[..., Path]
BLUE = """\
    - name: far
      polygon_m: [[-9, -26], [9, -26], [9, -34], [-9, -34]]
      formation: loose
      spacing_m: [1.4, 1.4]
      side: blue
      kits: {swordsman: 1}
      clip: idle
"""


def _shot(make_shot: MakeShot, delivery: str, **options: object) -> Path:
    path = make_shot(**options)
    path.write_text(path.read_text() + BLUE + f"delivery: {{{delivery}}}\n")
    return path


def _render(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(prepare_job(load_shot(shot), out, load_quality("preview"), **options))


def _whole(part: ExrPart, names: str, size: tuple[int, int] = (192, 108)) -> np.ndarray:
    out = np.zeros((size[1], size[0], len(names)), np.float32)
    w = part.window
    for i, n in enumerate(names):
        out[w.y : w.bottom, w.x : w.right, i] = part.channels[n]
    return out


def test_everything_that_can_be_asked_for(make_shot: MakeShot, tmp_path: Path) -> None:
    wanted = "deep: true, light_set: true, parts: [crowd, depth, control_depth, crypto_agent, crypto_side, crypto_cast]"
    result = _render(_shot(make_shot, wanted, frames=2, count=120), tmp_path / "out")
    records = json.loads(result.manifest.read_text())["frames"]
    for record, frame in zip(records, (1001, 1002), strict=True):
        assert sorted(record["files"]) == [f"deep/tiny_v001_deep.{frame}.exr", f"exr/tiny_v001.{frame}.exr"]
        assert all(sha256_file(result.delivery / n) == digest for n, digest in record["files"].items())
        assert record["left_out"] == []
        parts = {p.name: p for p in read_exr_parts(result.delivery / "exr" / f"tiny_v001.{frame}.exr")}
        crowd = _whole(parts["crowd"], "RGBA")
        lights = [_whole(parts[f"light_{n}"], "RGB") for n in ("sun", "sky", "bounce")]
        assert np.allclose(sum(lights), crowd[..., :3], rtol=2.0**-9, atol=1e-5) and lights[0].max() > 0.05
        deep = oiio.ImageBuf(str(result.delivery / "deep" / f"tiny_v001_deep.{frame}.exr"))
        flat = oiio.ImageBufAlgo.flatten(deep)
        s, got = flat.spec(), np.zeros_like(crowd)
        got[s.y : s.y + s.height, s.x : s.x + s.width] = flat.get_pixels(oiio.FLOAT)[..., :4]
        assert np.allclose(got, crowd, rtol=2.0**-9, atol=2e-4) and crowd[..., 3].max() == 1
        named = {n: np.array([name_hash(n)], np.uint32).view(np.float32)[0] for n in ("red", "blue")}
        total = np.zeros(crowd.shape[:2], np.float32)
        for side in ("red", "blue"):
            mask = np.zeros_like(total)
            for level in range(3):
                p = _whole(parts[f"crypto_side{level:02d}"], "RGBA")
                mask += sum(np.where(p[..., k] == named[side], p[..., k + 1], 0) for k in (0, 2))
            assert mask.max() > 0.5
            total += mask
        assert np.allclose(total, crowd[..., 3], atol=1e-3), "the sides make up the crowd"
        manifests = [json.loads(v) for k, v in parts["rgba"].attributes.items() if k.endswith("/manifest")]
        assert {"red", "blue"} in [set(m) for m in manifests]
        assert "swordsman" in str(parts["crypto_cast00"].attributes)


def test_control_depth_keeps_its_scale_through_the_shot(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = _shot(make_shot, "parts: [depth, control_depth]", frames=3, count=120)
    result = _render(shot, tmp_path / "out")
    alone = _render(shot, tmp_path / "alone", frames=[1003])
    name = "exr/tiny_v001.1003.exr"
    assert (result.delivery / name).read_bytes() == (alone.delivery / name).read_bytes()
    scales = set()
    for path in sorted((result.delivery / "exr").iterdir()):
        parts = {p.name: p for p in read_exr_parts(path)}
        tags = parts["control_depth"].attributes
        near, far = float(tags["muster:control_near_m"]), float(tags["muster:control_far_m"])
        scales.add((near, far))
        value = _whole(parts["control_depth"], "Y")[..., 0].astype(np.float64)
        depth = _whole(parts["depth"], "Z")[..., 0].astype(np.float64)
        seen = np.isfinite(depth) & (depth > 0)
        assert near < depth[seen].min() and depth[seen].max() < far, "nobody is clipped"
        assert np.allclose(value[seen], (1 / depth[seen] - 1 / far) / (1 / near - 1 / far), atol=1e-6)
        assert (value[~seen] == 0).all() and value.max() > 0.5
    assert len(scales) == 1
    assert any("control_depth" in note for note in result.notes)
    given = _render(_shot(make_shot, "parts: [control_depth], control_depth_m: [3, 50]", count=120), tmp_path / "given")
    tags = read_exr_parts(given.delivery / name)[1].attributes
    assert (tags["muster:control_near_m"], tags["muster:control_far_m"]) == (3.0, 50.0)


def test_a_frame_without_its_deep_file_is_made_again(
    make_shot: MakeShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, out = _shot(make_shot, "deep: true", frames=2), tmp_path / "out"

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    real = jobs.write_deep
    monkeypatch.setattr(jobs, "write_deep", stop)
    with pytest.raises(KeyboardInterrupt):
        _render(shot, out)
    assert not list((out / "tiny" / "v001" / ".muster").rglob("*.json")), "no record before all files are there"
    monkeypatch.setattr(jobs, "write_deep", real)
    assert _render(shot, out).rendered == (1001, 1002)
    (out / "tiny" / "v001" / "deep" / "tiny_v001_deep.1002.exr").unlink()
    assert _render(shot, out).rendered == (1002,)


@pytest.mark.parametrize(
    ("delivery", "said"),
    [
        ("parts: [crowd, crypto_sides]", "did you mean crypto_side"),
        ("parts: [deep]", "deep: true"),
        ("parts: [crypto_agent00]", "did you mean crypto_agent"),
        ("control_depth_m: [40, 4]", "near must be nearer than far"),
        ("control_depth_m: [0, 4]", "control_depth_m"),
    ],
)
def test_parts_that_there_are_not_are_told_with_their_line(make_shot: MakeShot, delivery: str, said: str) -> None:
    shot = _shot(make_shot, delivery)
    with pytest.raises((MusterError, InputErrors)) as error:
        load_shot(shot)
    line = len(shot.read_text().splitlines())
    assert said in str(error.value) and f"shot.yaml:{line}:" in str(error.value)
