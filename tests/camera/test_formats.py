"""Made-up files of each format: syntax, film offsets, pivots, several cameras, and what is refused where."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from composer.camera.lens import Brown
from composer.camera.readers import read_camera
from composer.camera.readers.common import euler
from composer.errors import InputError

HD = (1920, 1080)


# chan


def _chan(tmp_path: Path, text: str, **options: object):
    path = tmp_path / "camera.chan"
    path.write_text(text)
    return read_camera(path, **{"size_px": HD, "rotation_order": "zxy", "filmback_mm": (36, 20.25), **options})


def test_chan(tmp_path: Path):
    camera = _chan(tmp_path, "# comment\n5 1 2 3 10 20 30 40\n6 2 2 3 10 20 30 40\n").camera
    assert (camera.first_frame, camera.last_frame) == (5, 6)
    assert 2 * np.degrees(np.arctan(540 / camera.view(5).focal_px[1])) == pytest.approx(40)
    turn = euler("Y", [0, 20, 0]) @ euler("X", [10, 0, 0]) @ euler("Z", [0, 0, 30])
    assert camera.world_from_camera[0, :3, :3] == pytest.approx(turn)
    assert _chan(tmp_path, "5 1 2 3 0 0 0", focal_mm=35.0).camera.focal_mm[0] == 35


@pytest.mark.parametrize(
    ("text", "options", "what"),
    [
        ("", {}, "empty"),
        ("1 2 3", {}, ":1: not a camera .chan.*7 or 8"),
        ("1 0 0 0 0 0 0", {}, "focal_mm"),
        ("1 0 0 0 0 0 0 40", {"rotation_order": None}, "does not say its rotation_order"),
        ("1 0 0 0 0 0 0 40", {"filmback_mm": None}, "does not say its filmback_mm"),
        ("1 0 0 0 0 0 0 40\n2 0 0", {}, ":2: .*another number of columns"),
        ("1 0 0 0 0 0 0 40\n2 0 0 nan 0 0 0 40", {}, ":2: not a finite number"),
        ("1 0 0 0 0 0 0 40\n2 0 0 0 0 0 0 180", {}, ":2: not a field of view"),
        ("1 0 0 0 0 0 0 40\n4 0 0 0 0 0 0 40", {}, "none for 2-3"),
        ("1 0 0 0 0 0 0 40\n1 0 0 0 0 0 0 40", {}, "more than once"),
        ("1.5 0 0 0 0 0 0 40", {}, "not whole"),
    ],
)
def test_chan_refuses(tmp_path: Path, text: str, options: dict, what: str):
    with pytest.raises(InputError, match=what):
        _chan(tmp_path, text, **options)


# USD


def _usd(tmp_path: Path, body: str, head: str = "metersPerUnit = 0.01", **options: object):
    path = tmp_path / "camera.usda"
    path.write_text(f'#usda 1.0\n({head})\ndef Xform "World"\n{{\n{body}\n}}\n')
    return read_camera(path, **{"size_px": HD, **options})


CAMERA = """def Camera "cam" {
  float focalLength = 35
  float horizontalAperture = 36
  float verticalAperture = 20.25
  float horizontalApertureOffset = 3.6
  float verticalApertureOffset = -1.5
  double3 xformOp:translate = (100, 200, 300)
  uniform token[] xformOpOrder = ["xformOp:translate"]
}"""


def test_usd_offsets_units_and_up(tmp_path: Path):
    from pxr import Gf, Usd, UsdGeom

    track = _usd(tmp_path, CAMERA, 'metersPerUnit = 0.01\nupAxis = "Z"')
    view = track.camera.view(1)
    assert view.position_m == pytest.approx([1, 3, -2])
    stage = Usd.Stage.Open(str(tmp_path / "camera.usda"))
    frustum = UsdGeom.Camera(stage.GetPrimAtPath("/World/cam")).GetCamera(1).frustum
    point = Gf.Vec3d(130, 210, 200)
    ndc = (frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()).Transform(point)
    expected = [(ndc[0] + 1) / 2 * 1920, (1 - ndc[1]) / 2 * 1080]
    assert view.project(np.array([1.3, 2.0, -2.1]))[0] == pytest.approx(expected)


def test_usd_parents_move_and_several_cameras(tmp_path: Path):
    body = """
  double3 xformOp:translate.timeSamples = { 1: (0, 0, 0), 3: (20, 0, 0) }
  float3 xformOp:scale = (10, 10, 10)
  uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:scale"]
