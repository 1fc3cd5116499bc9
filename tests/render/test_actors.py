"""Where actors stand, and the crowd's shadow on them, from shot.yaml to delivery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.comp.shadow import shaded_holdouts
from composer.errors import InputErrors
from composer.guides.passes import Holdout
from composer.io.exr import read_exr_parts
from composer.io.window import Window
from composer.render.actors import actors_of, with_surfaces
from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.verify import verify_delivery
from composer.shot.load import load_shot
from composer.shot.schema import HoldoutSpec
from composer.shot.stage import prepare

MakeShot = Callable[..., Path]


def part(result: JobResult, name: str, letters: str) -> np.ndarray:
    parts = {p.name: p for p in read_exr_parts(next((result.delivery / "exr").glob("*1001.exr")))}
    whole = Window(0, 0, 192, 108)
    out = np.zeros((108, 192, len(letters)))
    for i, c in enumerate(letters):
        out[(*(parts[name].window or whole).slices(whole), i)] = parts[name].channels[c]
    return out


def test_each_actor_stands_where_his_feet_see_the_ground() -> None:
    ground = np.tile(np.linspace(40, 4, 60, dtype=np.float32)[:, None], (1, 80))
    alpha = np.zeros((60, 80), np.float32)
    alpha[10:40, 10:20] = 1
    alpha[9:10, 10:20] = 0.3
    alpha[20:55, 50:62] = 1
    (one,) = with_surfaces([Holdout(alpha, 2.0)], [HoldoutSpec(matte="m.exr", shadow="feet")], ground)
    assert one.surface_m is not None
    assert (one.surface_m[10:40, 10:20] == ground[39, 0]).all() and (one.surface_m[9, 10:20] == ground[39, 0]).all()
    assert (one.surface_m[20:55, 50:62] == ground[54, 0]).all()
    assert np.isinf(one.surface_m[alpha == 0]).all()
    assert np.array_equal(actors_of([one]), alpha)


def test_of_a_depth_picture_only_what_stands_before_the_ground() -> None:
    ground = np.full((4, 6), 20.0, np.float32)
    depth = np.full((4, 6), 20.3, np.float32)  # the land itself, 0.3 behind its surface
    depth[:, :3] = 9.3
    (one,) = with_surfaces(
        [Holdout(np.ones((4, 6), np.float32), depth)], [HoldoutSpec(depth="d.exr", bias_m=0.3, shadow="depth")], ground
    )
    assert one.surface_m is not None
    assert np.allclose(one.surface_m[:, :3], 9.0) and np.isinf(one.surface_m[:, 3:]).all()


def test_at_an_actors_edge_only_his_own_colour_is_darkened() -> None:
    matte = np.clip((np.arange(64) - 28) / 8, 0, 1)[None].repeat(40, 0).astype(np.float32)
    actor, back = np.array([0.1, 0.2, 0.4], np.float32), np.array([0.8, 0.7, 0.6], np.float32)
    plate = matte[..., None] * actor + (1 - matte[..., None]) * back
    dark = np.full((40, 64, 3), 0.5, np.float32)
    wanted = matte[..., None] * actor * 0.5 + (1 - matte[..., None]) * back
    made = shaded_holdouts(plate.astype(np.float32), dark, matte, None)
    assert np.abs(made - wanted).max() < 0.02
    assert np.array_equal(made[matte == 0], plate.astype(np.float32)[matte == 0])


@pytest.fixture
def actor(make_shot: MakeShot) -> tuple[Path, np.ndarray]:
    """An actor before the host, whose low sun stands behind it."""
    shot = make_shot(frames=1)
    alpha = np.zeros((108, 192), np.float32)
    alpha[50:100, 70:120] = 1.0
    alpha[50:100, [69, 120]] = 0.5
    output = oiio.ImageOutput.create("x.exr")
    spec = oiio.ImageSpec(192, 108, 1, "half")
    spec.channelnames = ("A",)
    assert output.open(str(shot.with_name("matte.1001.exr")), spec) and output.write_image(alpha[..., None])
    output.close()
    text = shot.read_text().replace("elevation_deg: 30, azimuth_deg: 60", "elevation_deg: 12, azimuth_deg: 10")
    shot.write_text(text + 'holdouts: [{matte: "matte.####.exr", channel: A, distance_m: 7.6, shadow: distance}]\n')
    return shot, alpha


def render(shot: Path, out: Path) -> JobResult:
    return run_job(prepare_job(load_shot(shot), out, load_quality("preview")))


def test_the_shadow_is_on_the_actor_in_the_layer_and_in_the_digest(actor, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shot, alpha = actor
    plate = prepare(load_shot(shot)).plate.read(1001).astype(np.float64)
    result = render(shot, tmp_path / "with")
    picture, shadow, crowd = part(result, "rgba", "RGB"), part(result, "shadow", "RGBA"), part(result, "crowd", "RGBA")
    solid = alpha == 1
    assert (shadow[solid][:, 3] > 0.1).mean() > 0.1 and (crowd[solid][:, 3] == 0).all()
    assert np.allclose(picture[solid], (plate * (1 - shadow[..., 3:]) + shadow[..., :3])[solid], rtol=4e-3, atol=1e-3)
    assert verify_delivery(result.delivery).findings == ()
    shot.write_text(shot.read_text().replace(", shadow: distance", ""))
    plain = render(shot, tmp_path / "without")
    high = solid & (np.arange(108)[:, None] < 78)  # below, the ground is nearer than the actor is said to be
    assert np.allclose(part(plain, "rgba", "RGB")[high], plate[high], rtol=2e-3)
    assert np.abs(picture[high] - plate[high]).max() > 0.1
    off = alpha == 0
    assert np.array_equal(part(plain, "rgba", "RGB")[off], picture[off])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{matte: "m.exr", shadow: depth}', "does not stand there"),
        ('{matte: "m.exr", shadow: distance}', "how far away"),
        ('{depth: "m.exr", shadow: feet}', "does not stand there"),
    ],
)
def test_mistakes_are_told(make_shot: MakeShot, line: str, told: str) -> None:
    shot = make_shot()
    shot.write_text(shot.read_text() + f"holdouts: [{line}]\n")
    with pytest.raises(InputErrors, match=told):
        load_shot(shot)
