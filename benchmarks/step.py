"""The crowd's step against SciPy's cKDTree doing the neighbour search alone, and against JuPedSim where it is
installed; all in one run.

The crowd: two hosts that charge each other, `count` men in all, measured while the front ranks fight and the others
still run. SciPy is asked how many neighbours each man has within the radius that he really looks at (farther where
enemies are near); it is given all cores, and neither forces nor decisions. JuPedSim steps as many people of its
cheapest model on open ground; they only walk. The same charge once more with houses in its way shows what obstacles cost.
"""

from __future__ import annotations

import json
import math
import time
from fractions import Fraction

import numpy as np

from composer.crowd.agents import Cast
from composer.crowd.behaviour.plan import Plan
from composer.crowd.behaviour.step import Simulation
from composer.crowd.cast import default_cast
from composer.crowd.layout import layout
from composer.shot.ground import plane_ground
from composer.shot.schema_crowd import CrowdSpec, CueSpec, ObstacleSpec, RegionSpec

COUNTS = (1_000, 10_000, 100_000)
WARM, STEPS = 60, 24


def plan_of_a_charge(count: int, cast: Cast, houses: bool = False) -> Plan:
    """Half against half, 8 m apart; with houses, every 20 m there is one between them and one among the red."""
    half = count // 2
    wide = math.sqrt(half * 4.4)
    deep = half * 1.09 / wide + 4

    def host(name: str, foe: str, z0: float, z1: float, heading: float) -> RegionSpec:
        polygon = ((-wide / 2, z0), (wide / 2, z0), (wide / 2, z1), (-wide / 2, z1))
        cue = CueSpec(at=1002, do="charge", target=foe)
        return RegionSpec(name=name, polygon_m=polygon, heading_deg=heading, side=name, count=half, cues=(cue,))

    regions = (host("red", "blue", 0, deep, 0.0), host("blue", "red", -8 - deep, -8, 180.0))
    ground = plane_ground((0, 0, 0), (0, 1, 0))
    built: list[ObstacleSpec] = []
    for x in np.arange(-wide / 2 + 10, wide / 2, 20.0) if houses else ():
        for z in (-4.0, 6.0):
            built.append(ObstacleSpec(polygon_m=((x - 3, z - 2), (x + 3, z - 2), (x + 3, z + 2), (x - 3, z + 2))))
    spec = CrowdSpec(seed=1, regions=regions, obstacles=tuple(built))
    made = layout(spec, cast, ground, lambda f: None, frame_rate=Fraction(24), first_frame=1001, fit=True)  # type: ignore[arg-type,return-value]
    assert made.acts is not None
    return made.acts.plan


def step_ms(plan: Plan, threads: int | None) -> tuple[float, float, Simulation]:
    """(median, mean) milliseconds of a step in the thick of it. Every sixth step makes the map of enemies anew: that is
    in the mean."""
    running = Simulation(plan, threads=threads)
    for _ in range(WARM):
        running.step()
    times = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        running.step()
        times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1000), float(np.mean(times) * 1000), running


def scipy_ms(running: Simulation) -> tuple[float, float]:
    """(median milliseconds of a cKDTree built and asked, neighbours a man has)."""
    from scipy.spatial import cKDTree

    moment = running.moment()
    radius = running.radius_m()
    times, near = [], 0.0
    for _ in range(5):
        begin = time.perf_counter()
        tree = cKDTree(moment.place_m)
        counts = tree.query_ball_point(moment.place_m, radius, workers=-1, return_length=True)
        times.append(time.perf_counter() - begin)
        near = float(np.mean(counts)) - 1
    return float(np.median(times) * 1000), near


def jupedsim_ms(count: int) -> float | str:
    """Milliseconds of a step of JuPedSim's collision-free speed model with the same number of people on open ground."""
    try:
        import jupedsim as jps  # type: ignore[import-not-found]
    except ImportError:
        return "not installed"
    side = math.sqrt(count * 1.1)
    edge = 1.5 * side
    run = jps.Simulation(model=jps.CollisionFreeSpeedModel(), geometry=[(-5, -5), (edge, -5), (edge, edge), (-5, edge)])
    goal = run.add_waypoint_stage((edge - 2, edge - 2), 1.0)
    journey = run.add_journey(jps.JourneyDescription([goal]))
    rows = math.ceil(math.sqrt(count))
    for k in range(count):
        at = (1.05 * (k % rows), 1.05 * (k // rows))
        run.add_agent(
            jps.CollisionFreeSpeedModelAgentParameters(position=at, journey_id=journey, stage_id=goal, radius=0.2)
        )
    run.iterate(3)
    begin = time.perf_counter()
    run.iterate(10)
    return round((time.perf_counter() - begin) * 100, 2)


def measure() -> dict[str, object]:
    cast, rows = default_cast(), []
    for count in COUNTS:
        plan = plan_of_a_charge(count, cast)
        one, _, _ = step_ms(plan, 1)
        many, mean, running = step_ms(plan, None)
        houses = step_ms(plan_of_a_charge(count, cast, houses=True), None)[0]
        tree, near = scipy_ms(running)
        fighting = int((running.moment().foe >= 0).sum())
        running.close()
        rows.append(
            {
                "agents": len(plan), "step_ms": round(many, 2), "step_mean_ms": round(mean, 2),
                "step_one_thread_ms": round(one, 2), "step_with_houses_ms": round(houses, 2),
                "scipy_neighbours_only_ms": round(tree, 2), "neighbours": round(near, 1), "fighting": fighting,
                "jupedsim_ms": jupedsim_ms(count),
            }
        )  # fmt: skip
    return {"what": "one step of two hosts that charge each other", "rows": rows}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
