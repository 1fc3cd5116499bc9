"""Terrain and places: the same for a seed, joined to the ground, nested."""

from __future__ import annotations

import numpy as np
import pytest

from composer.environment.place import heading_of, spots_of
from composer.environment.terrain import SUNK_M, Seat, make_terrain, surface_of
from composer.errors import InputError, Where
from composer.shot.schema_environment import PieceSpec, TerrainSpec

SQUARE = ((-100.0, -300.0), (100.0, -300.0), (100.0, -140.0), (-100.0, -140.0))


def slope(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return 1.0 + 0.02 * x


def land(**more: object) -> TerrainSpec:
    return TerrainSpec.model_validate(
        {"name": "hill", "polygon_m": SQUARE, "height_m": 40.0, "falloff_m": 50.0, "cell_m": 2.0, **more}
    )


def test_it_rises_out_of_the_ground_within_its_line() -> None:
    made = make_terrain(land(), 5, slope, (0.0, 0.0))
    x, z = np.meshgrid(made.x_m, made.z_m)
    base = slope(x, z)
    inside = (np.abs(x) < 100) & (z > -300) & (z < -140)
    there = np.isfinite(made.y_m)
    assert not there[~inside].any()
    assert 20 < np.nanmax(made.y_m - base) < 50
    edge = there & ((np.abs(x) > 97) | (z < -297) | (z > -143))
    assert (made.y_m - base)[edge].max() < 0.5 and (made.y_m - base)[edge].min() >= -SUNK_M - 1e-9
    middle = (np.abs(x) < 30) & (z > -240) & (z < -200)
    assert np.nanmedian((made.y_m - base)[middle]) > 10


def test_same_seed_same_land_and_a_finer_grid_the_same_hills() -> None:
    one, again, other = (make_terrain(land(), seed, slope, (0.0, 0.0)) for seed in (5, 5, 6))
    assert np.array_equal(one.y_m, again.y_m, equal_nan=True)
    assert not np.array_equal(one.y_m, other.y_m, equal_nan=True)
    fine = make_terrain(land(cell_m=1.0), 5, slope, (0.0, 0.0))
    x, z = (v.ravel() for v in np.meshgrid(np.arange(-60, 60, 7.0), np.arange(-260, -180, 7.0)))
    a, b = one.height(x, z), fine.height(x, z)
    assert np.corrcoef(a, b)[0, 1] > 0.97
    assert np.abs(a - b).mean() < 2.0


def test_height_is_that_of_the_mesh() -> None:
    made = make_terrain(land(), 5, slope, (0.0, 0.0))
    vertices, triangles, normal, _, open_, _ = surface_of(made, land(), 5)
    on = vertices[triangles].mean(axis=1)
    off = np.abs(made.height(on[:, 0], on[:, 2]) - on[:, 1])
    assert np.isfinite(off).mean() > 0.98 and np.nanmean(off) < 0.15
    face = np.cross(
        vertices[triangles[:, 1]] - vertices[triangles[:, 0]], vertices[triangles[:, 2]] - vertices[triangles[:, 0]]
    )
    assert (face[:, 1] > 0).all() and (normal[:, 1] > 0).all()
    assert open_.min() > 0.3 and open_.max() <= 1


def test_a_seat_is_level_and_a_bearing_lies_where_it_says() -> None:
    bearing = land(polygon_m=None, bearing={"azimuth_deg": 30.0, "distance_m": 300.0, "width_m": 200.0})
    where = (300 * np.sin(np.radians(30)), -300 * np.cos(np.radians(30)))
    made = make_terrain(bearing, 5, slope, (0.0, 0.0), (Seat(*where, 20.0, 15.0),))
    ring = np.arange(0, 6.28, 0.3)
    y = made.height(where[0] + 15 * np.cos(ring), where[1] + 15 * np.sin(ring))
    bare = make_terrain(bearing, 5, slope, (0.0, 0.0)).height(
        where[0] + 15 * np.cos(ring), where[1] + 15 * np.sin(ring)
    )
    assert np.ptp(y) < 0.25 * np.ptp(bare) + 0.2
    top = np.unravel_index(np.nanargmax(made.rise_m), made.rise_m.shape)
    far = np.hypot(made.x_m[top[1]], made.z_m[top[0]])
    assert abs(far - 300) < 60


def spots(**more: object) -> tuple[object, ...]:
    spec = {"name": "camp", "kind": "tent", "polygon_m": SQUARE, **more}
    return spots_of(PieceSpec.model_validate(spec), 9, Where())


def test_counts_nest_and_keep_apart() -> None:
    few, many = spots(count=12), spots(count=60)
    assert many[:12] == few
    at = np.array([(s.x, s.z) for s in many])
    apart = np.linalg.norm(at[:, None] - at[None], axis=-1) + 1e9 * np.eye(60)
    assert apart.min() >= 7.0
    assert (np.abs(at[:, 0]) <= 100).all() and (at[:, 1] >= -300).all() and (at[:, 1] <= -140).all()
    with pytest.raises(InputError, match="does not fit its polygon"):
        spots(count=60, spacing_m=40.0)


def test_headings_and_panels() -> None:
    one = spots(polygon_m=None, at_m=(3.0, -4.0), heading_deg=90.0)[0]
    ahead = (-np.sin(one.heading_rad), -np.cos(one.heading_rad))
    assert ahead == pytest.approx((1.0, 0.0), abs=1e-9)  # azimuth 90 looks along +X
    assert heading_of(90.0) == one.heading_rad
    face = spots(polygon_m=None, at_m=(3.0, -4.0), face_m=(3.0, 10.0))[0]
    assert (-np.sin(face.heading_rad), -np.cos(face.heading_rad)) == pytest.approx((0.0, 1.0), abs=1e-9)
    wall = spots(kind="wall", polygon_m=None, path_m=((0.0, 0.0), (40.0, 0.0), (40.0, -20.0)))
    assert sum(s.length_m for s in wall) == pytest.approx(60.0)
    assert max(s.length_m for s in wall) < 12
