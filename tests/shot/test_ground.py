from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.camera.camera import Camera
from composer.errors import InputError
from composer.shot.ground import mesh_ground, plane_ground
from composer.shot.ground_files import height_field, read_mesh
from composer.shot.ground_fit import fit_ground, over_plane
from composer.shot.scale import world_on_plane

SMALL = st.floats(-5, 5)


@settings(max_examples=80, deadline=None)
@given(st.tuples(SMALL, SMALL, SMALL), st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)), st.tuples(SMALL, SMALL))
def test_a_plane_agrees_with_itself(point: tuple, slope: tuple, at: tuple) -> None:
    ground = plane_ground(point, (slope[0], 1, slope[1]))
    x, z = at
    y = float(ground.height_m(x, z))
    assert abs(np.dot(np.array([x, y, z]) - point, ground.plane_normal)) < 1e-4
    eye = np.array([x + 3.0, y + 20.0, z - 2.0])
    hit = ground.intersect(eye, np.array([x, y, z]) - eye)
    assert np.allclose(hit, [x, y, z], atol=1e-4)
    assert np.isnan(ground.intersect(eye, eye - np.array([x, y, z]))).all()


def hills(n: int = 60, size: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    x, z = np.meshgrid(np.linspace(-size, size, n), np.linspace(-size, size, n))
    y = 4 * np.sin(x / 20) * np.cos(z / 30)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = (v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    return np.stack([x, y, z], -1).reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([c, b, d], 1)])


def test_a_mesh_against_a_plain_search() -> None:
    position, triangle = hills(20)
    ground = mesh_ground(position, triangle)
    rng = np.random.default_rng(1)
    origin = np.array([3.0, 6.0, 5.0])
    rays = rng.normal(size=(300, 3)) * [1, 0.3, 1]
    hits = ground.intersect(origin, rays)
    corner = position.astype(np.float32).astype(np.float64)[triangle]
    for ray, hit in zip(rays, hits, strict=True):  # Moeller and Trumbore, one triangle at a time
        e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        p = np.cross(ray, e2)
        det = np.einsum("ti,ti->t", e1, p)
        s = origin - corner[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.einsum("ti,ti->t", s, p) / det
            q = np.cross(s, e1)
            v, t = q @ ray / det, np.einsum("ti,ti->t", e2, q) / det
        good = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        if good.any():
            assert np.allclose(hit, origin + t[good].min() * ray, atol=1e-3)
        else:
            assert np.isnan(hit).all()


def test_mesh_heights_are_exact_at_vertices_and_none_beyond() -> None:
    position, triangle = hills()
    ground = mesh_ground(position, triangle)
    assert np.abs(ground.height_m(position[:, 0], position[:, 2]) - position[:, 1]).max() < 1e-4
    assert np.isnan(ground.height_m([150.0, np.nan], [0.0, 0.0])).all()
    normal = ground.normal(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert np.allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-5) and (normal[:, 1] > 0).all()


def test_people_stand_on_top_where_a_mesh_lies_over_itself() -> None:
    flat = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], dtype=float)
    ground = mesh_ground(
        np.concatenate([flat, flat + np.array([0, 3, 0])]), [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7]]
    )
    assert ground.height_m(0.2, 0.3) == pytest.approx(3)


def test_obj_is_read_with_polygons_and_negative_indices(tmp_path: Path) -> None:
    path = tmp_path / "g.obj"
    path.write_text("v 0 1 0\nv 2 1 0\nv 2 1 2\nv 0 1 2\nvn 0 1 0\nf 1//1 2//1 3//1 -1//1\nl 1 2\n")
    ground = read_mesh(path)
    assert len(ground.triangle) == 2 and ground.height_m(1, 1) == pytest.approx(1)
    for text, words in (("v 0 0 0\nf 1 2 3\n", "g.obj:2"), ("v 0 x 0\n", "g.obj:1"), ("v 0 0 0\n", "no faces")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_mesh(path)
    path.write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="no triangle with an area"):
        read_mesh(path)


def test_usd_is_read_in_metres_and_y_up(tmp_path: Path) -> None:
    path = tmp_path / "g.usda"
    path.write_text(
        """#usda 1.0
( metersPerUnit = 0.01
  upAxis = "Z" )
def Xform "a" {
    double3 xformOp:translate = (0, 0, 50)
    uniform token[] xformOpOrder = ["xformOp:translate"]
    def Mesh "m" {
        int[] faceVertexCounts = [4]
        int[] faceVertexIndices = [0, 1, 2, 3]
        point3f[] points = [(-100, -200, 0), (100, -200, 0), (100, 200, 0), (-100, 200, 0)]
    }
}
"""
    )
    ground = read_mesh(path)
    assert ground.position_m.min(axis=0) == pytest.approx([-1, 0.5, -2])
    assert ground.height_m(0.5, 1.9) == pytest.approx(0.5)
    path.write_text("not usd")
    with pytest.raises(InputError, match=r"g\.usda"):
        read_mesh(path)


