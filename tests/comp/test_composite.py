"""The plate stays the plate, and what is laid into it follows premultiplied over."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.comp.composite import HALF_MAX, composite
from composer.comp.edges import background_behind
from composer.comp.shade import Shade

H, W = 24, 32


def _plate(seed: int, low: float = 0.0, high: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (H, W, 3)).astype(np.float16).astype(np.float32)


def _crowd(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed + 1)
    alpha = np.zeros((H, W), np.float32)
    alpha[5:15, 8:20] = rng.uniform(0, 1, (10, 12)).round(1)
    shadow = np.zeros((H, W), np.float32)
    shadow[12:20, 4:24] = rng.uniform(0, 0.8, (8, 20))
    rgb = (rng.uniform(0, 2, (H, W, 3)) * alpha[..., None]).astype(np.float32)
    return rgb, alpha, shadow


NO_MATTE = np.zeros((H, W), np.float32)


@given(st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_untouched_pixels_are_the_plate_bit_for_bit(seed: int) -> None:
    plate = _plate(seed, -0.01, 60000)
    rgb, alpha, shadow = _crowd(seed)
    result = composite(plate, rgb, alpha, Shade.grey(shadow), NO_MATTE, None)
    same = result.rgb.view(np.uint16) == plate.astype(np.float16).view(np.uint16)
    assert same[~result.touched].all()
    assert np.array_equal(result.touched, (alpha.astype(np.float16) > 0) | (shadow.astype(np.float16) > 0))
    outside = plate.astype(np.float16)[~result.touched]
    assert result.untouched_sha256 == hashlib.sha256(outside.tobytes()).hexdigest()


def test_without_a_matte_it_is_crowd_over_shadow_over_plate() -> None:
    plate = _plate(3)
    rgb, alpha, shadow = _crowd(3)
    result = composite(plate, rgb, alpha, Shade.grey(shadow), NO_MATTE, None)
    a, s = (x.astype(np.float16).astype(np.float64)[..., None] for x in (alpha, shadow))
    expected = rgb + (1 - a) * (1 - s) * plate
    assert np.allclose(result.rgb.astype(np.float64), expected, rtol=2e-3, atol=2e-3)  # half float keeps 11 bits


def test_the_layers_alone_rebuild_the_picture() -> None:
    plate = _plate(5)
    rgb, alpha, shadow = _crowd(5)
    result = composite(plate, rgb, alpha, Shade.grey(shadow), NO_MATTE, None)
    picture = plate.astype(np.float64)
    for layer in result.layers:
        rgba = layer.rgba.astype(np.float64)
        picture = rgba[..., :3] + (1 - rgba[..., 3:]) * picture
    assert np.allclose(picture, result.rgb, rtol=4e-3, atol=4e-3)


def test_no_alpha_anywhere_changes_nothing_even_nan_and_inf() -> None:
    plate = _plate(1)
    plate[0, 0] = (np.nan, np.inf, -np.inf)
    zero = np.zeros((H, W), np.float32)
    result = composite(plate, np.zeros((H, W, 3), np.float32), zero, Shade.grey(zero), NO_MATTE, None)
    assert not result.touched.any()
    assert np.array_equal(result.rgb, plate.astype(np.float16), equal_nan=True)


def test_values_beyond_half_float_are_clipped_and_said() -> None:
    plate = _plate(1)
    plate[2, 3, 1] = 90000.0
    zero = np.zeros((H, W), np.float32)
    result = composite(plate, np.zeros((H, W, 3), np.float32), zero, Shade.grey(zero), NO_MATTE, None)
    assert result.rgb[2, 3, 1] == HALF_MAX
    assert any("clipped" in n for n in result.notes)


def _edge_case() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A dark actor with a 7 px soft edge before a bright wall: plate, matte, wall, actor."""
    matte = np.clip((W / 2 + 3.5 - np.arange(W)) / 7, 0, 1).astype(np.float32)
    matte = np.broadcast_to(matte, (H, W)).copy()
    wall = np.full((H, W, 3), 2.0, np.float32)
    actor = np.full((H, W, 3), 0.05, np.float32)
    plate = matte[..., None] * actor + (1 - matte[..., None]) * wall
    return plate.astype(np.float32), matte, wall, actor


def test_a_soft_edge_keeps_no_line_of_the_old_background() -> None:
    """A dark crowd behind a dark actor: where the edge is soft, the bright wall must not shine through."""
    plate, matte, wall, actor = _edge_case()
    crowd = np.full((H, W, 3), 0.1, np.float32)
    truth = matte[..., None] * actor + (1 - matte[..., None]) * crowd
    seen = (1 - matte) * 1.0
    with_clean = composite(plate, crowd * seen[..., None], seen, Shade.grey(NO_MATTE), matte, wall).rgb.astype(
        np.float32
    )
    without = composite(plate, crowd * seen[..., None], seen, Shade.grey(NO_MATTE), matte, None).rgb.astype(np.float32)
    plain = plate * (1 - seen[..., None]) + crowd * seen[..., None]
    assert np.abs(with_clean - truth).max() < 0.005
    assert np.abs(without - truth).max() < 0.01
    assert np.abs(plain - truth).max() > 0.3  # what the plain over would leave


def test_the_background_behind_an_edge_is_the_plate_where_no_matte_is() -> None:
    plate, matte, wall, _ = _edge_case()
    back = background_behind(plate, matte, None)
    assert np.array_equal(back[matte == 0], plate[matte == 0])
    soft = (matte > 0.05) & (matte < 0.95)
    assert np.abs(back[soft] - wall[soft]).max() < 0.05
