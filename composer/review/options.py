"""The scale options: one shot at several counts, in one framing, each with its pictures, what it costs and what limits it.

Everything lies under OUT/<shot>/options: a folder for each option (a small delivery with display pictures), `options.json`
over all of them, and the sheet as PNG and PDF. Pictures come first, fewest soldiers first; then frames are measured at the
plate's own size and the forecasts follow. What is there and unchanged is neither rendered nor measured again.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from composer.color.spaces import ColorManager
from composer.crowd.people import People
from composer.deliver.proxy import display_picture
from composer.errors import InputError, Where
from composer.io.files import atomic_write
from composer.render.control import control_range
from composer.render.costs import Costs
from composer.render.forecast import CostModel, Forecast, Rates, forecast
from composer.render.found import with_found
from composer.render.job import JobResult, run_job
from composer.render.look import Scene
from composer.render.manifest import record_path
from composer.render.measure import FRAMES, Machine, spread_over
from composer.render.once import Once, left_to_bundles, open_once
from composer.render.paint import Painter
from composer.render.painters import PaintAsk, open_painters, usual_bundle
from composer.render.people import people_on
from composer.render.quality import Quality, load_quality
from composer.render.ready import Job, slate_of
from composer.render.tiling import Tiles
from composer.review import options_words as words
from composer.review.option_axes import Option, notes_of, shot_of
from composer.review.options_index import write_index
from composer.review.options_sheet import write_sheets
from composer.review.options_shown import Options, Shown
from composer.shot.frames import frames_of
from composer.shot.light import light_of
from composer.shot.reduced import reduced
from composer.shot.schema import ShotFile
from composer.shot.stage import Stage, prepare

#: Forecasts are for these qualities.
TIERS = ("draft", "final")


@dataclass(frozen=True)
class Ask:
    """options: fewest first. frames: `still`, how many spread over the shot, or a range. width_px: of the pictures."""

    options: tuple[Option, ...]
    quality: Quality
    rates: Rates
    out: Path
    frames: str = "still"
    width_px: int = 960
    device: str = "cpu"
    paint: PaintAsk = field(default_factory=PaintAsk)


@dataclass(frozen=True)
class Plan:
    """An ask that was found good: nothing is written yet. first: those people who are laid out already. prepare_s: from
    the begin until the stage stood. once: what bundles paint for all frames of all options, at the pictures' size."""

    ask: Ask
    stage: Stage
    frames: tuple[int, ...]
    stages: dict[tuple[object, ...], Stage]
    first: dict[Option, tuple[People, float]]
    prepare_s: float
    once: Once

    @property
    def folder(self) -> Path:
        return _folder(self.ask, self.stage.shot)


def _folder(ask: Ask, shot: ShotFile) -> Path:
    return ask.out / shot.shot / "options"


def prepare_options(shot: ShotFile, ask: Ask, begin: float | None = None) -> Plan:
    """Open the shot, and try every variant at its smallest count. begin: `time.perf_counter()` when the program began.
    Writes nothing; raises InputError."""
    begin = time.perf_counter() if begin is None else begin
    stage = with_found(prepare(shot), ask.device, ask.quality.name)
    frames = frames_asked(ask.frames, stage.plate.frames)
    prepare_s = time.perf_counter() - begin
    stages: dict[tuple[object, ...], Stage] = {}
    first: dict[Option, tuple[People, float]] = {}
    for option in ask.options:
        if option.variant in stages:
            continue
        changed = shot_of(shot, option)
        light = stage.light
        if option.sun is not None:
            light, _ = light_of(changed, stage.plate, stage.camera, stage.ground)
        stages[option.variant] = replace(stage, shot=changed, light=light)
        first[option] = _laid_out(stages[option.variant], option, ask.out)
        for quality in (ask.quality, *(load_quality(name) for name in TIERS)):
            _painter(ask, stages[option.variant], first[option][0], quality)
    if ask.paint.given and not any(_bundles(ask, shot, load_quality(name)) for name in TIERS):
        raise InputError("no bundle to paint with", where=Where(field=ask.paint.given), expected="--bundle NAME")
    kept = _folder(ask, shot) / ".cache" / "paintings"
    once = open_once(reduced(stage, ask.width_px), ask.quality, kept, ask.device)
    return Plan(ask, stage, frames, stages, first, prepare_s, once)


