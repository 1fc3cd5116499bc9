"""Smoke, dust and fog against closed forms, against SciPy's integrals, and against what must not change them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import RegularGridInterpolator
from support.empty import nobody

from composer.camera.camera import View
from composer.environment.feet import Raised
from composer.environment.volumes import Bank, Feet, Fog, Plume, Volumes
from composer.guides.air import AirPasses, AirSetting, air_passes, plate_depth
from composer.guides.clouds import Clouds, clouds_of
from composer.guides.device import Pool
from composer.guides.kernel_cloud import REACH
from composer.guides.passes import Holdout, Samples
from composer.guides.under import sun_taken

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
WHITE = (0.9, 0.9, 0.9)
PLUME = Plume("p", np.array([1.0, 0.0, -14.0]), 9.0, 0.8, 0.2, 2.0, (0.8, 0.1), 1.2, WHITE, 0.4, 60.0, 77)
SQUARE = np.array([[-6.0, -8.0], [6.0, -8.0], [6.0, -20.0], [-6.0, -20.0]])
BANK = Bank("b", SQUARE, 1.0, 2.0, 0.3, 0.8, (1.0, 0.5), WHITE, 0.3, 5)
FEET = Feet(1.0, 0.9, 3.0, (0.5, 0.0), WHITE, 0.3, 3)


def flat(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.zeros(np.shape(x))


def hills(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return 0.4 * np.sin(0.4 * x) + 0.05 * z


def volumes(*parts: object, **more: object) -> Volumes:
    plumes = tuple(p for p in parts if isinstance(p, Plume))
    banks = tuple(p for p in parts if isinstance(p, Bank))
    fog = next((p for p in parts if isinstance(p, Fog)), None)
    feet = next((p for p in parts if isinstance(p, Feet)), None)
    return Volumes(plumes, banks, fog, feet, 1, 24.0, np.array([0.0, 1.8, 0.0]))


def seen(
    kit, view: View, *parts: object, depth: np.ndarray | float = np.inf, raised: Raised | None = None, **more
) -> AirPasses:  # type: ignore[no-untyped-def]
    guides = more.pop("guides", None) or nobody(view)
    height_at = more.pop("height_at", flat)
    behind = np.full(view.size_px[::-1], depth, np.float32) if np.ndim(depth) == 0 else depth
    setting = AirSetting(volumes(*parts), raised, view, more.pop("light", kit.LIGHT), height_at)
    return air_passes(setting, guides, guides.beauty, None, behind, more.pop("mattes", ()), **more)


def grids(kit, view: View, *parts: object, raised: Raised | None = None, height_at=flat) -> Clouds:  # type: ignore[no-untyped-def]
    pool = Pool("cpu", 1)
    return clouds_of(volumes(*parts), raised, view, view.frame, height_at, kit.LIGHT.sun_direction, pool, "cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_a_homogeneous_slab_is_the_closed_form(kit, device: str) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(64, 36))
    even = Fog(0.03, 0.0, 1e7, 0.0, 50.0, (0, 0), WHITE, 0.0, 1)
    for far in (5.0, 33.3, 120.0):
        air = seen(kit, view, even, depth=far, device=device)
        px = np.stack(np.meshgrid(np.arange(64) + 0.5, np.arange(36) + 0.5), -1)
        size = np.linalg.norm(view.rays(px), axis=-1)
        assert np.allclose(air.back[..., 3], np.exp(-0.03 * far * size), atol=2e-4)


def test_fog_that_thins_out_upwards_is_its_integral(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(48, 27), height=5.0, tilt_deg=-4)
    fog = Fog(0.05, 1.0, 3.0, 0.0, 50.0, (0, 0), WHITE, 0.0, 1)
    air = seen(kit, view, fog, depth=70.0)
    for x, y in ((5, 3), (20, 14), (40, 25)):
        ray = view.rays(np.array([x + 0.5, y + 0.5]))
        size = np.linalg.norm(ray)
        depth = quad(lambda t, r=ray: 0.05 * np.exp(-(5.0 + r[1] * t - 1.0) / 3.0), 0, 70, limit=200)[0] * size
        assert air.back[y, x, 3] == pytest.approx(np.exp(-depth), abs=2e-3)


def _field(clouds: Clouds, shape: tuple[int, int, int]) -> RegularGridInterpolator:
    """Density over grid places (level, z, x), by SciPy."""
    grid = clouds.pools.density.numpy()[: int(np.prod(shape))].reshape(shape)
    return RegularGridInterpolator([np.arange(n) for n in shape], grid, bounds_error=False, fill_value=0.0)


def _along(view: View, px: tuple[int, int], density, far: float) -> float:  # type: ignore[no-untyped-def]
    """Optical depth of a pixel's ray by fine numeric integration."""
    ray = view.rays(np.array([px[0] + 0.5, px[1] + 0.5]))
    t = np.linspace(0, far, 6001)
    return float(np.trapezoid(density(view.position_m + t[:, None] * ray), t) * np.linalg.norm(ray))


