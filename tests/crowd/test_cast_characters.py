"""Characters out of glTF and USD files that the tests write themselves: a box of a man with legs that walk."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.characters.character import Character, character
from composer.crowd.characters.picture import average_colour
from composer.crowd.figure.measure import shown_m2, views
from composer.crowd.motion.curves import turned
from composer.crowd.people import People, people_of
from composer.errors import InputError, InputErrors
from composer.shot.ground import plane_ground
from composer.shot.load import parse_shot

JOINTS = (
    "Hips",
    "Spine",
    "Head",
    "RightUpLeg",
    "RightLeg",
    "RightFoot",
    "LeftUpLeg",
    "LeftLeg",
    "LeftFoot",
    "RightArm",
    "LeftArm",
)
PARENT = (-1, 0, 1, 0, 3, 4, 0, 6, 7, 1, 1)
# glTF faces +Z, so its right is -X
PLACE = np.array(
    [(0, 0.95, 0), (0, 1.2, 0), (0, 1.5, 0), (-0.1, 0.9, 0), (-0.1, 0.5, 0), (-0.1, 0.08, 0), (0.1, 0.9, 0),
     (0.1, 0.5, 0), (0.1, 0.08, 0), (-0.2, 1.4, 0), (0.2, 1.4, 0)], float,
)  # fmt: skip
#: joint, low and high corner, surface
BOXES = (
    (0, (-0.16, 0.85, -0.1), (0.16, 1.1, 0.1), 0), (1, (-0.18, 1.1, -0.1), (0.18, 1.48, 0.1), 0),
    (2, (-0.09, 1.5, -0.1), (0.09, 1.76, 0.13), 1), (3, (-0.17, 0.5, -0.08), (-0.03, 0.86, 0.08), 2),
    (4, (-0.16, 0.08, -0.07), (-0.04, 0.5, 0.07), 2), (5, (-0.15, 0.0, -0.06), (-0.05, 0.08, 0.18), 2),
    (6, (0.03, 0.5, -0.08), (0.17, 0.86, 0.08), 2), (7, (0.04, 0.08, -0.07), (0.16, 0.5, 0.07), 2),
    (8, (0.05, 0.0, -0.06), (0.15, 0.08, 0.18), 2), (9, (-0.28, 0.85, -0.05), (-0.19, 1.45, 0.05), 0),
    (10, (0.19, 0.85, -0.05), (0.28, 1.45, 0.05), 0),
)  # fmt: skip
COLOURS = ((0.6, 0.05, 0.04), (0.5, 0.3, 0.2), (0.05, 0.06, 0.3))


def man(cuts: int = 3) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Points, their joints, and triangles by surface."""
    points, joints, faces = [], [], [[], [], []]
    unit = np.linspace(0, 1, cuts + 1)
    for joint, low, high, surface in BOXES:
        low, high = np.array(low), np.array(high)
        for axis in range(3):
            for end in (0.0, 1.0):
                u, v = np.meshgrid(unit, unit, indexing="ij")
                grid = np.empty((*u.shape, 3))
                grid[..., axis], grid[..., (axis + 1) % 3], grid[..., (axis + 2) % 3] = end, u, v
                start = sum(map(len, points))
                points.append((low + (high - low) * grid).reshape(-1, 3))
                joints.append(np.full(u.size, joint))
                k = start + np.arange(u.size).reshape(u.shape)
                a, b, c, d = k[:-1, :-1].ravel(), k[1:, :-1].ravel(), k[:-1, 1:].ravel(), k[1:, 1:].ravel()
                quads = [np.stack([a, b, c], -1), np.stack([b, d, c], -1)]
                faces[surface] += quads if end else [q[:, ::-1] for q in quads]
    return np.concatenate(points), np.concatenate(joints), [np.concatenate(f) for f in faces]


