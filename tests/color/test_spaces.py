"""Colour spaces against the makers' published formulas, written out here in plain float64."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from composer.color.names import COMMON_NAMES, PRIMARIES
from composer.color.spaces import DEFAULT_CONFIG, ColorManager
from composer.errors import InputError

AP1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)


@pytest.fixture(scope="module")
def color() -> ColorManager:
    return ColorManager.open()


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(values, np.float32)[None, :, None], 3, axis=-1)


def logc3(t: np.ndarray) -> np.ndarray:
    """ARRI LogC3, EI 800 (ALEXA Log C Curve, Usage in VFX, 2017): encoded to scene-linear."""
    cut, a, b, c, d, e, f = 0.010591, 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809
    return np.where(t > e * cut + f, (10 ** ((t - d) / c) - b) / a, (t - f) / e)


def logc4(t: np.ndarray) -> np.ndarray:
    """ARRI LogC4 Logarithmic Color Space, Specification (2022)."""
    a = (2**18 - 16) / 117.45
    b, c = (1023 - 95) / 1023, 95 / 1023
    s = 7 * np.log(2) * 2 ** (7 - 14 * c / b) / (a * b)
    low = (2 ** (14 * (-c / b) + 6) - 64) / a
    return np.where(t >= 0, (2 ** (14 * (t - c) / b + 6) - 64) / a, t * s + low)


def slog3(t: np.ndarray) -> np.ndarray:
    """Sony, Technical Summary for S-Gamut3.Cine/S-Log3 and S-Gamut3/S-Log3."""
    return np.where(
        t >= 171.2102946929 / 1023,
        10 ** ((t * 1023 - 420) / 261.5) * (0.18 + 0.01) - 0.01,
        (t * 1023 - 95) * 0.01125 / (171.2102946929 - 95),
    )


def rec709(v: np.ndarray) -> np.ndarray:
    """ITU-R BT.709 opto-electronic transfer, inverted."""
    return np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45))


def srgb(v: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(
    ("name", "curve"), [("LogC3", logc3), ("ARRI LogC4", logc4), ("S-Log3", slog3), ("Rec.709", rec709), ("sRGB", srgb)]
)
def test_grey_follows_the_published_curve(color: ColorManager, name: str, curve: object) -> None:
    """Grey stays grey through every gamut matrix, so ACEScg grey is the curve itself."""
    codes = np.linspace(0.0, 1.0, 257)
    expected = curve(codes)  # type: ignore[operator]
    seen = color.to_working(grey(codes), name)[0]
    rtol = 4e-3 if name == "Rec.709" else 4e-4  # OCIO joins the two branches smoothly: 0.3 % off the rounded constants
    assert np.allclose(seen, expected[:, None], rtol=rtol, atol=3e-5)
    assert expected[-1] > 0.99
    back = color.from_working(seen[None], name)[0]
    assert np.allclose(back, codes[:, None], atol=2e-5)


def test_mid_grey_of_the_cameras(color: ColorManager) -> None:
    """18 % grey: LogC3 code 400/1023 (EI 800), S-Log3 code 420/1023, LogC4 0.2783958."""
    for name, code in (("LogC3", 0.391), ("S-Log3", 420 / 1023), ("LogC4", 0.2783958)):
        assert color.to_working(grey(np.array([code])), name)[0, 0, 1] == pytest.approx(0.18, rel=2e-3)


def rgb_to_xyz(p: tuple[float, ...]) -> np.ndarray:
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(p[0::2], p[1::2], strict=True)]).T
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def adapted(source: tuple[float, ...], cone: np.ndarray) -> np.ndarray:
    """RGB of `source` to ACEScg with a von Kries adaptation of the white in `cone` space."""
    white = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in (source[6:], AP1[6:])]
    gain = (cone @ white[1]) / (cone @ white[0])
    return np.linalg.inv(rgb_to_xyz(AP1)) @ np.linalg.inv(cone) @ np.diag(gain) @ cone @ rgb_to_xyz(source)


BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])


@pytest.mark.parametrize("name", list(PRIMARIES))
def test_published_primaries_are_the_ones_that_ocio_uses(color: ColorManager, name: str) -> None:
    primaries = color.chromaticities(name)
    assert primaries is not None
    matrix = np.linalg.inv(color.matrix_from_working(name))
    assert min(np.abs(matrix - adapted(primaries, cone)).max() for cone in (BRADFORD, CAT02)) < 2e-3


def test_matrix_and_image_agree(color: ColorManager) -> None:
    rgb = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32) * 50
    for name in ("linear Rec.709", "ACES2065-1", "Linear ARRI Wide Gamut 4", "ACEScg"):
        matrix = color.matrix_from_working(name)
        assert matrix.dtype == np.float64
        assert np.allclose(color.from_working(rgb, name), rgb @ matrix.T, rtol=1e-5, atol=1e-4)
    with pytest.raises(InputError, match="not a scene-linear"):
        color.matrix_from_working("LogC3")


def test_luminance_weights_are_those_of_the_primaries(color: ColorManager) -> None:
    assert np.allclose(color.luminance_weights(), rgb_to_xyz(AP1)[1], atol=1e-6)


def test_scene_linear(color: ColorManager) -> None:
    assert all(color.is_scene_linear(n) for n in ("ACEScg", "linear", "linear Rec.709", "Linear P3-D65", "ACES2065-1"))
    assert not any(color.is_scene_linear(n) for n in ("LogC3", "LogC4", "S-Log3", "sRGB", "Rec.709", "Raw", "ACEScct"))


def test_common_names_are_known(color: ColorManager) -> None:
    assert color.config_name == DEFAULT_CONFIG and color.working == "ACEScg" and color.notes == ()
    for name in COMMON_NAMES:
        assert color.space(name)
    for said, meant in {
        "LogC3": "ARRI LogC3 (EI800)",
        "arri logc4": "ARRI LogC4",
        "S-Log3": "S-Log3 S-Gamut3",
        "slog3 sgamut3.cine": "S-Log3 S-Gamut3.Cine",
        "Rec.709": "Camera Rec.709",
        "sRGB": "sRGB Encoded Rec.709 (sRGB)",
        "srgb_rec709_scene": "sRGB Encoded Rec.709 (sRGB)",
        "linear Rec.709": "Linear Rec.709 (sRGB)",
        "linear": "Linear Rec.709 (sRGB)",
        "acescg": "ACEScg",
        "scene_linear": "ACEScg",
    }.items():
        assert color.space(said) == meant


def test_unknown_names_meet_the_nearest(color: ColorManager) -> None:
    with pytest.raises(InputError, match="ARRI LogC4"):
        color.space("LogC5")
    with pytest.raises(InputError, match="unknown colour space"):
        color.space("")
    with pytest.raises(InputError, match=r"unknown view.*SDR"):
        color.display_view(None, "ACES 2 SDR")
    with pytest.raises(InputError, match="unknown display"):
        color.display_view("TV", None)


def test_nothing_is_changed_in_place(color: ColorManager) -> None:
    rgb = np.random.default_rng(0).random((300, 700, 3)).astype(np.float32)
    keep = rgb.copy()
    for result in (
        color.to_working(rgb, "LogC3"),
        color.from_working(rgb, "linear"),
        color.to_working(rgb, "ACEScg"),
        color.display_rgb8(rgb),
    ):
        assert np.array_equal(rgb, keep) and not np.shares_memory(result, rgb)
    assert np.array_equal(color.to_working(rgb, "ACEScg"), rgb)


def test_bands_and_views_of_arrays_give_the_same(color: ColorManager) -> None:
    """Large pictures go in bands over threads; strided ones are made contiguous first."""
    rgb = np.random.default_rng(0).random((700, 900, 3)).astype(np.float32)
    whole = color.to_working(rgb, "LogC3")
    assert np.array_equal(whole[100:101], color.to_working(rgb[100:101], "LogC3"))
    assert np.array_equal(whole[:, ::2], color.to_working(rgb[:, ::2], "LogC3"))


def test_values_outside_and_nan_pass(color: ColorManager) -> None:
    rgb = np.array([[[-5.0, 0.5, 60000.0], [np.nan, 1.0, 1.0], [np.inf, 1.0, 1.0]]], np.float32)
    out = color.from_working(rgb, "linear Rec.709")
    assert np.isfinite(out[0, 0]).all() and np.isnan(out[0, 1, 0]) and not np.isfinite(out[0, 2, 0])


def test_display(color: ColorManager) -> None:
    ramp = grey(np.array([0.0, 0.001, 0.01, 0.18, 1.0, 16.0, 1e5, np.nan, -1.0, np.inf]))
    shown = color.display_rgb8(ramp)[0]
    assert shown.dtype == np.uint8 and (shown.max(-1) - shown.min(-1) <= 1).all()
    assert (np.diff(shown[:7, 1].astype(int)) >= 0).all()
    assert shown[0].max() == 0 and shown[7].max() == 0 and shown[8].max() == 0 and shown[9].min() >= 250
    assert 85 <= shown[3, 0] <= 115  # ACES 2 puts 18 % grey at 10 nits of 100
    plain = color.display_rgb8(ramp, view="Un-tone-mapped")[0]
    assert abs(int(plain[3, 0]) - round(255 * (1.055 * 0.18 ** (1 / 2.4) - 0.055))) <= 1


def test_the_baked_view_is_within_one_code_on_a_photograph(color: ColorManager, shared_data: Path) -> None:
    from composer.io.image import read_image

    plate = color.to_working(
        read_image(shared_data / "plates/crissy_field_still/CrissyField.exr")[0][::2, ::2], "linear"
    )
    exact, baked = color.display_rgb8(plate).astype(int), color.display_rgb8(plate, exact=False).astype(int)
    assert exact.std() > 20 and np.abs(exact - baked).max() <= 2 and (exact != baked).mean() < 0.2
    odd = grey(np.array([0.0, np.nan, np.inf, -1.0, 1e5]))
    assert np.abs(color.display_rgb8(odd, exact=False).astype(int) - color.display_rgb8(odd)).max() <= 1


def test_context_variables(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factor of each lut1.clf is 10 times its shot's number; the environment of this machine has no say."""
    monkeypatch.setenv("SHOT", "shot3")
    monkeypatch.setenv("CAMERA", "sony")
    one = np.ones((1, 1, 3), np.float32)
    config = Path("ocio/context_test1/config.ocio")
    default = ColorManager.open(config, {}, shared_data)
    assert default.working == "reference" and "no ACEScg" in default.notes[0]
    assert default.to_working(one, "SHOT_lut1_cs")[0, 0, 0] == pytest.approx(40)
    for shot in (1, 2, 3, 4):
        color = ColorManager.open(config, {"SHOT": f"shot{shot}"}, shared_data)
        assert color.to_working(one, "SHOT_lut1_cs")[0, 0, 0] == pytest.approx(10 * shot)
    camera = [
        ColorManager.open(config, {"CAMERA": c}, shared_data).to_working(one, "context_camera")[0, 0, 0]
        for c in ("arri", "sony")
    ]
    assert camera == pytest.approx([3, 4])
    assert ColorManager.open("ocio/context_test1/context_test1_linux.ocioz", {"SHOT": "shot2"}, shared_data).to_working(
        one, "SHOT_lut1_cs"
    )[0, 0, 0] == pytest.approx(20)
    with pytest.raises(InputError, match="no transform"):
        ColorManager.open(config, {"SHOT": "nowhere"}, shared_data).to_working(one, "SHOT_lut1_cs")