@pytest.mark.parametrize("lens", [False, True])
def test_a_column_is_the_integral_over_its_own_grid(kit, lens: bool) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54), tilt_deg=4.0, lens=kit.Radial() if lens else None)
    density = _column(grids(kit, view, PLUME))
    for far in (np.inf, 14.2):
        air = seen(kit, view, PLUME, depth=far)
        left = 1 - air.back[..., 3]
        assert left.max() > 0.6 and (left == 0).mean() > 0.3
        rows, columns = np.nonzero(left > 0.05)
        for k in np.linspace(0, len(rows) - 1, 25).astype(int):
            y, x = int(rows[k]), int(columns[k])
            want = 1 - np.exp(-_along(view, (x, y), density, min(far, 40.0)))
            assert left[y, x] == pytest.approx(want, abs=0.02)


def _column(clouds: Clouds):  # type: ignore[no-untyped-def]
    """PLUME's density at places [N, 3], by SciPy over its grid."""
    c = clouds.clouds.numpy()[0]
    field = _field(clouds, (int(c["ny"]), int(c["nz"]), int(c["nx"])))

    def density(p: np.ndarray) -> np.ndarray:
        q = p - PLUME.foot_m
        up = np.clip(q[:, 1], 0, PLUME.height_m)
        age = up / PLUME.rise_m_s * (1 + 0.5 * up / PLUME.height_m)
        radius = PLUME.radius_m + PLUME.spread * (up + 0.5 * np.hypot(*PLUME.wind_m_s) * age)
        x, z = (
            ((q[:, k] - w * age) / (2 * REACH * radius) + 0.5)
            for k, w in ((0, PLUME.wind_m_s[0]), (2, PLUME.wind_m_s[1]))
        )
        at = np.stack(
            [np.sqrt(up / PLUME.height_m) * (int(c["ny"]) - 1), z * (int(c["nz"]) - 1), x * (int(c["nx"]) - 1)], 1
        )
        return np.where((q[:, 1] >= 0) & (q[:, 1] <= PLUME.height_m), field(at), 0)

    return density


@pytest.mark.parametrize("device", DEVICES)
def test_the_shadow_of_a_column_is_the_integral_towards_the_sun(kit, device: str) -> None:  # type: ignore[no-untyped-def]
    """On level ground; what is scattered forwards is not missing there."""
    view = kit.view(size=(96, 54), height=2.5, tilt_deg=-8)
    px = np.stack(np.meshgrid(np.arange(96) + 0.5, np.arange(54) + 0.5), -1)
    rays = view.rays(px)
    with np.errstate(divide="ignore"):
        ground = np.where(rays[..., 1] < -1e-3, -2.5 / rays[..., 1], np.inf).astype(np.float32)
    setting = AirSetting(volumes(PLUME), None, view, kit.LIGHT, flat)
    taken = sun_taken(setting.clouds(device), view, setting.toward, ground, device=device)
    density, along = _column(grids(kit, view, PLUME)), np.linspace(0, 60, 9001)
    assert taken.max() > 0.3 and (taken == 0).mean() > 0.3 and (taken[~np.isfinite(ground)] == 0).all()
    rows, columns = np.nonzero(np.isfinite(ground) & (ground < 60))
    for k in np.linspace(0, len(rows) - 1, 60).astype(int):
        y, x = int(rows[k]), int(columns[k])
        foot = view.position_m + rays[y, x] * ground[y, x]
        depth = np.trapezoid(density(foot + along[:, None] * setting.toward), along)
        want = 1 - np.exp(-depth * (1 - 0.9 * PLUME.forward))
        assert taken[y, x] == pytest.approx(want, abs=0.025)


