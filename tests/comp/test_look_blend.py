"""The plate's look on a crowd, each part against something that shares no code with it; and no fringe anywhere."""

from __future__ import annotations

from dataclasses import replace

import kornia
import numpy as np
import pytest
import torch
from scipy import ndimage
from support.looks import disc, flat, guides_of, laid_in

from composer.comp.composite import Composite, composite
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Optics, PlateLook, Vignette
from composer.comp.shade import Shade

SIZE = (72, 96)
#: Half float keeps 11 bits.
HALF = {"rtol": 1e-3, "atol": 1e-3}


def _crowd(result: Composite) -> tuple[np.ndarray, np.ndarray]:
    rgba = result.layers[-1].rgba.astype(np.float64)
    return rgba[..., :3], rgba[..., 3]


def _noisy(seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.02, 1.5, (*SIZE, 3)).astype(np.float16).astype(np.float32)


def test_an_empty_look_is_the_plain_composite_bit_for_bit() -> None:
    guides = guides_of(
        ([0.3, 0.2, 0.1], disc(SIZE, (30, 40), 15), 20.0), ([0.5, 0.6, 0.7], disc(SIZE, (36, 50), 18), 40.0)
    )
    shadow = Shade(0.5 * disc(SIZE, (52, 40), 12), 0.7 * disc(SIZE, (50, 40), 6), (0.8, 0.7, 0.5))
    matte = disc(SIZE, (30, 60), 9)
    own = laid_in(PlateLook(), guides, _noisy(), shadow=shadow, matte=np.zeros_like(matte), threads=2)
    plain = composite(_noisy(), guides.beauty, guides.coverage, shadow, np.zeros_like(matte), None)
    assert np.array_equal(own.rgb.view(np.uint16), plain.rgb.view(np.uint16))
    assert own.untouched_sha256 == plain.untouched_sha256
    assert all(np.array_equal(a.rgba, b.rgba) for a, b in zip(own.layers, plain.layers, strict=True))


def test_nobody_there_is_the_plate_even_nan_and_inf() -> None:
    plate = _noisy()
    plate[0, 0] = (np.nan, np.inf, -np.inf)
    guides = guides_of(([0.3, 0.2, 0.1], np.zeros(SIZE, np.float32), 20.0))
    look = PlateLook(edge=Edge(1.0, 0.5, 8), optics=Optics(2.0, 10.0, shutter_deg=180))
    result = laid_in(look, guides, plate)
    assert not result.touched.any()
    assert np.array_equal(result.rgb, plate.astype(np.float16), equal_nan=True)


def test_grade_and_air_go_sample_by_sample() -> None:
    near, far = disc(SIZE, (30, 40), 15), disc(SIZE, (36, 50), 18)
    colours = np.array([[0.3, 0.2, 0.1], [0.5, 0.6, 0.7]])
    guides = guides_of((colours[0], near, 20.0), (colours[1], far, 200.0))
    matrix, offset = np.array([[1.1, 0.1, 0], [0, 0.9, 0], [0.05, 0, 1.2]]), np.array([0.02, 0.0, -0.01])
    take, glow = np.array([2e-3, 3e-3, 4e-3]), np.array([0.5, 0.6, 0.8])
    air = Air(tuple(take), tuple(glow))
    rgb, alpha = _crowd(laid_in(PlateLook(grade=Grade(matrix, offset), air=air), guides, flat(SIZE, (0, 0, 0))))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    ray = np.sqrt(1 + ((x - SIZE[1] / 2) / 1000) ** 2 + ((y - SIZE[0] / 2) / 1000) ** 2)[..., None]
    expected = np.zeros((*SIZE, 3))
    for colour, share, depth in zip(colours, (near, far * (1 - near)), (20.0, 200.0), strict=True):
        kept = np.exp(-take * depth * ray)
        expected += share[..., None] * ((matrix @ colour + offset) * kept + glow * (1 - kept))
    assert np.allclose(rgb, expected, **HALF)
    assert np.allclose(alpha, near + far * (1 - near), **HALF)


