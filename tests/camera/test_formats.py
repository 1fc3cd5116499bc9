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


def _nuke(tmp_path: Path, text: str, **options: object):
    path = tmp_path / "camera.nk"
    path.write_text(text)
    return read_camera(path, **{"size_px": HD, **options})


def _camera(knobs: str, kind: str = "Camera2") -> str:
    return f"{kind} {{\n inputs 0\n {knobs}\n name Cam\n}}\n"


# Nuke


@pytest.mark.parametrize("kind", ["Camera", "Camera2", "Camera3", "Camera4"])
def test_nuke_still_camera(tmp_path: Path, kind: str):
    track = _nuke(
        tmp_path, _camera("translate {1 2 3}\n rotate {-10 20 30}\n focal 35\n haperture 36", kind), frames=(11, 12, 13)
    )
    c = track.camera
    assert (c.first_frame, c.last_frame) == (11, 13)
    turn = euler("Y", [0, 20, 0]) @ euler("X", [-10, 0, 0]) @ euler("Z", [0, 0, 30])  # ZXY: z first
    assert c.world_from_camera[1, :3, :3] == pytest.approx(turn) and c.world_from_camera[1, :3, 3] == pytest.approx(
        [1, 2, 3]
    )
    assert c.view(12).focal_px == pytest.approx((35 / 36 * 1920,) * 2)


@pytest.mark.parametrize(
    ("curve", "values"),
    [
        ("{{curve x1 1 2 3}}", {1: 1, 2: 2, 3: 3}),
        ("{{curve i x1 1 x3 3 5}}", {1: 1, 3: 3, 5: 5}),  # the step goes on
        ("{{curve K x1 1 x4 9}}", {1: 1, 2: 1, 3: 1, 4: 9}),
        ("{{curve L x1 1 x5 9}}", {1: 1, 2: 3, 4: 7, 5: 9}),
        ("{{i x1 1 x2 5}}", {1: 1, 2: 5}),
        ("{{curve x1 7 s0 t0 x2 8 s0}}", {1: 7, 2: 8}),
        ("{{curve C x-2 2 u1 v2 -1 3}}", {-2: 2}),
    ],
)
def test_nuke_curves(tmp_path: Path, curve: str, values: dict[int, float]):
    last = max(values)
    if "C x-2" in curve:
        with pytest.raises(InputError, match="do not go forward|damaged|too few|no key here"):
            _nuke(tmp_path, _camera(f"focal {curve.replace('-1 3', 'x-2 3')}"))
        return
    dense = f"translate {{{{curve L x1 0 x{last} 1}} 0 0}}"
    if "x3 3 5" in curve:
        with pytest.raises(InputError, match="frame 2: Cam.focal has no key here"):
            _nuke(tmp_path, _camera(f"{dense}\n focal {curve}"))
        return
    camera = _nuke(tmp_path, _camera(f"{dense}\n focal {curve}")).camera
    assert {f: camera.focal_mm[f - 1] for f in values} == pytest.approx(values)


def test_nuke_short_curves_hold(tmp_path: Path):
    camera = _nuke(tmp_path, _camera("translate {{curve x1 1 2 3} 0 0}\n focal {{curve x2 30 40}}")).camera
    assert camera.focal_mm.tolist() == [30, 30, 40]


def test_nuke_window(tmp_path: Path):
    """Against the projection that Nuke's own snap3d writes out, as matrices."""
    knobs = "focal 40\n haperture 24\n win_translate {0.1 -0.05}\n win_scale {1.2 0.9}"
    view = _nuke(tmp_path, _camera(knobs), pixel_aspect=2.0).camera.view(1)
    x, y, z = 0.3, -0.2, -2.0
    n = np.array([x, y]) / -z * 40 / 24 * 2
    n = (n - (0.1, -0.05)) / (1.2, 0.9)
    from_bottom = (n + (1.0, 1080 / 1920 / 2.0)) * (960, 960 * 2.0)
    assert view.project(np.array([x, y, z]))[0] == pytest.approx([from_bottom[0], 1080 - from_bottom[1]])


@pytest.mark.parametrize("order", ["SRT", "RST", "STR", "TRS", "TSR", "RTS"])
def test_nuke_transform_order(tmp_path: Path, order: str):
    camera = _nuke(
        tmp_path,
        _camera(f"xform_order {order}\n rot_order XYZ\n translate {{1 0 0}}\n rotate {{0 90 0}}\n uniform_scale 2"),
    ).camera
    m = {"T": np.eye(4), "R": np.eye(4), "S": np.diag([2.0, 2, 2, 1])}
    m["T"][0, 3], m["R"][:3, :3] = 1, euler("XYZ", [0, 90, 0])
    expected = m[order[2]] @ m[order[1]] @ m[order[0]]
    assert camera.world_from_camera[0, :3, 3] == pytest.approx(expected[:3, 3])
    assert camera.world_from_camera[0, :3, :3] == pytest.approx(expected[:3, :3] / 2)


