"""Who is meant by each entry of `overrides`, and what all entries together ask of each soldier.

The list is applied in order: shifts and turns add up, of everything else the last word counts. A place or a heading is
measured at the shot's first frame. Nothing here touches anybody who is not named.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import I16, Agents, Cast
from composer.crowd.casting import castable, clips_called, kits_of
from composer.crowd.directed import Directed
from composer.crowd.dyes import palettes_with
from composer.crowd.formations import NEAREST_M
from composer.crowd.looks import Looks, looks_of, rows
from composer.crowd.orders import NEVER, Crowd, Orders
from composer.crowd.picked import soldier_in_exr
from composer.crowd.regions import GroundLike
from composer.crowd.shares import first_id
from composer.crowd.sites import STEEPEST_DEG
from composer.errors import InputError, InputErrors, MusterError
from composer.shot.located import relocated
from composer.shot.schema import ShotFile
from composer.shot.schema_override import OverrideSpec

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
#: Asks the id pass: (who stands where, frame, (x, y) in plate pixels) to the agent id seen there, 0 for nobody.
Picker = Callable[[Crowd, int, tuple[float, float]], int]


def direct(
    shot: ShotFile, cast: Cast, base: Crowd, ground: GroundLike, *, pick: Picker | None = None, fewer: bool = False
) -> Crowd:
    """`base` as the shot's overrides change it; `base` itself where there are none.

    pick: for entries by pixel. fewer: the crowd was asked for at a smaller count than the shot's own, so a soldier who
    is not there is a note and no mistake. Raises InputErrors, each at its line of `shot.yaml`.
    """
    if not shot.overrides:
        return base
    draft = _Draft(shot, cast, base, ground, pick, fewer)
    errors: list[MusterError] = []
    for number, spec in enumerate(shot.overrides):
        try:
            draft.take(number, spec)
        except InputErrors as found:
            errors += found.errors
        except InputError as error:
            errors.append(relocated(error, shot, "overrides", number))
    if errors:
        raise InputErrors(errors)
    return draft.finished()


@dataclass
class _Wishes:
    """What is asked of all N soldiers so far. clip: int64 [N], a row of `clips` or -1; kit, side, reroll: -1 is as laid
    out; phase: NaN is as laid out."""

    touched: NDArray[np.bool_]
    shift_m: F64
    turn_rad: F64
    clip: I64
    phase: F64
    delay_s: F64
    speed: F64
    kit: I64
    side: I64
    reroll: I64
    hide: NDArray[np.bool_]
    pin: NDArray[np.bool_]
    kill_at: I64
    named: NDArray[np.bool_]

    @classmethod
    def none(cls, n: int) -> _Wishes:
        def whole(value: int) -> I64:
            return np.full(n, value, np.int64)

        def no() -> NDArray[np.bool_]:
            return np.zeros(n, dtype=bool)

        return cls(
            no(), np.zeros((n, 2)), np.zeros(n), whole(-1), np.full(n, np.nan), np.zeros(n), np.ones(n), whole(-1),
            whole(-1), whole(0), no(), no(), whole(NEVER), no(),
        )  # fmt: skip


class _Draft:
    """The list on its way, entry by entry."""

    def __init__(
        self, shot: ShotFile, cast: Cast, base: Crowd, ground: GroundLike, pick: Picker | None, fewer: bool
    ) -> None:
        self.shot, self.cast, self.base, self.ground, self.pick, self.fewer = shot, cast, base, ground, pick, fewer
        self.first: Agents = base.at([base.first_frame])
        self.wishes = _Wishes.none(len(base))
        self.side_names = list(base.casting.side_names)
        self.clips: list[tuple[int, ...]] = []
        self.notes: list[str] = []

    def take(self, number: int, spec: OverrideSpec) -> None:
        """Apply one entry. Raises InputError or InputErrors."""
        who = self._who(number, spec)
        if not len(who):
            return
        w = self.wishes
        w.touched[who] = True
        w.named[who] |= spec.region is None
        plain = ("phase", "delay_s", "speed", "hide", "pin", "kill_at", "reroll")
        for key in plain:
            if (value := getattr(spec, key)) is not None:
                getattr(w, key)[who] = value
        if spec.turn_deg is not None:
            w.turn_rad[who] -= math.radians(spec.turn_deg)  # the shot's degrees are clockwise
        if spec.heading_deg is not None:
            w.turn_rad[who] = -math.radians(spec.heading_deg) - self.first.heading_rad[0, who].astype(np.float64)
        self._recast(number, spec, who)
        if spec.move_m is not None:
            self._shift(number, "move_m", who, w.shift_m[who] + spec.move_m)
        if spec.place_m is not None:
            self._shift(number, "place_m", who, np.asarray(spec.place_m) - self._stood(who))

    def _recast(self, number: int, spec: OverrideSpec, who: I64) -> None:
        if spec.wears is not None:
            key, name = spec.wears
            self._known(number, key, name, castable(self.cast.types), "kit")
            self.wishes.kit[who] = list(kits_of(self.cast)).index(name)
        if spec.side is not None:
            own = {name: s.model_dump(exclude_none=True) for name, s in self.shot.sides.items()}
            self._known(number, "side", spec.side, tuple(palettes_with(own)))
            if spec.side not in self.side_names:
                self.side_names.append(spec.side)
            self.wishes.side[who] = self.side_names.index(spec.side)
        if spec.clip is not None:
            clips = clips_called(self.cast, spec.clip)
            if not clips:
                self._known(number, "clip", spec.clip, tuple(c.name for c in self.cast.clips))
            self.wishes.clip[who] = len(self.clips)
            self.clips.append(clips)

    def _known(self, number: int, key: str, name: str, known: tuple[str, ...], what: str = "") -> None:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else None
            where = self.shot.where("overrides", number, key)
            raise InputError(f"no such {what or key}", where=where, expected=", ".join(known), got=name, hint=hint)

    # --- who ---

    def _who(self, number: int, spec: OverrideSpec) -> I64:
        """Indices of those meant, ascending."""
        if spec.region is not None:
            names = self.base.region_names
            self._known(number, "region", spec.region, tuple(names))
            return np.flatnonzero(self.base.region == names.index(spec.region))
        if spec.pixel is not None:
            return self._at_pixel(number, spec)
        found: list[int] = []
        errors: list[MusterError] = []
        for i, soldier in enumerate(spec.soldier or ()):
            try:
                index = self._one(soldier)
                found += [] if index is None else [index]
            except InputError as error:
                errors.append(relocated(error, self.shot, "overrides", number, "soldier", i))
        if errors:
            raise InputErrors(errors)
        return np.unique(np.array(found, np.int64))

    def _one(self, soldier: str | int) -> int | None:
        """The index of a soldier by name or id; None, with a note, where he is not in a smaller count."""
        ids = self.base.agent_id
        wanted = soldier if isinstance(soldier, int) else self._id_of(soldier)
        at = int(np.searchsorted(ids, wanted)) if wanted is not None else len(ids)
        if at < len(ids) and int(ids[at]) == wanted:
            return at
        if self.fewer and wanted is not None:
            self.notes.append(f"{soldier} is not among these {len(ids):,}: what overrides ask of him waits")
            return None
        raise InputError("no such soldier", got=str(soldier), hint=self._nearest(soldier))

    def _id_of(self, name: str) -> int | None:
        region, _, place = name.rpartition(".")
        if region in self.base.region_names and place.isascii() and place.isdecimal() and len(place) < 9:
            return first_id(region) + int(place)
        return next((i for i, n in self.first.name.items() if n == name), None)

    def _nearest(self, soldier: str | int) -> str:
        ids, regions = self.base.agent_id.astype(np.int64), self.base.region_names
        if not len(ids):
            return "nobody stands in this shot"
        if isinstance(soldier, int):
            return f"did you mean {ids[np.abs(ids - soldier).argmin()]}?"
        region, _, place = soldier.rpartition(".")
        close = difflib.get_close_matches(region or soldier, regions, 1, cutoff=0.0)[0]
        mine = ids[self.base.region == regions.index(close)]
        if not len(mine):
            return f"nobody stands in {close}"
        number = int(place) if place.isascii() and place.isdecimal() and len(place) < 9 else 0
        best = int(mine[np.abs(mine - first_id(close) - number).argmin()]) - first_id(close)
        last = int(mine.max()) - first_id(close)
        return f"did you mean {close}.{best:05d}? {close} has {len(mine):,}, up to {close}.{last:05d}"

    def _at_pixel(self, number: int, spec: OverrideSpec) -> I64:
        assert spec.pixel is not None
        pixel, where = spec.pixel, self.shot.where("overrides", number, "pixel")
        if pixel.exr is not None:
            name = soldier_in_exr(self.shot.path(pixel.exr), pixel.at_px)
            index = self._one(name) if name else None
        else:
            assert pixel.frame is not None
            if self.pick is None:
                raise InputError("nothing can look through the camera here", where=where, expected="a soldier by name")
            agent = self.pick(self.finished(), pixel.frame, pixel.at_px)
            index = self._one(agent) if agent else None
        place = f"[{pixel.at_px[0]:g}, {pixel.at_px[1]:g}]"
        at = f"{place} of {pixel.exr}" if pixel.exr else f"{place} of frame {pixel.frame}"
        if index is None:
            if self.fewer:
                self.notes.append(f"no soldier is seen at {at}: overrides.{number} waits")
                return np.zeros(0, np.int64)
            hint = "`muster layout --serve` shows who is where"
            raise InputError("no soldier is seen at this pixel", where=where, got=at, hint=hint)
        self.notes.append(f"overrides.{number}: at {at} is {self._name(index)}")
        return np.array([index], np.int64)

    def _name(self, index: int) -> str:
        region = self.base.region_names[int(self.base.region[index])]
        return f"{region}.{int(self.base.agent_id[index]) - first_id(region):05d}"

    # --- where ---

    def _stood(self, who: I64) -> F64:
        """(x, z) at the first frame as laid out, float64 [K, 2]."""
        return self.first.position_m[0][who][:, [0, 2]].astype(np.float64)

    def _shift(self, number: int, key: str, who: I64, shift_m: F64) -> None:
        """Set the shift, after a look at the ground under the new places."""
        place = self._stood(who) + shift_m
        x, z = np.ascontiguousarray(place[:, 0]), np.ascontiguousarray(place[:, 1])
        bare = ~np.isfinite(np.asarray(self.ground.height_m(x, z)))
        if bare.any():
            i = int(np.flatnonzero(bare)[0])
            more = f" and {int(bare.sum()) - 1:,} more" if bare.sum() > 1 else ""
            raise InputError(
                "there is no ground at the new place",
                where=self.shot.where("overrides", number, key),
                got=f"{self._name(int(who[i]))} at [{place[i, 0]:.2f}, {place[i, 1]:.2f}]{more}",
            )
        steep = np.asarray(self.ground.normal(x, z))[..., 1] < math.cos(math.radians(STEEPEST_DEG))
        if steep.any():
            name = self._name(int(who[np.flatnonzero(steep)[0]]))
            more = f" and {int(steep.sum()) - 1:,} more stand" if steep.sum() > 1 else " stands"
            self.notes.append(f"overrides.{number}: {name}{more} on ground steeper than {STEEPEST_DEG:g} deg")
        self.wishes.shift_m[who] = shift_m

    # --- all together ---

    def finished(self) -> Directed:
        """The crowd under all entries so far."""
        w = self.wishes
        index = np.flatnonzero(w.touched)
        wishes = (w.reroll[index], w.kit[index], w.side[index])
        casting, ids, region = rows(self.base.casting, index), self.base.agent_id[index], self.base.region[index]
        looks = looks_of(self.shot, self.cast, casting, ids, region, wishes, tuple(self.side_names))
        clip = self._clips(index, looks)
        orders = Orders(
            index=index,
            shift_m=w.shift_m[index],
            turn_rad=w.turn_rad[index],
            clip=clip,
            phase=w.phase[index],
            delay_s=w.delay_s[index],
            speed=w.speed[index],
            hide=w.hide[index],
            pin=w.pin[index],
            kill_at=w.kill_at[index],
            named=w.named[index],
        )
        made = Directed(self.base, self.ground, self.cast, orders, looks, self.first)
        notes = (*self.notes, *made.assumed(self._name), *self._crowding(made))
        return made.with_notes(notes)

    def _clips(self, index: I64, looks: Looks) -> I16:
        """int16 [K]: the clip asked for, a variant by the soldier's own chance; -1 as laid out."""
        out = np.full(len(index), -1, np.int16)
        row = self.wishes.clip[index]
        for number in np.unique(row[row >= 0]).tolist():
            mine = np.flatnonzero(row == number)
            out[mine] = looks.choice(mine, "clip", self.clips[number])
        return out

    def _crowding(self, made: Directed) -> list[str]:
        """Notes on those who were put inside somebody else."""
        moved = self.wishes.shift_m.any(axis=1) & ~self.wishes.hide
        if not moved.any():
            return []
        from scipy.spatial import cKDTree

        agents = made.at([made.first_frame])
        place = agents.position_m[0][:, [0, 2]].astype(np.float64)
        mine = np.flatnonzero(np.isin(agents.agent_id, self.base.agent_id[moved]))
        if len(place) < 2:
            return []
        near, other = cKDTree(place).query(place[mine], k=2)
        close = np.flatnonzero(near[:, 1] < NEAREST_M - 1e-6)
        place_of: Mapping[int, int] = {int(a): i for i, a in enumerate(self.base.agent_id)} if len(close) else {}
        said = [
            f"{self._name(place_of[int(agents.agent_id[mine[i]])])} stands {near[i, 1]:.2f} m from "
            f"{self._name(place_of[int(agents.agent_id[other[i, 1]])])}: they are inside each other"
            for i in close[:3]
        ]
        return said + ([f"and {len(close) - 3:,} more like this"] if len(close) > 3 else [])
