"""What `python -m models.levy.recipe` does, step by step; each may be stopped and begun again."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.inference.memory import free_bytes
from models.levy.recipe import data
from models.levy.recipe.crops import Crops
from models.levy.recipe.data import Stored
from models.levy.recipe.export import card_text, write_bundle
from models.levy.recipe.train import Trainer, TrainSpec, trained, write_history
from models.levy.recipe.words import WORDS

#: Where the bundle is written.
HOME = Path(__file__).resolve().parents[1]
#: Of the grid in the card: held-out pictures whose men are so tall.
GRID_PX = (18.0, 36.0, 70.0, 120.0, 200.0)
GRID_SIZE_PX = (224, 176)


@dataclass(frozen=True)
class Plan:
    """work: data, checkpoints, figures. pictures, held: how many pairs to train and to measure on. jobs: processes that
    render. least: pairs before training begins where rendering goes on beside it (0: all first). memory: bytes of pairs."""

    work: Path
    device: str
    seconds: float
    size: str
    pictures: int
    held: int
    jobs: int
    least: int
    memory: int
    demo_frames: int
    batch: int | None = None
    compiled: bool = False
    threads: int | None = None
    start: Path | None = None

    @staticmethod
    def of(work: Path, device: str, seconds: float | None, pictures: int | None) -> Plan:
        """What suits a device: two hours on two cores after about half an hour of rendering; 17 minutes on a GPU. Pairs take
        at most half of the machine's free memory."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        if device.startswith("cuda"):
            return Plan(
                work, device, seconds or 960.0, "full", pictures or 16_000, 96, max(1, cores - 2), 1000, 24 << 30, 24
            )
        memory = free_bytes(torch.device("cpu"), None) // 2
        return Plan(work, device, seconds or 7200.0, "full", pictures or 6000, 96, cores, 0, memory, 4)

    @property
    def data(self) -> Path:
        return self.work / "data"

    @property
    def run(self) -> Path:
        return self.work / "run"

    def spec(self) -> TrainSpec:
        spec = TrainSpec.on(self.device, self.size, self.seconds)
        return replace(
            spec, batch=self.batch or spec.batch, compiled=self.compiled, threads=self.threads, start=self.start
        )


def render(plan: Plan) -> None:
    """Held-out pairs first: they are few."""
    wanted = [*data.numbers(plan.held, held_out=True), *data.numbers(plan.pictures)]
    done = data.render(plan.data, wanted, plan.jobs, _every(20, lambda p: print(f"render: {p.line()}", flush=True)))
    print(f"render: {done.line()}")
    for number, why in done.failed[:10]:
        print(f"  picture {number}: {why}")


def train(plan: Plan) -> None:
    """On the pairs that are there; what is rendered meanwhile is read as it comes."""
    paths = data.there(plan.data)
    if not paths:
        raise InputError("there are no pairs", where=Where(plan.data), hint="python -m models.levy.recipe render")
    crops = Crops(plan.device)
    crops.read(paths, plan.memory)
    known, looked = set(paths), time.monotonic()

    def more(crops: Crops) -> None:
        nonlocal looked
        if time.monotonic() - looked < 10:
            return
        looked = time.monotonic()
        for path in [p for p in data.there(plan.data) if p not in known][:200]:
            if crops.held_bytes < plan.memory:
                known.add(path)
                crops.add(data.read(path))

    trainer = Trainer(plan.spec(), crops, plan.run, more)
    count = sum(p.numel() for p in trainer.net.parameters())
    print(
        f"train: {plan.size}, {count / 1e6:.1f} M parameters, {len(crops)} pictures, from step {trainer.step}",
        flush=True,
    )
    trainer.run(_every(5, lambda line: print(f"train: {json.dumps(line)}", flush=True)))


def evaluate(plan: Plan) -> None:
    """On the held-out pairs, with the bundle that export wrote: table, figures.json and the grid."""
    from composer.inference.bundle import load_bundle
    from models.levy.recipe.evaluate import Figures, whole_frame
    from models.levy.recipe.evaluate import evaluate as figures_of
    from models.levy.recipe.steady import steadiness

    bundle = load_bundle(plan.work / "bundle") if (plan.work / "bundle/bundle.yaml").is_file() else _draft(plan)
    pairs = [data.read(p) for p in data.there(plan.data, held_out=True)[: plan.held]]
    if not pairs:
        raise InputError("no held-out pairs", where=Where(plan.data), hint="python -m models.levy.recipe render")

    def keep(figures: Figures) -> None:
        (plan.work / "figures.json").write_text(json.dumps({**figures.json(), "pictures": len(pairs)}, indent=1))

    figures = figures_of(bundle, pairs, plan.device, _every(5, lambda s: print(f"evaluate: {s}", flush=True)))
    keep(figures)
    figures = whole_frame(bundle, plan.device, figures, data.HELD_OUT + 999_999)
    keep(figures)
    _grid(plan, bundle)
    if plan.demo_frames > 1:
        figures = steadiness(
            bundle, plan.device, figures, plan.demo_frames, lambda s: print(f"evaluate: {s}", flush=True)
        )
        keep(figures)
    print(figures.table())


