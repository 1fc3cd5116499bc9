"""The rooms keep their order, and the command starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from composer.errors import InputError, InputErrors, Where

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("errors", "io", "color", "camera", "shot", "crowd", "environment", "guides", "inference", "comp", "deliver")
ROOMS += ("render", "farm", "review", "exchange", "qc", "cli")
HEAVY = ("torch", "warp", "diffusers", "numpy", "OpenEXR", "cv2", "pydantic", "pxr")


def _imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            names = (
                [f"{node.module}.{a.name}" for a in node.names] if node.module == "composer" else [node.module or ""]
            )
        found |= {n.split(".")[1] for n in names if n.startswith("composer.")}
    return found & set(ROOMS)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "composer").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_a_room_imports_only_from_those_before_it(path: Path) -> None:
    parts = path.relative_to(ROOT / "composer").with_suffix("").parts
    if parts[0] in ("__init__", "__main__"):
        return
    assert parts[0] in ROOMS, f"{path} lies in no room of DESIGN"
    late = {r for r in _imported_rooms(path) if ROOMS.index(r) > ROOMS.index(parts[0])}
    assert not late, f"{parts[0]} must not import {late}"


def test_only_cli_prints_or_exits() -> None:
    offenders = []
    for path in (ROOT / "composer").rglob("*.py"):
        if path.relative_to(ROOT / "composer").parts[0] in ("cli", "__main__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                # inside a Warp kernel wp.printf would be its own offence
                if name in ("print", "exit", "quit", "sys.exit", "os._exit", "wp.printf"):
                    offenders.append(f"{path.name}:{node.lineno} {name}")
    assert not offenders


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['muster', '--help']\n"
        "from composer.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as e: assert e.code == 0\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_help_loads_few_modules_and_none_that_is_not_pythons_own() -> None:
    """What it costs beside Python's own start, counted: seconds are the machine's."""
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['muster', '--help']\n"
        "from composer.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*(set(sys.modules) - before), file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in told.stderr.split()}
    assert "composer" in loaded and loaded - sys.stdlib_module_names == {"composer"}
    assert len(told.stderr.split()) < 150


def test_an_error_is_one_line_that_says_what_where_and_what_next() -> None:
    error = InputError(
        "too few frames", where=Where("shot.yaml", 4, 5, field="plate"), expected="24", got="23", hint="add 1024"
    )
    assert str(error) == "shot.yaml:4:5: plate: too few frames: expected 24, got 23; add 1024"
    assert error.exit_code == 2
    both = InputErrors([error, InputError("two\nlines")])
    assert both.line().splitlines() == [error.line(), "two lines"]
