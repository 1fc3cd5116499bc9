"""BVH reading against a second, naive reader; malformed files; retargeting against the source's own kinematics."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from composer.crowd.bvh import Bvh, read_bvh
from composer.crowd.motion.feet import ANKLE_M, BALL_Z_M, HEEL_Z_M
from composer.crowd.retarget import Retargeted, retarget
from composer.crowd.skeleton import JOINT, SKELETON
from composer.errors import InputError

NAMES = (
    "cmu_02_01_walk", "cmu_06_01_walk", "cmu_06_15_dribble_shoot", "cmu_12_01_walk", "cmu_131_01_start_walk_stop",
    "cmu_cc_002_01_walk", "cmu_cc_002_03_run_jog", "cmu_cc_002_04_jump_balance", "cmu_cc_002_05_punch_strike",
    "cmu_cc_002_06_bend_scoop_rise", "cmu_cc_002_07_swordplay", "cmu_cc_002_09_swordplay",
    "cmu_cc_003_01_walk_uneven_terrain", "cmu_cc_007_12_brisk_walk", "cmu_jumping_jacks", "fair1_wave_hello",
    "fair1_zombie_walk",
)  # fmt: skip
#: Walks and runs: rough speed in m/s, from looking at each.
SPEED = {
    "cmu_02_01_walk": 1.26, "cmu_06_01_walk": 1.0, "cmu_12_01_walk": 0.93, "cmu_cc_002_01_walk": 1.15,
    "cmu_cc_002_03_run_jog": 2.6, "cmu_cc_003_01_walk_uneven_terrain": 0.6, "cmu_cc_007_12_brisk_walk": 1.9,
    "fair1_zombie_walk": 0.6,
}  # fmt: skip
#: Our limb: the joints at its two ends, as any of the files calls them.
LIMBS = {
    "{s}_upper_arm": (
        ("{S}Arm", "CC_Base_{L}_Upperarm", "{S}Shoulder"),
        ("{S}ForeArm", "CC_Base_{L}_Forearm", "{S}Elbow"),
    ),
    "{s}_forearm": (("{S}ForeArm", "CC_Base_{L}_Forearm", "{S}Elbow"), ("{S}Hand", "CC_Base_{L}_Hand", "{S}Wrist")),
    "{s}_thigh": (("{S}UpLeg", "CC_Base_{L}_Thigh", "{S}Hip"), ("{S}Leg", "CC_Base_{L}_Calf", "{S}Knee")),
    "{s}_shin": (("{S}Leg", "CC_Base_{L}_Calf", "{S}Knee"), ("{S}Foot", "CC_Base_{L}_Foot", "{S}Ankle")),
}
ENDS = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shin", "shin": "foot"}


def naive_places(path: Path, frame: int) -> dict[str, np.ndarray]:
    """Every joint's place in one frame: another reader and other kinematics (scipy, 4x4 matrices, joint by joint)."""
    head, _, tail = path.read_text().partition("MOTION")
    rows = [line.split() for line in tail.strip().splitlines()][2:]
    values = iter([float(v) for v in rows[frame]])
    places: dict[str, np.ndarray] = {}
    stack: list[np.ndarray] = [np.eye(4)]
    offset, name = np.zeros(3), ""
    for line in head.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("ROOT", "JOINT"):
            name = words[1]
        elif words[0] == "End":
            name = ""
            stack.append(stack[-1])
        elif words[0] == "OFFSET":
            offset = np.array([float(w) for w in words[1:]])
        elif words[0] == "CHANNELS":
            local = np.eye(4)
            numbers = {w: next(values) for w in words[2:]}
            shift = [numbers.get(f"{a}position", o) for a, o in zip("XYZ", offset, strict=True)]
            order = "".join(w[0] for w in words[2:] if w.endswith("rotation"))
            angles = [numbers[f"{a}rotation"] for a in order]
            local[:3, :3] = Rotation.from_euler(order, angles, degrees=True).as_matrix()
            local[:3, 3] = shift
            stack.append(stack[-1] @ local)
            places[name] = stack[-1][:3, 3]
        elif words[0] == "}":
            stack.pop()
    return places


@cache
def loaded(path: Path) -> Bvh:
    return read_bvh(path)


@cache
def clip_of(path: Path, loop: bool) -> Retargeted:
    return retarget(loaded(path), SKELETON, path.stem, loop=loop)


def mocap(shared_data: Path, name: str) -> Path:
    return shared_data / "mocap" / f"{name}.bvh"


