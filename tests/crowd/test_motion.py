"""The clips: planted feet, smooth loops, joints that stay together, weapons where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from composer.crowd.agents import MATERIALS, Clip, Mesh
from composer.crowd.cast import default_cast
from composer.crowd.motion.curves import periodic, quaternions, turned
from composer.crowd.skeleton import JOINT, SKELETON

CAST = default_cast()
CLIPS = {c.name: c for c in CAST.clips}
GAITS = ("walk", "march", "run", "jog", "rout")
FALLS = ("fall_back", "fall_forward", "fall_side")
UPRIGHT = pytest.mark.parametrize("clip", [c for c in CAST.clips if c.looped], ids=lambda c: c.name)
ALL = pytest.mark.parametrize("clip", CAST.clips, ids=lambda c: c.name)


def _rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    t = 2.0 * np.cross(q[..., :3], v)
    return v + q[..., 3:] * t + np.cross(q[..., :3], t)


def _posed(mesh: Mesh, clip: Clip, sample: int) -> np.ndarray:
    """Vertices [V, 3] as the types' docstrings say."""
    out = np.zeros(mesh.position_m.shape)
    for k, share in ((0, mesh.weight), (1, 1.0 - mesh.weight)):
        j = mesh.joint[:, k]
        moved = _rotate(clip.rotation[sample, j].astype(np.float64), mesh.position_m - SKELETON.bind_m[j])
        out += share[:, None] * (moved + clip.position_m[sample, j])
    return out


def _sole(name: str) -> np.ndarray:
    """The vertices of a bare figure's sole on one side."""
    mesh = CAST.figures[0].lods[0]
    joints = [JOINT[f"{name}_foot"], JOINT[f"{name}_toe"]]
    return np.flatnonzero(np.isin(mesh.joint, joints).any(1) & (mesh.position_m[:, 1] < 0.012))


def test_names_and_shapes() -> None:
    assert CAST.clips[0].name == "idle"
    assert {"idle", "walk", "march", "run", "brace", "strike", "cheer"} <= set(CLIPS)
    assert sum(name.startswith("idle") for name in CLIPS) >= 3
    for clip in CAST.clips:
        samples, joints = clip.rotation.shape[:2]
        assert joints == len(SKELETON.names) and clip.position_m.shape == (samples, joints, 3) and samples >= 48
        assert clip.rotation.dtype == clip.position_m.dtype == np.float32
        assert (clip.stride_m > 0) == (clip.name in GAITS) and clip.duration_s > 0
        assert clip.looped == (clip.name not in FALLS)


@UPRIGHT
def test_rotations_are_unit_and_the_loop_closes(clip: Clip) -> None:
    np.testing.assert_allclose(np.linalg.norm(clip.rotation, axis=-1), 1.0, atol=1e-5)
    q = np.concatenate([clip.rotation, clip.rotation[:1]]).astype(np.float64)
    dots = np.sum(q[1:] * q[:-1], axis=-1)
    assert (dots > 0).all()  # neighbours, and last to first, on the same half: plain interpolation is safe
    turn_deg = np.degrees(2 * np.arccos(np.clip(dots, -1, 1)))
    p = np.concatenate([clip.position_m, clip.position_m[:1]]).astype(np.float64)
    step_m = np.linalg.norm(np.diff(p, axis=0), axis=-1)
    assert turn_deg[-1].max() <= 1.2 * turn_deg[:-1].max() + 0.5
    assert step_m[-1].max() <= 1.2 * step_m[:-1].max() + 1e-3
    most_deg = 45.0 if clip.name.startswith("strike") else 25.0 if "loose" in clip.name else 20.0
    assert turn_deg.max() < most_deg and step_m.max() < (0.28 if clip.name.startswith("strike") else 0.16)


@ALL
def test_bones_keep_their_length(clip: Clip) -> None:
    for joint, parent in enumerate(SKELETON.parent):
        loose = ("spear", "sword", "shield", *(() if clip.looped else ("cloak_upper", "cloak_lower")))
        if parent < 0 or SKELETON.names[joint] in loose:
            continue
        bone = SKELETON.bind_m[joint] - SKELETON.bind_m[parent]
        carried = clip.position_m[:, parent] + _rotate(clip.rotation[:, parent], bone[None])
        limit = 0.002 if not SKELETON.names[joint].endswith("_foot") else 0.003
        assert np.abs(carried - clip.position_m[:, joint]).max() < limit, SKELETON.names[joint]


