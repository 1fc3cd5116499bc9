"""COLMAP: the solve's own points re-project within its own error; text and binary agree; what is refused."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from composer.camera.camera import Pinhole
from composer.camera.lens import Brown
from composer.camera.readers import CameraTrack, read_camera
from composer.camera.readers.colmap_files import MODEL_NAMES, read_cameras, read_images
from composer.errors import InputError

SOLVES = {"colmap_1600_opencv": 0.345, "colmap_1600_simple_radial": 0.401}


def point_errors(track: CameraTrack) -> np.ndarray:
    """Mean re-projection error of each point, float64 [P], in pixels of the solved pictures: COLMAP's own measure."""
    seen = track.observations
    error = np.full(len(seen.frame), np.nan)
    factor = np.array(track.camera.size_px) / track.solved_size_px
    for frame in np.unique(seen.frame):
        rows = seen.frame == frame
        px, depth = track.camera.view(int(frame)).project(track.points_m[seen.point[rows]])
        assert (depth > 0).all()
        error[rows] = np.hypot(*(px / factor - seen.xy_px[rows]).T)
    return np.bincount(seen.point, error) / np.bincount(seen.point)


@pytest.mark.parametrize("size", [None, (2832, 2128)])
@pytest.mark.parametrize(("name", "limit"), SOLVES.items())
def test_points_reproject_within_the_solves_error(shared_data: Path, name: str, limit: float, size):
    track = read_camera(shared_data / "plates/sceaux_castle" / name, size_px=size)
    assert (track.camera.first_frame, track.camera.last_frame) == (7100, 7110)
    assert track.camera.size_px == (size or (1600, 1202)) and track.solved_size_px == (1600, 1202)
    errors = point_errors(track)
    assert errors.mean() < limit + 0.0005  # the limit is rounded to three digits
    assert errors == pytest.approx(track.point_error_px, abs=1e-6)


def test_world_is_metres_and_y_up(shared_data: Path):
    folder = shared_data / "plates/sceaux_castle/colmap_1600_opencv"
    track = read_camera(folder, scale=2.0, frame_offset=-6099)
    plain = read_camera(folder / "cameras.txt", up="y")
    assert track.camera.first_frame == 1001 and track.observations.frame.min() == 1001
    assert track.points_m == pytest.approx(plain.points_m * (2, -2, -2))
    up = track.camera.world_from_camera[:, :3, 1]
    assert (up[:, 1] > 0.95).all()  # hand-held, but upright
    assert any("scale 2" in n for n in track.notes) and any("-y" in n for n in track.notes)
    assert any("frame offset -6099" in n for n in track.notes)


