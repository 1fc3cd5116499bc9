"""Defocus and motion blur: the right shape, the right order, and the picture that a lens and a shutter would see."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage, signal
from support.lens_truth import Take, plates, psnr
from support.looks import disc, flat, guides_of, laid_in

from composer.comp.look_iris import Circle, depth_slices, iris_spans
from composer.comp.plate_look import Optics, PlateLook

SIZE = (96, 128)
BLACK = flat(SIZE, (0, 0, 0))


def _rgba(look: PlateLook, *args: object, **more: object) -> np.ndarray:
    return laid_in(look, *args, **more).layers[-1].rgba.astype(np.float64)


def _iris_picture(radius: float, blades: int, turn_deg: float, fine: int = 16) -> np.ndarray:
    """The iris' coverage of pixels by many points in each, sum 1."""
    half = int(np.ceil(radius * 1.3)) + 1
    at = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    x, y = np.meshgrid(at, at)
    inside = x**2 + y**2 <= radius**2
    if blades:
        corner = radius * np.sqrt(2 * np.pi / (blades * np.sin(2 * np.pi / blades)))
        angle = np.radians(turn_deg) - np.pi / 2 + 2 * np.pi * (np.arange(blades) + 0.5) / blades
        inside = np.all([x * np.cos(a) + y * np.sin(a) <= corner * np.cos(np.pi / blades) for a in angle], axis=0)
    picture = inside.reshape(2 * half + 1, fine, -1, fine).mean(axis=(1, 3))
    return picture / picture.sum()


def test_the_circle_of_confusion_is_a_thin_lens() -> None:
    """Two rays through the rim of the lens, traced to the sensor."""
    f, n, focus, focal_px = 0.05, 2.0, 8.0, 2000.0
    circle = Circle.of(Optics(n, focus), f, focal_px)
    sensor = f * focus / (focus - f)
    for z in (3.0, 8.0, 15.0, 200.0):
        image = f * z / (z - f)
        rim = f / n / 2
        radius_m = rim * (sensor - image) / image  # similar triangles behind the lens
        pitch = f / focal_px
        assert circle.radius_px(np.array(z)) == pytest.approx(radius_m / pitch, rel=1e-6, abs=1e-9)
    assert Circle.of(Optics(n, np.inf), f, focal_px).radius_px(np.array(10.0)) == pytest.approx(
        -0.5 * focal_px * f / n / 10.0, rel=1e-4
    )


@pytest.mark.parametrize(("blades", "turn"), [(0, 0.0), (5, 10.0), (6, 0.0), (8, 33.0)])
def test_a_point_of_light_shows_the_iris(blades: int, turn: float) -> None:
    cover = np.zeros(SIZE, np.float32)
    cover[48, 64] = 1
    guides = guides_of(([1.0] * 3, cover, 40.0))
    look = PlateLook(optics=Optics(0.5, 10.0, blades, turn))
    radius = Circle.of(look.optics, 0.05, 1000.0).radius_px(np.array(40.0))
    iris = _iris_picture(float(radius), blades, turn)
    expected = signal.fftconvolve(cover, iris, mode="same")
    found = _rgba(look, guides, BLACK)[..., 3]
    assert np.abs(found - expected).sum() < 0.1  # rows are spans with two soft ends: the rim is a little softer
    assert found.sum() == pytest.approx(1.0, rel=0.01)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] - np.array([48.0, 64.0])[:, None, None]
    for moment in (x, y, x * x, y * y, x * y):
        assert (moment * found).sum() == pytest.approx((moment * expected).sum(), abs=0.1)


def test_a_polygon_has_the_circles_area() -> None:
    for blades in (0, 5, 6, 9):
        spans = iris_spans((7.3, 7.3), blades, 12.0, False)
        assert spans.area == pytest.approx(np.pi * 7.3**2, rel=0.01)
    wide = iris_spans((8.0, 4.0), 0, 0.0, False)
    assert wide.area == pytest.approx(np.pi * 32, rel=0.01) and wide.half < 6


def test_slices_hold_every_depth_once() -> None:
    depth = np.random.default_rng(1).uniform(4, 300, 5000).astype(np.float32)
    circle = Circle.of(Optics(0.5, 20.0), 0.05, 4000.0)
    slices = depth_slices(depth, circle)
    assert all(a[1] <= b[0] for a, b in pairwise(slices))
    assert sum(((depth >= near) & (depth < far)).sum() for near, far in slices) == len(depth)
    for near, far in slices:
        r = circle.radius_px(np.array([near, far]))
        assert abs(r[1] - r[0]) < max(1.0, 0.2 * np.abs(r).max()) + 0.2


def test_motion_blur_is_a_box_along_the_way() -> None:
    cover = np.zeros(SIZE, np.float32)
    cover[30:70, 50:80] = 1
    guides = guides_of(([0.5, 0.4, 0.3], cover, 20.0), motion=(20.0, 0.0))
    look = PlateLook(optics=Optics(shutter_deg=180, shutter_offset_deg=-90))
    expected = ndimage.uniform_filter1d(cover.astype(np.float64), 11, axis=1)
    assert np.abs(_rgba(look, guides, BLACK)[..., 3] - expected).max() < 0.06
    late = PlateLook(optics=Optics(shutter_deg=180, shutter_offset_deg=0))
    column = _rgba(late, guides, BLACK)[..., 3].sum(axis=0)
    assert (column * np.arange(SIZE[1])).sum() / column.sum() == pytest.approx(64.5 + 5, abs=0.1)


