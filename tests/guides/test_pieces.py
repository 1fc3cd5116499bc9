"""Set pieces in the guides against a ray caster of numpy alone: depth, ids, occlusion both ways, shadows both ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.rays import box, hits, piece

from composer.environment.model import PIECE_BITS, SURFACE, SURFACES, Environment
from composer.environment.solid import Builder, moved_by, placed
from composer.guides import render as render_module
from composer.guides.passes import Light, PlacePasses
from composer.guides.render import render_guides
from composer.guides.sun import SunPlan


@pytest.fixture(scope="module")
def place() -> Environment:
    """A wall across, a tower of many sides on the left, a slab that hangs."""
    tower = Builder(cell_m=0.7)
    tower.lathe([(1.2, -0.5), (0.9, 3.0), (0.9, 3.0), (0.0, 3.4)], "stone", (0.3, 0.3, 0.3), sides=16)
    shapes = (
        placed(box((-1.5, -0.3, -0.2), (1.5, 1.2, 0.2)), moved_by(0.3, 0, -6.0, 0.3)),
        placed(tower.shape(), moved_by(-3.0, 0, -9.0, 0.1)),
        placed(box((-1, 2.2, -1), (1, 2.4, 1)), moved_by(3.0, 0, -8.0, 0.5)),
    )
    return Environment(tuple(piece(k, s) for k, s in enumerate(shapes)), {PIECE_BITS + k: str(k) for k in range(3)})


def test_depth_and_piece_agree_with_rays(cast, kit, place) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(200, 112), lens=kit.Radial(-0.06, 0.0))
    nobody = kit.agents(np.zeros((0, 3)))
    got = render_guides(nobody, cast, (view,) * 3, None, [], kit.LIGHT, samples=1, environment=place).place
    assert got is not None
    px = np.stack(np.meshgrid(np.arange(200) + 0.5, np.arange(112) + 0.5), -1).reshape(-1, 2)
    depth, who = hits(place.meshes, view.position_m, view.rays(px))
    depth, who = depth.reshape(112, 200), who.reshape(112, 200)
    same = got.piece_id == who
    assert same.mean() > 0.995  # rays along an edge go to either side
    both = same & (who > 0)
    assert both.sum() > 2000
    off = np.abs(got.depth_m[both] / depth[both] - 1)
    assert np.median(off) < 5e-5 and off.max() < 4e-3  # corners lie on 1/256 px: faces seen edge on
    normal = np.linalg.norm(got.normal[both], axis=-1)
    assert np.abs(normal - 1).max() < 1e-3


@pytest.mark.parametrize("surface", SURFACES)
def test_the_sun_of_a_piece_is_what_it_lacks_without(cast, kit, surface: str) -> None:  # type: ignore[no-untyped-def]
    """What shines by itself lacks nothing."""
    one = box((-1.5, -0.3, -0.5), (1.5, 1.2, 0.5))
    one = replace(one, surface=np.full_like(one.surface, SURFACE[surface]))
    there = Environment((piece(0, placed(one, moved_by(0.3, 0, -6.0, 0.3))),), {PIECE_BITS: "0"})
    view, nobody = kit.view(size=(160, 90), height=3.0, tilt_deg=-15.0), kit.agents(np.zeros((0, 3)))

    def drawn(light: Light) -> PlacePasses:
        got = render_guides(nobody, cast, (view,) * 3, None, [], light, light_set=True, environment=there).place
        assert got is not None and got.sun is not None
        return got

    lit, dark = drawn(kit.LIGHT), drawn(replace(kit.LIGHT, sun=(0.0, 0.0, 0.0)))
    np.testing.assert_allclose(lit.sun, lit.beauty - dark.beauty, atol=1e-5)
    assert not dark.sun.any() and (lit.sun.max() > 0.02) == (surface != "fire")


def test_soldiers_and_walls_hide_each_other(cast, kit, place) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(320, 180))
    agents = kit.agents([[0.3, 0.0, -4.6], [0.3, 0.0, -7.4], [0.2, -0.9, -6.9]], clip=0)
    ground = kit.plane_depth(view)
    alone = render_guides(agents, cast, (view,) * 3, ground, [], kit.LIGHT, samples=16)
    both = render_guides(agents, cast, (view,) * 3, ground, [], kit.LIGHT, samples=16, environment=place)
    empty = render_guides(
        kit.agents(np.zeros((0, 3))), cast, (view,) * 3, ground, [], kit.LIGHT, samples=16, environment=place
    )
    assert both.place is not None and empty.place is not None
    assert (both.coverage + both.place.coverage).max() <= 1 + 1e-5
    # the one before the wall is seen as ever, and the wall has a hole of his shape
    seen = both.samples.coverage[both.samples.agent_id == 101].sum()
    assert seen == pytest.approx(alone.samples.coverage[alone.samples.agent_id == 101].sum(), abs=1e-3)
    pixel = np.repeat(np.arange(180 * 320), np.diff(alone.samples.start))
    his = np.bincount(pixel, alone.samples.coverage * (alone.samples.agent_id == 101), 180 * 320).reshape(180, 320)
    front = (his == 1) & (empty.place.coverage == 1)
    assert front.sum() > 100 and both.place.coverage[front].max() == 0
    # the one behind shows his head, the one kneeling close behind it nothing
    behind = both.samples.coverage[both.samples.agent_id == 102].sum()
    assert 0.05 < behind / alone.samples.coverage[alone.samples.agent_id == 102].sum() < 0.9
    assert not (both.samples.agent_id == 103).any()
    # nothing of the picture is lost between them: the union is what either alone would cover
    union = np.maximum(alone.coverage, empty.place.coverage)
    assert (both.coverage + both.place.coverage >= union - 1 / 16 - 1e-5).all()


def test_shadows_on_the_ground_agree_with_rays(cast, kit, place) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(320, 180), height=4.0, tilt_deg=-20.0)
    ground = kit.plane_depth(view)
    passes = render_guides(kit.agents(np.zeros((0, 3))), cast, (view,) * 3, ground, [], kit.LIGHT, environment=place)
    ys, xs = np.mgrid[2:180:3, 2:320:3]
    px = np.stack([xs, ys], -1).reshape(-1, 2) + 0.5
    points = view.position_m + view.rays(px) * ground[ys, xs].reshape(-1, 1)
    with np.errstate(invalid="ignore"):
        fine = np.isfinite(points).all(1) & (ground[ys, xs].ravel() < 13)
    points, shadow, open_ = (
        points[fine],
        passes.shadow[ys, xs].ravel()[fine],
        passes.place.coverage[ys, xs].ravel()[fine] == 0,
    )
    sun = np.array(kit.LIGHT.sun_direction)
    # within a few texels of the sun's map, which are as wide as the pixels there
    around = [(0, 0), (0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3), (0.15, 0), (-0.15, 0), (0, 0.15), (0, -0.15)]
    lit = np.stack(
        [
            np.isinf(hits(place.meshes, points + np.array([x, 0.001, z]), np.tile(sun, (len(points), 1)))[0])
            for x, z in around
        ]
    )
    wholly, none = ~lit.any(0) & open_, lit.all(0) & open_
    assert wholly.sum() > 50 and none.sum() > 500
    assert shadow[wholly].min() > 0.9
    assert shadow[none].max() < 0.02


def test_far_shadows_agree_with_rays(cast, kit, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Where the sun's map has texels of 0.27 m people cast with stamps, and pieces as they are."""
    slab = placed(box((-6, -0.3, -0.4), (6, 6.0, 0.4)), moved_by(-6, 0, -95, 0.3))
    lid = placed(box((-2, 4.0, -2), (2, 6.0, 2)), moved_by(16, 0, -95, 0.2))  # hangs in the air
    far = Environment(tuple(piece(k, s) for k, s in enumerate((slab, lid))), {PIECE_BITS + k: str(k) for k in range(2)})
    view = kit.view(size=(480, 270), height=24.0, tilt_deg=-14.0)
    light = replace(kit.LIGHT, sun_direction=(-0.53, 0.4, -0.75))  # towards the camera
    ground, man = kit.plane_depth(view), kit.agents([[-17.0, 0.0, -85.0]])
    plans: list[SunPlan] = []
    plan = render_module.plan_sun
    monkeypatch.setattr(render_module, "plan_sun", lambda *a, **k: plans.append(plan(*a, **k)) or plans[-1])
    passes = render_guides(man, cast, (view,) * 3, ground, [], light, environment=far)
    (level,) = (x for x in plans[0].levels if len(x.agents) == 3)
    assert level.stamped and plans[0].casters(3)[2].sum() == 1  # the man alone has a stamp
    alone = render_guides(man, cast, (view,) * 3, ground, [], light)

    px = np.stack(np.meshgrid(np.arange(480) + 0.5, np.arange(270) + 0.5), -1)
    points = (view.position_m + view.rays(px) * ground[..., None]).reshape(-1, 3)
    here = (np.abs(points[:, 0]) < 30) & (np.abs(points[:, 2] + 88) < 12)
    here &= (passes.place.coverage == 0).ravel() & (alone.shadow == 0).ravel()
    points, shadow, sun = points[here], passes.shadow.ravel()[here], np.array(light.sun_direction)
    # pixels are up to 0.9 m deep there
    around = np.array([(0, 0), (0.6, 0), (-0.6, 0), (0, 1.2), (0, -1.2)])
    ways = np.tile(sun, (len(points), 1))
    lit = np.stack([np.isinf(hits(far.meshes, points + np.array([x, 0.001, z]), ways)[0]) for x, z in around])
    wholly, none = ~lit.any(0), lit.all(0)
    assert wholly.sum() > 300 and none.sum() > 3000
    assert shadow[wholly].min() > 0.9 and shadow[none].max() < 0.1 and shadow[none].mean() < 1e-3
    assert shadow.sum() == pytest.approx((~lit[0]).sum(), rel=0.06)
    his = alone.shadow > 0.2
    assert his.sum() > 5 and np.abs(passes.shadow - alone.shadow)[his].max() < 0.02


