"""Model range: there and back within a thousandth, order kept, and highlights that a model cannot say come from the guide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.color.model_range import ModelRange, curve, inverse, plate_exposure
from composer.color.spaces import ColorManager

EXPOSURES = (1 / 64, 1 / 4, 1.0, 4.0, 64.0)
LUMINANCE = np.array([0.2722287168, 0.6740817658, 0.0536895174])


def grey(light: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(light, np.float32)[:, None], 3, axis=1)


def coloured(low: float, high: float, count: int = 20_000) -> np.ndarray:
    """float32 [N, 3]: light between low and high, channels down to a third of the largest."""
    rng = np.random.default_rng(4)
    light = np.exp(rng.uniform(np.log(low), np.log(high), (count, 1)))
    return (light * rng.uniform(0.3, 1.0, (count, 3))).astype(np.float32)


def worst(got: np.ndarray, true: np.ndarray) -> float:
    """The largest error, as a share of the pixel's largest channel."""
    return float((np.abs(got.astype(np.float64) - true).max(-1) / np.abs(true).max(-1)).max())


@pytest.mark.parametrize("exposure", EXPOSURES)
def test_there_and_back_within_a_thousandth(exposure: float) -> None:
    r = ModelRange(exposure)
    ramp = grey(np.geomspace(0.001, 100, 20_001))
    model = r.encode(ramp)
    assert model.dtype == np.float32 and model.min() >= 0 and model.max() < 1
    for guide in (None, ramp):
        assert (np.abs(r.decode(model, guide) - ramp) / ramp).max() < 1e-3
    some = coloured(0.001, 100)
    for guide in (None, some):
        back = r.decode(r.encode(some), guide)
        assert back.dtype == np.float32 and worst(back, some) < 1e-3


@given(st.lists(st.floats(-200, 2000, width=32), min_size=3, max_size=3), st.sampled_from(EXPOSURES))
@example([0.0, 1655.0, 0.0], 64.0)
@settings(deadline=None, max_examples=200)
def test_any_colour_survives_negative_ones_too(rgb: list[float], exposure: float) -> None:
    pixel, r = np.array([rgb], np.float32), ModelRange(exposure)
    model = r.encode(pixel)
    assert np.isfinite(model).all() and (model >= 0).all() and (model <= 1).all()
    size = max(np.abs(pixel).max(), 1e-3)
    # channels of a saturated pixel come out of one sum in float32: the error is a share of the largest
    assert np.abs(r.decode(model) - pixel).max() < 2e-3 * size
    assert np.abs(r.decode(model, pixel) - pixel).max() < 2e-3 * size


def test_the_middle_is_srgb() -> None:
    """Against OpenColorIO's sRGB, which shares no code with this."""
    colors = ColorManager.open()
    rgb = coloured(0.02, 0.5, 4000)
    linear = colors.from_working(rgb[None], "lin_rec709_scene")[0]
    inside = ((linear > 0.0035) & (linear < 0.59)).all(-1)
    assert inside.sum() > 1000
    srgb = colors.from_working(rgb[None], "sRGB")[0]
    assert np.abs(ModelRange(1.0).encode(rgb) - srgb)[inside].max() < 2e-4


def test_the_curve_rises_and_has_no_corner() -> None:
    light = np.concatenate([-np.geomspace(1e4, 1e-6, 4000), [0.0], np.geomspace(1e-6, 1e6, 8000)])
    assert (np.diff(curve(light)) > 0).all()
    assert np.allclose(inverse(curve(light)), light, rtol=1e-6, atol=1e-9)
    for knot in (0.002, 0.6):
        step = knot * 1e-5
        below, here, above = curve(np.array([knot - step, knot, knot + step]))
        assert abs((above - here) / (here - below) - 1) < 1e-3


@pytest.mark.parametrize("guided", [False, True])
def test_decoding_rises_with_the_model(guided: bool) -> None:
    r = ModelRange(0.7)
    model = grey(np.linspace(0, 1, 4097))
    for light in (0.001, 0.2, 2.0, 50.0):
        guide = np.full_like(model, light) if guided else None
        assert (np.diff(r.decode(model, guide) @ LUMINANCE) >= -1e-6).all()


def test_decoding_rises_with_the_guide() -> None:
    r = ModelRange(1.0)
    guide = grey(np.geomspace(0.001, 1000, 4097))
    for value in (0.2, 0.91, 0.94, 1.0):
        assert (np.diff(r.decode(np.full_like(guide, value), guide) @ LUMINANCE) >= -1e-5).all()


