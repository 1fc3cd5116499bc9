"""Bad bundles: each a one-line error, nothing executed, nothing written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.weights import make_bundle, packed, safetensors, write_network

from composer.errors import InputError, InputErrors
from composer.inference import bundle_verify
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_content import refuse_code
from composer.inference.bundle_verify import verify_bundle
from composer.inference.kinds import KINDS
from composer.io.files import sha256_file

UNET = "weights/base/unet/diffusion_pytorch_model.safetensors"


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def relist(bundle: Bundle) -> Bundle:
    """bundle.yaml with every file's present hash."""
    file = bundle.folder / "bundle.yaml"
    text, present = file.read_text(), load_bundle(bundle.folder)
    for path, old in present.files.items():
        text = text.replace(
            f'"{path.partition("/")[2]}": "{old}"',
            f'"{path.partition("/")[2]}": "{sha256_file(present.path_of(path))}"',
        )
    file.write_text(text)
    return load_bundle(bundle.folder)


def told(bundle: Bundle) -> list[str]:
    """What verify says is wrong; every time a line each, and the folder stays as it was."""
    before = tree(bundle.folder)
    with pytest.raises(InputErrors) as caught:
        verify_bundle(bundle)
    assert tree(bundle.folder) == before
    lines = [error.line() for error in caught.value.errors]
    assert lines and all("\n" not in line and len(line) < 900 for line in lines)
    return lines


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("family", KINDS)
def test_a_whole_bundle_of_each_family(tmp_path: Path, family: str) -> None:
    bundle = make_bundle(tmp_path, family)
    seen: list[tuple[int, int]] = []
    found = verify_bundle(bundle, lambda done, total: seen.append((done, total)))
    assert found.files == len(bundle.files) and seen[-1] == (found.bytes, found.bytes)
    networks = sum(not p.startswith(("tokenizer", "scheduler")) for p in KINDS[family].needs) + len(bundle.controls)
    assert found.parameters == 8 * networks and found.weight_bytes == 16 * networks


def test_what_was_right_is_not_read_again_unless_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_CACHE", str(tmp_path / "cache"))
    bundle, read = make_bundle(tmp_path), []
    real = bundle_verify.hash_file
    monkeypatch.setattr(bundle_verify, "hash_file", lambda path, told: read.append(path.name) or real(path, told))
    for again, count in ((False, 13), (False, 0), (True, 13), (False, 0)):
        read.clear()
        assert verify_bundle(bundle, again=again).files == 13 and len(read) == count
    unet = bundle.folder / UNET
    was, data = unet.stat(), bytearray(unet.read_bytes())
    data[-1] ^= 1
    unet.write_bytes(data)
    os.utime(unet, ns=(was.st_atime_ns, was.st_mtime_ns))
    read.clear()
    with pytest.raises(InputErrors, match="wrong hash"):
        verify_bundle(bundle, again=False)
    assert read == [unet.name], "the time of writing was set back, the change is seen all the same"
    (seal,) = (tmp_path / "cache/verified").iterdir()
    for damage in ("", "[]", '{"a": 1}'):
        seal.write_text(damage)
        with pytest.raises(InputErrors, match="wrong hash"):
            verify_bundle(bundle, again=False)


def pickles(mark: Path) -> dict[str, bytes]:
    found = {f"protocol {n}": pickle.dumps(Bomb(mark), protocol=n) for n in range(6)}
    found |= {f"plain data {n}": pickle.dumps({"a": [1.5, "b"], "c": (2, 3)}, protocol=n) for n in range(6)}
    found["torch's old form"] = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + found["protocol 2"]
    return found


def test_pickles_are_refused_in_whatever_name(tmp_path: Path) -> None:
    bundle, mark = make_bundle(tmp_path), tmp_path / "mark"
    for kind, data in pickles(mark).items():
        for name in (UNET, "weights/base/tokenizer/merges.txt", "weights/base/unet/config.json"):
            good = (bundle.folder / name).read_bytes()
            (bundle.folder / name).write_bytes(data)
            lines = told(relist(bundle))
            assert any("this is a pickle" in line and name in line for line in lines), (kind, name, lines)
            (bundle.folder / name).write_bytes(good)
            bundle = relist(bundle)
    assert not mark.exists()
    verify_bundle(bundle)


def archives(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    (folder / "data.pkl").write_bytes(pickle.dumps(Bomb(folder / "mark")))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(folder / "data.pkl", "archive/data.pkl")
    with tarfile.open(folder / "a.tar", "w") as tar:
        tar.add(folder / "data.pkl", "data.pkl")
    with tarfile.open(folder / "a.tgz", "w:gz") as tar:
        tar.add(folder / "data.pkl", "data.pkl")
    np.save(folder / "a.npy", np.array([{1: 2}], dtype=object), allow_pickle=True)
    found = {kind: (folder / kind).read_bytes() for kind in ("a.zip", "a.tar", "a.tgz", "a.npy")}
    found |= {
        "elf": b"\x7fELF" + bytes(60),
        "exe": b"MZ" + bytes(60),
        "script": b"#!/bin/sh\nexit 1\n",
        "gguf": b"GGUF" + bytes(60),
    }
    zipped = found["a.zip"]
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(zipped), len(zipped))
    found["safetensors in front, zip behind"] = packed(header, zipped)
    return found


