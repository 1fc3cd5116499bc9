"""Levels of detail against the full figures: area and average colour over poses and directions, printed as a table.

`python -m benchmarks.levels` measures; `python -m benchmarks.levels --fit` finds the fits anew and writes them to
`composer/crowd/figure/fits.py` (after a change to the figures).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from composer.crowd.agents import Figure
from composer.crowd.cast import average_albedo, clips_of_the_fallen, default_cast
from composer.crowd.figure import fits, kits
from composer.crowd.figure.body import BUILDS
from composer.crowd.figure.levels import Fit, fit_levels, levels, shown_error
from composer.crowd.figure.measure import views
from composer.crowd.skeleton import SKELETON

_HEAD = '''"""How the coarse levels of the built-in figures are bent; found by `python -m benchmarks.levels --fit`."""

from __future__ import annotations

from composer.crowd.figure.levels import Fit

#: By figure. See `levels.Fit`.
FITS: dict[str, Fit] = {
'''


def written(found: dict[str, Fit]) -> str:
    """The text of `fits.py`."""
    lines = [_HEAD]
    for name, fit in found.items():
        lines.append(f'    "{name}": Fit(\n        "{fit.paint}",\n        (\n')
        lines += [f"            ({', '.join(map(str, p))}),\n" for p in fit.push]
        lines.append("        ),\n    ),\n")
    return "".join(lines) + "}\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fit", action="store_true")
    fit = options.parse_args().fit
    clips = (*default_cast().clips, *clips_of_the_fallen())
    figures = [(kit, build) for kit in kits.KITS for build in BUILDS]
    found = dict(fits.FITS)
    if fit:
        seen = views(clips, SKELETON.bind_m, phases=6, directions=6)
        for kit, build in figures:
            parts = partial(kits.KITS[kit], build)
            found[f"{kit}_{build.name}"] = fit_levels(parts, seen, average_albedo(kit))
        Path(fits.__file__).write_text(written(found))
    check = views(clips, SKELETON.bind_m, phases=7, directions=3, elevation_deg=(1.0, 14.0))
    worst = np.zeros(2)
    print(f"{'figure':20s}" + "".join(f"{f'{t}: triangles, area %, colour %':>36s}" for t in ("near", "mid", "far")))
    for kit, build in figures:
        name = f"{kit}_{build.name}"
        figure = Figure(name, levels(partial(kits.KITS[kit], build), found.get(name)))
        cells = []
        for mesh in figure.lods[1:]:
            errors = [shown_error(mesh, figure.lods[0], check, albedo) for albedo in average_albedo(kit)]
            area, colour = errors[0][0], max(e[1] for e in errors)
            worst = np.maximum(worst, (abs(area), colour))
            cells.append(f"{len(mesh.triangle):6d} {100 * area:+7.2f} {100 * colour:6.2f}")
        print(f"{name:20s}" + "".join(f"{c:>36s}" for c in cells))
    print(f"worst: area {100 * worst[0]:.2f} %, colour {100 * worst[1]:.2f} %")


if __name__ == "__main__":
    main()
