"""Camera and View: projection against its inverse, frames, sizes and worlds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.camera.camera import Camera, View
from composer.camera.lens import Brown
from composer.camera.readers import locked_off
from composer.camera.readers.common import euler, transform

angles = st.tuples(*[st.floats(-180, 180)] * 3)
places = st.tuples(*[st.floats(-50, 50)] * 3)


def _view(angle: tuple[float, ...], place: tuple[float, ...], k1: float = 0.0) -> View:
    pose = transform(euler("ZXY", np.array([angle])), np.array([place]))[0]
    return View(1, (1920, 1080), pose, (1500.0, 1480.0), (950.0, 545.0), Brown(k1=k1))


@settings(max_examples=60, deadline=None)
@given(angles, places, st.sampled_from([0.0, -0.15, 0.2]), st.floats(0, 1920), st.floats(0, 1080), st.floats(0.2, 500))
def test_rays_and_project_are_inverse(angle, place, k1, x, y, depth):
    view = _view(angle, place, k1)
    point = view.position_m + depth * view.rays(np.array([x, y]))
    pixel, back = view.project(point)
    assert pixel == pytest.approx([x, y], abs=1e-6)
    assert back == pytest.approx(depth, rel=1e-9, abs=1e-9)


def test_axes():
    view = View(1, (200, 100), np.eye(4), (100.0, 100.0), (100.0, 50.0))
    pixel, depth = view.project(np.array([[1.0, 0, -2], [0, 1, -2], [0, 0, -2], [0, 0, 2], [np.nan, 0, -1]]))
    assert pixel[:3] == pytest.approx(np.array([[150.0, 50], [100, 0], [100, 50]]))
    assert depth[:4] == pytest.approx([2, 2, 2, -2])
    assert np.isnan(pixel[3:]).all()


def test_one_step_beyond_goes_on():
    step = transform(euler("ZXY", np.array([[1.0, 2, 3]])), np.array([[0.1, 0, -0.2]]))[0]
    poses = [np.eye(4)]
    for _ in range(3):
        poses.append(poses[-1] @ step)
    camera = Camera(10, np.stack(poses[:3]), np.full(3, 35.0), (36, 24), np.tile([1.0, 1], (3, 1)), (2, 2))
    assert camera.view(13).world_from_camera == pytest.approx(poses[3])
    assert camera.view(9).world_from_camera @ step == pytest.approx(poses[0])
    with pytest.raises(IndexError):
        camera.view(14)
    assert camera.covers(12) and not camera.covers(13)


def test_resized_and_transformed_keep_what_is_seen():
    camera = locked_off(
        focal_mm=30,
        filmback_mm=(36, 24),
        height_m=2,
        tilt_deg=-10,
        pan_deg=20,
        size_px=(1200, 800),
        first_frame=1,
        frame_count=2,
    )
    points = camera.view(1).position_m + np.random.default_rng(3).uniform(1, 5, (20, 1)) * camera.view(1).rays(
        np.random.default_rng(4).uniform(0, 800, (20, 2))
    )
    before, depth = camera.view(1).project(points)
    assert camera.resized((2400, 1600)).view(1).project(points)[0] == pytest.approx(before * 2)
    move = np.eye(4)
    move[:3, :3] = 2.5 * euler("XYZ", np.array([10.0, 20, 30]))
    move[:3, 3] = (1, 2, 3)
    moved, far = camera.transformed(move).view(1).project(points @ move[:3, :3].T + move[:3, 3])
    assert moved == pytest.approx(before) and far == pytest.approx(depth * 2.5)


def test_locked_off_looks_where_it_says():
    def looks(**more: float) -> tuple[np.ndarray, np.ndarray]:
        camera = locked_off(
            focal_mm=35,
            filmback_mm=(36, 20.25),
            height_m=1.6,
            size_px=(1920, 1080),
            first_frame=1001,
            frame_count=3,
            **more,
        )
        pose = camera.view(1002).world_from_camera
        assert pose[:3, 3] == pytest.approx([0, 1.6, 0])
        return -pose[:3, 2], pose[:3, 0]

    assert looks()[0] == pytest.approx([0, 0, -1])
    assert looks(tilt_deg=-30)[0] == pytest.approx([0, -0.5, -np.sqrt(0.75)])
    assert looks(pan_deg=90)[0] == pytest.approx([1, 0, 0], abs=1e-12)
    assert looks(pan_deg=90, tilt_deg=-30)[0] == pytest.approx([np.sqrt(0.75), -0.5, 0])
    assert looks(roll_deg=10)[1][1] < 0  # its right side dips


@given(st.sampled_from(["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]), angles)
@settings(max_examples=40, deadline=None)
def test_euler_is_that_of_scipy(order, angle):
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler(order.lower(), [angle["XYZ".index(a)] for a in order], degrees=True).as_matrix()
    assert euler(order, np.array(angle)) == pytest.approx(turn, abs=1e-12)
