"""Fewer triangles for any skinned mesh: edges are collapsed where that moves the surface least over several poses, and
whole parts go where nobody would miss them."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.crowd.agents import F32, Mesh

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
#: Edges between triangles that turn by more than this stay sharp.
_CREASE_COS = 0.35
#: How much a triangle that is never seen still counts.
_HIDDEN = 0.02
#: How strongly the border between two materials keeps its place.
_BORDER = 0.15


def welded(mesh: Mesh) -> tuple[I64, I64]:
    """Vertices told apart by place alone: one vertex number of the mesh for each place [W], and the triangles over
    places [T, 3]."""
    _, first, index = np.unique(
        np.round(mesh.position_m * 1e5).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    return first, index.reshape(-1)[mesh.triangle]


def posed_m(mesh: Mesh, matrix: F32) -> F64:
    """float64 [P, V, 3]: the vertices under `matrix` [P, J, 3, 4]."""
    one = np.concatenate([mesh.position_m, np.ones((len(mesh.position_m), 1))], -1).astype(np.float64)
    out = np.zeros((len(matrix), len(one), 3))
    for k, share in ((0, mesh.weight), (1, 1.0 - mesh.weight)):
        out += share[:, None] * np.einsum("pvab,vb->pva", matrix[:, mesh.joint[:, k]].astype(np.float64), one)
    return out


def simplified(mesh: Mesh, most: int, matrix: F32, seen: F64) -> Mesh:
    """At most `most` triangles. matrix: float32 [P, J, 3, 4], the poses in which its shape matters. seen: float64 [T],
    how much of each triangle is seen, 0 to 1."""
    first, triangle = welded(mesh)
    triangle_ok = (triangle[:, 0] != triangle[:, 1]) & (triangle[:, 1] != triangle[:, 2])
    triangle_ok &= triangle[:, 2] != triangle[:, 0]
    work = _Work(posed_m(mesh, matrix)[:, first], triangle[triangle_ok], mesh.material[triangle_ok], seen[triangle_ok])
    work.run(most)
    faces = np.array([work.face[f] for f in work.alive()], np.int64)
    return creased(
        replace(mesh, triangle=first[faces].astype(np.int32), material=mesh.material[triangle_ok][work.alive()])
    )


class _Work:
    """A mesh being collapsed. place [P, W, 3]; face: corners by number of triangle, None once gone."""

    def __init__(self, place: F64, triangle: I64, material: NDArray[np.int16], seen: F64) -> None:
        self.place = np.concatenate([place, np.ones((*place.shape[:2], 1))], -1)
        self.face: list[tuple[int, int, int] | None] = [tuple(map(int, t)) for t in triangle]
        self.material = material
        self.count = len(triangle)
        corner = place[:, triangle]
        normal = np.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
        size = np.linalg.norm(normal, axis=-1, keepdims=True)
        normal = normal / np.maximum(size, 1e-12)
        self.weight = np.maximum(seen, _HIDDEN)
        self.area = 0.5 * size[..., 0].mean(0)
        plane = np.concatenate([normal, -np.sum(normal * corner[:, :, 0], -1, keepdims=True)], -1)
        share = 0.5 * size[..., 0] * self.weight / len(place)
        quadric = (
            np.einsum("ptf,pta,ptb->tpab", share, plane, plane, optimize=True)
            if False
            else (share[..., None, None] * plane[..., :, None] * plane[..., None, :]).transpose(1, 0, 2, 3)
        )
        self.quadric = np.zeros((place.shape[1], *quadric.shape[1:]))
        for k in range(3):
            np.add.at(self.quadric, triangle[:, k], quadric)
        self._borders(triangle, normal, share)
        self.around: list[set[int]] = [set() for _ in range(place.shape[1])]
        for f, t in enumerate(triangle):
            for v in t:
                self.around[int(v)].add(f)
        self.stamp = [0] * place.shape[1]
        self.heap: list[tuple[float, int, int, int, int]] = []

    def _borders(self, triangle: I64, normal: F64, share: F64) -> None:
        """Planes that stand on the borders between materials, and on open edges."""
        edge = {}
        for f, t in enumerate(triangle):
            for k in range(3):
                edge[int(t[k]), int(t[(k + 1) % 3])] = f
        for (a, b), f in edge.items():
            other = edge.get((b, a))
            if other is not None and self.material[other] == self.material[f]:
                continue
            along = self.place[:, b, :3] - self.place[:, a, :3]
            out = np.cross(along, normal[:, f])
            out /= np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
            plane = np.concatenate([out, -np.sum(out * self.place[:, a, :3], -1, keepdims=True)], -1)
            wide = np.sum(along**2, -1) * _BORDER * self.weight[f] / len(along)
            extra = wide[:, None, None] * plane[:, :, None] * plane[:, None, :]
            self.quadric[a] += extra
            self.quadric[b] += extra

    def alive(self) -> list[int]:
        return [f for f, t in enumerate(self.face) if t is not None]

    def run(self, most: int) -> None:
        for t in self.face:
            if t is not None:
                for k in range(3):
                    self._offer(t[k], t[(k + 1) % 3])
        for part in self._parts():
            self._offer_part(part)
        while self.count > most and self.heap:
            _, kind, a, b, stamp = heapq.heappop(self.heap)
            if kind:
                self._drop(a)
            elif self.stamp[a] + self.stamp[b] == stamp and self.around[a] and self.around[b]:
                self._collapse(a, b)

    def _offer(self, a: int, b: int) -> None:
        """The price of moving `a` onto `b`."""
        at = self.place[:, b]
        price = float(np.einsum("pa,pab,pb->", at, self.quadric[a], at))
        length = float(np.sum((self.place[0, a] - self.place[0, b]) ** 2))
        heapq.heappush(self.heap, (max(price, 0.0) + 1e-9 * length, 0, a, b, self.stamp[a] + self.stamp[b]))

    def _parts(self) -> list[list[int]]:
        part = np.arange(len(self.around))

        def root(v: int) -> int:
            while part[v] != v:
                part[v] = part[part[v]]
                v = int(part[v])
            return v

        for t in self.face:
            if t is not None:
                for v in t[1:]:
                    part[root(v)] = root(t[0])
        groups: dict[int, list[int]] = {}
        for f, t in enumerate(self.face):
            if t is not None:
                groups.setdefault(root(t[0]), []).append(f)
        self.part_of_face = {f: g[0] for g in groups.values() for f in g}
        self.faces_of_part = {g[0]: g for g in groups.values()}
        return list(groups.values())

    def _offer_part(self, part: list[int]) -> None:
        """The price of leaving a whole part out: what of it is seen, squared."""
        shown = float(np.sum(self.area[part] * self.weight[part])) / 4
        heapq.heappush(self.heap, (0.35 * shown**2, 1, part[0], 0, 0))

    def _drop(self, part: int) -> None:
        for f in self.faces_of_part[part]:
            if self.face[f] is not None:
                for v in self.face[f]:  # type: ignore[union-attr]
                    self.around[v].discard(f)
                self.face[f] = None
                self.count -= 1

    def _collapse(self, a: int, b: int) -> None:
        near_a = {v for f in self.around[a] for v in self.face[f]} - {a}  # type: ignore[union-attr]
        near_b = {v for f in self.around[b] for v in self.face[f]} - {b}  # type: ignore[union-attr]
        shared = self.around[a] & self.around[b]
        if len(near_a & near_b) != len(shared) or len(shared) not in (1, 2):
            return
        if len(near_a | near_b) <= 4:  # a tetrahedron is as simple as a closed part gets
            return
        for f in self.around[a] - shared:
            if self._turns_over(f, a, b):
                return
        for f in shared:
            for v in self.face[f]:  # type: ignore[union-attr]
                self.around[v].discard(f)
            self.face[f] = None
            self.count -= 1
        for f in list(self.around[a]):
            self.face[f] = tuple(b if v == a else v for v in self.face[f])  # type: ignore[assignment, union-attr]
            self.around[b].add(f)
        self.around[a].clear()
        self.quadric[b] += self.quadric[a]
        for v in near_a | {b}:
            self.stamp[v] += 1
        for v in {b} | near_a:
            for f in self.around[v]:
                for w in self.face[f]:  # type: ignore[union-attr]
                    if w != v and (v == b or w == b or w in near_a):
                        self._offer(v, w)
                        self._offer(w, v)

    def _turns_over(self, f: int, a: int, b: int) -> bool:
        corners = self.face[f]
        assert corners is not None
        moved = tuple(b if v == a else v for v in corners)
        old, new = (self.place[0][list(c), :3] for c in (corners, moved))
        before, after = (np.cross(p[1] - p[0], p[2] - p[0]) for p in (old, new))
        return float(before @ after) < 0.05 * float(np.linalg.norm(before) * np.linalg.norm(after))


def creased(mesh: Mesh) -> Mesh:
    """The same triangles with normals of their own shape: smooth across edges that turn little, sharp across others."""
    corner = mesh.position_m[mesh.triangle].astype(np.float64)
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(face, axis=-1, keepdims=True)
    flat = face / np.maximum(size, 1e-12)
    _, place = welded(mesh)
    owner = np.repeat(np.arange(len(face)), 3)
    at = place.reshape(-1)
    order = np.argsort(at, kind="stable")
    starts = np.flatnonzero(np.diff(at[order], prepend=-1))
    normal = np.empty((len(at), 3))
    for group in np.split(order, starts[1:]):
        mine = flat[owner[group]]
        near = mine @ mine.T > _CREASE_COS
        normal[group] = near @ (mine * size[owner[group]])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    vertex = mesh.triangle.reshape(-1)
    key = np.concatenate([at[:, None], np.round(normal * 1e4).astype(np.int64)], -1)
    _, pick, index = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return Mesh(
        mesh.position_m[vertex[pick]],
        normal[pick].astype(np.float32),
        mesh.joint[vertex[pick]],
        mesh.weight[vertex[pick]],
        index.reshape(-1, 3).astype(np.int32),
        mesh.material,
    )


def clustered(mesh: Mesh, most: int) -> Mesh:
    """At most `most` triangles of any mesh, however broken: points that share a cell of a grid become one of them. The
    grid is as fine as that allows."""
    low, size = mesh.position_m.min(0), float(np.ptp(mesh.position_m, axis=0).max())
    coarse, fine = 2.0, 4096.0
    best = mesh
    for _ in range(18):
        cells = np.sqrt(coarse * fine)
        made = _on_grid(mesh, low, size / cells)
        if len(made.triangle) <= most:
            best, coarse = made, cells
        else:
            fine = cells
    return best if len(best.triangle) <= most else replace(mesh, triangle=mesh.triangle[:0], material=mesh.material[:0])


def _on_grid(mesh: Mesh, low: F32, cell_m: float) -> Mesh:
    main = np.where(mesh.weight >= 0.5, mesh.joint[:, 0], mesh.joint[:, 1]).astype(np.int64)
    key = np.concatenate([np.floor((mesh.position_m - low) / cell_m).astype(np.int64), main[:, None]], -1)
    _, index = np.unique(key, axis=0, return_inverse=True)
    index = index.reshape(-1)
    count = np.bincount(index)[:, None]
    middle = np.stack([np.bincount(index, mesh.position_m[:, k]) for k in range(3)], -1) / count
    away = np.linalg.norm(mesh.position_m - middle[index], axis=-1)
    order = np.lexsort((away, index))
    pick = order[np.flatnonzero(np.diff(index[order], prepend=-1))]
    t = index[mesh.triangle]
    real = (t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 2] != t[:, 0])
    turn = (np.argmin(t[real], axis=1)[:, None] + np.arange(3)) % 3
    _, first = np.unique(np.take_along_axis(t[real], turn, 1), axis=0, return_index=True)
    kept = np.flatnonzero(real)[np.sort(first)]
    return Mesh(
        mesh.position_m[pick],
        mesh.normal[pick],
        mesh.joint[pick],
        mesh.weight[pick],
        t[kept].astype(np.int32),
        mesh.material[kept],
    )