def test_archives_objects_and_programs_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    for kind, data in archives(tmp_path / "bad").items():
        for name in (UNET, "weights/base/tokenizer/merges.txt"):
            good = (bundle.folder / name).read_bytes()
            (bundle.folder / name).write_bytes(data)
            bundle = relist(bundle)
            assert any("not weights or settings" in line for line in told(bundle)), (kind, name)
            (bundle.folder / name).write_bytes(good)
            bundle = relist(bundle)
    verify_bundle(bundle)


@pytest.mark.parametrize("name", ["model.py", "run.sh", "lib.so", "weights.bin", "old.ckpt", "v.npz"])
def test_code_beside_the_weights_is_refused(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path)
    (bundle.folder / "weights/base/unet" / name).write_text("print('hello')\n")
    assert any(name in line and ("code in a bundle" in line or "not weights" in line) for line in told(bundle))


def test_plain_texts_are_no_pickles(tmp_path: Path) -> None:
    """Words may well begin like opcodes: no false alarms."""
    for number, text in enumerate(
        ["cat\ndog\nbird.", "creativeml\nopenrail\nm\n", "I am a card.\n", "N.", "(a)\n.", "Licence\n=====\n.", "]q.",
         "#version: 0.2\nl o\n"]
    ):  # fmt: skip
        path = tmp_path / f"{number}.txt"
        path.write_text(text)
        refuse_code(path)
    long_header = tmp_path / "x.safetensors"
    for length in (0x80, 0x0280, 0x0380, 0x0480, 0x0580, 0x5A4D, 0x2123, 0x8B1F):  # lengths that read like magic
        header = b'{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
        long_header.write_bytes(packed(header + b" " * (length - len(header))))
        refuse_code(long_header)


def test_wrong_hash_missing_and_extra_are_told_together(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    data = bytearray((bundle.folder / UNET).read_bytes())
    data[-1] ^= 1
    (bundle.folder / UNET).write_bytes(data)
    (bundle.folder / "weights/base/vae/config.json").unlink()
    (bundle.folder / "weights/depth/other.safetensors").write_bytes(safetensors())
    lines = told(bundle)
    assert len(lines) == 3
    for said in (
        "unet/diffusion_pytorch_model.safetensors: wrong hash",
        "vae/config.json: missing",
        "other.safetensors: not listed",
    ):
        assert any(said in line for line in lines)


def test_links_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    secret = tmp_path / "secret.safetensors"
    shutil.move(bundle.folder / UNET, secret)
    (bundle.folder / UNET).symlink_to(secret)
    assert any("a link in a bundle" in line for line in told(bundle))
    (bundle.folder / UNET).unlink()
    shutil.copy(secret, bundle.folder / UNET)
    verify_bundle(bundle)
    shutil.move(bundle.folder / "weights/base/vae", tmp_path / "vae")
    (bundle.folder / "weights/base/vae").symlink_to(tmp_path / "vae")
    assert any("a link in a bundle" in line for line in told(bundle))
    (bundle.folder / "weights/base/vae").unlink()
    shutil.move(tmp_path / "vae", bundle.folder / "weights/base/vae")
    shutil.move(bundle.folder / "weights", tmp_path / "weights")
    (bundle.folder / "weights").symlink_to(tmp_path / "weights")
    assert any("a link out of the bundle" in line for line in told(bundle))


def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    (bundle.folder / UNET).unlink()
    os.mkfifo(bundle.folder / UNET)
    assert any("not a plain file" in line for line in told(bundle))


CONFIGS: list[tuple[str, object, str]] = [
    ("unet/config.json", {"_class_name": "UNet2DConditionModel", "auto_map": {"AutoModel": "a.B"}}, "auto_map is refused"),
    ("unet/config.json", {"_class_name": "UNet2DConditionModel", "a": [{"trust_remote_code": True}]}, "trust_remote_code"),
    ("unet/config.json", {"_class_name": "EvilModel"}, "none of the family's: expected UNet2DConditionModel, got EvilModel"),
    ("unet/config.json", {"sample_size": 8}, "_class_name is none"),
    ("unet/config.json", [1], "not a list of settings"),
    ("vae/config.json", {"_class_name": "AutoencoderKLWan"}, "none of the family's"),
    ("text_encoder/config.json", {"architectures": ["CLIPTextModel", "Other"]}, "architectures is none"),
    ("text_encoder/config.json", {"architectures": []}, "architectures is none"),
    ("tokenizer/tokenizer_config.json", {"tokenizer_class": "PickleTokenizer"}, "tokenizer_class is none"),
    ("scheduler/scheduler_config.json", {"_class_name": "UNet2DConditionModel"}, "_class_name is none"),
    ("model_index.json", {"_class_name": "StableDiffusionPipeline", "unet": ["mine", "Net"]}, "code of its own"),
    ("model_index.json", {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "VQModel"]}, "none of the family's"),
    ("model_index.json", {"_class_name": "WanVACEPipeline"}, "another family's pipeline"),
    ("model_index.json", {"_class_name": "StableDiffusionPipeline", "custom_pipeline": "x"}, "custom_pipeline is refused"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "config", "said"), CONFIGS)
