"""From a layout and its regions' cues to the plan of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from composer.crowd.agents import Cast
from composer.crowd.behaviour.plan import Band, ClipTable, Plan, cues_of, involved, reaches
from composer.shot.schema import CrowdSpec

if TYPE_CHECKING:
    from composer.crowd.layout import Layout
    from composer.crowd.sites import Site


def plan_of(crowd: CrowdSpec, cast: Cast, sites: Sequence[Site], made: Layout, start: int) -> Plan:
    """What the behaviour of those with cues is simulated from. made: the analytic layout. start: the frame at which all
    stand in their places. Raises InputError for a cast without the clips."""
    names = [s.spec.name for s in sites]
    rate = float(made.frame_rate)
    acting = involved([s.spec for s in sites])
    table = ClipTable.of(cast)
    casting, region = made.casting, made.region.astype(np.int32)
    pace = [float(casting.speed_m_s[region == k].max(initial=0.0)) for k in range(len(sites))]
    bands = tuple(
        Band(
            s.spec.name,
            tuple(float(v) for v in s.brief.area.middle_m.round(6)),
            round(s.heading_rad, 9),
            pace[k],
            cues_of(s.spec, names, start, rate),
            acting[k],
        )
        for k, s in enumerate(sites)
    )
    since = (start - made.first_frame) / rate
    idle = table.idle[0] + casting.seed % np.uint32(table.idle[1])
    travels = table.stride_m[casting.clip] > 0
    return Plan(
        place_m=made.place_m + made.velocity_m_s * since * ~np.array(acting)[region][:, None],
        heading_rad=made.heading_rad,
        velocity_m_s=made.velocity_m_s,
        seed=casting.seed,
        side=casting.side.astype(np.int32),
        region=region,
        height=casting.height_scale,
        reach_m=reaches([f.name for f in cast.figures], casting.cast),
        stand=np.where(travels, idle, casting.clip).astype(np.int32),
        go=casting.clip.astype(np.int32),
        phase=casting.phase_at(np.zeros(1))[0],
        bands=bands,
        clips=table,
        step_s=1.0 / rate,
        lethality=crowd.behaviour.lethality,
        apart_m=crowd.behaviour.keep_apart_m,
    )
