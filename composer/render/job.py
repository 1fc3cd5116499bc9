"""The job: which frames, what is already there, render, write, and put the manifest together.

Reading the next frame and writing the last one go on beside the rendering of this one. Stopping at any moment leaves whole
files only; the next run goes on where this one stopped.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import composer
from composer.comp.layer import Frame
from composer.deliver.deep import deep_name, write_deep, write_deep_image
from composer.deliver.exr import write_frame, write_parts
from composer.deliver.proxy import write_proxy
from composer.environment.build import build_environment
from composer.errors import InputError, Where
from composer.io.files import clean_stale_under, sha256_file
from composer.io.timecode import add_frames
from composer.render.agreed import TileWord, behind, word_file
from composer.render.anchors import Store
from composer.render.approval import needed_approval
from composer.render.control import control_range
from composer.render.depends import frame_key
from composer.render.found import with_found
from composer.render.frame import Inputs, Scene, Stopwatch, read_inputs, render_frame
from composer.render.manifest import FrameRecord, is_done, put_together, remember_shot, write_manifest, write_record
from composer.render.match import match_notes
from composer.render.once import open_once
from composer.render.painters import PaintAsk, open_painters
from composer.render.people import people_on
from composer.render.quality import Quality
from composer.render.ready import Job, head_of, notes_of, painted_with, slate_of
from composer.render.reroll import Rerolled, reroll_frame
from composer.render.sign import SignAsk, sign_frames, sign_proxy, signatures, signing_for
from composer.shot.frames import ranges
from composer.shot.reduced import reduced
from composer.shot.schema import ShotFile
from composer.shot.stage import Stage, prepare

#: What the job tells the one who waits: done so far, all, frame number, 'rendered', 'skipped' or 'painting 3/20'.
Progress = Callable[[int, int, int, str], None]

LEAST_WIDTH_PX = 64


@dataclass(frozen=True)
class JobResult:
    """seconds: wall time of the job; soldiers: how many were laid out; peak_memory_mib: of this process. manifest,
    proxy: None where they were left to somebody else. painted: with what, None where nothing is; signed: by whom."""

    delivery: Path
    rendered: tuple[int, ...]
    skipped: tuple[int, ...]
    soldiers: int
    seconds: float
    peak_memory_mib: int
    notes: tuple[str, ...]
    manifest: Path | None
    proxy: Path | None
    painted: str | None = None
    signed: str | None = None


def prepare_job(
    shot: ShotFile,
    out: Path,
    quality: Quality,
    *,
    frames: Sequence[int] | None = None,
    count: int | None = None,
    device: str = "cpu",
    ask: PaintAsk | None = None,
    width_px: int | None = None,
) -> Job:
    """The one job that a shot asks for; with several bundles, that of the first. See `prepare_jobs`."""
    return prepare_jobs(shot, out, quality, frames=frames, count=count, device=device, ask=ask, width_px=width_px)[0]


def prepare_jobs(
    shot: ShotFile,
    out: Path,
    quality: Quality,
    *,
    frames: Sequence[int] | None = None,
    count: int | None = None,
    device: str = "cpu",
    ask: PaintAsk | None = None,
    told: Callable[[str], None] | None = None,
    sign: SignAsk | None = None,
    width_px: int | None = None,
    like_px: tuple[int, int] | None = None,
) -> tuple[Job, ...]:
    """Read everything that the frames share and lay the crowd out. One job; or one for each of several bundles, as
    versions of their own. Writes nothing; raises InputError for bad input. told: of what takes its time. sign: None
    leaves it to the shot. width_px: a smaller picture than the plate's, as a version of its own (`v001_w960`). like_px: (W, H)
    of a version that is there and may be such a one."""
    signing = signing_for(shot, sign)
    stage = with_found(prepare(shot), device, quality.name)
    chosen = tuple(frames) if frames is not None else stage.plate.frames
    if absent := sorted(set(chosen) - set(stage.plate.frames)):
        first, last = stage.plate.frames[0], stage.plate.frames[-1]
        raise InputError(
            "the plate has no such frames",
            where=Where(field="--frames"),
            expected=f"{first}-{last}",
            got=ranges(absent),
        )
    people = people_on(stage, count, out / shot.shot / shot.version / "cache")
    approval = needed_approval(shot, quality, out, count, len(people.layout))
    if like_px is not None and like_px[0] < stage.plate.size_px[0]:
        width_px = like_px[0]
    if width_px is not None:
        stage = _small(stage, width_px)
        shot = stage.shot
    if like_px is not None and like_px != stage.plate.size_px:
        expected, got = (f"{w} x {h}" for w, h in (stage.plate.size_px, like_px))
        raise InputError("this version has another shape than the plate has now", where=Where(field="--approved"),
                         expected=expected, got=got)  # fmt: skip
    painters = open_painters(stage, people, quality, ask or PaintAsk(), device, told)
    place = build_environment(stage)
    notes = (*stage.notes, *people.notes, *match_notes(stage), *(place.notes if place else ()))
    once = open_once(stage, quality, out / shot.shot / shot.version / ".muster" / "paintings", device, told)
    notes += once.notes
    if not painters and quality.paints:
        notes += (
            f"quality {quality.name}: no bundle is named (paint.bundle, --bundle): the guide render is delivered",
        )
    if shot.paint.bundle and not quality.paints:
        notes += (f"quality {quality.name} is not painted: the guide render is delivered",)
    near_far = control_range(stage, people) if "control_depth" in shot.delivery.wanted else None
    if near_far:
        notes += (f"control_depth: 1 at {near_far[0]:.4g} m, 0 at {near_far[1]:.4g} m, in every frame",)
    scene = once.on(Scene(stage, people, quality.samples, device))
    if not painters:
        delivery = out / shot.shot / shot.version
        return (Job(scene, chosen, delivery, quality, notes, near_far, signing=signing, approval=approval),)
    jobs = []
    for painter in painters:
        name = shot.version if len(painters) == 1 else _version_with(shot.version, painter.plan.bundle.name)
        staged = replace(stage, shot=shot.model_copy(update={"version": name}))
        delivery = out / shot.shot / name
        word = TileWord(word_file(delivery), painter.plan.bundle.sha256)
        painter = replace(painter, store=Store(delivery / ".muster" / "anchors"), word=word)
        painted = replace(scene, stage=staged, painter=painter)
        more = (*notes, *painter.plan.brief.direction.notes)
        if shot.paint.anchors and painter.plan.window > 1:
            more += (f"{painter.plan.bundle.name} paints windows of frames: the anchors are not used",)
        order = painter.plan.anchors.first(chosen)  # then those that wait for them
        jobs.append(Job(painted, order, delivery, quality, more, near_far, signing=signing, approval=approval))
    return tuple(jobs)


def _small(stage: Stage, width_px: int) -> Stage:
    """The stage at that width, as a version of its own."""
    if not LEAST_WIDTH_PX <= width_px < stage.plate.size_px[0]:
        raise InputError(
            "the picture can only be made smaller than the plate", where=Where(field="--width"),
            expected=f"{LEAST_WIDTH_PX} to {stage.plate.size_px[0] - 1}", got=str(width_px),
        )  # fmt: skip
    small, full = reduced(stage, width_px), stage.plate.size_px
    shot = stage.shot.model_copy(update={"version": f"{stage.shot.version}_w{width_px}"[:64]})
    size = small.plate.size_px
    note = f"{size[0]} x {size[1]}: smaller than the plate ({full[0]} x {full[1]}), which was made smaller with it"
    return replace(small, shot=shot, notes=(*stage.notes, note))


def _version_with(version: str, bundle: str) -> str:
    """`v001_sdxl`: a version's name with a bundle's."""
    return f"{version}_{re.sub('[^A-Za-z0-9_-]', '-', bundle)}"[:64]


def run_job(job: Job, progress: Progress | None = None, *, finish: bool = True) -> JobResult:
    """Render the frames that are not there yet, then the manifest and the proxy. finish: False leaves these two, and the
    signatures, to somebody else."""
    begin = time.perf_counter()
    clean_stale_under(job.delivery)
    keys = keys_of(job)
    if job.reroll:
        job.reroll.begin(job.delivery)
    word = job.scene.painter.word if job.scene.painter else None
    late = behind(word, job.delivery)
    wanted = tuple(n for n in job.frames if n in late or not is_done(job.delivery, n, keys[n]))
    total, done = len(job.frames), 0
    for n in (n for n in job.frames if n not in wanted):
        done += 1
        if progress:
            progress(done, total, n, "skipped")
    said: dict[str, None] = {}
    made: set[int] = set()
    while wanted:
        for record in _render_all(job, wanted, keys, progress):
            done += 1
            said |= dict.fromkeys(_said_of(record))
            if progress:
                progress(done, total, record.frame, "rendered")
        made |= set(wanted)
        late = behind(word, job.delivery)  # memory may have run out since they were painted
        wanted = tuple(n for n in job.frames if n in late)
        done -= len(wanted)
    if job.scene.painter:
        job.scene.painter.close()
    together = put_job_together(job) if finish else (None, None)
    rendered, skipped = (tuple(n for n in job.frames if (n in made) is there) for there in (True, False))
    return result_of(job, begin, rendered, skipped, tuple(said), together)


def result_of(
    job: Job, begin: float, rendered: tuple[int, ...] = (), skipped: tuple[int, ...] = (), said: tuple[str, ...] = (),
    made: tuple[Path | None, Path | None] = (None, None),
) -> JobResult:  # fmt: skip
    """What came of a job that began at `begin` (`time.perf_counter()`). made: manifest and proxy."""
    return JobResult(
        job.delivery,
        rendered,
        skipped,
        len(job.scene.people.layout),
        time.perf_counter() - begin,
        peak_memory_mib(),
        (*notes_of(job), *said),
        *made,
        painted_with(job),
        job.signing and job.signing.signer,
    )


def keys_of(job: Job) -> dict[int, str]:
    """By frame, the digest of all that it depends on."""
    slate, known = slate_of(job), dict[int, str]()
    keys = {n: frame_key(job.scene, slate, n, known) for n in job.frames}
    if job.reroll is None:
        return keys
    assert job.scene.painter is not None
    beside = job.scene.painter.plan.beside
    return {n: job.reroll.key(key, n, beside(n)) for n, key in keys.items()}


def _render_all(
    job: Job, numbers: Sequence[int], keys: dict[int, str], progress: Progress | None
) -> Iterator[FrameRecord]:  # fmt: skip
    """Render `numbers` in order; reading ahead and writing behind on threads of their own."""
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        ahead: Future[Inputs] | None = None
        behind: Future[FrameRecord] | None = None
        try:
            for i, number in enumerate(numbers):
                ahead = ahead or reader.submit(read_inputs, job.scene.stage, number)
                inputs = ahead.result()
                ahead = reader.submit(read_inputs, job.scene.stage, numbers[i + 1]) if i + 1 < len(numbers) else None
                watch = Stopwatch({"read": inputs.seconds})
                if painter := job.scene.painter:
                    painter.told = _steps(progress, len(job.frames) - len(numbers) + i, len(job.frames), number)
                made = _make(job, inputs, watch)
                if behind:
                    yield behind.result()
                behind = writer.submit(_write, job, made, keys[number], watch)
            if behind:
                yield behind.result()
        finally:
            if ahead:
                ahead.cancel()


def _steps(progress: Progress | None, done: int, total: int, number: int) -> Callable[[int, int], None] | None:
    """Tells `progress` of a picture's steps."""
    if progress is None:
        return None
    return lambda step, steps: progress(done, total, number, f"painting {step}/{steps}")


