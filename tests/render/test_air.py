"""A shot with `environment.volumes:` from shot.yaml to delivery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composer.errors import InputErrors
from composer.io.files import sha256_file
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot
from composer.shot.stage import prepare

MakeShot = Callable[..., Path]
AIR = """\
environment:
  volumes:
    smoke: [{name: fire, at_m: [1.5, -8], height_m: 6, width_m: 0.8}]
    dust: [{name: bank, polygon_m: [[-5, -20], [-1, -20], [-1, -26], [-5, -26]], height_m: 2, visibility_m: 12, soft_m: 1}]
    dust_at_feet: {dryness: 1}
"""


def with_air(shot: Path, air: str = AIR) -> Path:
    own = shot.with_name("air.yaml")
    own.write_text(shot.read_text().replace("crowd:\n", air + "crowd:\n", 1))
    return own


def render(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(prepare_job(load_shot(shot), out, load_quality("preview"), **options))


def part(result: JobResult, frame: int, name: str, letters: str = "RGBA") -> np.ndarray:
    """A part over the whole picture."""
    from composer.io.exr import read_exr_parts
    from composer.io.window import Window

    parts = {p.name: p for p in read_exr_parts(next((result.delivery / "exr").glob(f"*{frame}.exr")))}
    whole = Window(0, 0, 192, 108)
    out = np.zeros((108, 192, len(letters)))
    window = parts[name].window or whole
    for i, c in enumerate(letters):
        out[(*window.slices(whole), i)] = parts[name].channels[c]
    return out


@pytest.fixture
def made(make_shot: MakeShot, tmp_path: Path) -> tuple[Path, JobResult]:
    shot = with_air(make_shot(frames=2))
    return shot, render(shot, tmp_path / "out")


def test_the_elements_rebuild_the_picture_and_the_rest_is_the_plate(made) -> None:  # type: ignore[no-untyped-def]
    shot, result = made
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    crowd, air, shadow = (part(result, 1001, n) for n in ("crowd", "air", "shadow"))
    picture = part(result, 1001, "rgba", "RGB")
    assert (air[..., 3] > 0.2).any() and (air >= 0).all()
    alpha = crowd[..., 3:] + air[..., 3:]
    assert alpha.max() < 1.001
    built = (plate * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - alpha) + crowd[..., :3] + air[..., :3]
    assert np.allclose(built, picture, rtol=6e-3, atol=6e-3)
    clean = (alpha[..., 0] == 0) & (shadow[..., 3] == 0)
    assert clean.mean() > 0.2
    assert np.array_equal(picture[clean].astype(np.float16), plate[clean].astype(np.float16))
    record = json.loads(next((result.delivery / ".muster" / "frames").glob("1001.json")).read_text())
    assert record["untouched_sha256"] == hashlib.sha256(picture[clean].astype("<f2").tobytes()).hexdigest()
    assert verify_delivery(result.delivery).findings == ()


def test_depth_and_the_other_guides_are_as_without_air(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shot, result = made
    plain = render(shot.with_name("shot.yaml"), tmp_path / "plain", frames=(1001,))
    for name, letters in (("depth", "Z"), ("normal", "XYZ"), ("albedo", "RGB")):
        a, b = (part(r, 1001, name, letters) for r in (result, plain))
        assert np.array_equal(a, b)
    with_, without = (part(r, 1001, "crowd") for r in (result, plain))
    assert np.array_equal(with_[..., 3], without[..., 3])
    dimmer = with_[..., :3].sum(-1) < without[..., :3].sum(-1) * 0.98
    assert dimmer.any() and (with_[..., :3] <= without[..., :3] + 1e-3).all()


def test_a_frame_alone_is_the_frame_of_the_job_and_done_is_done(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shot, result = made
    alone = render(shot, tmp_path / "alone", frames=(1002,))
    first, second = (sha256_file(next((r.delivery / "exr").glob("*1002.exr"))) for r in (result, alone))
    assert first == second
    assert render(shot, tmp_path / "out").skipped == (1001, 1002)
    other = with_air(shot.with_name("shot.yaml"), AIR.replace("dryness: 1", "dryness: 0.5"))
    assert render(other, tmp_path / "out").rendered == (1001, 1002)


def test_an_actor_before_the_smoke_keeps_his_pixels(make_shot: MakeShot, tmp_path: Path) -> None:
    import OpenImageIO as oiio

    shot = with_air(make_shot(frames=1))
    text = shot.read_text()
    alpha = np.zeros((108, 192), np.float32)
    alpha[30:100, 90:130] = 1.0
    alpha[30:100, 88:90] = alpha[30:100, 130:132] = 0.5
    output = oiio.ImageOutput.create("x.exr")
    spec = oiio.ImageSpec(192, 108, 1, "half")
    spec.channelnames = ("A",)
    assert output.open(str(shot.with_name("matte.1001.exr")), spec) and output.write_image(alpha[..., None])
    output.close()
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    got = {}
    for far in (3, 40):
        shot.write_text(text + f'holdouts: [{{matte: "matte.####.exr", channel: A, distance_m: {far}}}]\n')
        got[far] = part(render(shot, tmp_path / f"o{far}"), 1001, "rgba", "RGB")
    solid = alpha == 1
    assert np.allclose(got[3][solid], plate[solid], rtol=2e-3)
    assert np.abs(got[40][solid] - plate[solid]).max() > 0.05
    bare = part(render(shot.with_name("shot.yaml"), tmp_path / "bare"), 1001, "rgba", "RGB")
    soft = (alpha == 0.5) & (np.abs(bare - plate).max(-1) == 0)  # nobody there: at the actor's edge half of the air
    assert soft.sum() > 20
    low = np.minimum(got[3][:, 87:89].min(1), plate[:, 88]) - 0.06
    assert (got[3][:, 88] >= low).all()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("    dust: [{name: a}]\n", "just one of these keys"),
        ("    dust: [{name: a, path_m: [[0, 0], [1, 1]]}]\n", "how wide"),
        ("    smoke: [{name: a, at_m: [0, -9]}, {name: a, at_m: [1, -9]}]\n", "one name"),
        ("    smoke: [{name: a, at_m: [0, -9], colour: [2, 1, 1]}]\n", "less than or equal|too large|at most|must"),
        ("    smog: 3\n", "smog"),
    ],
)
def test_mistakes_are_told_at_their_line(make_shot: MakeShot, line: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told) as error:
        load_shot(with_air(make_shot(), "environment:\n  volumes:\n" + line))
    assert error.value.errors[0].where.line


def test_worn_ground_is_a_layer_under_everything(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = with_air(make_shot(frames=1), "environment:\n  trampled: {strength: 0.8, colour: [0.5, 0.4, 0.3]}\n")
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    result = render(shot, tmp_path / "out")
    ground, shadow, crowd = (part(result, 1001, n) for n in ("ground", "shadow", "crowd"))
    assert (ground[..., 3] > 0.1).mean() > 0.005 and ground[..., 3].max() <= 0.801
    under = plate * (1 - ground[..., 3:]) + ground[..., :3]
    built = (under * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - crowd[..., 3:]) + crowd[..., :3]
    assert np.allclose(built, part(result, 1001, "rgba", "RGB"), rtol=6e-3, atol=4e-3)
    assert (under <= plate + 2e-3).all()
    assert verify_delivery(result.delivery).findings == ()
    off = render(with_air(shot.with_name("shot.yaml"), "environment:\n  trampled: {strength: 0}\n"), tmp_path / "off")
    plain = render(shot.with_name("shot.yaml"), tmp_path / "plain")
    assert np.array_equal(part(off, 1001, "rgba", "RGB"), part(plain, 1001, "rgba", "RGB"))
