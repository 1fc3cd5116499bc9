"""Every real track file either loads, spot-checked against values in it, or is refused with its reason in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from composer.camera.camera import Camera
from composer.camera.readers import CameraTrack, read_camera
from composer.camera.readers.common import euler
from composer.errors import InputError

HD = (1920, 1080)


def _pose(camera: Camera, frame: int) -> np.ndarray:
    return camera.world_from_camera[frame - camera.first_frame]


def _nuke(track: CameraTrack) -> None:
    c = track.camera
    assert (c.first_frame, c.last_frame) == (196, 382)
    assert c.focal_mm == pytest.approx(np.full(187, 33.31654859)) and c.filmback_mm[0] == 36
    assert _pose(c, 196)[0, 3] == 1.355089739 and _pose(c, 198)[0, 3] == 1.413835433
    assert np.degrees(np.arcsin(-_pose(c, 196)[1, 2])) == pytest.approx(-2.861477852)  # tilt of a ZXY rotation


def _shader_ball(track: CameraTrack) -> None:
    pose = _pose(track.camera, 1001)
    assert pose[:3, 3] == pytest.approx([0.0653154, 0.195, 0.179485])
    assert pose[:3, :3] == pytest.approx(euler("XYZ", np.array([-40.1, 20.0, 0])), abs=1e-6)
    assert track.camera.focal_mm[0] == pytest.approx(50) and track.camera.filmback_mm[0] == pytest.approx(20.955)
    assert (track.camera.first_frame, track.camera.last_frame) == (1001, 1024)  # static: for the whole plate


def _moving(track: CameraTrack) -> None:
    c = track.camera
    assert (c.first_frame, c.last_frame) == (1, 9)
    assert [_pose(c, f)[1, 3] for f in (1, 5, 9)] == pytest.approx([0.01, 0.05, 0.09])
    assert c.filmback_mm == pytest.approx((41.4214, 23.299536), rel=1e-5)


def _main_cam(track: CameraTrack) -> None:
    assert track.camera.focal_mm[0] == pytest.approx(25.047468) and track.camera.filmback_mm == pytest.approx(
        (24, 13.5)
    )


def _teapot(track: CameraTrack) -> None:
    c = track.camera
    assert (c.first_frame, c.last_frame) == (0, 479) and c.focal_mm[0] == 32
    forward = -_pose(c, 0)[:3, 2]
    assert np.degrees(np.arcsin(forward[1])) == pytest.approx(-15)
    assert np.degrees(np.arcsin(-_pose(c, 48)[1, 2])) == pytest.approx(-14)


def _alembic(track: CameraTrack) -> None:
    c = track.camera
    assert (c.first_frame, c.last_frame) == (0, 20)
    assert _pose(c, 0)[:3, 3] == pytest.approx([0, -2340, 0])
    assert c.focal_mm[0] == pytest.approx(11700.0176) and c.filmback_mm == pytest.approx((10000, 4000))


def _mmsolver(track: CameraTrack) -> None:
    c = track.camera
    assert (c.first_frame, c.last_frame) == (0, 94) and c.size_px == (1936, 1288)
    assert c.focal_mm[:2] == pytest.approx([31.73108662100431, 31.734457713809032])
    assert _pose(c, 0)[:3, 3] == pytest.approx([3.7238113207964517, 1.150343865366471, 3.8282089186456074])
    turn = euler("Y", [0, 37.80572355123949, 0]) @ euler("X", [-2.790031597721737, 0, 0])
    assert _pose(c, 0)[:3, :3] == pytest.approx(turn @ euler("Z", [0, 0, -0.4191176989874577]))


def _matchmover(track: CameraTrack, first: int, last: int, median: float, mean: float) -> None:
    """The file's own points, seen through the file's own cameras, land on the file's own marks with its own
    residuals."""
    c, seen = track.camera, track.observations
    assert (c.first_frame, c.last_frame) == (first, last)
    errors = []
    for frame in np.unique(seen.frame):
        rows = seen.frame == frame
        px, _ = c.view(int(frame)).project(track.points_m[seen.point[rows]])
        errors.append(np.hypot(*((px - seen.xy_px[rows]) / (1, c.pixel_aspect)).T))
    errors = np.concatenate(errors)
    assert np.median(errors) == pytest.approx(median, abs=0.006)
    assert errors.mean() == pytest.approx(mean, abs=0.006)


def _van(track: CameraTrack) -> None:
    assert track.camera.pixel_aspect == 1.5 and track.camera.filmback_mm == pytest.approx((48, 27))
    assert track.camera.world_from_camera[:, 1, 1].min() > 0.99  # upright
    assert 2 * np.degrees(np.arctan(24 / track.camera.focal_mm[0])) == pytest.approx(43.71607955)
    assert track.camera.lens.k == -0.08408902295
    _matchmover(track, 0, 188, 0.24, 0.3529)


def _nodal(track: CameraTrack) -> None:
    assert track.camera.lens.k.at(1537) == 0.0464792713 and track.camera.lens.k.at(1538) == 0.04347569394
    _matchmover(track, 1537, 1951, 1.24, 1.9852)


LOADS = {
    "nuke_cornerPin3dExample.nk": (_nuke, {"node": "Camera1", "size_px": (2048, 1556)}),
    "usd_StandardShaderBall_camera.usda": (_shader_ball, {"size_px": HD, "frames": tuple(range(1001, 1025))}),
    "usd_cameraMoving.usda": (_moving, {"size_px": HD}),
    "usd_main_cam.usd": (_main_cam, {"size_px": HD}),
    "usd_teapotScene_camera.usd": (_teapot, {"size_px": HD}),
    "alembic_testAbcCamera.abc": (_alembic, {"size_px": (2500, 1000)}),
    "mmsolver_stA_animatedFocalLength.mmcamera": (_mmsolver, {}),
    "matchmover_normalCameraSolve_pixelAspectRatio.rzml": (_van, {}),
    "matchmover_nearNodalSolve_animatedDistortion_timeRange.rzml": (_nodal, {}),
}
REFUSED = {
    "3de4_ldpk_nuke_distortion_classic_v004.nk": "no camera in this Nuke script.*lens",
    "3de4_lens_anamorphic_std_deg4_2.nk": "no camera in this Nuke script.*lens",
    "3de4_lens_radial_std_deg4_1.nk": "no camera in this Nuke script.*lens",
    "3de4_trackboy_slim_nuke_ldpk.nk": "no camera in this Nuke script.*lens",
    "3de4_trackboy_slim_3de_lens.txt": "holds a lens, not a camera",
    "aftereffects_camera_track_test.csv": "no rotation and no focal length.*export",
    "chan_single_curve_focalLength_raw.chan": ":1: two columns .* one animation curve, not a camera",
    "collada_cameras.dae": "COLLADA is not read.*USD",
    "fbx_maya_camera_light_axes_y_up_6100_ascii.fbx": "FBX.*USD",
    "fbx_maya_camera_light_axes_y_up_7700_binary.fbx": "FBX.*USD",
    "mmsolver_stA.uv": "2D tracks.*mmcamera",
    "nuke_maya2nukeLayoutCamera.nk": "several cameras.*LayoutCamera1, Layout.LayoutCamera2",
    "nuke_openNuke_LICENCE.txt": "not a camera format",
    "pftrack_hollywoodcameraworks_headtracking.txt": "2D track export.*USD",
}


@pytest.mark.parametrize("name", LOADS)
def test_loads(shared_data: Path, name: str):
    check, options = LOADS[name]
    track = read_camera(shared_data / "camera_tracks" / name, **options)
    check(track)
    assert track.notes == track.camera.notes
    for word in ("up axis", "1 file unit = ", "frame offset"):
        assert any(word in n for n in track.notes)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(shared_data: Path, name: str):
    with pytest.raises(InputError, match=REFUSED[name]) as e:
        read_camera(shared_data / "camera_tracks" / name, size_px=HD)
    assert "\n" not in str(e.value) and name in str(e.value)


def test_every_file_is_named_here(shared_data: Path):
    assert {p.name for p in (shared_data / "camera_tracks").iterdir()} == {*LOADS, *REFUSED}


@pytest.mark.parametrize("node", ["LayoutCamera1", "Layout.LayoutCamera2"])
def test_expressions_are_refused_by_name(shared_data: Path, node: str):
    path = shared_data / "camera_tracks/nuke_maya2nukeLayoutCamera.nk"
    with pytest.raises(
        InputError, match=rf":(62|118): {node if '.' in node else 'Layout.' + node}.rotate is an expression"
    ):
        read_camera(path, size_px=HD, node=node)


def test_scale_up_offset(shared_data: Path):
    path = shared_data / "camera_tracks/usd_cameraMoving.usda"
    track = read_camera(path, size_px=HD, scale=100.0, up="z", frame_offset=1000)
    assert track.camera.first_frame == 1001
    assert _pose(track.camera, 1005)[:3, 3] == pytest.approx([0, 0, -5])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"scale": 0}, "camera.scale"), ({"scale": float("nan")}, "camera.scale"), ({"up": "w"}, "camera.up"),
        ({"rotation_order": "xxy"}, "camera.rotation_order"), ({"filmback_mm": (0, 1)}, "camera.filmback_mm"),
        ({"size_px": (0, 1)}, "camera.size_px"), ({"format": "maya"}, "unknown camera format"),
        ({"node": "x"}, "no camera named x"),
        ({"size_px": None}, "no picture size"),
    ],
)  # fmt: skip
def test_bad_requests(shared_data: Path, options, what):
    with pytest.raises(InputError, match=what):
        read_camera(shared_data / "camera_tracks/usd_cameraMoving.usda", **{"size_px": HD, **options})


def test_no_such_file(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_camera(tmp_path / "nothing.nk")
    with pytest.raises(InputError, match="no camera solve in this folder"):
        read_camera(tmp_path)