def test_highlights_come_from_the_guide_and_only_where_the_model_is_bright() -> None:
    r = ModelRange(1.0)
    sun = np.full((1, 3), 80.0, np.float32)
    white, dark = np.ones((1, 3), np.float32), np.full((1, 3), 0.4, np.float32)
    assert worst(r.decode(white, sun), sun) < 1e-5
    assert np.allclose(r.decode(dark, sun), r.decode(dark), rtol=1e-5)
    glint = r.decode(white, np.full((1, 3), 0.1, np.float32))
    assert 2.5 < glint.max() < 5.0, "what the model alone calls white stays within reach"


def test_no_ring_around_the_sun() -> None:
    """A model that overstates a glow by a little and then clips: the glow goes on rising, flat over no third of a stop."""
    r = ModelRange(1.0)
    guide = grey(np.geomspace(1.3, 60, 400))
    model = np.minimum(r.encode(guide) * 1.02, 0.97).astype(np.float32)
    got, true = np.log2(r.decode(model, guide) @ LUMINANCE), np.log2(guide[:, 0])
    third = round(1 / 3 / (true[1] - true[0]))
    rise = (got[third:] - got[:-third]) / (true[third:] - true[:-third])
    assert rise.min() > 0.25 and rise.max() < 2.0


def test_a_code_value_of_zero_or_one_is_no_spike() -> None:
    r, some = ModelRange(1.0), coloured(0.01, 1.0, 64)
    for pixel in ([0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 1, 0.95]):
        back = r.decode(np.broadcast_to(np.float32(pixel), some.shape), some)
        assert back.min() > -0.5 and back.max() < 8.0


@pytest.mark.parametrize(("steps", "median", "most"), [("8 bit", 0.02, 0.10), ("half", 0.002, 0.02)])
def test_coarse_models_with_the_guide(steps: str, median: float, most: float) -> None:
    """From 0.05 to 100 at a plate's usual exposure: a few per cent at 8 bits, a per cent at half float."""
    some, r = coloured(0.05, 100), ModelRange(1.0)
    model = r.encode(some)
    model = np.round(model * 255) / 255 if steps == "8 bit" else model.astype(np.float16)
    got = r.decode(model.astype(np.float32), some).astype(np.float64)
    error = np.abs(got - some).max(-1) / some.max(-1)
    assert np.median(error) < median and error.max() < most


def test_exposure_makes_a_photograph() -> None:
    rng = np.random.default_rng(1)
    plate = rng.lognormal(np.log(0.18), 0.8, (64, 96, 1)).astype(np.float32) * np.ones(3, np.float32)
    usual = plate_exposure(plate)
    assert usual == pytest.approx(1.0, rel=0.1)
    assert plate_exposure(plate * 8) == pytest.approx(usual / 8, rel=1e-5)
    assert plate_exposure(plate / 3) == pytest.approx(usual * 3, rel=1e-5)
    night = plate_exposure(plate / 64)
    assert 4 < night < 20, "night is lifted, but not to day"
    assert plate_exposure(np.zeros((8, 8, 3), np.float32)) == 1.0
    damaged = plate.copy()
    damaged[::8] = np.nan
    damaged[::12] = np.inf
    assert np.isfinite(plate_exposure(damaged))


def test_much_sky_keeps_its_white() -> None:
    plate = np.full((100, 100, 3), 0.15, np.float32)
    plate[:60] = 1.0
    r = ModelRange.of_plate(plate)
    assert r.encode(plate)[0, 0].min() > 0.8 and 0.2 < r.encode(plate)[-1, -1].mean() < 0.5


def test_one_for_a_shot() -> None:
    plate = coloured(0.01, 2.0, 400).reshape(20, 20, 3)
    assert ModelRange.of_plate(plate) == ModelRange.of_plate(plate.copy())
    assert ModelRange.of_plate(plate, exposure=2.5) == ModelRange(2.5)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError):
            ModelRange(wrong)


def test_damaged_pixels_do_not_spread() -> None:
    r = ModelRange(1.0)
    pixels = np.array([[np.nan, 1, 1], [np.inf, 1, 1], [-np.inf, 1, 1], [0.2, 0.2, 0.2]], np.float32)
    model = r.encode(pixels)
    assert np.isfinite(model).all() and np.isfinite(r.decode(model, pixels)).all()
    assert worst(r.decode(model)[3:], pixels[3:]) < 1e-5


def test_bands_make_no_difference() -> None:
    r = ModelRange(1.3)
    some = coloured(0.01, 10, 90_000).reshape(300, 300, 3)
    assert np.array_equal(r.encode(some)[150, 7], r.encode(some[150, 7]))
    assert np.allclose(r.decode(r.encode(some), some), some, rtol=1e-4)
