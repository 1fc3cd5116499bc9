"""Shadow and contact on the ground against geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from composer.guides.render import render_guides


def ground_points(view) -> np.ndarray:  # type: ignore[no-untyped-def]
    w, h = view.size_px
    px = np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1)
    rays = view.rays(px)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = -view.position_m[1] / rays[..., 1]
    t = np.where(t > 0, t, np.nan)
    return view.position_m + t[..., None] * rays


def test_shadow_of_a_pole(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """A pole 2 m high throws a strip from its foot away from the sun, 2 m / tan(elevation) long and about 4 cm wide."""
    agents = replace(kit.agents([[-0.6, 0.0, -6.0]], clip=0, figure=2), height_scale=np.ones(1, np.float32))
    agents = replace(agents, heading_rad=np.zeros((3, 1), np.float32))
    view = kit.view(size=(960, 540), height=3.0, tilt_deg=-24.0, lens=kit.Radial(-0.08, 0.0))
    ground = kit.plane_depth(view)
    passes = render_guides(agents, cast, (view, view, view), ground, [], kit.LIGHT)
    p = ground_points(view)
    sun = np.array(kit.LIGHT.sun_direction)
    away = -sun[[0, 2]] / np.linalg.norm(sun[[0, 2]])
    length = 2.0 * np.linalg.norm(sun[[0, 2]]) / sun[1]
    along = (p[..., [0, 2]] - [-0.6, -6.0]) @ away
    aside = np.abs((p[..., [0, 2]] - [-0.6, -6.0]) @ [-away[1], away[0]])
    with np.errstate(invalid="ignore"):
        core = (along > 0.1) & (along < 0.8 * length) & (aside < 0.006)
        clear = (along < -0.06) | (along > length + 0.12) | (aside > 0.09)
        strip = (along > 0.8) & (along < 1.8)
    assert core.sum() > 100 and passes.shadow[core].min() > 0.75
    assert clear.sum() > 100_000 and (passes.shadow[clear] == 0).all()
    # the light that is missing across the strip is the pole's width as the sun sees it
    x, y = np.gradient(p, axis=(1, 0))
    area = np.abs(x[..., 0] * y[..., 2] - x[..., 2] * y[..., 0])
    width = np.nansum((passes.shadow * area)[strip]) / 1.0
    seen = 0.04 * (abs(sun[0]) + abs(sun[2])) / np.linalg.norm(sun[[0, 2]])
    assert abs(width / seen - 1) < 0.08


def test_shadow_falls_from_outside_the_picture(cast, kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(480, 270), height=2.0, tilt_deg=-20.0)
    low = replace(kit.LIGHT, sun_direction=(0.9578, 0.2873, 0.0))
    agents = kit.agents([[4.2, 0.0, -5.0]], clip=0)
    passes = render_guides(agents, cast, (view, view, view), kit.plane_depth(view), [], low)
    assert not passes.coverage.any()
    assert passes.shadow.max() > 0.9


def test_untouched_ground_is_exactly_zero(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(height=3.0, tilt_deg=-20.0)
    passes = render_guides(crowd_grid(), cast, (view, view, view), kit.plane_depth(view), [], kit.LIGHT)
    p = ground_points(view)
    places = crowd_grid().position_m[1].astype(np.float64)
    gap = np.linalg.norm(p[..., None, [0, 2]] - places[:, [0, 2]], axis=-1).min(-1)
    with np.errstate(invalid="ignore"):
        far = gap > 1.0
        under = gap < 0.15
    assert (passes.contact[far] == 0).all() and far.any()
    assert passes.contact[under].min() > 0.3
    assert passes.contact.max() <= 1 and passes.shadow.max() <= 1
    step = np.abs(np.diff(passes.contact, axis=1)).max()
    assert step < 0.15  # soft
    small = (passes.shadow > 0) & (passes.shadow < 1 / 1024)
    assert small.mean() < 0.01


def test_no_shadow_without_sun_or_ground(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view()
    views, ground = (view, view, view), kit.plane_depth(view)
    night = replace(kit.LIGHT, sun=(0.0, 0.0, 0.0))
    assert not render_guides(crowd_grid(), cast, views, ground, [], night).shadow.any()
    below = replace(kit.LIGHT, sun_direction=(0.0, -1.0, 0.0))
    assert not render_guides(crowd_grid(), cast, views, ground, [], below).shadow.any()
    nothing = render_guides(crowd_grid(), cast, views, None, [], kit.LIGHT)
    assert not nothing.shadow.any() and not nothing.contact.any()
    straight = replace(kit.LIGHT, sun_direction=(0.0, 1.0, 0.0))
    noon = render_guides(crowd_grid(), cast, views, ground, [], straight)
    assert noon.shadow.max() > 0.9 and np.isfinite(noon.beauty).all()


def test_shadows_do_not_crawl_when_the_camera_pans(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """The same ground points from a camera that has moved a little: the strip stays where it was, well under a
    texel."""
    agents = replace(kit.agents([[-0.3, 0.0, -6.0]], clip=0, figure=2), heading_rad=np.zeros((3, 1), np.float32))
    sun = np.array(kit.LIGHT.sun_direction)
    aside = np.array([sun[2], -sun[0]]) / np.linalg.norm(sun[[0, 2]])
    middles = []
    for x in (0.0, 0.0137, 0.0291):
        view = kit.view(size=(960, 540), height=3.0, tilt_deg=-24.0, x=x)
        passes = render_guides(agents, cast, (view, view, view), kit.plane_depth(view), [], kit.LIGHT)
        p = ground_points(view)
        dx, dy = np.gradient(p, axis=(1, 0))
        area = np.abs(dx[..., 0] * dy[..., 2] - dx[..., 2] * dy[..., 0])
        weight = np.where(np.isfinite(area), area * passes.shadow, 0)
        offset = np.nan_to_num((p[..., [0, 2]] - [-0.3, -6.0]) @ aside)
        middles.append((weight * offset).sum() / weight.sum())
    assert np.ptp(middles) < 0.002
