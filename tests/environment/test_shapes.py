"""The kit's models are whole and of their size, and files bring theirs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from composer.environment.imports import read_shape
from composer.environment.kit.pieces import kit_shape
from composer.environment.model import SURFACE
from composer.environment.openness import openness
from composer.environment.solid import Builder, Shape, moved_by, placed
from composer.errors import InputError
from composer.shot.schema_environment import KINDS, PieceSpec


def kit(kind: str, **more: object) -> Shape:
    spec = {
        "name": "p",
        "kind": kind,
        **({"path_m": ((0.0, 0.0), (8.0, 0.0))} if kind in ("wall", "palisade") else {"at_m": (0.0, 0.0)}),
    }
    return kit_shape(PieceSpec.model_validate({**spec, **more}), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_sound(kind: str) -> None:
    shape = kit(kind)
    corner = shape.vertices[shape.triangles].astype(float)
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(face, axis=1)
    assert np.isfinite(shape.vertices).all() and np.isfinite(shape.uv).all()
    assert np.abs(np.linalg.norm(shape.normal, axis=1) - 1).max() < 1e-3
    assert ((shape.albedo >= 0) & ((shape.albedo < 0.95) | (shape.surface == 9).any())).all()
    # normals look out of the side that the triangle is seen from
    good = size > 1e-7
    turned = (shape.normal[shape.triangles].mean(1)[good] * face[good] / size[good, None]).sum(1)
    leaves = shape.surface[good] == SURFACE["leaves"]  # sprays are lit as the crown is, both sides alike
    assert (turned[~leaves] > 0).mean() > 0.995
    assert shape.vertices[:, 1].max() > 0.4 and shape.vertices[:, 1].min() > -4.0


def test_pieces_have_their_size() -> None:
    assert np.ptp(kit("wall").vertices[:, 0]) == pytest.approx(8.0, abs=0.05)
    assert kit("tower", size_m=18.0).vertices[:, 1].max() == pytest.approx(19.95, abs=0.2)
    castle = kit("fortress", size_m=(90.0, 60.0)).vertices
    assert 88 < np.ptp(castle[:, 0]) < 110 and 58 < np.ptp(castle[:, 2]) < 80
    assert 6 < kit("trebuchet").vertices[:, 1].max() < 14


def test_a_box_closes_and_a_matrix_moves_it() -> None:
    b = Builder(cell_m=0.5)
    b.box((-1, 0, -2), (1, 3, 2), "stone", (0.3, 0.3, 0.3), bottom=True)
    moved = placed(b.shape(), moved_by(5, 1, -7, 0.8, 2.0))
    corner = moved.vertices[moved.triangles].astype(float)
    volume = np.einsum("ti,ti->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6
    assert volume == pytest.approx(2 * 3 * 4 * 8, rel=1e-4)


def test_openness_in_the_open_and_in_a_corner() -> None:
    """A wide level plate sees the whole sky; the foot of a very long wall sees half of it."""
    b = Builder(cell_m=1.0)
    b.box((-30, -1, 0), (30, 30, 1), "stone", (0.3, 0.3, 0.3))
    points = np.array([[0, 0.02, -0.01], [0, 0.02, -60.0]])
    b.add(points, np.zeros((0, 3), int), np.tile([0.0, 1.0, 0.0], (2, 1)), (0.3,) * 3, points, "plain")
    got = openness(b.shape(), None)[-2:]
    assert got[1] == 1.0
    assert got[0] == pytest.approx(0.5, abs=0.09)


def cube_obj(path: Path) -> Path:
    lines = [f"v {x} {y} {z}" for x in (0, 2) for y in (0, 2) for z in (0, 2)]
    faces = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    path.write_text("\n".join([*lines, *("f " + " ".join(map(str, f)) for f in faces)]))
    return path


def test_obj_and_gltf_and_usd_bring_their_meshes(tmp_path: Path) -> None:
    shape, notes = read_shape(cube_obj(tmp_path / "cube.obj"), None)
    assert len(shape.triangles) == 12 and np.ptp(shape.vertices, axis=0) == pytest.approx([2, 2, 2]) and notes
    # hard edges stay hard
    assert np.abs(np.abs(shape.normal).max(1) - 1).max() < 1e-6

    triangle = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    gltf = {
        "asset": {"version": "2.0"}, "nodes": [{"mesh": 0, "translation": [0, 5, 0], "scale": [2, 2, 2]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "materials": [{"name": "old wood", "pbrMetallicRoughness": {"baseColorFactor": [0.2, 0.2, 0.2, 1]}}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": "data:application/octet-stream;base64," + base64.b64encode(triangle).decode()}],
    }  # fmt: skip
    (tmp_path / "a.gltf").write_text(json.dumps(gltf))
    shape, _ = read_shape(tmp_path / "a.gltf", None)
    assert shape.vertices.max(0) == pytest.approx([2, 7, 0]) and shape.surface[0] == 4
    assert shape.albedo[0] == pytest.approx([0.2] * 3, abs=0.01)

    (tmp_path / "a.usda").write_text(
        '#usda 1.0\n(\n metersPerUnit = 0.01\n upAxis = "Z"\n)\n'
        'def Mesh "m" {\n point3f[] points = [(0,0,0),(100,0,0),(0,0,300)]\n'
        " int[] faceVertexCounts = [3]\n int[] faceVertexIndices = [0,1,2]\n"
        " color3f[] primvars:displayColor = [(0.5,0.1,0.1)]\n}\n"
    )
    shape, _ = read_shape(tmp_path / "a.usda", None)
    assert shape.vertices.max(0) == pytest.approx([1, 3, 0], abs=1e-5)
    assert shape.albedo[0, 0] > 2 * shape.albedo[0, 1]


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_shape(tmp_path / "no.usd", None)
    (tmp_path / "a.fbx").write_text("x")
    with pytest.raises(InputError, match="not a set piece"):
        read_shape(tmp_path / "a.fbx", None)