def test_without_volumes_the_sun_is_whole(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(32, 18))
    fog = Fog(0.03, 0.0, 1e7, 0.0, 50.0, (0, 0), WHITE, 0.0, 1)
    setting = AirSetting(volumes(fog), None, view, kit.LIGHT, flat)
    assert not sun_taken(setting.clouds(), view, setting.toward, np.full((18, 32), 9.0, np.float32)).any()


def test_a_bank_over_hills_is_the_integral_over_its_own_grid(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54), height=2.5)
    clouds = grids(kit, view, BANK, height_at=hills)
    c = clouds.clouds.numpy()[0]
    field = _field(clouds, (int(c["ny"]), int(c["nz"]), int(c["nx"])))
    corner = view.position_m + np.array(list(c["origin"]), float)

    def density(p: np.ndarray) -> np.ndarray:
        up = np.maximum(p[:, 1] - hills(p[:, 0], p[:, 2]), 0) / c["top"]
        at = [
            np.sqrt(np.minimum(up, 1)) * (c["ny"] - 1),
            (p[:, 2] - corner[2]) / c["cell"],
            (p[:, 0] - corner[0]) / c["cell"],
        ]
        return np.where(up <= 1, field(np.stack(at, 1)), 0)

    t = np.linspace(0, 30, 1501)
    px = np.stack(np.meshgrid(np.arange(96) + 0.5, np.arange(54) + 0.5), -1)
    p = view.position_m + view.rays(px)[..., None, :] * t[:, None]
    under = p[..., 1] < hills(p[..., 0], p[..., 2])
    ground = np.where(under.any(-1), t[under.argmax(-1)], 30.0).astype(np.float32)
    air = seen(kit, view, BANK, depth=ground, height_at=hills)
    left = 1 - air.back[..., 3]
    assert left.max() > 0.5
    rows, columns = np.nonzero(left > 0.05)
    for k in np.linspace(0, len(rows) - 1, 25).astype(int):
        y, x = int(rows[k]), int(columns[k])
        assert left[y, x] == pytest.approx(1 - np.exp(-_along(view, (x, y), density, float(ground[y, x]))), abs=0.025)


def test_light_of_an_even_fog_is_its_source_times_what_it_hides(kit) -> None:  # type: ignore[no-untyped-def]
    """Without patches and without phase every step has the same source, so that the whole is in closed form."""
    view = kit.view(size=(32, 18))
    even = Fog(0.02, -1e6, 1e9, 0.0, 50.0, (0, 0), (0.5, 0.4, 0.3), 0.0, 1)
    dark = replace(kit.LIGHT, sun=(0.0, 0.0, 0.0), sky=(0.0, 0.0, 0.0))
    air = seen(kit, view, even, depth=40.0, light=dark)
    want = (1 - air.back[..., 3:]) * np.array([0.5, 0.4, 0.3]) * np.array(dark.bounce) * 0.35
    assert np.allclose(air.back[..., :3], want, rtol=2e-3, atol=1e-6)


