"""Cross-fades between clips: at either end the other clip is not there, in between the figure is between the two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from composer.crowd.agents import Agents
from composer.errors import InputError
from composer.guides.passes import GuidePasses
from composer.guides.render import render_guides


def fading(agents: Agents, share: float) -> Agents:
    shape = agents.clip.shape
    return replace(
        agents,
        clip_from=np.ones(shape, np.int16),
        phase_from=np.full(shape, 0.25, np.float32),
        blend=np.full(shape, share, np.float32),
    )


def drawn(agents: Agents, cast, kit) -> GuidePasses:  # type: ignore[no-untyped-def]
    view = kit.view()
    return render_guides(agents, cast, (view,) * 3, kit.plane_depth(view), [], kit.LIGHT)


def test_the_ends_are_the_clips_themselves(cast, kit) -> None:  # type: ignore[no-untyped-def]
    still = kit.agents([[-1.0, 0.0, -5.0], [0.4, 0.0, -6.0], [1.2, 0.0, -4.5]], clip=0)
    swaying = replace(still, clip=np.ones_like(still.clip), phase=np.full_like(still.phase, 0.25))
    for share, alone in ((1.0, still), (0.0, swaying)):
        a, b = drawn(fading(still, share), cast, kit), drawn(alone, cast, kit)
        for name in ("agent_id", "coverage", "shadow"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        np.testing.assert_allclose(a.pose_px, b.pose_px, atol=1e-4)


def test_half_way_the_joints_are_between(cast, kit) -> None:  # type: ignore[no-untyped-def]
    still = kit.agents([[0.0, 0.0, -4.0]], clip=0)
    first, half, last = (drawn(fading(still, s), cast, kit).pose_px for s in (0.0, 0.5, 1.0))
    apart = np.linalg.norm(last[..., :2] - first[..., :2], axis=-1).max()
    assert apart > 1.0
    assert np.abs(half - (first + last) / 2)[..., :2].max() < 0.2 * apart  # turns do not add up as places do


def test_all_three_arrays_or_none(cast, kit) -> None:  # type: ignore[no-untyped-def]
    agents = fading(kit.agents([[0.0, 0.0, -4.0]]), 0.5)
    with pytest.raises(InputError, match="cross-fades"):
        drawn(replace(agents, clip_from=None), cast, kit)
    with pytest.raises(InputError, match="cross-fades"):
        drawn(replace(agents, blend=agents.blend[:1]), cast, kit)
    with pytest.raises(InputError, match="comes from a clip"):
        drawn(replace(agents, clip_from=np.full((3, 1), 7, np.int16)), cast, kit)