def turns(samples: int = 9, swing_deg: float = 30.0, knees: bool = False) -> dict[int, np.ndarray]:
    """Quaternions about X by joint: legs that swing against each other; knees: lifted as they come forward."""
    t = np.linspace(0, 2 * np.pi, samples)
    out = {}
    for joint, sign in ((3, 1.0), (6, -1.0)):
        half = np.radians(sign * swing_deg * np.sin(t)) / 2
        out[joint] = np.stack([np.sin(half), 0 * t, 0 * t, np.cos(half)], -1)
        if knees:
            half = np.radians(50.0 * np.maximum(-sign * np.cos(t), 0)) / 2
            out[joint + 1] = np.stack([np.sin(half), 0 * t, 0 * t, np.cos(half)], -1)
    return out


def gltf(scale: float = 1.0, stride: float = 1.2, cuts: int = 3, metallic: float = 0.0) -> tuple[dict, bytes]:
    """JSON and binary of the man; 'Walk' goes `stride` forward a second, 'Stand' does nothing."""
    points, joints, faces = man(cuts)
    parts: list[bytes] = []
    document: dict = {
        "asset": {"version": "2.0"}, "accessors": [], "bufferViews": [], "meshes": [{"primitives": []}],
        "animations": [], "nodes": [], "skins": [], "scenes": [{"nodes": [0]}],
    }  # fmt: skip

    def put(array: np.ndarray, kind: str, component: int) -> int:
        data = np.ascontiguousarray(array, {5126: "<f4", 5123: "<u2", 5125: "<u4", 5121: "u1"}[component]).tobytes()
        start = sum(map(len, parts))
        parts.append(data + b"\0" * (-len(data) % 4))
        document["bufferViews"].append({"buffer": 0, "byteOffset": start, "byteLength": len(data)})
        view = len(document["bufferViews"]) - 1
        document["accessors"].append(
            {"bufferView": view, "componentType": component, "count": len(array), "type": kind}
        )
        return len(document["accessors"]) - 1

    at = put(points * scale, "VEC3", 5126)
    four = np.zeros((len(points), 4))
    four[:, 0] = joints
    where, share = put(four, "VEC4", 5121), put(np.tile([1.0, 0, 0, 0], (len(points), 1)), "VEC4", 5126)
    for number, face in enumerate(faces):
        attributes = {"POSITION": at, "JOINTS_0": where, "WEIGHTS_0": share}
        index = put(face.reshape(-1), "SCALAR", 5125)
        document["meshes"][0]["primitives"].append({"attributes": attributes, "indices": index, "material": number})
    document["materials"] = [
        {"name": n, "pbrMetallicRoughness": {"baseColorFactor": [*c, 1.0], "metallicFactor": metallic}}
        for n, c in zip(("red tunic", "skin", "hose"), COLOURS, strict=True)
    ]
    nodes = document["nodes"]
    for joint, name in enumerate(JOINTS):
        local = PLACE[joint] - (PLACE[PARENT[joint]] if PARENT[joint] >= 0 else 0)
        nodes.append({"name": f"mixamorig:{name}", "translation": (local * scale).tolist()})
        if PARENT[joint] >= 0:
            nodes[PARENT[joint]].setdefault("children", []).append(joint)
    nodes.append({"name": "Body", "mesh": 0, "skin": 0})
    inverse = np.tile(np.eye(4), (len(JOINTS), 1, 1))
    inverse[:, :3, 3] = -PLACE * scale
    document["skins"] = [
        {
            "joints": list(range(len(JOINTS))),
            "inverseBindMatrices": put(inverse.transpose(0, 2, 1).reshape(-1, 16), "MAT4", 5126),
        }
    ]
    time = put(np.linspace(0, 1, 9)[:, None], "SCALAR", 5126)
    samplers, channels = [], []
    for joint, q in turns(knees=not stride).items():
        samplers.append({"input": time, "output": put(q, "VEC4", 5126)})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": joint, "path": "rotation"}})
    gone = np.outer(np.linspace(0, 1, 9), (0, 0, stride)) + PLACE[0]
    samplers.append({"input": time, "output": put(gone * scale, "VEC3", 5126)})
    channels.append({"sampler": len(samplers) - 1, "target": {"node": 0, "path": "translation"}})
    document["animations"].append({"name": "Walk", "samplers": samplers, "channels": channels})
    still = {"input": time, "output": put(np.tile(PLACE[0] * scale, (9, 1)), "VEC3", 5126)}
    document["animations"].append(
        {
            "name": "Stand",
            "samplers": [still],
            "channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
        }
    )
    blob = b"".join(parts)
    document["buffers"] = [{"byteLength": len(blob)}]
    return document, blob


