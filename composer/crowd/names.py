"""What a soldier is called: his region and the number of his place in it, the same in every shot, count and machine;
and what those are called that he belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from composer.crowd.orders import Crowd
from composer.crowd.shares import first_id


@dataclass(frozen=True)
class Names:
    """By agent id: his own name, his side's, and that of what he is cast as: his kit, or his type of
    the cast file, whatever his build."""

    agent: Mapping[int, str]
    side: Mapping[int, str]
    cast: Mapping[int, str]


def names_of(layout: Crowd) -> Names:
    """Names of everybody in `layout`."""
    ids = layout.agent_id.tolist()
    sides, kinds = layout.casting.side_names, layout.casting.kinds
    return Names(
        agent_names(layout),
        {a: sides[s] for a, s in zip(ids, layout.casting.side.tolist(), strict=True)},
        {a: kinds[k] for a, k in zip(ids, layout.casting.kit.tolist(), strict=True)},
    )


def agent_names(layout: Crowd) -> dict[int, str]:
    """Agent id to name (`host_left.00042`, or a hero's own) for everybody in `layout`."""
    first = [first_id(name) for name in layout.region_names]
    pairs = zip(layout.agent_id.tolist(), layout.region.tolist(), strict=True)
    names = {agent: f"{layout.region_names[r]}.{agent - first[r]:05d}" for agent, r in pairs}
    return {**names, **layout.casting.heroes}
