"""The charge on the valley: the shot is sound, and the two hosts are in it."""

from __future__ import annotations

from pathlib import Path

from composer.render.check import check_shot
from composer.shot.load import load_shot

SHOT = Path(__file__).parents[2] / "scenes" / "valley" / "charge.yaml"


def test_nothing_is_wrong_with_it() -> None:
    assert check_shot(SHOT).errors == ()


def test_five_thousand_meet_five_thousand() -> None:
    regions = load_shot(SHOT).crowd.regions
    assert [(r.side, r.count, r.cues[0].do) for r in regions] == [("red", 5000, "charge"), ("blue", 5000, "charge")]