def export(plan: Plan, home: Path = HOME) -> Bundle:
    """The bundle beside its recipe, with the card filled in from the evaluation where there is one."""
    from models.levy.recipe.evaluate import from_json

    net, state = trained(plan.run)
    table, count, picture = "Not measured yet.", 0, ""
    if (plan.work / "figures.json").is_file():
        told = json.loads((plan.work / "figures.json").read_text())
        count = told.pop("pictures")
        table = from_json(told).table()
    grid = plan.work / "grid.png"
    if grid.is_file():
        picture = "grid.png"
        home.mkdir(parents=True, exist_ok=True)
        (home / picture).write_bytes(grid.read_bytes())
    parameters = sum(p.numel() for p in net.parameters())
    facts = {
        "pairs": len(data.there(plan.data)), "seconds": state["spent"], "device": _device(state["spec"]),
        "before": _before(state.get("before", [])),
        "steps": state["step"], "size": state["spec"]["size"], "parameters": parameters / 1e6,
        "megabytes": parameters * 2 / 1e6, "words": ", ".join(WORDS), "count": count,
    }  # fmt: skip
    bundle = write_bundle(net, home, card=card_text(facts, table, picture))
    write_history(state, home)
    print(f"export: {home}, sha256 {bundle.sha256}")
    return bundle


def everything(plan: Plan) -> None:
    """Render, train, evaluate, export. With `least`, rendering goes on beside training."""
    if plan.least and len(data.there(plan.data)) < plan.pictures:
        failed: list[BaseException] = []

        def beside() -> None:
            try:
                render(plan)
            except BaseException as error:  # told by the main thread
                failed.append(error)

        thread = threading.Thread(target=beside, name="render")
        thread.start()
        while len(data.there(plan.data)) < plan.least and thread.is_alive():
            time.sleep(1)
        train(plan)
        thread.join()
        if failed:
            raise failed[0]
    else:
        render(plan)
        train(plan)
    _draft(plan)
    evaluate(plan)
    export(plan)


def race(plan: Plan, sizes: tuple[str, ...]) -> None:
    """The same pairs, the same seconds, the same seed for each network; the figures of each, side by side."""
    from models.levy.recipe.evaluate import evaluate as figures_of

    pairs = [data.read(p) for p in data.there(plan.data, held_out=True)[: min(plan.held, 12)]]
    found = {}
    for size in sizes:
        own = replace(plan, size=size, work=plan.work / "race" / size)
        crops = Crops(plan.device)
        crops.read(data.there(plan.data), plan.memory)
        trainer = Trainer(own.spec(), crops, own.run)
        trainer.run(_every(25, lambda line, size=size: print(f"race: {size} {json.dumps(line)}", flush=True)))
        bundle = write_bundle(trainer.averaged(), own.work / "bundle", name=f"levy-{size}")
        count = sum(p.numel() for p in trainer.net.parameters()) / 1e6
        figures = figures_of(bundle, pairs, plan.device, lambda _: None)
        found[size] = {"parameters_m": round(count, 2), "steps": trainer.step, **figures.json()}
    (plan.work / "race.json").write_text(json.dumps(found, indent=1))
    names = list(found)
    print("| | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for key in next(iter(found.values())):
        print(f"| {key} | " + " | ".join("" if found[n][key] is None else f"{found[n][key]:.4g}" for n in names) + " |")


def _draft(plan: Plan) -> Bundle:
    """The trained network as a bundle in the work folder, for measuring."""
    return write_bundle(trained(plan.run)[0], plan.work / "bundle")


def _grid(plan: Plan, bundle: Bundle) -> None:
    from models.levy.recipe.painted import Brushes, columns, write_grid

    brushes = Brushes.of(bundle, plan.device)
    rows = [columns(_filled(data.HELD_OUT + 500_000 + 20 * k, px), brushes) for k, px in enumerate(GRID_PX)]
    write_grid(rows, plan.work / "grid.png")


def _filled(number: int, height_px: float) -> Stored:
    """The first pair from this number on in which a fair part is somebody."""
    for n in range(number, number + 20):
        pair = data.stored(n, GRID_SIZE_PX, height_px)
        if pair.part("coverage").mean() > 0.08:
            break
    return pair


def _before(trainings: list[dict[str, float]]) -> str:
    """What was trained before, for the card."""
    steps, seconds = (sum(t[key] for t in trainings) for key in ("steps", "seconds"))
    return f", begun with the weights of {steps:.0f} steps in {seconds:.0f} s before" if trainings else ""


def _device(spec: Mapping[str, object]) -> str:
    name = str(spec["device"])
    if name.startswith("cuda"):
        return torch.cuda.get_device_name() if torch.cuda.is_available() else name
    cores = spec["threads"] or os.cpu_count()
    return f"{cores} CPU core{'s' if cores != 1 else ''}"


def _every(seconds: float, say):  # type: ignore[no-untyped-def]
    """`say`, but not more often than that."""
    last = -1e9

    def told(what: object) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            say(what)

    return told