def test_it_adds_no_more_than_there_is(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54), tilt_deg=2.0)
    thick = replace(PLUME, extinction_per_m=9.0, forward=0.0, albedo=(1.0, 1.0, 1.0))
    air = seen(kit, view, thick, BANK, Fog(0.01, 0.0, 4.0, 0.5, 20.0, (1, 0), WHITE, 0.0, 1))
    assert np.isfinite(air.back).all() and (air.back >= 0).all() and (air.back[..., 3] <= 1).all()
    # a grain that throws back everything shows no more than a white surface in the same light
    white = np.array(kit.LIGHT.sun) + np.array(kit.LIGHT.sky) + np.array(kit.LIGHT.bounce)
    assert (air.back[..., :3] <= (1 - air.back[..., 3:]) * white + 1e-6).all()
    assert air.back[..., :3].max() > 0.1


def test_the_side_towards_the_sun_is_lighter(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54), tilt_deg=6.0)
    thick = replace(PLUME, extinction_per_m=6.0, wind_m_s=(0.0, 0.0), forward=0.0)
    low = replace(kit.LIGHT, sun_direction=(1.0, 0.15, 0.0), sky=(0.0, 0.0, 0.0), bounce=(0.0, 0.0, 0.0))
    air = seen(kit, view, thick, light=low)
    solid = air.back[..., 3] < 0.4
    light = np.where(solid, air.back[..., 0] / (1 - air.back[..., 3]).clip(1e-3), np.nan)
    rows = np.flatnonzero(solid.sum(1) > 5)
    left = [np.nanmean(light[r, np.flatnonzero(solid[r])[:2]]) for r in rows]
    right = [np.nanmean(light[r, np.flatnonzero(solid[r])[-2:]]) for r in rows]
    assert len(rows) > 5 and np.mean(right) > 1.4 * np.mean(left)


@pytest.mark.parametrize("part", [PLUME, BANK], ids=["smoke", "dust"])
def test_its_pattern_stays_in_the_world_and_moves_with_time(kit, part: object) -> None:  # type: ignore[no-untyped-def]
    here, aside = kit.view(frame=40), kit.view(frame=40, x=3.7, height=2.9)
    later = kit.view(frame=44)
    a, b, c = (grids(kit, v, part, height_at=hills).pools.density.numpy() for v in (here, aside, later))
    assert a.max() > 0 and np.array_equal(a, b)
    assert 0.02 < np.abs(a - c).max() / a.max() < 1.2


def test_smoke_is_carried_by_its_wind(kit) -> None:  # type: ignore[no-untyped-def]
    """After dt everything of a bank lies where the wind has brought it (its drift in the noise is the wind's own)."""
    wide = replace(BANK, outline_m=SQUARE * [6, 1] + [0, -4], soft_m=0.5, wind_m_s=(0.0, 0.0), patches=1.0)
    cell = float(grids(kit, kit.view(frame=1), wide).clouds.numpy()[0]["cell"])
    wide = replace(wide, wind_m_s=(4.0 * cell, 0.0))
    clouds = [grids(kit, kit.view(frame=f), wide) for f in (1, 1 + 24)]
    c = clouds[0].clouds.numpy()[0]
    shape = (int(c["ny"]), int(c["nz"]), int(c["nx"]))
    old, new = (x.pools.density.numpy()[: int(np.prod(shape))].reshape(shape)[2] for x in clouds)

    def match(n: int) -> float:
        return float(np.corrcoef(old[4:-4, 8:-16].ravel(), new[4:-4, 8 + n : n - 16 or None].ravel())[0, 1])

    assert match(4) > 0.6 and match(4) > match(0) + 0.15


def test_a_frame_is_a_function_of_its_number(kit) -> None:  # type: ignore[no-untyped-def]
    views = {f: kit.view(frame=f, size=(80, 45)) for f in (30, 33)}
    first = {f: seen(kit, views[f], PLUME, BANK, threads=1) for f in (30, 33)}
    again = {f: seen(kit, views[f], PLUME, BANK, threads=3) for f in (33, 30)}
    for f in (30, 33):
        assert np.array_equal(first[f].back, again[f].back)
    assert not np.array_equal(first[30].back, first[33].back)


