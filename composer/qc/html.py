"""`qc.html`: one file that needs no other and asks no host; light and dark; for eyes, keyboard and screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from composer.qc.limits import Verdict
from composer.qc.measures import MEASURES
from composer.qc.pictures import Picture
from composer.qc.plot import Line, Plot, svg
from composer.qc.report import Report, lines_of, with_unit

_CSS = Path(__file__).parent / "page" / "qc.css"
#: Plotted together: the first is judged.
TOGETHER = {"warp_error": ("plate_warp_error",)}
#: So many lines of findings are written out; the rest is counted, and stands in qc.json.
MOST_FINDINGS = 200
WORDS = {"pass": "pass", "fail": "FAIL", "not measured": "not measured", "no limit": "no limit"}


def page_of(report: Report, pictures: Sequence[Picture]) -> str:
    """The whole page."""
    listing = report.measured.listing
    title = f"QC {listing.shot} {listing.version}"
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}: {'pass' if report.passed else 'FAIL'}</title>",
            f"<style>{_CSS.read_text()}</style></head><body>",
            '<a class="skip" href="#measures">To the measures</a>',
            _header(report),
            "<main>",
            _table(report),
            _findings(report),
            _pictures(pictures),
            _plots(report),
            _grain(report),
            _by_frame(report),
            _notes(report),
            "</main></body></html>\n",
        ]
    )


def _header(report: Report) -> str:
    listing, measured = report.measured.listing, report.measured
    verdict = "Pass" if report.passed else f"{len(report.failed)} of {len(report.verdicts)} measures fail"
    frames = f"{len(measured.frames)} frames, {measured.frames[0]} to {measured.frames[-1]}"
    facts = [frames, f"quality {listing.quality}" if listing.quality else "", listing.colorspace or ""]
    facts += [f"{listing.rate} frames a second" if listing.rate else ""]
    facts += [f"preset: {report.preset.title}" if report.preset else "no delivery preset"]
    links = "".join(f'<li><a href="#m-{v.measure}">{escape(MEASURES[v.measure].title)}</a></li>' for v in report.failed)
    failing = f'<nav aria-label="Measures that fail"><ul class="failing">{links}</ul></nav>' if links else ""
    return (
        f"<header><h1>{escape(listing.shot)} <span>{escape(listing.version)}</span></h1>"
        f'<p class="verdict {"good" if report.passed else "bad"}">{escape(verdict)}</p>'
        f"<p>{escape(' · '.join(f for f in facts if f))}</p>{failing}</header>"
    )


def _table(report: Report) -> str:
    rows = "".join(_row(v) for v in report.verdicts)
    head = "".join(f'<th scope="col">{c}</th>' for c in ("Measure", "Result", "Worst", "Frame", "Mean", "Limit"))
    return (
        '<section aria-labelledby="measures"><h2 id="measures" tabindex="-1">Measures</h2>'
        '<div class="wide" tabindex="0" role="region" aria-label="Table of measures"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(verdict: Verdict) -> str:
    measure, worst = MEASURES[verdict.measure], verdict.worst
    says = measure.means
    if verdict.why:
        says += f" Not measured: {verdict.why}."
    elif worst is not None and worst.detail:
        says += f" Here: {worst.detail}."
    frame = "" if worst is None or worst.frame is None else str(worst.frame)
    cells = [
        with_unit(verdict.measure, worst.value) if worst else "",
        frame,
        "" if measure.whole else with_unit(verdict.measure, verdict.mean),
        str(verdict.limit) if verdict.limit else "",
    ]
    kind = verdict.status.replace(" ", "-")
    return (
        f'<tr id="m-{verdict.measure}" class="{kind}"><th scope="row">{escape(measure.title)}'
        f"<small>{escape(says)}</small></th>"
        f'<td><span class="status">{WORDS[verdict.status]}</span></td>'
        + "".join(f'<td class="number">{escape(c)}</td>' for c in cells)
        + "</tr>"
    )


def _findings(report: Report) -> str:
    found = lines_of(report.measured.findings)
    if not found:
        return "<section><h2>Findings</h2><p>None: names, files and headers are in order.</p></section>"
    lines = "".join(f"<li>{escape(line)}</li>" for line in found[:MOST_FINDINGS])
    more = f"<p>and {len(found) - MOST_FINDINGS} more in qc.json</p>" if len(found) > MOST_FINDINGS else ""
    return f'<section><h2>Findings</h2><ul class="findings">{lines}</ul>{more}</section>'


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    figures = "".join(
        f'<figure><img src="{p.jpeg}" width="{p.size_px[0]}" height="{p.size_px[1]}" alt="{escape(p.what)}">'
        f"<figcaption><b>{escape(p.title)}</b> {escape(p.words)}</figcaption></figure>"
        for p in pictures
    )
    return f'<section><h2>Pictures</h2><div class="pictures">{figures}</div></section>'


def _plots(report: Report) -> str:
    """A plot for each measure that changes over the shot; the others in a sentence."""
    values = _values(report)
    beside = {other for others in TOGETHER.values() for other in others}
    figures, same = [], []
    for verdict in report.verdicts:
        name = verdict.measure
        if len(values.get(name, {})) < 2 or name in beside:
            continue
        measure = MEASURES[name]
        if len(set(values[name].values())) == 1:
            same.append(f"{measure.title.lower()} {with_unit(name, next(iter(values[name].values())))}")
            continue
        names = (name, *(o for o in TOGETHER.get(name, ()) if values.get(o)))
        lines = [Line(MEASURES[n].title, sorted(values[n].items()), n != name) for n in names]
        title = f"{measure.title} by frame: {_spoken(list(values[name].values()), name)}"
        legend = "" if len(lines) == 1 else " Dashed: " + ", ".join(x.name.lower() for x in lines[1:]) + "."
        plot = svg(Plot(title, "frame", measure.unit or "value", lines, verdict.limit, whole=True), f"p-{name}")
        figures.append(
            f"<figure>{plot}<figcaption><b>{escape(measure.title)}</b>{escape(legend)}</figcaption></figure>"
        )
    if not figures and not same:
        return ""
    words = f"<p>The same in every frame: {escape('; '.join(same))}.</p>" if same else ""
    return f'<section><h2>Over the shot</h2>{words}<div class="plots">{"".join(figures)}</div></section>'


def _spoken(values: list[float], name: str) -> str:
    return f"{with_unit(name, min(values))} to {with_unit(name, max(values))} over {len(values)} frames"


def _grain(report: Report) -> str:
    """Standard deviation by level and spectra, of the frame whose grain is furthest from the plate's."""
    worst = next((v.worst for v in report.verdicts if v.measure == "grain_ratio" and v.worst), None)
    curves = report.measured.curves.get(worst.frame or -1, ()) if worst else ()
    plots = []
    for names, title, across, up, log in (
        (("plate", "generated"), "Grain by level", "level, scene-linear", "standard deviation", True),
        (("plate spectrum", "generated spectrum"), "Spectrum of the grain", "cycles a pixel", "power", False),
    ):
        lines = [
            Line(c.name, list(zip(c.x, c.y, strict=True)), c.name.startswith("generated"))
            for c in curves
            if c.name in names
        ]
        if len(lines) == 2:
            drawn = svg(Plot(f"{title}, plate and generated", across, up, lines, None, log), f"g-{len(plots)}")
            words = f"frame {worst.frame if worst else ''}: plate solid, generated dashed"
            plots.append(f"<figure>{drawn}<figcaption><b>{title}</b> {escape(words)}</figcaption></figure>")
    if not plots:
        return ""
    return f'<section><h2>Grain</h2><div class="plots">{"".join(plots)}</div></section>'


