"""Lens models against OpenCV and against 3DEqualizer's formulas written out in polar form; round trips; folds."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.camera.camera import Camera
from composer.camera.lens import (
    Anamorphic4,
    Brown,
    Curve,
    LensClassic3de,
    Radial4,
    RadialUndistort,
    STMap,
    lens_from_params,
    read_lens,
    with_lens,
)
from composer.camera.lens.plane import fold_radius
from composer.errors import InputError

FILM = {"filmback_mm": (36.0, 20.25), "focal_mm": 35.0}
RADIAL = Radial4(c2=0.1, u2=0.01, v2=-0.01, c4=0.05, u4=-0.02, v4=0.02, phi_deg=45.0, bending=0.5, **FILM)
CLASSIC = LensClassic3de(distortion=0.03, squeeze=0.9, curvature_x=0.05, curvature_y=-0.02, quartic=0.01, **FILM)
ANAMORPHIC = Anamorphic4(
    cx02=0.05, cy02=0.04, cx22=-0.05, cy22=-0.03, cx04=0.03, cy04=0.02, cx24=-0.02, cy24=-0.01, cx44=0.02, cy44=0.03,
    rotation_deg=12.0, squeeze_x=1.1, squeeze_y=1.05, pixel_aspect=2.0, **FILM,
)  # fmt: skip
BROWN = Brown(k1=-0.2464, k2=0.2976, p1=0.0011, p2=-0.0043)
ALL = [
    BROWN,
    Brown(k1=0.1, k2=-0.02, k3=0.01, k4=0.05, k5=0.01, k6=0.001),
    RadialUndistort(-0.08),
    RADIAL,
    CLASSIC,
    ANAMORPHIC,
]
FOCAL_PX = 1700.0


def _grid(width: int = 1920, height: int = 1080, step: int = 60) -> np.ndarray:
    px = np.stack(np.meshgrid(np.arange(0, width + 1, step), np.arange(0, height + 1, step)), axis=-1).astype(float)
    return (px - (width / 2, height / 2)) / FOCAL_PX


@pytest.mark.parametrize("lens", ALL, ids=lambda x: x.name)
def test_round_trips_within_a_millionth_of_a_pixel(lens):
    xy = _grid()
    ideal = lens.undistort(xy, 1)
    assert np.isfinite(ideal).all()
    assert np.abs(ideal - xy).max() * FOCAL_PX > 5, "the lens does nothing here: the test would not fail"
    assert np.abs(lens.distort(ideal, 1) - xy).max() * FOCAL_PX < 1e-6
    plate = lens.distort(xy * 0.8, 1)
    assert np.abs(lens.undistort(plate, 1) - xy * 0.8).max() * FOCAL_PX < 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-0.3, 0.3), st.floats(-0.1, 0.1), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(-0.05, 0.05)
)
def test_brown_is_that_of_opencv(k1, k2, p1, p2, k3):
    lens = Brown(k1=k1, k2=k2, p1=p1, p2=p2, k3=k3, k4=0.03, k5=-0.01, k6=0.002)
    points = np.random.default_rng(5).uniform(-0.5, 0.5, (50, 3)) * (1, 0.7, 0.1) + (0, 0, 1)
    coefficients = np.array([k1, k2, p1, p2, k3, 0.03, -0.01, 0.002])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), coefficients)[0][:, 0]
    got = lens.distort(points[:, :2] / points[:, 2:], 1)
    inside = np.isfinite(got[:, 0])
    assert inside.any()
    assert got[inside] == pytest.approx(expected[inside], abs=1e-12)


def test_brown_folds_where_calculus_says():
    lens = Brown(k1=-0.15)
    fold = math.sqrt(1 / (3 * 0.15))
    assert fold_radius(lens.map_at(1)) == pytest.approx(fold, rel=1e-9)
    at_fold = fold * (1 - 0.15 * fold * fold)
    assert np.isfinite(lens.distort(np.array([0.0, fold * 0.999]), 1)).all()
    assert np.isnan(lens.distort(np.array([[fold * 1.001, 0], [3, 3], [np.nan, 0]]), 1)).all()
    assert lens.undistort(np.array([at_fold * 0.9999, 0]), 1)[0] < fold
    assert np.isnan(lens.undistort(np.array([[at_fold * 1.001, 0], [0, -5]]), 1)).all()


def test_newton_reaches_up_to_the_fold():
    lens = Brown(k1=-0.4, k2=0.05, p1=0.01)
    fold = fold_radius(lens.map_at(1))
    r = np.linspace(0, fold * 0.9999, 200)
    angle = np.linspace(0, 40, 200)
    xy = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1)
    assert np.abs(lens.undistort(lens.distort(xy, 1), 1) - xy).max() < 1e-8


def _film_oracle(lens, formula):
    """Undistort in the plainest way: to film millimetres with y up, over the half diagonal, through the formula, and
    back."""
    half = math.hypot(*lens.filmback_mm) / 2

    def one(p):
        u, v = formula(p[0] * lens.focal_mm / half, -p[1] * lens.focal_mm / half)
        return u * half / lens.focal_mm, -v * half / lens.focal_mm

    return one


def _classic(x, y):
    r2 = x * x + y * y
    u = x * (1 + (0.03 * r2 + 0.05 * y * y + 0.01 * r2 * r2) / 0.9)
    return u, y * (1 + 0.03 * r2 - 0.02 * x * x + 0.01 * r2 * r2)


def _radial(x, y):
    r2 = x * x + y * y
    radial = 1 + 0.1 * r2 + 0.05 * r2**2
    u_term, v_term = 0.01 - 0.02 * r2, -0.01 + 0.02 * r2
    u = x * radial + (r2 + 2 * x * x) * u_term + 2 * x * y * v_term
    v = y * radial + (r2 + 2 * y * y) * v_term + 2 * x * y * u_term
    along, across = (u + v) / math.sqrt(2), (v - u) / math.sqrt(2)  # phi is 45 degrees
    along, across = along * math.sqrt(1.5), across / math.sqrt(1.5)
    return (along - across) / math.sqrt(2), (along + across) / math.sqrt(2)


def _anamorphic(x, y):
    turn = complex(math.cos(math.radians(12)), math.sin(math.radians(12)))
    q = complex(x / 2, y) / turn
    r, phi = abs(q), math.atan2(q.imag, q.real)

    def gain(c02, c22, c04, c24, c44):
        two, four = math.cos(2 * phi), math.cos(4 * phi)
        return 1 + c02 * r**2 + c22 * r**2 * two + c04 * r**4 + c24 * r**4 * two + c44 * r**4 * four

    out = complex(
        q.real * gain(0.05, -0.05, 0.03, -0.02, 0.02) * 2 * 1.1, q.imag * gain(0.04, -0.03, 0.02, -0.01, 0.03) * 1.05
    )
    out *= turn
    return out.real, out.imag


@pytest.mark.parametrize(("lens", "formula"), [(CLASSIC, _classic), (RADIAL, _radial), (ANAMORPHIC, _anamorphic)])
def test_3de_undistort_is_the_published_formula(lens, formula):
    oracle = _film_oracle(lens, formula)
    points = np.random.default_rng(2).uniform(-0.4, 0.4, (60, 2))
    assert lens.undistort(points, 1) == pytest.approx(np.array([oracle(p) for p in points]), abs=1e-12)


@pytest.mark.parametrize("lens", ALL, ids=lambda x: x.name)
def test_jacobians(lens):
    plane = lens.map_at(1) if hasattr(lens, "map_at") else Brown(k1=lens.k).map_at(1)
    x, y = np.random.default_rng(8).uniform(-0.7, 0.7, (2, 40))
    h = 1e-6
    right, left, up, down = (plane.forward(x + a, y + b) for a, b in ((h, 0), (-h, 0), (0, h), (0, -h)))
    slopes = [(right[0] - left[0]), (up[0] - down[0]), (right[1] - left[1]), (up[1] - down[1])]
    for got, difference in zip(plane.jacobian(x, y), slopes, strict=True):
        assert got == pytest.approx(difference / (2 * h), abs=1e-8)


# Files


def _camera(**more: object) -> Camera:
    fields = {
        "first_frame": 1, "world_from_camera": np.tile(np.eye(4), (10, 1, 1)), "focal_mm": np.full(10, 35.0),
        "filmback_mm": (36.0, 20.25), "centre_px": np.tile([960.0, 540.0], (10, 1)), "size_px": (1920, 1080),
    }  # fmt: skip
    return Camera(**{**fields, **more})


def test_lens_files(shared_data: Path):
    tracks = shared_data / "camera_tracks"
    classic = read_lens(tracks / "3de4_ldpk_nuke_distortion_classic_v004.nk")
    assert isinstance(classic, LensClassic3de)
    assert (classic.distortion, classic.squeeze, classic.quartic) == (0.0151515, 0.25, -0.0656566)
    assert classic.filmback_mm == pytest.approx((22.129778, 18.672))
    radial = read_lens(tracks / "3de4_lens_radial_std_deg4_1.nk")
    assert isinstance(radial, Radial4)
    assert (radial.c2, radial.u2, radial.v2, radial.c4, radial.u4, radial.v4) == (0.1, 0.01, -0.01, 0.05, -0.02, 0.02)
    assert (radial.phi_deg, radial.bending, radial.focal_mm) == (45.0, 0.5, 35.0)
    animated = read_lens(tracks / "3de4_lens_anamorphic_std_deg4_2.nk")
    assert isinstance(animated, Anamorphic4) and isinstance(animated.cx02, Curve)
    assert [animated.cx02.at(f) for f in (-3, 1, 2, 10, 99)] == [0.05, 0.05, 0.034375, 0.0, 0.0]
    assert animated.rotation_deg.at(4) == -30.9375
    moved = read_lens(tracks / "3de4_lens_anamorphic_std_deg4_2.nk", frame_offset=1000)
    assert moved.cx02.at(1002) == 0.034375
    with pytest.raises(InputError, match="no LD_3DE lens node"):
        read_lens(tracks / "nuke_cornerPin3dExample.nk")


def test_both_exports_of_one_lens_agree(shared_data: Path):
    tracks = shared_data / "camera_tracks"
    node, text = (read_lens(tracks / f"3de4_trackboy_slim_{n}") for n in ("nuke_ldpk.nk", "3de_lens.txt"))
    xy = _grid()
    assert np.abs(node.undistort(xy, 1) - text.undistort(xy, 1)).max() * FOCAL_PX < 1e-3


@pytest.mark.parametrize("frame", [1, 2, 5, 10])
def test_animated_lens_round_trips(shared_data: Path, frame: int):
    lens = read_lens(shared_data / "camera_tracks/3de4_lens_anamorphic_std_deg4_2.nk")
    xy = _grid() * 0.8  # at frame 5 this strong lens folds in the corners of the full picture
    ideal = lens.undistort(xy, frame)
    assert np.isfinite(ideal).all()
    assert np.abs(lens.distort(ideal, frame) - xy).max() * FOCAL_PX < 1e-6


def test_lens_sits_on_the_film_of_any_camera():
    """The same picture point bends alike, whatever focal length and film back the camera tells it by."""
    plain = with_lens(_camera(), RADIAL).view(3)
    other = with_lens(_camera(focal_mm=np.full(10, 70.0), filmback_mm=(72.0, 40.5)), RADIAL).view(3)
    longer = with_lens(_camera(focal_mm=np.full(10, 70.0)), RADIAL).view(3)
    px = np.array([[100.0, 100], [1500, 900]])
    assert other.rays(px) == pytest.approx(plain.rays(px))
    # twice the focal length: the same bend on the film, at half the angle
    ray_to_px = longer.rays(px)[:, :2] * (1, -1) * longer.focal_px + longer.centre_px
    assert ray_to_px == pytest.approx(plain.rays(px)[:, :2] * (1, -1) * plain.focal_px + plain.centre_px)


def test_lens_centre_is_not_the_principal_point():
    lens = Radial4(c2=0.1, filmback_mm=(36.0, 20.25), focal_mm=35.0, centre_mm=(1.0, 0.5))
    view = with_lens(_camera(), lens).view(1)
    centre = np.array([960 + 1920 / 36, 540 - 1080 / 20.25 * 0.5])
    ray = view.rays(centre)  # at the lens centre nothing bends
    assert ray[:2] * (1, -1) * view.focal_px + view.centre_px == pytest.approx(centre)
    shifted = with_lens(_camera(centre_px=np.tile(centre, (10, 1))), lens).view(1)
    assert shifted.project(shifted.position_m + shifted.rays(np.array([5.0, 5.0])))[0] == pytest.approx([5, 5])


def test_with_lens_says_what_does_not_fit():
    notes = with_lens(_camera(filmback_mm=(36.0, 24.0)), Radial4(filmback_mm=(20.0, 20.0), focal_mm=99.0)).notes
    assert any("another shape" in n for n in notes) and any("the camera's counts" in n for n in notes)


def test_lens_from_params():
    camera = _camera()
    assert lens_from_params("brown", {"k1": 0.1}, camera) == Brown(k1=0.1)
    lens = lens_from_params("3de_radial4", {"c2": 0.1}, camera)
    assert isinstance(lens, Radial4) and lens.filmback_mm == camera.filmback_mm
    for model, params, what in (
        ("brown", {"k9": 1.0}, "no parameter k9"),
        ("barrel", {}, "unknown lens model"),
        ("brown", {"k1": float("nan")}, "not a finite number"),
        ("3de_radial4", {"bending": -2.0}, "not positive"),
        ("3de_classic", {"squeeze": 0.0}, "not positive"),
    ):
        with pytest.raises(InputError, match=what):
            lens_from_params(model, params, camera)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("Radial_Standard_Degree_4", "Radial_Fisheye_Degree_8"), "not supported"),
        (("tde4_filmback_width_cm 3.6000000000000005", "tde4_filmback_width_cm 0"), "not positive"),
        (("tde4_filmback_width_cm 3.6000000000000005", ""), "has no tde4_filmback_width_cm"),
        (("Distortion_Degree_2 0.1", "Distortion_Degree_2 {{Lens.k1}}"), "expression"),
        (("field_of_view_xb_unit 1.0", "field_of_view_xb_unit 0.9"), "part of the picture"),
        (("name lens1\n}", "name lens1\n"), "never closed"),
    ],
)
def test_bad_lens_nodes(tmp_path: Path, shared_data: Path, change, what):
    text = (shared_data / "camera_tracks/3de4_lens_radial_std_deg4_1.nk").read_text()
    assert change[0] in text
    path = tmp_path / "lens.nk"
    path.write_text(text.replace(*change))
    with pytest.raises(InputError, match=what) as e:
        read_lens(path)
    assert str(path) in str(e.value) and "\n" not in str(e.value)


def test_cut_lens_texts(tmp_path: Path, shared_data: Path):
    lines = (shared_data / "camera_tracks/3de4_trackboy_slim_3de_lens.txt").read_text().splitlines()
    path = tmp_path / "lens.txt"
    for n in range(3, 29, 5):
        path.write_text("\n".join(lines[:n]))
        with pytest.raises(InputError) as e:
            read_lens(path)
        assert "\n" not in str(e.value)


# ST maps


def _uv(lens: Brown, view, size: tuple[int, int], way: str) -> np.ndarray:
    """What Nuke would be given: for each pixel, where `way` of the picture takes its value from."""
    w, h = size
    px = np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), axis=-1) * np.array(view.size_px) / size
    xy = (px - view.centre_px) / view.focal_px
    out = (lens.distort if way == "undistort" else lens.undistort)(xy, 1) * view.focal_px + view.centre_px
    uv = out / view.size_px
    return np.stack([uv[..., 0], 1 - uv[..., 1], np.zeros((h, w))], axis=-1).astype(np.float32)


@pytest.mark.parametrize("given", ["both", "distort", "undistort"])
def test_st_maps_are_the_lens_they_were_made_from(given):
    lens = Brown(k1=-0.12, k2=0.02)
    camera = _camera(centre_px=np.tile([930.0, 560.0], (10, 1)))
    view = camera.view(1)
    maps = {w: _uv(lens, view, (960, 540), w) for w in ("distort", "undistort") if given in (w, "both")}
    st_lens = with_lens(camera, STMap.from_uv(**maps)).lens
    xy = (np.random.default_rng(6).uniform((100, 100), (1800, 980), (300, 2)) - view.centre_px) / view.focal_px
    for way in ("distort", "undistort"):
        got, expected = getattr(st_lens, way)(xy, 1), getattr(lens, way)(xy, 1)
        assert np.abs(got - expected).max() * view.focal_px[0] < 0.01  # float32 maps, bilinear
    # beyond the ideal picture: the plate's corner is found again through the map that covers the plate
    if given != "undistort":
        corner = (np.array([[3.0, 3.0]]) - view.centre_px) / view.focal_px
        ideal = st_lens.undistort(corner, 1)
        assert ((ideal * view.focal_px + view.centre_px) < 0).all()
        assert np.abs(st_lens.distort(ideal, 1) - corner).max() * view.focal_px[0] < 1e-5
    assert np.isnan(st_lens.distort(np.array([[30.0, 30.0], [np.nan, 0.0]]), 1)).all()


def test_st_map_holes_are_holes():
    camera = _camera()
    uv = _uv(Brown(k1=0.01), camera.view(1), (96, 54), "distort")
    uv[:, :20] = 0
    lens = with_lens(camera, STMap.from_uv(distort=uv)).lens
    view = camera.view(1)
    assert np.isnan(lens.undistort((np.array([100.0, 500.0]) - view.centre_px) / view.focal_px, 1)).all()
    for bad in (np.zeros((5, 5, 2)), np.zeros((5, 5)), np.zeros((5, 5, 1))):
        with pytest.raises(InputError):
            STMap.from_uv(distort=bad.astype(np.float32))
    with pytest.raises(InputError):
        STMap.from_uv()


def test_st_maps_load_through_the_image_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys
    from types import ModuleType

    uv = _uv(Brown(k1=-0.1), _camera().view(1), (96, 54), "distort")
    image = ModuleType("composer.io.image")
    image.read_image = lambda path: (uv if path.name == "d.exr" else uv[..., :1], None)
    monkeypatch.setitem(sys.modules, "composer.io.image", image)
    assert np.array_equal(STMap.load(distort=Path("d.exr")).distort_map, STMap.from_uv(distort=uv).distort_map)
    with pytest.raises(InputError, match="two channels"):
        STMap.load(undistort=Path("u.exr"))