@pytest.mark.parametrize("name", NAMES)
def test_world_agrees_with_a_naive_reader(shared_data: Path, name: str) -> None:
    path = mocap(shared_data, name)
    bvh = loaded(path)
    _, place = bvh.world()
    for frame in (0, len(bvh.motion) // 2, len(bvh.motion) - 1):
        oracle = naive_places(path, frame)
        assert list(oracle) == list(bvh.names)
        assert np.abs(np.array(list(oracle.values())) - place[frame]).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_limbs_point_where_the_file_says(shared_data: Path, name: str) -> None:
    path = mocap(shared_data, name)
    result = clip_of(path, False)
    clip = result.clip
    step = max(1, round(1 / loaded(path).frame_time_s / 60))
    theirs, ours, arms = [], [], []
    for sample in np.linspace(0, len(clip.position_m) - 1, 12).astype(int):
        places = naive_places(path, result.frames[0] - 1 + int(sample) * step)
        for side, word in (("l", "Left"), ("r", "Right")):
            for limb, ends in LIMBS.items():
                if "LeftElbow" in places:  # there, LeftShoulder is the upper arm
                    ends = tuple(names[::-1] for names in ends)
                named = [[t.format(S=word, L=side.upper()) for t in names] for names in ends]
                a, b = (next(places[n] for n in names if n in places) for names in named)
                bone = limb.format(s=side)
                end = f"{side}_{ENDS[bone[2:]]}"
                theirs.append((b - a) / np.linalg.norm(b - a))
                d = clip.position_m[sample, JOINT[end]] - clip.position_m[sample, JOINT[bone]]
                ours.append(d / np.linalg.norm(d))
                arms.append("arm" in bone)
    # One turn for the whole clip takes the file's world to ours; nothing else may differ.
    turn, _ = Rotation.align_vectors(np.array(ours)[arms], np.array(theirs)[arms])
    angle = np.degrees(np.arccos(np.clip(np.sum(turn.apply(theirs) * ours, axis=1), -1, 1)))
    assert angle[arms].max() < 0.5
    legs = angle[~np.array(arms)]
    # Legs bend to hold the feet; where the ground went up and down, a good deal.
    assert np.median(legs) < 10 and legs.max() < (45 if "uneven" in name else 22)


def sole(clip, side: str, z: float) -> np.ndarray:
    foot = JOINT[f"{side}_foot"]
    turn = Rotation.from_quat(clip.rotation[:, foot].astype(np.float64))
    return clip.position_m[:, foot] + turn.apply([0.0, -ANKLE_M, z])


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_feet_stand_and_do_not_slide(shared_data: Path, name: str, loop: bool) -> None:
    clip = clip_of(mocap(shared_data, name), loop).clip
    samples = len(clip.position_m)
    interval_s = clip.duration_s / (samples if loop else samples - 1)
    travel = np.outer(np.arange(samples) * interval_s * clip.stride_m / clip.duration_s, [0, 0, -1])
    rested = 0
    for side in "rl":
        ball, heel = sole(clip, side, BALL_Z_M) + travel, sole(clip, side, HEEL_Z_M)
        assert min(ball[:, 1].min(), heel[:, 1].min()) > -0.005  # nothing in the ground
        down = ball[:, 1] < 0.004
        rested += int(down.sum())
        both = down[1:] & down[:-1]
        speed = np.linalg.norm(np.diff(ball[:, [0, 2]], axis=0), axis=1)[both] / interval_s
        assert np.mean(speed) < 0.06  # metres a second
        assert np.percentile(speed, 75) < 0.01
    assert rested > 0.35 * samples  # somebody who runs touches the ground, too


@pytest.mark.parametrize("name", NAMES)
def test_size_and_travel(shared_data: Path, name: str) -> None:
    result = clip_of(mocap(shared_data, name), True)
    clip = result.clip
    head = np.median(clip.position_m[:, JOINT["head"], 1])
    assert 1.2 < head < 1.68  # its joint at the neck's end, a man of 1.75 m has it at 1.565
    speed = clip.stride_m / clip.duration_s
    if name in SPEED:
        assert abs(speed - SPEED[name]) < 0.25 * SPEED[name]
    hips = clip.position_m[:, 0]
    assert np.ptp(hips[:, 0]) < 1.0 and (clip.stride_m == 0 or np.ptp(hips[:, 2]) < 1.3)
    ahead = Rotation.from_quat(clip.rotation[:, 0].astype(np.float64)).apply([0.0, 0.0, -1.0]).mean(axis=0)
    assert -ahead[2] > (0.6 if clip.stride_m else 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_bones_keep_their_length_and_loops_close(shared_data: Path, name: str) -> None:
    clip = clip_of(mocap(shared_data, name), True).clip
    bind = SKELETON.bind_m
    turn = Rotation.from_quat(clip.rotation.reshape(-1, 4).astype(np.float64)).as_matrix()
    turn = turn.reshape(*clip.rotation.shape[:2], 3, 3)
    assert np.abs(np.linalg.norm(clip.rotation, axis=-1) - 1).max() < 1e-5
    for j, p in enumerate(SKELETON.parent):
        if p >= 0:
            carried = clip.position_m[:, p] + turn[:, p] @ (bind[j] - bind[p])
            assert np.abs(carried - clip.position_m[:, j]).max() < 1e-4
    steps = np.linalg.norm(np.diff(clip.position_m, axis=0), axis=-1).max(axis=1)
    seam = np.linalg.norm(clip.position_m[0] - clip.position_m[-1], axis=-1).max()
    assert seam < 1.5 * np.percentile(steps, 98) + 0.01


def test_t_poses_are_dropped(shared_data: Path) -> None:
    starts = {name: clip_of(mocap(shared_data, name), False).frames[0] for name in NAMES}
    dropped = {name for name, first in starts.items() if first == 2}
    assert dropped == {"cmu_06_01_walk", "cmu_06_15_dribble_shoot", "cmu_12_01_walk", "cmu_cc_007_12_brisk_walk"}
    wave = clip_of(mocap(shared_data, "fair1_wave_hello"), False)  # holds it for three seconds
    assert any("T pose" in note for note in wave.notes)


def test_frames_choose_a_part(shared_data: Path) -> None:
    bvh = loaded(mocap(shared_data, "cmu_cc_002_05_punch_strike"))
    part = retarget(bvh, SKELETON, "punch", (61, 181), loop=False)
    assert part.frames == (61, 181) and part.clip.duration_s == pytest.approx(120 / 60, rel=1e-3)
    assert not part.clip.looped
    with pytest.raises(InputError, match="no such frames"):
        retarget(bvh, SKELETON, "punch", (300, 400))
    with pytest.raises(InputError, match="too short"):
        retarget(bvh, SKELETON, "punch", (10, 12))


def test_acclaim_is_refused(shared_data: Path) -> None:
    for name in ("cmu_02.asf", "cmu_02_03_run_jog.amc"):
        with pytest.raises(InputError, match=r"not a BVH file.*convert"):
            read_bvh(shared_data / "mocap" / name)


TINY = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee
  {
    OFFSET 0 -1 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 -1 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
1 2 3 0 0 0 0 0 0
1 2 3 90 0 0 0 0 0
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.bvh"
    path.write_text(text)
    return path


def test_tiny_by_hand(tmp_path: Path) -> None:
    bvh = read_bvh(written(tmp_path, TINY.replace("\n", "\r\n")))
    _, place = bvh.world()
    assert np.allclose(place[0], [[1, 2, 3], [1, 1, 3]])
    assert np.allclose(place[1], [[1, 2, 3], [2, 2, 3]])  # a quarter turn about z takes -y to +x
    dense = TINY.replace("Hips\n{\n", "Hips {\n").replace("{\n      OFFSET 0 -1 0\n    }", "{ OFFSET 0 -1 0 }")
    assert dense.count("\n") < TINY.count("\n")
    assert read_bvh(written(tmp_path, dense)).names == bvh.names


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("1 2 3 90 0 0 0 0 0\n", "", 19, "frames are missing"),
        ("1 2 3 90 0 0 0 0 0", "1 2 3 90 0", 20, "frame 2"),
        ("1 2 3 90 0 0 0 0 0", "1 2 3 90 0 x 0 0 0", 20, "not a number"),
        ("1 2 3 90 0 0 0 0 0", "1 2 3 nan 0 0 0 0 0", 20, "not finite"),
        ("1 2 3 90 0 0 0 0 0", "1 2 3 90 0 0 0 0 0\n1 2 3 4 5 6 7 8 9", 21, "more motion"),
        ("CHANNELS 3 Yrotation", "CHANNELS 4 Yrotation", 9, "CHANNELS"),
        ("CHANNELS 3 Yrotation", "CHANNELS 3 Wrotation", 9, "unknown channel"),
        ("JOINT Knee", "JOINT Hips", 6, "name of its own"),
        ("JOINT Knee", "KNEE Knee", 6, "malformed"),
        ("OFFSET 0 -1 0\n    CH", "OFFSET 0 -1\n    CH", 8, "OFFSET"),
        ("Frames: 2", "Frames: many", 17, "how many frames"),
        ("Frame Time: 0.04", "Frame Time: -1", 18, "frame time"),
        ("MOTION\n", "", 16, "motion is missing"),
        ("HIERARCHY", "PK", 1, "not a BVH file"),
    ],
)
def test_malformed(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in TINY
    with pytest.raises(InputError, match=what) as error:
        read_bvh(written(tmp_path, TINY.replace(old, new)))
    assert error.value.where.line == line
    assert "\n" not in str(error.value)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    for end in range(0, len(TINY) - len(" 0\n"), 7):
        with pytest.raises(InputError):
            read_bvh(written(tmp_path, TINY[:end]))


def test_binary_and_absent(tmp_path: Path) -> None:
    path = tmp_path / "b.bvh"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not a BVH"):
        read_bvh(path)
    with pytest.raises(InputError, match="cannot read"):
        read_bvh(tmp_path / "none.bvh")


def test_unknown_skeleton(tmp_path: Path) -> None:
    bvh = read_bvh(written(tmp_path, TINY.replace("Frames: 2", "Frames: 30") + "1 2 3 0 0 0 0 0 0\n" * 28))
    with pytest.raises(InputError, match="not known"):
        retarget(bvh, SKELETON, "x")
