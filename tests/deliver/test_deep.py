"""The deep file: flattened by OpenImageIO it is the crowd part; its samples are the soldiers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import frames

from composer.deliver.deep import deep_image, deep_name, write_deep
from composer.guides.passes import Samples


def flattened(path: Path) -> dict[str, np.ndarray]:
    """What `oiiotool --flatten` makes of it, over the display window."""
    source = oiio.ImageBuf(str(path))
    assert source.deep, source.geterror()
    flat = oiio.ImageBufAlgo.flatten(source)
    assert not flat.has_error, flat.geterror()
    spec = flat.spec()
    full = np.zeros((spec.full_height, spec.full_width, spec.nchannels), np.float32)
    full[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = flat.get_pixels(oiio.FLOAT)
    return {name: full[..., i] for i, name in enumerate(spec.channelnames)}


@pytest.fixture
def written(tmp_path: Path):
    frame = frames.frame()
    path = tmp_path / deep_name("test_010", "v003", 1003)
    write_deep(path, frame, frames.view(), frames.slate())
    return frame, path


def test_flattening_gives_the_crowd_part(written) -> None:
    frame, path = written
    assert path.name == "test_010_v003_deep.1003.exr" and path.parent.name == "deep"
    flat, crowd = flattened(path), frame.layer("crowd").rgba.astype(np.float32)
    for i, c in enumerate("RGBA"):
        assert np.allclose(flat[c], crowd[..., i], rtol=2.0**-9, atol=1e-6), c
    assert (flat["A"][crowd[..., 3] == 0] == 0).all()


def test_every_sample_is_a_soldier_at_his_depth(written) -> None:
    frame, path = written
    source = oiio.ImageInput.open(str(path))
    spec, deep = source.spec(), source.read_native_deep_image()
    kinds = dict(zip(spec.channelnames, map(str, spec.channelformats), strict=True))
    assert kinds == {"R": "half", "G": "half", "B": "half", "A": "half", "Z": "float", "id": "uint"}
    assert spec.getattribute("muster:shot") == "test_010" and spec.getattribute("muster:frame") == 1003
    samples, names = frame.guides.samples, list(spec.channelnames)
    for y, x in ((10, 8), (17, 30), (29, 49)):
        p, q = (y - spec.y) * spec.width + x - spec.x, y * frames.W + x
        entries = range(int(samples.start[q]), int(samples.start[q + 1]))
        assert deep.samples(p) == len(entries) == 2
        for s, e in enumerate(entries):
            assert deep.deep_value_uint(p, names.index("id"), s) == samples.agent_id[e]
            assert deep.deep_value(p, names.index("Z"), s) == samples.depth_m[e]
        # coverage 0.5, then 0.25: half of what the first lets through
        assert [deep.deep_value(p, names.index("A"), s) for s in range(2)] == [0.5, 0.5]


def test_nobody_leaves_an_empty_deep_file_and_the_space_is_the_deliverys(tmp_path: Path) -> None:
    path = tmp_path / "empty.exr"
    write_deep(path, frames.frame(empty=True), frames.view(), frames.slate())
    flat = flattened(path)
    assert not any(flat[c].any() for c in "RGBA")
    swap = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    frame = replace(frames.frame(), delivery_from_working=swap)
    write_deep(path, frame, frames.view(), frames.slate())
    flat = flattened(path)
    rgb = np.stack([flat[c] for c in "RGB"], -1)
    assert np.allclose(rgb, frame.guides.beauty @ swap.T, rtol=3e-3, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=16), min_size=1, max_size=8), st.integers(0, 9))
def test_over_gives_coverage_and_colour_back(pixels: list[list[float]], seed: int) -> None:
    """Any coverages, up to full: front over back, in float64 from the stored values, within a few roundings of half."""
    rng = np.random.default_rng(seed)
    coverage = [np.array(c) / max(sum(c), 1.0) for c in pixels]
    count = [len(c) for c in coverage]
    n = sum(count)
    flat = np.concatenate(coverage).astype(np.float32)
    colour = rng.uniform(0, 4, (n, 3)).astype(np.float32)
    depth = np.concatenate([np.sort(rng.integers(1, 4, k)) for k in count]).astype(np.float32)  # with ties
    start = np.concatenate([[0], np.cumsum(count)])
    samples = Samples(start, np.arange(1, n + 1, dtype=np.uint32), flat, depth, colour * flat[:, None])
    image = deep_image(samples, (len(pixels), 1), np.eye(3))
    assert len(image.channels["id"]) == n
    for p in range(len(pixels)):
        own = slice(image.start[p], image.start[p + 1])
        assert (np.diff(image.channels["Z"][own]) > 0).all()
        through, total = 1.0, np.zeros(4)
        for e in range(own.start, own.stop):
            total += through * np.array([image.channels[c][e] for c in "RGBA"], dtype=np.float64)
            through *= 1.0 - float(image.channels["A"][e])
        mine = slice(start[p], start[p + 1])
        truth = np.append(samples.rgb[mine].sum(0), flat[mine].sum())
        assert np.allclose(total, truth, rtol=2.0**-10, atol=2.0**-10)
