"""glTF 2.0, .glb and .gltf: one skinned character with its clips and base colours. Nothing outside the file's own
folder is opened, and nothing is believed before it is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.characters.gltf_file import GltfFile, Json, whole
from composer.crowd.characters.model import (
    MAX_JOINTS,
    MAX_SAMPLES,
    MAX_TRIANGLES,
    MAX_VERTICES,
    Model,
    Motion,
    Surface,
)
from composer.crowd.characters.picture import average_colour

F64 = NDArray[np.float64]

_RATE = 30.0
_MAX_NODES = 20_000


def read_gltf(path: Path) -> Model:
    """The file's first skin and all meshes that hang on it. Raises InputError for whatever is not sound glTF 2.0."""
    file = GltfFile(path)
    try:
        return GltfScene(file).model()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise file.wrong(f"not sound glTF ({type(error).__name__})") from error


def _matrix(translation: F64, rotation: F64, scale: F64) -> F64:
    """float64 [..., 4, 4] of translations, unit quaternions (x, y, z, w) and scales."""
    x, y, z, w = np.moveaxis(rotation / np.maximum(np.linalg.norm(rotation, axis=-1, keepdims=True), 1e-12), -1, 0)
    out = np.zeros((*translation.shape[:-1], 4, 4))
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            out[..., r, c] = value * scale[..., c]
    out[..., :3, 3] = translation
    out[..., 3, 3] = 1.0
    return out


