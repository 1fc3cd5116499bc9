"""From an approved version and some soldiers to the job that re-rolls them: everything that can be wrong is found here."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.crowd.people import People
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.io.files import whole_files
from composer.io.image import read_channels
from composer.render.agreed import TileWord, word_file
from composer.render.depends import frame_key
from composer.render.job import prepare_jobs
from composer.render.look import look_at, read_inputs
from composer.render.manifest import FrameRecord, read_record, same
from composer.render.paint_plan import Plan
from composer.render.painters import PaintAsk
from composer.render.quality import load_quality
from composer.render.ready import Job, slate_of
from composer.render.reroll import Reroll, word_path
from composer.render.sign import SignAsk
from composer.shot.frames import ranges
from composer.shot.schema import ShotFile


@dataclass(frozen=True)
class RerollAsk:
    """agents: names or ids, as typed. approved: the version to keep, None for the shot's own. version: what the new one
    is called, None for the next number. quality: as typed, None for the approved one's."""

    agents: tuple[str, ...]
    approved: str | None = None
    version: str | None = None
    quality: str | None = None


#: Share of solid pixels whose depth may differ, for a machine that rounds otherwise.
STILL = 0.005


@dataclass(frozen=True)
class _Head:
    """What the approved manifest says that matters here."""

    quality: str
    soldiers: int
    size_px: tuple[int, int]
    paint: dict[str, object]


def prepare_reroll(
    shot: ShotFile,
    out: Path,
    ask: RerollAsk,
    *,
    frames: Sequence[int] | None = None,
    count: int | None = None,
    device: str = "cpu",
    paint: PaintAsk | None = None,
    sign: SignAsk | None = None,
) -> Job:
    """The job that writes the new version. Writes nothing; raises InputError for bad input."""
    paint = paint or PaintAsk()
    approved = out / shot.shot / (ask.approved or shot.version)
    head = _head(approved, ask)
    if absent := [p for p in ("crowd", "shadow") if p not in shot.delivery.wanted]:
        where = shot.where("delivery", "parts")
        raise InputError("a re-roll needs this part in the approved files", where=where, expected=absent[0])
    records = _records(approved, frames)
    told = PaintAsk(
        paint.bundles or _named(shot, head),
        paint.steps or int(str(head.paint["steps"])),
        paint.strength if paint.strength is not None else float(str(head.paint["strength"])),
    )
    jobs = prepare_jobs(
        shot, out, load_quality(head.quality), frames=tuple(records), count=count or head.soldiers, device=device,
        ask=told, sign=sign, like_px=head.size_px,
    )  # fmt: skip
    job = next((j for j in jobs if _sha256(j) == head.paint["sha256"]), None)
    if job is None:
        raise InputError(
            "not the bundle that this version was painted with",
            where=Where(file=approved / "manifest.json"),
            expected=f"{head.paint['bundle']} with {str(head.paint['sha256'])[:12]}",
            got=", ".join(f"{told.bundles[i]} with {str(_sha256(j))[:12]}" for i, j in enumerate(jobs)),
        )
    agents, names = _who(job.scene.people, ask.agents)
    painter = job.scene.painter
    assert painter is not None
    _check_unmoved(job, approved, records)
    records |= _beside(approved, painter.plan, records)
    version = ask.version or _next(approved, out / shot.shot, shot.version, agents)
    delivery = out / shot.shot / version
    _refuse_taken(delivery, approved, agents)
    staged = replace(job.scene.stage, shot=job.scene.stage.shot.model_copy(update={"version": version}))
    reroll = Reroll(approved, records, agents, names, version, _seed(job, version, agents))
    word = TileWord(word_file(delivery), painter.plan.bundle.sha256, parent=word_file(approved))
    scene = replace(job.scene, stage=staged, painter=replace(painter, word=word))
    return replace(job, scene=scene, delivery=delivery, reroll=reroll)


def _head(approved: Path, ask: RerollAsk) -> _Head:
    file = approved / "manifest.json"
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        width, height = map(int, told["size_px"])
        head = _Head(str(told["quality"]), int(told["soldiers"]), (width, height), dict(told.get("paint") or {}))
    except (OSError, ValueError, TypeError, KeyError):
        there = sorted(p.parent.name for p in approved.parent.glob("*/manifest.json"))
        raise InputError(
            "no such version to re-roll in",
            where=Where(field="--approved" if ask.approved else "--reroll"),
            expected=", ".join(there) or "one that was rendered",
            got=str(approved),
        ) from None
    if not head.paint:
        raise InputError(
            "nothing to re-roll: this version was not painted",
            where=Where(file=file),
            got=f"quality {head.quality}",
            hint="another look of a soldier in a guide render is an override (reroll: N) in shot.yaml",
        )
    if ask.quality not in (None, head.quality):
        raise InputError(
            "a re-roll has the quality of the version it is made in",
            where=Where(field="--quality"),
            expected=head.quality,
            got=ask.quality,
            hint="a preview is not painted: nothing to re-roll" if ask.quality == "preview" else None,
        )
    return head


def _records(approved: Path, frames: Sequence[int] | None) -> dict[int, FrameRecord]:
    """The approved frames, whole; only those of `frames`. Raises InputErrors."""
    there = _there(approved)
    if frames is not None and (absent := sorted(set(frames) - set(there))):
        raise InputError(
            "the approved version has no such frames",
            where=Where(field="--frames"),
            expected=ranges(there),
            got=ranges(absent),
        )
    return _whole(approved, there if frames is None else sorted(set(frames)))


