"""Grain: the plate's variance, spectrum and correlation, on what was generated, and the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from support.looks import flat, guides_of, laid_in

from composer.comp.look_apply import grain_key
from composer.comp.look_taps import grain_taps
from composer.comp.plate_look import Grain, PlateLook
from composer.comp.shade import Shade

SIZE = (192, 256)


def _kernel(sigma: float = 0.9, slant: float = 0.5, n: int = 7) -> np.ndarray:
    """Not separable: an oblong blob that lies aslant."""
    y, x = np.mgrid[-(n // 2) : n // 2 + 1, -(n // 2) : n // 2 + 1]
    blob = np.exp(-0.5 * (x**2 + y**2 - 2 * slant * x * y) / sigma**2)
    return blob / np.sqrt((blob**2).sum())


def _grain(kernel: np.ndarray | None = None, mix: np.ndarray | None = None) -> Grain:
    kernels = np.stack([_kernel() if kernel is None else kernel] * 3).astype(np.float32)
    level = np.array([0.0, 0.2, 1.0])
    variance = np.array([[1e-5, 1e-4, 9e-4], [1e-5, 2e-4, 8e-4], [4e-5, 3e-4, 2e-3]])
    return Grain(level, variance, kernels, np.eye(3) if mix is None else mix)


def _noise(
    grain: Grain, level: float = 0.2, cover: float = 1.0, frame: int = 1, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """What grain adds to a flat crowd on a flat plate of the same level."""
    guides = guides_of(([level] * 3, np.full(size, cover, np.float32), 20.0))
    plate = flat(size, (level, level, level))
    with_it, without = (laid_in(look, guides, plate, frame=frame) for look in (PlateLook(grain=grain), PlateLook()))
    return with_it.rgb.astype(np.float64) - without.rgb.astype(np.float64)


@pytest.mark.parametrize("level", [0.03, 0.2, 0.7])
def test_variance_is_the_plates_at_each_level(level: float) -> None:
    grain = _grain()
    found = _noise(grain, level).var(axis=(0, 1))
    expected = [np.interp(level, grain.level, row) for row in grain.variance]
    assert np.allclose(found, expected, rtol=0.06)  # 49,152 pixels, a few of them alike: 2 % is one sigma


def test_spectrum_is_the_kernels() -> None:
    kernel = _kernel()
    noise = _noise(_grain(kernel))[..., 1]
    power = np.zeros((32, 32))
    for y in range(0, SIZE[0] - 31, 16):
        for x in range(0, SIZE[1] - 31, 16):
            power += np.abs(np.fft.fft2(noise[y : y + 32, x : x + 32] * np.hanning(32)[:, None] * np.hanning(32))) ** 2
    expected = np.abs(np.fft.fft2(kernel, (32, 32))) ** 2
    power, expected = power / power.sum(), expected / expected.sum()
    assert np.corrcoef(power.ravel(), expected.ravel())[0, 1] > 0.97
    low = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)) < 0.15
    assert power[low].sum() == pytest.approx(expected[low].sum(), rel=0.1)


def test_channels_hang_together_as_told() -> None:
    correlation = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])
    noise = _noise(_grain(mix=np.linalg.cholesky(correlation))).reshape(-1, 3)
    assert np.allclose(np.corrcoef(noise.T), correlation, atol=0.05)


def test_every_frame_and_seed_has_its_own() -> None:
    first, second = _noise(_grain(), frame=1)[..., 0], _noise(_grain(), frame=2)[..., 0]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03
    assert np.array_equal(first, _noise(_grain(), frame=1)[..., 0])
    assert len({grain_key(s, f) for s in range(20) for f in range(1001, 1021)}) == 400


def test_the_edge_of_a_layer_has_as_much_as_the_rest() -> None:
    """Plate and layer both at one level: the plate's grain under half coverage, and ours, add up to the plate's."""
    cover, level = 0.5, 0.2
    grain = _grain()
    rng = np.random.default_rng(1)
    noise = np.sqrt([np.interp(level, grain.level, row) for row in grain.variance]) * rng.standard_normal((*SIZE, 3))
    plate = (level + noise).astype(np.float32)
    guides = guides_of(([level] * 3, np.full(SIZE, cover, np.float32), 20.0))
    result = laid_in(PlateLook(grain=grain), guides, plate)
    assert np.allclose(result.rgb.astype(np.float64).var(axis=(0, 1)), noise.var(axis=(0, 1)), rtol=0.06)


def test_none_of_it_on_the_plate_or_in_shadow() -> None:
    cover = np.zeros(SIZE, np.float32)
    cover[40:80, 60:120] = 1
    shadow = np.zeros(SIZE, np.float32)
    shadow[80:120, 60:120] = 0.5
    plate = np.random.default_rng(4).uniform(0, 1, (*SIZE, 3)).astype(np.float16).astype(np.float32)
    guides = guides_of(([0.2] * 3, cover, 20.0))
    with_it, without = (
        laid_in(look, guides, plate, shadow=Shade.grey(shadow)) for look in (PlateLook(grain=_grain()), PlateLook())
    )
    assert np.array_equal(with_it.rgb[cover == 0], without.rgb[cover == 0])
    assert (with_it.rgb[cover > 0] != without.rgb[cover > 0]).mean() > 0.9


def test_the_white_noise_is_counted_out_in_whole_numbers() -> None:
    """Against the same by Python's own integers, so that every machine has the same."""
    size = (4, 6)
    single = np.zeros((1, 1))
    single[0, 0] = 1
    grain = Grain(np.array([0.0]), np.ones((3, 1)), np.stack([single] * 3).astype(np.float32), np.eye(3))
    found = _noise(grain, 0.0, size=size)
    mask = (1 << 64) - 1

    def white(y: int, x: int, channel: int) -> float:
        z = (grain_key(3, 1) + (((y + 32768) << 34) | ((x + 32768) << 2) | channel)) & mask
        z = (z * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        return (sum(z.to_bytes(8, "little")) - 1020) / np.sqrt(8 * 65535 / 12)

    expected = np.array([[[white(y, x, c) for c in range(3)] for x in range(size[1])] for y in range(size[0])])
    assert np.array_equal(found.astype(np.float16), expected.astype(np.float32).astype(np.float16))


def test_the_kernel_is_kept_in_its_separable_parts() -> None:
    kernel = _kernel(n=9)
    taps = grain_taps(_grain(kernel))
    rebuilt = np.einsum("ric,rjc->cij", taps.down, taps.across)
    assert np.abs(rebuilt - kernel).max() < 0.02 * kernel.max()
    assert np.allclose((rebuilt**2).sum(axis=(1, 2)), 1.0, atol=1e-4)
    assert len(grain_taps(_grain(np.outer(*[np.exp(-(np.arange(-3, 4) ** 2))] * 2))).across) == 1
