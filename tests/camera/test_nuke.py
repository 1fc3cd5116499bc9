"""Nuke scripts: knobs, curves, transforms, the camera's window, what it hangs on, and what is refused on which line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
        with pytest.raises(InputError, match=r"do not go forward|damaged|too few|no key here"):
            _nuke(tmp_path, _camera(f"focal {curve.replace('-1 3', 'x-2 3')}"))
        return
    dense = f"translate {{{{curve L x1 0 x{last} 1}} 0 0}}"
    if "x3 3 5" in curve:
        with pytest.raises(InputError, match=r"frame 2: Cam.focal has no key here"):
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
    from_bottom = (n + np.array([1.0, 1080 / 1920 / 2.0])) * (960, 960 * 2.0)
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
