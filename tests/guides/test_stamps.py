"""Shadows in the sun's wide levels: from stamps that many share, and from coarsest meshes, against geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from composer.crowd.agents import Agents, Cast
from composer.guides import stamps
from composer.guides import sun as sun_module
from composer.guides.passes import GuidePasses
from composer.guides.render import render_guides

F64 = NDArray[np.float64]
SIZE = (640, 360)
#: Distances at which this view's maps have texels of 0.09 m and 0.27 m: coarsest meshes, and stamps.
COARSE_M, STAMPED_M = 30.0, 95.0


@pytest.fixture(autouse=True)
def no_stamps_yet() -> None:
    stamps._shelves.clear()


def view_of(kit, distance: float):  # type: ignore[no-untyped-def]
    return kit.view(size=SIZE, height=0.25 * distance, tilt_deg=-14.0)


def apart(kit, distance: float, **more) -> Agents:  # type: ignore[no-untyped-def]
    """Some soldiers six metres apart, each turned and posed in his own way."""
    columns = np.arange(-0.22 * distance, 0.22 * distance, 6.0)
    x, z = np.meshgrid(columns, distance * -0.93 - 6.0 * np.arange(1 + int(0.2 * distance / 6.0)))
    agents = kit.agents(np.stack([x.ravel(), 0 * x.ravel(), z.ravel()], -1), **more)
    return replace(agents, heading_rad=np.tile(np.linspace(-3, 3, len(agents)), (3, 1)).astype(np.float32))


def leaning(agents: Agents) -> Agents:
    """Everyone on a slope of his own, some flat on the ground."""
    rng = np.random.default_rng(2)
    up = rng.normal(0, 0.25, (len(agents), 3)) + np.array([0, 1, 0])
    up[::4] = [0.9, 0.1, 0.3]
    up /= np.linalg.norm(up, axis=1)[:, None]
    return replace(agents, up=np.tile(up, (3, 1, 1)).astype(np.float32))


def draw(kit, cast: Cast, agents: Agents, distance: float = STAMPED_M, **more) -> GuidePasses:  # type: ignore[no-untyped-def]
    view = view_of(kit, distance)
    return render_guides(agents, cast, (view, view, view), kit.plane_depth(view), [], kit.LIGHT, **more)


def ground_of(kit, distance: float = STAMPED_M) -> tuple[F64, F64]:  # type: ignore[no-untyped-def]
    """Where each pixel sees the ground, [H, W, 3], and how much of it, square metres."""
    view = view_of(kit, distance)
    px = np.stack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5), -1)
    rays = view.rays(px)
    place = view.position_m + rays * (-view.position_m[1] / rays[..., 1])[..., None]
    dx, dz = np.gradient(place, axis=(1, 0))
    return place, np.abs(dx[..., 0] * dz[..., 2] - dx[..., 2] * dz[..., 0])


def thrown(kit, cast: Cast, agents: Agents, k: int) -> tuple[float, F64]:  # type: ignore[no-untyped-def]
    """Area and centre of agent k's shadow on y = 0: his triangles along the sun's rays, painted on a fine grid."""
    import cv2

    sun = np.array(kit.LIGHT.sun_direction)
    v = kit.skin(agents, cast, 1, k, lod=-1)
    flat = (v - sun * (v[:, 1] / sun[1])[:, None])[:, [0, 2]]
    low, fine = flat.min(0) - 0.1, 0.005
    grid = np.zeros(np.ceil((np.ptp(flat, axis=0) + 0.2) / fine).astype(int)[::-1] + 1, np.uint8)
    for corner in cast.figures[agents.cast[k]].lods[-1].triangle:
        cv2.fillConvexPoly(grid, np.rint((flat[corner] - low) / fine).astype(np.int32), 1)
    y, x = np.nonzero(grid)
    return len(x) * fine**2, np.array([x.mean(), y.mean()]) * fine + low


def outline(passes: GuidePasses, agent: int) -> NDArray[np.bool_]:
    """Where he owns a sample."""
    pixel = np.repeat(np.arange(SIZE[0] * SIZE[1]), np.diff(passes.samples.start))
    return np.bincount(pixel[passes.samples.agent_id == agent], minlength=SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) > 0


def measured(kit, passes: GuidePasses, distance: float, place_m: F64, reach_m: float) -> tuple[float, F64]:  # type: ignore[no-untyped-def]
    """Area and centre of the shadow around a place, in the passes."""
    place, area = ground_of(kit, distance)
    near = np.linalg.norm(place[..., [0, 2]] - place_m, axis=-1) < reach_m
    weight = (passes.shadow * area)[near]
    return float(weight.sum()), (place[near][:, [0, 2]] * weight[:, None]).sum(0) / weight.sum()


@pytest.mark.parametrize("pose", ["upright", "leaning"])
@pytest.mark.parametrize(("distance", "off_m"), [(COARSE_M, 0.08), (STAMPED_M, 0.2)])
def test_far_shadows_have_the_place_and_area_that_geometry_gives(cast, kit, pose, distance, off_m) -> None:  # type: ignore[no-untyped-def]
    agents = apart(kit, distance, figure=1)
    agents = leaning(agents) if pose == "leaning" else agents
    passes = draw(kit, cast, agents, distance)
    assert bool(stamps._shelves) == (distance == STAMPED_M)
    wanted, found, off = [], [], []
    for k in range(len(agents)):
        area, centre = thrown(kit, cast, agents, k)
        here, where = measured(kit, passes, distance, centre, 2.6)
        wanted.append(area)
        found.append(here)
        off.append(np.linalg.norm(where - centre))
    # one soldier is a few texels, more or less; all of them together are not
    assert abs(np.sum(found) / np.sum(wanted) - 1) < 0.1, np.array(found) / wanted
    assert np.median(off) < off_m and np.max(off) < 3 * off_m, off


def test_stamps_and_meshes_shade_alike(cast, kit, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    agents = leaning(apart(kit, STAMPED_M, figure=1))
    shared = draw(kit, cast, agents)
    monkeypatch.setattr(sun_module, "STAMP_M", 1e9)
    monkeypatch.setattr(sun_module, "COARSE_M", 1e9)
    own = draw(kit, cast, agents)
    for name in ("depth_m", "agent_id", "coverage", "normal", "motion_px", "contact"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(own, name), name)
    assert own.shadow.max() > 0.3
    assert np.abs(shared.shadow - own.shadow).sum() < 0.45 * own.shadow.sum()
    assert abs(shared.shadow.sum() / own.shadow.sum() - 1) < 0.06


def test_what_was_drawn_before_does_not_matter(cast, kit, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The same frame first, after another one, with the shelf full, and cut for other threads."""
    agents = apart(kit, STAMPED_M, figure=1)
    first = draw(kit, cast, agents)
    other = replace(agents, phase=(agents.phase + 0.37) % 1, heading_rad=agents.heading_rad + np.float32(0.9))
    draw(kit, cast, other)
    again = draw(kit, cast, agents, threads=1)
    monkeypatch.setattr(stamps, "MOST_TEXELS", 1)
    draw(kit, cast, other)
    full = draw(kit, cast, agents, threads=3)
    assert first.shadow.max() > 0.3
    for passes in (again, full):
        for name in ("shadow", "beauty", "contact"):
            np.testing.assert_array_equal(getattr(passes, name), getattr(first, name), name)


