"""What a wheel carries: the code, and the content that the demo needs; nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a wheel built from a copy of the tracked tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    skip = shutil.ignore_patterns(
        ".git", ".venv", "build", "out", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, source, ignore=skip)
    program = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return archive.namelist()


def test_it_carries_every_module(wheel: list[str]) -> None:
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "composer").rglob("*.py")}
    assert modules <= set(wheel)
    pages = {p.relative_to(ROOT).as_posix() for p in (ROOT / "composer/review/page").iterdir()}
    assert len(pages) > 8 and pages <= set(wheel)
    assert "composer/qc/page/qc.css" in wheel


def test_it_carries_the_content(wheel: list[str]) -> None:
    shared = {n.split("share/muster/", 1)[1] for n in wheel if "share/muster/" in n}
    needed = {
        "configs/quality.yaml",
        "configs/licences.yaml",
        "configs/rates.yaml",
        "configs/qc.yaml",
        "models/README.md",
    }
    needed |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "configs/delivery").glob("*.yaml")}
    needed |= {"scenes/valley/shot.yaml", "scenes/valley/ground.obj"}
    needed |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "scenes/valley").rglob("*.exr")}
    assert needed <= shared
    weights = {n for n in shared if n.endswith(".safetensors")}
    ours = {p.relative_to(ROOT).as_posix() for p in (ROOT / "models/levy/weights").rglob("*.safetensors")}
    assert weights == ours and len(ours) == 4, "others are fetched"
    assert "models/levy/bundle.yaml" in shared and not [n for n in shared if "recipe" in n]


def test_it_carries_nothing_else(wheel: list[str]) -> None:
    tops = {n.split("/", 1)[0] for n in wheel}
    assert all(t == "composer" or t.endswith((".dist-info", ".data")) for t in tops), tops
    assert not [n for n in wheel if "test" in n.split("/")[0] or n.endswith(".pyc")]


def test_it_has_the_command(wheel: list[str]) -> None:
    assert any(n.endswith(".dist-info/entry_points.txt") for n in wheel)
