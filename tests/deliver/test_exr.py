"""The delivered EXR, read back with OpenImageIO, which shares no code with the writer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from support import frames

from composer.deliver import attributes
from composer.deliver.exr import write_frame

ALL = ["rgba", "crowd", "shadow", "depth", "normal", "motion", "albedo", "pose"]
ALL += ["crypto_agent00", "crypto_agent01", "crypto_agent02"]


def _read(path: Path) -> dict[str, tuple[oiio.ImageSpec, dict[str, np.ndarray]]]:
    """Part name to (spec, channel name to float [H, W] over the display window)."""
    parts = {}
    source = oiio.ImageInput.open(str(path))
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
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
        wide = name == "depth" or name.startswith("crypto")
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
    manifest = json.loads(next(v for k, v in tags.items() if k.endswith("/manifest")))
    assert set(manifest) == set(frames.NAMES.values())
    samples = frame.guides.samples
    pixel = np.repeat(np.arange(frames.H * frames.W), np.diff(samples.start))
    for agent, name in frames.NAMES.items():
        wanted = np.array([int(manifest[name], 16)], np.uint32).view(np.float32)[0]
        mask = np.zeros((frames.H, frames.W), np.float32)
        for level in ("crypto_agent00", "crypto_agent01", "crypto_agent02"):
            planes = parts[level][1]
            for i, c in (("R", "G"), ("B", "A")):
                mask += np.where(planes[i] == wanted, planes[c], 0)
        truth = np.bincount(pixel, np.where(samples.agent_id == agent, samples.coverage, 0), frames.H * frames.W)
        assert np.allclose(mask.ravel(), truth)


def test_what_holds_nothing_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "empty.1003.exr"
    assert write_frame(path, frames.frame(empty=True), frames.view(), frames.slate(), {}) == ("rgba",)
    assert list(_read(path)) == ["rgba"]


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
