"""World-locked noise: its statistics over many draws, and that it stays where it belongs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import warp as wp
from numpy.typing import NDArray
from scipy import stats
from support import soldiers

from composer.errors import InputError
from composer.guides.surface import AGENT, Surface
from composer.inference import kernel_noise
from composer.inference.noise import ScreenNoise, WorldNoise, normal_table, taps
from composer.inference.request import Part

F32 = NDArray[np.float32]
FACTOR = 8
GRID = (27, 48)


@lru_cache(maxsize=8)
def still(count: int = 60) -> Surface:
    return soldiers.surface(soldiers.crowd(count), soldiers.view())


def world(surfaces: dict[int, Surface] | Surface, seed: int = 5) -> WorldNoise:
    return WorldNoise(surfaces.__getitem__ if isinstance(surfaces, dict) else lambda _: surfaces, seed)


@lru_cache(maxsize=1)
def draws() -> F32:
    """float32 [960, h, w]: 960 independent draws of one frame."""
    noise = world(still())
    return np.concatenate([noise.latents(0, 16, GRID, FACTOR, f"step {k}") for k in range(60)])


def test_the_generator_gives_its_known_answers() -> None:
    """Philox 4x32-10, from the Random123 distribution's kat_vectors."""
    ones, pi = [0xFFFFFFFF] * 6, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0]
    out = wp.empty(3, dtype=wp.vec4ui, device="cpu")
    words = wp.array(np.array([[0] * 6, ones, pi], np.uint32), dtype=wp.uint32, device="cpu")
    wp.launch(kernel_noise.philox_kernel, dim=3, device="cpu", inputs=[words, out])
    assert out.numpy().tolist() == [
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ]


def test_the_table_is_normal() -> None:
    table = normal_table() / 65536.0
    assert abs(table.mean()) < 1e-6 and abs(table.var() - 1) < 1e-5
    assert abs(stats.kurtosis(table)) < 0.01
    probability = (np.arange(65536) + 0.5) / 65536
    assert np.abs(stats.norm.cdf(table) - probability).max() < 1e-4


def test_taps_keep_what_is_constant() -> None:
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(taps(t).sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(taps(t) @ [-1.0, 0.0, 1.0, 2.0], t, atol=1e-6)  # and what is linear


def test_mean_variance_and_shape() -> None:
    """Over the picture: n = 960 * 1296 draws, so a mean is off by 9e-4 or less, a kurtosis by 4.4e-3 (one sigma). In each
    latent: 960 draws; the worst of 1296 of them lies within five sigma."""
    z = draws().astype(np.float64)
    assert abs(z.mean()) < 5 * 9e-4
    assert abs(z.var() - 1) < 5e-3
    assert abs((z**4).mean() / z.var() ** 2 - 3) < 0.03
    assert abs((z**3).mean()) < 0.02
    assert np.abs(z.mean(0)).max() < 5 / np.sqrt(960)
    assert np.abs(z.var(0) - 1).max() < 5.5 * np.sqrt(2 / 960)
    assert stats.kstest(z.ravel()[::37], "norm").pvalue > 1e-4
    assert np.abs(z).max() > 4.3


@pytest.mark.parametrize("lag", [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, 3), (3, 0), (0, 7), (5, 0)])
def test_neighbours_are_not_correlated(lag: tuple[int, int]) -> None:
    """In the mean over all pairs within 0.005, and no pair of its own beyond five and a half sigma."""
    z = draws()
    dy, dx = lag
    a = z[:, dy:, max(dx, 0) : z.shape[2] + min(dx, 0)]
    b = z[:, : z.shape[1] - dy, max(-dx, 0) : z.shape[2] - max(dx, 0)]
    pairs = (a * b).mean(0)
    assert abs(pairs.mean()) < 0.005
    assert np.abs(pairs).max() < 5.5 / np.sqrt(len(z))


def test_channels_and_purposes_are_independent() -> None:
    noise = world(still())
    z = np.concatenate([noise.latents(0, 16, GRID, FACTOR, p) for p in ("initial", "step 1")]).reshape(32, -1)
    off = np.corrcoef(z) - np.eye(32)
    assert np.abs(off).max() < 5.5 / np.sqrt(z.shape[1])
    assert np.abs(np.corrcoef(z[0], world(still(), 6).latents(0, 4, GRID, FACTOR, "initial")[0].ravel())[0, 1]) < 0.15
    few = noise.latents(0, 3, GRID, FACTOR, "initial")
    np.testing.assert_array_equal(few, z[:3].reshape(3, *GRID))


