"""`benchmarks/embedded.py`: its measure, its soldiers, and the comparison on a piece of the picture."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import warp as wp

ROOT = Path(__file__).resolve().parents[2]
CROP = (620, 440, 384, 176)


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("embedded")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def _plain(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((48, 64, 3), rgb, np.uint8)


def test_flip_knows_its_ends(bench: ModuleType) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert bench.flip(picture, picture).max() == 0.0
    assert bench.flip(_plain((0, 255, 0)), _plain((0, 0, 255))) == pytest.approx(1.0, abs=1e-6)
    # HyAB between black and white is 100: 100^0.7 of 41.276 beyond the knee at 0.4
    expected = 0.95 + (100**0.7 - 0.4 * 41.276) / (0.6 * 41.276) * 0.05
    assert bench.flip(_plain((0, 0, 0)), _plain((255, 255, 255))) == pytest.approx(expected, abs=2e-3)


def test_flip_sees_less_of_fine_noise_from_further_away(bench: ModuleType) -> None:
    rng, flat = np.random.default_rng(2), np.full((96, 96, 3), 120, np.uint8)
    noisy = np.clip(flat + rng.normal(0, 25, flat.shape), 0, 255).astype(np.uint8)
    near, far = (bench.flip(flat, noisy, ppd)[24:-24, 24:-24].mean() for ppd in (20.0, 90.0))
    assert 0.0 < far < near < 1.0
    assert bench.flip(flat, noisy).mean() == pytest.approx(bench.flip(noisy, flat).mean())


def test_psnr_of_a_known_error(bench: ModuleType) -> None:
    a = np.full((8, 8, 3), 100, np.uint8)
    where = np.zeros((8, 8), bool)
    where[:4] = True
    b = a.copy()
    b[:4] += 51  # a fifth of the range
    b[4:] = 255
    assert bench.psnr(a, b, where) == pytest.approx(-20 * np.log10(0.2))


@pytest.fixture(scope="module")
def empty_shot(bench: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    black = np.zeros((1080, 1920, 3), np.float32)
    bench.maker().files.write_plate(folder / f"plate.{bench.FRAME}.exr", black, bench.FRAME, 1.0)
    return folder


def test_both_renderers_see_the_same_soldiers(bench: ModuleType, empty_shot: Path) -> None:
    """Silhouettes without land: Muster's coverage, and the mesh through the scene's own lens and raster."""
    from composer.guides.passes import Light
    from composer.guides.render import render_guides

    scene = bench.prepare_job(
        bench.shot_words(empty_shot, {"sky": {}}, None, "posed"),
        empty_shot,
        bench.load_quality("preview"),
        frames=[bench.FRAME],
    ).scene
    numbers = (bench.FRAME - 1, bench.FRAME, bench.FRAME + 1)
    agents, cast = scene.people.at(numbers), scene.people.cast
    views = tuple(scene.stage.camera.view(n) for n in numbers)
    light = Light((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    seen = render_guides(agents, cast, views, None, (), light, samples=1).coverage
    mesh = bench.host_mesh(bench.posed(agents, cast, views[1]))
    assert np.allclose(np.linalg.norm(mesh.normal, axis=1), 1, atol=1e-4)
    maker = bench.maker()
    at = maker.move.world_from_camera(bench.FRAME, float(maker.world.height_m(0.0, 0.0)))
    lens = maker.renderer.lens_at(at, 1.0, (0, 0, 1920, 1080), (0.0, 0.0))
    screen = wp.zeros(len(mesh.position_m), dtype=wp.vec3, device="cpu")
    vis = wp.full((1080, 1920), value=maker.raster.EMPTY, dtype=wp.uint64, device="cpu")
    place = wp.array(mesh.position_m, dtype=wp.vec3, device="cpu")
    triangle = wp.array(mesh.triangle, dtype=wp.vec3i, device="cpu")
    wp.launch(maker.raster.project_vertices, dim=len(screen), inputs=[lens, place, screen], device="cpu")
    wp.launch(maker.raster.draw_mesh, dim=len(triangle), inputs=[lens, screen, triangle, 0, vis], device="cpu")
    theirs, ours = vis.numpy() != maker.raster.EMPTY, seen > 0.5
    assert ours.sum() > 20_000
    assert (theirs & ours).sum() / (theirs | ours).sum() > 0.97


@pytest.mark.slow  # its two halves are tested above, and the air's share of a shadow in tests/comp
def test_matching_brings_a_piece_of_the_picture_nearer_to_the_truth(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coarse land, a thin meadow, three samples, a piece of the frame in thick air: the air that is put there, by hand."""
    from composer.comp.plate_look import Air, PlateLook

    maker, (x, y, w, h) = bench.maker(), CROP
    land = ((-66.0, 66.0, -132.0, -2.0, 2.0), (-190.0, 190.0, -430.0, 0.0, 6.0))
    monkeypatch.setattr(maker.meshes, "LEVELS", land)
    monkeypatch.setattr(maker.renderer, "HOST_PX", 1024)
    monkeypatch.setattr(maker.trees, "cards", functools.cache(maker.trees.cards))
    bench.maker().files.write_plate(
        tmp_path / f"plate.{bench.FRAME}.exr", np.zeros((1080, 1920, 3), np.float32), bench.FRAME, 1.0
    )
    shot = bench.shot_words(tmp_path, {"sky": {}}, None, "posed")
    scene = bench.prepare_job(shot, tmp_path, bench.load_quality("preview"), frames=[bench.FRAME]).scene
    numbers = (bench.FRAME - 1, bench.FRAME, bench.FRAME + 1)
    soldiers = bench.posed(scene.people.at(numbers), scene.people.cast, scene.stage.camera.view(bench.FRAME))
    drawn = []
    for host in (bench.host_mesh(soldiers), None):
        renderer = maker.renderer.Renderer(density=0.02, figure_step_m=0.15, host=host, thick=14.0)
        drawn.append(renderer.draw(bench.FRAME, 3, crop=CROP).rgb)
    truth, empty = (np.pad(part, ((y, 1080 - y - h), (x, 1920 - x - w), (0, 0))) for part in drawn)
    bench.maker().files.write_plate(tmp_path / f"plate.{bench.FRAME}.exr", empty, bench.FRAME, 1.0)
    where = bench.region_of(truth, empty)
    assert 0.1 * w * h < where.sum() < w * h
    compositor = bench.Compositor(tmp_path, "preview")
    sun = {"sun": {"elevation_deg": 15, "azimuth_deg": 298}}
    air = PlateLook(air=Air((0.0039, 0.0045, 0.0055), (0.62, 0.6, 0.64)))
    pictures = {name: compositor.picture(sun, look)[0] for name, look in (("plain", PlateLook()), ("air", air))}
    rows = bench.compared(pictures, (truth, truth), where, None)
    assert rows["air"]["psnr_db"] > rows["plain"]["psnr_db"] + 4
    assert rows["air"]["flip"] < 0.75 * rows["plain"]["flip"]