def test_edge_spread_is_a_gaussian_as_wide_as_the_plates() -> None:
    cover = disc(SIZE, (36, 48), 17)
    guides = guides_of(([0.4, 0.3, 0.2], cover, 20.0))
    rgb, alpha = _crowd(laid_in(PlateLook(edge=Edge(1.3)), guides, flat(SIZE, (1, 1, 1))))
    sigma = (1.3**2 - 1 / 12) ** 0.5  # a pixel's own width counts
    tensor = torch.from_numpy(cover.astype(np.float64))[None, None]
    expected = kornia.filters.gaussian_blur2d(tensor, (9, 9), (sigma, sigma)).numpy()[0, 0]
    assert np.allclose(alpha, expected, atol=2e-3)
    assert np.allclose(rgb, expected[..., None] * [0.4, 0.3, 0.2], atol=2e-3)


def test_the_plates_edge_spread_is_reached() -> None:
    """The derivative of a slanted edge has the sigma that was asked for."""
    y, x = np.mgrid[:64, :128] + 0.5
    away = (x - 64 - 0.1 * (y - 32)) / np.hypot(1, 0.1)
    guides = guides_of(([1, 1, 1], np.clip(away + 0.5, 0, 1).astype(np.float32), 20.0))
    _, alpha = _crowd(laid_in(PlateLook(edge=Edge(1.1)), guides, flat((64, 128), (0, 0, 0))))
    near = np.abs(away) < 8
    order = np.argsort(away[near])
    at, value = away[near][order], alpha[near][order]
    bins = np.arange(-6, 6.01, 0.1)
    curve = ndimage.gaussian_filter1d(np.interp(bins, at, value), 2)
    line = np.gradient(curve)
    mean = (bins * line).sum() / line.sum()
    sigma = np.sqrt(((bins - mean) ** 2 * line).sum() / line.sum() - (2 * 0.1) ** 2)
    assert sigma == pytest.approx(1.1, rel=0.05)


def test_fringe_is_each_channel_at_its_own_scale() -> None:
    cover = disc(SIZE, (20, 24), 13)
    guides = guides_of(([0.4, 0.4, 0.4], cover, 20.0))
    look = PlateLook(fringe=Fringe(1.02, 0.985), edge=Edge(1.0))
    result = laid_in(look, guides, flat(SIZE, (0.9, 0.9, 0.9)))
    sigma = (1 - 1 / 12) ** 0.5
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    for k, scale in enumerate((1.02, 1.0, 0.985)):
        v, u = (SIZE[0] / 2 + (y - SIZE[0] / 2) / scale - 0.5, SIZE[1] / 2 + (x - SIZE[1] / 2) / scale - 0.5)
        soft = ndimage.gaussian_filter(cover.astype(np.float64), sigma, truncate=4)
        moved = ndimage.map_coordinates(soft, [v, u], order=3, mode="nearest")
        assert np.allclose(result.rgb[..., k], 0.9 + moved * (0.4 - 0.9), atol=6e-3)


def test_vignette_darkens_light_and_not_alpha() -> None:
    guides = guides_of(([0.4, 0.4, 0.4], np.ones(SIZE, np.float32), 20.0))
    rgb, alpha = _crowd(
        laid_in(PlateLook(vignette=Vignette(np.array([-0.3, 0.1, -0.05]))), guides, flat(SIZE, (1, 1, 1)))
    )
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    r2 = ((x - SIZE[1] / 2) ** 2 + (y - SIZE[0] / 2) ** 2) / ((SIZE[0] / 2) ** 2 + (SIZE[1] / 2) ** 2)
    assert np.allclose(rgb[..., 1], 0.4 * (1 - 0.3 * r2 + 0.1 * r2**2 - 0.05 * r2**3), **HALF)
    assert (alpha == 1).all()


def test_light_wrap_mixes_in_the_light_around_and_nothing_else() -> None:
    cover = disc(SIZE, (36, 48), 20)
    plate = flat(SIZE, (1.6, 0.4, 0.1))
    guides = guides_of(([0.2, 0.2, 0.2], cover, 20.0))
    rgb, alpha = _crowd(laid_in(PlateLook(edge=Edge(0.0, 0.5, 5.0)), guides, plate))
    share = ndimage.gaussian_filter(1.0 - cover.astype(np.float64), 5.0, mode="nearest")[..., None]
    expected = cover[..., None] * (0.2 * (1 - 0.5 * share) + 0.5 * share * [1.6, 0.4, 0.1])
    assert np.allclose(rgb, expected, atol=0.02)
    assert np.array_equal(alpha, cover.astype(np.float16).astype(np.float64))
    low, high = np.minimum(0.2, plate) * alpha[..., None], np.maximum(0.2, plate) * alpha[..., None]
    assert (rgb >= low - 2e-3).all() and (rgb <= high + 2e-3).all()  # never more than there is
    assert np.allclose(rgb[36, 48], 0.2, atol=2e-3)  # none in the middle of it


