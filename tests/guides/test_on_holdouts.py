"""The crowd's shadow on what stands on the plate, against rays to the sun cast in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from composer.guides.passes import Holdout
from composer.guides.render import render_guides

FAR = np.float32(np.inf)


def shaded(kit, agents, cast, points: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """bool [P]: whether a ray from each point to the sun meets a soldier."""
    toward = np.array(kit.LIGHT.sun_direction)
    hit = np.zeros(len(points), bool)
    for k in range(len(agents)):
        v = kit.skin(agents, cast, 1, k)
        tri = cast.figures[agents.cast[k]].lods[0].triangle
        a, ab, ac = v[tri[:, 0]], v[tri[:, 1]] - v[tri[:, 0]], v[tri[:, 2]] - v[tri[:, 0]]
        across = np.cross(toward, ac)
        det = (ab * across).sum(-1)
        for p in np.flatnonzero(~hit):
            with np.errstate(divide="ignore", invalid="ignore"):
                u = ((points[p] - a) * across).sum(-1) / det
                q = np.cross(points[p] - a, ab)
                w = (q @ toward) / det
                t = (ac * q).sum(-1) / det
            hit[p] = bool(((np.abs(det) > 1e-14) & (u >= 0) & (w >= 0) & (u + w <= 1) & (t > 1e-3)).any())
    return hit


def test_a_card_catches_the_shadow_that_rays_to_the_sun_say(kit, cast) -> None:  # type: ignore[no-untyped-def]
    """The sun stands to the right and behind the camera: soldiers there shade a card six metres ahead."""
    view = kit.view(size=(160, 90), tilt_deg=0.0)
    toward = np.array(kit.LIGHT.sun_direction)
    at = np.array([[0.3, 0.0, -6.0], [-1.2, 0.0, -6.0]]) + toward * [1, 0, 1] * 1.4
    agents = kit.agents(at)
    surface = np.full((90, 160), FAR)
    surface[:, 20:150] = 6.0
    matte = np.isfinite(surface).astype(np.float32)
    ground = kit.plane_depth(view)
    made = render_guides(agents, cast, (view,) * 3, ground, [Holdout(matte, 5.5, surface)], kit.LIGHT, samples=4)
    assert made.on_holdouts is not None
    assert not made.on_holdouts[~np.isfinite(surface)].any()
    px = np.stack(np.meshgrid(np.arange(22, 148, 3) + 0.5, np.arange(1, 89, 3) + 0.5), -1).reshape(-1, 2)
    points = view.position_m + view.rays(px) * 6.0
    want = shaded(kit, agents, cast, points)
    got = made.on_holdouts[px[:, 1].astype(int), px[:, 0].astype(int)]
    assert 20 < want.sum() < len(want) / 2
    assert ((got > 0.5) == want).mean() > 0.97
    assert got[want].mean() > 0.8 and got[~want].mean() < 0.05


def test_without_a_surface_there_is_no_such_pass(kit, cast, crowd_grid) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54))
    matte = np.ones((54, 96), np.float32)
    made = render_guides(
        crowd_grid(), cast, (view,) * 3, kit.plane_depth(view), [Holdout(matte, 3.0)], kit.LIGHT, samples=1
    )
    assert made.on_holdouts is None


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_matter(kit, cast, crowd_grid, threads: int) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54))
    surface = np.full((54, 96), np.float32(6.0))
    hold = Holdout(np.ones((54, 96), np.float32), 3.0, surface)
    args = (crowd_grid(), cast, (view,) * 3, kit.plane_depth(view), [hold], kit.LIGHT)
    one, other = (render_guides(*args, samples=1, threads=t).on_holdouts for t in (2, threads))
    assert one is not None and other is not None and np.array_equal(one, other)
