"""Known grain on made and real pictures, and grain made from the model against the plate's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.looks import guides_of, laid_in
from support.plates import crissy, gaussian_kernel, grained, sights_of, uhaul

from composer.comp.measure.grain import measure_grain
from composer.comp.measure.patches import LAG, PATCH, autocovariance, cut, kept_share, without_surface
from composer.comp.plate_look import Grain, PlateLook

F64 = NDArray[np.float64]
WIDE = (PATCH * 14, PATCH * 14)
WHITE = np.stack([gaussian_kernel(0.01)] * 3)
SOFT = np.stack([gaussian_kernel(s) for s in (0.8, 0.7, 1.0)])
LEANING = np.linalg.cholesky(np.array([[1.0, 0.4, 0.3], [0.4, 1.0, 0.5], [0.3, 0.5, 1.0]]))


def _ramp(height: int = 400, width: int = 640) -> F64:
    """Smooth light from 0.02 to 1.2, and on its lower half grass: texture far stronger than grain."""
    x = np.geomspace(0.02, 1.2, width)
    rgb = np.repeat(np.repeat(x[None, :, None], height, axis=0), 3, axis=2) * np.array([1.0, 0.9, 0.8])
    texture = np.random.default_rng(5).lognormal(0.0, 0.35, (height // 2, width, 1))
    rgb[height // 2 :] *= texture
    return rgb


def _variance(rgb: F64, floor: float = 4e-6, slope: float = 3e-4) -> F64:
    return floor + slope * np.maximum(rgb, 0)


def test_what_a_patch_surface_takes_is_given_back() -> None:
    """Autocovariance of filtered noise: analytic, as the kernel's own correlation."""
    kernel = SOFT[0]
    noise = grained(np.zeros((512, 512, 3)), np.ones((512, 512, 3)), np.stack([kernel] * 3), np.eye(3), 3)
    found = autocovariance(without_surface(cut(noise)), np.ones(512 * 512 // PATCH**2))
    true = np.array([[(kernel * np.roll(kernel, (y, x), (0, 1))).sum() for x in range(3)] for y in range(3)])
    assert np.abs(found[LAG : LAG + 3, LAG : LAG + 3, 0, 0] - true).max() < 0.03
    assert np.abs(found[LAG, LAG] - np.eye(3)).max() < 0.03
    raw = (without_surface(cut(noise)) ** 2).mean()
    assert raw == pytest.approx(kept_share(found[..., 0, 0]), rel=0.02)
    assert raw < 0.93  # without the correction it would be this much too low


@pytest.mark.parametrize(("kernel", "mix"), [(WHITE, np.eye(3)), (SOFT, LEANING)], ids=["white", "soft and correlated"])
def test_known_grain_is_found_beside_texture(kernel: F64, mix: F64) -> None:
    clean = _ramp()
    found, samples = measure_grain(sights_of([grained(clean, _variance(clean), kernel, mix, 11)]))
    assert found.value is not None and samples is not None and found.confidence > 0.5
    for level in (0.06, 0.25, 0.7):
        measured = np.array([np.interp(level, found.value.level, v) for v in found.value.variance])
        assert np.abs(measured / _variance(np.array(level)) - 1).max() < 0.1, level
    assert np.abs(samples.correlation - mix @ mix.T).max() < 0.06
    assert (samples.place[:, 2] < 200).mean() > 0.95  # patches lie in the smooth half


def test_a_locked_camera_shows_grain_through_texture() -> None:
    clean = _ramp()
    clean[:200] = clean[200:]  # nothing is flat
    frames = [grained(clean, _variance(clean), SOFT, LEANING, seed) for seed in (1, 2, 3)]
    found, _ = measure_grain(sights_of(frames, locked=True))
    assert found.value is not None and "from one frame to the next" in found.notes[0]
    for level in (0.06, 0.25, 0.7):
        measured = np.interp(level, found.value.level, found.value.variance[1])
        assert measured == pytest.approx(_variance(np.array(level)), rel=0.1)


def test_only_texture_is_no_grain() -> None:
    rng = np.random.default_rng(9)
    rgb = np.geomspace(0.05, 0.5, 320)[None, :, None] * rng.lognormal(0, 0.4, (320, 320, 1)) * np.ones(3)
    found, _ = measure_grain(sights_of([rgb]))
    assert found.value is None and "texture" in found.notes[0]


def test_a_picture_without_grain_has_none() -> None:
    rgb = np.geomspace(0.05, 0.5, 320)[None, :, None] * np.ones((320, 1, 3))
    found, _ = measure_grain(sights_of([np.float32(rgb)]))
    assert found.value is None or found.value.variance.max() < 1e-9


@pytest.mark.parametrize(("read", "within"), [(crissy, 0.1), (uhaul, 0.15)], ids=["crissy", "uhaul"])
def test_grain_added_to_a_real_plate_adds_up(shared_data: Path, read, within) -> None:  # type: ignore[no-untyped-def]
    """Variances of independent noise add: what is found after less what was found before is what was put on."""
    plate = read(shared_data)
    before, _ = measure_grain(sights_of([plate]))
    slope = 4e-3 if read is crissy else 6e-4
    after, _ = measure_grain(sights_of([grained(plate, _variance(plate, 1e-5, slope), SOFT, LEANING, 4)]))
    assert before.value is not None and after.value is not None
    for level in np.percentile(after.value.level, [30, 50, 70]):
        for c in range(3):
            own = np.interp(level, before.value.level, before.value.variance[c])
            put_on = _variance(level, 1e-5, slope)
            measured = np.interp(level, after.value.level, after.value.variance[c])
            assert measured == pytest.approx(own + put_on, rel=within), (level, c)


@pytest.mark.parametrize("by", ["a plain synthesis", "the compositor"])
def test_grain_made_from_the_model_is_the_plates(shared_data: Path, by: str) -> None:
    """At three levels of a real sky: variance within 10 % of the plate's, and the same spectrum. The oracle is the plain
    variance and periodogram of patches beside their planes."""
    plate = crissy(shared_data)
    found, _ = measure_grain(sights_of([plate]))
    assert found.value is not None
    model = found.value
    sky = cut(plate[:192, :1216])
    means = sky.mean(axis=(1, 2))
    for share in (10, 50, 90):
        level = float(np.percentile(means, share))
        some = np.argsort(np.abs(means - level))[:120]
        mean = sky[some].mean(axis=(0, 1))
        made = cut(_synthesised(model, mean, share) if by == "a plain synthesis" else _composited(model, mean, share))
        ratio = _plain_variance(made) / _plain_variance(sky[some])
        assert np.abs(ratio - 1).max() < 0.1, (level, ratio)
        ours, plates = _rings(made), _rings(sky[some])
        assert np.abs(ours / plates - 1).mean() < 0.15
        assert np.corrcoef(ours.ravel(), plates.ravel())[0, 1] > 0.98


def _synthesised(model: Grain, rgb: F64, seed: int) -> F64:
    flat = np.broadcast_to(rgb, (*WIDE, 3))
    variance = np.stack([np.interp(flat[..., c], model.level, model.variance[c]) for c in range(3)], axis=-1)
    return grained(flat, variance, model.kernel.astype(np.float64), model.mix, seed)


def _composited(model: Grain, rgb: F64, frame: int) -> F64:
    """A crowd of one colour that fills the picture, with the grain that a frame gets."""
    guides = guides_of((rgb, np.ones(WIDE, np.float32), 20.0))
    plate = np.broadcast_to(rgb.astype(np.float32), (*WIDE, 3)).copy()
    return laid_in(PlateLook(grain=model), guides, plate, frame=frame).rgb.astype(np.float64)


def _beside_planes(patches: F64) -> F64:
    y, x = np.mgrid[:PATCH, :PATCH]
    a = np.stack([np.ones(PATCH**2), x.ravel(), y.ravel()], axis=1)
    flat = patches.transpose(1, 0, 2).reshape(PATCH**2, -1)
    rest = flat - a @ np.linalg.lstsq(a, flat, rcond=None)[0]
    return rest.reshape(PATCH**2, len(patches), 3).transpose(1, 0, 2)


def _plain_variance(patches: F64) -> F64:
    return np.median((_beside_planes(patches) ** 2).mean(axis=1), axis=0)


def _rings(patches: F64) -> F64:
    """Mean power [rings, 3] by spatial frequency, of unit total."""
    pictures = _beside_planes(patches).reshape(-1, PATCH, PATCH, 3)
    power = (np.abs(np.fft.fft2(pictures, axes=(1, 2))) ** 2).mean(axis=0)
    f = np.fft.fftfreq(PATCH)
    ring = np.round(np.hypot(*np.meshgrid(f, f)) * PATCH).astype(int)
    rings = np.stack([power[ring == r].mean(axis=0) for r in range(2, PATCH // 2 + 1)])
    return rings / rings.sum(axis=0)


def test_a_bright_sky_s_grain_does_not_lie_on_what_is_dark() -> None:
    """Shot noise seen on levels of 0.5 to 1.2 only: the table goes on down to black."""
    x = np.mgrid[:320, :480][1]
    sky = np.repeat((0.5 + 0.7 * x / 480)[..., None], 3, axis=-1)
    kernel = np.stack([gaussian_kernel(0.5)] * 3)
    found, _ = measure_grain(sights_of([grained(sky, 0.002 * sky, kernel, np.eye(3), 7)]))
    assert found.value is not None and found.value.level[0] == 0.0
    for level in (0.05, 0.2):
        at = [np.interp(level, found.value.level, row) for row in found.value.variance]
        assert at == pytest.approx(np.full(3, 0.002 * level), rel=0.5)


def test_dark_ground_with_a_weak_red_texture_is_left_out() -> None:
    """Half of the picture is darker ground whose red and green have a texture of their own, as strong as the grain."""
    y, x = np.mgrid[:480, :640]
    sky = 0.45 + 1.2 * x / 640
    level = np.where(y < 240, sky, 0.15 + 0.15 * x / 640)
    picture = np.repeat(level[..., None], 3, axis=-1)
    kernel = np.stack([gaussian_kernel(0.6)] * 3)
    texture = grained(np.zeros_like(picture), np.where(y < 240, 0.0, 6e-4)[..., None], kernel, np.eye(3), 3)
    picture = picture + texture * np.array([1.0, 0.4, 0.0])
    found, _ = measure_grain(sights_of([grained(picture, 0.0024 * picture, kernel, np.eye(3), 8)]))
    assert found.value is not None
    for level_of in (0.2, 0.6, 1.2):
        at = [np.interp(level_of, found.value.level, row) for row in found.value.variance]
        assert at == pytest.approx(np.full(3, 0.0024 * level_of), rel=0.3)
