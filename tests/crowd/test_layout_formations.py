"""Formations: counts nest for every one of them and every kind of region, and a small count looks meant."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support.cost import timed
from support.fields import (
    CAST,
    CLOSE,
    FIELD,
    FORMATIONS,
    KINDS,
    assert_part_of,
    cliff,
    high_view,
    laid,
    nearest,
    region,
)  # fmt: skip

from composer.crowd.areas import Area
from composer.crowd.crowds import camp
from composer.crowd.formations import Brief
from composer.crowd.regions import inside
from composer.errors import InputError
from composer.shot.ground import mesh_ground

PLAIN = ((-40.0, -60.0), (40.0, -60.0), (40.0, -5.0), (-40.0, -5.0))


@pytest.mark.parametrize(("formation", "kind"), KINDS)
def test_a_hundred_in_a_thousand_in_ten_thousand(formation: str, kind: str, tmp_path: Path) -> None:
    spec = region(formation, kind, tmp_path)
    crowds = [laid([spec], n, view_at=high_view, fit=True) for n in (100, 1000, 10_000)]
    assert [len(c) for c in crowds[:2]] == [100, 1000] and len(crowds[2]) > 6000
    for few, many in pairwise(crowds):
        assert_part_of(few, many)
    assert nearest(crowds[2]) >= 0.45 - 1e-5


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(KINDS),
    st.tuples(st.floats(1, 2.5), st.floats(1, 2.5)),
    st.floats(0, 1),
    st.floats(-180, 180),
    st.booleans(),
    st.lists(st.integers(0, 900), min_size=3, max_size=3).map(sorted),
    st.integers(0, 2**62),
)
def test_any_counts_nest(tmp_path, which, wider, jitter, heading, moving, counts, seed) -> None:
    formation, kind = which
    spacing = tuple(a * b for a, b in zip(CLOSE[formation], wider, strict=True))
    spec = region(formation, kind, tmp_path, jitter=jitter) | {"spacing_m": spacing}
    if not (formation == "column" and kind == "path"):
        spec["heading_deg"] = heading
    if moving and formation != "camp":
        spec |= {"moving": True, "clip": "march"}
    crowds = [laid([spec], n, seed=seed, view_at=high_view, fit=True) for n in (*counts, 3000)]
    for few, many in pairwise(crowds):
        assert_part_of(few, many)
        assert len(few) == few.wanted or len(few) == len(many)
    assert nearest(crowds[-1]) >= 0.45 - 1e-5
    if kind == "polygon":
        assert inside(np.array(FIELD), crowds[-1].place_m, 0.2249).all()


@pytest.mark.parametrize("formation", FORMATIONS)
def test_nobody_on_a_cliff_or_in_the_air(formation: str, tmp_path: Path) -> None:
    spec = region(formation, "polygon", tmp_path)
    crowd, flat = laid([spec], 9000, cliff(), fit=True), laid([spec], 60_000, fit=True)
    assert len(crowd) > 500 and (crowd.place_m[:, 0] <= 0).all()
    assert any("no ground or a slope above 40 deg" in n for n in crowd.notes)
    assert set(crowd.agent_id) <= set(flat.agent_id)  # the gaps keep their numbers


def in_ranks(crowd, spacing: tuple[float, float]) -> dict[int, list[float]]:
    """Places of people who look down -Z: rank from the front to the sorted places across, in files."""
    z = crowd.place_m[:, 1]
    rank = np.round((z - z.min()) / spacing[1]).astype(int)
    return {int(r): sorted(crowd.place_m[rank == r, 0] / spacing[0]) for r in np.unique(rank)}


def test_phalanx() -> None:
    spec = {"name": "a", "formation": "phalanx", "polygon_m": PLAIN, "jitter": 0.0}
    for count, deep in ((25, 5), (100, 10), (256, 16), (800, 16)):
        ranks = in_ranks(laid([spec], count), (0.6, 0.9))
        assert len(ranks) == deep and {len(r) for r in ranks.values()} == {count // deep}  # full, from the front
        for places in ranks.values():
            assert np.allclose(np.diff(places), 1) and abs(np.mean(places)) <= 1
    assert len(in_ranks(laid([spec], 2500), (0.6, 0.9))) > 16  # no more room to the sides
    eight = in_ranks(laid([{**spec, "ranks": 8}], 400), (0.6, 0.9))
    assert len(eight) == 8 and {len(r) for r in eight.values()} == {50}
    with pytest.raises(InputError, match=r"too small .* at most 1,064"):
        laid([{**spec, "ranks": 8}], 2000)


def test_wedge() -> None:
    spec = {"name": "a", "formation": "wedge", "polygon_m": PLAIN, "jitter": 0.0, "spacing_m": (1.0, 1.0)}
    ranks = in_ranks(laid([spec], 100), (1.0, 1.0))
    assert [len(ranks[r]) for r in range(10)] == list(range(1, 20, 2))
    assert all(abs(np.mean(places)) < 1e-6 for places in ranks.values())
    odd = in_ranks(laid([spec], 105), (1.0, 1.0))
    assert len(odd[10]) == 5 and abs(np.mean(odd[10])) < 1e-6


def test_skirmish_line() -> None:
    spec = {"name": "a", "formation": "skirmish_line", "polygon_m": PLAIN, "jitter": 0.0}
    for count in (6, 20, 50):
        ranks = in_ranks(laid([spec], count), (3.0, 4.0))
        assert set(ranks) == {0, 1} and len(ranks[0]) == len(ranks[1]) == count // 2
        assert np.allclose(np.diff(ranks[0]), 1) and np.allclose(np.subtract(ranks[1], ranks[0]) % 1, 0.5)
    assert len(laid([{**spec, "ranks": 2}], 500, fit=True)) in (52, 53)  # a front of 80 m, twice


def look(crowd) -> np.ndarray:
    heading = crowd.at([1001]).heading_rad[0]
    return np.stack([-np.sin(heading), -np.cos(heading)], axis=1)


def test_square() -> None:
    spec = {"name": "a", "formation": "square", "polygon_m": PLAIN, "jitter": 0.0, "files": 20, "spacing_m": (1.0, 1.0)}
    ring, half, whole = (laid([spec], n) for n in (76, 38, 76 + 68 + 60 + 52))
    middle = (ring.place_m.min(axis=0) + ring.place_m.max(axis=0)) / 2
    assert np.allclose(np.abs(ring.place_m - middle).max(axis=1), 9.5)  # the outer ring first,
    gaps = cKDTree(half.place_m).query(ring.place_m)[0]
    assert gaps.max() < 1.5  # evenly all round,
    out = np.abs(whole.place_m - middle).max(axis=1)
    assert out.min() >= 6.5 - 1e-6 and nearest(whole) > 0.99  # and hollow
    off = whole.place_m - middle
    assert (np.einsum("ij,ij->i", off, look(whole)) > 0.95 * out).all()  # outward
    two = laid([spec], 300).place_m
    assert np.abs(two - middle).max(axis=1).max() > 20  # a second one beside it
    small = laid([{**spec, "files": 70}], 100)
    assert any("a square of 70 files does not fit: made of 5" in n for n in small.notes)
    with pytest.raises(InputError, match="no room for a square"):
        laid([{**spec, "polygon_m": ((0, 0), (3, 0), (3, 3), (0, 3))}], 9)


def test_a_column_is_shorter_from_its_head_back() -> None:
    path = ((-30.0, -10.0), (0.0, -20.0), (30.0, -10.0))
    spec = {"name": "a", "formation": "column", "path_m": path, "spacing_m": (1.0, 1.5), "jitter": 0.0}
    for count in (4, 40, 41, 100):
        place = laid([spec], count).place_m
        back = np.hypot(*(place - np.array(path[-1])).T)
        ranks = -(-count // 4)
        assert back.max() < 1.5 * (ranks - 1) + 2
    crowd = laid([spec], 100)
    along = look(crowd)[:4]
    assert (along[:, 0] > 0.7).all()
    half = laid([{**spec, "head": 0.5}], 8).place_m
    assert np.hypot(*(half - np.array([0.0, -20.0])).T).max() < 3.5


def clark_evans(place: np.ndarray, area: float) -> float:
    """Mean distance to the nearest over what chance would give: below 1 is clustered."""
    return float(cKDTree(place).query(place, k=2)[0][:, 1].mean() / (0.5 * math.sqrt(area / len(place))))


def test_a_mob_is_clustered_and_a_loose_crowd_is_not() -> None:
    for count in (100, 200, 400):
        mob, loose = (laid([{"name": "a", "formation": f, "polygon_m": PLAIN}], count) for f in ("mob", "loose"))
        clustered, spread = (clark_evans(c.place_m, 80 * 55) for c in (mob, loose))
        assert clustered < 0.8 and spread > 1.3


def test_camp() -> None:
    brief = Brief(Area(np.array(PLAIN)), 0.0, (6.0, 6.0), 0.0, 5)
    places = camp(brief, 300)
    assert places.anchor_m is not None and places.heading_rad is not None
    to_fire = places.anchor_m - places.position_m
    off = np.hypot(*to_fire.T)
    assert off.min() > 1.05 and off.max() < 1.9
    eyes = np.stack([-np.sin(places.heading_rad), -np.cos(places.heading_rad)], axis=1)
    assert np.einsum("ij,ij->i", eyes, to_fire / off[:, None]).min() > 0.999
    for count in (40, 120):  # whole groups, spread over the camp
        fires, people = np.unique(places.anchor_m[:count], axis=0, return_counts=True)
        assert sorted(people)[1:] >= [3] * (len(people) - 1) and len(fires) < count / 3
        typical = math.sqrt(80 * 55 / len(fires))
        assert cKDTree(fires).query(fires, k=2)[0][:, 1].min() > 0.5 * typical


def test_own_spacing_and_mistakes() -> None:
    phalanx = {"name": "a", "formation": "phalanx", "polygon_m": PLAIN, "jitter": 0.0}
    place = laid([phalanx], 256).place_m
    assert np.allclose(np.ptp(place, axis=0), (15 * 0.6, 15 * 0.9))
    with pytest.raises(InputError, match=r"spacing_m: the fires of a camp .* at least 5 m"):
        laid([{"name": "a", "formation": "camp", "polygon_m": PLAIN, "spacing_m": (3.0, 3.0)}], 9)
    with pytest.raises(InputError, match="inside each other"):
        laid([{"name": "a", "formation": "mob", "polygon_m": PLAIN, "spacing_m": (0.5, 0.5)}], 9)


def test_a_phalanx_is_of_spearmen() -> None:
    crowd = laid([{"name": "a", "formation": "phalanx", "polygon_m": PLAIN}], 200)
    assert {CAST.figures[c].name.split("_")[0] for c in crowd.casting.cast} == {"spearman"}


@pytest.mark.parametrize("formation", FORMATIONS)
def test_overlapping_formations_keep_apart(formation: str) -> None:
    small = {
        "name": "guard",
        "formation": formation,
        "polygon_m": ((-12, -40), (12, -40), (12, -16), (-12, -16)),
        "count": 40,
    }
    host = {"name": "host", "formation": "loose", "polygon_m": PLAIN, "count": 1500}
    crowd, alone = laid([host, small], None), laid([small], None)
    assert nearest(crowd) >= 0.45 - 1e-5
    if formation != "camp":  # a camp of forty is as large as its ground
        assert_part_of(alone, crowd)


def test_walkers_on_a_mesh_cost_little_more_than_on_a_plane() -> None:
    line = np.linspace(-350, 350, 141)
    x, z = np.meshgrid(line, line)
    position = np.stack([x, 3 * np.sin(x / 20) * np.cos(z / 17), z], axis=-1).reshape(-1, 3)
    a = (np.arange(141 * 140).reshape(140, 141)[:, :-1]).ravel()
    ground = mesh_ground(
        position, np.concatenate([np.stack([a, a + 141, a + 1], 1), np.stack([a + 1, a + 141, a + 142], 1)])
    )
    plain = ((-160.0, -330.0), (160.0, -330.0), (160.0, 0.0), (-160.0, 0.0))
    spec = {
        "name": "a",
        "polygon_m": plain,
        "formation": "loose",
        "spacing_m": (0.9, 1.1),
        "clip": "march",
        "moving": True,
    }
    crowd = laid([spec], 100_000, ground)
    crowd.at([1001])
    agents, mesh_s = timed(lambda: crowd.at([1000, 1001, 1002]))
    plane = laid([spec], 100_000)
    _, plane_s = timed(lambda: plane.at([1000, 1001, 1002]))
    assert mesh_s < 20 * plane_s  # 7 times on an idle machine; a search of all 39,200 triangles would cost thousands
    some = agents.position_m[:, ::997].astype(np.float64)
    assert np.abs(ground.height_m(some[..., 0], some[..., 2]) - some[..., 1]).max() < 1e-4