@UPRIGHT
def test_nothing_of_him_is_under_the_ground(clip: Clip) -> None:
    for figure in (CAST.figures[0], CAST.figures[3], CAST.figures[16]):
        mesh = figure.lods[0]
        for sample in range(0, len(clip.rotation), 3):
            assert _posed(mesh, clip, sample)[:, 1].min() > -0.008


@pytest.mark.parametrize("name", GAITS)
@pytest.mark.parametrize("side", ["r", "l"])
def test_the_foot_that_carries_does_not_slide(name: str, side: str) -> None:
    clip, mesh = CLIPS[name], CAST.figures[0].lods[0]
    sole = _sole(side)
    count = len(clip.rotation)
    points = np.stack([_posed(mesh, clip, s)[sole] for s in range(count)])
    points = np.concatenate([points, points[:1]])
    points[:, :, 2] -= (clip.stride_m * np.arange(count + 1) / count)[:, None]  # the world: he walks to -Z
    down = (points[1:, :, 1] < 0.004) & (points[:-1, :, 1] < 0.004)
    slide_m = np.linalg.norm(np.diff(points, axis=0)[..., [0, 2]], axis=-1)
    per_frame = (clip.duration_s / count) * 24.0
    assert down.any(1).mean() > {"run": 0.25, "rout": 0.25, "jog": 0.35}.get(name, 0.5)
    assert slide_m[:-1][down[:-1]].max() / per_frame < 0.005
    grounded = points[:-1, :, 1].min(1)
    assert grounded.min() > -0.004


@pytest.mark.parametrize("name", [c.name for c in CAST.clips if c.stride_m == 0 and c.looped])
def test_standing_feet_stay(name: str) -> None:
    clip = CLIPS[name]
    for side in ("r", "l"):
        toes = clip.position_m[:, JOINT[f"{side}_toe"]]
        assert np.ptp(toes, axis=0).max() < 0.005
        assert clip.position_m[:, JOINT[f"{side}_foot"], 1].min() > 0.08


@pytest.mark.parametrize("name", GAITS)
def test_the_feet_take_turns(name: str) -> None:
    clip = CLIPS[name]
    right, left = (clip.position_m[:, JOINT[f"{s}_foot"]] for s in ("r", "l"))
    half = len(right) // 2
    np.testing.assert_allclose(right[:, 1:], np.roll(left, half, axis=0)[:, 1:], atol=2e-3)
    assert (right[:, 0] > 0).all() and (left[:, 0] < 0).all()


@UPRIGHT
def test_hands_hold_their_weapons_and_the_right_hand_is_right(clip: Clip) -> None:
    fist = clip.position_m[:, JOINT["r_hand"]].astype(np.float64)
    axis = _rotate(clip.rotation[:, JOINT["spear"]], np.array([[0.0, 1.0, 0.0]]))
    to_hand = fist - clip.position_m[:, JOINT["spear"]]
    off = np.linalg.norm(to_hand - axis * np.sum(to_hand * axis, axis=1, keepdims=True), axis=1)
    assert off.max() < 0.09  # the shaft runs through the fist, which closes 7 cm beyond the wrist
    for hand, prop in (("r_hand", "sword"), ("l_hand", "shield")):
        gap = np.linalg.norm(clip.position_m[:, JOINT[hand]] - clip.position_m[:, JOINT[prop]], axis=1)
        assert gap.max() < 0.09
    if clip.name == "draw_and_loose":
        return  # an archer stands side on
    assert clip.position_m[:, JOINT["r_hand"], 0].mean() > clip.position_m[:, JOINT["l_hand"], 0].mean() + 0.3
    assert (clip.position_m[:, JOINT["r_upper_arm"], 0] > clip.position_m[:, JOINT["l_upper_arm"], 0] + 0.2).all()


def test_idle_rests_the_spear_on_the_ground() -> None:
    for name in ("idle", "idle_lean", "idle_shift", "idle_rest"):
        clip, mesh = CLIPS[name], CAST.figures[0].lods[0]
        shaft = np.flatnonzero(mesh.joint[:, 0] == JOINT["spear"])
        low = [_posed(mesh, clip, s)[shaft, 1].min() for s in range(0, 60, 6)]
        assert min(low) > -0.005 and max(low) < 0.06, name