def _make(job: Job, inputs: Inputs, watch: Stopwatch) -> Frame | Rerolled:
    if job.reroll is None:
        return render_frame(job.scene, inputs, watch)
    return reroll_frame(job.scene, inputs, job.reroll, slate_of(job), watch)


def _write(job: Job, made: Frame | Rerolled, key: str, watch: Stopwatch) -> FrameRecord:
    """Write one frame's files and then, when all are there, its record."""
    begin = time.perf_counter()
    stage, slate = job.scene.stage, slate_of(job)
    shot, frame = stage.shot, made.frame if isinstance(made, Rerolled) else made
    name = f"exr/{shot.shot}_{shot.version}.{frame.number:04d}.exr"
    path = job.delivery / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if slate.timecode:
        offset = frame.number - stage.plate.frames[0]
        slate = replace(slate, timecode=add_frames(slate.timecode, offset, slate.frame_rate))
    view = stage.camera.view(frame.number)
    if isinstance(made, Rerolled):
        parts = write_parts(path, made.parts, frame, view, slate)
    else:
        parts = write_frame(path, frame, view, slate, job.scene.people.names)
    files = {name: sha256_file(path)}
    if slate.deep:
        deep = deep_name(shot.shot, shot.version, frame.number)
        if isinstance(made, Rerolled) and made.deep is not None:
            write_deep_image(job.delivery / deep, made.deep, frame, view, slate)
        else:
            write_deep(job.delivery / deep, frame, view, slate)
        files[deep] = sha256_file(job.delivery / deep)
    seconds = {**watch.seconds, "write": time.perf_counter() - begin}
    record = FrameRecord(
        frame=frame.number,
        key=key,
        files=files,
        parts=parts,
        left_out=[p for p in slate.parts if p not in {w.rstrip("0123456789") for w in parts}],
        untouched_sha256=frame.untouched_sha256,
        soldiers_visible=int(np.isin(job.scene.people.layout.agent_id, frame.guides.samples.agent_id).sum()),
        seed=shot.crowd.seed,
        code_version=composer.__version__,
        notes=frame.notes,
        seconds={k: round(v, 4) for k, v in seconds.items()},
        peak_memory_mib=peak_memory_mib(),
        paint=None if frame.paint is None else asdict(frame.paint),
        elements=[layer.name for layer in frame.layers],
    )
    write_record(job.delivery, record)
    return record


