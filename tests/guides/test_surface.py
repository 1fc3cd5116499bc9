"""`surface_pass` against ray casts, the views' own projection and independently skinned vertices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.errors import InputError
from composer.guides.pattern import PATTERNS
from composer.guides.surface import AGENT, GROUND, SKY, surface_pass


@pytest.mark.parametrize("distorted", [False, True])
def test_places_are_those_of_the_body_at_rest(cast, kit, crowd_grid, distorted) -> None:  # type: ignore[no-untyped-def]
    """Ray-cast triangles and weights, applied to the mesh at rest. Rays near an edge may meet the neighbour: 95 of 100."""
    agents = crowd_grid(step=(0.1, 0.0, -0.05))
    lens = kit.Radial() if distorted else None
    now, past = kit.view(size=(640, 360), lens=lens), kit.view(size=(640, 360), lens=lens, x=0.3)
    surface = surface_pass(agents, cast, (past, now, now), kit.plane_depth(now), 1, trace=True)
    rng = np.random.default_rng(2)
    y, x = np.nonzero(surface.kind[..., 0] == AGENT)
    pick = rng.choice(len(x), 60, replace=False)
    px = np.stack([x[pick], y[pick]], -1) + 0.5
    _, who, triangle, weight = kit.raycast(agents, cast, now, px)
    mesh = cast.figures[0].lods[0]
    good = 0
    for n, (i, j) in enumerate(px.astype(int)):
        if agents.agent_id[who[n]] != surface.agent_id[j, i, 0]:
            continue
        corners = mesh.triangle[triangle[n]]
        rest = weight[n] @ mesh.position_m[corners].astype(np.float64)
        then = weight[n] @ kit.skin(agents, cast, 0, who[n])[corners]
        seen = past.project(then[None])[0][0]
        good += (
            np.abs(surface.place_m[j, i, 0] - rest).max() < 2e-3
            and np.abs(surface.before_px[j, i, 0] - seen).max() < 0.05
        )
    assert good >= 57


@pytest.mark.parametrize("samples", [1, 4])
def test_ground_and_sky(cast, kit, crowd_grid, samples) -> None:  # type: ignore[no-untyped-def]
    view, past = kit.view(), kit.view(x=0.4)
    surface = surface_pass(crowd_grid(), cast, (past, view, view), kit.plane_depth(view), samples, trace=True)
    assert set(np.unique(surface.kind)) == {SKY, GROUND, AGENT}
    # the last rows below the horizon run over many kilometres
    j, i, s = np.nonzero((surface.kind == GROUND) & (kit.plane_depth(view) < 200)[..., None])
    world = surface.place_m[j, i, s] + surface.origin_m
    # inverse depth is exactly linear over a plane's picture but for float32
    assert np.abs(world[:, 1]).max() < 5e-3
    px = np.stack([i, j], -1) + np.array(PATTERNS[samples])[s] / 16.0
    assert np.abs(view.project(world)[0] - px).max() < 0.02
    assert np.abs(past.project(world)[0] - surface.before_px[j, i, s]).max() < 0.02
    j, i, s = np.nonzero(surface.kind == SKY)
    rays = view.rays(np.stack([i, j], -1) + np.array(PATTERNS[samples])[s] / 16.0)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    assert np.abs(surface.place_m[j, i, s] - rays).max() < 1e-5
    assert (surface.agent_id[surface.kind != AGENT] == 0).all() and (surface.agent_id[surface.kind == AGENT] > 0).all()


def test_sizes_are_those_of_a_pixel(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    """`across` of the ground: depth over focal; `along`: the distance between the points of two rows."""
    view = kit.view()
    surface = surface_pass(crowd_grid(), cast, (view, view, view), kit.plane_depth(view), 1)
    j, i = np.nonzero((surface.kind[1:, :, 0] == GROUND) & (surface.kind[:-1, :, 0] == GROUND))
    depth = kit.plane_depth(view)[j + 1, i]
    across = 2.0 ** (surface.across[j + 1, i, 0] / 8.0 - 20.0)
    np.testing.assert_allclose(across, depth / view.focal_px[0], rtol=0.135)  # an eighth of an octave, cut
    apart = np.linalg.norm(surface.place_m[j + 1, i, 0] - surface.place_m[j, i, 0], axis=1)
    near = depth < 12.0
    np.testing.assert_allclose(2.0 ** (surface.along[j + 1, i, 0] / 8.0 - 20.0)[near], apart[near], rtol=0.3)


def test_a_soldier_takes_his_places_with_him(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    """Moved with the camera, everything on him is where it was; sizes count in his own metres."""
    view = kit.view()
    agents = crowd_grid()
    moved = replace(agents, position_m=agents.position_m + np.array([64.0, 0.0, 0.0], np.float32))
    a = surface_pass(agents, cast, (view, view, view), None, 4)
    b = surface_pass(moved, cast, (kit.view(x=64.0),) * 3, None, 4)
    assert (a.agent_id == b.agent_id).mean() > 0.999
    same = (a.agent_id == b.agent_id) & (a.kind == AGENT)
    assert np.quantile(np.abs(a.place_m - b.place_m)[same], 0.99) < 1e-3


def test_levels_of_detail_share_the_space(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """A coarse mesh's places lie on the fine one's, within its coarseness."""
    view = kit.view(size=(640, 360))
    where = np.array([[0.0, 0.0, -9.0]])
    a = surface_pass(kit.agents(where, figure=0), cast, (view,) * 3, None, 1)
    b = surface_pass(kit.agents(where, figure=1), cast, (view,) * 3, None, 1)
    both = (a.kind == AGENT) & (b.kind == AGENT)
    assert both.sum() > 300 and not np.array_equal(a.place_m, b.place_m)
    assert np.median(np.linalg.norm(a.place_m - b.place_m, axis=-1)[both]) < 0.02


def test_bands_and_threads_do_not_matter(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    ground = kit.plane_depth(view)
    a = surface_pass(crowd_grid(), cast, (view, view, view), ground, 4, threads=1, trace=True)
    b = surface_pass(crowd_grid(), cast, (view, view, view), ground, 4, threads=3, band_rows=17, trace=True)
    for name in ("kind", "agent_id", "place_m", "across", "along", "before_px"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_some_rows_alone_are_what_they_are_in_the_whole(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    ground = kit.plane_depth(view)
    whole, some = (surface_pass(crowd_grid(), cast, (view,) * 3, ground, 4, rows=rows) for rows in (None, (90, 121)))
    for name in ("kind", "agent_id", "place_m", "across", "along"):
        np.testing.assert_array_equal(getattr(whole, name)[90:121], getattr(some, name)[90:121])
    assert some.size_px == whole.size_px and (whole.agent_id[90:121] > 0).any()


def test_what_does_not_fit_is_refused(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    with pytest.raises(InputError, match="samples"):
        surface_pass(crowd_grid(), cast, (view, view, view), None, 3)
    with pytest.raises(InputError, match="ground"):
        surface_pass(crowd_grid(), cast, (view, view, view), np.ones((4, 4), np.float32), 1)


@pytest.mark.gpu
def test_cuda_sees_the_same(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    ground = kit.plane_depth(view)
    a, b = (surface_pass(crowd_grid(), cast, (view, view, view), ground, 4, d, trace=True) for d in ("cpu", "cuda"))
    same = (a.kind == b.kind) & (a.agent_id == b.agent_id)
    assert same.mean() > 0.999
    assert np.quantile(np.abs(a.place_m - b.place_m)[same], 0.999) < 1e-3
