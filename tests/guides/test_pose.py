"""Joints in the picture and the skeleton picture."""

from __future__ import annotations

import numpy as np

from composer.guides.passes import Holdout
from composer.guides.pose import COLOURS, LIMBS, pose_picture
from composer.guides.render import render_guides


def test_joints_project_where_the_view_says(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = kit.agents([[0.3, 0.0, -5.0], [0.3, 0.0, -9.0], [-1.5, 0.0, -4.0]], clip=0)
    view = kit.view(lens=kit.Radial())
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT)
    assert passes.pose_agent.tolist() == [103, 101, 102]  # nearest first
    for row, agent in enumerate(passes.pose_agent):
        k = int(agent) - 101
        a = float(agents.heading_rad[1, k])
        turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        local = cast.skeleton.openpose_offset_m.astype(np.float64) * float(agents.height_scale[k])
        px, _ = view.project(local @ turn.T + agents.position_m[1, k])
        assert np.abs(passes.pose_px[row, :, :2] - px).max() < 0.02
        assert (passes.pose_px[row, :, 2] == 1).all()


def test_who_stands_behind_is_not_drawn(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = kit.agents([[0.0, 0.0, -4.0], [0.0, 0.0, -5.0]], clip=0)
    view = kit.view(height=1.2, tilt_deg=-5.0)
    views = (view, view, view)
    passes = render_guides(agents, cast, views, None, [], kit.LIGHT)
    seen = passes.pose_visible.sum(1)
    assert seen[0] >= 14 and seen[1] <= 6
    w, h = view.size_px
    full = Holdout(np.ones((h, w), np.float32), 0.0)
    assert len(render_guides(agents, cast, views, None, [full], kit.LIGHT).pose_agent) == 0


def test_the_picture(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = kit.agents([[0.0, 0.0, -3.0]], clip=0)
    view = kit.view(size=(512, 512), height=0.9, tilt_deg=0.0)
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT)
    picture = pose_picture(passes, (512, 512))
    assert picture.shape == (512, 512, 3) and picture.dtype == np.float32
    x, y = passes.pose_px[0, 10, :2].astype(int)  # right ankle: nothing else is near
    assert np.allclose(picture[y, x] * 255, COLOURS[10], atol=1)
    knee, ankle = passes.pose_px[0, 9, :2], passes.pose_px[0, 10, :2]
    x, y = (0.5 * (knee + ankle)).astype(int)
    limb = LIMBS.index((9, 10))
    assert np.allclose(picture[y, x] * 255, 0.6 * np.array(COLOURS[limb]), atol=1.5)
    lit = picture.any(-1)
    assert 0.002 < lit.mean() < 0.1
    column = lit[y, max(x - 12, 0) : x + 12]
    assert 7 <= column.sum() <= 11  # a limb is twice the stick's 4 px wide
    assert not pose_picture(passes, (512, 512), min_height_px=500).any()
    half = pose_picture(passes, (256, 256))
    assert half.shape == (256, 256, 3) and half.any()


def test_colours_and_widths_are_the_published_ones(cast, kit) -> None:  # type: ignore[no-untyped-def]
    """As ControlNet's annotator draws on a canvas of 512 px: 18 hues, 20 degrees apart, by limb and by joint; limbs as
    OpenCV's integer ellipses 4 px to either side at 0.6 of their colour, joints as full discs of 4 px."""
    import colorsys

    import cv2

    wheel = [tuple(round(255 * v) for v in colorsys.hsv_to_rgb(i / 18, 1, 1)) for i in range(18)]
    assert [tuple(c) for c in COLOURS] == wheel
    one_based = "2,3 2,6 3,4 4,5 6,7 7,8 2,9 9,10 10,11 2,12 12,13 13,14 2,1 1,15 15,17 1,16 16,18"
    published = [tuple(int(v) - 1 for v in pair.split(",")) for pair in one_based.split()]
    assert list(LIMBS) == published
    agents, view = kit.agents([[0.0, 0.0, -2.2]], clip=0), kit.view(size=(512, 512), height=0.9, tilt_deg=0.0)
    passes = render_guides(agents, cast, (view, view, view), None, [], kit.LIGHT)
    assert passes.pose_visible.sum() >= 14
    seen, px = passes.pose_visible[0], passes.pose_px[0, :, :2]
    canvas = np.zeros((512, 512, 3), np.uint8)
    for (a, b), colour in zip(published, wheel, strict=False):
        if seen[a] and seen[b]:
            (x, y), (dx, dy) = (px[a] + px[b]) / 2, px[a] - px[b]
            size = (int(np.hypot(dx, dy) / 2), 4)
            ring = cv2.ellipse2Poly((int(x), int(y)), size, int(np.degrees(np.arctan2(dy, dx))), 0, 360, 1)
            cv2.fillConvexPoly(canvas, ring, colour)
    canvas = (canvas * 0.6).astype(np.uint8)
    joined = {k for a, b in published if seen[a] and seen[b] for k in (a, b)}
    for k in joined:
        cv2.circle(canvas, (int(px[k, 0]), int(px[k, 1])), 4, wheel[k], -1)
    ours = (pose_picture(passes, (512, 512)) * 255).round().astype(np.uint8)
    drawn, theirs = ours.max(-1) > 76, canvas.any(-1)  # half of a limb's own value
    both, either = (drawn & theirs).sum(), (drawn | theirs).sum()
    assert both / either > 0.85, both / either  # theirs is cut to whole pixels
    inner = cv2.erode((drawn & theirs).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert (np.abs(ours.astype(int) - canvas).max(-1)[inner] < 8).mean() > 0.85