def along_motion(z0: F32, z1: F32, frame: Surface) -> float:
    """Correlation of latents whose middle moved, with the nearest latent of where it was; agents and ground."""
    h, w = z0.shape[1:]
    middle = (slice(FACTOR // 2, None, FACTOR), slice(FACTOR // 2, None, FACTOR))
    assert frame.before_px is not None
    was = frame.before_px[middle][:h, :w, 0] / FACTOR - 0.5
    i, j = np.round(was[..., 0]), np.round(was[..., 1])
    ok = np.isfinite(i) & (i >= 0) & (j >= 0) & (i < w) & (j < h) & (frame.kind[middle][:h, :w, 0] > 0)
    return float((z0[:, j[ok].astype(int), i[ok].astype(int)] * z1[:, ok]).mean())


def test_it_moves_with_what_the_camera_sees() -> None:
    """A pan of about two latents: by far most of the noise is carried along; the screen's has nothing in common."""
    pan = 2.6
    a, b = soldiers.view(), soldiers.view(pan_deg=pan)
    before, after = soldiers.surface(soldiers.crowd(), a), soldiers.surface(soldiers.crowd(), b, past=a)
    assert after.before_px is not None
    assert 12 < np.abs(np.nanmedian(after.before_px[..., 0, 0] - np.arange(384) - 0.4)) < 22
    noise = world({0: before, 1: after})
    z0, z1 = (noise.latents(k, 16, GRID, FACTOR, "initial") for k in (0, 1))
    assert along_motion(z0, z1, after) > 0.6
    s0, s1 = (ScreenNoise(5).latents(k, 16, GRID, FACTOR, "initial") for k in (0, 1))
    assert abs(along_motion(s0, s1, after)) < 0.05


def test_a_soldier_takes_his_noise_with_him() -> None:
    """One near soldier walks two latents to the right before a standing camera; what lies well away from him stays."""
    at, far_m = soldiers.view(), 6.0
    step_m = 2 * FACTOR * float(np.hypot(far_m, 2.1)) / at.focal_px[0]
    surfaces = {}
    for frame in (0, 1):
        one = soldiers.crowd(1)
        place = np.broadcast_to(np.array([-1.0 + step_m * frame, 0.0, -far_m], np.float32), (3, 1, 3))
        surfaces[frame] = soldiers.surface(replace(one, position_m=place.copy()), at)
    noise = world(surfaces)
    z0, z1 = (noise.latents(k, 64, GRID, FACTOR, "initial") for k in (0, 1))
    share = (surfaces[0].kind == AGENT).mean(-1).reshape(GRID[0], FACTOR, GRID[1], FACTOR).mean((1, 3))
    j, i = np.nonzero(share > 0.95)
    assert len(i) >= 20
    assert (z0[:, j, i] * z1[:, j, i + 2]).mean() > 0.75
    away = np.arange(GRID[1]) > i.max() + 12
    assert away.sum() > 8
    assert np.abs(z0[:, :, away] - z1[:, :, away]).max() < 0.01


def test_counts_nest() -> None:
    """Sixty soldiers more: those who are seen as before keep most of their noise."""
    few, many = still(40), still(100)
    same = ((few.agent_id == many.agent_id) & (few.kind == AGENT)).mean(-1)
    share = same.reshape(GRID[0], FACTOR, GRID[1], FACTOR).mean((1, 3))
    a, b = (world(s).latents(0, 32, GRID, FACTOR, "initial") for s in (few, many))
    kept = share > 0.95
    assert kept.sum() > 5
    assert (a[:, kept] * b[:, kept]).mean() > 0.85


def test_order_and_threads_do_not_matter() -> None:
    surfaces = {k: soldiers.surface(soldiers.crowd(), soldiers.view(pan_deg=0.7 * k)) for k in range(4)}
    one = world(surfaces)
    forth = [one.latents(k, 4, GRID, FACTOR, "initial") for k in range(4)]
    other = WorldNoise(surfaces.__getitem__, 5, threads=1)
    back = [other.latents(k, 4, GRID, FACTOR, "initial") for k in (3, 1, 0, 2, 3)]
    for k, got in zip((3, 1, 0, 2, 3), back, strict=True):
        np.testing.assert_array_equal(got, forth[k])
    assert not np.array_equal(forth[0], forth[1])


def test_padding_past_the_plate() -> None:
    """Past the plate there is the screen's noise; far inside nothing changes."""
    z = world(still()).latents(0, 4, GRID, FACTOR, "initial")
    wide = world(still()).latents(0, 4, (GRID[0] + 9, GRID[1] + 5), FACTOR, "initial")
    assert wide.shape == (4, 36, 53) and abs(wide[:, 29:].var() - 1) < 0.1
    assert np.abs(wide[:, : GRID[0], : GRID[1]] - z).max() < 2.0
    assert np.abs(wide[:, :10, :20] - z[:, :10, :20]).max() < 1e-3


def test_a_part_of_the_picture() -> None:
    """The noise of a part is what it is within the whole; what is not asked for is still noise."""
    whole = world(still()).latents(0, 16, GRID, FACTOR, "initial")
    part = world(still()).latents(0, 16, (14, 20), FACTOR, "initial", Part((9, 15)))
    np.testing.assert_allclose(part, whole[:, 9:23, 15:35], atol=0.02)
    where = np.zeros(GRID, bool)
    where[8:20, 10:30] = True
    few = world(still()).latents(0, 16, GRID, FACTOR, "initial", Part(where=where))
    np.testing.assert_allclose(few[:, where], whole[:, where], atol=0.02)
    assert np.abs(few - whole)[:, :, 40:].max() > 1
    none = world(still()).latents(0, 16, GRID, FACTOR, "initial", Part(where=np.zeros(GRID, bool)))
    assert abs(none.var() - 1) < 0.05
    draws = np.concatenate(
        [world(still()).latents(0, 16, GRID, FACTOR, f"step {k}", Part(where=where)) for k in range(8)]
    )
    assert abs(draws.var() - 1) < 0.02 and abs(draws[:, ~where].var() - 1) < 0.02
    screen = ScreenNoise(5).latents(0, 16, GRID, FACTOR, "initial")
    np.testing.assert_array_equal(
        ScreenNoise(5).latents(0, 16, (5, 7), FACTOR, "initial", Part((3, 4))), screen[:, 3:8, 4:11]
    )


def test_of_a_part_only_its_rows_are_looked_at() -> None:
    asked, whole = [], world(still()).latents(0, 4, GRID, FACTOR, "initial")

    def rows_of(frame: int, rows: tuple[int, int]) -> Surface:
        asked.append(rows)
        blank = replace(still(), kind=np.full_like(still().kind, AGENT), agent_id=np.zeros_like(still().agent_id))
        for name in ("kind", "agent_id"):
            getattr(blank, name)[slice(*rows)] = getattr(still(), name)[slice(*rows)]
        return blank

    noise = WorldNoise(lambda _: still(), 5, rows_of=rows_of)
    np.testing.assert_array_equal(noise.latents(0, 4, GRID, FACTOR, "initial"), whole)
    part = noise.latents(0, 4, (10, 20), FACTOR, "initial", Part((9, 15)))
    np.testing.assert_allclose(part, whole[:, 9:19, 15:35], atol=0.02)
    assert asked == [(24, 200)]


def test_what_was_seen_of_one_part_is_not_taken_for_another() -> None:
    noise, where = world(still()), np.zeros(GRID, bool)
    where[:5] = True
    some = noise.latents(0, 4, GRID, FACTOR, "initial", Part(where=where))
    assert not np.array_equal(some, noise.latents(0, 4, GRID, FACTOR, "initial"))
    np.testing.assert_array_equal(some, noise.latents(0, 4, GRID, FACTOR, "initial", Part(where=where)))


def test_small_latents() -> None:
    """Latents of two pixels, as of a pixel-unshuffle codec."""
    s = soldiers.surface(soldiers.crowd(), soldiers.view(), samples=16)
    noise = world(s)
    z = np.concatenate([noise.latents(0, 16, (108, 192), 2, f"step {k}") for k in range(3)])
    assert abs(z.var() - 1) < 5e-3 and abs(z.mean()) < 5e-3
    for a, b in ((z[:, 1:], z[:, :-1]), (z[:, :, 1:], z[:, :, :-1])):
        assert abs((a * b).mean()) < 0.005


def test_screen_noise() -> None:
    z = ScreenNoise(3).latents(7, 16, (64, 64), 8, "initial")
    np.testing.assert_array_equal(z, ScreenNoise(3).latents(8, 16, (64, 64), 8, "initial"))
    np.testing.assert_array_equal(z[:4, :9, :11], ScreenNoise(3).latents(7, 4, (9, 11), 8, "initial"))
    assert abs(z.mean()) < 0.02 and abs(z.var() - 1) < 0.03
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < 0.02
    assert abs((z * ScreenNoise(4).latents(7, 16, (64, 64), 8, "initial")).mean()) < 0.02


def test_what_is_no_shape_is_refused() -> None:
    with pytest.raises(InputError, match="noise of that shape"):
        ScreenNoise(0).latents(0, 0, (4, 4), 8, "initial")


@pytest.mark.gpu
def test_cuda_gives_the_same() -> None:
    """Of one surface: cells' values are the same bits; sums of floats differ by their rounding."""
    on_cpu, on_gpu = (
        WorldNoise(lambda _: still(), 5, d).latents(0, 16, GRID, FACTOR, "initial") for d in ("cpu", "cuda")
    )
    assert np.abs(on_cpu - on_gpu).max() < 1e-4
    screens = [ScreenNoise(5, d).latents(0, 16, GRID, FACTOR, "initial") for d in ("cpu", "cuda")]
    np.testing.assert_array_equal(*screens)
