"""Polygons on the ground and on the plate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from composer.camera.camera import View
from composer.crowd.regions import (
    area_m2,
    centroid_m,
    crossing_edges,
    cut_to_reach,
    edge_distance_m,
    inside,
    region_polygon,
)  # fmt: skip
from composer.errors import InputError, Where
from composer.shot.ground import plane_ground

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
HOLLOW = np.array([[0, 0], [10, 0], [10, 10], [5, 3], [0, 10.0]])
HERE = Where(field="crowd.regions.0.polygon_px")


def view(frame: int) -> View:
    """At 2 m, level, 1000 px focal length: the horizon is in row 500."""
    world_from_camera = np.eye(4)
    world_from_camera[1, 3] = 2.0
    return View(frame, (1000, 1000), world_from_camera, (1000.0, 1000.0), (500.0, 500.0))


def test_plain_geometry() -> None:
    square = np.array([[1, 1], [3, 1], [3, 3], [1, 3.0]])
    assert area_m2(square) == 4 and area_m2(square[::-1]) == 4
    assert np.allclose(centroid_m(square), [2, 2]) and np.allclose(centroid_m(square[::-1]), [2, 2])
    points = np.array([[2, 2], [1.1, 2], [0, 0], [4, 2], [2, 2.95]])
    assert inside(square, points).tolist() == [True, True, False, False, True]
    assert inside(square, points, 0.2).tolist() == [True, False, False, False, False]
    assert np.allclose(edge_distance_m(square, points), [1, 0.1, math.sqrt(2), 1, 0.05])


def test_inside_counts_area() -> None:
    grid = (np.stack(np.meshgrid(np.arange(200), np.arange(200)), -1).reshape(-1, 2) + 0.5) / 20
    assert inside(HOLLOW, grid).mean() * 100 == pytest.approx(area_m2(HOLLOW), rel=0.01)


def test_crossing() -> None:
    assert crossing_edges(HOLLOW) is None
    assert crossing_edges(np.array([[0, 0], [2, 2], [2, 0], [0, 2.0]])) == (0, 2)


def test_pixels_land_where_they_should() -> None:
    points = ((400.0, 600.0), (600.0, 600.0), (600.0, 700.0), (400.0, 700.0))
    polygon, notes = region_polygon(None, (1001, points), FLAT, view, HERE)
    assert np.allclose(polygon, [[-2, -20], [2, -20], [1, -10], [-1, -10]], atol=1e-4)
    assert notes == ()


def test_a_vertex_above_the_horizon_is_named() -> None:
    points = ((400.0, 600.0), (600.0, 480.0), (600.0, 700.0))
    with pytest.raises(InputError, match=r"frame 1001: crowd.regions.0.polygon_px.points.1: vertex 2 meets no ground"):
        region_polygon(None, (1001, points), FLAT, view, HERE)


def test_far_regions_are_cut_and_noted() -> None:
    points = ((0.0, 501.0), (1000.0, 501.0), (1000.0, 700.0), (0.0, 700.0))
    polygon, notes = region_polygon(None, (1001, points), FLAT, view, HERE)
    distance = np.linalg.norm(polygon, axis=1)
    assert 395 < distance.max() < 402 and len(notes) == 1 and "cut at 400 m" in notes[0]
    half = math.atan(0.5)
    assert area_m2(polygon) == pytest.approx(400**2 * half - 100 * 0.5, rel=0.005)  # a wedge less the triangle in front
    with pytest.raises(InputError, match="too far away"):
        region_polygon(None, (1001, ((0.0, 500.5), (500.0, 500.5), (500.0, 501.0))), FLAT, view, HERE)


def test_cut_leaves_the_near_alone() -> None:
    assert np.allclose(cut_to_reach(HOLLOW, np.zeros(2)), HOLLOW)
    assert len(cut_to_reach(HOLLOW + 1000, np.zeros(2))) == 0


@pytest.mark.parametrize(
    ("polygon", "what"),
    [
        (((0, 0), (0, 0), (1, 1)), "not a polygon"),
        (((0, 0), (0.1, 0), (0, 0.1)), "no room"),
        (((0, 0), (2, 2), (2, 0), (0, 2)), "crosses itself"),
    ],
)
def test_bad_polygons(polygon, what: str) -> None:
    with pytest.raises(InputError, match=what):
        region_polygon(polygon, None, FLAT, view, HERE)