def _by_frame(report: Report) -> str:
    """The plots' numbers as a table, for whoever cannot see them."""
    values = _values(report)
    names = [n for n in MEASURES if values.get(n)]
    if not names:
        return ""
    head = "".join(f'<th scope="col">{escape(MEASURES[n].title)}</th>' for n in names)
    rows = "".join(
        f'<tr><th scope="row">{frame}</th>'
        + "".join(f'<td class="number">{_cell(values[n].get(frame))}</td>' for n in names)
        + "</tr>"
        for frame in report.measured.frames
    )
    return (
        "<section><details><summary>All numbers, by frame</summary>"
        '<div class="wide" tabindex="0" role="region" aria-label="All numbers by frame"><table>'
        f'<thead><tr><th scope="col">Frame</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></section>'
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _values(report: Report) -> dict[str, dict[int, float]]:
    values: dict[str, dict[int, float]] = {}
    for r in report.measured.readings:
        if r.frame is not None and r.value is not None:
            values.setdefault(r.measure, {})[r.frame] = r.value
    return values


def _notes(report: Report) -> str:
    notes = report.measured.notes
    if not notes:
        return ""
    return "<section><h2>Notes</h2><ul>" + "".join(f"<li>{escape(n)}</li>" for n in notes) + "</ul></section>"
