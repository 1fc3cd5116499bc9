"""Every malformed file: one line, quickly, within 1 GiB, and nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTES = 1024

# Processor time beside that of loading the libraries, so that neither a slow nor a busy machine can fail it. One process
# reads all files, so that each file's own cost is seen.
CHILD = """
import time; start = time.process_time()
import json, sys
from pathlib import Path
from composer.errors import InputError
from composer.io.sequence import FrameSequence
from composer.io.image import read_image, read_info
ready = time.process_time() - start
for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    begin = time.process_time()
    said = []
    try:
        sequence = FrameSequence.find(path, path.parent)
        sequence.read(sequence.first_frame)
    except InputError as error:
        said.append(str(error))
    peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
    print(json.dumps([path.name, said, (time.process_time() - begin) / ready, peak]), flush=True)
"""


def malformed(shared_data: Path, scratch: Path) -> list[Path]:
    """All files; those of the EXR corpus under a name that says what they are."""
    files = []
    for path in sorted((shared_data / "malformed").rglob("*")):
        if not path.is_file() or path.name == "LICENSE.txt":
            continue
        if path.parent.name == "openexr":
            copy = scratch / f"{path.name}.exr"
            copy.write_bytes(path.read_bytes())
            path = copy
        files.append(path)
    return files


def test_every_malformed_file_is_refused_in_one_line(shared_data: Path, tmp_path: Path) -> None:
    files = malformed(shared_data, tmp_path)
    assert len(files) >= 115
    before = sorted(os.listdir(tmp_path))
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
    )
    results = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0 and len(results) == len(files), child.stderr[-2000:]
    assert len(child.stdout.splitlines()) == len(files) and child.stderr == "", (
        "libraries must not chatter beside the one line"
    )
    assert sorted(os.listdir(tmp_path)) == before
    for name, said, cost, peak in results:
        assert said, f"{name} was read as if it were sound"
        assert all("\n" not in text and len(text) < 600 for text in said), name
        assert cost < 2, (name, cost)  # 0.4 for the slowest on an idle machine, 0.15 s: a video that is tried twice
        assert peak < MEBIBYTES, (name, peak)


def test_the_corpus_without_its_extension_is_refused_too(shared_data: Path) -> None:
    from composer.errors import InputError
    from composer.io.image import read_image, read_info

    for path in sorted((shared_data / "malformed/openexr").iterdir()):
        for read in (read_info, read_image):
            with pytest.raises(InputError) as error:
                read(path)
            assert "\n" not in str(error.value)