def test_a_config_by_file(shared_data: Path, color: ColorManager) -> None:
    other = ColorManager.open("ocio/cg-config-v2.1.0_aces-v1.3_ocio-v2.3.ocio", {}, shared_data)
    assert other.working == "ACEScg"
    rgb = np.random.default_rng(0).random((2, 3, 3)).astype(np.float32)
    assert np.allclose(other.to_working(rgb, "sRGB"), color.to_working(rgb, "sRGB"), atol=1e-5)
    with pytest.raises(InputError, match="unknown colour space"):
        other.space("LogC3")


def test_a_config_with_interchange_but_no_acescg(tmp_path: Path, color: ColorManager) -> None:
    (tmp_path / "c.ocio").write_text(
        "ocio_profile_version: 2\nroles: {aces_interchange: A0, scene_linear: S, default: S}\n"
        "displays: {D: [!<View> {name: V, colorspace: S}]}\n"
        "colorspaces:\n- !<ColorSpace> {name: S}\n"
        "- !<ColorSpace>\n  name: A0\n"
        "  from_scene_reference: !<MatrixTransform> {matrix: [2,0,0,0, 0,2,0,0, 0,0,2,0, 0,0,0,1]}\n"
    )
    own = ColorManager.open("c.ocio", {}, tmp_path)
    assert own.working == "ACEScg" and "interchange" in own.notes[0]
    rgb = np.random.default_rng(0).random((2, 3, 3)).astype(np.float32)
    assert np.allclose(own.from_working(rgb, "A0"), color.from_working(rgb, "ACES2065-1"), atol=1e-5)
    assert np.allclose(own.from_working(rgb, "S") * 2, color.from_working(rgb, "ACES2065-1"), atol=1e-5)


@pytest.mark.parametrize(
    "config",
    ["nowhere.ocio", "studio-config-v4", "ocio/error_truncated_file.3dl", "ocio", "malformed/openexr/NULL_pointer"],
)
def test_wrong_configs(shared_data: Path, config: str) -> None:
    with pytest.raises(InputError) as error:
        ColorManager.open(config, {}, shared_data)
    assert os.linesep not in str(error.value)
