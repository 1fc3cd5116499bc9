"""Cavalry: hooves that carry stand still, bones keep their length, the rider sits, and levels keep their area."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from composer.camera.camera import View
from composer.crowd.agents import MATERIALS, Cast, Clip, Figure, Mesh
from composer.crowd.cast import average_albedo, default_cast
from composer.crowd.figure.levels import shown_error
from composer.crowd.horse.levels import horses, rider_views
from composer.crowd.horse.riders import rider_clips
from composer.crowd.horse.skeleton import HORSE, MOUNTED
from composer.crowd.laid import Layout
from composer.crowd.layout import layout
from composer.crowd.motions import played
from composer.crowd.skeleton import SKELETON
from composer.crowd.wardrobe import wardrobe
from composer.guides.assets import assets_of
from composer.shot.ground import plane_ground
from composer.shot.schema_crowd import CrowdSpec

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CLIPS = {c.name: c for c in rider_clips()}
GAITS = ("walk", "trot", "canter", "gallop")
LEGS = [f"{side}_{end}" for side in "rl" for end in ("fore", "hind")]


@pytest.fixture(scope="module")
def cast() -> Cast:
    return wardrobe(default_cast(), None, ["lancer", "horseman"]).cast


def riders(cast: Cast) -> list[Figure]:
    return [f for f in cast.figures if f.rig == 1]


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    t = 2.0 * np.cross(q[..., :3], v)
    return v + q[..., 3:] * t + np.cross(q[..., :3], t)


def posed(mesh: Mesh, clip: Clip, sample: int) -> np.ndarray:
    out = np.zeros(mesh.position_m.shape)
    for k, share in ((0, mesh.weight), (1, 1.0 - mesh.weight)):
        j = mesh.joint[:, k]
        moved = rotate(clip.rotation[sample, j].astype(np.float64), mesh.position_m - MOUNTED.bind_m[j])
        out += share[:, None] * (moved + clip.position_m[sample, j])
    return out


def test_the_skeleton_is_the_mans_and_a_horses() -> None:
    men = len(SKELETON.names)
    assert MOUNTED.names[:men] == SKELETON.names and len(set(MOUNTED.names)) == len(MOUNTED.names)
    np.testing.assert_array_equal(MOUNTED.bind_m[:men], SKELETON.bind_m)
    assert (MOUNTED.parent[1:] < np.arange(1, len(MOUNTED.names))).all()


def test_clips_are_sound() -> None:
    assert {"idle", "walk", "trot", "canter", "gallop", "run", "march", "strike", "brace", "cheer"} <= set(CLIPS)
    for clip in CLIPS.values():
        assert clip.rotation.shape[1] == len(MOUNTED.names) and clip.rig == 1
        np.testing.assert_allclose(np.linalg.norm(clip.rotation, axis=-1), 1.0, atol=1e-5)
        q = np.concatenate([clip.rotation, clip.rotation[:1]]).astype(np.float64)
        turn = 2 * np.arccos(np.clip(np.abs(np.sum(q[1:] * q[:-1], -1)), 0, 1))
        step = np.linalg.norm(np.diff(np.concatenate([clip.position_m, clip.position_m[:1]]), axis=0), axis=-1)
        assert np.degrees(turn).max() < 45 and step.max() < 0.35  # the loop closes like any other step
        assert np.degrees(turn[-1]).max() < 1.5 * np.degrees(turn[:-1]).max() + 0.5
    pace = {name: CLIPS[name].stride_m / CLIPS[name].duration_s for name in GAITS}
    assert 1.3 < pace["walk"] < 1.9 < pace["trot"] < 4.5 < pace["canter"] < 7.5 < pace["gallop"] < 13


@pytest.mark.parametrize("clip", CLIPS.values(), ids=lambda c: c.name)
def test_bones_keep_their_length(clip: Clip) -> None:
    """But for the pastern, which gives by up to 4 cm at full stretch, and the joints that clips place freely."""
    for joint, parent in enumerate(MOUNTED.parent):
        name = MOUNTED.names[joint]
        if parent < 0 or name in ("spear", "sword", "shield", "horse_back"):
            continue
        bone = MOUNTED.bind_m[joint] - MOUNTED.bind_m[parent]
        carried = clip.position_m[:, parent] + rotate(clip.rotation[:, parent].astype(np.float64), bone[None])
        assert np.abs(carried - clip.position_m[:, joint]).max() < 0.004, name


@pytest.mark.parametrize("name", GAITS)
@pytest.mark.parametrize("leg", LEGS)
def test_a_hoof_that_carries_does_not_slide(name: str, leg: str) -> None:
    clip, mesh = CLIPS[name], horses()[0]
    sole = np.flatnonzero((mesh.joint[:, 0] == HORSE[f"{leg}_hoof"]) & (mesh.position_m[:, 1] < 0.003))
    if not len(sole):
        sole = np.flatnonzero((mesh.joint == HORSE[f"{leg}_hoof"]).any(1) & (mesh.position_m[:, 1] < 0.003))
    assert len(sole) >= 3
    count = len(clip.rotation)
    points = np.stack([posed(mesh, clip, s)[sole] for s in range(count)])
    points[:, :, 2] -= (clip.stride_m * np.arange(count) / count)[:, None]  # the world: he goes to -Z
    down = (points[1:, :, 1] < 0.006) & (points[:-1, :, 1] < 0.006)
    slide = np.linalg.norm(np.diff(points, axis=0)[..., [0, 2]], axis=-1)
    assert 0.10 < down.any(1).mean() < 0.75
    frames = 24.0 * clip.duration_s / count
    assert np.median(slide[down]) / frames < 0.001
    assert np.quantile(slide[down], 0.8) / frames < 0.005  # the rest is on its way up or down
    assert points[..., 1].min() > -0.03


def test_gaits_fall_as_they_should() -> None:
    """How many hooves are down at once: always two or three in a walk; at times none in trot, canter and gallop."""

    def down(name: str) -> np.ndarray:
        clip = CLIPS[name]
        hooves = np.stack([clip.position_m[:, HORSE[f"{leg}_hoof"], 1] for leg in LEGS], -1)
        rest = np.array([MOUNTED.bind_m[HORSE[f"{leg}_hoof"], 1] for leg in LEGS])
        return (hooves < rest + 0.012).sum(1)

    assert set(down("walk")) <= {1, 2, 3, 4} and down("walk").mean() > 1.8
    for name in ("trot", "canter", "gallop"):
        assert 0 in down(name)
    assert down("gallop").max() <= 2


@pytest.mark.parametrize("clip", CLIPS.values(), ids=lambda c: c.name)
def test_the_rider_sits_and_nothing_is_under_the_ground(clip: Clip, cast: Cast) -> None:
    hips, back = clip.position_m[:, 0], clip.position_m[:, HORSE["horse_back"]]
    assert np.abs(hips[:, 0]).max() < 0.06 and np.abs((hips - back)[:, 2]).max() < 0.15
    assert (hips - back)[:, 1].min() > 0.28 and (hips - back)[:, 1].max() < 0.45
    for side, sign in (("r", 1), ("l", -1)):
        foot = clip.position_m[:, HORSE[f"{side}_foot"]]
        assert (sign * foot[:, 0] > 0.24).all() and (np.abs(foot[:, 1] - hips[:, 1] + 0.665) < 0.1).all()
    mesh = riders(cast)[0].lods[0]
    for sample in range(0, 60, 7):
        assert posed(mesh, clip, sample)[:, 1].min() > -0.03


def test_levels_of_riders_keep_area_and_colour(cast: Cast) -> None:
    seen = rider_views(5, 4)
    for figure in riders(cast):
        assert len(figure.lods) == 4 and len(figure.lods[0].triangle) <= 4096 and len(figure.lods[3].triangle) <= 172
        for mesh in figure.lods[1:]:
            for albedo in average_albedo(figure.name.rsplit("_", 1)[0])[:2]:
                area, colour = shown_error(mesh, figure.lods[0], seen, albedo)
                assert abs(area) < 0.01 and colour < 0.02, figure.name


def test_riders_play_their_own_clips(cast: Cast) -> None:
    table = played(cast)
    names = [c.name for c in cast.clips]
    for f, figure in enumerate(cast.figures):
        for k, clip in enumerate(cast.clips):
            own = cast.clips[table[f, k]]
            assert own.rig == figure.rig
            if clip.rig == figure.rig:
                assert table[f, k] == k
            elif clip.rig == 0 and clip.name in CLIPS:
                assert own.name == clip.name
    rider = next(i for i, f in enumerate(cast.figures) if f.rig == 1)
    assert cast.clips[table[rider, names.index("idle_lean")]].name == "idle"


def laid(cast: Cast, **region: object) -> Layout:
    def no_view(frame: int) -> View:
        raise AssertionError

    spec = {"name": "host", "polygon_m": ((-40.0, -80.0), (40.0, -80.0), (40.0, -10.0), (-40.0, -10.0)), **region}
    crowd = CrowdSpec(seed=3, count=60, regions=(spec,))  # type: ignore[arg-type]
    return layout(crowd, cast, FLAT, no_view, frame_rate=Fraction(24), first_frame=1001)


def test_a_mixed_region_goes_at_one_speed_and_steps_to_it(cast: Cast) -> None:
    crowd = laid(cast, kits={"lancer": 1.0, "spearman": 1.0}, clip="walk", moving=True, spacing_m=(1.6, 3.2))
    agents = crowd.at([1001, 1002])
    gone = np.linalg.norm(agents.position_m[1] - agents.position_m[0], axis=-1) * 24
    walk = CLIPS["walk"]
    np.testing.assert_allclose(gone, walk.stride_m / walk.duration_s, rtol=1e-3)
    stride = np.array([cast.clips[c].stride_m for c in agents.clip[0]]) * agents.height_scale
    cycles = np.mod(agents.phase[1] - agents.phase[0], 1.0) * 24
    np.testing.assert_allclose(cycles * stride, gone, rtol=1e-2)
    rig = np.array([cast.figures[c].rig for c in agents.cast])
    assert {0, 1} == set(rig) and all(cast.clips[c].rig == r for c, r in zip(agents.clip[0], rig, strict=True))


def test_riders_who_stand_too_close_are_told(cast: Cast) -> None:
    assert any("lancer" in n and "2.8" in n for n in laid(cast, kits={"lancer": 1.0}).notes)
    assert not laid(cast, kits={"lancer": 1.0}, spacing_m=(1.6, 3.2)).notes


def test_guides_pack_two_rigs(cast: Cast) -> None:
    assets = assets_of(cast, "cpu")
    rider = next(i for i, f in enumerate(cast.figures) if f.rig == 1)
    assert list(assets.joints_of) == [len(SKELETON.names), len(MOUNTED.names)]
    assert assets.tall[0] == 1.0 and assets.tall[rider] > 1.2
    gallop = next(i for i, c in enumerate(cast.clips) if c.name == "gallop")
    assert assets.radius_m[rider, gallop] > assets.radius_m[0, 0]
    assert M_COAT in np.unique(riders(cast)[0].lods[0].material)


M_COAT = MATERIALS.index("coat")
