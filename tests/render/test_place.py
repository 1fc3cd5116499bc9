"""A shot with `environment:` from shot.yaml to delivery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composer.errors import InputErrors
from composer.io.files import sha256_file
from composer.io.image import read_channels
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.people import people_on
from composer.render.quality import load_quality
from composer.shot.load import load_shot
from composer.shot.stage import prepare

MakeShot = Callable[..., Path]
PLACE = """\
environment:
  seed: 3
  terrain:
    - {name: hill, polygon_m: [[-40, -60], [40, -60], [40, -30], [-40, -30]], height_m: 9, falloff_m: 12, cell_m: 1.5}
  pieces:
    - {name: keep, kind: tower, at_m: [6, -40], size_m: 10}
    - {name: camp, kind: tent, polygon_m: [[-5, -10], [5, -10], [5, -20], [-5, -20]], count: 2, spacing_m: 5}
  sky: {clouds: {cover: 0.4}}
  haze: {visibility_m: 3000, color: [0.5, 0.5, 0.55]}
"""


def with_place(shot: Path, place: str = PLACE) -> Path:
    own = shot.with_name("place.yaml")
    own.write_text(shot.read_text().replace("crowd:\n", place + "crowd:\n", 1))
    return own


def render(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(prepare_job(load_shot(shot), out, load_quality("preview"), **options))


def part(result: JobResult, frame: int, name: str, letters: str = "RGBA") -> np.ndarray:
    path = next((result.delivery / "exr").glob(f"*{frame}.exr"))
    names = [f"{name}.{c}" if name != "rgba" else c for c in letters]
    got = read_channels(path, names)
    return np.stack([got[n] for n in names], -1).astype(np.float64)


@pytest.fixture
def made(make_shot: MakeShot, tmp_path: Path) -> tuple[Path, JobResult]:
    shot = with_place(make_shot(frames=2))
    return shot, render(shot, tmp_path / "out")


def test_the_elements_rebuild_the_picture_and_the_rest_is_the_plate(made) -> None:  # type: ignore[no-untyped-def]
    shot, result = made
    assert result.rendered == (1001, 1002)
    stage = prepare(load_shot(shot))
    plate = stage.plate.read(1001).astype(np.float64)
    crowd, place, shadow = (part(result, 1001, n) for n in ("crowd", "environment", "shadow"))
    alpha = crowd[..., 3:] + place[..., 3:]
    built = (plate * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - alpha) + crowd[..., :3] + place[..., :3]
    picture = part(result, 1001, "rgba", "RGB")
    assert np.allclose(built, picture, rtol=6e-3, atol=6e-3)
    assert alpha.max() < 1.001 and (place[..., 3] > 0.5).mean() > 0.2
    clean = (alpha[..., 0] == 0) & (shadow[..., 3] == 0)
    assert clean.mean() > 0.1
    assert np.array_equal(picture[clean].astype(np.float16), plate[clean].astype(np.float16))
    record = json.loads(next((result.delivery / ".muster" / "frames").glob("1001.json")).read_text())
    held = picture[clean].astype("<f2")
    assert record["untouched_sha256"] == hashlib.sha256(held.tobytes()).hexdigest()


def test_every_part_is_there_and_pieces_have_names(made) -> None:  # type: ignore[no-untyped-def]
    _, result = made
    path = next((result.delivery / "exr").glob("*1001.exr"))
    record = json.loads(next((result.delivery / ".muster" / "frames").glob("1001.json")).read_text())
    for name in ("environment", "environment_depth", "environment_normal", "environment_motion", "environment_albedo"):
        assert name in record["parts"]
    assert "crypto_environment00" in record["parts"]
    text = path.read_bytes()
    for name in (b"hill", b"keep", b"camp.00000", b"camp.00001"):
        assert name in text


def test_a_frame_alone_is_the_frame_of_the_job_and_done_is_done(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shot, result = made
    alone = render(shot, tmp_path / "alone", frames=(1002,))
    first, second = (sha256_file(next((r.delivery / "exr").glob("*1002.exr"))) for r in (result, alone))
    assert first == second
    assert render(shot, tmp_path / "out").skipped == (1001, 1002)
    moved = with_place(shot.with_name("shot.yaml"), PLACE.replace("[6, -40]", "[7, -40]"))
    assert render(moved, tmp_path / "out").rendered == (1001, 1002)


def test_nobody_stands_in_a_tent(make_shot: MakeShot) -> None:
    from composer.environment.build import build_environment

    stage = prepare(load_shot(with_place(make_shot())))
    place = build_environment(stage)
    assert place is not None and build_environment(stage) is place
    people = people_on(stage, 30).at((1001,)).position_m[0][:, [0, 2]]
    for outline in place.footprints:
        ahead = np.roll(outline, -1, axis=0) - outline
        side = [np.sign(ahead[:, 0] * (p[1] - outline[:, 1]) - ahead[:, 1] * (p[0] - outline[:, 0])) for p in people]
        # the crowd marches: its places are those of the first frame
        assert not any(abs(s.sum()) == len(outline) for s in side)


def test_without_the_block_there_is_nothing_of_it(make_shot: MakeShot, tmp_path: Path) -> None:
    result = render(make_shot(frames=1), tmp_path / "out")
    record = json.loads(next((result.delivery / ".muster" / "frames").glob("1001.json")).read_text())
    assert not any("environment" in p for p in (*record["parts"], *record["left_out"]))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  pieces: [{name: a, kind: tent, at_m: [0, -9], count: 3}]\n", "one place holds one piece"),
        ("  pieces: [{name: a, kind: castle, at_m: [0, -9]}]\n", "unknown value"),
        ("  pieces: [{name: a, kind: tent, polygon_m: [[0, 0], [1, 0], [0, 1]]}]\n", "how many"),
        ("  terrain: [{name: a, height_m: 3}]\n", "just one of these keys"),
        ("  pieces: [{name: a, kind: tent, at_m: [0, 0]}, {name: a, kind: ram, at_m: [9, 0]}]\n", "one name"),
    ],
)
def test_mistakes_are_told_at_their_line(make_shot: MakeShot, line: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told) as error:
        load_shot(with_place(make_shot(), "environment:\n" + line))
    assert error.value.errors[0].where.line


def test_the_artists_sky_matte_also_at_a_smaller_width(make_shot: MakeShot, tmp_path: Path) -> None:
    import OpenImageIO as oiio

    shot = with_place(make_shot(frames=1), 'environment:\n  sky: {matte: {path: "sky.####.exr", channel: Y}}\n')
    drawn = np.zeros((108, 192), np.float32)
    drawn[:30] = 1
    output = oiio.ImageOutput.create("x.exr")
    spec = oiio.ImageSpec(192, 108, 1, "half")
    spec.channelnames = ("Y",)
    assert output.open(str(shot.with_name("sky.1001.exr")), spec) and output.write_image(drawn[..., None])
    output.close()
    result = render(shot, tmp_path / "out")
    sky, crowd = (part(result, 1001, name, "A")[..., 0] for name in ("environment", "crowd"))
    assert np.abs((sky + crowd)[:30] - 1).max() < 1e-3 and not sky[30:].any()
    small = run_job(prepare_job(load_shot(shot), tmp_path / "out", load_quality("preview"), width_px=96))
    sky, crowd = (part(small, 1001, name, "A")[..., 0] for name in ("environment", "crowd"))
    assert np.abs((sky + crowd)[:14] - 1).max() < 1e-3 and not sky[16:].any()
