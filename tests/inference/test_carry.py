"""Carrying a picture along true motion, on a crowd whose colours are a function of the place on each body."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support import soldiers

from composer.errors import InputError
from composer.guides.surface import AGENT, GROUND, Surface
from composer.inference.carry import Carried, carry, together

F32 = NDArray[np.float32]


def painted(surface: Surface) -> F32:
    """float32 [H, W, 3]: smooth stripes on bodies and ground, another hue for each agent, the mean of the samples."""
    place = surface.place_m.astype(np.float64)
    place = place + np.where((surface.kind == GROUND)[..., None], surface.origin_m, 0.0)
    wave = np.where(surface.kind == AGENT, 9.0, np.where(surface.kind == GROUND, 1.3, 6.0))[..., None]
    hue = (surface.agent_id[..., None] * np.array([0.7, 1.3, 2.9])) % 1.0
    colour = (
        0.5 + 0.25 * np.sin(wave * place @ np.array([[1.0, 0.3, 0.2], [0.1, 1.0, 0.4], [0.5, 0.2, 1.0]])) + 0.3 * hue
    )
    return colour.mean(2).astype(np.float32)


@pytest.fixture(scope="module")
def two() -> tuple[Surface, Surface]:
    """An anchor, and the frame 8 later: the camera has moved and turned, all soldiers have walked."""
    a, b = soldiers.view(), soldiers.view(pan_deg=3.0, x_m=0.6)
    anchor = soldiers.surface(soldiers.crowd(walk_m=0.05), a)
    return anchor, soldiers.surface(soldiers.crowd(walk_m=0.05, frame=8, past=0), b, past=a)


def test_what_was_seen_is_as_if_painted_here(two: tuple[Surface, Surface]) -> None:
    """Bilinear reading and mixed pixels at silhouettes cost a little: 0.01 in the median, 0.06 in nine of ten."""
    anchor, frame = two
    got = carry(painted(anchor), anchor, frame)
    near = (frame.along < 8 * 16.5).all(-1)  # where a pixel of ground is well below a stripe
    solid = (got.seen > 0.95) & near & (frame.agent_id == frame.agent_id[..., :1]).all(-1)
    error = np.abs(got.picture - painted(frame)).max(-1)[solid]
    assert solid.mean() > 0.4
    assert np.median(error) < 0.01 and np.quantile(error, 0.9) < 0.06
    stuck = np.abs(painted(anchor) - painted(frame)).max(-1)[solid]
    assert error.mean() < 0.1 * stuck.mean()


def test_what_the_anchor_did_not_show_is_told(two: tuple[Surface, Surface]) -> None:
    """Oracle: ground whose place in the anchor's picture is deep inside a soldier there, or outside the picture."""
    anchor, frame = two
    seen = carry(painted(anchor), anchor, frame).seen
    assert frame.before_px is not None
    h, w = seen.shape
    at = np.nan_to_num(frame.before_px, nan=-9.0)
    outside = ((at < -1) | (at > np.array([w, h]) + 1)).any(-1).all(-1)
    assert outside.sum() > 500 and seen[outside].max() == 0
    i, j = (np.clip(at[..., 0, k].astype(int), 1, n - 2) for k, n in ((0, w), (1, h)))
    covered = np.ones((h, w), bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            covered &= (anchor.kind[j + dy, i + dx] == AGENT).all(-1)
    covered &= (frame.kind == GROUND).all(-1) & ~outside
    assert covered.sum() > 100
    assert np.quantile(seen[covered], 0.95) < 0.05
    others = (frame.kind == AGENT).all(-1) & (frame.agent_id == frame.agent_id[..., :1]).all(-1) & (seen > 0.9)
    assert (anchor.agent_id[j, i] == frame.agent_id[..., :1])[others].any(-1).mean() > 0.99


def test_the_same_frame_is_the_same_picture() -> None:
    at = soldiers.view()
    surface = soldiers.surface(soldiers.crowd(), at, past=at, samples=1)
    got = carry(painted(surface), surface, surface)
    assert (got.seen > 0.99).mean() > 0.97
    assert np.abs(got.picture - painted(surface))[got.seen > 0.99].max() < 1e-3


def test_threads_do_not_matter(two: tuple[Surface, Surface]) -> None:
    one, two_ = (carry(painted(two[0]), *two, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.picture, two_.picture)
    np.testing.assert_array_equal(one.seen, two_.seen)


def test_what_does_not_fit_is_refused(two: tuple[Surface, Surface]) -> None:
    anchor, frame = two
    with pytest.raises(InputError, match="traced"):
        carry(painted(anchor), frame, anchor)
    with pytest.raises(InputError, match="does not fit"):
        carry(painted(anchor)[1:], anchor, frame)


def test_several_anchors_share_what_they_both_show() -> None:
    rng = np.random.default_rng(0)
    left, right = (rng.random((2, 3, 3)).astype(np.float32) for _ in range(2))
    one = Carried(left, np.float32([[1, 1, 0], [0.5, 0, 0]]))
    two = Carried(right, np.float32([[1, 0, 1], [0.25, 0, 0]]))
    got = together([(0.75, one), (0.25, two)])
    np.testing.assert_allclose(got.picture[0, 0], 0.75 * left[0, 0] + 0.25 * right[0, 0], rtol=1e-6)
    np.testing.assert_allclose(got.picture[0, 1], left[0, 1], rtol=1e-6)
    np.testing.assert_allclose(got.picture[0, 2], right[0, 2], rtol=1e-6)
    np.testing.assert_allclose(got.picture[1, 0], (6 * left[1, 0] + right[1, 0]) / 7, rtol=1e-6)
    np.testing.assert_array_equal(got.seen, np.float32([[1, 1, 1], [0.5, 0, 0]]))
    assert not got.picture[1, 1:].any()
