"""The coarsest soldier: about 80 triangles from any kit, for those who are a few pixels high. Head, trunk, limbs that
bend, and what he carries, each as wide as it is on the full mesh and of the materials that show there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import MATERIALS, Mesh
from composer.crowd.figure.body import ARM, BIND, TRUNK
from composer.crowd.figure.dress import cloak_skin, skirt_skin
from composer.crowd.figure.loft import MATERIAL, Skin, chain, merge, part, rigid
from composer.crowd.figure.measure import Views, seen_share, shown_m2
from composer.crowd.skeleton import JOINT

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_LEG = {s: chain((f"{s}_thigh", f"{s}_shin", f"{s}_foot"), (-0.497, -0.088), (0, -1, 0), (0.11, 0.07)) for s in "rl"}
_WAIST_Y = 1.03
_UNPAINTED = -1
_LETTERS = "abcdefghij"


def puppet(full: Mesh, seen: Views | None = None, paint: str = "") -> Mesh:
    """The coarsest level of `full`, on the same joints, not yet fitted. seen: what its materials are chosen by; or
    paint: they are known, see `paint_of`."""
    pieces = [_Piece.of(full, joints) for joints in _CARRIED]
    spear, _, shield, cloak = pieces
    waist = cloak is None or (shield is None and not (spear and spear.is_board()))
    parts = [_head(full), _trunk(full if cloak is None else _without_cloak(full), waist=waist)]
    for side in "rl":
        parts += [_arm(side), _leg(side)]
    homes = ["head", "trunk", "r_arm", "r_leg", "l_arm", "l_leg"]
    for name, piece in zip(("spear", "sword", "shield", "cloak"), pieces, strict=True):
        if piece is not None:
            made = _sheet(piece) if name == "cloak" else piece.board(name) if piece.is_board() else piece.stick(name)
            parts.append(made)
            homes.append(name)
    home = np.concatenate([np.full(len(p.triangle), i) for i, p in enumerate(parts)])
    if paint:
        return replace(merge(parts), material=np.array([_LETTERS.index(c) for c in paint], np.int16))
    assert seen is not None
    return _painted(merge(parts), home, homes, full, seen)


def paint_of(mesh: Mesh) -> str:
    """The triangles' materials, a letter each."""
    return "".join(_LETTERS[m] for m in mesh.material)


_CARRIED = (("spear",), ("sword",), ("shield",), ("cloak_upper", "cloak_lower"))


def _hung(full: Mesh, joints: tuple[str, ...]) -> NDArray[np.bool_]:
    """Vertices that hang mostly on one of `joints`."""
    main = np.where(full.weight >= 0.5, full.joint[:, 0], full.joint[:, 1])
    return np.isin(main, [JOINT[j] for j in joints])


def _without_cloak(full: Mesh) -> Mesh:
    """The full mesh without what is of cloak: only its vertices matter."""
    kept = np.unique(full.triangle[full.material != MATERIAL["cloak"]])
    return replace(full, position_m=full.position_m[kept], joint=full.joint[kept], weight=full.weight[kept])


def _solid(points: list[tuple[float, float, float]] | F64, faces: list[tuple[int, ...]], skin: Skin) -> Mesh:
    triangle = np.array(faces, np.int64)
    return part(np.array(points, np.float64), triangle, np.full(len(triangle), _UNPAINTED), skin)


def tube_of(rings: list[F64], start: F64 | None, end: F64 | None, skin: Skin) -> Mesh:
    """A closed tube through rings [S, 3]; an end is a point or, where None, flat."""
    count = len(rings[0])
    points = [p for ring in rings for p in ring]
    faces: list[tuple[int, ...]] = []
    for r in range(len(rings) - 1):
        for k in range(count):
            a, b = r * count + k, r * count + (k + 1) % count
            faces += [(a, b, a + count), (b, b + count, a + count)]
    last = (len(rings) - 1) * count
    for point, base, turn in ((start, 0, True), (end, last, False)):
        if point is None:
            fan = [(base, base + k, base + k + 1) for k in range(1, count - 1)]
            faces += [f[::-1] for f in fan] if turn else fan
        else:
            points.append(point)
            tip = len(points) - 1
            for k in range(count):
                a, b = base + k, base + (k + 1) % count
                faces.append((b, a, tip) if turn else (a, b, tip))
    return _solid(np.array(points), faces, skin)


