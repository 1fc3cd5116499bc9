"""Skeleton, seeds, and the colours of the cast."""

from __future__ import annotations

import numpy as np
import pytest

from composer.crowd.agents import MATERIALS
from composer.crowd.cast import KITS, albedo_for, default_cast, figures_of_kit
from composer.crowd.dyes import SIDES, from_srgb, palettes_with
from composer.crowd.seeds import hash01, hash_u32
from composer.crowd.skeleton import JOINT, SKELETON
from composer.errors import InputError

M = {name: i for i, name in enumerate(MATERIALS)}


def test_skeleton_is_ordered_and_symmetric() -> None:
    assert SKELETON.parent[0] == -1 and all(SKELETON.parent[j] < j for j in range(1, len(SKELETON.names)))
    assert len(set(SKELETON.names)) == len(SKELETON.names) <= 32
    for name in SKELETON.names:
        if name.startswith("r_"):
            right, left = SKELETON.bind_m[JOINT[name]], SKELETON.bind_m[JOINT["l_" + name[2:]]]
            assert right[0] > 0
            np.testing.assert_allclose(right * [-1, 1, 1], left)


def test_openpose_order() -> None:
    on = [SKELETON.names[j] for j in SKELETON.openpose]
    assert on == [
        "head",
        "neck",
        "r_upper_arm",
        "r_forearm",
        "r_hand",
        "l_upper_arm",
        "l_forearm",
        "l_hand",
        "r_thigh",
        "r_shin",
        "r_foot",
        "l_thigh",
        "l_shin",
        "l_foot",
        "head",
        "head",
        "head",
        "head",
    ]
    at = SKELETON.openpose_offset_m
    assert at.shape == (18, 3) and at.dtype == np.float32
    assert (at[[2, 3, 4, 8, 9, 10, 14, 16], 0] > 0).all() and (at[[5, 6, 7, 11, 12, 13, 15, 17], 0] < 0).all()
    assert at[0, 2] < at[14, 2] < at[16, 2]  # nose before eyes before ears; he faces -Z
    assert (np.diff(at[[10, 9, 8, 2], 1]) > 0).all() and 1.55 < at[14, 1] < 1.72


def test_kits_index_the_cast() -> None:
    cast = default_cast()
    assert len(KITS) >= 5 and {"spearman", "swordsman", "heavy", "levy", "officer"} <= set(KITS)
    seen = [i for kit in KITS for i in figures_of_kit(kit)]
    assert seen == list(range(len(cast.figures)))
    for kit in KITS:
        assert all(cast.figures[i].name.startswith(kit + "_") for i in figures_of_kit(kit))
    with pytest.raises(KeyError):
        figures_of_kit("wizard")


def test_the_cast_is_built_once() -> None:
    first = default_cast()
    assert default_cast() is first


def test_hash01_is_even_and_independent_by_purpose() -> None:
    seed = np.arange(200_000, dtype=np.uint32)
    a, b = hash01(seed, "a"), hash01(seed, "b")
    assert a.dtype == np.float32 and a.min() >= 0 and a.max() < 1
    for values in (a, b, hash01(seed * np.uint32(65536), "a")):
        share = np.histogram(values, 20, (0, 1))[0] / len(values)
        np.testing.assert_allclose(share, 0.05, atol=0.003)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.01 and abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.01
    np.testing.assert_array_equal(hash01(seed[:5], "a"), a[:5])
    assert hash01(7, "a").shape == () and hash_u32(-1, "x") == hash_u32(2**32 - 1, "x")


def test_hash_is_pinned() -> None:
    """Saved shots depend on these numbers."""
    assert [int(h) for h in hash_u32(np.array([0, 1, 4711], np.uint32), "kit")] == [2784985172, 1424454062, 3844975960]


def _albedo(count: int, side: str, kit: str = "spearman", first: int = 0) -> np.ndarray:
    seed = np.arange(first, first + count, dtype=np.uint32)
    return albedo_for(np.full(count, figures_of_kit(kit)[0], np.int16), [side] * count, seed)


def test_albedo_is_believable() -> None:
    for side in SIDES:
        for kit in KITS:
            a = _albedo(400, side, kit)
            assert a.shape == (400, len(MATERIALS), 3) and a.dtype == np.float32
            assert a.min() > 0.01 and a.max() < 0.8
            for cloth in ("tunic", "cloak", "shield", "trousers"):
                assert a[:, M[cloth]].max() < 0.5
            assert len(np.unique(a.round(5), axis=0)) == 400  # nobody is anybody's clone


def test_albedo_depends_on_the_man_alone() -> None:
    whole = _albedo(50, "red")
    np.testing.assert_array_equal(whole[20:30], _albedo(10, "red", first=20))
    seed = np.arange(50, dtype=np.uint32)
    cast = np.zeros(50, np.int16)
    np.testing.assert_array_equal(whole, albedo_for(cast, ["blue", "red"], seed, side=np.ones(50, np.int8)))


def test_sides_are_told_apart_and_earthy() -> None:
    red, blue = _albedo(300, "red"), _albedo(300, "blue")
    for what in ("tunic", "cloak", "shield"):
        r, b = red[:, M[what]], blue[:, M[what]]
        assert (r[:, 0] > r[:, 2]).mean() > 0.98 and (b[:, 2] > b[:, 0]).mean() > 0.9
        spread = 1.0 - r.min(1) / r.max(1)
        assert np.median(spread) < 0.9  # ACEScg of a pure toy red comes to 0.97
    metal = red[:, M["metal"]]
    assert np.ptp(metal.mean(1)) > 0.03


def test_srgb_picks_become_acescg() -> None:
    ocio = pytest.importorskip("PyOpenColorIO")
    config = ocio.Config.CreateFromBuiltinConfig("studio-config-v4.0.0_aces-v2.0_ocio-v2.5")
    cpu = config.getProcessor("sRGB Encoded Rec.709 (sRGB)", "ACEScg").getDefaultCPUProcessor()
    for pick in ("85291D", "2C4A6B", "C9C3AE", "101010"):
        code = [int(pick[i : i + 2], 16) / 255.0 for i in (0, 2, 4)]
        np.testing.assert_allclose(from_srgb(pick)[0], cpu.applyRGB(code), rtol=2e-3, atol=2e-4)


def test_own_sides_and_wrong_ones() -> None:
    own = palettes_with({"green": {"tunic": [0.05, 0.12, 0.04]}, "red": {"shield": [0.3, 0.02, 0.02]}})
    a = albedo_for(np.zeros(200, np.int16), ["green"] * 200, np.arange(200, dtype=np.uint32), palettes=own)
    assert (a[:, M["tunic"]].argmax(1) == 1).mean() > 0.95
    with pytest.raises(InputError, match=r"gren.*green"):
        albedo_for(np.zeros(1, np.int16), ["gren"], np.zeros(1, np.uint32), palettes=own)
    with pytest.raises(InputError, match="tunik"):
        palettes_with({"red": {"tunik": [0.1, 0.1, 0.1]}})
