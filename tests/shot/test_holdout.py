from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from composer.errors import InputError
from composer.io.exr import ExrPart, write_exr
from composer.shot.clean import build_clean, decode, encode, fill_holes, sampled
from composer.shot.cryptomatte import coverage_of, id_of, layers_of
from composer.shot.difference import DifferenceMatte, guided_filter
from composer.shot.holdout import depth_holdout
from composer.shot.load import parse_shot
from composer.shot.refine import refine_matte
from composer.shot.stage import Stage, prepare


def staged(tiny: Path, holdout: str) -> Stage:
    return prepare(parse_shot(tiny.read_text() + f"holdouts:\n  - {holdout}\n", tiny))


def ramp() -> np.ndarray:
    return np.broadcast_to(np.linspace(0, 255, 96).round().astype(np.uint8), (64, 96)).copy()


def test_a_matte_is_its_channel_and_stays_soft(tiny: Path) -> None:
    for frame in (1001, 1002, 1003):
        rgba = np.dstack([ramp(), 0 * ramp(), 0 * ramp(), 255 - ramp()])  # blue, green, red, alpha
        cv2.imwrite(str(tiny.parent / f"m.{frame}.png"), rgba)
    soft = ramp() / np.float32(255)
    (auto,) = staged(tiny, "{matte: m.####.png, distance_m: 8}").holdouts(1002)
    assert auto.alpha == pytest.approx(1 - soft, abs=1e-6) and auto.depth_m == 8 and auto.clean is None
    (inverted,) = staged(tiny, "{matte: m.####.png, invert: true}").holdouts(1001)
    assert inverted.alpha == pytest.approx(soft, abs=1e-6) and inverted.depth_m == 0
    (blue,) = staged(tiny, "{matte: m.####.png, channel: B}").holdouts(1001)
    assert blue.alpha == pytest.approx(soft, abs=1e-6)
    with pytest.raises(InputError, match=r"shot.yaml:\d+:\d+: holdouts.0.matte: .*no channel Q"):
        staged(tiny, "{matte: m.####.png, channel: Q}")


def test_mattes_of_another_size_or_with_frames_missing_are_refused(tiny: Path) -> None:
    for frame in (1001, 1002):
        cv2.imwrite(str(tiny.parent / f"m.{frame}.png"), ramp())
    with pytest.raises(InputError, match=r"frames are missing.*no 1003"):
        staged(tiny, "{matte: m.####.png}")
    cv2.imwrite(str(tiny.parent / "still.png"), ramp()[:32])
    with pytest.raises(InputError, match="not the plate's size: expected 96 x 64, got 96 x 32"):
        staged(tiny, "{matte: still.png}")


def test_depth_hides_what_is_behind_its_surface() -> None:
    z = np.array([[1.0, np.inf], [np.nan, 0.0]], dtype=np.float32)
    hold = depth_holdout(z, 2.0, 0.25)
    assert hold.depth_m.tolist() == [[2.25, np.inf], [np.inf, np.inf]]
    assert hold.alpha.tolist() == [[1, 0], [0, 0]]


def test_a_depth_sequence_through_exr(tiny: Path) -> None:
    z = np.full((64, 96), 5, np.float32)
    for frame in (1001, 1002, 1003):
        part = ExrPart(name="depth", channels={"Z": z + (frame - 1001)}, window=None, compression="zip", attributes={})
        write_exr(tiny.parent / f"d.{frame}.exr", [part], (96, 64), {})
    (hold,) = staged(tiny, "{depth: d.####.exr, bias_m: 0.5}").holdouts(1003)
    assert (hold.depth_m == 7.5).all()


# --- Cryptomatte: an independent decoder, straight from the specification ---


def test_ids_are_the_manifest_s(shared_data: Path) -> None:
    count = 0
    for path in sorted((shared_data / "exr" / "cryptomatte").glob("*.exr")):
        for layer in layers_of(path):
            for name, value in layer.manifest.items():
                assert id_of(name) == value, name
                assert np.isfinite(struct.unpack("<f", struct.pack("<I", value))[0])
                count += 1
    assert count >= 11


@pytest.mark.parametrize("name", ["special_chars.exr", "cornellBox_CryptoWildcard.0001.exr"])
def test_coverage_by_name_against_oiio(shared_data: Path, name: str) -> None:
    import OpenImageIO as oiio

    path = shared_data / "exr" / "cryptomatte" / name
    buf = oiio.ImageBuf(str(path))
    spec = buf.spec()
    pixels = buf.get_pixels(oiio.FLOAT)
    (layer,) = layers_of(path)
    covered = np.zeros((spec.full_height, spec.full_width), np.float32)
    for obj, wanted in layer.manifest.items():
        expected = np.zeros(pixels.shape[:2], np.float32)
        for ids, cover in layer.ranks:
            bits = np.ascontiguousarray(pixels[..., spec.channelnames.index(ids)]).view(np.uint32)
            expected += np.where(bits == wanted, pixels[..., spec.channelnames.index(cover)], 0)
        got = coverage_of(path, (obj,))
        inside = got[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width]
        assert np.abs(inside - np.clip(expected, 0, 1)).max() < 1e-6
        covered += got
        assert got.max() > 0.5, obj
    both = coverage_of(path, tuple(layer.manifest))
    assert both == pytest.approx(np.clip(covered, 0, 1), abs=1e-5)


def test_an_object_that_is_not_there_is_named_with_the_nearest(shared_data: Path) -> None:
    path = shared_data / "exr" / "cryptomatte" / "special_chars.exr"
    with pytest.raises(InputError, match=r"no object 'name, with a comma'.*did you mean 'name, with, comma'"):
        coverage_of(path, ("name, with a comma",))
    with pytest.raises(InputError, match="no Cryptomatte"):
        coverage_of(shared_data / "plates" / "crissy_field_still" / "CrissyField_rgb_half.exr", ("x",))