def _there(approved: Path) -> list[int]:
    """The frames that were rendered."""
    return [int(p.stem) for p in whole_files(approved / ".muster" / "frames", "*.json")]


def _beside(approved: Path, plan: Plan, records: dict[int, FrameRecord]) -> dict[int, FrameRecord]:
    """Those of the frames that these are averaged with, as far as they were rendered. Raises InputErrors."""
    beside = {other for n in records for other in plan.beside(n)} - set(records)
    return _whole(approved, [n for n in _there(approved) if n in beside])


def _whole(approved: Path, numbers: Sequence[int]) -> dict[int, FrameRecord]:
    """Their records, once their files are found to be those that were rendered. Raises InputErrors."""
    records, errors = {}, list[MusterError]()
    for number in numbers:
        record = read_record(approved, number)
        broken = [] if record is None else [n for n, d in record.files.items() if not same(approved / n, d)]
        if record is None or broken:
            where = Where(file=approved / (broken[0] if broken else ".muster"), frame=number)
            errors.append(InputError("the approved file is not the one that was rendered", where=where))
        else:
            records[number] = record
    if errors:
        raise InputErrors(errors)
    return records


def _named(shot: ShotFile, head: _Head) -> tuple[str, ...]:
    """The shot's bundles where it names some (empty: as they stand there), else that of the manifest."""
    return () if shot.paint.bundle else (str(head.paint["bundle"]),)


def _sha256(job: Job) -> str | None:
    return None if job.scene.painter is None else job.scene.painter.plan.bundle.sha256


def _who(people: People, asked: Sequence[str]) -> tuple[NDArray[np.uint32], tuple[str, ...]]:
    """Ids, ascending, and names. Raises InputErrors for soldiers that are not there."""
    by_name = {name: agent for agent, name in people.names.agent.items()}
    found: dict[int, str] = {}
    errors: list[MusterError] = []
    for text in asked:
        agent = int(text) if text.isdecimal() else by_name.get(text, 0)
        if agent in people.names.agent:
            found[agent] = people.names.agent[agent]
            continue
        near = difflib.get_close_matches(text, by_name, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else "names are those of the Cryptomatte, such as host.00042"
        errors.append(InputError("no such soldier", where=Where(field="--reroll"), got=text, hint=hint))
    if not asked:
        errors.append(InputError("which soldiers?", where=Where(field="--reroll"), expected="AGENT[,AGENT]"))
    if errors:
        raise InputErrors(errors)
    agents = sorted(found)
    return np.array(agents, np.uint32), tuple(found[a] for a in agents)


def _check_unmoved(job: Job, approved: Path, records: dict[int, FrameRecord]) -> None:
    """The soldiers stand where they stood, in every frame that is painted anew and in those that are read to paint it: its
    windows', its anchors'. A frame that is made of the very same things need not be drawn to know that."""
    assert job.scene.painter is not None
    plan, slate, known = job.scene.painter.plan, slate_of(job), dict[int, str]()
    for number in sorted({other for n in records for other in plan.reads(n)}):
        record = records.get(number) or read_record(approved, number)
        if record is not None and record.key != frame_key(job.scene, slate, number, known):
            _check_frame(job, approved, record)


def _check_frame(job: Job, approved: Path, record: FrameRecord) -> None:
    """By the approved depth, where the crowd is solid."""
    file = approved / next(n for n in record.files if n.startswith("exr/"))
    if not {"crowd", "depth"} <= set(record.parts) or not file.is_file():
        return
    guides = look_at(job.scene, read_inputs(job.scene.stage, record.frame)).guides
    planes = read_channels(file, ["crowd.A", "depth.Z"])
    solid = (planes["crowd.A"] == 1) & (guides.coverage == 1)
    moved = np.count_nonzero((planes["depth.Z"] != guides.depth_m) & solid)
    if moved > STILL * max(np.count_nonzero(planes["crowd.A"] == 1), 1) or not (
        solid.any() or guides.coverage.max() < 1
    ):
        raise InputError(
            "the shot has changed since this version was rendered",
            where=Where(file=file, frame=record.frame),
            expected="the same soldiers in the same places",
            got=f"{moved:,} solid pixels at another depth",
            hint="render it anew, or go back to the shot as it was",
        )


def _next(approved: Path, shot_folder: Path, version: str, agents: NDArray[np.uint32]) -> str:
    """`v001_r1`, or the first number that is free; the last one where that is the same re-roll, not finished."""
    base = version if approved.name.startswith(f"{version}_r") else approved.name
    number = 1
    while (shot_folder / f"{base}_r{number}").exists():
        folder = shot_folder / f"{base}_r{number}"
        if _same_word(folder, approved, agents) and not (folder / "manifest.json").exists():
            break
        number += 1
    return f"{base}_r{number}"


def _same_word(delivery: Path, approved: Path, agents: NDArray[np.uint32]) -> bool:
    """Whether a folder holds the same re-roll of the same version."""
    try:
        word = json.loads(word_path(delivery).read_text(encoding="utf-8"))
        return bool(word["parent"] == approved.name and word["agents"] == agents.tolist())
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _refuse_taken(delivery: Path, approved: Path, agents: NDArray[np.uint32]) -> None:
    if delivery.exists() and not _same_word(delivery, approved, agents):
        raise InputError(
            "there is such a version already",
            where=Where(field="--version"),
            got=str(delivery),
            hint="give another name",
        )


def _seed(job: Job, version: str, agents: NDArray[np.uint32]) -> int:
    """Another noise for each new version; the same whenever it is rendered."""
    assert job.scene.painter is not None
    text = f"{job.scene.painter.plan.seed} {version} {agents.tolist()}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