def test_a_wall_shades_a_soldier_and_a_soldier_a_wall(cast, kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(320, 180))
    light = replace(kit.LIGHT, sun_direction=(0.9, 0.4, 0.17))
    agents = kit.agents([[0.0, 0.0, -6.0]], clip=0)
    screen = Environment((piece(1, box((1.5, -0.2, -7.5), (1.7, 4.0, -4.5))),), {PIECE_BITS + 1: "screen"})
    shaded = render_guides(agents, cast, (view,) * 3, None, [], light, samples=16, environment=screen)
    dark = render_guides(agents, cast, (view,) * 3, None, [], replace(light, sun=(0.0, 0.0, 0.0)), samples=16)
    open_ = render_guides(agents, cast, (view,) * 3, None, [], light, samples=16)
    him = dark.coverage == 1
    assert him.sum() > 300
    assert np.abs(shaded.beauty - dark.beauty)[him].max() < 1e-5
    assert (open_.beauty - dark.beauty)[him].mean() > 0.1
    # the other way round: a wall behind him, on the side away from the sun
    wall = Environment((piece(2, box((-1.6, -0.2, -7.5), (-1.4, 3.0, -4.5))),), {PIECE_BITS + 2: "wall"})
    high = replace(kit.LIGHT, sun_direction=(0.83, 0.3, 0.1))
    alone = render_guides(kit.agents(np.zeros((0, 3))), cast, (view,) * 3, None, [], high, environment=wall).place
    under = render_guides(agents, cast, (view,) * 3, None, [], high, environment=wall).place
    assert alone is not None and under is not None
    same = (alone.coverage == 1) & (under.coverage == 1)
    fall = (alone.beauty - under.beauty)[same].mean(-1)
    assert fall.max() > 0.2 and fall.min() > -1e-5


