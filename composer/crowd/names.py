"""What a soldier is called: his region and the number of his place in it, the same in every shot, count and machine."""

from __future__ import annotations

from composer.crowd.layout import Layout
from composer.crowd.shares import first_id


def agent_names(layout: Layout) -> dict[int, str]:
    """Agent id to name (`host_left.00042`, or a hero's own) for everybody in `layout`."""
    first = [first_id(name) for name in layout.region_names]
    pairs = zip(layout.agent_id.tolist(), layout.region.tolist(), strict=True)
    names = {agent: f"{layout.region_names[r]}.{agent - first[r]:05d}" for agent, r in pairs}
    return {**names, **layout.casting.heroes}