def test_settings_that_ask_for_other_code(tmp_path: Path, name: str, config: object, said: str) -> None:
    bundle = make_bundle(tmp_path)
    (bundle.folder / "weights/base" / name).write_text(json.dumps(config))
    lines = told(relist(bundle))
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("unet/config.json", b'{"_class_name": "UNet2DConditionModel", "_class_name": "Evil"}', "stands twice"),
        ("unet/config.json", b'{"a": NaN}', "not JSON"),
        ("unet/config.json", b'{"a": "' + b"x" * (2 << 20) + b'"}', "too large"),
        ("unet/config.json", b"[" * 100_000, "nested too deep"),
        ("unet/config.json", b"\xff\xfe{}", "UTF-8"),
        ("tokenizer/merges.txt", b"a b\n\0\n", "not text"),
        ("tokenizer/merges.txt", b"\xff\xfea\0", "not text"),
        ("unet/diffusion_pytorch_model.safetensors", struct.pack("<Q", 1 << 40), "header length"),
        ("unet/diffusion_pytorch_model.safetensors", safetensors() + b"more", "does not end where"),
    ],
)
def test_damaged_files_with_the_right_hash(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    bundle = make_bundle(tmp_path)
    (bundle.folder / "weights/base" / name).write_bytes(data)
    lines = told(relist(bundle))
    assert len(lines) == 1 and said in lines[0]


def test_sentencepiece_models_are_read_to_their_end(tmp_path: Path) -> None:
    from composer.inference.bundle_config import check_text

    piece = b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
    path = tmp_path / "spiece.model"
    path.write_bytes(piece * 3)
    check_text(path)
    for bad in (b"", piece[:-1], piece + b"\x80", piece + b"\x09", b"\x12\0" + piece, piece + bytes(4)):
        path.write_bytes(bad)
        with pytest.raises(InputError, match="SentencePiece"):
            check_text(path)


@pytest.mark.parametrize("shard", ["../../../outside.safetensors", "/etc/passwd", "nobody.safetensors", "x.bin"])
def test_shards_lie_beside_their_index(tmp_path: Path, shard: str) -> None:
    from composer.inference.bundle_config import check_config, read_json

    write_network(tmp_path / "unet", "UNet2DConditionModel")
    (tmp_path / "outside.safetensors").write_bytes(safetensors())
    index = tmp_path / "unet/diffusion_pytorch_model.safetensors.index.json"
    for name, good in (("diffusion_pytorch_model.safetensors", True), (shard, False)):
        index.write_text(json.dumps({"metadata": {}, "weight_map": {"w": name}}))
        if good:
            check_config(index, read_json(index), KINDS["sd15"], "unet")
        else:
            with pytest.raises(InputError, match="shard"):
                check_config(index, read_json(index), KINDS["sd15"], "unet")


def test_a_network_without_weights(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    file = bundle.folder / "bundle.yaml"
    name = "unet/diffusion_pytorch_model.safetensors"
    line = f'      "{name}": "{bundle.files[f"base/{name}"]}"\n'
    assert line in file.read_text()
    file.write_text(file.read_text().replace(line, ""))
    (bundle.folder / UNET).unlink()
    assert told(load_bundle(bundle.folder)) == [
        f"{bundle.folder}/weights/base/unet: unet is not whole: expected config.json and .safetensors weights"
    ]


def test_real_malformed_files_are_no_weights(tmp_path: Path, shared_data: Path) -> None:
    """The corpus of broken pictures and movies, each as weights and as a text."""
    from composer.inference.bundle_verify import check_file

    files = [p for p in sorted((shared_data / "malformed").rglob("*")) if p.is_file() and p.suffix != ".txt"]
    assert len(files) > 100
    for source in files:
        for name in ("x.safetensors", "config.json", "merges.txt", "spiece.model"):
            if name == "merges.txt" and source.name == "hdr__crash-res.hdr":
                continue  # that one is nothing but text
            shutil.copyfile(source, tmp_path / name)
            with pytest.raises(InputError) as caught:
                check_file(tmp_path / name, KINDS["sd15"], "unet")
            assert "\n" not in caught.value.line()
