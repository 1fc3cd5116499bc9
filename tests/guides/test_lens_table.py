"""The lens tables against the lens itself."""

from __future__ import annotations

import numpy as np

from composer.guides.lens_table import TOLERANCE_PX, lens_tables, sample_grid


def test_tables_are_within_a_hundredth_of_a_pixel(kit) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    for lens in (kit.Radial(), kit.Radial(0.12, 0.05), kit.Radial(-0.3, 0.09)):
        view = kit.view(size=(1920, 1080), lens=lens)
        tables = lens_tables(view)
        assert tables.error_px < TOLERANCE_PX
        px = rng.uniform([0, 0], view.size_px, (4000, 2))
        plain = (px - view.centre_px) / view.focal_px
        ideal = plain + sample_grid(tables.inverse, px)
        true = lens.undistort(plain, 0)
        assert np.abs((ideal - true) * view.focal_px).max() < 0.01
        back = true * view.focal_px + view.centre_px + sample_grid(tables.forward, true)
        assert np.abs(back - px).max() < 0.01
        x0, y0, x1, y1 = tables.ideal_box
        assert (true > [x0, y0]).all() and (true < [x1, y1]).all()


def test_nothing_folds_back_into_the_picture(kit) -> None:  # type: ignore[no-untyped-def]
    """Beyond the domain of a strong barrel lens the table is NaN, or lands outside the picture."""
    lens = kit.Radial(-0.35, 0.0)
    view = kit.view(size=(640, 360), lens=lens)
    tables = lens_tables(view)
    far = np.random.default_rng(1).uniform(-6, 6, (20000, 2))
    outside = np.isnan(lens.distort(far, 0)).any(-1)
    with np.errstate(invalid="ignore"):
        px = far[outside] * view.focal_px + view.centre_px + sample_grid(tables.forward, far[outside])
        inside = ((px > 0) & (px < view.size_px)).all(-1)
    assert outside.sum() > 10000
    assert not inside.any()


def test_a_steady_lens_is_tabled_once_and_a_changing_one_each_frame(kit) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import dataclass, replace

    @dataclass(frozen=True)
    class Breathing:
        name: str = "breathing"

        def distort(self, xy, frame):  # type: ignore[no-untyped-def]
            return kit.Radial(-0.1 - 0.001 * frame).distort(xy, frame)

        def undistort(self, xy, frame):  # type: ignore[no-untyped-def]
            return kit.Radial(-0.1 - 0.001 * frame).undistort(xy, frame)

    steady = kit.view(lens=kit.Radial())
    assert lens_tables(steady) is lens_tables(replace(steady, frame=77))
    moving = kit.view(lens=Breathing())
    assert lens_tables(moving) is not lens_tables(replace(moving, frame=77))


def test_a_lens_that_ends_inside_the_picture_says_how_far_off_it_is(kit) -> None:  # type: ignore[no-untyped-def]
    tables = lens_tables(kit.view(size=(2832, 2128), lens=kit.Radial(-0.4, 0.0)))
    assert tables.error_px > 0.01
    assert np.isnan(tables.inverse.value).any()
