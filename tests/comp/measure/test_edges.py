"""Steps of known spread at known places, fringes of known size, and real edges blurred by known amounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr
from support.plates import crissy, linear_picture, sceaux, sights_of

from composer.comp.measure.edges import measure_edges
from composer.comp.measure.fringe import measure_fringe
from composer.comp.measure.measured import EdgeSamples
from composer.comp.measure.step_fit import HALF, fit_steps, offsets

F64 = NDArray[np.float64]
SIZE = (640, 400)
PLATES = {"juggle": "sam2_juggle/frames/juggle.1001.jpg", "uhaul": "matchmover_uhaul/imageSequence.0000.png"}


def _discs(sigma_px: float, scale: tuple[float, float, float] = (1.0, 1.0, 1.0), noise: float = 0.004) -> F64:
    """Big bright discs on dark ground, exact Gaussian edges; each channel magnified about the middle by its scale."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width] + 0.5
    out = np.empty((height, width, 3))
    for c in range(3):
        u, v = (x - width / 2) / scale[c] + width / 2, (y - height / 2) / scale[c] + height / 2
        picture = np.full((height, width), 0.12)
        for i in range(2):
            for j in range(3):
                away = np.hypot(u - (108 + 208 * j + 3.3 * i), v - (98 + 200 * i + 1.7 * j))
                picture += (0.3 + 0.05 * ((i + j) % 4)) * ndtr((88 - away) / sigma_px)
        out[..., c] = picture
    return out + np.random.default_rng(1).normal(0, noise, out.shape)


def test_steps_are_fitted_at_any_angle_and_place() -> None:
    x, y, _ = offsets()
    rng = np.random.default_rng(2)
    angle, shift, sigma = rng.uniform(-np.pi, np.pi, 40), rng.uniform(-1, 1, 40), rng.uniform(0.4, 1.8, 40)
    along = np.cos(angle)[:, None] * x + np.sin(angle)[:, None] * y
    patches = 0.2 + 0.5 * ndtr((along - shift[:, None]) / sigma[:, None])
    fit = fit_steps(patches, angle + rng.uniform(-0.2, 0.2, 40))
    assert np.abs(fit.sigma_px - sigma).max() < 0.01 and np.abs(fit.offset_px - shift).max() < 0.01
    assert fit.residual.max() < 1e-3 and HALF == 6


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.3])
def test_a_known_spread_is_found(sigma: float) -> None:
    found, samples = measure_edges(sights_of([_discs(sigma)]))
    assert found.value is not None and samples is not None
    # The sharp end of the distribution: noise makes it a little sharper than the truth
    assert found.value.spread_px == pytest.approx(sigma, rel=0.05)
    assert np.median(samples.sigma_px) == pytest.approx(sigma, rel=0.03)


def test_no_edges_no_number() -> None:
    found, samples = measure_edges(sights_of([np.full((120, 160, 3), 0.2)]))
    assert found.value is None and samples is None and "edges" in found.notes[0]
    assert measure_fringe(samples, (160, 120)).value is None


@pytest.mark.parametrize(("red_px", "blue_px"), [(1.0, -0.6), (0.0, 0.4)])
def test_a_known_fringe_is_found(red_px: float, blue_px: float) -> None:
    corner = np.hypot(*SIZE) / 2
    picture = _discs(0.7, (1 + red_px / corner, 1.0, 1 + blue_px / corner))
    found = measure_fringe(measure_edges(sights_of([picture]))[1], SIZE)
    assert found.value is not None
    assert (found.value.red - 1) * corner == pytest.approx(red_px, abs=0.05)
    assert (found.value.blue - 1) * corner == pytest.approx(blue_px, abs=0.05)


def test_no_fringe_is_told_where_there_is_none() -> None:
    found = measure_fringe(measure_edges(sights_of([_discs(0.7)]))[1], SIZE)
    assert found.value is None and "none to be seen" in found.notes[0]


def test_one_long_coloured_line_is_no_fringe() -> None:
    """As on the juggler's plate: beside the lower rim of a row of windows blue lies lower, by the codec or by the thing."""
    edges = measure_edges(sights_of([_discs(0.7)]))[1]
    assert edges is not None
    rng, count = np.random.default_rng(5), 60
    width, height = SIZE
    x = np.linspace(40, width - 40, count)
    line = replace(
        edges,
        place=np.concatenate([edges.place, np.column_stack([np.full(count, 1001), x, np.full(count, 0.9 * height)])]),
        normal=np.concatenate([edges.normal, np.tile([0.0, 1.0], (count, 1))]),
        shift_px=np.concatenate([edges.shift_px, np.column_stack([np.zeros(count), rng.uniform(0.1, 0.9, count)])]),
    )
    assert measure_fringe(line, SIZE).value is None
    true = replace(line, shift_px=0.9 * _radial(line)[:, None] * np.array([0.0, 1.0]))
    found = measure_fringe(true, SIZE).value
    assert found is not None and (found.blue - 1) * np.hypot(*SIZE) / 2 == pytest.approx(0.9, abs=0.02)


def _radial(edges: EdgeSamples) -> F64:
    return ((edges.place[:, 1:] - np.array(SIZE) / 2) * edges.normal).sum(axis=1) / (np.hypot(*SIZE) / 2)


@pytest.mark.parametrize("blur_px", [0.8, 1.4])
@pytest.mark.parametrize(("name", "within"), [("juggle", 0.05), ("uhaul", 0.12)])
def test_blur_put_on_a_real_plate_is_found(shared_data: Path, blur_px: float, name: str, within: float) -> None:
    """Spreads of independent blurs add in squares. On the street plate other edges nearby make it look sharper."""
    plate = linear_picture(shared_data / f"plates/{PLATES[name]}")
    before, _ = measure_edges(sights_of([plate]))
    after, _ = measure_edges(sights_of([cv2.GaussianBlur(plate, (0, 0), blur_px)]))
    assert before.value is not None and after.value is not None
    assert after.value.spread_px == pytest.approx(np.hypot(before.value.spread_px, blur_px), rel=within)


def test_a_fringe_put_on_a_real_plate_is_found(shared_data: Path) -> None:
    """The plate's own is taken off: the difference is what was put on."""
    plate = sceaux(shared_data)[600:1900]
    height, width = plate.shape[:2]
    corner = np.hypot(width, height) / 2
    found = []
    for put_on in (0.0, 0.8):
        k = 1 + put_on / corner
        move = np.array([[k, 0, (1 - k) * (width - 1) / 2], [0, k, (1 - k) * (height - 1) / 2]])
        red = cv2.warpAffine(
            plate[..., 0], move, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        found.append(measure_fringe(measure_edges(sights_of([np.dstack([red, plate[..., 1:]])]))[1], (width, height)))
    own = 1.0 if found[0].value is None else found[0].value.red
    assert found[1].value is not None
    assert (found[1].value.red - own) * corner == pytest.approx(0.8, abs=0.15)


def test_noise_is_not_taken_for_edges(shared_data: Path) -> None:
    """Crissy Field's grain is coarse: whatever is told there, is told with its error."""
    found, _ = measure_edges(sights_of([crissy(shared_data)]))
    assert found.value is None or found.residual > 0