def glb(document: dict, blob: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


@pytest.fixture(scope="module")
def knight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("knight") / "knight.glb"
    path.write_bytes(glb(*gltf()))
    return path


@pytest.fixture(scope="module")
def knight(knight_file: Path) -> Character:
    return character(knight_file, 2, clips={"idle": "Stand", "walk": "Walk"})


def posed(one: Character, mesh: Mesh, clip: int, sample: int) -> np.ndarray:
    c = one.clips[clip]
    q, at = c.rotation[sample, mesh.joint[:, 0]].astype(float), c.position_m[sample, mesh.joint[:, 0]]
    v = mesh.position_m - one.skeleton.bind_m[mesh.joint[:, 0]]
    t = 2 * np.cross(q[:, :3], v)
    return v + q[:, 3:] * t + np.cross(q[:, :3], t) + at


def test_it_stands_on_the_ground_faces_ahead_and_is_metres_tall(knight: Character) -> None:
    mesh = knight.lods[0]
    np.testing.assert_allclose(mesh.position_m.min(0), (-0.28, 0.0, -0.18), atol=1e-5)
    np.testing.assert_allclose(mesh.position_m.max(0), (0.28, 1.76, 0.10), atol=1e-5)
    place = dict(zip(knight.skeleton.names, knight.skeleton.bind_m, strict=True))
    assert place["mixamorig:RightFoot"][0] == pytest.approx(0.1) and knight.height_m == pytest.approx(1.76)
    assert [c.rig for c in knight.clips] == [2, 2] and [c.name for c in knight.clips] == ["idle", "walk"]
    corner = mesh.position_m[mesh.triangle].astype(float)
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (np.sum(face[:, None] * mesh.normal[mesh.triangle], -1) > 0).all()
    assert np.sum(np.cross(corner[:, 0], corner[:, 1]) * corner[:, 2]) > 0  # turned outwards


def test_its_clips_move_it_as_the_file_says(knight: Character) -> None:
    walk = knight.clips[1]
    assert walk.looped and walk.stride_m == pytest.approx(1.2, abs=1e-3) and walk.duration_s == pytest.approx(1.0)
    mesh = knight.lods[0]
    count = len(walk.rotation)
    assert count == 30
    for sample in (0, 4, 11, 22):
        t = sample / 30
        keys = np.linspace(0, 1, 9)
        foot = mesh.joint[:, 0] == knight.skeleton.names.index("mixamorig:RightFoot")
        angle = np.interp(t, keys, 30.0 * np.sin(2 * np.pi * keys))  # slerp about one axis is linear in the angle
        swing = turned(np.array([[0.0, -angle, 0.0]]))[0]  # about x, in glTF's axes
        hip = PLACE[3]
        points = mesh.position_m[foot].astype(float) * [-1, 1, -1]
        want = ((points - hip) @ swing.T + hip) * [-1, 1, -1]
        got = posed(knight, mesh, 1, sample)[foot]
        np.testing.assert_allclose(got - got.mean(0), want - want.mean(0), atol=2e-3)
        assert np.abs((got - want)[:, [0, 2]]).max() < 2e-3


def test_its_colours_become_materials(knight: Character) -> None:
    from composer.crowd.dyes import AP1_FROM_REC709

    worn = [MATERIALS[m] for m in np.unique(knight.lods[0].material)]
    assert "skin" in worn and "tunic" in worn and len(worn) == 3
    np.testing.assert_allclose(knight.albedo[MATERIALS.index("tunic")], AP1_FROM_REC709 @ COLOURS[0], atol=1e-5)


def test_its_levels_keep_its_area(knight: Character) -> None:
    counts = [len(m.triangle) for m in knight.lods]
    assert counts[0] <= 4096 and counts == sorted(counts, reverse=True) and counts[-1] <= 180 and len(counts) >= 3
    seen = views(knight.clips, knight.skeleton.bind_m, phases=4, directions=6)
    full = shown_m2(knight.lods[0], seen).sum(1).mean()
    for mesh in knight.lods[1:]:
        assert shown_m2(mesh, seen).sum(1).mean() == pytest.approx(full, rel=0.02)


def test_openpose_joints_are_guessed_or_said(knight: Character, knight_file: Path) -> None:
    on = [knight.skeleton.names[j].removeprefix("mixamorig:") for j in knight.skeleton.openpose]
    assert on[0] == "Head" and on[2] == "RightArm" and on[8] == "RightUpLeg" and on[13] == "LeftFoot"
    assert any("neck" in note and "openpose" in note for note in knight.notes)
    said = character(knight_file, 1, openpose={"neck": "mixamorig:Spine"})
    assert said.skeleton.names[said.skeleton.openpose[1]] == "mixamorig:Spine"
    with pytest.raises(InputError, match=r"no such joint.*Nose"):
        character(knight_file, 1, openpose={"nose": "Nose"})
    with pytest.raises(InputError, match="no such clip in the file: expected Walk, Stand"):
        character(knight_file, 1, clips={"idle": "Idle"})


def test_centimetres_heights_and_the_other_way_round(tmp_path: Path) -> None:
    path = tmp_path / "cm.glb"
    path.write_bytes(glb(*gltf(scale=100.0)))
    with pytest.raises(InputError, match=r"176 m.*height_m"):
        character(path, 1)
    one = character(path, 1, height_m=1.8)
    assert one.height_m == pytest.approx(1.8) and one.clips[0].stride_m == pytest.approx(1.2 * 1.8 / 1.76, rel=1e-3)
    back = character(path, 1, height_m=1.8, forward="-z")
    np.testing.assert_allclose(back.lods[0].position_m[:, 2].max(), 0.18 * 1.8 / 1.76, atol=1e-4)


def test_walking_on_the_spot_gets_its_stride_from_its_feet(tmp_path: Path) -> None:
    path = tmp_path / "spot.glb"
    path.write_bytes(glb(*gltf(stride=0.0)))
    one = character(path, 1, clips={"walk": "Walk"})
    assert 1.0 < one.clips[0].stride_m < 2.6 and any("on the spot" in n for n in one.notes)


def test_many_triangles_come_down(tmp_path: Path) -> None:
    path = tmp_path / "fine.glb"
    path.write_bytes(glb(*gltf(cuts=12)))
    one = character(path, 1)
    assert len(one.lods[0].triangle) <= 4096 and any("brought down" in n for n in one.notes)
    seen = views(one.clips, one.skeleton.bind_m, phases=2, directions=4)
    path.write_bytes(glb(*gltf(cuts=3)))
    plain = shown_m2(character(path, 1).lods[0], seen).sum(1).mean()
    assert shown_m2(one.lods[0], seen).sum(1).mean() == pytest.approx(plain, rel=0.03)


def test_gltf_with_files_beside_it_and_data_in_it(tmp_path: Path, knight: Character) -> None:
    document, blob = gltf()
    (tmp_path / "man.bin").write_bytes(blob)
    document["buffers"][0]["uri"] = "man.bin"
    (tmp_path / "man.gltf").write_text(json.dumps(document))
    beside = character(tmp_path / "man.gltf", 2, clips={"idle": "Stand", "walk": "Walk"})
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    (tmp_path / "own.gltf").write_text(json.dumps(document))
    inside = character(tmp_path / "own.gltf", 2, clips={"idle": "Stand", "walk": "Walk"})
    for one in (beside, inside):
        np.testing.assert_array_equal(one.lods[0].position_m, knight.lods[0].position_m)
        np.testing.assert_array_equal(one.clips[1].rotation, knight.clips[1].rotation)


@pytest.mark.parametrize(
    "uri", ["../man.bin", "/etc/passwd", "http://x/man.bin", "a/../../man.bin", "%2e%2e/man.bin", "..\\man.bin"]
)
def test_nothing_outside_the_folder_is_opened(tmp_path: Path, uri: str) -> None:
    document, blob = gltf()
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "man.bin").write_bytes(blob)
    document["buffers"][0]["uri"] = uri
    (home / "man.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"outside its folder|cannot be read"):
        character(home / "man.gltf", 1)


def broken(change: str) -> bytes:
    document, blob = gltf()
    nodes, accessors = document["nodes"], document["accessors"]
    if change == "cut":
        return glb(document, blob)[:5000]
    if change == "circle":
        nodes[0]["children"] = [*nodes[0]["children"]]
        nodes[5]["children"] = [0]
    elif change == "count":
        accessors[0]["count"] = 10**9
    elif change == "beyond":
        document["bufferViews"][0]["byteLength"] = 10**8
    elif change == "index":
        blob = bytearray(blob)
        view = document["bufferViews"][accessors[3]["bufferView"]]
        blob[view["byteOffset"] : view["byteOffset"] + 4] = struct.pack("<I", 10**6)
        blob = bytes(blob)
    elif change == "joint":
        document["skins"][0]["joints"] = [0, 1]
    elif change == "nan":
        blob = struct.pack("<f", float("nan")) + blob[4:]
    elif change == "version":
        document["asset"]["version"] = "1.0"
    elif change == "extension":
        document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    elif change == "type":
        accessors[0]["type"] = "VEC7"
    elif change == "negative":
        document["bufferViews"][0]["byteOffset"] = -4
    elif change == "no skin":
        document["skins"] = []
    return glb(document, blob)


@pytest.mark.parametrize(
    "change",
    [
        "cut",
        "circle",
        "count",
        "beyond",
        "index",
        "joint",
        "nan",
        "version",
        "extension",
        "type",
        "negative",
        "no skin",
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, change: str) -> None:
    path = tmp_path / "bad.glb"
    path.write_bytes(broken(change))
    with pytest.raises(InputError) as caught:
        character(path, 1)
    assert "bad.glb" in str(caught.value) and "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6000), st.binary(min_size=1, max_size=12))
def test_no_damage_to_a_file_gets_through_as_a_fault(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: bytes
) -> None:
    data = bytearray(WHOLE)
    data[at : at + len(put)] = put
    path = tmp_path_factory.mktemp("fuzz") / "f.glb"
    path.write_bytes(bytes(data))
    from composer.crowd.characters.gltf import read_gltf

    with contextlib.suppress(InputError):
        read_gltf(path)


WHOLE = glb(*gltf(cuts=1))


def test_pictures_count_by_their_average() -> None:
    cv2 = pytest.importorskip("cv2")
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32] = (0, 0, 255)
    ok, data = cv2.imencode(".png", picture)
    assert ok
    np.testing.assert_allclose(average_colour(data.tobytes()), (0.5, 0, 0), atol=0.02)
    assert average_colour(b"GIF89a") is None
    assert average_colour(data.tobytes()[:16] + struct.pack(">II", 10**6, 10**6) + data.tobytes()[24:]) is None


CAST = """\
muster_cast: 1
cast: toys
types:
  knight: {character: knight.glb, clips: {idle: Stand, walk: Walk}, height_m: [1.7, 1.9]}
"""
SHOT = """\
muster: 1
shot: toys
plate: {path: plate.exr}
camera: {locked: {focal_mm: 35, filmback_mm: [36, 24], height_m: 1.6}}
cast: cast.yaml
crowd:
  count: 40
  regions:
    - name: host
      polygon_m: [[-10, -10], [10, -10], [10, -30], [-10, -30]]
      kits: {knight: 1, spearman: 1}
      clip: walk
      moving: true
"""


def people(folder: Path) -> People:
    def no_view(frame: int) -> object:
        raise AssertionError

    ground = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    shot = parse_shot(SHOT, folder / "shot.yaml")
    return people_of(shot, ground, no_view, Fraction(24), 1001)  # type: ignore[arg-type]


def test_a_character_is_cast_in_place_of_a_soldier(tmp_path: Path, knight_file: Path) -> None:
    (tmp_path / "knight.glb").write_bytes(knight_file.read_bytes())
    (tmp_path / "cast.yaml").write_text(CAST)
    crowd = people(tmp_path)
    agents = crowd.layout.at([1001, 1002])
    rig = np.array([crowd.cast.figures[c].rig for c in agents.cast])
    assert 8 < (rig == 1).sum() < 32
    mine = rig == 1
    assert {crowd.cast.clips[c].name for c in agents.clip[0][mine]} == {"walk"}
    assert {crowd.cast.clips[c].rig for c in agents.clip[0][mine]} == {1}
    tall = agents.height_scale[mine] * 1.8  # the middle of the range is the file's own man
    assert tall.min() >= 1.699 and tall.max() <= 1.901
    assert len(np.unique(agents.albedo[mine], axis=0)) == 1
    stride = np.array([crowd.cast.clips[c].stride_m for c in agents.clip[0]]) * agents.height_scale
    gone = np.linalg.norm(agents.position_m[1] - agents.position_m[0], axis=-1)
    np.testing.assert_allclose(np.mod(agents.phase[1] - agents.phase[0], 1) * stride, gone, rtol=0.02)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("knight.glb", "night.glb", r"cast\.yaml:4:\d+: .*night\.glb.*cannot be read|no such file"),
        ("idle: Stand", "idle: Sit", r"cast\.yaml:4:\d+: .*no such clip in the file"),
        ("clips:", "helmet: cap, clips:", r"cast\.yaml:4:\d+: .*character.*helmet"),
    ],
)
def test_a_character_that_is_not_as_said(tmp_path: Path, knight_file: Path, was: str, now: str, told: str) -> None:
    (tmp_path / "knight.glb").write_bytes(knight_file.read_bytes())
    (tmp_path / "cast.yaml").write_text(CAST.replace(was, now))
    with pytest.raises((InputError, InputErrors), match=told):
        people(tmp_path)


