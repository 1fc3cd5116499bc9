"""`paint:` of shot.yaml: all of it optional, all of it strict."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.errors import InputErrors
from composer.shot.load import parse_shot
from composer.shot.schema import ShotFile
from composer.shot.schema_paint import AnchorsSpec, PaintPartSpec, PaintSpec
from tests.shot.conftest import TINY

FULL = """\
paint:
  bundle: [sdxl-house, bundles/levy]
  prompt: an army in mud
  negative: photograph
  parts:
    - {side: red, prompt: red cloth}
    - {type: spearman, negative: swords}
    - {region: host, strength: 0.3}
  strength: 0.55
  steps: 20
  guidance: 5.5
  seed: 12
  noise: screen
  references: [ref/a.png]
  edge_px: 3
  grow_px: 16
  exposure: -1.5
  anchors: {every: 12}
  steady: true
"""


def paint(text: str) -> PaintSpec:
    return parse_shot(TINY + text).paint


def told(text: str) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        parse_shot(TINY + text)
    return caught.value.line().splitlines()


def test_nothing_said_is_a_paint_block_too() -> None:
    assert parse_shot(TINY).paint == PaintSpec()
    assert PaintSpec().bundle is None and PaintSpec().exposure == "auto"


def test_everything_said() -> None:
    spec = paint(FULL)
    assert spec.bundle == ("sdxl-house", "bundles/levy") and spec.exposure == -1.5
    assert [p.who for p in spec.parts] == [("side", "red"), ("type", "spearman"), ("region", "host")]
    assert spec.anchors == AnchorsSpec(every=12) and spec.steady and not PaintSpec().steady
    assert paint("paint: {bundle: one}").bundle == ("one",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("paint: {bundel: x}", "paint.bundel: unknown key; did you mean bundle?"),
        ("paint: {bundle: 3}", "not a bundle: expected a bundle's name"),
        ("paint: {bundle: []}", "which bundles?"),
        ("paint: {strength: 1.5}", "paint.strength: out of range: expected at most 1"),
        ("paint: {steps: 0}", "paint.steps: out of range: expected at least 1"),
        ("paint: {steps: many}", "paint.steps: wrong kind of value"),
        ("paint: {guidance: 0.5}", "paint.guidance: out of range"),
        ("paint: {noise: water}", "paint.noise: unknown value"),
        ("paint: {exposure: bright}", "paint.exposure"),
        ("paint: {edge_px: 20, grow_px: 8}", "paint.edge_px: the edge lies outside what is painted"),
        ("paint: {anchors: {}}", "paint.anchors: just one of these keys is needed: expected frames or every"),
        ("paint: {anchors: {every: 1}}", "paint.anchors.every: out of range"),
        ("paint: {parts: [{side: red}]}", "paint.parts.0: what do they get?"),
        ("paint: {parts: [{prompt: mud}]}", "just one of these keys is needed: expected side or type or region"),
        ("paint: {parts: [{side: red, region: a, prompt: x}]}", "just one of these keys is needed"),
        ("paint: {parts: [{side: red, seed: 3, prompt: x}]}", "paint.parts.0.seed: unknown key"),
    ],
)
def test_mistakes_have_their_line(text: str, said: str) -> None:
    lines = told(text)
    assert any(said in line for line in lines), lines
    assert all(line.startswith(f"shot.yaml:{len(TINY.splitlines()) + 1}:") for line in lines)


def test_the_page_on_painting_names_every_key() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "paint.md").read_text(encoding="utf-8")
    for model in (PaintSpec, PaintPartSpec, AnchorsSpec):
        for key in model.model_fields:
            assert f"{key}:" in page, key
    assert "paint" in ShotFile.model_fields
