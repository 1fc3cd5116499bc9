"""`measure_look` on whole shots, and its numbers back into `shot.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.plates import gaussian_kernel

from composer.comp.measure.look import Measured, measure_look
from composer.comp.measure.measured import Found
from composer.comp.measure.written import light_yaml, match_yaml
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Grain, PlateLook, Vignette
from composer.io.content import find_content
from composer.shot.light_measure import MeasuredLight
from composer.shot.load import load_shot
from composer.shot.stage import prepare


def test_the_demo_has_the_grain_that_it_was_made_with() -> None:
    """sigma^2 = 0.0016^2 + 0.0004 x signal by its maker; its lossy EXR has taken some of it. It has no fringe, no vignette that
    could be seen, and the edges of a Gaussian pixel filter of 0.58 px, widened by motion."""
    measured = measure_look(prepare(load_shot(find_content("scenes/valley/shot.yaml"))), (1001, 1024))
    assert isinstance(measured, Measured) and measured.frames == (1001, 1024)
    grain, edge = measured.grain.value, measured.edge.value
    assert grain is not None and edge is not None
    for level in (0.1, 0.3, 1.0):
        true = 0.0016**2 + 0.0004 * level
        assert 0.55 * true < np.interp(level, grain.level, grain.variance[1]) < 1.15 * true
    assert 0.58 < edge.spread_px < 0.85
    assert measured.fringe.value is None and measured.vignette.value is None
    assert all(note for note in measured.all_notes)


def test_what_is_measured_can_be_pasted_into_the_shot(make_shot: Callable[..., Path]) -> None:
    rng = np.random.default_rng(1)
    look = PlateLook(
        grade=Grade(np.eye(3) + 0.1 * rng.standard_normal((3, 3)), np.array([0.01, -0.02, 0.0])),
        air=Air((1.2e-4, 2e-4, 3.3e-4), (0.5, 0.6, 1.0)),
        grain=Grain(
            np.array([0.01, 0.5, 2.0]),
            rng.uniform(1e-6, 1e-3, (3, 3)),
            np.stack([gaussian_kernel(s) for s in (0.5, 0.7, 1.0)]).astype(np.float32),
            np.linalg.cholesky(np.array([[1, 0.3, 0.2], [0.3, 1, 0.4], [0.2, 0.4, 1]])),
        ),
        edge=Edge(0.75, 0.0, 0.0),
        vignette=Vignette(np.array([-0.3, 0.05, 0.0])),
        fringe=Fringe(1.0003, 0.9996),
    )
    path = make_shot()
    text = path.read_text() + match_yaml(look, ("a note", "another"))
    path.write_text(text)
    spec = load_shot(path).match
    assert spec is not None and spec.grade and spec.air and spec.grain and spec.edge and spec.vignette and spec.fringe
    assert np.array(spec.grade.matrix) == pytest.approx(look.grade.matrix, rel=1e-4)  # type: ignore[union-attr]
    assert spec.air.extinction_per_m == pytest.approx(look.air.extinction_per_m)  # type: ignore[union-attr]
    assert spec.grain.level == pytest.approx((0.01, 0.5, 2.0))
    assert np.array(spec.grain.variance) == pytest.approx(look.grain.variance, rel=1e-4)  # type: ignore[union-attr]
    assert np.array(spec.grain.kernel) == pytest.approx(look.grain.kernel, abs=1e-4)  # type: ignore[union-attr]
    assert np.array(spec.grain.mix) == pytest.approx(look.grain.mix, abs=1e-4)  # type: ignore[union-attr]
    assert (spec.edge.spread_px, spec.fringe.red, spec.vignette.k) == (0.75, 1.0003, (-0.3, 0.05, 0.0))


def test_nothing_measured_is_only_comments(make_shot: Callable[..., Path]) -> None:
    path = make_shot()
    path.write_text(path.read_text() + match_yaml(PlateLook(), ("why not",)))
    assert load_shot(path).match is None


def test_light_can_be_pasted_into_the_shot(make_shot: Callable[..., Path]) -> None:
    toward = np.array([0.5, 0.5, np.sqrt(0.5)])
    light = MeasuredLight("ground", toward, np.array([3.0, 2.0, 1.0]), np.array([0.3, 0.4, 0.5]), None, 2.0, 0.7)
    path = make_shot()
    head, _, tail = path.read_text().partition("light:")
    path.write_text(head + light_yaml(light) + "crowd:" + tail.partition("crowd:")[2])
    spec = load_shot(path).light
    assert spec.sun is not None and spec.sky is not None and spec.sun.elevation_deg == pytest.approx(30.0)
    assert np.array(spec.sun.color) * spec.sun.strength == pytest.approx([3.0, 2.0, 1.0], rel=2e-3)
    assert light_yaml(MeasuredLight("ground", notes=("light: none",))).startswith("# light: none")


def test_what_is_not_sure_is_left_out() -> None:
    from composer.comp.measure.look import _trusted

    sure, unsure = Found(Edge(0.5), 0.9, 100, 0.01, ("edge: x",)), Found(Edge(0.5), 0.1, 100, 0.01, ("edge: x",))
    assert _trusted(sure, "edge") is sure
    left = _trusted(unsure, "edge")
    assert left.value is None and "0.10" in left.notes[-1] and replace(left, value=None).samples == 100
