"""The report: verdicts on what was measured, as JSON beside the delivery."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import composer
from composer.io.files import atomic_write
from composer.qc.limits import Limit, Limits, Verdict, judge
from composer.qc.measure import Measured
from composer.qc.measures import MEASURES
from composer.qc.preset import Preset
from composer.qc.reading import Finding, Reading
from composer.shot.plate import listed


@dataclass(frozen=True)
class Report:
    """verdicts: in the order of `MEASURES`. passed: no limit is broken."""

    measured: Measured
    preset: Preset | None
    limits: Limits
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(v for v in self.verdicts if v.status == "fail")

    def count(self, status: str) -> int:
        return sum(v.status == status for v in self.verdicts)


def report_of(measured: Measured, limits: Limits, preset: Preset | None = None) -> Report:
    """limits: the last word; a preset's own changes are in them already."""
    return Report(measured, preset, limits, judge(measured.readings, limits))


def summary(report: Report) -> str:
    """One line."""
    listing = report.measured.listing
    counts = [f"{report.count(s)} {s}" for s in ("pass", "fail", "not measured") if report.count(s)]
    preset = f", preset {report.preset.name}" if report.preset else ""
    return f"{listing.shot} {listing.version}: {len(report.measured.frames)} frames{preset}: {', '.join(counts)}"


def lines_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Findings as lines; those that say the same of several frames in one."""
    frames: dict[tuple[str, str], list[int]] = {}
    for f in findings:
        frames.setdefault((f.rule, f.what), []).extend([] if f.frame is None else [f.frame])
    lines = []
    for (rule, what), where in frames.items():
        some = f"{'frame' if len(where) == 1 else 'frames'} {listed(tuple(where))}: " if where else ""
        lines.append(f"{some}{rule}: {what}")
    return tuple(lines)


def told(verdict: Verdict) -> str:
    """One line for the terminal."""
    title = MEASURES[verdict.measure].title
    if verdict.worst is None or verdict.worst.value is None:
        return f"{verdict.status:<13}{title}: {verdict.why}"
    frame = "" if verdict.worst.frame is None else f" at frame {verdict.worst.frame}"
    detail = f"; {verdict.worst.detail}" if verdict.worst.detail and verdict.status == "fail" else ""
    limit = "" if verdict.limit is None else f" (limit {verdict.limit})"
    return f"{verdict.status:<13}{title}: {with_unit(verdict.measure, verdict.worst.value)}{frame}{limit}{detail}"


def with_unit(name: str, value: float | None) -> str:
    """`0.31 stops`."""
    if value is None:
        return ""
    unit = MEASURES[name].unit
    shown = f"{value:.0f}" if unit in ("px", "frames", "files", "breaks") else f"{value:.4g}"
    return f"{shown} {unit}".rstrip()


def as_json(report: Report) -> dict[str, object]:
    """What `qc.json` holds and `--json` prints."""
    measured, listing = report.measured, report.measured.listing
    return {
        "muster_qc": 1,
        "muster": composer.__version__,
        "shot": listing.shot,
        "version": listing.version,
        "passed": report.passed,
        "preset": report.preset and report.preset.name,
        "frames": list(measured.frames),
        "measures": {v.measure: _verdict(v, measured.readings) for v in report.verdicts},
        "findings": [asdict(f) for f in measured.findings],
        "notes": list(measured.notes),
        "seconds": round(measured.seconds, 2),
    }


def _verdict(verdict: Verdict, readings: tuple[Reading, ...]) -> dict[str, object]:
    measure, worst = MEASURES[verdict.measure], verdict.worst
    mine = [r for r in readings if r.measure == verdict.measure and r.frame is not None and r.value is not None]
    return {
        "title": measure.title,
        "unit": measure.unit,
        "means": measure.means,
        "status": verdict.status,
        "limit": None if verdict.limit is None else _sides(verdict.limit),
        "worst": None if worst is None else _number(worst.value),
        "worst_frame": worst and worst.frame,
        "worst_at_px": worst and worst.at and list(worst.at),
        "detail": worst.detail if worst else verdict.why,
        "mean": _number(verdict.mean),
        "failed_frames": list(verdict.failed),
        "by_frame": {str(r.frame): _number(r.value) for r in mine},
    }


def _sides(limit: Limit) -> Mapping[str, float]:
    return {side: value for side in ("min", "max") if (value := getattr(limit, side)) is not None}


def _number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity."""
    if value is None or math.isfinite(value):
        return value if value is None else float(f"{value:.6g}")
    return str(value)


def write_report(report: Report, page: str) -> tuple[Path, Path]:
    """`qc.json` and `qc.html` in the delivery, whole or not at all."""
    folder = report.measured.listing.folder
    for name, text in (("qc.json", json.dumps(as_json(report), indent=1) + "\n"), ("qc.html", page)):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "qc.json", folder / "qc.html"
