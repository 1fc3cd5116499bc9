"""What a verb says on stderr is Muster's own: nothing of the libraries that it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from composer.io.quiet import caught_output
from composer.io.warp_log import NO_DRIVER

ROOT = Path(__file__).resolve().parents[2]
GROUND = "v -90 0 20\nv 90 0 20\nv 90 0 -90\nv -90 0 -90\nf 1 2 3\nf 1 3 4\n"


@pytest.mark.parametrize("verb", ["check", "layout", "render"])
def test_no_library_speaks(make_shot, tmp_path: Path, verb: str) -> None:
    """Each verb in a process of its own: it is the first use of Warp that talks, and a mesh for ground, a crowd with cues
    and the guides use it first in different verbs."""
    shot = make_shot(frames=1, count=12)
    (shot.parent / "ground.obj").write_text(GROUND)
    text = shot.read_text()
    plane = next(line for line in text.splitlines() if line.startswith("ground:"))
    shot.write_text(text.replace(plane, "ground: {mesh: ground.obj}") + "      cues: [{at: 1001, do: cheer}]\n")
    where = {"check": [], "layout": ["--out", str(tmp_path / "o")], "render": ["--out", str(tmp_path / "o")]}[verb]
    command = [sys.executable, "-m", "composer", verb, str(shot), "--json", *where]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_what_others_say_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    import os

    with caught_output(drop=NO_DRIVER) as caught:
        os.write(2, f"{NO_DRIVER}. GPU execution will not be available.\nsomething else\n".encode())
    assert len(caught) == 2
    assert capfd.readouterr().err == "something else\n"
