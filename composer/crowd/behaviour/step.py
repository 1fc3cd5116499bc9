"""The step: the whole crowd goes on by one frame. Every man decides from what all were before the step and gathers from
his own neighbours, so the result is the same on any number of threads and in any process."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.crowd.behaviour import kernel_act, kernel_move, kernel_sense
from composer.crowd.behaviour.field import enemy_map
from composer.crowd.behaviour.frames import Frames, slots_of
from composer.crowd.behaviour.kernel_act import act_kernel
from composer.crowd.behaviour.kernel_intents import Rules
from composer.crowd.behaviour.kernel_move import apart_kernel, look_kernel, stride_kernel
from composer.crowd.behaviour.kernel_sense import cell_kernel, pack_kernel, sense_kernel
from composer.crowd.behaviour.kernel_types import (
    MAN_M,
    NEAR,
    Cells,
    Field,
    Folk,
    Look,
    Now,
    Orders,
    Sense,
    Will,
)
from composer.crowd.behaviour.modes import Do, Mode
from composer.crowd.behaviour.plan import Plan
from composer.crowd.behaviour.quiver import Quiver
from composer.crowd.behaviour.recorded import Recorded
from composer.crowd.behaviour.track import Moment
from composer.crowd.behaviour.upload import clips_of, ground_of, up, ways_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

#: The cell of the neighbours' grid (larger where there would be more than so many cells), and how many steps the grid's
#: extent, the map of enemies and the regions' middles serve.
CELL_M, MOST_CELLS = 1.0, 1_000_000
MAP_STEPS = 6
#: Fewer than FEW are stepped on one thread; up to MANY, only the longer launches are shared out.
FEW, MANY = 500, 4000
#: Passes that hold people apart, and how much more room they are given than they must keep.
APART_PASSES, APART_SLACK_M = 4, 0.03
_DOWN = (int(Mode.FALL), int(Mode.DEAD), int(Mode.LIES))
_NOT_ENEMIES = (*_DOWN, int(Mode.GHOST))


class Simulation:
    """A crowd on its way. `step()` goes on by one frame; `moment()` is how things stand."""

    def __init__(self, plan: Plan, device: str = "cpu", threads: int | None = None) -> None:
        self.plan, self.device, self.number = plan, device, 0
        self._threads = 1 if device != "cpu" else max(1, min(threads or os.cpu_count() or 1, 8))
        self._pool = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 and len(plan) > FEW else None
        self._launches: dict[tuple[str, int, int], Recorded] = {}
        self._nth = 0
        for module in (kernel_sense, kernel_act, kernel_move):
            wp.load_module(module, device=device)
        self._frames = Frames(plan)
        self.quiver = Quiver()
        self._ghosts = np.flatnonzero(~plan.simulated)
        self._hostile = plan.hostile()
        self._volleys = any(c.do == Do.VOLLEY for b in plan.bands for c in b.cues)
        self._allocate()

    # ---- memory

    def _up(self, data: NDArray, dtype: object) -> wp.array:  # type: ignore[type-arg]
        return up(self.device, data, dtype)

    def _allocate(self) -> None:
        plan, n = self.plan, len(self.plan)
        folk = Folk()
        folk.seed, folk.side = self._up(plan.seed, wp.uint32), self._up(plan.side, wp.int32)
        folk.region = self._up(plan.region, wp.int32)
        folk.slot = self._up(slots_of(plan).astype(np.float32), wp.vec2)
        folk.height, folk.reach = self._up(plan.height, wp.float32), self._up(plan.reach_m, wp.float32)
        folk.clip, folk.go = self._up(plan.stand, wp.int32), self._up(plan.go, wp.int32)
        folk.along, folk.aside = self._up(plan.along_m, wp.float32), self._up(plan.aside_m, wp.float32)
        folk.kind = self._up(plan.kind, wp.int32)
        half = np.maximum(plan.clips.half_m[plan.kind], np.float32(plan.apart_m / 2))
        folk.half = self._up(half, wp.vec2)
        self._wider_m = float(max(half.max(initial=0.0) - MAN_M - 0.1, 0.0))
        self._folk = folk
        self._now, self._next = self._people(), self._people()
        self._look, self._look_next = self._looks(), self._looks()
        self._sense = self._struct(Sense, push=wp.vec2, enemy=int, enemy_m=float, free=int, near_count=int,
                                   ahead=float, ahead_speed=float, wall=float)  # fmt: skip
        self._sense.near = wp.empty((n, int(NEAR)), dtype=int, device=self.device)
        self._will = self._struct(Will, wish=wp.vec2, facing=float, clip=int, phase=float, loosed=int)
        self._foe = wp.empty(n, dtype=int, device=self.device)
        self._places = [wp.empty(n, dtype=wp.vec3, device=self.device) for _ in range(2)]
        self._key, self._who = (wp.empty(2 * n, dtype=int, device=self.device) for _ in range(2))
        self._few = tuple(a.numpy()[:n] for a in (self._key, self._who)) if self.device == "cpu" else ()
        cells = Cells()
        cells.who, cells.bits = (wp.empty(n, dtype=int, device=self.device) for _ in range(2))
        cells.body = wp.empty(n, dtype=wp.vec4, device=self.device)
        self._cells = cells
        self._ground, self._ways = ground_of(plan, self.device), ways_of(plan, self.device)
        self._clips = clips_of(plan, self.device)
        self._hit = wp.zeros(n, dtype=int, device=self.device)
        self._orders = self._cues()

    def _struct(self, kind: Callable[[], object], **fields: object) -> object:
        out = kind()
        for name, dtype in fields.items():
            setattr(out, name, wp.zeros(len(self.plan), dtype=dtype, device=self.device))
        return out

    def _people(self) -> Now:
        plan, n = self.plan, len(self.plan)
        going = np.array([b.cues[0].do == Do.GO for b in plan.bands], dtype=bool)[plan.region] & ~plan.lies
        velocity = plan.velocity_m_s * going[:, None]
        now = Now()
        place = np.zeros((n, 3), np.float32)
        place[:, [0, 2]] = plan.place_m
        now.place, now.velocity = self._up(place, wp.vec3), self._up(velocity.astype(np.float32), wp.vec2)
        now.heading = self._up(plan.heading_rad.astype(np.float32), wp.float32)
        mode = np.select([plan.lies, plan.simulated], [int(Mode.LIES), int(Mode.FREE)], int(Mode.GHOST))
        now.mode = self._up(mode.astype(np.int32), wp.int32)
        first = np.cumsum([0, *(len(b.cues) for b in plan.bands)])[:-1]
        now.order = self._up(first[plan.region].astype(np.int32), wp.int32)
        for name, value, dtype in (
            ("since", 0.0, np.float32), ("foe", -1, np.int32), ("duel", -1.0, np.float32), ("slow", 0.0, np.float32),
            ("wait", 0.0, np.float32), ("loose", 0, np.int32), ("willing", 0, np.int32), ("veer", 0, np.int32),
        ):  # fmt: skip
            setattr(now, name, self._up(np.full(n, value, dtype), wp.int32 if dtype == np.int32 else wp.float32))
        now.planted = self._up((~going).astype(np.int32), wp.int32)
        return now

    def _looks(self) -> Look:
        plan, n, look = self.plan, len(self.plan), Look()
        going = np.array([b.cues[0].do == Do.GO for b in plan.bands], dtype=bool)[plan.region]
        pace = np.array([b.pace_m_s for b in plan.bands])[plan.region] * going
        clip = np.where(going, plan.go, plan.stand).astype(np.int32)
        gait = (pace[:, None] > plan.clips.up[plan.kind]).sum(axis=1).astype(np.int32)
        look.clip, look.phase = self._up(clip, wp.int32), self._up(plan.phase, wp.float32)
        look.clip_from, look.phase_from = self._up(clip, wp.int32), self._up(plan.phase, wp.float32)
        look.blend = self._up(np.ones(n, np.float32), wp.float32)
        look.blend_rate = self._up(np.full(n, 4.0, np.float32), wp.float32)
        look.gait, look.speed = self._up(gait, wp.int32), self._up(pace.astype(np.float32), wp.float32)
        return look

    def _cues(self) -> Orders:
        cues = [c for b in self.plan.bands for c in b.cues]
        counts = np.array([len(b.cues) for b in self.plan.bands], np.int32)
        orders = Orders()
        orders.first = self._up((np.cumsum(counts) - counts).astype(np.int32), wp.int32)
        orders.count = self._up(counts, wp.int32)
        orders.at = self._up(np.array([c.at_s for c in cues], np.float32), wp.float32)
        orders.told = self._up(np.array([int(c.do) for c in cues], np.int32), wp.int32)
        orders.spread = self._up(np.array([c.spread_s for c in cues], np.float32), wp.float32)
        orders.share = self._up(np.array([c.share for c in cues], np.float32), wp.float32)
        orders.key = self._up(np.array([c.key for c in cues], np.uint32), wp.uint32)
        orders.aimed = self._up(np.array([c.target is not None for c in cues], np.int32), wp.int32)
        self._told: dict[str, tuple[wp.array, NDArray | None]] = {}  # type: ignore[type-arg]
        vectors, whole = ("middle", "velocity", "goal"), ("arrived", "on_way")
        for name in ("middle", "heading", "velocity", "turn", "phase", "arrived", "on_way", "gone", "goal"):
            dtype = wp.vec2 if name in vectors else wp.int32 if name in whole else wp.float32
            array = wp.zeros(len(cues) if name == "goal" else len(counts), dtype=dtype, device=self.device)
            setattr(orders, name, array)
            self._told[name] = (array, array.numpy() if self.device == "cpu" else None)
        return orders

    # ---- one step

    def _each(self, kernel: wp.Kernel, *inputs: object) -> None:
        """Launch over everybody, in parts on the CPU's threads. Launches are recorded: every other step is the same but
        for what was made anew."""
        at = (kernel.key, self.number & 1, self._nth)
        self._nth += 1
        known = self._launches.get(at)
        if known is None:
            n = len(self.plan)
            split = self._pool is not None and (n > MANY or kernel in (sense_kernel, act_kernel, look_kernel))
            edges = np.linspace(0, n, (self._threads if n < 4 * MANY else 4 * self._threads) * split + (not split) + 1)
            known = self._launches[at] = Recorded(kernel, edges.astype(int), inputs, self.device)
        known.take(inputs)
        if len(known.parts) == 1 or self._pool is None:
            for part in known.parts:
                part.launch()
            return
        left = deque(known.parts)

        def work() -> None:
            while True:
                try:
                    part = left.popleft()
                except IndexError:
                    return
                part.launch()

        others = [self._pool.submit(work) for _ in range(self._threads - 1)]
        work()
        for done in others:
            done.result()

    def step(self) -> None:
        """On by one frame."""
        plan, dt = self.plan, self.plan.step_s
        if not len(plan):
            self.number += 1
            return
        t, self._nth = (self.number + 1) * dt, 0
        self._haunt()
        if self.number % MAP_STEPS == 0:
            self._survey()
        self._command(t, dt)
        if self._volleys:
            self._strike(self.number * dt)
        now, after, sense, will = self._now, self._next, self._sense, self._will
        rules = Rules()
        rules.t, rules.dt, rules.lethality, rules.apart_m = t, dt, plan.lethality, plan.apart_m
        self._each(cell_kernel, now, self._cells, self._key, self._who)
        self._sort()
        self._each(pack_kernel, len(plan), self._folk, now, self._key, self._who, self._cells)
        self._each(sense_kernel, self._wider_m, self._folk, now, self._field, self._cells, self._ground, sense)
        self._each(
            act_kernel, rules, self._folk, now, after, self._orders, self._field, sense, self._clips, self._hit,
            self._ways, self._ground, self._cells, will,
        )  # fmt: skip
        one, two = self._places
        self._each(stride_kernel, dt, self._folk, now, after, self._foe, sense, self._ground, will, one)
        for _ in range(APART_PASSES):
            self._each(apart_kernel, APART_SLACK_M, self._folk, now, after, sense, self._ground, one, two)
            one, two = two, one
        looks = self._look, self._look_next
        self._each(
            look_kernel, dt, self._folk, now, after, self._orders, self._clips, will, self._foe, one, *looks
        )  # fmt: skip
        self._now, self._next = after, now
        self._look, self._look_next = self._look_next, self._look
        self.number += 1
        if self._volleys:
            self._volley(t)

    def _sort(self) -> None:
        """Everybody in the order of his cell, those of one cell in their own."""
        n = len(self.plan)
        if self.device != "cpu" or n > MANY:
            wp.utils.radix_sort_pairs(self._key, self._who, n)
            return
        key, who = self._few  # NumPy is sooner done
        who[:] = key.argsort(kind="stable")
        key[:] = key[who]

    def _haunt(self) -> None:
        """Put those who are not simulated where their analytic layout has them after this step."""
        if not len(self._ghosts):
            return
        who = self._ghosts
        velocity_m_s = self.plan.velocity_m_s[who]
        place_m = self.plan.place_m[who] + velocity_m_s * ((self.number + 1) * self.plan.step_s)
        for now in (self._now, self._next):
            place, velocity = now.place.numpy(), now.velocity.numpy()
            place[who[:, None], [0, 2]], velocity[who] = place_m, velocity_m_s
            if self.device != "cpu":
                now.place.assign(place)
                now.velocity.assign(velocity)

    def _survey(self) -> None:
        """The extent of the neighbours' grid, where everybody's enemies are, and the middle of each region's living, in
        whole millimetres (so that sums do not depend on their order)."""
        plan = self.plan
        place = self._now.place.numpy()[:, [0, 2]]
        self._spread(place)
        living = ~np.isin(self._now.mode.numpy(), _NOT_ENEMIES)
        chart = enemy_map(place, plan.side, living, self._hostile)
        self._field = Field()
        self._field.hostile = self._up(self._hostile.astype(np.int32), wp.int32)
        self._field.nearest = self._up(chart.nearest_m, wp.vec2)
        self._field.x0, self._field.z0, self._field.inv_cell = chart.x0_m, chart.z0_m, 1.0 / chart.cell_m
        bands = len(plan.bands)
        standing = ~np.isin(self._now.mode.numpy(), _DOWN)
        whose, at = plan.region[standing], np.rint(place[standing].astype(np.float64) * 1000)
        count = np.bincount(whose, minlength=bands)
        total = np.stack([np.bincount(whose, weights=at[:, k], minlength=bands) for k in range(2)], axis=1)
        home = np.array([b.middle_m for b in plan.bands], np.float64).reshape(-1, 2)
        self._centres = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None] / 1000, home)
        square = np.stack([np.bincount(whose, weights=at[:, k] ** 2, minlength=bands) for k in range(2)], axis=1)
        mean = total / np.maximum(count, 1)[:, None]
        self._extent = np.sqrt(np.maximum(square / np.maximum(count, 1)[:, None] - mean**2, 0.0)) / 1000

    def _spread(self, place_m: F32) -> None:
        """Lay the neighbours' grid over everybody, with room to walk until the next survey."""
        low, high = place_m.min(axis=0) - 3.0, place_m.max(axis=0) + 3.0
        cell = max(CELL_M, float(np.sqrt(float((high - low).prod()) / MOST_CELLS)))
        cells, start = Cells(), self._cells.start
        for name in ("who", "body", "bits"):
            setattr(cells, name, getattr(self._cells, name))
        cells.x0, cells.z0 = (float(np.floor(v / cell) * cell) for v in low)
        cells.inv_cell = 1.0 / cell
        cells.nx, cells.nz = (int((high[k] - (cells.x0, cells.z0)[k]) / cell) + 1 for k in (0, 1))
        if start is None or start.shape[0] < cells.nx * cells.nz + 1:
            start = wp.empty(int(1.3 * cells.nx * cells.nz) + 1, dtype=int, device=self.device)
        cells.start, self._cells = start, cells

    def _command(self, t: float, dt: float) -> None:
        """Move the formations' frames, and tell the kernels."""
        self._frames.step(t, dt, self._centres)
        each = self._frames.each
        self._tell("middle", [f.middle_m for f in each])
        self._tell("heading", [f.heading_rad for f in each])
        self._tell("velocity", [f.velocity_m_s for f in each])
        self._tell("turn", [f.turn_rad_s for f in each])
        self._tell("phase", [f.phase for f in each])
        self._tell("arrived", [f.arrived for f in each])
        self._tell("on_way", [f.on_way for f in each])
        self._tell("gone", [f.gone_m for f in each])
        goals = [self._frames.goal(c, self._centres) for b in self.plan.bands for c in b.cues]
        self._tell("goal", [(0.0, 0.0) if g is None else g for g in goals])

    def _tell(self, name: str, values: Sequence[object]) -> None:
        """Write one of the orders' small arrays where it lies."""
        array, view = self._told[name]
        if view is None:
            array.assign(np.array(values, dtype=np.int32 if array.dtype is wp.int32 else np.float32))
        else:
            view[:] = values

    def _strike(self, now_s: float) -> None:
        place = self._now.place.numpy()[:, [0, 2]]
        standing = ~np.isin(self._now.mode.numpy(), _NOT_ENEMIES)
        hit = np.zeros(len(self.plan), np.int32)
        hit[self.quiver.land(now_s, place, standing)] = 1
        self._hit = self._up(hit, wp.int32)

    def _volley(self, now_s: float) -> None:
        who = np.flatnonzero(self._will.loosed.numpy())
        if not len(who):
            return
        cues = [c for b in self.plan.bands for c in b.cues]
        order = self._now.order.numpy()[who]
        targets = [cues[o].target for o in order]
        aim = np.array([self._centres[t] if isinstance(t, int) else t for t in targets], np.float64)
        extent = np.array([self._extent[t] if isinstance(t, int) else (2.5, 2.5) for t in targets], np.float64)
        place = self._now.place.numpy()[who][:, [0, 2]].astype(np.float64)
        heading = self._now.heading.numpy()[who].astype(np.float64)
        self.quiver.loose(who, now_s, place, heading, self.plan.seed[who], aim, np.maximum(extent, 1.0))

    # ---- how things stand

    def moment(self) -> Moment:
        """Everybody now (copies)."""
        now, look = self._now, self._look
        return Moment(
            place_m=now.place.numpy()[:, [0, 2]].copy(),
            heading_rad=now.heading.numpy().copy(),
            clip=look.clip.numpy().astype(np.int16),
            phase=look.phase.numpy().copy(),
            clip_from=look.clip_from.numpy().astype(np.int16),
            phase_from=look.phase_from.numpy().copy(),
            blend=look.blend.numpy().copy(),
            mode=now.mode.numpy().astype(np.int8),
            foe=now.foe.numpy().copy(),
        )

    def velocity_m_s(self) -> F32:
        """float32 [N, 2], along x and z."""
        return self._now.velocity.numpy().copy()

    def radius_m(self) -> F32:
        """float32 [N], how far each looked for neighbours in the last step: as `sense_kernel` has it, for men on foot.
        For measuring."""
        field, place = self._field, self._now.place.numpy()[:, [0, 2]]
        radius = np.minimum(
            kernel_sense.STILL_M + 0.6 * np.linalg.norm(self.velocity_m_s(), axis=1), kernel_sense.MOST_M
        )
        nearest = field.nearest.numpy()
        cell = np.floor((place - (field.x0, field.z0)) * field.inv_cell).astype(int)
        x, z = (cell[:, k].clip(0, nearest.shape[2 - k] - 1) for k in (0, 1))
        watch = np.linalg.norm(nearest[self.plan.side, z, x] - place, axis=1) < 6.0
        return np.where(watch, np.maximum(radius, kernel_sense.ALERT_M), radius).astype(np.float32)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
