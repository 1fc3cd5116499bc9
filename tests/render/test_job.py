"""A job from shot.yaml to delivery: the plate is sacred, frames are independent, work that is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.errors import InputError
from composer.render import job as jobs
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.shot.load import load_shot
from tests.support.digests import digests

MakeShot = Callable[..., Path]


def _job(shot: Path, out: Path, **options: object) -> Job:
    return prepare_job(load_shot(shot), out, load_quality("preview"), **options)


def _render(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(_job(shot, out, **options))


def _part(path: Path, name: str, channels: str) -> np.ndarray:
    """Named channels of a named part over the display window, by OpenImageIO."""
    source = oiio.ImageInput.open(str(path))
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        if spec["name"] == name:
            pixels = source.read_image(index, 0, 0, spec.nchannels, oiio.FLOAT).reshape(spec.height, spec.width, -1)
            out = np.zeros((spec.full_height, spec.full_width, len(channels)), np.float32)
            order = [[n.rsplit(".", 1)[-1] for n in spec.channelnames].index(c) for c in channels]
            out[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = pixels[..., order]
            return out
        index += 1
    raise KeyError(name)


def _plate(shot: Path, frame: int) -> np.ndarray:
    buffer = oiio.ImageBuf(str(next(shot.parent.glob(f"plate.{frame:04d}.*"))))
    return buffer.get_pixels(oiio.FLOAT)[..., :3]


def test_a_linear_plate_keeps_its_bits_and_its_space(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot()
    result = _render(shot, tmp_path / "out")
    assert result.rendered == (1001, 1002, 1003) and result.skipped == ()
    for frame in result.rendered:
        path = result.delivery / "exr" / f"tiny_v001.{frame}.exr"
        touched = (_part(path, "crowd", "A")[..., 0] > 0) | (_part(path, "shadow", "A")[..., 0] > 0)
        rgb, plate = _part(path, "rgba", "RGB"), _plate(shot, frame)
        assert 0.02 < touched.mean() < 0.9
        assert np.abs(rgb - plate)[~touched].max() == 0.0
        assert plate[~touched].max() > 12 and (rgb[~touched] > 1).any()
        assert np.abs(rgb - plate)[touched].max() > 0.05
    head = json.loads(result.manifest.read_text())
    assert head["colorspace"] == "Linear Rec.709 (sRGB)" and len(head["frames"]) == 3
    assert result.proxy and result.proxy.stat().st_size > 1000


def test_a_display_plate_is_linearised_once(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot(ext="png", space="sRGB", frames=1)
    result = _render(shot, tmp_path / "out")
    path = next((result.delivery / "exr").iterdir())
    touched = (_part(path, "crowd", "A")[..., 0] > 0) | (_part(path, "shadow", "A")[..., 0] > 0)
    code = _plate(shot, 1001).astype(np.float64)
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    to_ap1 = np.array(  # linear Rec.709 to ACEScg, Bradford-adapted, from the ACES documentation
        [[0.613097, 0.339523, 0.047379], [0.070194, 0.916354, 0.013452], [0.020616, 0.109570, 0.869815]]
    )
    expected = linear @ to_ap1.T
    assert np.allclose(_part(path, "rgba", "RGB")[~touched], expected[~touched], rtol=2e-3, atol=2e-4)


def test_the_crowd_stands_before_its_shadow_and_is_lit(make_shot: MakeShot, tmp_path: Path) -> None:
    result = _render(make_shot(frames=1), tmp_path / "out")
    path = next((result.delivery / "exr").iterdir())
    alpha, shadow = _part(path, "crowd", "A")[..., 0], _part(path, "shadow", "A")[..., 0]
    depth = _part(path, "depth", "Z")[..., 0]
    assert alpha.max() == 1.0 and shadow.max() > 0.3
    assert np.array_equal(np.isfinite(depth) & (depth > 0), alpha > 0)
    assert 8.0 < depth[alpha > 0].min() < 10.0 and depth[alpha > 0].max() < 23.0
    assert _part(path, "crowd", "RGB")[alpha == 1].mean() > 0.01


def test_done_is_done_and_only_what_changed_is_made_again(make_shot: MakeShot, tmp_path: Path) -> None:
    shot, out = make_shot(), tmp_path / "out"
    first = _render(shot, out)
    before = digests(first.delivery)
    again = _render(shot, out)
    assert again.rendered == () and again.skipped == (1001, 1002, 1003)
    damaged = first.delivery / "exr" / "tiny_v001.1002.exr"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    mended = _render(shot, out)
    assert mended.rendered == (1002,)
    assert digests(mended.delivery) == before
    make_shot(seed=8)
    assert _render(shot, out).rendered == (1001, 1002, 1003)
    plate = shot.parent / "plate.1003.exr"
    plate.write_bytes((shot.parent / "plate.1001.exr").read_bytes())
    assert _render(shot, out).rendered == (1003,)


def test_frames_in_any_order_and_any_process_are_the_same_files(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot()
    straight = digests(_render(shot, tmp_path / "a").delivery)
    for frame in (1003, 1001, 1002):
        last = _render(shot, tmp_path / "b", frames=[frame])
    assert digests(last.delivery) == straight


def test_stopping_leaves_whole_files_and_the_next_run_goes_on(
    make_shot: MakeShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, out = make_shot(), tmp_path / "out"
    real = jobs.render_frame

    def stop_at_the_second(scene, inputs, watch):
        if inputs.number == 1002:
            raise KeyboardInterrupt
        return real(scene, inputs, watch)

    monkeypatch.setattr(jobs, "render_frame", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        _render(shot, out)
    left = [p.name for p in (out / "tiny" / "v001").rglob("*") if p.is_file()]
    assert set(left) <= {"tiny_v001.1001.exr", "1001.json"}
    monkeypatch.setattr(jobs, "render_frame", real)
    rest = _render(shot, out)
    assert rest.skipped == (1001,) and rest.rendered == (1002, 1003)


def test_a_smaller_count_is_part_of_a_larger_one(make_shot: MakeShot, tmp_path: Path) -> None:
    few = _job(make_shot(), tmp_path / "out", count=10).scene.people.layout
    many = _job(make_shot(), tmp_path / "out", count=60).scene.people.layout
    assert len(few) == 10 and len(many) == 60
    assert set(few.agent_id.tolist()) < set(many.agent_id.tolist())
    assert np.isin(few.agent_id, many.agent_id).all()
    same = np.searchsorted(many.agent_id, few.agent_id)
    assert np.array_equal(many.place_m[same], few.place_m)


def test_frames_that_the_plate_has_not_are_refused_before_anything_is_written(
    make_shot: MakeShot, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="1001-1003"):
        _render(make_shot(), tmp_path / "out", frames=[1002, 1010])
    assert not (tmp_path / "out").exists()