LOOKS = {
    "edge": PlateLook(edge=Edge(1.5)),
    "wrap": PlateLook(edge=Edge(1.0, 0.8, 6.0)),
    "fringe": PlateLook(fringe=Fringe(1.01, 0.99), edge=Edge(0.8)),
    "defocus": PlateLook(optics=Optics(0.25, 10.0, 5)),
    "motion": PlateLook(optics=Optics(shutter_deg=270, shutter_offset_deg=-135)),
    "all": PlateLook(
        edge=Edge(1.0, 0.8, 6.0), fringe=Fringe(1.01, 0.99), optics=Optics(0.25, 10.0, shutter_deg=270)
    ),
}  # fmt: skip


@pytest.mark.parametrize("level", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("name", LOOKS)
def test_a_crowd_of_the_plates_own_colour_cannot_be_seen(name: str, level: float) -> None:
    """Whatever spreads light and alpha unlike each other leaves a dark or a bright line here."""
    colour = (level, 0.7 * level, 0.5 * level)
    near, far = disc(SIZE, (30, 40), 14), disc(SIZE, (40, 58), 17)
    guides = guides_of((colour, near, 8.0), (colour, far, 30.0), motion=(6.0, 2.0))
    result = laid_in(LOOKS[name], guides, flat(SIZE, colour))
    assert np.abs(result.rgb.astype(np.float64) / colour - 1).max() < 3e-3
    assert result.touched.sum() > 1000


@pytest.mark.parametrize("name", LOOKS)
def test_an_actor_in_front_stays_in_front(name: str) -> None:
    """Behind his matte the crowd reaches up to him, as it did, and none of it lies on him."""
    matte = disc(SIZE, (36, 48), 12)
    guides = guides_of(([0.6, 0.5, 0.4], np.ones(SIZE, np.float32) * (1 - matte), 30.0), motion=(5.0, 0.0))
    _, alpha = _crowd(laid_in(replace(LOOKS[name], fringe=None), guides, flat(SIZE, (0.1, 0.1, 0.1)), matte=matte))
    assert np.allclose(alpha, 1 - matte, atol=2e-3)


def test_threads_do_not_change_a_bit() -> None:
    cover = disc(SIZE, (30, 40), 14)
    guides = guides_of(
        ([0.5, 0.4, 0.3], cover, 8.0), ([0.1, 0.2, 0.3], disc(SIZE, (40, 58), 17), 30.0), motion=(9.0, 4.0)
    )
    one, four = (laid_in(LOOKS["all"], guides, _noisy(), threads=n) for n in (1, 4))
    assert np.array_equal(one.rgb.view(np.uint16), four.rgb.view(np.uint16))
    assert np.array_equal(one.layers[1].rgba.view(np.uint16), four.layers[1].rgba.view(np.uint16))


@pytest.mark.gpu
@pytest.mark.parametrize("name", LOOKS)
def test_a_card_draws_the_same(name: str) -> None:
    cover = disc(SIZE, (30, 40), 14)
    guides = guides_of(
        ([0.5, 0.4, 0.3], cover, 8.0), ([0.1, 0.2, 0.3], disc(SIZE, (40, 58), 17), 30.0), motion=(9.0, 4.0)
    )
    cpu, card = (laid_in(LOOKS[name], guides, _noisy(), device=d) for d in ("cpu", "cuda"))
    assert np.allclose(cpu.rgb.astype(np.float32), card.rgb.astype(np.float32), rtol=1e-3, atol=1e-4)


def test_a_bright_light_spreads_into_no_nan() -> None:
    plate = _noisy()
    plate[10, 10] = (np.nan, np.inf, 60000.0)
    guides = guides_of(([0.3, 0.2, 0.1], disc(SIZE, (36, 48), 20), 20.0))
    result = laid_in(PlateLook(edge=Edge(1.0, 0.5, 8.0)), guides, plate)
    assert np.isfinite(result.rgb[result.touched]).all()
