"""render_guides against plain numpy: skinning, ray casting, brute supersampling, View.project."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.errors import InputError
from composer.guides.passes import GuidePasses, Holdout, Light
from composer.guides.pattern import PATTERNS
from composer.guides.render import render_guides

ARRAYS = (
    "depth_m", "normal", "agent_id", "motion_px", "motion_back_px", "coverage", "albedo", "beauty", "shadow", "contact",
    "pose_px", "pose_agent", "pose_visible",
)  # fmt: skip


def same(a: GuidePasses, b: GuidePasses) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("start", "agent_id", "coverage", "depth_m", "rgb"):
        np.testing.assert_array_equal(getattr(a.samples, name), getattr(b.samples, name), err_msg=name)


def centres(passes: GuidePasses, rng: np.random.Generator, n: int) -> np.ndarray:
    """Pixels well inside figures and n / 4 others, (x, y) of their centres."""
    y, x = np.nonzero(passes.coverage == 1)
    inside = rng.choice(len(x), n - n // 4, replace=False)
    other = rng.integers([0, 0], [passes.depth_m.shape[1], passes.depth_m.shape[0]], (n // 4, 2))
    return np.concatenate([np.stack([x[inside], y[inside]], -1), other]) + 0.5


@pytest.mark.parametrize("distorted", [False, True])
def test_depth_and_id_agree_with_a_ray_cast(cast, kit, crowd_grid, distorted) -> None:  # type: ignore[no-untyped-def]
    """100 random pixels, one sample at the centre: within 1 mm of Moeller-Trumbore on independently skinned triangles,
    through the lens too. Vertices are snapped to 1/256 px, so a ray within that of a triangle's edge may differ:
    those whose neighbours 1/100 px away see another triangle or depth are left out."""
    agents = crowd_grid()
    view = kit.view(size=(1280, 720), lens=kit.Radial() if distorted else None)
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT, samples=1)
    px = centres(passes, np.random.default_rng(3), 100)
    depth, who, _, _ = kit.raycast(agents, cast, view, px)
    steady = np.ones(len(px), bool)
    for shift in ([0.01, 0.0], [-0.01, 0.0], [0.0, 0.01], [0.0, -0.01]):
        other, owner, _, _ = kit.raycast(agents, cast, view, px + shift)
        with np.errstate(invalid="ignore"):
            steady &= (owner == who) & ((np.abs(other - depth) < 5e-4) | (other == depth))
    assert steady.sum() > 85
    i, j = px[steady].astype(int).T
    got = passes.depth_m[j, i]
    hit = who[steady] >= 0
    assert hit.sum() > 60
    assert (np.isinf(got) == ~hit).all()
    assert np.abs(got[hit] - depth[steady][hit]).max() < 1e-3
    assert (passes.agent_id[j, i][hit] == agents.agent_id[who[steady][hit]]).all()
    assert (passes.agent_id[j, i][~hit] == 0).all()


def test_coverage_agrees_with_brute_supersampling(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    """The 16 samples of the pattern, cast one by one, give the same coverage to within a sample."""
    agents = crowd_grid()
    view = kit.view(size=(160, 90))
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT, samples=16)
    y, x = np.nonzero((passes.coverage > 0.05) & (passes.coverage < 0.95))
    rng = np.random.default_rng(5)
    pick = rng.choice(len(x), 24, replace=False)
    places = (np.array(PATTERNS[16]) / 16.0)[None] + np.stack([x[pick], y[pick]], -1)[:, None]
    _, who, _, _ = kit.raycast(agents, cast, view, places.reshape(-1, 2))
    expected = (who.reshape(24, 16) >= 0).mean(1)
    assert np.abs(expected - passes.coverage[y[pick], x[pick]]).max() <= 1 / 16 + 1e-6
    assert np.abs(expected - passes.coverage[y[pick], x[pick]]).mean() < 0.01


@pytest.mark.parametrize("distorted", [False, True])
def test_motion_is_that_of_the_surface_point(cast, kit, crowd_grid, distorted) -> None:  # type: ignore[no-untyped-def]
    lens = kit.Radial() if distorted else None
    agents = crowd_grid(step=(0.08, 0.0, -0.05))
    views = tuple(kit.view(frame=9 + k, x=0.04 * (k - 1), lens=lens) for k in range(3))
    passes = render_guides(agents, cast, views, None, [], kit.LIGHT, samples=1)
    px = centres(passes, np.random.default_rng(8), 60)
    _, who, which, where = kit.raycast(agents, cast, views[1], px)
    errors = []
    for p in np.flatnonzero(who >= 0):
        tri = cast.figures[0].lods[0].triangle[which[p]]
        x, y = px[p].astype(int)
        for frame, got in ((2, passes.motion_px[y, x]), (0, passes.motion_back_px[y, x])):
            point = (kit.skin(agents, cast, frame, who[p])[tri] * where[p][:, None]).sum(0)
            errors.append(np.abs(views[frame].project(point)[0] - px[p] - got).max())
    assert len(errors) > 60
    assert np.quantile(errors, 0.95) < 0.02  # rays through an edge may take the next triangle
    assert np.max(errors) < 0.5
    assert np.abs(passes.motion_px).max() > 1.0


def test_still_crowd_and_camera_do_not_move(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = kit.agents([[0.0, 0.0, -4.0]], clip=0)
    agents = replace(agents, heading_rad=np.repeat(agents.heading_rad[1:2], 3, 0))
    view = kit.view(lens=kit.Radial())
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT)
    assert passes.coverage.max() == 1
    assert np.abs(passes.motion_px).max() < 1e-3
    assert np.abs(passes.motion_back_px).max() < 1e-3


def test_shapes_and_invariants(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    w, h = view.size_px
    passes = render_guides(agents, cast, (view, view, view), kit.plane_depth(view), [], kit.LIGHT, samples=8)
    on = passes.coverage > 0
    length = np.linalg.norm(passes.normal, axis=-1)
    assert np.allclose(length[on], 1, atol=1e-5) and (length[~on] == 0).all()
    assert (passes.normal[passes.coverage == 1][:, 2] > -0.3).all()
    assert (np.isinf(passes.depth_m) == ~on).all()
    assert ((passes.agent_id > 0) == on).all()
    assert set(np.unique(passes.agent_id)) <= {0, *agents.agent_id.tolist()}
    assert (passes.albedo <= 0.6 * passes.coverage[..., None] + 1e-6).all() and (passes.beauty >= 0).all()
    assert passes.beauty.dtype == np.float32 and passes.beauty.flags.c_contiguous
    s = passes.samples
    assert s.start.shape == (h * w + 1,) and s.start[0] == 0 and s.start[-1] == len(s.agent_id)
    pixel = np.repeat(np.arange(h * w), np.diff(s.start))
    assert np.allclose(np.bincount(pixel, s.coverage, h * w), passes.coverage.ravel(), atol=1e-6)
    for c in range(3):
        assert np.allclose(np.bincount(pixel, s.rgb[:, c], h * w), passes.beauty[..., c].ravel(), atol=1e-5)
    inner = pixel[1:] == pixel[:-1]
    assert (s.depth_m[1:][inner] >= s.depth_m[:-1][inner]).all() and inner.sum() > 20
    first = s.start[:-1][on.ravel()]
    assert (s.depth_m[first] == passes.depth_m[on]).all()
    assert len(np.unique(pixel.astype(np.int64) * 2**32 + s.agent_id)) == len(pixel)  # an agent once a pixel
    assert passes.dropped == 0


def test_bands_threads_and_order_do_not_matter(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view(lens=kit.Radial())
    ground = kit.plane_depth(view)

    def run(who=agents, **cut: int) -> GuidePasses:  # type: ignore[no-untyped-def]
        return render_guides(who, cast, (view, view, view), ground, [], kit.LIGHT, **cut)

    plain = run()
    same(plain, run())
    same(plain, run(threads=1, band_rows=180))
    same(plain, run(threads=3, band_rows=7))
    p = np.random.default_rng(1).permutation(len(agents))
    mixed = replace(
        agents, agent_id=agents.agent_id[p], position_m=agents.position_m[:, p], heading_rad=agents.heading_rad[:, p],
        clip=agents.clip[:, p], phase=agents.phase[:, p], cast=agents.cast[p], side=agents.side[p],
        height_scale=agents.height_scale[p], albedo=agents.albedo[p], seed=agents.seed[p],
    )  # fmt: skip
    same(plain, run(mixed))


def test_nobody_and_nobody_in_front(cast, kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    ground = kit.plane_depth(view)
    for places in (np.zeros((0, 3)), np.array([[0.0, 0.0, 30.0], [900.0, 0.0, -20.0]])):
        passes = render_guides(kit.agents(places), cast, (view, view, view), ground, [], kit.LIGHT)
        for name in ("normal", "agent_id", "coverage", "beauty", "albedo", "shadow", "contact", "motion_px"):
            assert not getattr(passes, name).any(), name
        assert np.isinf(passes.depth_m).all()
        assert len(passes.samples.agent_id) == 0 and passes.pose_px.shape == (0, 18, 3)


def test_near_plane_is_clipped(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """A figure that reaches past the camera: what is before the near plane is gone, the rest is still there."""
    agents = kit.agents([[0.05, -0.9, -0.12]], clip=0, figure=2)
    view = kit.view(height=0.0, tilt_deg=0.0, size=(160, 90))
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT, samples=1)
    y, x = np.nonzero(passes.coverage == 1)
    px = np.stack([x, y], -1) + 0.5
    assert len(px) > 500
    pick = np.random.default_rng(2).choice(len(px), 60, replace=False)
    depth, who, _, _ = kit.raycast(agents, cast, view, px[pick])
    assert (who == 0).mean() > 0.97
    good = who == 0
    assert np.abs(passes.depth_m[y[pick], x[pick]][good] - depth[good]).max() < 1e-3
    turned = kit.agents([[0.0, -1.0, 0.9]], clip=0, figure=2)
    lying = kit.view(height=0.05, tilt_deg=0.0, size=(160, 90))
    across = render_guides(turned, cast, (lying, lying, lying), None, [], kit.LIGHT, samples=1)
    assert not across.coverage.any()  # all of it behind


def test_a_triangle_across_the_near_plane(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """The camera inside a ring of long poles laid along its view: each triangle spans the near plane."""
    from composer.crowd.agents import Cast, Figure, Mesh

    position = np.array([[-0.4, 0, 1.0], [0.4, 0, 1.0], [0.0, 0, -6.0]], np.float32)
    mesh = Mesh(position, np.tile(np.float32([0, 1, 0]), (3, 1)), np.zeros((3, 2), np.int16), np.ones(3, np.float32),
                np.array([[0, 1, 2]], np.int32), np.zeros(1, np.int16))  # fmt: skip
    wedge = Cast(cast.skeleton, (Figure("wedge", (mesh,)),), cast.clips)
    agents = replace(kit.agents([[0.0, -0.5, 0.0]], clip=0), heading_rad=np.zeros((3, 1), np.float32))
    view = kit.view(height=0.0, tilt_deg=0.0, size=(160, 90))
    passes = render_guides(agents, wedge, (view, view, view), None, [], kit.LIGHT, samples=1)
    px = np.stack(np.meshgrid(np.arange(160), np.arange(90)), -1).reshape(-1, 2) + 0.5
    depth, who, _, _ = kit.raycast(agents, wedge, view, px)
    depth, who = depth.reshape(90, 160), who.reshape(90, 160)
    assert (who >= 0).sum() > 600
    assert ((passes.coverage > 0) != (who >= 0)).sum() <= 4
    both = (passes.coverage > 0) & (who >= 0)
    assert np.abs(passes.depth_m[both] - depth[both]).max() < 1e-3


def test_holdout_edges_are_linear(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    w, h = view.size_px
    alpha = np.tile(np.linspace(0, 1, w, dtype=np.float32), (h, 1))
    views, ground = (view, view, view), kit.plane_depth(view)
    plain = render_guides(agents, cast, views, ground, [], kit.LIGHT)
    held = render_guides(agents, cast, views, ground, [Holdout(alpha, 1.0)], kit.LIGHT)
    clear = 1 - alpha
    for name in ("coverage", "shadow", "contact"):
        assert np.allclose(getattr(held, name), getattr(plain, name) * clear, atol=1e-6), name
    for name in ("beauty", "albedo"):
        assert np.allclose(getattr(held, name), getattr(plain, name) * clear[..., None], atol=1e-5), name
    twice = render_guides(agents, cast, views, ground, [Holdout(alpha, 1.0), Holdout(alpha, 0.0)], kit.LIGHT)
    assert np.allclose(twice.coverage, plain.coverage * clear**2, atol=1e-6)


def test_holdout_depth_decides_sample_by_sample(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    w, h = view.size_px
    views = (view, view, view)
    plain = render_guides(agents, cast, views, None, [], kit.LIGHT)
    full = np.ones((h, w), np.float32)
    held = render_guides(agents, cast, views, None, [Holdout(full, 4.8)], kit.LIGHT)
    assert np.isfinite(held.depth_m).sum() > 500
    assert held.depth_m[np.isfinite(held.depth_m)].max() <= 4.8
    near = plain.depth_m < 4.6
    assert (held.agent_id[near] == plain.agent_id[near]).mean() > 0.98
    depth = np.full((h, w), np.inf, np.float32)
    depth[:, : w // 2] = 0.0
    half = render_guides(agents, cast, views, None, [Holdout(full, depth)], kit.LIGHT)
    assert not half.coverage[:, : w // 2].any()
    np.testing.assert_array_equal(half.beauty[:, w // 2 :], plain.beauty[:, w // 2 :])


def test_ground_hides_soldiers_behind_a_hill_but_not_feet(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    views, ground = (view, view, view), kit.plane_depth(view)
    bare = render_guides(agents, cast, views, None, [], kit.LIGHT)
    stood = render_guides(agents, cast, views, ground, [], kit.LIGHT)
    np.testing.assert_array_equal(stood.coverage, bare.coverage)  # nobody loses his feet to the plane he stands on
    hill = ground.copy()
    rows = view.size_px[1] // 2
    hill[rows:] = np.minimum(hill[rows:], 3.0)
    hidden = render_guides(agents, cast, views, hill, [], kit.LIGHT)
    assert not hidden.coverage[rows + 1 :].any()
    np.testing.assert_array_equal(hidden.coverage[: rows - 1], bare.coverage[: rows - 1])


def test_lod_switch_keeps_the_outline(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """Far away, the coarse mesh covers what the full one does."""
    places = np.array([[x, 0.0, -14.0] for x in np.linspace(-3, 3, 7)])
    view = kit.view()
    fine = render_guides(kit.agents(places), cast, (view, view, view), None, [], kit.LIGHT, samples=16)
    coarse = render_guides(kit.agents(places, figure=1), cast, (view, view, view), None, [], kit.LIGHT, samples=16)
    assert (fine.coverage != coarse.coverage).any()
    assert abs(coarse.coverage.sum() / fine.coverage.sum() - 1) < 0.06


def test_wrong_inputs_are_refused(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    views = (view, view, view)
    with pytest.raises(InputError, match="samples"):
        render_guides(agents, cast, views, None, [], kit.LIGHT, samples=3)
    with pytest.raises(InputError, match="does not fit"):
        render_guides(agents, cast, views, np.ones((4, 4), np.float32), [], kit.LIGHT)
    with pytest.raises(InputError, match="three frames"):
        render_guides(replace(agents, position_m=agents.position_m[:2]), cast, views, None, [], kit.LIGHT)
    with pytest.raises(InputError, match="figure"):
        render_guides(replace(agents, cast=np.full(len(agents), 9, np.int16)), cast, views, None, [], kit.LIGHT)


def test_the_light_set_sums_to_the_beauty_and_each_light_is_its_own(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    """Shading is linear in the lights: each part is what the crowd looks like under that light alone."""
    agents, view = crowd_grid(), kit.view()
    ground = kit.plane_depth(view)
    hide = Holdout(np.full(ground.shape, 0.4, np.float32), 5.0)

    def run(light: Light, **options: bool) -> GuidePasses:
        return render_guides(agents, cast, (view, view, view), ground, [hide], light, samples=8, **options)

    plain, split = run(kit.LIGHT), run(kit.LIGHT, light_set=True)
    same(plain, split)
    assert plain.lights is None and split.lights is not None
    assert np.allclose(split.lights.sun + split.lights.sky + split.lights.bounce, plain.beauty, rtol=1e-5, atol=1e-6)
    dark = (0.0, 0.0, 0.0)
    for name in ("sun", "sky", "bounce"):
        alone = replace(kit.LIGHT, **{other: dark for other in ("sun", "sky", "bounce") if other != name})
        got = getattr(split.lights, name)
        assert got.max() > 0.01
        assert np.allclose(got, run(alone).beauty, rtol=1e-4, atol=1e-6)