def _head(full: Mesh) -> Mesh:
    own = full.position_m[_hung(full, ("head",))].astype(np.float64)
    low, high = own.min(0), own.max(0)
    low[1] = max(low[1], 1.47)
    mid, half = (low + high) / 2, (high - low) / 2 * 1.1
    half[2] = min(half[2], 0.17)
    points = [mid + half * np.array(d) for d in ((0, 1, 0), (0, -1, 0), (1, 0, 0), (0, 0, -1), (-1, 0, 0), (0, 0, 1))]
    around = (2, 3, 4, 5)
    faces = [(0, a, b) for a, b in zip(around, (*around[1:], 2), strict=True)]
    faces += [(1, b, a) for a, b in zip(around, (*around[1:], 2), strict=True)]
    return _solid(np.array(points), faces, rigid("head"))


def _hem_y(full: Mesh) -> float:
    on = _hung(full, ("hips", "r_thigh", "l_thigh")) & (np.abs(full.position_m[:, 2]) > 0.135)
    return float(np.clip(full.position_m[on, 1].min(), 0.35, 0.9)) if on.any() else 0.85


def _across_at(full: Mesh, y: float, joints: tuple[str, ...], reach_m: float = 0.09) -> tuple[float, float, float]:
    """Half width, front and back of what hangs on `joints` near height y."""
    near = full.position_m[_hung(full, joints) & (np.abs(full.position_m[:, 1] - y) < reach_m)].astype(np.float64)
    if len(near) < 3:
        return 0.18, 0.13, 0.13
    return float(np.abs(near[:, 0]).max()), float(-near[:, 2].min()), float(near[:, 2].max())


def _trunk(full: Mesh, *, waist: bool) -> Mesh:
    """Four-sided, from the neck to the hem."""
    body = ("hips", "spine", "chest", "r_thigh", "l_thigh", "r_clavicle", "l_clavicle")
    hem = _hem_y(full)
    heights = [1.40, _WAIST_Y, hem] if waist else [1.40, hem]
    rings = []
    for y in heights:
        side, front, back = _across_at(full, y, body, 0.06)
        side, front, back = min(side, 0.30) * 0.97, min(front, 0.3) * 0.90, min(back, 0.3) * 0.90
        rings.append(np.array([(-side, y, -front), (side, y, -front), (side, y, back), (-side, y, back)]))
    skirts = skirt_skin(_WAIST_Y - 0.02)

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        above, below = TRUNK(points), skirts(points)
        high = points[:, 1] > _WAIST_Y - 0.01
        return np.where(high[:, None], above[0], below[0]), np.where(high, above[1], below[1])

    return tube_of(rings, np.array([0.0, 1.50, 0.015]), None, skin)


def _triangle(middle: F64, along: F64, front: F64, wide: float, deep: float) -> F64:
    side = np.cross(along, front)
    side /= np.linalg.norm(side)
    turn = np.radians((90.0, 210.0, 330.0))
    return middle + np.cos(turn)[:, None] * side * wide + np.sin(turn)[:, None] * front * deep


def _arm(side: str) -> Mesh:
    shoulder, elbow, wrist, fist = (BIND[JOINT[f"{side}_{n}"]] for n in ("upper_arm", "forearm", "hand", "hand"))
    fist = wrist + (wrist - elbow) / np.linalg.norm(wrist - elbow) * 0.09
    along = (fist - shoulder) / np.linalg.norm(fist - shoulder)
    front = np.array([0.0, 0.0, -1.0]) + along * along[2]
    front /= np.linalg.norm(front)
    rings = [
        _triangle(shoulder, along, front, 0.085, 0.085),
        _triangle(elbow + along * 0.02, along, front, 0.072, 0.072),
    ]
    mirror = {"r": 1.0, "l": -1.0}[side]
    swap = {JOINT[f"r_{n}"]: JOINT[f"{side}_{n}"] for n in ("clavicle", "upper_arm", "forearm", "hand")}

    def skin(points: F64) -> tuple[NDArray[np.int16], F64]:
        joint, weight = ARM(points * np.array([mirror, 1.0, 1.0]))
        return np.vectorize(swap.__getitem__)(joint).astype(np.int16), weight

    return tube_of(rings, None, fist, skin)


def _leg(side: str) -> Mesh:
    mirror = {"r": 1.0, "l": -1.0}[side]
    hip = np.array([0.098 * mirror, 0.80, 0.0])
    foot = np.array([(0.155 * mirror, 0.0, 0.075), (0.055 * mirror, 0.0, 0.075), (0.110 * mirror, 0.0, -0.20)])
    calf = np.array([(0.155 * mirror, 0.47, 0.045), (0.055 * mirror, 0.47, 0.045), (0.101 * mirror, 0.50, -0.075)])
    if mirror < 0:
        foot, calf = foot[[1, 0, 2]], calf[[1, 0, 2]]
    return tube_of([calf, foot], hip, None, _LEG[side])


