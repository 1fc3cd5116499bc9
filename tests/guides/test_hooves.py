"""Contact under a horse: dark where a hoof stands, light where one is in the air, and the rider's boots darken nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from composer.crowd.agents import Agents, Cast
from composer.crowd.cast import default_cast
from composer.crowd.horse.skeleton import HORSE
from composer.crowd.layout import layout
from composer.crowd.posed import joints_at
from composer.crowd.wardrobe import wardrobe
from composer.guides.render import render_guides
from composer.shot.ground import plane_ground
from composer.shot.schema_crowd import CrowdSpec

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
HOOVES = [f"{side}_{end}_hoof" for side in "lr" for end in ("fore", "hind")]


@pytest.fixture(scope="module")
def cavalry() -> Cast:
    return wardrobe(default_cast(), None, ["lancer"]).cast


def rider(cast: Cast, clip: str, phase: float) -> Agents:
    """One on his horse at (0, -8), side on."""
    region = {
        "name": "horse",
        "polygon_m": ((-2, -10), (2, -10), (2, -6), (-2, -6)),
        "kits": {"lancer": 1.0},
        "count": 1,
    }
    spec = CrowdSpec(seed=2, regions=(region,))
    placed = layout(spec, cast, FLAT, lambda f: None, frame_rate=Fraction(24), first_frame=1001)  # type: ignore[arg-type,return-value]
    agents = placed.at((1000, 1001, 1002))
    number = next(k for k, c in enumerate(cast.clips) if c.name == clip and c.rig == 1)
    place = np.tile(np.array([0.0, 0.0, -8.0], np.float32), (3, 1, 1))
    return replace(
        agents, position_m=place, heading_rad=np.full((3, 1), 0.5 * np.pi, np.float32),
        clip=np.full((3, 1), number, np.int16), phase=np.full((3, 1), phase, np.float32),
    )  # fmt: skip


def hooves_of(agents: Agents, cast: Cast) -> np.ndarray:
    """float64 [4, 3], now."""
    joint = np.array([HORSE[name] for name in HOOVES])
    return joints_at(agents, cast, np.zeros(4, np.int64), joint)[1][1]


def contact(agents: Agents, cast: Cast, kit, places: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The contact pass at ground places (x, z) [K, 2]."""
    view = kit.view(size=(640, 360))
    passes = render_guides(agents, cast, (view,) * 3, kit.plane_depth(view), [], kit.LIGHT, samples=1)
    points = np.stack([places[:, 0], np.zeros(len(places)), places[:, 1]], axis=1)
    px, _ = view.project(points)
    i, j = np.floor(px).astype(int).T
    return passes.contact[j, i]


def test_standing_hooves_darken_the_ground(cavalry, kit) -> None:  # type: ignore[no-untyped-def]
    agents = rider(cavalry, "brace", 0.0)
    hooves = hooves_of(agents, cavalry)
    assert hooves[:, 1].max() < 0.25  # all four are down
    under = contact(agents, cavalry, kit, hooves[:, [0, 2]])
    assert under.min() > 0.4
    middle = hooves[:, [0, 2]].mean(axis=0)[None]
    beside = contact(agents, cavalry, kit, middle + np.array([[0.0, 1.5]]))
    assert under.min() > contact(agents, cavalry, kit, middle)[0] > beside[0] == 0.0


def test_a_lifted_hoof_darkens_less(cavalry, kit) -> None:  # type: ignore[no-untyped-def]
    """In a gallop each hoof's own shade comes and goes with its height."""
    heights, shades = [], []
    for phase in np.linspace(0, 0.9, 6):
        agents = rider(cavalry, "gallop", float(phase))
        hooves = hooves_of(agents, cavalry)
        heights += hooves[:, 1].tolist()
        shades += contact(agents, cavalry, kit, hooves[:, [0, 2]]).tolist()
    low, high = np.array(heights) < 0.2, np.array(heights) > 0.38
    assert low.sum() >= 3 and high.sum() >= 3
    assert np.median(np.array(shades)[low]) > np.median(np.array(shades)[high]) + 0.15
