"""What a soldier is called: his region and the number of his place in it, the same in every shot, count and machine;
and what those are called that he belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from composer.crowd.arrows import Archery
from composer.crowd.orders import Crowd
from composer.crowd.shares import first_id


@dataclass(frozen=True)
class Names:
    """By agent id: his own name, his side's, and that of what he is cast as: his kit, or his type of
    the cast file, whatever his build."""

    agent: Mapping[int, str]
    side: Mapping[int, str]
    cast: Mapping[int, str]


class _Called(dict[int, str]):
    """Names by id; those of arrows are made when they are asked for."""

    def __init__(self, people: Mapping[int, str], arrow: Callable[[int], str | None]) -> None:
        super().__init__(people)
        self._arrow = arrow

    def __missing__(self, agent: int) -> str:
        name = self._arrow(agent)
        if name is None:
            raise KeyError(agent)
        return name


def with_arrows(names: Names, archery: Archery) -> Names:
    """The names, and those of the crowd's arrows: `arrow_host.00042.03` is the fourth that host.00042 shoots, on his
    side, an `arrow` among the cast."""

    def own(agent: int) -> str | None:
        archer = archery.archer_of(agent)
        return None if archer is None else f"arrow_{names.agent[archer]}.{archery.shot_of(agent):02d}"

    def side(agent: int) -> str | None:
        archer = archery.archer_of(agent)
        return None if archer is None else names.side[archer]

    def kind(agent: int) -> str | None:
        return None if archery.archer_of(agent) is None else "arrow"

    return Names(_Called(names.agent, own), _Called(names.side, side), _Called(names.cast, kind))


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
