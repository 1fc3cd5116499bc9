"""The crowd's shadow lies in the light that is left: by colour, in the composite and as an element of its own."""

from __future__ import annotations

import numpy as np
import pytest
from support.looks import disc, guides_of, laid_in

from composer.comp.composite import Composite, composite, laid_over
from composer.comp.edges import actor_colour, background_behind
from composer.comp.plate_look import Air, Edge, Fringe, Grain, Optics, PlateLook
from composer.comp.shade import Shade, element
from composer.comp.shadow import actors_shadow, shaded_holdouts, with_actors_shadow
from composer.guides.passes import Light

SIZE = (48, 64)
NONE, BLACK = np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32)
WARM = Light((0.6, 0.5, 0.62), (4.0, 3.0, 1.8), (0.29, 0.36, 0.51), (0.1, 0.1, 0.1))
GREY = Light((0.6, 0.8, 0.0), (5.0, 5.0, 5.0), (1.0, 1.0, 1.0), (0.2, 0.2, 0.2))
GRAIN = Grain(
    np.array([0.0, 1.0]),
    np.full((3, 2), 1e-4),
    np.pad(np.ones((3, 1, 1), np.float32), ((0, 0), (1, 1), (1, 1))),
    np.eye(3),
)
LOOKS = {
    "none": PlateLook(),
    "edge": PlateLook(edge=Edge(1.2, 0.3, 6), fringe=Fringe(1.002, 0.998), grain=GRAIN),
    "lens": PlateLook(optics=Optics(2.0, 10.0, shutter_deg=180), air=Air((2e-3,) * 3, (0.4, 0.5, 0.6))),
}


def _plate(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.02, 2.0, (*SIZE, 3)).astype(np.float16).astype(np.float32)


def _shade(light: Light = WARM) -> Shade:
    """Sun taken here, sky there, and both between."""
    return Shade.of(0.9 * disc(SIZE, (24, 26), 13), 0.6 * disc(SIZE, (26, 38), 11), light, np.eye(3))


def _flattened(plate: np.ndarray, made: Composite) -> np.ndarray:
    picture = plate.astype(np.float64)
    for layer in made.layers:
        rgba = layer.rgba.astype(np.float64)
        picture = rgba[..., :3] + (1 - rgba[..., 3:]) * picture
    return picture


def test_each_channel_loses_the_suns_share_and_the_skys() -> None:
    shade, plate = _shade(), _plate()
    for c in range(3):
        sun, sky = WARM.sun[c] * 0.5, WARM.sky[c]
        expected = (sun * shade.sun.astype(np.float64) + sky * shade.sky) / (sun + sky)
        assert np.allclose(shade.taken()[..., c], expected, atol=1e-6)
    made = composite(plate, BLACK, NONE, shade, NONE, None)
    left = 1 - shade.taken().astype(np.float16).astype(np.float64)
    assert np.allclose(made.rgb, plate * left, rtol=2e-3, atol=1e-6)
    plain = (shade.sun == 0) & (shade.sky == 0)
    assert plain.any() and np.array_equal(made.rgb[plain], plate.astype(np.float16)[plain])
    assert np.array_equal(made.touched, ~plain)


def test_the_light_is_that_of_the_delivery_space() -> None:
    """A sun that has no green there is none of green's light."""
    to = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    light = Light((0.0, 1.0, 0.0), (0.0, 3.0, 1.0), (1.0, 1.0, 1.0), (0.0,) * 3)
    assert Shade.of(NONE, NONE, light, to).share == pytest.approx((0.75, 0.0, 0.5))
    narrow = np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    assert Shade.of(NONE, NONE, light, narrow).share == pytest.approx((0.0, 6 / 7, 0.5))


def test_grey_light_gives_one_share_for_all_and_a_black_element() -> None:
    shade = _shade(GREY)
    assert shade.share == (0.8, 0.8, 0.8)  # 5 * 0.8 of 4 + 1
    dark = (np.float32(0.8) * shade.sun + np.float32(0.2) * shade.sky).astype(np.float16)
    made = composite(_plate(), BLACK, NONE, shade, NONE, None)
    rgba = made.layers[0].rgba
    assert not rgba[..., :3].any() and np.allclose(rgba[..., 3], dark, atol=2**-11)  # one rounding may fall otherwise
    old = composite(_plate(), BLACK, NONE, Shade.grey(dark.astype(np.float32)), NONE, None)
    assert np.allclose(made.rgb, old.rgb, rtol=2e-3)


def test_without_a_sun_or_any_light_the_sky_alone_is_taken() -> None:
    one, none = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    night = Light((0.0, -1.0, 0.0), (5.0, 5.0, 5.0), (1.0, 1.0, 1.0), (0.0,) * 3)
    dark = Light((0.0, 1.0, 0.0), (0.0, 5.0, 5.0), (0.0, 1.0, 1.0), (0.0,) * 3)
    assert not Shade.of(one, none, night, np.eye(3)).taken().any()
    assert (Shade.of(none, one, night, np.eye(3)).taken() == 1).all()
    assert np.isfinite(Shade.of(one, one, dark, np.eye(3)).taken()).all()


