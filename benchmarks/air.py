"""Smoke and dust of `scenes/valley/smoke.yaml` at 1920x1080: seconds a frame, and their ratio to the guides in the same run."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from composer.render.job import peak_memory_mib
from composer.render.look import Scene, Stopwatch, finish, look_at, read_inputs
from composer.render.people import people_on
from composer.shot.load import load_shot
from composer.shot.stage import prepare

SHOT = Path(__file__).resolve().parents[1] / "scenes" / "valley" / "smoke.yaml"
RUNS = 5


def measure() -> dict[str, object]:
    from dataclasses import replace

    stage = prepare(load_shot(SHOT))
    scene = Scene(stage, people_on(stage), 4, "cpu")
    seconds: dict[str, list[float]] = {}
    for number in range(1010, 1010 + RUNS + 1):
        watch = Stopwatch()
        look = look_at(scene, read_inputs(stage, number), watch)
        finish(look, look.guides, None, watch)
        plain = Stopwatch()
        finish(replace(look, air=None), look.guides, None, plain)
        if number > 1010:  # the first compiles
            known = {"guides": watch.seconds["guides"], "clouds and shadow": watch.seconds["air"]}
            known |= {"composite": watch.seconds["composite"], "without air": plain.seconds["composite"]}
            for name, value in known.items():
                seconds.setdefault(name, []).append(value)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    air = middle["clouds and shadow"] + middle["composite"] - middle["without air"]
    return {
        "what": "four columns of smoke, a bank of dust, dust at the feet of 1,000, 1920x1080, 4 samples a pixel",
        "seconds": {name: round(value, 3) for name, value in middle.items()},
        "air_seconds": round(air, 3),
        "air_to_guides": round(air / middle["guides"], 3),
        "peak_memory_mib": peak_memory_mib(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
