"""What `shot.yaml` takes for regions and obstacles, and how mistakes in them are told."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from composer.errors import InputErrors
from composer.render.check import check_shot
from composer.shot.load import load_shot
from composer.shot.schema_crowd import USUAL, RegionSpec

POLYGON = "polygon_m: [[-2, -6], [2, -6], [2, -12], [-2, -12]]"


def with_region(tiny: Path, text: str, more: str = "") -> Path:
    """The tiny shot with something else than its polygon (line 11), and more of `crowd`."""
    tiny.write_text(tiny.read_text().replace(POLYGON, text) + more)
    return tiny


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"formation: phalnx\n      {POLYGON}", "unknown value: .*'phalanx'.* got 'phalnx'; did you mean phalanx?"),
        (f"formation: wedge\n      {POLYGON}\n      ranks: 4", "ranks: a wedge does not take this"),
        (
            f"formation: loose\n      {POLYGON}\n      files: 4",
            "files: a loose does not take this: expected column or sq",
        ),
        (f"formation: camp\n      {POLYGON}\n      moving: true", "moving: a camp stays where it is"),
        ("formation: wedge\n      path_m: [[0, -5], [0, -9]]", "formation: a wedge has no path"),
        ("formation: column\n      path_m: [[0, -5]]", "path_m: too few values: expected at least 2"),
        (
            "formation: column\n      path_m: [[0, -5], [0, -9]]\n      heading_deg: 4",
            "heading_deg: a column looks along",
        ),
        (f"{POLYGON}\n      width_m: 4", "width_m: only a band along a path has a width"),
        (f"{POLYGON}\n      path_m: [[0, -5], [0, -9]]", "just one of these keys is needed: expected polygon_m or"),
        ("density: {map: m.png}", "density: where does the map lie on the ground\\?: expected extent_m"),
        ("density: {map: m.png, on: plate, extent_m: [[0, 0], [1, 1]], frame: 1}", "extent_m: a map on the plate"),
        ("density: {map: m.png, extent_m: [[0, 0], [0, 1]]}", "extent_m: this extent has no area"),
        ("density: {map: m.png, extent_m: [[0, 0], [1, 1]]}\n      formation: column", "a column is not painted"),
        (f"{POLYGON}\n      spacng_m: [1, 1]", "spacng_m: unknown key; did you mean spacing_m?"),
    ],
)
def test_mistakes_are_told_at_their_line(tiny: Path, text: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told) as error:
        load_shot(with_region(tiny, text))
    (one,) = error.value.errors
    assert one.where.line is not None and 10 <= one.where.line <= 13


def test_each_formation_has_its_own_spacing_and_jitter() -> None:
    for name, (spacing, jitter) in USUAL.items():
        spec = RegionSpec(name="a", polygon_m=((0, 0), (1, 0), (1, 1)), formation=name)
        assert (spec.spacing_m, spec.jitter) == (spacing, jitter)
    own = RegionSpec(
        name="a", polygon_m=((0, 0), (1, 0), (1, 1)), formation="phalanx", spacing_m=(1.0, 2.0), jitter=0.5
    )
    assert (own.spacing_m, own.jitter) == ((1.0, 2.0), 0.5)


def lines(path: Path) -> list[str]:
    return [error.line() for error in check_shot(path).errors]


def test_files_that_regions_and_obstacles_name(tiny: Path) -> None:
    obstacle = "  obstacles:\n    - {mesh: rock.obj}\n"
    told = lines(with_region(tiny, "density: {map: map.png, extent_m: [[-2, -12], [2, -6]]}", obstacle))
    assert len(told) == 2
    assert "shot.yaml:11:" in told[0] and "crowd.regions.0.density.map" in told[0] and "map.png" in told[0]
    assert "shot.yaml:13:" in told[1] and "rock.obj: no such file" in told[1]
    cv2.imwrite(str(tiny.parent / "map.png"), np.zeros((8, 8), np.uint8))
    (tiny.parent / "rock.obj").write_text("v 0 0 -8\nv 1 0 -8\nv 0 1 -9\nf 1 2 3\n")
    (black,) = lines(tiny)
    assert "shot.yaml:11:" in black and "map.png: nothing is painted" in black
    cv2.imwrite(str(tiny.parent / "map.png"), np.full((8, 8), 255, np.uint8))
    report = check_shot(tiny)
    assert report.errors == () and any("obstacle 1: rock.obj" in n for n in report.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path_m: [[90, -5], [95, -6]]\n      formation: column", ":11:.*path_m: the region is never in the picture"),
        ("density: {map: map.png, on: plate, frame: 900}", ":11:.*density.frame: the camera has no such frame"),
        (
            "density: {map: map.png, extent_m: [[90, -5], [95, -6]]}",
            ":11:.*density: the region is never in the picture",
        ),
        ("path_m: [[0, -6], [0, -7]]\n      formation: column", "too small for its people.*a longer path"),
    ],
)
def test_where_regions_lie_is_checked(tiny: Path, text: str, told: str) -> None:
    cv2.imwrite(str(tiny.parent / "map.png"), np.full((64, 96), 255, np.uint8))
    with_region(tiny, text)
    (line,) = lines(tiny)
    assert re.search(told, line), line