def frames_asked(text: str, plate: Sequence[int]) -> tuple[int, ...]:
    """`still`: the middle one. A number: as many, spread over the shot, or above that the frame of this number.
    `1001-1010x3`: these. Raises InputError."""
    expected = f"still, 1 to {len(plate)}, or frames in {plate[0]}-{plate[-1]}"
    if text == "still":
        return spread_over(plate, 1)
    if text.isdecimal() and not (int(text) > len(plate) and int(text) in plate):
        if not 1 <= int(text) <= len(plate):
            raise InputError("not so many frames", where=Where(field="--frames"), expected=expected, got=text)
        return spread_over(plate, int(text))
    numbers = frames_of(text)
    if not set(numbers) <= set(plate):
        raise InputError("the plate has no such frames", where=Where(field="--frames"), expected=expected, got=text)
    return tuple(numbers)


def run_options(
    plan: Plan,
    told: Callable[[Shown], None] | None = None,
    say: Callable[[str], None] | None = None,
    look: Callable[[JobResult, Stage], object] | None = None,
) -> Options:
    """Render, measure, forecast. told: each option as its pictures are there, and again as it is measured. say: what is
    measured for the forecasts. look: what a render does with a finished delivery; it is timed."""
    ask, machine = plan.ask, Machine.this(plan.ask.device)
    costs = Costs(plan.folder / "costs.json", machine)
    size = reduced(plan.stage, ask.width_px).plate.size_px
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    result = Options(
        plan.stage.shot, plan.folder, plan.frames, size, plan.stage.plate.size_px,
        plan.stage.plate.frame_rate, ask.quality, machine, ask.rates, (),
        (*plan.stage.notes, *notes_of(ask.options), *_notes_once(plan)),
        words.assumptions(machine, ask.rates, load, plan.stage.plate.size_px),
    )  # fmt: skip
    jobs: list[Job] = []
    first_s = 0.0

    def tell(so_far: Options, shown: Shown) -> None:
        write_index(so_far)
        if told:
            told(shown)

    for option in ask.options:
        people, people_s = plan.first.get(option) or _laid_out(plan.stages[option.variant], option, ask.out)
        job = _job(plan, option, people, ask.quality, plan.folder / option.name)
        job = replace(job, scene=plan.once.on(job.scene), notes=(*job.notes, *plan.once.notes))
        rendered = _pictures(job)
        shown = Shown(
            option, job.delivery, len(people.layout), people.short, _display(job, rendered), rendered.proxy,
            rendered.rendered, plan.prepare_s, people.notes,
        )  # fmt: skip
        seen = replace(result, shown=(*result.shown, shown))
        tell(seen, shown)
        write_sheets(seen, pdf=False)
        timed = spread_over(plan.stage.plate.frames, 1 if job.scene.painter else FRAMES)
        cost = costs.of(replace(job, frames=timed), plan.stages[option.variant])
        # what the pictures took beside their frames: kernels loaded, cues simulated
        began_s = max(0.0, rendered.seconds - len(rendered.rendered) * cost.seconds) if rendered.rendered else 0.0
        began_s = people_s + max(began_s, cost.fixed_s)
        first_s = first_s or began_s  # the first pays for what the others find loaded; a render of theirs would pay too
        looked_s = _looked_s(look, rendered, job) * math.prod(result.full_px) / math.prod(result.size_px)
        shown = replace(shown, start_s=shown.start_s + max(began_s, first_s) + looked_s, measure=cost)
        result = replace(result, shown=(*result.shown, shown))
        jobs.append(job)
        tell(result, shown)
    result = _forecast(plan, result, jobs, costs, say or (lambda what: None))
    write_index(result)
    write_sheets(result)
    return result


def _notes_once(plan: Plan) -> tuple[str, ...]:
    """What is painted once a shot, and what is not counted of it."""
    names = ", ".join(left_to_bundles(plan.stage))
    return plan.once.notes + ((f"forecasts leave out what bundles paint once a shot: {names}",) if names else ())


def _looked_s(look: Callable[[JobResult, Stage], object] | None, rendered: JobResult, job: Job) -> float:
    begin = time.perf_counter()
    if look is not None:
        look(rendered, job.scene.stage)
    return time.perf_counter() - begin


def _laid_out(stage: Stage, option: Option, out: Path) -> tuple[People, float]:
    """An option's people, those who fit, and the seconds that it took."""
    begin = time.perf_counter()
    cache = out / stage.shot.shot / "options" / ".cache"
    return people_on(stage, option.count, cache, fit=True), time.perf_counter() - begin


def _painter(ask: Ask, stage: Stage, people: People, quality: Quality) -> Painter | None:
    """What paints an option, as a render of it would: the first of several bundles. Anchors are not used: a forecast holds
    for frames that are painted by themselves."""
    if not quality.paints or not _bundles(ask, stage.shot, quality):
        return None
    painter = open_painters(stage, people, quality, ask.paint, ask.device)[0]
    return replace(painter, plan=painter.plan.by_itself())


