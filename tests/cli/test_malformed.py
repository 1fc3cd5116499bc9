"""Damaged and hostile files given as a plate: one line, at the cost of a sound one, in little memory, nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from composer.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SHOT = """\
muster: 1
shot: bad
plate: {{path: "{plate}", first_frame: 1001, frame_rate: 24, colorspace: sRGB}}
camera: {{locked: {{focal_mm: 32, filmback_mm: [36, 20.25], height_m: 1.7}}}}
crowd: {{count: 3, regions: [{{name: a, polygon_m: [[-6, -9], [6, -9], [6, -22], [-6, -22]]}}]}}
"""


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / "malformed").rglob("*") if p.is_file() and p.suffix != ".txt")


def _shot_of(source: Path, folder: Path) -> Path:
    """A shot whose plate is a copy of `source`; the EXR corpus has no extensions."""
    folder.mkdir(parents=True)
    name = source.name if source.parent.name != "openexr" else f"{source.name}.exr"
    shutil.copy(source, folder / name)
    (folder / "shot.yaml").write_text(SHOT.format(plate=name))
    return folder / "shot.yaml"


def test_every_malformed_plate_is_refused_in_one_line(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _files(shared_data)
    assert len(files) > 100
    for i, source in enumerate(files):
        shot = _shot_of(source, tmp_path / f"{i}")
        out = tmp_path / f"out{i}"
        assert main(["render", str(shot), "--out", str(out)]) == 2, source.name
        error = capsys.readouterr().err.strip().splitlines()
        assert len(error) == 1 and error[0].startswith("muster: "), (source.name, error)
        assert not out.exists() and len(list(shot.parent.iterdir())) == 2, source.name


@pytest.fixture(scope="module")
def sound_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Processor time of `muster check` on a shot whose plate is sound, s."""
    folder = tmp_path_factory.mktemp("sound")
    cv2.imwrite(str(folder / "sound.png"), np.full((36, 64, 3), 128, np.uint8))
    done, seconds, _ = _checked(_shot_of(folder / "sound.png", folder / "shot"))
    assert done.returncode == 0, done.stderr
    return seconds


@pytest.mark.parametrize("name", ["openexr-bomb__bomb.exr", "dpx__bomb-46341.dpx", "tiff-misc__crash-1709.tif"])
def test_a_process_of_its_own_stays_quick_and_small(
    shared_data: Path, tmp_path: Path, sound_s: float, name: str
) -> None:
    """Less than a sound plate costs, start-up and imports included, and less than a gibibyte."""
    done, seconds, peak_mib = _checked(_shot_of(shared_data / "malformed" / "oiio" / name, tmp_path / "shot"))
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert seconds < sound_s and peak_mib < 1024  # a third of it on an idle machine: it is refused before the crowd


def _checked(shot: Path) -> tuple[subprocess.CompletedProcess[str], float, float]:
    """`muster check` in a process of its own: how it ended, its processor time in s and its peak memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(shot)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    seconds, peak_mib = map(float, done.stdout.splitlines()[-1].split())
    return done, seconds, peak_mib


#: Peak memory from /proc: what getrusage says begins with the size of the process that started this one.
CHILD = """
import sys, time
from composer.cli.main import main
code = main(["check", sys.argv[1]])
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time(), peak / 1024)
sys.exit(code)
"""