@pytest.mark.parametrize("name", LOOKS)
def test_the_element_over_the_plate_is_the_composite(name: str) -> None:
    plate = _plate()
    guides = guides_of(
        ([0.3, 0.2, 0.1], disc(SIZE, (16, 30), 9), 20.0), ([0.5, 0.6, 0.7], disc(SIZE, (20, 40), 8), 40.0)
    )
    made = laid_in(LOOKS[name], guides, plate, shadow=_shade())
    shadow = made.layers[0].rgba.astype(np.float64)
    assert (shadow[..., :3] >= 0).all() and shadow[..., :3].max() > 0.05
    assert not shadow[shadow[..., 3] == 0].any()
    assert np.allclose(_flattened(plate, made), made.rgb, rtol=4e-3, atol=4e-3)  # half float keeps 11 bits, twice
    bare = made.layers[-1].rgba[..., 3] == 0
    assert np.allclose((plate * (1 - shadow[..., 3:]) + shadow[..., :3])[bare], made.rgb[bare], rtol=2e-3, atol=1e-6)


def test_the_painters_picture_and_the_elements_formula_say_the_same() -> None:
    plate, taken = _plate(), _shade().taken().astype(np.float16)
    made = composite(plate, BLACK, NONE, _shade(), NONE, None)
    assert np.allclose(
        laid_over(plate, BLACK, NONE.astype(np.float16), taken, NONE, None), made.rgb, rtol=2e-3, atol=1e-6
    )
    alone = element(plate, taken.astype(np.float32))
    assert np.allclose(alone, made.layers[0].rgba, rtol=2e-3, atol=1e-3)


def test_what_is_left_is_bluer_and_no_channel_is_brighter_than_the_plate() -> None:
    plate = _plate()
    made = composite(plate, BLACK, NONE, _shade(), NONE, None).rgb.astype(np.float64)
    assert (made <= plate).all()
    left = made / plate
    sunless = (_shade().sun > 0.899) & (_shade().sky == 0)
    assert (left[sunless][:, 0] < left[sunless][:, 1]).all() and (left[sunless][:, 1] < left[sunless][:, 2]).all()
    share = [s * 0.5 / (s * 0.5 + k) for s, k in zip(WARM.sun, WARM.sky, strict=True)]
    assert np.allclose(left[sunless], 1 - 0.9 * np.array(share), rtol=5e-3)


def test_behind_a_soft_edge_each_channel_loses_its_own_share() -> None:
    """Half an actor before shaded ground: his own colour stays as it is."""
    matte = np.full(SIZE, 0.5, np.float32)
    actor, wall = np.array([0.4, 0.1, 0.1]), np.array([0.5, 0.6, 0.7])
    plate = np.broadcast_to(0.5 * actor + 0.5 * wall, (*SIZE, 3)).astype(np.float32)
    clean = np.broadcast_to(wall, (*SIZE, 3)).astype(np.float32)
    shade = Shade(np.full(SIZE, 0.4, np.float32), NONE, (0.9, 0.6, 0.3))  # after holdouts: of the half that is seen
    expected = 0.5 * actor + (0.5 - 0.4 * np.array([0.9, 0.6, 0.3])) * wall
    for made in (composite(plate, BLACK, NONE, shade, matte, clean), laid_in(
        LOOKS["none"], guides_of(([0, 0, 0], NONE, 20.0)), plate, shadow=shade, matte=matte, clean=clean
    )):  # fmt: skip
        assert np.allclose(made.rgb.astype(np.float64), expected, atol=2e-3)


def test_plate_values_that_are_no_numbers_stay_out_of_a_grey_element() -> None:
    plate = _plate()
    plate[20:28, 20:30] = (np.nan, np.inf, -1.0)
    rgba = composite(plate, BLACK, NONE, Shade.grey(_shade().sun), NONE, None).layers[0].rgba
    assert not rgba[..., :3].any()


def test_shadow_on_actors_has_colour_in_picture_and_element() -> None:
    plate, matte = _plate(), np.zeros(SIZE, np.float32)
    matte[10:40, 10:50] = 1
    dark = Shade(0.8 * disc(SIZE, (24, 30), 12), NONE, (0.9, 0.7, 0.5)).taken()
    shaded = shaded_holdouts(plate, dark, matte, None)
    on = matte[..., None] * dark > 0
    assert np.allclose(shaded[on], (plate * (1 - dark))[on], rtol=1e-5)
    assert np.array_equal(shaded[~on], plate[~on])
    ground = Shade(0.5 * disc(SIZE, (24, 50), 12), NONE, (0.9, 0.7, 0.5))
    made = with_actors_shadow(composite(shaded, BLACK, NONE, ground, NONE, None), actors_shadow(plate, dark, matte))
    assert np.allclose(_flattened(plate, made), made.rgb, rtol=4e-3, atol=1e-4)
    assert (made.layers[0].rgba[..., :3] >= 0).all() and made.touched[on.any(axis=-1)].all()


def test_at_an_actors_soft_edge_his_own_colour_loses_its_share_by_channel() -> None:
    matte = np.broadcast_to(np.clip((36 - np.arange(64)) / 8, 0, 1), SIZE).astype(np.float32)
    plate = (matte[..., None] * [0.6, 0.3, 0.1] + (1 - matte[..., None]) * [0.2, 0.4, 0.8]).astype(np.float32)
    dark = np.broadcast_to(np.array([0.8, 0.5, 0.2], np.float32), (*SIZE, 3))
    made = shaded_holdouts(plate, dark, matte, None)
    own = actor_colour(plate, matte, background_behind(plate, matte, None))
    soft = (matte > 0) & (matte < 1)
    assert np.allclose(made[soft], (plate - matte[..., None] * dark * own)[soft], atol=1e-6)