def test_what_is_far_and_soft_does_not_leak_onto_what_is_near_and_sharp() -> None:
    front = disc(SIZE, (48, 64), 20)
    guides = guides_of(([0.1, 0.1, 0.1], front, 10.0), ([0.9, 0.2, 0.2], np.ones(SIZE, np.float32), 60.0))
    rgba = _rgba(PlateLook(optics=Optics(0.5, 10.0)), guides, BLACK)
    sharp = front[..., None] * 0.1 + (1 - front[..., None]) * [0.9, 0.2, 0.2]
    assert np.allclose(rgba[..., :3], sharp, atol=5e-3)
    assert np.allclose(rgba[..., 3], 1, atol=2e-3)  # and between the two nothing shows through


def test_what_is_near_and_soft_lies_over_what_is_far_and_sharp() -> None:
    front, radius = disc(SIZE, (48, 64), 24), 0.0
    guides = guides_of(([0.1, 0.1, 0.1], front, 5.0), ([0.9, 0.2, 0.2], np.ones(SIZE, np.float32), 20.0))
    look = PlateLook(optics=Optics(1.0, 20.0))
    radius = abs(float(Circle.of(look.optics, 0.05, 1000.0).radius_px(np.array(5.0))))
    cover = signal.fftconvolve(front, _iris_picture(radius, 0, 0), mode="same")[..., None]
    rgba = _rgba(look, guides, BLACK)
    assert np.allclose(rgba[..., :3], cover * 0.1 + (1 - cover) * [0.9, 0.2, 0.2], atol=0.02)
    assert np.allclose(rgba[..., 3], 1, atol=5e-3)


def test_a_sharp_hill_in_front_keeps_its_line() -> None:
    """A depth holdout: nothing is spread over it, and the crowd reaches up to it as it did."""
    cover = np.ones(SIZE, np.float32)
    cover[60:] = 0
    ahead = np.full(SIZE, np.inf, np.float32)
    ahead[60:] = 12.0
    guides = guides_of(([0.5, 0.5, 0.5], cover, 60.0), motion=(0.0, 14.0))
    for optics in (Optics(0.5, 12.0), Optics(shutter_deg=180, shutter_offset_deg=-90)):
        alpha = _rgba(PlateLook(optics=optics), guides, BLACK, ahead_m=ahead)[..., 3]
        assert np.allclose(alpha, cover, atol=2e-3)


def test_the_border_of_the_picture_does_not_fade() -> None:
    guides = guides_of(([0.5, 0.5, 0.5], np.ones(SIZE, np.float32), 60.0), motion=(15.0, 9.0))
    for optics in (Optics(0.5, 10.0), Optics(shutter_deg=180, shutter_offset_deg=-90)):
        rgba = _rgba(PlateLook(optics=optics), guides, BLACK)
        assert np.allclose(rgba, [0.5, 0.5, 0.5, 1], atol=2e-3)


def test_what_is_sharp_and_still_stays_as_it_is() -> None:
    cover = disc(SIZE, (48, 64), 20)
    guides = guides_of(([0.5, 0.4, 0.3], cover, 10.0))
    rgba = _rgba(PlateLook(optics=Optics(2.0, 10.0, shutter_deg=180)), guides, BLACK)
    assert np.allclose(rgba[..., 3], cover, atol=1e-3)
    assert np.allclose(rgba[..., :3], cover[..., None] * [0.5, 0.4, 0.3], atol=1e-3)


CENTRED = {"shutter_deg": 180.0, "shutter_offset_deg": -90.0}
TAKES = {
    "focus near": (Take(Optics(0.2, 7.0)), 24.0),
    "focus far": (Take(Optics(0.2, 22.0)), 24.0),
    "walking": (Take(Optics(**CENTRED), walk_m=0.25), 22.0),
    "panning": (Take(Optics(**CENTRED), pan_deg=4.0, walk_m=0.1), 18.0),
    "both": (Take(Optics(0.5, 9.0, **CENTRED), walk_m=0.2, pan_deg=1.5), 21.0),
}


@pytest.mark.parametrize("name", TAKES)
def test_a_lens_and_a_shutter_by_brute_force_see_the_same(name: str) -> None:
    """32 views over lens and shutter, over a white, a dark and a striped plate, with nothing left out: what comes into sight
    behind a figure counts too. Unblurred, the worst of them is below the second figure."""
    take, without = TAKES[name]
    truth, ours = take.truth(32), take.ours()
    guides = take.guides((-1.0, 0.0, 1.0))
    plain = guides.beauty.astype(np.float64), guides.coverage.astype(np.float64)
    touched = (truth[1] > 0) | (ours[1] > 0)
    found = min(psnr(ours, truth, plate, touched) for plate in plates(take.size))
    before = min(psnr(plain, truth, plate, touched) for plate in plates(take.size))
    assert found > 34.5, f"{found:.1f} dB"
    assert before < without
