"""`make bench`: every benchmark in turn; the figures go to `benchmarks/results/` with the machine beside them."""

from __future__ import annotations

import json
from pathlib import Path

import air
import chain
import charge
import embedded
import guides
import machine
import noise
import painting
import preview
import qc
import refine
import scale
import step
import tiles

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    work = {"preview": preview, "guides": guides, "scale": scale, "step": step, "charge": charge, "tiles": tiles}
    work |= {"noise": noise, "qc": qc, "chain": chain, "air": air, "painting": painting, "refine": refine}
    work |= {"embedded": embedded}
    for name, module in work.items():
        result = {"benchmark": name, **module.measure(), "command": "make bench", "machine": machine.describe()}
        text = json.dumps(result, indent=1)
        (RESULTS / f"{name}.json").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