def test_a_height_field_lies_where_it_says() -> None:
    heights = np.array([[0, 0, 0], [0, 1, 0], [0, 0, np.nan]], dtype=np.float32)
    ground = height_field(heights, (20, 40), (5, 2, -30), 3.0, "h")
    assert ground.height_m([5, -5, 5], [-30, -50, -50]) == pytest.approx([5, 2, 2])
    assert np.isnan(ground.height_m(14, -11)) and ground.height_m(-4, -30) == pytest.approx(2.3)


# --- the plane under a solve ---


def looking(eye: np.ndarray, at: np.ndarray, up: np.ndarray) -> np.ndarray:
    z = (eye - at) / np.linalg.norm(eye - at)
    x = np.cross(up, z) / np.linalg.norm(np.cross(up, z))
    m = np.eye(4)
    m[:3, :3], m[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), eye
    return m


def solve(walls: int, ground: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A house front, some ground before it and six cameras, all in a world turned and scaled at random."""
    rng = np.random.default_rng(seed)
    front = np.stack([rng.uniform(-15, 15, walls), rng.uniform(0, 12, walls), np.full(walls, -40.0)], 1)
    side = np.stack([np.full(walls // 2, -15.0), rng.uniform(0, 12, walls // 2), rng.uniform(-55, -40, walls // 2)], 1)
    lawn = np.stack([rng.uniform(-20, 20, ground), np.zeros(ground), rng.uniform(-40, -8, ground)], 1)
    stray = rng.uniform([-20, 0, -50], [20, 12, -10], (walls // 10, 3))
    points = np.concatenate([front, side, lawn, stray]) + rng.normal(
        0, 0.01, (walls + walls // 2 + ground + walls // 10, 3)
    )
    eyes = [
        looking(np.array([x, 1.7, abs(x) / 9]), np.array([x / 3, 5.0, -40]), np.array([0.02, 1, 0]))
        for x in range(-12, 13, 4)
    ]
    axis, angle = np.array([0.6, 0.0, 0.8]), 2.0
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(4)
    turn[:3, :3] = 0.2 * (np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)
    turn[:3, 3] = [4, -7, 2]
    cameras = turn @ np.stack(eyes)
    cameras[:, :3, :3] /= 0.2
    return points @ turn[:3, :3].T + turn[:3, 3], cameras, turn


@pytest.mark.parametrize(("walls", "ground"), [(2000, 0), (400, 400), (0, 300)])
def test_the_fit_finds_the_ground_under_a_house(walls: int, ground: int) -> None:
    points, cameras, turn = solve(walls, ground)
    fit = fit_ground(points, cameras, 0.3)
    truth = turn[:3, 1] / np.linalg.norm(turn[:3, 1])
    assert np.degrees(np.arccos(min(fit.normal @ truth, 1))) < 0.6
    assert fit.camera_height * 5 == pytest.approx(1.7, rel=0.25)
    again = fit_ground(points, cameras, 0.3)
    assert (again.normal == fit.normal).all() and again.trust == fit.trust
    assert fit.trust > (0.6 if ground else 0.3)
    assert any(f"trust {fit.trust:.2f}" in note for note in fit.notes)


def test_a_fit_that_is_not_to_be_trusted_is_refused_with_the_way_out() -> None:
    points, cameras, _ = solve(2000, 0)
    with pytest.raises(InputError, match=r"not to be trusted: expected trust 0.95 or more, .*picks"):
        fit_ground(points, cameras, 0.95)
    with pytest.raises(InputError, match="too few points"):
        fit_ground(points[:5], cameras, 0.0)
    up = cameras[0, :3, 1]
    with pytest.raises(InputError, match="below the cameras"):
        fit_ground(points[(points - cameras[0, :3, 3]) @ up > 0.5], cameras, 0.0)


def test_the_world_stands_on_the_plane_with_the_first_camera_over_its_origin() -> None:
    _, cameras, turn = solve(10, 10)
    up = turn[:3, 1] / np.linalg.norm(turn[:3, 1])
    n = len(cameras)
    camera = Camera(1, cameras, np.full(n, 35.0), (36.0, 24.0), np.tile([48.0, 32.0], (n, 1)), (96, 64))
    new = world_on_plane(camera.view(1), turn[:3, 3], up, 5.0)
    moved = camera.transformed(new)
    eye = moved.view(1).position_m
    assert eye == pytest.approx([0, 1.7, 0], abs=1e-9)
    ahead = -moved.view(1).world_from_camera[:3, 2]
    assert ahead[0] == pytest.approx(0, abs=1e-9) and ahead[2] < 0
    old = np.linalg.norm(cameras[3, :3, 3] - cameras[0, :3, 3])
    assert np.linalg.norm(moved.view(4).position_m - eye) == pytest.approx(5 * old)
    assert over_plane(moved.world_from_camera[:, :3, 3], np.zeros(3), np.array([0, 1.0, 0])) == pytest.approx(1.7)
    assert np.allclose(np.linalg.det(moved.world_from_camera[:, :3, :3]), 1)