def test_where_there_is_no_volume_nothing_changes(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54), tilt_deg=4.0)
    air = seen(kit, view, PLUME)
    out = air.back[..., 3] == 1
    assert 0.2 < out.mean() < 0.95 and (air.back[out][:, :3] == 0).all()
    before = seen(kit, view, PLUME, depth=6.0)  # all of it lies behind what the plate shows
    assert (before.back == np.array([0, 0, 0, 1])).all()


def test_people_before_within_and_behind_smoke(kit) -> None:  # type: ignore[no-untyped-def]
    """Each of two soldiers behind one pixel goes through the air before himself."""
    view = kit.view(size=(64, 36), tilt_deg=6.0)
    guides = nobody(view)
    n = 64 * 36
    depth = np.tile(np.array([6.0, 14.0, 30.0], np.float32), n)
    share = np.tile(np.array([0.3, 0.3, 0.4], np.float32), n)
    rgb = share[:, None] * np.tile(np.eye(3, dtype=np.float32), (n, 1))
    samples = Samples(np.arange(n + 1) * 3, np.ones(3 * n, np.uint32), share, depth, rgb)
    whole = np.tile(np.array([0.3, 0.3, 0.4], np.float32), (36, 64, 1))
    crowd = replace(guides, samples=samples, coverage=np.ones((36, 64), np.float32), beauty=whole)
    air = seen(kit, view, PLUME, guides=crowd)
    to = [seen(kit, view, PLUME, depth=float(d)).back for d in (6, 14, 30)]
    assert np.array_equal(air.crowd[..., 0], whole[..., 0])
    for k, channel in ((1, 1), (2, 2)):
        assert np.allclose(air.crowd[..., channel], whole[..., channel] * to[k][..., 3], atol=0.03)  # in mid-step
    assert np.allclose(air.front, 0.3 * to[1][..., :3] + 0.4 * to[2][..., :3], atol=0.02)
    assert to[2][..., 3].min() < to[1][..., 3].min() - 0.05 < 0.9


def test_a_painted_picture_of_the_crowd_fades_as_its_guides_do(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(64, 36), tilt_deg=6.0)
    n = 64 * 36
    samples = Samples(
        np.arange(n + 1),
        np.ones(n, np.uint32),
        np.ones(n, np.float32),
        np.full(n, 30.0, np.float32),
        np.full((n, 3), 0.2, np.float32),
    )
    painted = np.full((36, 64, 3), 0.7, np.float32)
    crowd = replace(nobody(view), samples=samples, coverage=np.ones((36, 64), np.float32), beauty=painted)
    air = seen(kit, view, PLUME, guides=crowd)
    assert np.allclose(air.crowd, painted * seen(kit, view, PLUME, depth=30.0).back[..., 3:], atol=1e-6)


def test_an_edge_in_depth_is_as_sharp_as_the_picture_although_rays_are_few(kit) -> None:  # type: ignore[no-untyped-def]
    """At a ray for three pixels, a plate that is near on the left and far on the right has no halo between."""
    view = kit.view(size=(1920, 54), tilt_deg=0.0)
    plume = replace(
        PLUME, foot_m=np.array([0.0, -1.0, -14.0]), height_m=30.0, radius_m=5.0, spread=0.0, wind_m_s=(0.0, 0.0)
    )
    depth = np.full((54, 1920), 9.0, np.float32)
    depth[:, 941:] = 40.0
    air = seen(kit, view, plume, depth=depth)
    far = seen(kit, view, plume, depth=40.0)
    near = seen(kit, view, plume, depth=9.0)
    assert np.abs(far.back[27, 935:947, 3] - near.back[27, 935:947, 3]).min() > 0.2
    assert np.allclose(air.back[:, 941:], far.back[:, 941:], atol=1e-5)
    assert np.allclose(air.back[:, :941], near.back[:, :941], atol=1e-5)