def _binary(folder: Path, to: Path) -> None:
    """The text model in COLMAP's binary layout."""
    to.mkdir()
    cameras = read_cameras(folder / "cameras.txt")
    with (to / "cameras.bin").open("wb") as f:
        f.write(struct.pack("<Q", len(cameras)))
        for key, c in cameras.items():
            f.write(struct.pack("<IiQQ", key, MODEL_NAMES.index(c.model), *c.size_px))
            f.write(struct.pack(f"<{len(c.values)}d", *c.values.values()))
    images = read_images(folder / "images.txt")
    with (to / "images.bin").open("wb") as f:
        f.write(struct.pack("<Q", len(images)))
        for k, i in enumerate(images):
            f.write(struct.pack("<I7dI", k, *i.quaternion, *i.translation, i.camera) + i.name.encode() + b"\0")
            f.write(struct.pack("<Q", len(i.point) + 1) + struct.pack("<ddQ", 1.0, 2.0, 2**64 - 1))
            for xy, point in zip(i.xy, i.point, strict=True):
                f.write(struct.pack("<ddQ", *xy, point))
    rows = [w.split() for w in (folder / "points3D.txt").read_text().splitlines() if not w.startswith("#")]
    with (to / "points3D.bin").open("wb") as f:
        f.write(struct.pack("<Q", len(rows)))
        for r in rows:
            f.write(struct.pack("<Q3d3Bd", int(r[0]), *map(float, r[1:4]), *map(int, r[4:7]), float(r[7])))
            track = [int(v) for v in r[8:]]
            f.write(struct.pack(f"<Q{len(track)}I", len(track) // 2, *track))


def test_binary_is_the_same_camera(shared_data: Path, tmp_path: Path):
    folder = shared_data / "plates/sceaux_castle/colmap_1600_opencv"
    _binary(folder, tmp_path / "bin")
    text, binary = read_camera(folder), read_camera(tmp_path / "bin")
    assert np.array_equal(text.camera.world_from_camera, binary.camera.world_from_camera)
    assert text.camera.lens == binary.camera.lens and isinstance(text.camera.lens, Brown)
    assert np.array_equal(text.points_m, binary.points_m)
    assert np.array_equal(text.observations.xy_px, binary.observations.xy_px)
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        data = (tmp_path / "bin" / name).read_bytes()
        for cut in (4, 30, len(data) // 2, len(data) - 1):
            (tmp_path / "bin" / name).write_bytes(data[:cut])
            with pytest.raises(InputError, match="cut or damaged"):
                read_camera(tmp_path / "bin")
        (tmp_path / "bin" / name).write_bytes(b"\xff" * 8 + data[8:])
        with pytest.raises(InputError, match="cut or damaged"):
            read_camera(tmp_path / "bin")
        (tmp_path / "bin" / name).write_bytes(data)


def _solve(folder: Path, names: list[str], camera: str = "1 PINHOLE 100 80 90 95 50 40", extra: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cameras.txt").write_text(f"# cameras\n{camera}\n{extra}")
    (folder / "images.txt").write_text("".join(f"{k} 1 0 0 0 {k} 0 0 1 {n}\n\n" for k, n in enumerate(names)))
    return folder


def test_pinhole_pixels(tmp_path: Path):
    view = read_camera(_solve(tmp_path / "s", ["a_3.jpg", "a_4.jpg"]), up="y").camera.view(4)
    assert view.focal_px == pytest.approx((90, 95)) and view.centre_px == (50, 40)
    # world (1 + x, y, z) is camera (2 + x, y, z) in COLMAP's axes: y down, z forward
    assert view.project(np.array([0.0, 1.0, 2.0]))[0] == pytest.approx([50 + 90 * 1 / 2, 40 + 95 / 2])


@pytest.mark.parametrize(
    ("camera", "lens"),
    [
        ("1 SIMPLE_PINHOLE 100 80 90 50 40", Pinhole()),
        ("1 RADIAL 100 80 90 50 40 0.1 0.2", Brown(k1=0.1, k2=0.2)),
        ("1 FULL_OPENCV 100 80 90 91 50 40 .1 .2 .3 .4 .5 .6 .7 .8", Brown(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
    ],
)
def test_models(tmp_path: Path, camera: str, lens):
    assert read_camera(_solve(tmp_path / "s", ["a_3.jpg"], camera)).camera.lens == lens


def test_stills_without_consecutive_numbers(tmp_path: Path):
    folder = _solve(tmp_path / "s", ["p_10.jpg", "p_12.jpg", "p_17.jpg"])
    with pytest.raises(InputError, match=r"gaps.*none for 11, 13-16"):
        read_camera(folder)
    track = read_camera(folder, frames=(1, 2, 3))
    assert (track.camera.first_frame, track.camera.last_frame) == (1, 3)
    assert any("order of their names" in n for n in track.notes)
    with pytest.raises(InputError, match="gaps"):
        read_camera(folder, frames=(1, 2))


@pytest.mark.parametrize(
    ("names", "camera", "extra", "what"),
    [
        (["a.jpg"], "1 PINHOLE 100 80 90 95 50 40", "", "no frame number"),
        (["l/a_1.jpg", "r/a_1.jpg"], "1 PINHOLE 100 80 90 95 50 40", "", "same frame number"),
        (["a_1.jpg"], "1 OPENCV_FISHEYE 100 80 90 95 50 40 0 0 0 0", "", "OPENCV_FISHEYE is not supported"),
        (["a_1.jpg"], "1 PINHOLE 100 80 90 95 50", "", "wrong number of parameters"),
        (["a_1.jpg"], "1 PINHOLE 100 80 0 95 50 40", "", "focal length is not positive"),
        (["a_1.jpg"], "1 PINHOLE 100 80 nan 95 50 40", "", "not a finite number"),
        (["a_1.jpg"], "1 PINHOLE -100 80 90 95 50 40", "", "not a picture size"),
        (["a_1.jpg"], "2 PINHOLE 100 80 90 95 50 40", "", "camera 1, which is not there"),
        ([], "1 PINHOLE 100 80 90 95 50 40", "", "no registered picture"),
    ],
)
def test_refused(tmp_path: Path, names, camera, extra, what):
    with pytest.raises(InputError, match=what) as e:
        read_camera(_solve(tmp_path / "s", names, camera, extra))
    assert "\n" not in str(e.value) and re.search(r"(cameras|images)\.txt", str(e.value))


@pytest.mark.parametrize("name", ["cameras.txt", "images.txt", "points3D.txt"])
def test_cut_text(shared_data: Path, tmp_path: Path, name: str):
    folder = shutil.copytree(shared_data / "plates/sceaux_castle/colmap_1600_simple_radial", tmp_path / "s")
    folder.chmod(0o755)
    data = (folder / name).read_bytes()
    (folder / name).chmod(0o644)
    for share in (0.0, 0.4, 0.9):
        (folder / name).write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError) as e:
            read_camera(folder)
        assert "\n" not in str(e.value) and name in str(e.value)


def test_other_shape_is_refused(shared_data: Path):
    with pytest.raises(InputError, match="another shape"):
        read_camera(shared_data / "plates/sceaux_castle/colmap_1600_opencv", size_px=(1920, 1080))
