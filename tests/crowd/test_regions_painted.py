"""Painted density maps, on the ground and on the plate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fields import FLAT, high_view, laid, no_view

from composer.crowd.areas import Paint
from composer.crowd.regions import inside
from composer.errors import InputError
from composer.shot.ground import mesh_ground

EXTENT = ((-50.0, -80.0), (50.0, -20.0))


def picture(folder: Path, value: np.ndarray, name: str = "map.png") -> str:
    assert cv2.imwrite(str(folder / name), np.round(np.asarray(value, dtype=float) * 255).astype(np.uint8))
    return name


def painted(folder: Path, value: np.ndarray, count: int, **more):
    spec = {"name": "a", "formation": "loose", "spacing_m": (0.8, 0.8), **more}
    spec.setdefault("density", {"map": picture(folder, value), "extent_m": EXTENT})
    return laid([spec], count, folder=folder, view_at=high_view, fit=True)


def bars() -> np.ndarray:
    """Four bars, far to near: white, half, a quarter, black."""
    return np.repeat([1.0, 0.5, 0.25, 0.0], 30)[:, None] * np.ones(200)


@pytest.mark.parametrize("count", [150, 1000, 99_999])
def test_as_many_as_it_is_painted(tmp_path: Path, count: int) -> None:
    crowd = painted(tmp_path, bars(), count)
    per_bar = np.histogram(crowd.place_m[:, 1], bins=[-80, -65, -50, -35, -20])[0] / len(crowd)
    assert np.abs(per_bar - np.array([4, 2, 1, 0]) / 7).max() < max(0.03, 1.5 / np.sqrt(count))
    if count == 99_999:  # white is the spacing as written
        assert len(crowd) * per_bar[0] == pytest.approx(100 * 15 / 0.64, rel=0.1)


def test_where_it_lies(tmp_path: Path) -> None:
    """Top of the picture far away, left of it to the left; corners in any order."""
    value = np.zeros((60, 100))
    value[5:20, 10:30] = 1
    for corners in (EXTENT, EXTENT[::-1]):
        density = {"map": picture(tmp_path, value), "extent_m": corners}
        place = painted(tmp_path, value, 300, density=density).place_m
        assert (place >= (-40.9, -75.9)).all() and (place <= (-19.1, -59.1)).all()
        assert np.ptp(place, axis=0).min() > 12


def test_channels(tmp_path: Path) -> None:
    rgba = np.zeros((60, 100, 4), np.uint8)
    rgba[:, :50, 3] = 255  # alpha on the left
    rgba[:, 50:, 0] = 255  # blue (cv2 writes BGR) on the right
    assert cv2.imwrite(str(tmp_path / "rgba.png"), rgba)
    for channel, left in (("alpha", True), ("lum", False), ("B", False)):
        density = {"map": "rgba.png", "extent_m": EXTENT, "channel": channel}
        x = painted(tmp_path, rgba, 100, density=density).place_m[:, 0]
        assert ((x < 0.6) if left else (x > -0.6)).all(), channel
    for channel, words in (("R", "nothing is painted"), ("Q", "no channel 'Q'")):
        with pytest.raises(InputError, match=rf"crowd.regions.0.density.map: .*rgba.png: {words}"):
            painted(tmp_path, rgba, 10, density={"map": "rgba.png", "extent_m": EXTENT, "channel": channel})


def test_drilled_formations_stand_on_the_white(tmp_path: Path) -> None:
    crowd = painted(tmp_path, bars(), 500, formation="rank_and_file", spacing_m=(1.0, 1.0))
    assert len(crowd) == 500 and (crowd.place_m[:, 1] < -49).all()
    assert any("at least half white" in n for n in crowd.notes)


def test_on_the_plate(tmp_path: Path) -> None:
    value = np.zeros((450, 800))  # half the plate's size
    cv2.circle(value, (300, 250), 90, 1.0, -1)
    density = {"map": picture(tmp_path, value), "on": "plate", "frame": 1001}
    crowd = painted(tmp_path, value, 800, density=density)
    view = high_view(1001)
    pixels, _ = view.project(crowd.at([1001]).position_m[0].astype(np.float64))
    off = np.hypot(*(pixels / 2 - (300, 250)).T)
    assert len(crowd) == 800 and off.max() < 91 and off.max() > 80
    wrong = {"map": picture(tmp_path, value[:, :500], "wrong.png"), "on": "plate", "frame": 1001}
    with pytest.raises(InputError, match="density: the map has not the plate's shape"):
        painted(tmp_path, value, 10, density=wrong)
    sky = np.zeros((450, 800))
    sky[0, :20] = 1
    far = {"map": picture(tmp_path, sky, "sky.png"), "on": "plate", "frame": 1001}
    if not np.isfinite(FLAT.intersect(view.position_m, view.rays(np.array([[20.0, 1.0]])))).all():
        with pytest.raises(InputError, match="no paint comes down"):
            painted(tmp_path, sky, 10, density=far)


def test_nobody_behind_the_hill_that_hides_him(tmp_path: Path) -> None:
    """A wall of a hill at z = -100: paint that covers the whole plate puts nobody on the ground that it hides."""
    rows = [(0.0, 60.0), (0.0, -100.0), (60.0, -110.0), (60.0, -120.0), (0.0, -130.0), (0.0, -400.0)]
    position = np.array([(x, y, z) for y, z in rows for x in (-300, 300)], np.float32)
    triangle = [t for i in range(5) for t in ((2 * i, 2 * i + 1, 2 * i + 2), (2 * i + 1, 2 * i + 3, 2 * i + 2))]
    ground = mesh_ground(position, np.array(triangle, np.int32))
    value = np.ones((90, 160))
    spec = {"name": "a", "formation": "loose", "spacing_m": (2.0, 2.0)}
    spec["density"] = {"map": picture(tmp_path, value), "on": "plate", "frame": 1001}
    crowd = laid([spec], 30_000, ground, folder=tmp_path, view_at=high_view, fit=True)
    place = crowd.at([1001]).position_m[0].astype(np.float64)
    eye = high_view(1001).position_m
    head = place + np.array([0, 0.05, 0])
    hit = np.asarray(ground.intersect(eye, head - eye), dtype=np.float64)
    seen = np.linalg.norm(hit - eye, axis=1) > np.linalg.norm(head - eye, axis=1) * 0.97
    assert len(crowd) > 1000 and np.mean(~seen & np.isfinite(hit).all(axis=1)) < 0.01
    hidden = inside(np.array([[-50, -131], [50, -131], [50, -180], [-50, -180.0]]), crowd.place_m)
    assert not hidden.any() and (crowd.place_m[:, 1] < -190).any()


def test_what_is_wrong_with_a_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"crowd.regions.0.density.map: .*none.png"):
        laid([{"name": "a", "density": {"map": "none.png", "extent_m": EXTENT}}], 5, folder=tmp_path, view_at=no_view)


def test_paint_between_pixels() -> None:
    paint = Paint(np.array([[0, 1], [0.5, 0]], np.float32), np.zeros(2), np.array([2.0, 2.0]))
    points = np.array([[0.5, 0.5], [1.5, 0.5], [1.0, 0.5], [0.5, 1.5], [1.0, 1.0], [0.1, 0.1], [2.1, 1.0], [-0.1, 1.0]])
    assert np.allclose(paint.at(points), [0, 1, 0.5, 0.5, 0.375, 0, 0, 0])
    assert paint.painted_m2 == (2.0, 1.5)
