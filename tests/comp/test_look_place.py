"""The plate's look on crowd and place together: each as it is alone, and one behind the other as they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from support.looks import disc, flat, guides_of, laid_in, parted

from composer.comp.composite import Composite
from composer.comp.look_drawn import Around, Drawn
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Grain, Optics, PlateLook, Vignette
from composer.comp.shade import Shade

SIZE = (72, 96)
NOISE = Grain(np.array([0.0, 1.0]), np.full((3, 2), 1e-3), np.ones((3, 3, 3), np.float32) / 3, np.eye(3))
BARE = PlateLook(
    grade=Grade(np.diag([1.1, 1.0, 0.9]), np.array([0.01, 0.0, 0.0])), air=Air((2e-3, 3e-3, 4e-3), (0.5, 0.6, 0.7))
)
LOOKS = {
    "nothing": PlateLook(),
    "bare": BARE,
    "edge": PlateLook(edge=Edge(1.0, 0.8, 6.0), vignette=Vignette(np.array([-0.2, 0.0, 0.0])), grain=NOISE),
    "fringe": PlateLook(fringe=Fringe(1.01, 0.99), edge=Edge(0.8)),
    "lens": PlateLook(optics=Optics(0.25, 10.0, 5, shutter_deg=180, shutter_offset_deg=-90)),
    "all": PlateLook(
        BARE.grade, BARE.air, NOISE, Edge(1.0, 0.8, 6.0), Vignette(np.array([-0.2, 0.1, 0.0])), Fringe(1.01, 0.99),
        Optics(0.25, 10.0, 5, shutter_deg=270, shutter_offset_deg=-135),
    ),
}  # fmt: skip


def _noisy(seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.02, 1.5, (*SIZE, 3)).astype(np.float16).astype(np.float32)


def _scene() -> tuple[object, ...]:
    """A soldier, a wall behind him, another soldier behind that."""
    light = np.random.default_rng(5).uniform(0.1, 0.9, (3, *SIZE, 3)).astype(np.float32)
    shapes = (disc(SIZE, (30, 40), 14), disc(SIZE, (38, 52), 16), disc(SIZE, (46, 66), 15))
    return tuple(zip(light, shapes, (8.0, 30.0, 90.0), strict=True))


def _layer(result: Composite, name: str) -> np.ndarray:
    return next(la.rgba for la in result.layers if la.name == name).astype(np.float64)


@pytest.mark.parametrize("matte", [0.0, 1.0])
@pytest.mark.parametrize("name", LOOKS)
def test_which_of_them_are_pieces_changes_no_pixel_of_the_picture(name: str, matte: float) -> None:
    """So every part of the look is as occlusion-correct between crowd and place as within the crowd."""
    guides = guides_of(*_scene(), motion=(6.0, 3.0))
    rest = {"shadow": Shade.grey(0.5 * disc(SIZE, (60, 50), 10)), "matte": matte * disc(SIZE, (36, 48), 9)}
    whole = laid_in(LOOKS[name], guides, _noisy(), **rest)
    for pieces in ((2,), (1, 3), (1, 2, 3)):
        crowd, place = parted(guides, pieces)
        both = laid_in(LOOKS[name], crowd, _noisy(), around=Around(place), **rest)
        assert [la.name for la in both.layers] == ["shadow", "environment", "crowd"]
        assert np.array_equal(both.touched, whole.touched) and both.untouched_sha256 == whole.untouched_sha256
        hard = rest["matte"] == 0  # behind a soft matte the two halves of a pixel are rounded by themselves
        assert np.array_equal(both.rgb[hard], whole.rgb[hard])
        assert np.allclose(both.rgb.astype(float), whole.rgb.astype(float), atol=4e-3)
        total = _layer(both, "environment") + _layer(both, "crowd")
        assert np.allclose(total, _layer(whole, "crowd"), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name", LOOKS)
def test_each_alone_is_what_it_is_on_the_crowds_own_path(name: str) -> None:
    guides = guides_of(*_scene(), motion=(6.0, 3.0))
    whole = laid_in(LOOKS[name], guides, _noisy())
    nobody, everything = parted(guides, (1, 2, 3))
    everyone, nothing = parted(guides, ())
    place = laid_in(LOOKS[name], nobody, _noisy(), around=Around(everything))
    crowd = laid_in(LOOKS[name], everyone, _noisy(), around=Around(nothing))
    for layer, other in ((place.layers[1], place.layers[2]), (crowd.layers[2], crowd.layers[1])):
        assert np.array_equal(layer.rgba.view(np.uint16), whole.layers[1].rgba.view(np.uint16))
        assert not other.rgba.any()


def test_where_only_one_is_it_is_as_it_is_alone_and_where_both_are_as_by_hand() -> None:
    soldier, wall, _ = _scene()
    guides = guides_of(soldier, wall)
    crowd, place = parted(guides, (2,))
    look = PlateLook(edge=Edge(1.2))
    sigma = (1.2**2 - 1 / 12) ** 0.5
    made = laid_in(look, crowd, _noisy(), around=Around(place))
    near, far = soldier[1].astype(np.float64), wall[1].astype(np.float64)
    shares = {"crowd": near, "environment": far * (1 - near)}
    expected = _noisy().astype(np.float64)
    total = np.zeros(SIZE)
    for (name, share), light in zip(shares.items(), (soldier[0], wall[0]), strict=True):
        soft = ndimage.gaussian_filter(share, sigma, truncate=4)
        rgb = ndimage.gaussian_filter(light * share[..., None], (sigma, sigma, 0), truncate=4)
        assert np.allclose(_layer(made, name)[..., 3], soft, atol=2e-3)
        assert np.allclose(_layer(made, name)[..., :3], rgb, atol=2e-3)
        total += soft
        expected = expected + rgb
    expected -= total[..., None] * _noisy()
    assert np.allclose(made.rgb, expected, atol=4e-3)
    alone = laid_in(look, crowd, _noisy())
    clear = ndimage.binary_erosion(wall[1] == 0, iterations=6)
    assert (clear & (near > 0)).sum() > 100
    assert np.array_equal(made.rgb[clear], alone.rgb[clear])


def test_the_places_own_haze_takes_the_place_of_the_air_on_it_and_only_on_it() -> None:
    soldier, wall, _ = _scene()
    crowd, place = parted(guides_of(soldier, wall), (2,))
    clear = np.full(len(place.samples.depth_m), 0.6, np.float32)
    made = laid_in(BARE, crowd, _noisy(), around=Around(place, clear, (0.3, 0.2, 0.1)))
    share = (wall[1] * (1 - soldier[1])).astype(np.float64)[..., None]
    graded = wall[0] * [1.1, 1.0, 0.9] + [0.01, 0, 0]
    expected = share * (graded * 0.6 + 0.4 * np.array([0.3, 0.2, 0.1]))
    assert np.allclose(_layer(made, "environment")[..., :3], expected, rtol=1e-3, atol=1e-3)
    alone = laid_in(BARE, crowd, _noisy())
    assert np.allclose(_layer(made, "crowd"), _layer(alone, "crowd"), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["edge", "fringe", "lens"])
def test_both_of_the_plates_own_colour_cannot_be_seen(name: str) -> None:
    """A line between crowd and place would show here, dark or bright."""
    colour = (0.6, 0.42, 0.3)
    guides = guides_of(*((colour, cover, depth) for _, cover, depth in _scene()), motion=(6.0, 2.0))
    crowd, place = parted(guides, (2,))
    look = PlateLook(edge=LOOKS[name].edge, fringe=LOOKS[name].fringe, optics=LOOKS[name].optics)
    result = laid_in(look, crowd, flat(SIZE, colour), around=Around(place))
    assert np.abs(result.rgb.astype(np.float64) / colour - 1).max() < 3e-3
    assert result.touched.sum() > 1000


def test_the_wall_moves_as_the_wall_does_behind_a_soldier_who_stands() -> None:
    """Motion is each one's own: a pan of the wall leaves the still man in front of it sharp."""
    man, wall = disc(SIZE, (36, 48), 10), np.ones(SIZE, np.float32)
    crowd, place = parted(guides_of(([0.1, 0.1, 0.1], man, 8.0), ([0.8, 0.8, 0.8], wall, 40.0)), (2,))
    moved = np.broadcast_to(np.array([12.0, 0.0], np.float32), (*SIZE, 2)).copy()
    place = replace(place, motion_px=moved, motion_back_px=-moved)
    look = PlateLook(optics=Optics(shutter_deg=180, shutter_offset_deg=-90))
    made = laid_in(look, crowd, flat(SIZE, (0, 0, 0)), around=Around(place))
    assert np.allclose(_layer(made, "crowd")[..., 3], man, atol=2e-3)
    assert np.allclose(made.rgb[..., 0], man * 0.1 + (1 - man) * 0.8, atol=6e-3)


def test_samples_of_both_are_in_order_and_none_is_lost() -> None:
    guides = guides_of(*_scene())
    crowd, place = parted(guides, (1, 3))
    drawn = Drawn.of(crowd, Around(place))
    for name in ("start", "agent_id", "coverage", "depth_m", "rgb"):
        assert np.array_equal(getattr(drawn.samples, name), getattr(guides.samples, name))
    assert np.array_equal(drawn.around, np.isin(guides.samples.agent_id, (1, 3)))
