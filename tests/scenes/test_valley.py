"""The embedded scene: its files belong together, and the script in the repository still makes them."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

SCENE = Path(__file__).resolve().parents[2] / "scenes" / "valley"
FRAMES = range(1001, 1025)
SIZE = (1920, 1080)
SEQUENCES = {"plate/valley": {"RGB"}, "matte/figures": {"A"}, "depth/depth": {"Z"}}
F64 = NDArray[np.float64]


class Renderer(Protocol):
    """What is used of the maker's."""

    at: Callable[[float, float], F64]

    def draw(self, frame: int, samples: int, *, crop: tuple[int, int, int, int]) -> Any: ...


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The scene's own package, which is not installed."""
    sys.path.insert(0, str(SCENE))
    try:
        package = importlib.import_module("maker")
        for name in ("files", "light", "move", "renderer", "world"):
            importlib.import_module(f"maker.{name}")
        return package
    finally:
        sys.path.remove(str(SCENE))


@pytest.fixture(scope="module")
def shot() -> dict:
    return YAML(typ="safe").load((SCENE / "shot.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def camera() -> dict:
    return json.loads((SCENE / "camera.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ground() -> tuple[F64, NDArray[np.int64]]:
    """(vertices [V, 3], triangles [T, 3]) read by hand from the OBJ."""
    lines = [line.split() for line in (SCENE / "ground.obj").read_text(encoding="ascii").splitlines()]
    vertices = np.array([line[1:] for line in lines if line[0] == "v"], np.float64)
    return vertices, np.array([line[1:] for line in lines if line[0] == "f"], np.int64) - 1


def read(name: str, frame: int, channel: str) -> NDArray[np.float32]:
    import OpenEXR

    with OpenEXR.File(str(SCENE / f"{name}.{frame:04d}.exr")) as file:
        return file.channels()[channel].pixels.astype(np.float32)


def points_under(camera: dict, frame: int, pixels: F64, depth_m: F64) -> F64:
    """World points of plate pixels at planar depths, by the camera file alone."""
    m = np.array(camera["frames"][frame - FRAMES[0]]["transform_matrix"])
    plate = (pixels - [camera["cx"], camera["cy"]]) / [camera["fl_x"], camera["fl_y"]]
    ideal = plate.copy()
    for _ in range(30):
        r2 = (ideal**2).sum(-1, keepdims=True)
        ideal = plate / (1 + camera["k1"] * r2 + camera["k2"] * r2 * r2)
    local = np.stack([ideal[:, 0], -ideal[:, 1], -np.ones(len(ideal))], -1) * depth_m[:, None]
    return local @ m[:3, :3].T + m[:3, 3]


def in_regions(shot: dict, x: F64, z: F64) -> NDArray[np.bool_]:
    """Whether (x, z) lies where soldiers will stand."""
    inside = np.zeros(x.shape, bool)
    for region in shot["crowd"]["regions"]:
        p = np.array(region["polygon_m"], float)
        odd = np.zeros(x.shape, bool)
        for (ax, az), (bx, bz) in zip(p, np.roll(p, -1, 0), strict=True):
            crosses = (az > z) != (bz > z)
            with np.errstate(divide="ignore", invalid="ignore"):
                odd ^= crosses & (x < (bx - ax) * (z - az) / (bz - az) + ax)
        inside |= odd
    return inside


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_are_complete(name: str) -> None:
    import OpenEXR

    files = sorted((SCENE / name).parent.glob("*.exr"))
    assert [f.name for f in files] == [f"{Path(name).name}.{frame:04d}.exr" for frame in FRAMES]
    for index, path in enumerate(files):
        assert path.stat().st_size < 4_000_000
        with OpenEXR.File(str(path), header_only=True) as file:
            header = file.header()
            low, high = (np.array(v) for v in header["dataWindow"])
            rate, code = header["framesPerSecond"], header["timeCode"]
        assert tuple(high - low + 1) == SIZE
        assert rate == Fraction(24)
        assert (code.hours, code.minutes, code.seconds * 24 + code.frame) == (1, 0, index)
    with OpenEXR.File(str(files[0])) as file:
        assert set(file.channels()) == SEQUENCES[name]
        if name.startswith("plate"):
            assert np.allclose(
                file.header()["chromaticities"], (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
            )


def test_the_scene_stays_small() -> None:
    files = [p for p in SCENE.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) < 32_000_000


def test_camera_moves_and_is_rigid(camera: dict) -> None:
    m = np.array([f["transform_matrix"] for f in camera["frames"]])
    assert len(m) == len(FRAMES)
    assert np.allclose(m[:, :3, :3] @ m[:, :3, :3].transpose(0, 2, 1), np.eye(3), atol=1e-7)
    assert np.allclose(np.linalg.det(m[:, :3, :3]), 1, atol=1e-7)
    steps = np.linalg.norm(np.diff(m[:, :3, 3], axis=0), axis=1)
    assert steps.min() > 0.02 and steps.max() < 0.06  # metres a frame: slow, and never still


def test_camera_file_is_the_one_that_rendered(maker: ModuleType, camera: dict) -> None:
    ground_m = float(maker.world.height_m(0.0, 0.0))
    for frame, entry in zip(FRAMES, camera["frames"], strict=True):
        assert np.allclose(maker.move.world_from_camera(frame, ground_m), entry["transform_matrix"], atol=1e-5)


def test_shot_has_the_renderer_s_light(maker: ModuleType, shot: dict) -> None:
    light = shot["light"]
    for mine, theirs in ((maker.light.SUN, "sun"), (maker.light.SKY, "sky"), (maker.light.BOUNCE, "bounce")):
        assert np.allclose(mine, np.array(light[theirs]["color"]) * light[theirs]["strength"])
    e, a = np.radians([light["sun"]["elevation_deg"], light["sun"]["azimuth_deg"]])
    direction = (np.cos(e) * np.sin(a), np.sin(e), -np.cos(e) * np.cos(a))
    assert np.allclose(maker.light.SUN_DIRECTION, direction, atol=1e-6)


@pytest.mark.parametrize(("aside", "distance_m"), [(0.0, 45.0), (-0.15, 100.0), (0.1, 160.0)])
def test_shot_has_the_renderer_s_air(maker: ModuleType, shot: dict, aside: float, distance_m: float) -> None:
    """What is black and stands on the field is as pale in both, at the hosts' distances."""
    import warp as wp

    eye = wp.vec3(0.0, 6.4, 0.0)
    way = np.array([aside, -5.5 / distance_m, -1.0])
    direction = wp.vec3(*(way / np.linalg.norm(way)).tolist())
    truth = np.array(maker.light.haze(wp.vec3(0.0, 0.0, 0.0), eye, direction, distance_m, 1.0))
    air = shot["match"]["air"]
    ours = np.array(air["inscatter"]) * (1 - np.exp(-np.array(air["extinction_per_m"]) * distance_m))
    assert np.allclose(ours, truth, rtol=0.2)
    assert np.abs(ours - truth).max() < 0.01


def test_shot_asks_for_a_thousand(shot: dict) -> None:
    regions = shot["crowd"]["regions"]
    assert sum(r["count"] for r in regions) == shot["crowd"]["count"] == 1000
    assert {r["side"] for r in regions} == {"red", "blue"}


def test_ground_mesh_is_the_rendered_terrain(
    maker: ModuleType, shot: dict, ground: tuple[F64, NDArray[np.int64]]
) -> None:
    vertices, triangles = ground
    rng = np.random.default_rng(3)
    a, b, c = (vertices[t] for t in triangles[rng.integers(0, len(triangles), 40_000)].T)
    w = rng.dirichlet((1, 1, 1), len(a))
    p = w[:, :1] * a + w[:, 1:2] * b + w[:, 2:] * c
    p = p[in_regions(shot, p[:, 0], p[:, 2])]
    assert len(p) > 1000
    truth = maker.world.height_m(p[:, 0].astype(np.float32), p[:, 2].astype(np.float32))
    assert np.abs(p[:, 1] - truth).max() < 0.02


@pytest.mark.parametrize("frame", [1001, 1013, 1024])
def test_depth_lies_on_the_ground(frame: int, camera: dict, shot: dict, ground: tuple[F64, NDArray[np.int64]]) -> None:
    """Depth, lens and move together put the field's pixels on the ground mesh: independent of the renderer."""
    from scipy.interpolate import LinearNDInterpolator

    depth = read("depth/depth", frame, "Z")
    rng = np.random.default_rng(frame)
    i, j = rng.integers(0, SIZE[0], 6000), rng.integers(400, SIZE[1], 6000)
    z = depth[j, i].astype(np.float64)
    keep = np.isfinite(z) & (read("matte/figures", frame, "A")[j, i] < 0.5)
    p = points_under(camera, frame, np.stack([i, j], -1)[keep] + 0.5, z[keep])
    p = p[in_regions(shot, p[:, 0], p[:, 2])]
    assert len(p) > 300
    vertices, _ = ground
    mesh = LinearNDInterpolator(vertices[:, [0, 2]], vertices[:, 1])
    off = np.abs(p[:, 1] - mesh(p[:, [0, 2]]))
    assert np.median(off) < 0.01
    assert np.mean(off < 0.03) > 0.97  # the rest: boulders


@pytest.mark.parametrize("frame", [1001, 1024])
def test_matte_is_soft_and_sane(frame: int) -> None:
    a = read("matte/figures", frame, "A")
    assert a.min() == 0.0 and a.max() == 1.0
    assert 0.02 < np.mean(a > 0.5) < 0.12
    soft = np.mean((a > 0.02) & (a < 0.98))
    assert 0.002 < soft < 0.05
    depth = read("depth/depth", frame, "Z")
    assert (
        np.mean(depth[a > 0.999] < 15) > 0.9
    )  # whoever hides wholly stands on the knoll; the rest is grass on its brow


def test_plate_is_a_scene_linear_shot() -> None:
    rgb = read("plate/valley", 1001, "RGB")
    assert np.isfinite(rgb).all()
    assert rgb[:200, :500].max() > 2.0
    assert 0.05 < np.median(rgb) < 0.4


def test_grain_is_new_each_frame_and_always_the_same(maker: ModuleType) -> None:
    flat = np.full((300, 300, 3), 0.18, np.float32)
    one, again, other = (maker.files.grain(flat, f) for f in (1001, 1001, 1002))
    assert np.array_equal(one, again)
    assert abs(np.corrcoef((one - flat).ravel(), (other - flat).ravel())[0, 1]) < 0.02
    assert (one - flat).std() == pytest.approx(float(maker.files.grain_sigma(np.float32(0.18))), rel=0.05)
    bright = maker.files.grain(flat * 10, 1001) - flat * 10
    assert bright.std() > 2 * (one - flat).std()


@pytest.fixture(scope="module")
def renderer(maker: ModuleType) -> Renderer:
    return maker.renderer.Renderer()


def test_the_script_still_makes_the_committed_frames(maker: ModuleType, renderer: Renderer) -> None:
    """A crop with banner, bearer, woods and meadow, drawn again without grain: plate within grain and compression,
    matte within half precision, depth within its rounding."""
    x, y, w, h = crop = (440, 270, 200, 380)
    frame = 1007
    picture = renderer.draw(frame, maker.renderer.SAMPLES, crop=crop)
    window = np.s_[y : y + h, x : x + w]
    matte = read("matte/figures", frame, "A")[window]
    assert np.mean(np.abs(picture.matte - matte) > 0.08) < 0.002
    depth, mine = read("depth/depth", frame, "Z")[window], maker.files.coarse(picture.depth_m)
    same = (np.abs(depth - mine) <= 0.002 * mine) | (np.isinf(depth) & np.isinf(mine))
    assert np.mean(same) > 0.99
    plate = read("plate/valley", frame, "RGB")[window]
    error = plate - picture.rgb
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.004
    # DWA drops fine detail that it can spare: 8x8 means agree much better than pixels
    blocks = error[: h // 8 * 8, : w // 8 * 8].reshape(h // 8, 8, w // 8, 8, 3).mean(axis=(1, 3))
    level = picture.rgb.mean()
    assert np.sqrt(np.mean(error**2)) < 0.18 * level
    assert np.sqrt(np.mean(blocks**2)) < 0.04 * level


def test_the_script_still_makes_the_charge_s_plate(
    maker: ModuleType, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Woods from the rise, away from the boulders that it does without."""
    monkeypatch.setattr(renderer, "at", maker.move.charge_from_camera)
    x, y, w, h = crop = (1000, 120, 160, 176)
    picture = renderer.draw(1001, maker.renderer.SAMPLES, crop=crop)
    window = np.s_[y : y + h, x : x + w]
    import OpenEXR

    with OpenEXR.File(str(SCENE / "charge" / "plate.exr")) as file:
        plate = file.channels()["RGB"].pixels.astype(np.float32)[window]
    error = plate - picture.rgb
    blocks = error.reshape(h // 8, 8, w // 8, 8, 3).mean(axis=(1, 3))
    level = picture.rgb.mean()
    assert np.sqrt(np.mean(error**2)) < 0.18 * level
    assert np.sqrt(np.mean(blocks**2)) < 0.05 * level
