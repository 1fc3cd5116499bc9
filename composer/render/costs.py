"""What frames of a job cost on this machine, measured once and kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from composer.crowd.people import People
from composer.io.files import atomic_write
from composer.render.forecast import Measure
from composer.render.measure import Machine, covered_share, measure, measure_key
from composer.render.ready import Job
from composer.shot.stage import Stage


class Costs:
    """Measures, kept in a file: what was measured on this machine is not measured again."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self.path, self.machine = path, machine
        self.used: list[Measure] = []
        self._known: dict[str, Measure] = {}
        self._covered: dict[tuple[int, tuple[int, ...]], tuple[float, People]] = {}
        try:
            read = json.loads(path.read_text())
            self._known = {k: Measure.read(m) for k, m in read.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # none, or of another version: measured anew

    def of(self, job: Job, stage: Stage) -> Measure:
        """What a job costs a frame. stage: the job's, at the plate's own size."""
        key, key_s = measure_key(job, self.machine)
        if key not in self._known:
            people = job.scene.people
            seen = id(people), tuple(job.frames)
            if seen not in self._covered:  # the people are kept so that the id stays theirs
                self._covered[seen] = (covered_share(job, stage), people)
            self._known[key] = measure(job, self._covered[seen][0], key_s, self.path.parent)
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps({k: asdict(m) for k, m in self._known.items()}, indent=1))
        if self._known[key] not in self.used:
            self.used.append(self._known[key])
        return self._known[key]