class GltfScene:
    """Nodes, skin, meshes and animations of a file."""

    def __init__(self, file: GltfFile) -> None:
        self.file = file
        self.nodes = file.all("nodes")
        required = file.json.get("extensionsRequired", [])
        if required:
            raise file.wrong("it needs extensions that are not read", got=", ".join(map(str, required))[:120])
        if len(self.nodes) > _MAX_NODES:
            raise file.wrong("too many nodes", got=str(len(self.nodes)))
        self.parent = [-1] * len(self.nodes)
        for number, node in enumerate(self.nodes):
            for child in node.get("children", []):  # type: ignore[attr-defined]
                if self.parent[whole(child)] != -1 or child == number:
                    raise file.wrong("damaged file: a node has two parents")
                self.parent[child] = number
        self.order = self._parents_first()
        self.skin = next(iter(file.all("skins")), None)
        self.rest = [self._local(node) for node in self.nodes]
        self.notes: list[str] = []

    def _parents_first(self) -> list[int]:
        order: list[int] = []
        done = [False] * len(self.nodes)
        for number in range(len(self.nodes)):
            path = []
            at = number
            while at != -1 and not done[at]:
                path.append(at)
                if len(path) > len(self.nodes):
                    raise self.file.wrong("damaged file: nodes in a circle")
                at = self.parent[at]
            for one in reversed(path):
                done[one] = True
                order.append(one)
        return order

    def _local(self, node: Json) -> tuple[F64, F64, F64]:
        def triple(name: str, usual: tuple[float, ...]) -> F64:
            value = np.array(node.get(name, usual), np.float64)
            if value.shape != (len(usual),) or not np.isfinite(value).all():
                raise ValueError(name)
            return value

        if "matrix" in node:
            m = np.array(node["matrix"], np.float64).reshape(4, 4).T
            scale = np.linalg.norm(m[:3, :3], axis=0)
            from composer.crowd.motion.curves import quaternions

            return m[:3, 3], quaternions((m[:3, :3] / np.maximum(scale, 1e-12))[None])[0], scale
        return triple("translation", (0, 0, 0)), triple("rotation", (0, 0, 0, 1)), triple("scale", (1, 1, 1))

    def world(self, local: Mapping[int, F64], count: int) -> dict[int, F64]:
        """World matrices [S, 4, 4] of all nodes, for local ones that move [S, 4, 4]."""
        world: dict[int, F64] = {}
        for number in self.order:
            own = local.get(number)
            if own is None:
                own = np.broadcast_to(_matrix(*self.rest[number]), (count, 4, 4))
            up = self.parent[number]
            world[number] = own if up == -1 else world[up] @ own
        return world

    def model(self) -> Model:
        """All of it, checked."""
        if self.skin is None:
            raise self.file.wrong("no skin in it", expected="a skinned character")
        joints = [whole(j) for j in self.skin["joints"]]  # type: ignore[attr-defined]
        if not 1 <= len(joints) <= MAX_JOINTS or len(set(joints)) != len(joints):
            raise self.file.wrong("too many joints, or none", expected=f"1 to {MAX_JOINTS}", got=str(len(joints)))
        rank = {n: i for i, n in enumerate(self.order)}
        order = sorted(range(len(joints)), key=lambda j: rank[joints[j]])
        place = {joints[j]: i for i, j in enumerate(order)}
        inverse = np.tile(np.eye(4), (len(joints), 1, 1))
        if "inverseBindMatrices" in self.skin:
            inverse = (
                self.file.array(self.skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)[: len(joints)]
            )
        parent = []
        for j in order:
            up = self.parent[joints[j]]
            while up != -1 and up not in place:
                up = self.parent[up]
            parent.append(place.get(up, -1))
        rest = self.world({}, 1)
        point, joint, weight, triangle, surface_of = self._meshes(np.argsort(order))
        return Model(
            point=point,
            joint=joint,
            weight=weight,
            triangle=triangle,
            surface_of=surface_of,
            surfaces=self.surfaces(),
            names=tuple(str(self.nodes[joints[j]].get("name", f"joint {j}"))[:64] for j in order),
            parent=tuple(parent),
            inverse_bind=inverse[order],
            rest=np.stack([rest[joints[j]][0] for j in order]),
            motions=tuple(self._motions([joints[j] for j in order])),
            notes=tuple(self.notes),
        )

    def _meshes(
        self, new: NDArray[np.int64]
    ) -> tuple[F64, NDArray[np.int64], F64, NDArray[np.int64], NDArray[np.int64]]:
        points, joints, weights, triangles, surfaces = [], [], [], [], []
        count = 0
        for node in self.nodes:
            if "mesh" not in node or "skin" not in node:
                if "mesh" in node:
                    self.notes.append(f"{str(node.get('name', 'a mesh'))[:40]} hangs on no skin and is left out")
                continue
            if whole(node["skin"]) != 0:
                self.notes.append(f"{str(node.get('name', 'a mesh'))[:40]} hangs on another skin and is left out")
                continue
            for primitive in self.file.all("meshes")[whole(node["mesh"])]["primitives"]:  # type: ignore[attr-defined]
                if primitive.get("mode", 4) != 4:
                    self.notes.append("a part that is not made of triangles is left out")
                    continue
                found = self._primitive(primitive, len(new))
                points.append(found[0])
                joints.append(new[found[1]])
                weights.append(found[2])
                triangles.append(found[3] + count)
                surfaces.append(
                    np.full(len(found[3]), whole(primitive.get("material", len(self.file.all("materials")))))
                )
                count += len(found[0])
        if not points:
            raise self.file.wrong("no skinned mesh in it", expected="a skinned character")
        triangle = np.concatenate(triangles)
        if count > MAX_VERTICES or len(triangle) > MAX_TRIANGLES:
            raise self.file.wrong(
                "too big for a character", expected=f"at most {MAX_TRIANGLES} triangles", got=str(len(triangle))
            )
        return (
            np.concatenate(points),
            np.concatenate(joints),
            np.concatenate(weights),
            triangle,
            np.concatenate(surfaces),
        )

    def _primitive(self, primitive: Json, joints: int) -> tuple[F64, NDArray[np.int64], F64, NDArray[np.int64]]:
        attributes = primitive["attributes"]
        assert isinstance(attributes, dict)
        point = self.file.array(attributes["POSITION"])
        if point.shape[1] != 3 or len(point) > MAX_VERTICES:
            raise self.file.wrong("points that are not points, or too many")
        joint = self.file.array(attributes["JOINTS_0"]).astype(np.int64)
        weight = self.file.array(attributes["WEIGHTS_0"])
        if (
            joint.shape != weight.shape
            or len(joint) != len(point)
            or (len(joint) and joint.max() >= joints)
            or joint.min(initial=0) < 0
        ):
            raise self.file.wrong("damaged file: joints and weights do not fit the points")
        if "JOINTS_1" in attributes:
            self.notes.append("more than four joints a vertex: the first four count")
        total = weight.sum(1, keepdims=True)
        weight = np.where(total > 1e-6, np.maximum(weight, 0) / np.maximum(total, 1e-6), 1.0 / weight.shape[1])
        index = np.arange(len(point)) if "indices" not in primitive else self.file.array(primitive["indices"])[:, 0]
        index = index.astype(np.int64)
        if len(index) % 3 or (len(index) and index.max() >= len(point)):
            raise self.file.wrong("damaged file: triangles name points that are not there")
        return point, joint, weight, index.reshape(-1, 3)

    def surfaces(self) -> tuple[Surface, ...]:
        """The materials, in the file's order, and grey for what has none."""
        out = []
        for number, spec in enumerate(self.file.all("materials")):
            body = spec.get("pbrMetallicRoughness", {})
            assert isinstance(body, dict)
            rgba = np.array(body.get("baseColorFactor", (1, 1, 1, 1)), np.float64)
            if rgba.shape != (4,) or not np.isfinite(rgba).all():
                raise ValueError("baseColorFactor")
            rgb = rgba[:3] * self._texture(body.get("baseColorTexture"))
            name = str(spec.get("name", f"material {number}"))[:64]
            metallic = float(body.get("metallicFactor", 1.0)) if "metallicRoughnessTexture" not in body else 0.0
            rgb = np.clip(rgb, 0, 1)
            both = bool(spec.get("doubleSided", False))
            out.append(Surface(name, (float(rgb[0]), float(rgb[1]), float(rgb[2])), metallic, both))
        return (*out, Surface("none", (0.5, 0.5, 0.5)))

    def _texture(self, spec: object) -> F64:
        """The average colour of a texture, linear; white where there is none."""
        if not isinstance(spec, dict):
            return np.ones(3)
        image = self.file.all("images")[whole(self.file.all("textures")[whole(spec["index"])]["source"])]
        data = (
            self.file.view(whole(image["bufferView"])) if "bufferView" in image else self.file.beside(image.get("uri"))
        )
        rgb = average_colour(data)
        if rgb is None:
            self.notes.append("a texture could not be read: grey instead")
            return np.full(3, 0.5)
        return rgb

    def _motions(self, joints: Sequence[int]) -> list[Motion]:
        out = []
        for number, spec in enumerate(self.file.all("animations")):
            samplers = spec["samplers"]
            channels: dict[tuple[int, str], tuple[F64, F64, str]] = {}
            for channel in spec["channels"]:  # type: ignore[attr-defined]
                target = channel["target"]
                if "node" not in target or target["path"] not in ("translation", "rotation", "scale"):
                    continue
                sampler = samplers[whole(channel["sampler"])]  # type: ignore[index]
                times, values = self.file.array(sampler["input"])[:, 0], self.file.array(sampler["output"])
                how = str(sampler.get("interpolation", "LINEAR"))
                if how == "CUBICSPLINE":
                    values = values.reshape(len(times), 3, -1)[:, 1]
                if len(values) != len(times) or not len(times) or (np.diff(times) < 0).any():
                    raise self.file.wrong("damaged file: an animation's times do not fit its values")
                channels[whole(target["node"]), str(target["path"])] = times, values, how
            if channels:
                name = str(spec.get("name", f"clip {number}"))[:64]
                out.append(self._motion(name, channels, joints))
        return out

    def _motion(
        self, name: str, channels: Mapping[tuple[int, str], tuple[F64, F64, str]], joints: Sequence[int]
    ) -> Motion:
        first = min(t[0] for t, _, _ in channels.values())
        last = max(t[-1] for t, _, _ in channels.values())
        duration = max(float(last - first), 1.0 / _RATE)
        count = math.ceil(duration * _RATE - 1e-6) + 1
        if count > MAX_SAMPLES:
            raise self.file.wrong(
                "too long a clip", expected=f"at most {MAX_SAMPLES / _RATE:.0f} s", got=f"{duration:.0f} s"
            )
        at = first + np.linspace(0.0, duration, count)
        local = {}
        for node in {n for n, _ in channels}:
            parts = []
            for part, usual in zip(("translation", "rotation", "scale"), self.rest[node], strict=True):
                if (node, part) in channels:
                    parts.append(_sampled(*channels[node, part], at, part == "rotation"))
                else:
                    parts.append(np.broadcast_to(usual, (count, len(usual))))
            local[node] = _matrix(*parts)
        world = self.world(local, count)
        return Motion(name, duration, np.stack([world[j] for j in joints], 1))


def _sampled(times: F64, values: F64, how: str, at: F64, turns: bool) -> F64:
    k = np.clip(np.searchsorted(times, at, side="right") - 1, 0, max(len(times) - 2, 0))
    n = np.minimum(k + 1, len(times) - 1)
    if how == "STEP":
        return values[np.where(at >= times[n], n, k)]
    t = np.clip((at - times[k]) / np.maximum(times[n] - times[k], 1e-9), 0.0, 1.0)[:, None]
    a, b = values[k], values[n]
    if turns:
        b = np.where(np.sum(a * b, -1, keepdims=True) < 0, -b, b)
        cos = np.clip(np.sum(a * b, -1, keepdims=True), -1, 1)
        angle = np.arccos(cos)
        s = np.sin(angle)
        near = s < 1e-6
        wa = np.where(near, 1 - t, np.sin((1 - t) * angle) / np.where(near, 1, s))
        wb = np.where(near, t, np.sin(t * angle) / np.where(near, 1, s))
        return wa * a + wb * b
    return a * (1 - t) + b * t