# --- difference mattes ---


def clip(stay: bool) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], np.ndarray]:
    """Linear frames and true mattes of a soft-edged disc before a textured wall; it crosses, or sways in place."""
    rng = np.random.default_rng(5)
    wall = cv2.GaussianBlur(rng.uniform(0.1, 0.9, (120, 200, 3)).astype(np.float32), (0, 0), 2)
    frames, mattes = {}, {}
    y, x = np.mgrid[:120, :200] + 0.5
    for frame in range(1, 25):
        cx = 100 + 14 * np.sin(frame * 0.7) if stay else 20 + frame * 7
        matte = np.clip((26 - np.hypot(x - cx, y - 62)) / 3 + 0.5, 0, 1).astype(np.float32)[..., None]
        noise = rng.normal(0, 0.004, wall.shape).astype(np.float32)
        disc = np.array([0.25, 0.02, 0.03], np.float32) * (1 + 0.1 * np.sin(y / 5))[..., None].astype(np.float32)
        frames[frame] = np.maximum(matte * disc + (1 - matte) * wall + noise, 0)
        mattes[frame] = matte[..., 0]
    return frames, mattes, wall


@pytest.mark.parametrize("stay", [False, True])
def test_the_matte_of_a_disc_is_its_true_matte(stay: bool) -> None:
    frames, mattes, wall = clip(stay)
    picks = sampled(tuple(frames), (200, 120))
    clean = build_clean(frames.__getitem__, picks, "clip")
    assert np.abs(encode(clean.rgb) - encode(wall))[clean.known].mean() < 0.01
    matte = DifferenceMatte(clean, frames.__getitem__, tuple(frames), 0.05, 0.0)
    for frame in (8, 13):
        alpha = matte.alpha(frame)
        away = np.abs(alpha - mattes[frame])
        assert away.mean() < 0.01 and alpha[2:20, :].max() == 0
        assert (alpha[mattes[frame] == 1] > 0.98).mean() > 0.98
        edge = (mattes[frame] > 0.2) & (mattes[frame] < 0.8)
        assert ((alpha[edge] > 0.05) & (alpha[edge] < 0.95)).mean() > 0.6  # soft stays soft
        again = DifferenceMatte(clean, frames.__getitem__, tuple(frames), 0.05, 0.0).alpha(frame)
        assert (again == alpha).all()  # a frame does not depend on which were asked for before


def test_a_frame_without_anybody_has_an_empty_matte() -> None:
    frames, _, wall = clip(False)
    clean = build_clean(frames.__getitem__, sampled(tuple(frames), (200, 120)), "clip")
    shade = wall * np.linspace(0.75, 1, 200, dtype=np.float32)[None, :, None]
    for picture in (wall, shade):
        assert DifferenceMatte(clean, lambda f, p=picture: p, (1,), 0.05, 1.5).alpha(1).max() == 0


def test_a_moving_camera_has_no_difference_matte(shared_data: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parent / "shots" / "sceaux.yaml").read_text().replace("{shared}", str(shared_data))
    with pytest.raises(InputError, match="needs a locked-off camera"):
        prepare(parse_shot(text + "holdouts: [{difference: {}}]\n", tmp_path / "shot.yaml"))


def test_small_parts() -> None:
    ring = cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 12, 1, 2)
    assert fill_holes(ring)[20, 20] == 1 and fill_holes(ring)[1, 1] == 0
    values = np.array([-0.5, 0.0, 0.18, 7.0], np.float32)
    assert decode(encode(values)) == pytest.approx(values, rel=1e-5)
    step = np.zeros((30, 30), np.float32)
    step[:, 15:] = 1
    assert np.abs(guided_filter(step, step, 5, 1e-6) - step).max() < 1e-3


# --- edges out of the plate ---


def test_a_drawn_matte_is_refined_where_the_shot_asks(tiny: Path) -> None:
    picture = np.full((64, 96, 3), 40, np.uint8)
    picture[:, 48:] = (60, 120, 200)
    picture = cv2.GaussianBlur(picture, (0, 0), 2)
    hard = np.zeros((64, 96), np.uint8)
    hard[:, 50:] = 255
    for frame in (1001, 1002, 1003):
        cv2.imwrite(str(tiny.parent / f"plate.{frame}.png"), picture)
        cv2.imwrite(str(tiny.parent / f"m.{frame}.png"), hard)
    plain = staged(tiny, "{matte: m.####.png}")
    assert set(np.unique(plain.holdouts(1001)[0].alpha)) == {0, 1} and "edge refined" not in " ".join(plain.notes)
    for way in ("guided", "closed_form"):
        stage = staged(tiny, f"{{matte: m.####.png, refine: {way}, edge_px: 5}}")
        (hold,) = stage.holdouts(1001)
        expected = refine_matte(stage.plate.read(1001), plain.holdouts(1001)[0].alpha, way, 5)
        assert (hold.alpha == expected).all() and ((hold.alpha > 0.1) & (hold.alpha < 0.9)).sum() > 64
        assert any(f"edge refined: {way.replace('_', '-')}, within 5 px" in note for note in stage.notes)
    inverted = staged(tiny, "{matte: m.####.png, refine: guided, invert: true}").holdouts(1001)[0].alpha
    assert inverted[:, :40].min() == 1 and inverted[:, 60:].max() == 0
    with pytest.raises(InputError, match=r"edge_px.*out of range"):
        staged(tiny, "{matte: m.####.png, refine: guided, edge_px: 0}")
    with pytest.raises(InputError, match=r"unknown value.*did you mean guided\?"):
        staged(tiny, "{matte: m.####.png, refine: guide}")
