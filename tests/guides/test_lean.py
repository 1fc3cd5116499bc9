"""Agents.up: bodies that lean with the slope or lie on the ground, against plain numpy skinning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.crowd.agents import Agents
from composer.errors import InputError
from composer.guides.pose import pose_picture
from composer.guides.render import render_guides


def leaning(agents: Agents, seed: int = 3, most: float = 1.0) -> Agents:
    """Every agent with an axis of its own, turning a little from frame to frame; the last lies down."""
    rng = np.random.default_rng(seed)
    up = rng.normal(0, most, (1, len(agents), 3)) * [1, 0, 1] + [0, 1, 0] + rng.normal(0, 0.03, (3, len(agents), 3))
    up[:, -1] = [1.0, 0.05, 0.2]
    return replace(agents, up=(up / np.linalg.norm(up, axis=-1, keepdims=True)).astype(np.float32))


def test_depth_id_and_motion_agree_with_a_ray_cast(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = leaning(crowd_grid()), kit.view(size=(960, 540))
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT, samples=1)
    y, x = np.nonzero(passes.coverage == 1)
    px = np.stack([x, y], -1)[np.random.default_rng(1).choice(len(x), 60, replace=False)] + 0.5
    depth, who, which, where = kit.raycast(agents, cast, view, px)
    i, j = px.astype(int).T
    steady = (who >= 0) & (np.abs(passes.depth_m[j, i] - depth) < 1e-3)
    assert steady.sum() >= 56  # a ray within 1/256 px of an edge may take the next triangle
    assert (passes.agent_id[j, i] == agents.agent_id[who])[steady].all()
    for p in np.flatnonzero(steady):
        tri = cast.figures[0].lods[0].triangle[which[p]]
        point = (kit.skin(agents, cast, 2, who[p])[tri] * where[p][:, None]).sum(0)
        assert np.abs(view.project(point)[0] - px[p] - passes.motion_px[j[p], i[p]]).max() < 0.3


def test_plus_y_is_no_lean_bit_for_bit(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    up = np.zeros((3, len(agents), 3), np.float32)
    up[..., 1] = 1.0
    ground = kit.plane_depth(view)
    a, b = (render_guides(who, cast, (view,) * 3, ground, [], kit.LIGHT) for who in (agents, replace(agents, up=up)))
    for name in ("depth_m", "agent_id", "beauty", "motion_px", "shadow", "contact", "pose_px"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_joints_lean_with_the_body(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """With a clip that stands still the joints are at their bind places, turned to the heading and then leaned."""
    agents, view = leaning(kit.agents([[-1.0, 0.0, -5.0], [0.4, 0.0, -6.0], [1.2, 0.0, -4.5]], clip=0)), kit.view()
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT)
    assert len(passes.pose_agent) == 3
    for row, agent in enumerate(passes.pose_agent):
        k = int(agent) - 101
        a, up = float(agents.heading_rad[1, k]), agents.up[1, k].astype(np.float64)
        turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        both = up + [0, 1, 0]
        arc = np.eye(3) - np.outer(both, both) / (1 + up[1]) + 2 * np.outer(up, [0, 1, 0])  # Rodrigues, +Y to up
        place = cast.skeleton.openpose_offset_m * float(agents.height_scale[k])
        px, _ = view.project(place @ (arc @ turn).T + agents.position_m[1, k])
        assert np.abs(passes.pose_px[row, :, :2] - px).max() < 0.02


def test_a_body_on_the_ground_casts_a_long_low_shadow(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """Its shadow lies about itself: every shadowed ground point is near a vertex thrown along the sun."""
    agents = kit.agents([[0.0, 0.0, -5.0]], clip=0)
    agents = replace(agents, up=np.tile(np.array([1.0, 0.0, 0.0], np.float32), (3, 1, 1)))
    agents = replace(agents, position_m=agents.position_m + np.array([-0.9, 0.3, 0.0], np.float32))
    view = kit.view()
    ground = kit.plane_depth(view)
    passes = render_guides(agents, cast, (view, view, view), ground, [], kit.LIGHT)
    y, x = np.nonzero(passes.shadow > 0.5)
    assert len(x) > 100
    px = np.stack([x, y], -1) + 0.5
    place = view.position_m + view.rays(px) * ground[y, x, None]
    body = kit.skin(agents, cast, 1, 0)
    thrown = body - np.array(kit.LIGHT.sun_direction) * (body[:, 1] / kit.LIGHT.sun_direction[1])[:, None]
    gap = np.linalg.norm(place[:, None, ::2] - thrown[None, :, ::2], axis=-1).min(1)
    assert gap.max() < 0.2 and np.ptp(place[:, 0]) > 1.3
    assert pose_picture(passes, view.size_px).any(), "a body counts by its length"


def test_axes_that_are_none(cast, kit, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    agents, view = crowd_grid(), kit.view()
    lost = np.full((3, len(agents), 3), np.nan, np.float32)
    lost[:, ::2] = 0.0
    a, b = (render_guides(who, cast, (view,) * 3, None, [], kit.LIGHT) for who in (agents, replace(agents, up=lost)))
    np.testing.assert_array_equal(a.depth_m, b.depth_m)
    with pytest.raises(InputError, match="body axes"):
        render_guides(replace(agents, up=lost[:2]), cast, (view,) * 3, None, [], kit.LIGHT)