def write_usd(path: Path, up: str = "Y") -> None:
    """The same man as UsdSkel; with up Z, turned so, in centimetres."""
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, Vt

    points, joints, faces = man()
    turn = np.eye(3) if up == "Y" else np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    size = 1.0 if up == "Y" else 100.0
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y if up == "Y" else UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0 / size)
    stage.SetTimeCodesPerSecond(8)
    UsdSkel.Root.Define(stage, "/man")
    skeleton = UsdSkel.Skeleton.Define(stage, "/man/skel")
    full = []
    for joint, name in enumerate(JOINTS):
        full.append(f"{full[PARENT[joint]]}/{name}" if PARENT[joint] >= 0 else name)
    skeleton.CreateJointsAttr(full)
    place = PLACE @ turn.T * size

    def moved(v: np.ndarray) -> Gf.Matrix4d:
        return Gf.Matrix4d(1.0).SetTranslate(Gf.Vec3d(*map(float, v)))

    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray([moved(p) for p in place]))
    local = [place[j] - (place[PARENT[j]] if PARENT[j] >= 0 else 0) for j in range(len(JOINTS))]
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray([moved(p) for p in local]))
    anim = UsdSkel.Animation.Define(stage, "/man/Walk")
    anim.CreateJointsAttr(full)
    anim.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * len(JOINTS)))
    swing = turns()
    for key in range(9):
        step = np.array(local)
        step[0] = step[0] + turn @ np.array([0, 0, 1.2 * key / 8]) * size
        anim.GetTranslationsAttr().Set(Vt.Vec3fArray([Gf.Vec3f(*map(float, v)) for v in step]), key)
        quats = []
        for joint in range(len(JOINTS)):
            x, _, _, w = swing[joint][key] if joint in swing else (0.0, 0, 0, 1.0)
            quats.append(Gf.Quatf(float(w), float(x), 0.0, 0.0))
        anim.GetRotationsAttr().Set(Vt.QuatfArray(quats), key)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([Sdf.Path("/man/Walk")])
    for number, face in enumerate(faces):
        mesh = UsdGeom.Mesh.Define(stage, f"/man/part{number}")
        mesh.CreatePointsAttr(Vt.Vec3fArray([Gf.Vec3f(*map(float, p)) for p in points @ turn.T * size]))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray([3] * len(face)))
        mesh.CreateFaceVertexIndicesAttr(Vt.IntArray(face.reshape(-1).tolist()))
        bound = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
        bound.CreateJointIndicesPrimvar(False, 1).Set(Vt.IntArray(joints.tolist()))
        bound.CreateJointWeightsPrimvar(False, 1).Set(Vt.FloatArray([1.0] * len(points)))
        bound.CreateSkeletonRel().SetTargets([Sdf.Path("/man/skel")])
        material = UsdShade.Material.Define(stage, f"/man/{('tunic', 'skin', 'hose')[number]}")
        shader = UsdShade.Shader.Define(stage, f"/man/{('tunic', 'skin', 'hose')[number]}/s")
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*COLOURS[number]))
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
        UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)
    stage.GetRootLayer().Save()