def _bundles(ask: Ask, shot: ShotFile, quality: Quality) -> tuple[str, ...]:
    """What a render of this quality would paint with."""
    return ask.paint.bundles or tuple(shot.paint.bundle or ()) or usual_bundle(quality)


def _job(
    plan: Plan,
    option: Option,
    people: People,
    quality: Quality,
    delivery: Path,
    *,
    full: bool = False,
    painted: bool = True,
) -> Job:
    """full: at the plate's own size. painted: where the quality is."""
    stage = plan.stages[option.variant]
    stage = stage if full else reduced(stage, plan.ask.width_px)
    painter = _painter(plan.ask, stage, people, quality) if painted else None
    scene = Scene(stage, people, quality.samples, plan.ask.device, painter)
    near_far = control_range(stage, people) if "control_depth" in stage.shot.delivery.wanted else None
    return Job(scene, plan.frames, delivery, quality, (*stage.notes, *people.notes), near_far)


def _pictures(job: Job) -> JobResult:
    """Render an option; frames of an earlier ask for others go, so that all options hold the same ones."""
    wanted = set(job.frames)
    for path in (*(job.delivery / "exr").glob("*.*.exr"), *(job.delivery / "pictures").glob("*.*.png")):
        number = path.stem.rsplit(".", 1)[1]
        if number.isdecimal() and int(number) not in wanted and record_path(job.delivery, int(number)).is_file():
            path.unlink()
    for record in (job.delivery / ".muster" / "frames").glob("*.json"):
        if record.stem.isdecimal() and int(record.stem) not in wanted:
            record.unlink()
    return run_job(job)


def _display(job: Job, result: JobResult) -> dict[int, Path]:
    """Every frame as a PNG through the display transform, written where the frame is new."""
    slate, made = slate_of(job), {}
    color: ColorManager = job.scene.stage.color
    for number in job.frames:
        exr = job.delivery / "exr" / f"{slate.shot}_{slate.version}.{number:04d}.exr"
        made[number] = job.delivery / "pictures" / f"{slate.shot}.{number:04d}.png"
        if number in result.rendered or not made[number].is_file():
            with atomic_write(made[number]) as temporary:
                Image.fromarray(display_picture(exr, slate, color, 16384)).save(temporary, format="PNG")
    return made


def _forecast(
    plan: Plan, result: Options, jobs: Sequence[Job], costs: Costs, say: Callable[[str], None]
) -> Options:  # fmt: skip
    """Measure the fewest and the most at the plate's own size, and forecast everybody from all measures."""
    ask, tiers, plate = plan.ask, [load_quality(name) for name in TIERS], plan.stage.plate
    order = sorted(range(len(jobs)), key=lambda i: result.shown[i].soldiers)
    tiles: dict[int, Tiles | None] = {}
    plans: dict[str, int] = {}
    for i in dict.fromkeys((order[0], order[-1])):
        option, people = result.shown[i].option, jobs[i].scene.people
        for quality in tiers:
            say(f"measuring {result.shown[i].soldiers:,} soldiers for {quality.name}")
            for full in (True, False) if i == order[-1] else (True,):
                job = _job(plan, option, people, quality, plan.folder, full=full, painted=False)
                costs.of(replace(job, frames=spread_over(plate.frames, FRAMES)), plan.stages[option.variant])
            job = _job(plan, option, people, quality, plan.folder)
            if (painter := job.scene.painter) is None:
                continue
            if painter.plan.window > 1:
                why = f"{painter.plan.bundle.name} paints windows of frames: forecasts are of the guide render alone"
                result = replace(result, notes=tuple(dict.fromkeys((*result.notes, why))))
                continue
            plans[quality.name] = painter.plan.brief.steps
            middle = replace(job, frames=spread_over(plate.frames, 1))
            tiles[i] = costs.of(middle, plan.stages[option.variant]).tiles
    model = CostModel.fit(costs.used)
    hour = ask.rates.hour(ask.device, result.machine.cores)

    def of(i: int, shown: Shown, quality: Quality) -> Forecast:
        assert shown.measure is not None
        cut = tiles.get(i, tiles.get(order[-1]))  # those between the fewest and the most: cut as the most
        steps = cut.tile_steps(plate.size_px, plans[quality.name]) if cut and quality.name in plans else 0.0
        megapixels = plate.size_px[0] * plate.size_px[1] / 1e6
        load = replace(shown.measure.load, megapixels=megapixels, samples=quality.samples, tile_steps=steps)
        return forecast(model, load, quality.name, len(plate.frames), shown.start_s, ask.rates, hour)

    done = [replace(s, forecasts=tuple(of(i, s, q) for q in tiers)) for i, s in enumerate(result.shown)]
    return replace(result, shown=tuple(done), model=model)
