"""The delivered EXR, read back with OpenImageIO, which shares no code with the writer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from support import frames

from composer.crowd.names import Names
from composer.deliver import attributes
from composer.deliver.exr import control_depth, write_frame
from composer.shot.schema_delivery import PARTS, PARTS_BY_DEFAULT

CRYPTO = [f"{layer}{i:02d}" for layer in ("crypto_agent", "crypto_side", "crypto_cast") for i in range(3)]
ALL = ["rgba", "crowd", "shadow", "depth", "normal", "motion", "albedo", "pose", *CRYPTO]
LIGHTS = ["light_sun", "light_sky", "light_bounce"]
ASKED = ["rgba", "crowd", *LIGHTS, "shadow", "depth", "control_depth", "normal", "motion", "albedo", "pose", *CRYPTO]
NOBODY = Names({}, {}, {})


def _read(path: Path) -> dict[str, tuple[oiio.ImageSpec, dict[str, np.ndarray]]]:
    """Part name to (spec, channel name to float [H, W] over the display window)."""
    parts = {}
    source = oiio.ImageInput.open(str(path))
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        assert not spec.deep
        pixels = source.read_image(index, 0, 0, spec.nchannels, oiio.FLOAT).reshape(spec.height, spec.width, -1)
        full = np.zeros((spec.full_height, spec.full_width, spec.nchannels), np.float32)
        full[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = pixels
        names = [n.split(".", 1)[1] if n.startswith(spec["name"] + ".") else n for n in spec.channelnames]
        parts[spec["name"]] = (spec, {n: full[..., i] for i, n in enumerate(names)})
        index += 1
    source.close()
    return parts


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("exr") / "test_010_v003.1003.exr"
    frame = frames.frame()
    names = write_frame(path, frame, frames.view(), frames.slate(), frames.NAMES)
    return frame, names, _read(path), path


def test_every_part_of_the_contract_is_there_in_order(delivered) -> None:
    _, names, parts, _ = delivered
    assert list(names) == ALL
    assert list(parts) == ALL


def test_the_picture_and_the_elements_are_bit_exact(delivered) -> None:
    frame, _, parts, _ = delivered
    for i, channel in enumerate("RGB"):
        assert np.array_equal(parts["rgba"][1][channel], frame.composite[..., i].astype(np.float32))
    for name in ("crowd", "shadow"):
        for i, channel in enumerate("RGBA"):
            assert np.array_equal(parts[name][1][channel], frame.layer(name).rgba[..., i].astype(np.float32))


def test_types_are_half_for_colour_and_float_for_depth_and_ids(delivered) -> None:
    _, _, parts, _ = delivered
    for name, (spec, _) in parts.items():
        wide = name in ("depth", "control_depth") or name.startswith("crypto")
        assert str(spec.format) == ("float" if wide else "half"), name


def test_depth_is_infinite_where_nobody_is(delivered) -> None:
    frame, _, parts, _ = delivered
    assert np.array_equal(parts["depth"][1]["Z"], frame.guides.depth_m)


def test_motion_points_up_in_files(delivered) -> None:
    frame, _, parts, _ = delivered
    motion = parts["motion"][1]
    covered = frame.guides.coverage > 0
    assert np.allclose(motion["forward.u"][covered], 1.5) and np.allclose(motion["forward.v"][covered], 0.5)
    assert np.allclose(motion["backward.u"][covered], -1.25) and np.allclose(motion["backward.v"][covered], -0.75)


def test_standard_and_own_attributes(delivered) -> None:
    frame, _, parts, _ = delivered
    for spec, _ in parts.values():
        assert tuple(spec.getattribute("FramesPerSecond")) == (24000, 1001)
        assert spec.getattribute("smpte:TimeCode") is not None
        assert np.allclose(spec.getattribute("chromaticities"), frames.slate().chromaticities, atol=1e-6)
        assert spec.getattribute("colorInteropID") == "lin_ap1_scene"
        assert spec.getattribute("muster:shot") == "test_010" and spec.getattribute("muster:version") == "v003"
        assert spec.getattribute("muster:frame") == 1003
        assert spec.getattribute("muster:quality") == "preview"
        assert spec.getattribute("muster:untouched_sha256") == frame.untouched_sha256
        assert spec.getattribute("PixelAspectRatio") == 1.0


def test_the_untouched_hash_can_be_checked_from_the_file_alone(delivered) -> None:
    _, _, parts, _ = delivered
    untouched = (parts["crowd"][1]["A"] == 0) & (parts["shadow"][1]["A"] == 0)
    rgb = np.stack([parts["rgba"][1][c] for c in "RGB"], axis=-1)[untouched].astype("<f2")
    assert hashlib.sha256(rgb.tobytes()).hexdigest() == parts["rgba"][0].getattribute("muster:untouched_sha256")
    assert np.array_equal(rgb, frames.plate()[untouched].astype(np.float16))


def test_cryptomatte_picks_a_soldier_by_name(delivered) -> None:
    """Decode as a compositing program does: manifest to hash, hash to float, sum of the coverages of that id."""
    frame, _, parts, _ = delivered
    spec = parts["rgba"][0]
    tags = {a.name: a.value for a in spec.extra_attribs if a.name.startswith("cryptomatte/")}
    layers = {v: k.rsplit("/", 1)[0] for k, v in tags.items() if k.endswith("/name")}
    assert set(layers) == {"crypto_agent", "crypto_side", "crypto_cast"}
    samples = frame.guides.samples
    pixel = np.repeat(np.arange(frames.H * frames.W), np.diff(samples.start))
    for layer, called in (("agent", frames.NAMES.agent), ("side", frames.NAMES.side), ("cast", frames.NAMES.cast)):
        manifest = json.loads(tags[layers[f"crypto_{layer}"] + "/manifest"])
        assert set(manifest) == set(called.values())
        for name in manifest:
            wanted = np.array([int(manifest[name], 16)], np.uint32).view(np.float32)[0]
            mask = np.zeros((frames.H, frames.W), np.float32)
            for level in range(3):
                planes = parts[f"crypto_{layer}{level:02d}"][1]
                for i, c in (("R", "G"), ("B", "A")):
                    mask += np.where(planes[i] == wanted, planes[c], 0)
            mine = [a for a, n in called.items() if n == name]
            share = np.where(np.isin(samples.agent_id, mine), samples.coverage, 0)
            truth = np.bincount(pixel, share, frames.H * frames.W)
            assert np.allclose(mask.ravel(), truth) and mask.any()


def test_what_holds_nothing_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "empty.1003.exr"
    assert write_frame(path, frames.frame(empty=True), frames.view(), frames.slate(), NOBODY) == ("rgba",)
    assert list(_read(path)) == ["rgba"]
    everything = frames.slate(parts=PARTS, control_range_m=(4.0, 40.0))
    assert write_frame(path, frames.frame(empty=True), frames.view(), everything, NOBODY) == ("rgba",)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory):
    """A frame with every part that can be asked for."""
    path = tmp_path_factory.mktemp("exr") / "test_010_v003.1003.exr"
    frame = frames.frame()
    slate = frames.slate(parts=PARTS, control_range_m=(4.0, 40.0))
    names = write_frame(path, frame, frames.view(), slate, frames.NAMES)
    return frame, names, _read(path), path


def test_what_is_asked_for_comes_in_the_contracts_order(asked) -> None:
    _, names, parts, _ = asked
    assert list(names) == ASKED and list(parts) == ASKED
    assert [p for p in PARTS if p in PARTS_BY_DEFAULT] == list(PARTS_BY_DEFAULT)


def test_the_light_set_sums_to_the_crowd(asked) -> None:
    """Each of three parts is rounded to half precision, and so is their sum."""
    _, _, parts, _ = asked
    for c in "RGB":
        lights = [parts[name][1][c] for name in LIGHTS]
        crowd = parts["crowd"][1][c]
        assert np.abs(sum(lights) - crowd).max() <= 2.0**-10 * crowd.max()
        assert np.allclose(sum(lights), crowd, rtol=2.0**-10, atol=1e-6)
        assert all(light.max() > 0.1 for light in lights)


def test_the_light_set_is_in_the_delivery_space(tmp_path: Path) -> None:
    """With guides in another space than the delivery, the lights go through the same matrix as the crowd did."""
    frame = frames.frame()
    swap = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    path = tmp_path / "swap.1003.exr"
    swapped = replace(frame, delivery_from_working=swap)
    write_frame(path, swapped, frames.view(), frames.slate(parts=LIGHTS), frames.NAMES)
    parts = _read(path)
    summed = sum(np.stack([parts[name][1][c] for c in "RGB"], -1) for name in LIGHTS)
    assert np.allclose(summed, frame.guides.beauty @ swap.T, rtol=2e-3, atol=1e-3)


def test_control_depth_is_inverse_depth_on_the_shots_own_scale(asked) -> None:
    frame, _, parts, _ = asked
    spec, planes = parts["control_depth"]
    value, depth = planes["Y"].astype(np.float64), frame.guides.depth_m.astype(np.float64)
    near, far = spec.getattribute("muster:control_near_m"), spec.getattribute("muster:control_far_m")
    assert (near, far) == (4.0, 40.0) and str(spec.format) == "float"
    assert (value[np.isinf(depth)] == 0).all() and np.isinf(depth).any()
    seen = np.isfinite(depth)
    assert np.allclose(value[seen], (1 / depth[seen] - 1 / far) / (1 / near - 1 / far), atol=1e-6)
    ladder = control_depth(np.array([[0.1, 4.0, 6.0, 39.0, 40.0, 90.0, np.inf]], np.float32), 4.0, 40.0)
    assert ladder[0, 0] == 1.0 and ladder[0, 1] == 1.0 and (ladder[0, 4:] == 0).all() and (np.diff(ladder) <= 0).all()


def test_compression_is_the_quickest_or_the_shots(tmp_path: Path, asked) -> None:
    kinds = {name: spec.getattribute("compression") for name, (spec, _) in asked[2].items()}
    assert {kinds.pop("rgba"), kinds.pop("pose")} == {"piz"} and set(kinds.values()) == {"zip"}
    path = tmp_path / "zip.1003.exr"
    write_frame(path, frames.frame(), frames.view(), frames.slate(compression="zip"), frames.NAMES)
    assert {spec.getattribute("compression") for spec, _ in _read(path).values()} == {"zip"}


def test_camera_matrices_follow_the_standard(delivered) -> None:
    """Row vectors; NDC (0, 0) is the upper left corner of the display window; camera space looks down +z."""
    view = frames.view()
    points = view.position_m + np.array([[4.0, 1.0, -9.0], [7.0, -1.0, -6.0], [2.0, 0.3, -14.0]])
    pixels, depth = view.project(points)
    rows = np.concatenate([points, np.ones((3, 1))], axis=1)
    camera = rows @ attributes.world_to_camera(view)
    assert np.allclose(camera[:, 2], depth, atol=1e-5)
    ndc = rows @ attributes.world_to_ndc(view)
    assert np.allclose(ndc[:, :2] / ndc[:, 3:] * view.size_px, pixels, atol=1e-3)
    stored = delivered[2]["rgba"][0].getattribute("worldToNDC")
    assert np.allclose(np.array(stored).reshape(4, 4), attributes.world_to_ndc(view), atol=1e-6)


def test_a_compositing_program_finds_the_layers_in_reading_order(asked) -> None:
    """As Nuke reads: the first part is the picture; a part's name is its layer; a Cryptomatte's levels are the layers
    that begin with its name, in alphabetical order, and its metadata are in the header that is read first."""
    _, _, parts, _ = asked
    names = list(parts)
    assert names[0] == "rgba" and list(parts["rgba"][1]) == ["R", "G", "B", "A"]
    assert len(set(names)) == len(names)
    head = parts["rgba"][0]
    keys = [a.name for a in head.extra_attribs if a.name.startswith("cryptomatte/") and a.name.endswith("/name")]
    for key in keys:
        layer = head.getattribute(key)
        levels = sorted(n for n in names if n.startswith(layer))
        assert levels == [f"{layer}{i:02d}" for i in range(3)] and levels == [n for n in names if n.startswith(layer)]
        for level in levels:
            assert list(parts[level][1]) == ["R", "G", "B", "A"]
            assert parts[level][0].getattribute(key) == layer
    windows = {(s.full_x, s.full_y, s.full_width, s.full_height) for s, _ in parts.values()}
    assert windows == {(0, 0, frames.W, frames.H)}
    assert all(s.width * s.height > 0 for s, _ in parts.values())