def test_motion_of_a_wall_is_the_cameras(cast, kit, place) -> None:  # type: ignore[no-untyped-def]
    views = tuple(kit.view(frame=9 + k, x=0.1 * k) for k in range(3))
    got = render_guides(
        kit.agents(np.zeros((0, 3))), cast, views, None, [], kit.LIGHT, samples=1, environment=place
    ).place
    assert got is not None
    y, x = np.nonzero(got.coverage == 1)
    px = np.stack([x, y], -1) + 0.5
    points = views[1].position_m + views[1].rays(px) * got.depth_m[y, x][:, None]
    for view, motion in ((views[2], got.motion_px), (views[0], got.motion_back_px)):
        assert np.abs(view.project(points)[0] - px - motion[y, x]).max() < 0.01


def test_a_place_out_of_sight_changes_no_bit(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(height=3.0, tilt_deg=-20.0)
    away = Environment((piece(1, placed(box((-1, 0, -1), (1, 2, 1)), moved_by(0, 0, 60))),), {PIECE_BITS + 1: "away"})
    sets = (None, Environment(), away)
    one, two, three = (
        render_guides(crowd_grid(), cast, (view,) * 3, kit.plane_depth(view), [], kit.LIGHT, environment=e)
        for e in sets
    )
    assert one.place is None and two.place is None and three.place is not None
    for name in ("depth_m", "agent_id", "coverage", "beauty", "shadow", "contact", "motion_px", "normal"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert np.array_equal(getattr(one, name), getattr(three, name)), name
    assert not three.place.coverage.any()


def test_bands_and_threads_change_no_bit(cast, kit, place, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(height=3.0, tilt_deg=-20.0)
    one, two = (
        render_guides(
            crowd_grid(),
            cast,
            (view,) * 3,
            kit.plane_depth(view),
            [],
            kit.LIGHT,
            environment=place,
            threads=t,
            band_rows=b,
        )
        for t, b in ((1, None), (3, 17))
    )
    assert one.place is not None and two.place is not None
    for name in ("depth_m", "piece_id", "coverage", "beauty", "normal", "motion_px"):
        assert np.array_equal(getattr(one.place, name), getattr(two.place, name))
    assert np.array_equal(one.beauty, two.beauty) and np.array_equal(one.shadow, two.shadow)