def test_one_far_soldier_moved_changes_nothing_beyond_his_shadow(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = apart(kit, STAMPED_M, figure=1)
    before = draw(kit, cast, agents)
    place = agents.position_m.copy()
    place[:, 7] += [1.7, 0, 0.4]
    after = draw(kit, cast, replace(agents, position_m=place))
    own = outline(before, agents.agent_id[7]) | outline(after, agents.agent_id[7])
    changed = ((before.shadow != after.shadow) | (before.beauty != after.beauty).any(-1)) & ~own
    ground = ground_of(kit)[0][..., [0, 2]]
    near = np.minimum(*(np.linalg.norm(ground - p[1, 7, [0, 2]], axis=-1) for p in (agents.position_m, place))) < 6.0
    assert changed.any() and not changed[~near].any()


def test_a_stamp_is_made_once(cast, kit, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A hundred in step are one figure to the sun."""
    rng = np.random.default_rng(0)
    place = np.stack([rng.uniform(-20, 20, 100), np.zeros(100), rng.uniform(-110, -90, 100)], -1)
    agents = kit.agents(place, figure=1)
    agents = replace(agents, heading_rad=np.full((3, 100), 0.4, np.float32), phase=np.full((3, 100), 0.3, np.float32))
    made = []
    plain = stamps._make
    monkeypatch.setattr(
        stamps, "_make", lambda shelf, number, *more: (made.append(len(number)), plain(shelf, number, *more))
    )
    draw(kit, cast, agents)
    draw(kit, cast, replace(agents, position_m=agents.position_m + np.float32(0.3)))
    assert made == [1]


@pytest.mark.gpu
def test_cuda_throws_the_same_shadows(cast, kit) -> None:  # type: ignore[no-untyped-def]
    import warp as wp

    if not wp.is_cuda_available():
        pytest.skip("no CUDA device")
    for distance in (COARSE_M, STAMPED_M):
        agents = leaning(apart(kit, distance, figure=1))
        here, there = (draw(kit, cast, agents, distance, device=device) for device in ("cpu", "cuda"))
        assert np.abs(here.shadow - there.shadow).mean() < 1e-4