def test_idles_differ_from_each_other() -> None:
    for a in ("idle", "idle_lean", "idle_shift", "idle_rest"):
        for b in ("idle", "idle_lean", "idle_shift", "idle_rest"):
            if a < b:
                apart = np.linalg.norm(CLIPS[a].position_m - CLIPS[b].position_m, axis=-1).max(0)
                assert (apart > 0.02).sum() >= 6


@pytest.mark.parametrize("figure", (15, 18), ids=("officer", "bannerman"))
def test_cloak_stays_behind_the_legs(figure: int) -> None:
    mesh = CAST.figures[figure].lods[0]
    cloth = (mesh.joint == JOINT["cloak_lower"]).any(1) & (np.abs(mesh.position_m[:, 0]) < 0.2)
    legs = np.isin(mesh.joint[:, 0], [JOINT[f"{s}_{n}"] for s in "rl" for n in ("shin", "foot")]) & (mesh.weight > 0.9)
    for clip in (c for c in CAST.clips if c.looped):
        for sample in range(0, 60, 4):
            points = _posed(mesh, clip, sample)
            sheet = points[cloth]
            for p in points[legs]:
                beside = sheet[np.abs(sheet[:, 0] - p[0]) < 0.09]
                over, under = beside[beside[:, 1] >= p[1]], beside[beside[:, 1] < p[1]]
                if len(over) and len(under):
                    at = min(over[np.argmin(over[:, 1])][2], under[np.argmax(under[:, 1])][2])
                    assert p[2] < at + 0.015, (clip.name, sample)


def test_periodic_curves_go_through_their_keys_and_wrap() -> None:
    keys = {0.1: 1.0, 0.4: 3.0, 0.45: 3.0, 0.9: -2.0}
    at = np.array([0.1, 0.4, 0.45, 0.9])
    np.testing.assert_allclose(periodic(keys, at), [1.0, 3.0, 3.0, -2.0], atol=1e-12)
    fine = periodic(keys, np.linspace(0.0, 1.0, 2001)[:-1])
    assert fine.max() <= 3.0 + 1e-9 and fine.min() >= -2.0 - 1e-9
    assert abs(periodic(keys, np.array([0.9999999]))[0] - periodic(keys, np.array([0.0]))[0]) < 1e-4


def test_quaternions_agree_with_matrices() -> None:
    deg = np.random.default_rng(1).uniform(-180, 180, (200, 3))
    m = turned(deg)
    q = quaternions(m)
    v = np.array([0.3, -0.7, 0.2])
    np.testing.assert_allclose(_rotate(q, np.tile(v, (200, 1))), m @ v, atol=1e-9)


@pytest.mark.parametrize("name", FALLS)
def test_the_fallen_lie_on_the_ground_and_stay(name: str) -> None:
    """They start on their feet, end flat, and move no more at the end. No flesh or cloth goes under the ground."""
    clip = CLIPS[name]
    heights = clip.position_m[:, [JOINT[n] for n in ("hips", "chest", "head")], 1]
    assert heights[0].min() > 0.8 and heights[-1].max() < 0.4
    assert np.abs(np.diff(clip.position_m[-3:], axis=0)).max() < 0.01
    dots = np.abs(np.sum(clip.rotation[1:] * clip.rotation[:-1], axis=-1))
    assert np.degrees(2 * np.arccos(np.clip(dots, -1, 1))).max() < 25.0
    for figure in CAST.figures:
        mesh = figure.lods[0]
        flesh = [MATERIALS.index(m) for m in ("skin", "tunic", "trousers")]
        soft = np.unique(mesh.triangle[np.isin(mesh.material, flesh)])
        for sample in range(0, len(clip.rotation), 7):
            height = _posed(mesh, clip, sample)[soft, 1]
            assert height.min() > -0.045
        assert height.min() < 0.08


def test_a_fall_begins_in_the_guard() -> None:
    for name in FALLS:
        apart = np.linalg.norm(CLIPS[name].position_m[0] - CLIPS["guard"].position_m[0], axis=-1)
        assert apart.max() < 0.12