def test_nuke_pivot_matrix_and_axis(tmp_path: Path):
    pivot = _nuke(tmp_path, _camera("rotate {0 90 0}\n pivot {1 0 0}")).camera.world_from_camera[0, :3, 3]
    assert pivot == pytest.approx([1, 0, 1])  # the origin, turned 90 degrees about y around (1, 0, 0)
    matrix = _nuke(tmp_path, _camera("useMatrix true\n matrix {0 0 1 5 0 1 0 6 -1 0 0 7 0 0 0 1}")).camera
    assert matrix.world_from_camera[0, :3, 3] == pytest.approx([5, 6, 7])
    assert matrix.world_from_camera[0, :3, 0] == pytest.approx([0, 0, -1])
    text = "Axis2 {\n inputs 0\n translate {{curve x1 1 2} 0 0}\n rotate {0 90 0}\n name A\n}\nDot {\n}\n"
    track = _nuke(tmp_path, text + "Camera3 {\n translate {0 0 -1}\n name Cam\n}\n")
    assert track.camera.world_from_camera[:, :3, 3] == pytest.approx(np.array([[0.0, 0, 0], [1, 0, 0]]))
    assert any("axis A" in n for n in track.notes)


def test_nuke_root_format_and_groups(tmp_path: Path):
    text = (
        'Root {\n inputs 0\n format "1000 500 0 0 1000 500 1 small"\n}\nGroup {\n name G\n}\n'
        + _camera("focal 30")
        + "end_group\n"
    )
    track = _nuke(tmp_path, text, size_px=None, node="G.Cam")
    assert track.camera.size_px == (1000, 500)


@pytest.mark.parametrize(
    ("knobs", "line", "what"),
    [
        ("focal {{parent.focal}}", 3, "Cam.focal is an expression"),
        ('focal {{"curve+1" x1 3}}', 3, "Cam.focal is an expression"),
        ("translate {1 2 nan}", 3, "Cam.translate is not a finite"),
        ("translate {1 2}", 3, "Cam.translate has too few"),
        ("translate {{curve x1 1 x9 2} 0 0}", 3, "frame 2: Cam.translate has no key here"),
        ("translate {{curve x1 1 frob} 0 0}", 3, "curve of Cam.translate is damaged"),
        ("translate {{curve} 0 0}", 3, "has no keys"),
        ("translate {{curve l x1 1 2} 0 0}", 3, "beyond its last key"),
        ("projection_mode orthographic", 3, "not a perspective camera"),
        ("read_from_file true\n file /a/b.fbx", 4, "reads its move from /a/b.fbx"),
        ("rot_order ABC", 1, "unknown rotation order"),
        ("winroll 3", 3, "winroll is not supported"),
        ("skew {1 0 0}", 3, "skew is not supported"),
        ("scaling {1 2 1}", None, "stretched or sheared"),
        ("scaling {1 1 -1}", None, "mirrored"),
        ("focal 0", None, "focal length is not positive"),
        ("haperture 0", 3, "haperture or win_scale"),
    ],
)
def test_nuke_refuses(tmp_path: Path, knobs: str, line: int | None, what: str):
    with pytest.raises(InputError, match=what) as e:
        _nuke(tmp_path, _camera(knobs))
    assert "\n" not in str(e.value) and e.value.where.line == line


def test_nuke_refuses_what_it_hangs_on(tmp_path: Path):
    with pytest.raises(InputError, match="hangs on Switch S"):
        _nuke(tmp_path, "Switch {\n inputs 0\n name S\n}\nCamera2 {\n name Cam\n}\n")
    with pytest.raises(InputError, match="looks at another node"):
        _nuke(tmp_path, "Axis2 {\n inputs 0\n}\nAxis2 {\n inputs 0\n}\nCamera2 {\n inputs 2\n name Cam\n}\n")
    with pytest.raises(InputError, match="a brace is never closed"):
        _nuke(tmp_path, "Camera2 {\n translate {1 2 3\n")
    with pytest.raises(InputError, match="a quote is never closed"):
        _nuke(tmp_path, 'Camera2 {\n label "abc\n}\n')


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
    with pytest.raises(InputError, match="several cameras.*/World/cam, /World/other"):
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
        with pytest.raises(InputError, match="not an Alembic|cut or damaged") as e:
            read_camera(tmp_path / "camera.abc", size_px=HD)
        assert "\n" not in str(e.value)
