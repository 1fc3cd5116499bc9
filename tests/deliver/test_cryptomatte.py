"""Cryptomatte against the published numbers of the specification and an independent decoder."""

from __future__ import annotations

import json

import numpy as np

from composer.deliver import cryptomatte
from composer.guides.passes import Samples


def test_hashes_are_those_that_other_programs_write() -> None:
    # manifest and layer key of a public Cryptomatte sample picture (OpenImageIO's test suite, cryptoasset.exr)
    public = {
        "bunny": "13851a76",
        "default": "42c9679f",
        "flowerA": "e2c8d131",
        "flowerB": "ad8d7c3c",
        "set": "5ecc6fe8",
    }
    assert {n: f"{cryptomatte.name_hash(n):08x}" for n in public} == public
    assert next(iter(cryptomatte.metadata("uCryptoAsset", []))).split("/")[1] == "d593dd7"


def test_an_exponent_of_all_zeros_or_ones_is_toggled() -> None:
    ids = cryptomatte.hash_floats([f"soldier_{i:08d}" for i in range(20000)])
    bits = ids.view(np.uint32)
    exponent = bits >> 23 & 255
    assert np.isfinite(ids).all()
    assert exponent.min() > 0 and exponent.max() < 255


def _decode(pictures: list[np.ndarray], wanted: float) -> np.ndarray:
    """Coverage of one object: the sum over ranks whose id is the wanted one. Independent of the encoder."""
    mask = np.zeros(pictures[0].shape[:2], np.float32)
    for picture in pictures:
        for rank in (0, 2):
            mask += np.where(picture[..., rank] == np.float32(wanted), picture[..., rank + 1], 0)
    return mask


def _random(h: int, w: int, agents: np.ndarray) -> tuple[Samples, np.ndarray]:
    """Samples of up to everybody in each pixel, and the truth [K, h, w]."""
    rng = np.random.default_rng(4)
    start, ids, coverage = [0], [], []
    truth = np.zeros((len(agents), h, w), np.float32)
    for p in range(h * w):
        here = rng.permutation(len(agents))[: rng.integers(0, len(agents) + 1)]
        shares = rng.dirichlet(np.ones(len(here) + 1))[: len(here)].astype(np.float32)
        for k, c in zip(here, shares, strict=True):
            ids.append(agents[k])
            coverage.append(c)
            truth[k].flat[p] = c
        start.append(len(ids))
    n = len(ids)
    samples = Samples(
        np.array(start),
        np.array(ids, np.uint32),
        np.array(coverage, np.float32),
        np.zeros(n, np.float32),
        np.zeros((n, 3), np.float32),
    )
    return samples, truth


def _whole(found: list, h: int, w: int) -> list[np.ndarray]:
    """Levels over the whole picture, [h, w, 4]."""
    pictures = []
    for box, planes in found:
        picture = np.zeros((h, w, 4), np.float32)
        picture[box.y : box.bottom, box.x : box.right] = np.stack(planes, -1)
        pictures.append(picture)
    return pictures


def test_levels_decode_to_each_agents_coverage() -> None:
    h, w, agents = 9, 13, np.array([3, 8, 900, 70000], np.uint32)
    samples, truth = _random(h, w, agents)
    floats = cryptomatte.hash_floats([str(a) for a in agents])
    pictures = _whole(cryptomatte.levels(cryptomatte.by_agent(samples, agents), (w, h), floats), h, w)
    for k in range(len(agents)):
        assert np.allclose(_decode(pictures, floats[k]), truth[k], atol=1e-7)
    ranks = np.stack([p[..., i] for p in pictures for i in (1, 3)])
    assert (np.diff(ranks, axis=0) <= 0).all(), "ranks fall in coverage"


def test_groups_decode_to_the_sum_of_their_agents() -> None:
    h, w, agents = 11, 7, np.array([3, 8, 900, 70000, 70001], np.uint32)
    samples, truth = _random(h, w, agents)
    group = np.array([2, 0, 2, 1, 2])
    floats = cryptomatte.hash_floats(["red", "blue", "levy"])
    shares = cryptomatte.by_group(cryptomatte.by_agent(samples, agents), group)
    pictures = _whole(cryptomatte.levels(shares, (w, h), floats), h, w)
    for k in range(3):
        assert np.allclose(_decode(pictures, floats[k]), truth[group == k].sum(0), atol=1e-6)
    ranks = np.stack([p[..., i] for p in pictures for i in (1, 3)])
    assert (np.diff(ranks, axis=0) <= 0).all()
    shown = np.stack([p[..., i] for p in pictures for i in (0, 2)])
    for k in range(3):
        assert (shown == floats[k]).sum(0).max() == 1, "a group is once in a pixel"


def test_equal_shares_stand_nearest_first_and_groups_by_number() -> None:
    """Which of two equal shares goes first must not be left to chance: the files would differ."""
    agents = np.array([5, 6, 7, 8], np.uint32)
    quarter = np.full(4, 0.25, np.float32)
    nearest_first = np.array([7, 5, 8, 6], np.uint32)
    samples = Samples(np.array([0, 4]), nearest_first, quarter, np.zeros(4, np.float32), np.zeros((4, 3), np.float32))
    floats = cryptomatte.hash_floats(["a", "b", "c", "d"])
    shares = cryptomatte.by_agent(samples, agents)
    pictures = _whole(cryptomatte.levels(shares, (1, 1), floats), 1, 1)
    assert [float(p[0, 0, i]) for p in pictures[:2] for i in (0, 2)] == [float(floats[k]) for k in (2, 0, 3, 1)]
    pictures = _whole(cryptomatte.levels(cryptomatte.by_group(shares, np.array([1, 0, 1, 0])), (1, 1), floats), 1, 1)
    assert [float(pictures[0][0, 0, i]) for i in range(4)] == [float(floats[0]), 0.5, float(floats[1]), 0.5]


def test_a_level_without_anything_is_one_pixel() -> None:
    samples, _ = _random(9, 13, np.array([5], np.uint32))
    shares = cryptomatte.by_agent(samples, np.array([5], np.uint32))
    found = cryptomatte.levels(shares, (13, 9), cryptomatte.hash_floats(["a"]))
    assert len(found) == 3
    assert [(box.width, box.height) for box, _ in found[1:]] == [(1, 1)] * 2
    assert not any(plane.any() for _, planes in found[1:] for plane in planes)


def test_metadata_names_every_object() -> None:
    tags = cryptomatte.metadata("crypto_agent", ["soldier_1", "kapitän"])
    prefix = {k.rsplit("/", 1)[0] for k in tags}
    assert len(prefix) == 1 and len(prefix.pop()) == len("cryptomatte/") + 7
    manifest = json.loads(next(v for k, v in tags.items() if k.endswith("/manifest")))
    assert set(manifest) == {"soldier_1", "kapitän"}
    assert manifest["soldier_1"] == f"{cryptomatte.name_hash('soldier_1'):08x}"
