"""Large crowds: passing over the hidden, posing only the seen and sparing the hidden ground change nothing to see."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import warp as wp

from composer.crowd.agents import Agents
from composer.crowd.cast import default_cast
from composer.guides import bands, render
from composer.guides import sun as plan_sun_module
from composer.guides.assets import _places
from composer.guides.passes import GuidePasses, Samples
from composer.guides.render import render_guides


def block(crowd_grid) -> Agents:  # type: ignore[no-untyped-def]
    """Some hundred agents, rank behind rank, most of them hidden."""
    small = crowd_grid()
    n = 900
    pick = np.arange(n) % len(small)
    rng = np.random.default_rng(5)
    place = np.stack([(np.arange(n) % 30 - 15) * 0.5, np.zeros(n), -5.0 - (np.arange(n) // 30) * 0.8], axis=1)
    steps = np.array([-0.02, 0.0, 0.03])[:, None, None] * [1, 0, 0]
    place = place + rng.normal(0, 0.05, (n, 3)) * [1, 0, 1] + steps
    return replace(
        small,
        agent_id=np.arange(1, n + 1, dtype=np.uint32),
        position_m=place.astype(np.float32),
        **{k: getattr(small, k)[:, pick] for k in ("heading_rad", "clip", "phase")},
        **{k: getattr(small, k)[pick] for k in ("cast", "side", "height_scale", "albedo", "seed")},
    )


def draw(kit, cast, agents, **more) -> GuidePasses:  # type: ignore[no-untyped-def]
    view = kit.view(size=(320, 200))
    ground = np.full((200, 320), np.inf, np.float32)
    px = np.stack(np.meshgrid(np.arange(320) + 0.5, np.arange(200) + 0.5), -1)
    with np.errstate(divide="ignore"):
        depth = -view.position_m[1] / view.rays(px)[..., 1]
    ground = np.where((depth > 0) & (depth < 1e4), depth, ground).astype(np.float32)
    return render_guides(agents, cast, (view, view, view), ground, [], kit.LIGHT, **more)


@pytest.mark.parametrize("samples", [1, 4, 16])
def test_passing_over_the_hidden_changes_nothing(cast, kit, crowd_grid, monkeypatch, samples) -> None:  # type: ignore[no-untyped-def]
    agents = block(crowd_grid)
    sieved = draw(kit, cast, agents, samples=samples)
    small_steps = draw(kit, cast, agents, samples=samples, threads=1, band_rows=37)
    monkeypatch.setattr(bands, "FIRST_CHUNK", 10**6)
    plain = draw(kit, cast, agents, samples=samples)
    for other in (sieved, small_steps):
        for field in fields(GuidePasses):
            if isinstance(getattr(plain, field.name), np.ndarray):
                np.testing.assert_array_equal(getattr(other, field.name), getattr(plain, field.name), field.name)
        for field in fields(Samples):
            a, b = (getattr(one.samples, field.name) for one in (other, plain))
            np.testing.assert_array_equal(a, b, field.name)
    shown = np.unique(plain.samples.agent_id)
    assert 30 < len(shown) < 0.7 * len(agents)
    assert set(plain.pose_agent.tolist()) <= set(shown.tolist()) and len(plain.pose_agent) > 0.9 * len(shown)
    assert np.abs(plain.motion_px[plain.agent_id > 0]).max() > 0


@pytest.mark.parametrize("sun", [(0.9578, 0.2873, 0.0), (-0.6, 0.5, 0.62), (0.1, 0.4, -0.9)])
def test_leaving_out_those_whose_shadow_stays_outside_changes_nothing(cast, kit, crowd_grid, monkeypatch, sun) -> None:  # type: ignore[no-untyped-def]
    """Casters all round the camera: fewer are drawn, and every pass is the same."""
    rng = np.random.default_rng(3)
    agents = block(crowd_grid)
    place = rng.uniform(-40, 40, (len(agents), 3)) * [1, 0, 1]
    agents = replace(agents, position_m=np.repeat(place[None], 3, 0).astype(np.float32))
    kit = SimpleNamespace(**{**vars(kit), "LIGHT": replace(kit.LIGHT, sun_direction=sun)})
    casters = []
    plain_skin = render.skin

    def skin(agents, crowd, plan, *more):  # type: ignore[no-untyped-def]
        casters.append(len(np.unique(np.concatenate([level.agents for level in plan.levels]))))
        return plain_skin(agents, crowd, plan, *more)

    monkeypatch.setattr(render, "skin", skin)
    culled = draw(kit, cast, agents)
    monkeypatch.setattr(plan_sun_module, "HALO", 10**6)
    everyone = draw(kit, cast, agents)
    assert casters[0] < casters[1]
    assert everyone.shadow.max() > 0.5
    for name in ("shadow", "contact", "beauty", "coverage"):
        np.testing.assert_array_equal(getattr(culled, name), getattr(everyone, name), name)


def test_vertices_that_differ_in_their_normal_only_are_one() -> None:
    figure = default_cast().figures[0]
    for mesh in figure.lods:
        first, place = _places(mesh)
        assert len(first) < 0.75 * len(mesh.position_m)
        np.testing.assert_array_equal(mesh.position_m[first][place], mesh.position_m)
        np.testing.assert_array_equal(mesh.weight[first][place], mesh.weight)
        np.testing.assert_array_equal(mesh.joint[first][place][:, 0], mesh.joint[:, 0])
        soft = mesh.weight < 1
        np.testing.assert_array_equal(mesh.joint[first][place][soft], mesh.joint[soft])


def test_hidden_ground_keeps_a_likely_shadow(cast, kit, crowd_grid, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Ground behind the crowd is shaded roughly, and what shows does not depend on that."""
    agents = block(crowd_grid)
    rough = draw(kit, cast, agents)
    plain = render._ground
    monkeypatch.setattr(render, "_ground", lambda *a: plain(*(wp.zeros_like(v) if is_bytes(v) else v for v in a)))
    exact = draw(kit, cast, agents)
    hidden = rough.coverage == 1
    assert hidden.sum() > 500
    for a, b in ((rough.shadow, exact.shadow), (rough.contact, exact.contact)):
        np.testing.assert_array_equal(a[~hidden], b[~hidden])
        assert a[hidden].any()
        assert abs(a[hidden].mean() - b[hidden].mean()) < 0.15


def is_bytes(value: object) -> bool:
    return isinstance(value, wp.array) and value.dtype == wp.uint8
