"""`make bench`: every benchmark in turn, or `python benchmarks/run.py NAME ...` some of them; the figures go to
`benchmarks/results/` with the machine beside them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import air
import chain
import charge
import embedded
import guides
import levy
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
    work = {"preview": preview, "guides": guides, "scale": scale, "step": step, "charge": charge, "tiles": tiles}
    work |= {"noise": noise, "qc": qc, "chain": chain, "air": air, "painting": painting, "refine": refine}
    work |= {"embedded": embedded, "levy": levy}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(work)}; all of them without")
    names = parser.parse_args().names
    if strange := [name for name in names if name not in work]:
        parser.error(f"no benchmark {', '.join(strange)}: one of {', '.join(work)}")
    RESULTS.mkdir(exist_ok=True)
    for name in names or work:
        command = f"python benchmarks/run.py {name}"
        result = {"benchmark": name, **work[name].measure(), "command": command, "machine": machine.describe()}
        text = json.dumps(result, indent=1)
        (RESULTS / f"{name}.json").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
