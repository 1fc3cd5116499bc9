"""Things painted out of the plate: found again under parallax, replaced by what is behind them, and nothing else touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from composer.camera.camera import Camera
from composer.errors import InputError
from composer.io.image import read_channels
from composer.render.check import check_shot
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.repairs import repaired
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot
from composer.shot.stage import Stage, prepare

MakeShot = Callable[..., Path]
SIZE = (192, 108)
POST_Z, STEP_M = -7.0, 0.35


def moving(shot: Path) -> Stage:
    """The tiny shot, its camera on a slider: a step to the right each frame."""
    stage = prepare(load_shot(shot))
    world = np.repeat(stage.camera.view(1001).world_from_camera[None], 3, axis=0)
    world[:, 0, 3] += STEP_M * np.arange(3)
    locked = stage.camera.view(1001)
    focal = locked.focal_px[0] * 36 / SIZE[0]
    camera = Camera(1001, world, np.full(3, focal), (36.0, 36.0 * 108 / 192), np.tile([96.0, 54.0], (3, 1)), SIZE)
    return replace(stage, camera=camera)


def pixels() -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5), -1)


def field(stage: Stage, number: int, curved: float) -> np.ndarray:
    """The plate without the post, float32 [H, W, 3]: colours of places on the level ground; a plain sky."""
    view = stage.camera.view(number)
    rays = view.rays(pixels())
    with np.errstate(divide="ignore"):
        depth = -view.position_m[1] / rays[..., 1]
    on = depth > 0
    at = view.position_m + np.where(on, depth, 0)[..., None] * rays
    plain = 0.4 + np.stack([0.02 * at[..., 0], 0.008 * at[..., 2], 0.01 * at[..., 0]], -1)
    waves = curved * np.sin(2.2 * at[..., 0] + 0.8 * at[..., 2])[..., None]
    return np.where(on[..., None] & (depth < 60)[..., None], plain + waves, 0.8).astype(np.float32)


def post(stage: Stage, number: int) -> np.ndarray:
    """float64 [4, 2]: the corners of a post across the view on the slider's axis, in this frame's pixels."""
    corner = np.array([[-0.15, 0.1, POST_Z], [0.15, 0.1, POST_Z], [0.15, 1.1, POST_Z], [-0.15, 1.1, POST_Z]])
    return stage.camera.view(number).project(corner)[0]


def with_post(clean: np.ndarray, corners: np.ndarray) -> np.ndarray:
    out = clean.copy()
    cv2.fillPoly(out, [np.round((corners - 0.5) * 256).astype(np.int32)], (0.01, 0.01, 0.01), cv2.LINE_AA, 8)
    return out


def marked(stage: Stage) -> str:
    """A polygon some pixels around the post on the middle frame."""
    corners = post(stage, 1002)
    low, high = corners.min(0) - 2.5, corners.max(0) + 2.5
    corners = (low, (high[0], low[1]), high, (low[0], high[1]))
    return "[" + ", ".join(f"[{x:.2f}, {y:.2f}]" for x, y in corners) + "]"


def asked(shot: Path, line: str) -> Path:
    own = shot.with_name("repair.yaml")
    own.write_text(shot.read_text().replace("crowd:\n", f"repairs:\n  - {line}\ncrowd:\n", 1))
    return own


@pytest.mark.parametrize("how", ["picture", "clone"])
def test_the_post_is_gone_and_the_ground_behind_it_is_there(make_shot: MakeShot, how: str) -> None:
    shot = make_shot()
    stage = moving(shot)
    curved = 0.08 if how == "picture" else 0.0
    ahead = float(stage.camera.view(1002).project(np.array([0.0, 0.6, POST_Z]))[1])
    line = f"{{name: post, frame: 1002, polygon_px: {marked(stage)}, at_m: {ahead:.3f}, "
    if how == "picture":
        import OpenImageIO as oiio

        output = oiio.ImageOutput.create("x.exr")
        spec = oiio.ImageSpec(*SIZE, 3, "float")
        assert output.open(str(shot.with_name("clean.exr")), spec) and output.write_image(field(stage, 1002, curved))
        output.close()
        line += "picture: clean.exr}"
    else:
        line += "clone_px: [22, 3]}"
    stage = replace(stage, shot=load_shot(asked(shot, line)))
    for number in (1001, 1002, 1003):
        clean = field(stage, number, curved)
        plate = with_post(clean, post(stage, number))
        spoilt = np.abs(plate - clean).max(-1) > 0.02
        assert spoilt.sum() > 60
        got = repaired(stage, number, plate)
        assert got is not None
        off = np.abs(got.plate - clean).max(-1)
        # a cubic of waves 2.9 m long; a clone of a slope is that slope elsewhere, lifted by the membrane
        assert off[spoilt].max() < (0.02 if how == "picture" else 0.03), number
        alpha = got.rgba[..., 3]
        assert np.array_equal(got.plate[alpha == 0], plate[alpha == 0]) and (alpha == 0).mean() > 0.85
        rebuilt = plate * (1 - alpha[..., None]) + got.rgba[..., :3]
        assert np.abs(rebuilt - got.plate).max() < 1e-5


def test_cloned_grain_is_alive(make_shot: MakeShot) -> None:
    shot = make_shot()
    stage = moving(shot)
    line = f"{{name: post, frame: 1002, polygon_px: {marked(stage)}, clone_px: [30, 0], soft_px: 0}}"
    stage = replace(stage, shot=load_shot(asked(shot, line)))
    clean, patches = field(stage, 1002, 0.0), []
    for seed in (1, 2):  # the same frame with other grain
        plate = clean + np.random.default_rng(seed).normal(0, 0.02, clean.shape).astype(np.float32)
        got = repaired(stage, 1002, plate)
        assert got is not None
        inside = got.rgba[..., 3] > 0.999
        patches.append((got.plate - clean)[inside])
        assert 0.7 < patches[-1].std() / 0.02 < 1.2
    assert abs(np.corrcoef(patches[0].ravel(), patches[1].ravel())[0, 1]) < 0.2


def test_a_source_beyond_the_edge_is_told(make_shot: MakeShot) -> None:
    shot = make_shot()
    stage = moving(shot)
    line = f"{{name: post, frame: 1002, polygon_px: {marked(stage)}, clone_px: [-600, 0]}}"
    stage = replace(stage, shot=load_shot(asked(shot, line)))
    got = repaired(stage, 1002, field(stage, 1002, 0.0))
    assert got is not None and "repair post: 100 % of it would come from beyond" in got.notes[0]


def test_in_a_delivery_the_repair_is_an_element_and_the_rest_is_the_plate(make_shot: MakeShot, tmp_path: Path) -> None:
    line = "{name: van, frame: 1001, polygon_px: [[20, 60], [60, 60], [60, 90], [20, 90]], clone_px: [80, 0]}"
    shot = asked(make_shot(frames=2), line)
    job = prepare_job(load_shot(shot), tmp_path, load_quality("preview"))
    assert any(n.startswith("repair van") for n in job.notes)
    result = run_job(job)
    path = next((result.delivery / "exr").glob("*1001.exr"))
    planes = read_channels(path, [*"RGB", *(f"{n}.{c}" for n in ("repair", "crowd", "shadow") for c in "RGBA")])
    rgb, repair, crowd, shadow = (
        np.stack([planes[f"{n}{c}"] for c in letters], -1).astype(np.float64)
        for n, letters in (("", "RGB"), ("repair.", "RGBA"), ("crowd.", "RGBA"), ("shadow.", "RGBA"))
    )
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    below = plate * (1 - repair[..., 3:]) + repair[..., :3]
    built = (below * (1 - shadow[..., 3:]) + shadow[..., :3]) * (1 - crowd[..., 3:]) + crowd[..., :3]
    assert np.allclose(built, rgb, rtol=4e-3, atol=4e-3)
    alone = (crowd[..., 3] == 0) & (shadow[..., 3] == 0)
    clean = alone & (repair[..., 3] == 0)
    assert np.array_equal(rgb[clean].astype(np.float16), plate[clean].astype(np.float16))
    assert np.abs(rgb - plate)[alone & (repair[..., 3] > 0.5)].mean() > 0.01  # other grain
    assert verify_delivery(result.delivery).findings == ()
    assert run_job(job).skipped == (1001, 1002)


def test_a_delivery_with_another_sky_can_be_verified(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot(frames=1)
    shot.write_text(shot.read_text().replace("crowd:\n", "environment:\n  sky: {clouds: {cover: 0.4}}\ncrowd:\n", 1))
    result = run_job(prepare_job(load_shot(shot), tmp_path, load_quality("preview")))
    assert verify_delivery(result.delivery).findings == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "{name: a, frame: 1009, polygon_px: [[1, 1], [9, 1], [9, 9]], clone_px: [20, 0]}",
            "a frame that the plate has not",
        ),
        ("{name: a, frame: 1001, polygon_px: [[901, 1], [990, 1], [990, 9]], clone_px: [20, 0]}", "not in the picture"),
        ("{name: a, frame: 1001, polygon_px: [[1, 1], [9, 1], [9, 9]]}", "just one of these keys is needed"),
        ("{name: a, frame: 1001, polygon_px: [[1, 1], [9, 1], [9, 9]], clone_px: [0, 0]}", "cannot take its place"),
        ("{name: a, frame: 1001, polygon_px: [[1, 1], [9, 1], [9, 9]], picture: gone.exr}", "gone.exr"),
        (
            "{name: a, frame: 1001, matte: gone.exr, clone_px: [20, 0], at_m: 9, behind_m: 3}",
            "what is behind is nearer",
        ),
    ],
)
def test_mistakes_are_told_at_their_line(make_shot: MakeShot, line: str, told: str) -> None:
    errors = check_shot(asked(make_shot(frames=1), line)).errors
    assert len(errors) == 1 and told in errors[0].line() and errors[0].where.line


def test_an_empty_region_is_an_error(make_shot: MakeShot, tmp_path: Path) -> None:
    import OpenImageIO as oiio

    shot = make_shot(frames=1)
    output = oiio.ImageOutput.create("x.exr")
    assert output.open(str(shot.with_name("m.exr")), oiio.ImageSpec(*SIZE, 1, "half"))
    assert output.write_image(np.zeros((*SIZE[::-1], 1), np.float32))
    output.close()
    stage = moving(asked(shot, "{name: a, frame: 1001, matte: m.exr, clone_px: [20, 0]}"))
    with pytest.raises(InputError, match="the region is empty"):
        repaired(stage, 1001, field(stage, 1001, 0.0))