@pytest.mark.parametrize(("up", "name"), [("Y", "man.usda"), ("Z", "man.usdc")])
def test_usd_gives_the_same_man(tmp_path: Path, knight: Character, up: str, name: str) -> None:
    pytest.importorskip("pxr")
    write_usd(tmp_path / name, up)
    one = character(tmp_path / name, 2, clips={"walk": "Walk"}, forward="z" if up == "Y" else None)
    mesh, walk = one.lods[0], one.clips[0]
    np.testing.assert_allclose(mesh.position_m.min(0), (-0.28, 0.0, -0.18), atol=1e-4)
    np.testing.assert_allclose(mesh.position_m.max(0), (0.28, 1.76, 0.10), atol=1e-4)
    assert walk.stride_m == pytest.approx(1.2, abs=1e-3) and walk.looped
    np.testing.assert_allclose(walk.position_m[:, 3:], knight.clips[1].position_m[:, 3:], atol=5e-3)
    np.testing.assert_allclose(np.abs(np.sum(walk.rotation * knight.clips[1].rotation, -1)), 1.0, atol=1e-4)
    np.testing.assert_allclose(one.albedo, knight.albedo, atol=1e-4)


def test_usd_that_is_no_character(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    (tmp_path / "no.usda").write_text('#usda 1.0\ndef Xform "a" {}\n')
    with pytest.raises(InputError, match="no skinned character"):
        character(tmp_path / "no.usda", 1)
    (tmp_path / "bad.usda").write_text("#usda 1.0\n{{{")
    with pytest.raises(InputError, match="not sound USD"):
        character(tmp_path / "bad.usda", 1)
    (tmp_path / "x.fbx").write_text("")
    with pytest.raises(InputError, match=r"\.glb, \.gltf or USD"):
        character(tmp_path / "x.fbx", 1)
