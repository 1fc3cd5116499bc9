"""Whether a final render may begin: where the shot demands it, somebody must have approved what is about to be rendered.

An approved option counts when it has this count and the shot still has its sun, formation and mix; an approved version when it
has as many soldiers. A picture that was made anew since its approval is no longer the one that was approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from composer.errors import InputError, Where
from composer.render.decisions import NAME, Decision, Line, read, standing
from composer.render.manifest import same
from composer.render.quality import Quality
from composer.shot.schema import ShotFile


def needed_approval(
    shot: ShotFile, quality: Quality, out: Path, count: int | None, soldiers: int
) -> Mapping[str, object] | None:
    """What the manifest says of the approval; None where none is needed. count: as typed. soldiers: who were laid out.
    Raises InputError where it is needed and not there."""
    if shot.review.approval != "required" or quality.name != "final":
        return None
    folder = out / shot.shot
    asked = count or shot.crowd.count or sum(r.count or 0 for r in shot.crowd.regions)
    refused: list[str] = []
    for place in sorted({p.parent for p in folder.glob(f"*/{NAME}")}):
        lines = read(place)
        if broken := [line for line in lines if line.wrong]:
            raise InputError(
                "the decisions cannot be trusted",
                where=Where(file=place / NAME, line=broken[0].number),
                got=broken[0].wrong,
                hint=f"muster verify {place}",
            )
        for line in standing(lines, shot.review.keys).values():
            assert line.decision is not None
            why = _why_not(shot, line.decision, place, asked, soldiers)
            if not why:
                return _told(line, line.decision, place)
            refused.append(f"{line.decision.item} {why}")
    raise InputError(
        "a final render asks for an approval, and none fits",
        where=shot.where("review", "approval"),
        expected=f"an approved option or version with {asked:,} soldiers in {folder}",
        got="; ".join(refused[:4]) or _none(shot),
        hint=f"muster review {folder / 'options'}",
    )


def _none(shot: ShotFile) -> str:
    return "no verdict by the keys that review.keys lists" if shot.review.keys else "no verdict"


def _why_not(shot: ShotFile, decision: Decision, place: Path, asked: int, soldiers: int) -> str:
    """Why a verdict is no leave to render this; empty where it is."""
    if decision.shot != shot.shot:
        return f"is of {decision.shot}"
    if decision.do == "reject":
        return f"was rejected by {decision.who}"
    if decision.kind == "version":
        other = place.name != shot.version and not same(place / decision.file, decision.sha256)
        if decision.soldiers != soldiers:
            return f"has {decision.soldiers:,} soldiers"
    else:
        other = not same(place / decision.file, decision.sha256)
        made = decision.asked or {}
        if made.get("count") != asked:
            return f"has {made.get('count')} soldiers"
        if differ := [axis for axis, here in _axes(shot).items() if made.get(axis) not in (None, here)]:
            return f"has another {' and '.join(differ)} than the shot"
    return f"was approved, but frame {decision.frame} is not the picture that was" if other else ""


def _axes(shot: ShotFile) -> dict[str, object]:
    """What the shot has on each axis that options differ in; None where its regions differ among themselves."""
    sun, regions = shot.light.sun, shot.crowd.regions
    formations = {r.formation for r in regions}
    mixes = [dict(r.kits) if r.kits else None for r in regions]
    return {
        "sun": sun and {"elevation_deg": sun.elevation_deg, "azimuth_deg": sun.azimuth_deg},
        "formation": formations.pop() if len(formations) == 1 else None,
        "mix": mixes[0] if all(m == mixes[0] for m in mixes) else None,
    }


def _told(line: Line, decision: Decision, place: Path) -> dict[str, object]:
    return {
        "approved": decision.item,
        "kind": decision.kind,
        "by": decision.who,
        "at": line.at,
        "key": line.key,
        "frame": decision.frame,
        "frame_sha256": decision.sha256,
        "ledger": f"{place.name}/{NAME}",
        "line": line.number,
        "line_sha256": line.sha256,
    }
