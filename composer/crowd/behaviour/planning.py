"""From a layout and its regions' cues to the plan of a simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import Cast
from composer.crowd.behaviour.plan import Band, ClipTable, Plan, cues_of, involved, reaches
from composer.crowd.behaviour.terrain import TerrainSource
from composer.crowd.laid import Layout
from composer.crowd.obstacles import Obstacles
from composer.crowd.shares import first_id
from composer.crowd.sites import STEEPEST_DEG, Site
from composer.shot.schema_crowd import CrowdSpec

#: People may come so far: at this pace, but never more than so many metres.
_FASTEST_M_S, _MOST_MARGIN_M = 4.0, 100.0

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def plan_of(
    crowd: CrowdSpec,
    cast: Cast,
    sites: Sequence[Site],
    made: Layout,
    start: int,
    obstacles: Obstacles,
    span_s: float,
) -> Plan:
    """What the behaviour of those with cues is simulated from. made: the analytic layout. start: the frame at which all
    stand in their places. span_s: how long the shot goes on from there. Raises InputError for a cast without the
    clips."""
    names = [s.spec.name for s in sites]
    low, high = _walked_on(crowd, sites, made, involved([s.spec for s in sites]), span_s)
    terrain = TerrainSource(obstacles, made.ground, tuple(low.tolist()), tuple(high.tolist()), STEEPEST_DEG)
    rate = float(made.frame_rate)
    acting = involved([s.spec for s in sites])
    table, kind_of = ClipTable.of(cast)
    casting, region = made.casting, made.region.astype(np.int32)
    kind = kind_of[casting.cast]
    along, aside = _on_paths(sites, made)
    pace = [float(casting.speed_m_s[region == k].max(initial=0.0)) for k in range(len(sites))]
    bands = tuple(
        Band(
            s.spec.name,
            tuple(float(v) for v in s.brief.area.middle_m.round(6)),
            round(s.heading_rad, 9),
            pace[k],
            cues_of(s.spec, names, start, rate),
            acting[k],
            int(np.bincount(kind[region == k]).argmax()) if (region == k).any() else 0,
            s.places.march.path if s.places.march is not None else None,
        )
        for k, s in enumerate(sites)
    )
    since = (start - made.first_frame) / rate
    idle = table.idle[kind, (casting.seed % np.uint32(table.idle.shape[1])).astype(np.int64)]
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
        kind=kind,
        lies=np.array([bool(f.instead) for f in cast.figures], dtype=bool)[casting.cast],
        along_m=along,
        aside_m=aside,
        bands=bands,
        clips=table,
        step_s=1.0 / rate,
        lethality=crowd.behaviour.lethality,
        apart_m=crowd.behaviour.keep_apart_m,
        terrain=terrain,
    )


def _on_paths(sites: Sequence[Site], made: Layout) -> tuple[F32, F32]:
    """Everybody's place on his region's path: (along, to its right), float32 [N]; 0 where there is none."""
    along, aside = np.zeros(len(made), np.float32), np.zeros(len(made), np.float32)
    for k, site in enumerate(sites):
        mine = np.flatnonzero(made.region == k)
        if site.places.march is not None and len(mine):
            number = made.agent_id[mine].astype(np.int64) - first_id(site.spec.name)
            along[mine], aside[mine] = site.places.march.along_m[number], site.places.march.offset_m[number]
    return along, aside


def _walked_on(crowd: CrowdSpec, sites: Sequence[Site], made: Layout, acting: Sequence[bool], span_s: float) -> F64:
    """(low, high) corners (x, z) of the ground on which those with cues may come in `span_s`, float64 [2, 2]."""
    mine = np.array(acting)[made.region]
    points = [made.place_m[mine]]
    points += [np.array([c.target]) for r in crowd.regions for c in r.cues if isinstance(c.target, tuple)]
    points += [s.places.march.path.point_m for s, act in zip(sites, acting, strict=True) if act and s.places.march]
    everywhere = np.concatenate(points)
    margin = min(_MOST_MARGIN_M, 10.0 + _FASTEST_M_S * span_s)
    return np.stack([everywhere.min(0) - margin, everywhere.max(0) + margin]).round(3)