def _said_of(record: FrameRecord) -> tuple[str, ...]:
    """What a painted frame's record says that a person should hear once."""
    if record.paint is None:
        return ()
    dropped, notes = (tuple(map(str, record.paint[k])) for k in ("dropped", "notes"))  # type: ignore[call-overload]
    left_out = f"{record.paint['bundle']} does not take {', '.join(dropped)}: left out"
    return ((left_out,) if dropped else ()) + notes


def put_job_together(job: Job) -> tuple[Path, Path | None]:
    """The proxy and the signatures of what is there, and the manifest that lists them."""
    stage, slate = job.scene.stage, slate_of(job)
    shot = slate.shot, slate.version
    with put_together(job.delivery):
        proxy = write_proxy(job.delivery, slate, stage.plate.frames[0], stage.color)
        sign_frames(job.delivery, job.frames, shot, job.signing)
        signed = signatures(job.delivery)
        if job.signing and proxy:
            signed += (sign_proxy(job.delivery, proxy, shot, job.signing),)
        head = head_of(job)
        if proxy:
            head["proxy"] = {"file": proxy.relative_to(job.delivery).as_posix(), "sha256": sha256_file(proxy)}
        head["signatures"] = [asdict(s) for s in signed]
        remember_shot(job.delivery, stage.shot.file)
        return write_manifest(job.delivery, head), proxy


def peak_memory_mib() -> int:
    """Peak resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
