"""`muster models`: what it prints, its exit codes, its JSON."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from support.weights import make_bundle, write_network, write_weights

from composer.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only bundles there are: Muster's own are elsewhere."""
    monkeypatch.setenv("MUSTER_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("composer.inference.library.content_roots", lambda: (tmp_path / "content",))
    return tmp_path / "models"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["models", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Lines of the error; the same as JSON."""
    assert main(["models", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines and all(line.startswith("muster: ") for line in lines)
    assert main(["models", *arguments, "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["errors"]) == len(lines)
    return lines


def test_add_list_verify(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "muster models add FOLDER" in capsys.readouterr().out
    weights = write_weights(tmp_path / "w", "sdxl")
    write_network(tmp_path / "depth", "ControlNetModel")
    arguments = ["add", str(weights), "--name", "host", "--control", f"depth={tmp_path / 'depth'}"]
    added = told(capsys, *arguments, "--licence", "openrail++", "--commercial", "--trained-on", "a web crawl")
    assert added["name"] == "host" and added["family"] == "sdxl" and added["commercial"] and added["notes"] == []
    (bundle,) = (b for b in told(capsys, "list")["bundles"] if b["name"] == "host")
    assert bundle["may"] == "final" and bundle["missing"] == 0 and bundle["sha256"] == added["sha256"]
    verified = told(capsys, "verify", "host")["verified"][0]
    assert verified["files"] == 18 and verified["parameters"] == 40
    assert main(["models", "verify", str(models / "host")]) == 0
    assert "18 files" in capsys.readouterr().out
    assert "there already" in refused(capsys, *arguments)[0]


def test_what_is_unknown_is_noted_and_held_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "add", str(write_weights(tmp_path / "mine"))]) == 0
    said = capsys.readouterr().out
    assert "note: the licence is unknown, so final is refused" in said and "mine: " in said
    assert main(["models", "list"]) == 0
    assert "may render up to draft (its licence is unknown)" in capsys.readouterr().out


def test_every_mistake_is_a_line_and_nothing_is_written(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path)
    (bundle.folder / "weights/base/vae/config.json").unlink()
    (bundle.folder / "weights/base/unet/extra.bin").write_bytes(pickle.dumps({"a": 1}))
    before = sorted(models.rglob("*"))
    lines = refused(capsys, "verify")
    assert len(lines) == 2 and any("pickle" in line for line in lines) and any("missing" in line for line in lines)
    (bundle.folder / "bundle.yaml").write_text("muster_bundle: 1\nfamily: sd99\n")
    assert any("bundle.yaml:2:1: family: unknown family" in line for line in refused(capsys, "verify", "tiny"))
    assert "bundle.yaml:1:1: bundle: missing (and" in told(capsys, "list")["bundles"][0]["error"]
    assert "did you mean tiny?" in refused(capsys, "verify", "tinny")[0]
    assert "depth=FOLDER" in refused(capsys, "add", str(tmp_path), "--control", "smell=here")[0]
    assert "no family known" in refused(capsys, "add", str(tmp_path))[0]
    assert "no such folder" in refused(capsys, "add", str(tmp_path / "none"))[0]
    assert sorted(models.rglob("*")) == before


def test_fetch_says_what_it_lacks(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_bundle(tmp_path)
    assert told(capsys, "fetch", "tiny")["fetched"] == []
    (bundle.folder / "weights/base/vae/config.json").unlink()
    assert "come from no repository" in refused(capsys, "fetch", "tiny")[0]


def test_listing_loads_nothing_heavy(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    code = (
        "import sys\nfrom composer.cli.main import main\nassert main(['models', 'list']) == 0\n"
        "assert main(['models', 'verify', 'tiny']) == 0\n"
        "assert not {'torch', 'diffusers', 'transformers', 'huggingface_hub', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