class _Piece:
    """What hangs on a prop's joints: its points, the share of its painted front that is of the second paint, and the
    material of its back."""

    def __init__(self, points: F64, charged: float = 0.0, behind: int = _UNPAINTED) -> None:
        self.points, self.charged, self.behind = points, charged, behind
        self.low, self.high = points.min(0), points.max(0)

    @classmethod
    def of(cls, full: Mesh, joints: tuple[str, ...]) -> _Piece | None:
        on = _hung(full, joints)
        if not on.any():
            return None
        _, flat, size = _faces(full)
        front = on[full.triangle[:, 0]] & (flat[:, 2] < -0.3)
        field, charge = (float(size[front & (full.material == MATERIAL[m])].sum()) for m in ("shield", "crest"))
        back = on[full.triangle[:, 0]] & (flat[:, 2] > 0.3)
        behind = int(np.argmax(np.bincount(full.material[back], size[back]))) if back.any() else _UNPAINTED
        return cls(full.position_m[on].astype(np.float64), charge / max(field + charge, 1e-9), behind)

    def is_board(self) -> bool:
        """Broad rather than long: a shield or a banner, not a spear, sword or bow."""
        size = self.high - self.low
        return bool(size[0] > 0.4)

    def stick(self, joint: str) -> Mesh:
        """A needle over the longest way."""
        mid = (self.low + self.high) / 2
        wide = 0.035
        if self.high[2] - self.low[2] > 0.15:  # a bow or a guard: deeper than a shaft
            mid[2] = np.median(self.points[:, 2])
        low, high = self.low[1], self.high[1]
        ring = _triangle(
            np.array([mid[0], low, mid[2]]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0]), wide, wide
        )
        return tube_of([ring], None, np.array([mid[0], high, mid[2]]), rigid(joint))

    def board(self, joint: str) -> Mesh:
        """A four-cornered board with a boss; for a banner on its pole, the cloth and a needle."""
        mid, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        if half[1] > 1.0:  # a banner
            top, bottom = self.high[1] - 0.25, self.high[1] - 1.2
            cloth = np.array(
                [
                    (self.low[0], bottom, mid[2]),
                    (self.high[0], bottom, mid[2]),
                    (self.high[0], top, mid[2]),
                    (self.low[0], top, mid[2]),
                ]
            )
            faces = [(0, 1, 2), (0, 2, 3), (0, 2, 1), (0, 3, 2)]
            shaft = self.points[np.abs(self.points[:, 0] - mid[0]) < 0.05]
            shaft[:, 1] = np.minimum(shaft[:, 1], bottom)
            pole = _Piece(shaft).stick(joint)
            return merge([_solid(cloth, faces, rigid(joint)), pole])
        rim = self._outline()
        rim[:, :2] = mid[:2] + (rim[:, :2] - mid[:2]) * self._hull_over(rim[:, :2]) ** 0.5
        rim[:, 2] = self.high[2]
        share = self.charged
        ridge = rim[[0, 3]] + (rim[[1, 2]] - rim[[0, 3]]) * share
        ridge[:, 2] = self.low[2] + 0.3 * half[2]
        points = np.concatenate([rim, ridge])  # 0 4 1 along one side, 3 5 2 along the other; 4-5 divides the paint
        faces = [(0, 5, 4), (0, 3, 5), (4, 2, 1), (4, 5, 2), (0, 4, 1), (0, 1, 2), (0, 2, 3), (3, 2, 5)]
        board = _solid(points, faces, rigid(joint))
        paint = np.array([MATERIAL[m] for m in ("crest", "crest", "shield", "shield")] + [self.behind] * 4, np.int16)
        if not 0.02 < share < 0.98:
            paint[:4] = MATERIAL["shield" if share < 0.5 else "crest"]
        return replace(board, material=paint)

    def _hull_over(self, rim: F64) -> float:
        """How much more area all points enclose than `rim` [4, 2]."""
        turn = 2 * np.pi * np.arange(32) / 32
        hull = self.points[np.argmax(self.points[:, :2] @ np.stack([np.cos(turn), np.sin(turn)]), axis=0), :2]
        whole, part = (
            float(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) for p in (hull, rim)
        )
        return whole / max(part, 1e-6)

    def _outline(self) -> F64:
        """Four of its own points that enclose the most: corners, or the ends of its axes. Counter-clockwise."""
        size = np.maximum(self.high - self.low, 1e-6)[:2]
        flat = (self.points[:, :2] - (self.low + self.high)[:2] / 2) / size
        found = []
        for first in (45.0, 0.0):
            turn = np.radians(first + 90.0 * np.arange(4))
            pick = np.argmax(flat @ np.stack([np.cos(turn), np.sin(turn)]), axis=0)
            x, y = flat[pick].T
            found.append((float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))), self.points[pick].copy()))
        return max(found, key=lambda f: f[0])[1]