def test_there_are_no_slices(kit) -> None:  # type: ignore[no-untyped-def]
    """Down and across a soft bank its error against the integral stays small, and does not jump from pixel to pixel."""
    view = kit.view(size=(320, 180), tilt_deg=4.0)
    soft = replace(BANK, patches=0.0)
    ground = kit.plane_depth(view)
    air = seen(kit, view, soft, depth=ground)
    clouds = grids(kit, view, soft)
    c = clouds.clouds.numpy()[0]
    field = _field(clouds, (int(c["ny"]), int(c["nz"]), int(c["nx"])))
    corner = view.position_m + np.array(list(c["origin"]), float)

    def density(p: np.ndarray) -> np.ndarray:
        up = np.maximum(p[:, 1], 0) / c["top"]
        at = [
            np.sqrt(np.minimum(up, 1)) * (c["ny"] - 1),
            (p[:, 2] - corner[2]) / c["cell"],
            (p[:, 0] - corner[0]) / c["cell"],
        ]
        return np.where(up <= 1, field(np.stack(at, 1)), 0)

    for line in ([(160, y) for y in range(60, 178, 2)], [(x, 140) for x in range(60, 180, 2)]):
        want = [np.exp(-_along(view, px, density, min(float(ground[px[1], px[0]]), 40))) for px in line]
        off = np.array([air.back[y, x, 3] for x, y in line]) - want
        assert np.abs(off).max() < 0.006 and np.abs(np.diff(off, 2)).max() < 0.006


def test_an_actor_before_the_smoke_and_one_behind_it(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(64, 36), tilt_deg=6.0)
    matte = np.zeros((36, 64), np.float32)
    matte[:, 20:44] = 1.0
    near = seen(kit, view, PLUME, depth=40.0, mattes=[Holdout(matte, 8.0)])
    assert (near.before == np.array([0, 0, 0, 1])).all()
    far = seen(kit, view, PLUME, depth=40.0, mattes=[Holdout(matte, 30.0)])
    alone = seen(kit, view, PLUME, depth=30.0)
    assert np.allclose(far.before[matte > 0], alone.back[matte > 0], atol=1e-6)
    assert (far.before[matte == 0] == np.array([0, 0, 0, 1])).all()


def test_the_plates_own_depth_is_ground_and_depth_holdouts() -> None:
    ground = np.full((2, 3), 30.0, np.float32)
    known = np.array([[5, np.inf, 50], [5, 5, 5]], np.float32)
    there = np.array([[1, 1, 1], [0.2, 1, 1]], np.float32)
    found = plate_depth(ground, [Holdout(np.ones((2, 3), np.float32), 4.0), Holdout(there, known)])
    assert np.array_equal(found, np.array([[5, 30, 30], [30, 5, 5]], np.float32))


def test_raised_dust_lies_where_it_was_raised(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54))
    levels = np.zeros((12, 30, 30), np.float32)
    levels[:4, 12:18, 12:18] = 1.5
    dust = Raised((-7.5, -20.0), 0.5, 3.0, levels)
    air = seen(kit, view, FEET, raised=dust, depth=kit.plane_depth(view))
    taken = 1 - air.back[..., 3]
    rows, columns = np.nonzero(taken > 0.1)
    assert len(rows)
    px = np.stack([columns + 0.5, rows + 0.5], -1)
    rays = view.rays(px)
    place = view.position_m + rays * (-view.position_m[1] / rays[:, 1])[:, None]
    assert np.median(place[:, 0]) == pytest.approx(-0.25, abs=0.6)
    assert -16.0 < np.median(place[:, 2]) < -10.0


@pytest.mark.gpu
def test_the_card_sees_the_same_air(kit) -> None:  # type: ignore[no-untyped-def]
    view = kit.view(size=(96, 54))
    here, there = (seen(kit, view, PLUME, BANK, device=d) for d in ("cpu", "cuda"))
    assert np.allclose(here.back, there.back, atol=2e-4)
