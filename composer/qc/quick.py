"""The line after a render: what can be said of what was just delivered for next to nothing.

All headers are held against the rules of a delivery, and the middle one of the new frames is read again and held against its
plate. `muster qc` measures the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from composer.errors import MusterError
from composer.io.exr import read_header
from composer.qc.delivery import Source, list_delivery, missing_of
from composer.qc.frames import read_delivered
from composer.qc.painted import silhouette_kept
from composer.qc.pixels import odd_readings, untouched_readings
from composer.qc.reading import Finding, Reading
from composer.qc.rules import Head, rule_findings
from composer.shot.stage import Stage

#: Headers that are looked at, evenly spread: some milliseconds each.
MOST_HEADERS = 100


@dataclass(frozen=True)
class Quick:
    """text: the line. readings, findings: what it is made of."""

    text: str
    readings: tuple[Reading, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, object]:
        values = {r.measure: r.value for r in self.readings}
        return {"line": self.text, "measures": values, "findings": [f.line() for f in self.findings]}


def quick_look(folder: Path, rendered: Sequence[int], stage: Stage) -> Quick:
    """rendered: the new frames; none where all were there already, then the middle one of all is read. What cannot be looked at
    is told, never raised."""
    try:
        listing, source = list_delivery(folder), Source(stage)
        numbers = list(listing.files)
        heads: dict[int, Head] = {}
        for number in numbers[:: max(1, -(-len(numbers) // MOST_HEADERS))]:
            head = Head.of(number, listing.files[number], read_header(listing.files[number]))
            if head is not None:
                heads[number] = head
        findings = tuple(rule_findings(heads, listing, source))
        missing = missing_of(listing, source, None)
        new = [n for n in rendered if n in listing.files] or numbers
        number = sorted(new)[len(new) // 2]
        frame = read_delivered(listing.files[number], number)
        record = listing.records.get(number)
        untouched = untouched_readings(frame, stage.plate.read(number), None, record.undelivered if record else ())
        readings = (*untouched, *list(odd_readings(frame))[:1])
    except MusterError as error:
        return Quick(f"qc: could not look ({str(error)[:160]})", (), ())
    kept = [v for r in listing.records.values() if (v := silhouette_kept(r.paint or {})) is not None]
    words = [f"{len(numbers)} frames{_gap(missing)}"]
    changed = readings[0].value
    plate = f"{changed:.0f} plate pixels changed" if changed is not None else f"plate not looked at ({readings[0].why})"
    words.append(f"frame {number}: {plate}, {readings[1].value or 0:.0f} not finite")
    if kept:
        words.append(f"silhouettes kept at least {min(kept):.3f}")
    words.append(f"{len(findings)} rules broken: {findings[0].line()}" if findings else "headers in order")
    worst = (
        *readings,
        Reading("missing_frames", None, float(len(missing))),
        Reading("rule_breaks", None, float(len(findings))),
    )
    return Quick(f"qc: {'; '.join(words)}", worst, findings)


def _gap(missing: Sequence[int]) -> str:
    if not missing:
        return ", none missing between them"
    return f", {len(missing)} MISSING between them ({', '.join(map(str, missing[:5]))}{' ...' if len(missing) > 5 else ''})"