""" + "\n".join((CAMERA, CAMERA.replace('"cam"', '"other"')))
    with pytest.raises(InputError, match=r"several cameras.*/World/cam, /World/other"):
        _usd(tmp_path, body)
    track = _usd(tmp_path, body, node="other")
    assert track.camera.world_from_camera[:, :3, 3] == pytest.approx(
        np.array([[10.0, 20, 30], [10.1, 20, 30], [10.2, 20, 30]])
    )
    assert any("a scale of 10" in n for n in track.notes)


def test_usd_blender_units(tmp_path: Path):
    """Blender writes tenths of a metre."""
    body = CAMERA.replace("= 35", "= 0.35").replace("= 36", "= 0.36").replace("20.25", "0.2025")
    camera = _usd(tmp_path, body, "metersPerUnit = 1").camera
    assert camera.focal_mm[0] == pytest.approx(35) and camera.filmback_mm[0] == pytest.approx(36)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("focalLength = 35", "focalLength = 0"), "not positive"),
        (("focalLength = 35", "focalLength = nan"), "not positive"),
        (("(100, 200, 300)", "(100, inf, 300)"), "not finite"),
        (("def Camera", "def Cube"), "no camera in this USD"),
        (("float horizontalAperture = 36", 'token projection = "orthographic"'), "not a perspective camera"),
        (('"cam" {', '"cam" {{'), "cannot read"),
    ],
)
def test_usd_refuses(tmp_path: Path, change, what):
    with pytest.raises(InputError, match=what) as e:
        _usd(tmp_path, CAMERA.replace(*change))
    assert "\n" not in str(e.value)


# transforms.json


def _transforms(tmp_path: Path, change: dict | None = None, **options: object):
    pose = [[1, 0, 0, 1], [0, 0, -1, 2], [0, 1, 0, 3], [0, 0, 0, 1]]
    frames = [{"file_path": f"images/f_{n:04d}.png", "transform_matrix": pose} for n in (3, 2)]
    data = {
        "camera_model": "OPENCV",
        "w": 100,
        "h": 80,
        "fl_x": 90,
        "fl_y": 91,
        "cx": 51,
        "cy": 39,
        "k1": 0.1,
        "p2": 0.01,
        "frames": frames,
    }
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps({**data, **(change or {})}))
    return read_camera(path, **options)


def test_transforms(tmp_path: Path):
    track = _transforms(tmp_path)
    view = track.camera.view(2)
    assert track.camera.last_frame == 3 and view.focal_px == pytest.approx((90, 91)) and view.centre_px == (51, 39)
    assert track.camera.lens == Brown(k1=0.1, p2=0.01)
    assert view.position_m == pytest.approx([1, 3, -2])  # z up in the file
    assert view.world_from_camera[:3, 1] == pytest.approx([0, 1, 0])


def test_transforms_by_angle_of_view(tmp_path: Path):
    pose = {"file_path": "r_7", "transform_matrix": np.eye(4).tolist()}
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_angle_x": 1.0, "frames": [pose]}))
    view = read_camera(tmp_path, size_px=(800, 600)).camera.view(7)
    assert view.focal_px == pytest.approx((400 / np.tan(0.5),) * 2) and view.centre_px == (400, 300)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"fl_x": 0}, "focal length is not positive"),
        ({"fl_x": "90"}, "fl_x: not a number"),
        ({"w": 0}, "not a picture size"),
        ({"frames": []}, "no frames"),
        ({"frames": 3}, "not a list"),
        ({"frames": [{"file_path": "a_1.png"}]}, "frames.0.transform_matrix"),
        ({"frames": [{"file_path": "a_1.png", "transform_matrix": [[1, 2]]}]}, "not a 4 x 4 matrix"),
        ({"frames": [{"file_path": "a.png", "transform_matrix": np.eye(4).tolist()}]}, "no number in its file_path"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera model is not supported"),
        ({"k1": float("nan")}, "k1: not a finite number"),
        ({"k4": 0.1}, "not supported"),
    ],
)
def test_transforms_refuses(tmp_path: Path, change: dict, what: str):
    with pytest.raises(InputError, match=what) as e:
        _transforms(tmp_path, change)
    assert "\n" not in str(e.value)


def _write_alembic(path: str) -> None:
    """A camera under two transforms at 25 frames a second; the file is whole once the last reference to it is gone."""
    import imath
    from alembic3d import AbcGeom
    from alembic3d.Abc import OArchive
    from alembic3d.AbcCoreAbstract import TimeSampling

    archive = OArchive(path)
    index = archive.addTimeSampling(TimeSampling(1 / 25, 1001 / 25))
    outer = AbcGeom.OXform(archive.getTop(), "rig", index)
    inner = AbcGeom.OXform(outer, "cam", index)
    camera = AbcGeom.OCamera(inner, "camShape", index)
    for k in range(3):
        for node, x, angle in ((outer, 10.0 * k, 90.0), (inner, 0.0, 0.0)):
            sample = AbcGeom.XformSample()
            sample.setTranslation(imath.V3d(x, 0, 5))
            sample.setYRotation(angle)
            node.getSchema().set(sample)
        lens = AbcGeom.CameraSample()
        lens.setFocalLength(35.0 + k)
        lens.setHorizontalAperture(3.6)
        lens.setVerticalAperture(2.025)
        lens.setHorizontalFilmOffset(0.36)
        camera.getSchema().set(lens)


def test_alembic_written_here(tmp_path: Path):
    _write_alembic(str(tmp_path / "camera.abc"))
    c = read_camera(tmp_path / "camera.abc", size_px=HD, scale=0.01, node="cam").camera
    assert (c.first_frame, c.last_frame) == (1001, 1003)
    assert c.focal_mm == pytest.approx([35, 36, 37]) and c.filmback_mm == pytest.approx((36, 20.25))
    expected = np.array([[0.05, 0, 0.05], [0.15, 0, 0.05], [0.25, 0, 0.05]])
    assert c.world_from_camera[:, :3, 3] == pytest.approx(expected, abs=1e-9)
    assert c.centre_px[0] == pytest.approx([960 - 192, 540])


def test_alembic_that_is_not(tmp_path: Path):
    for data in (b"", b"Ogawa", b"Ogawa\xff" + b"\0" * 50, b"\x89HDF\r\n"):
        (tmp_path / "camera.abc").write_bytes(data)
        with pytest.raises(InputError, match=r"not an Alembic|cut or damaged") as e:
            read_camera(tmp_path / "camera.abc", size_px=HD)
        assert "\n" not in str(e.value)


def test_a_library_that_crashes_or_hangs_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from composer.camera.readers.common import Request
    from composer.camera.readers.guard import survives

    (tmp_path / "kills_itself.py").write_text("import os\ndef load(_): os.kill(os.getpid(), 11)\n")
    (tmp_path / "sleeps.py").write_text("import time\ndef load(_): time.sleep(60)\n")
    (tmp_path / "is_fine.py").write_text("def load(request): assert request.node == 'a'\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    request = Request(tmp_path / "camera.abc", node="a")
    with pytest.raises(InputError, match=r"crashes.*signal 11"):
        survives(request, "kills_itself")
    with pytest.raises(InputError, match="never ends"):
        survives(request, "sleeps", timeout_s=1.0)
    survives(request, "is_fine")


def test_usd_crate(tmp_path: Path, shared_data: Path):
    from pxr import Usd

    Usd.Stage.Open(str(shared_data / "camera_tracks/usd_cameraMoving.usda")).Export(str(tmp_path / "camera.usdc"))
    assert read_camera(tmp_path / "camera.usdc", size_px=HD).camera.last_frame == 9
    data = (tmp_path / "camera.usdc").read_bytes()
    (tmp_path / "camera.usdc").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cannot read|damaged") as e:
        read_camera(tmp_path / "camera.usdc", size_px=HD)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (('"version": 1', '"version": 2'), "version: unknown .mmcamera version"),
        (('"width": 1936', '"width": 0'), "not a picture size"),
        (("31.73108662100431", "NaN"), "focalLength.0.1: not a finite number"),
        (("31.73108662100431", "0"), "frame 0: the focal length is not positive"),
        (("28.065987577639756", "0"), "film back is not positive"),
        (('"translateX"', '"translateU"'), "translateX is missing"),
        (("[0, 31.73108662100431], ", ""), "no value for frame 0"),
        (('"end_frame": 94', '"end_frame": 95'), "cut or has been edited"),
    ],
)
def test_mmsolver_refuses(tmp_path: Path, shared_data: Path, change, what):
    text = (shared_data / "camera_tracks/mmsolver_stA_animatedFocalLength.mmcamera").read_text()
    assert change[0] in text
    path = tmp_path / "camera.mmcamera"
    path.write_text(text.replace(*change))
    with pytest.raises(InputError, match=what) as e:
        read_camera(path)
    assert "\n" not in str(e.value)
    path.write_text(text[:2000])
    with pytest.raises(InputError, match=r":1:.*not valid JSON"):
        read_camera(path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (('ulin="cm"', 'ulin="ell"'), ":3: unknown unit ell"),
        (('fovx="43.71607955" rd', 'fovx="0" rd'), ":52: not a field of view"),
        (('<CFRM t="1" cf="1" fovx="43.71607955"', '<CFRM t="1" cf="1"'), "CFRM has no fovx"),
        (('<CFRM t="5"', '<CFRM t="4"'), "frame 4: a frame occurs more than once"),
        (('<CFRM t="5"', '<CFRM t="5000"'), "gaps"),
        (('<T x="0.00303319665"', '<T x="nan"'), "T.x: not a finite number"),
        (("<EXPORT", "<EXPOR"), None),
        (("</SOBJ>", ""), "not valid XML"),
        (('pr="1.5"', 'pr="0"'), "pixel aspect"),
        (("<RZML", '<!DOCTYPE a [<!ENTITY b "c">]><RZML'), "document type"),
    ],
)
def test_matchmover_refuses(tmp_path: Path, shared_data: Path, change, what):
    text = (shared_data / "camera_tracks/matchmover_normalCameraSolve_pixelAspectRatio.rzml").read_text("latin-1")
    assert change[0] in text
    path = tmp_path / "camera.rzml"
    path.write_text(text.replace(*change), "latin-1")
    if what is None:  # no unit: centimetres, MatchMover's own
        assert any("cm" in n for n in read_camera(path).notes)
        return
    with pytest.raises(InputError, match=what) as e:
        read_camera(path)
    assert "\n" not in str(e.value)