def _sheet(piece: _Piece) -> Mesh:
    """A cloak: from the shoulders to the hem, bent about the back, seen from both sides."""
    low, high = piece.low, piece.high
    hem = low[1]
    at_hem = piece.points[piece.points[:, 1] < hem + 0.12]
    edge = float(np.median(at_hem[np.abs(at_hem[:, 0]) > 0.75 * high[0], 2]))
    points = np.array(
        [
            (low[0] * 0.8, 1.43, 0.06),
            (high[0] * 0.8, 1.43, 0.06),
            (high[0], hem, edge),
            (0.0, hem, float(at_hem[:, 2].max())),
            (low[0], hem, edge),
        ]
    )
    faces = [(0, 3, 1), (0, 4, 3), (1, 3, 2)]
    return _solid(points, faces + [f[::-1] for f in faces], cloak_skin)


_HOME = {
    "head": ("head", "neck"),
    "trunk": ("hips", "spine", "chest", "r_clavicle", "l_clavicle"),
    **{f"{s}_arm": (f"{s}_upper_arm", f"{s}_forearm", f"{s}_hand") for s in "rl"},
    **{f"{s}_leg": (f"{s}_thigh", f"{s}_shin", f"{s}_foot", f"{s}_toe") for s in "rl"},
    "spear": ("spear",),
    "sword": ("sword",),
    "shield": ("shield",),
    "cloak": ("cloak_upper", "cloak_lower"),
}


def _painted(mesh: Mesh, home: I64, homes: list[str], full: Mesh, seen: Views) -> Mesh:
    """Each triangle in a material that shows near it, all of them in the full mesh's proportions."""
    middle, flat, _ = _faces(mesh)
    their, their_flat, their_size = _faces(full)
    shown = their_size * seen_share(full, seen)
    main = np.where(full.weight >= 0.5, full.joint[:, 0], full.joint[:, 1])[full.triangle[:, 0]]
    skirt = np.isin(main, [JOINT["r_thigh"], JOINT["l_thigh"]]) & (their[:, 1] > 0.58)
    votes = np.zeros((len(mesh.triangle), len(MATERIALS)))
    for i, name in enumerate(homes):
        mine = np.flatnonzero(home == i)
        on = np.isin(main, [JOINT[j] for j in _HOME[name]])
        on = on | skirt if name == "trunk" else on & ~skirt
        who = np.flatnonzero(on & (shown > 0))
        if not len(who):
            continue
        far = np.linalg.norm(their[who, None] - middle[mine][None], axis=-1) / 0.15
        cost = far - 1.2 * (their_flat[who] @ flat[mine].T)
        nearest = np.argsort(cost, axis=1)[:, :3]
        for rank, share in enumerate((0.6, 0.3, 0.1)):
            pick = mine[nearest[:, min(rank, nearest.shape[1] - 1)]]
            np.add.at(votes, (pick, full.material[who]), share * shown[who])
    target = shown_m2(full, seen).mean(0)
    own = shown_m2(
        replace(mesh, material=np.arange(len(mesh.triangle), dtype=np.int16)), seen, len(mesh.triangle)
    ).mean(0)
    own *= target.sum() / own.sum()
    return replace(mesh, material=_shared_out(votes, own, target, mesh.material).astype(np.int16))


def _shared_out(votes: F64, own: F64, target: F64, given: NDArray[np.int16]) -> I64:
    """A material for each triangle: what most votes say, then changed where that brings the totals nearer to the
    target for the fewest votes. given: those that are painted already."""
    rows = np.arange(len(votes))
    choice = np.where(given == _UNPAINTED, np.argmax(votes, axis=1), given)
    support = votes / np.maximum(votes.sum(1, keepdims=True), 1e-12)
    price = 1.0 / (target + 0.01 * target.sum())
    for _ in range(4 * len(votes)):
        owed = target - np.bincount(choice, own, len(target))
        size = own[:, None]
        left, joined = (owed * price)[choice][:, None], (owed * price)[None]
        change = 2 * size * (left - joined) + size**2 * (price[choice][:, None] + price[None])
        change += 0.02 * size * (support[rows, choice][:, None] - support)
        change[
            (given != _UNPAINTED)[:, None] | (support < 0.03) | (np.arange(len(target))[None] == choice[:, None])
        ] = np.inf
        t, b = np.unravel_index(int(np.argmin(change)), change.shape)
        if change[t, b] > -1e-7:
            break
        choice[t] = b
    return choice


def _faces(mesh: Mesh) -> tuple[F64, F64, F64]:
    """Middle, unit normal and area of each triangle."""
    corner = mesh.position_m[mesh.triangle].astype(np.float64)
    out = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(out, axis=-1)
    return corner.mean(1), out / np.maximum(size, 1e-12)[:, None], size / 2
