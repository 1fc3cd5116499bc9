"""Folders of weights in diffusers' layout, written byte by byte: what bundles are made of, without any model in them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from composer.inference.bundle import Bundle
from composer.inference.bundle_add import add_bundle
from composer.inference.bundle_text import Told
from composer.inference.kinds import KINDS

#: Which file of a folder says its class, and how.
_TRANSFORMERS = ("text_encoder", "text_encoder_2")


def safetensors(tensors: dict[str, tuple[str, list[int], int]] | None = None, metadata: object = None) -> bytes:
    """A well-formed file. tensors: name to (dtype, shape, bytes)."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    at = 0
    for name, (dtype, shape, size) in (tensors or {"weight": ("F32", [2, 3], 24)}).items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return packed(json.dumps(header).encode(), bytes(at))


def packed(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def write_network(folder: Path, class_name: str, fill: int = 1) -> None:
    """A network's settings and its weights; fill makes them differ."""
    folder.mkdir(parents=True, exist_ok=True)
    key = (
        {"architectures": [class_name]}
        if "Text" in class_name or "Encoder" in class_name
        else {"_class_name": class_name}
    )
    (folder / "config.json").write_text(json.dumps({**key, "sample_size": 8}))
    data = packed(b'{"w":{"dtype":"F16","shape":[8],"data_offsets":[0,16]}}', bytes([fill]) * 16)
    name = "model.safetensors" if "architectures" in key else "diffusion_pytorch_model.safetensors"
    (folder / name).write_bytes(data)


def write_weights(folder: Path, family: str = "sd15") -> Path:
    """A whole pipeline's folder."""
    kind = KINDS[family]
    for number, part in enumerate(kind.needs):
        place = folder / part
        if part.startswith("tokenizer"):
            place.mkdir(parents=True)
            (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind.classes[part][0]}))
            (place / "vocab.json").write_text('{"a": 0}')
            (place / "merges.txt").write_text("#version: 0.2\na b\n")
        elif part == "scheduler":
            place.mkdir(parents=True)
            (place / "scheduler_config.json").write_text(json.dumps({"_class_name": kind.classes[part][0]}))
        elif family == "qwen-image" and part == "text_encoder":
            write_network(place, kind.classes[part][0], number)
            (place / "config.json").write_text(json.dumps({"architectures": [kind.classes[part][0]]}))
        else:
            write_network(place, kind.classes[part][0], number)
    parts = {part: ["diffusers", kind.classes[part][0]] for part in kind.needs}
    index = {"_class_name": f"{kind.pipelines[0]}Pipeline".replace("PipelinePipeline", "Pipeline"), **parts}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def make_bundle(folder: Path, family: str = "sd15", name: str = "tiny", **told: object) -> Bundle:
    """models/<name> below a folder, its weights in it, with a ControlNet for depth where the family has such."""
    weights = write_weights(folder / "source", family)
    controls = {}
    if KINDS[family].controls:
        write_network(folder / "control", KINDS[family].controls[0], 9)
        controls = {"depth": folder / "control"}
    given = {"licence": "apache-2.0", "commercial": True, "copy": True, "trained_on": "nothing", **told}
    return add_bundle(Told(weights, name=name, controls=controls, models=folder / "models", **given)).bundle
