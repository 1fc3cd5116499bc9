"""Levels of detail against the full figures: area and average colour over poses and directions, printed as a table.

`python -m benchmarks.levels` measures; `python -m benchmarks.levels --fit` finds the fits anew and writes them to
`composer/crowd/figure/fits.py` (after a change to the figures).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from composer.crowd.agents import Mesh
from composer.crowd.cast import average_albedo, clips_of_the_fallen, default_cast
from composer.crowd.figure import fits, kits
from composer.crowd.figure.body import BUILDS, Build
from composer.crowd.figure.levels import Fit, fit_levels, levels, shown_error
from composer.crowd.figure.measure import views
from composer.crowd.figure.outfit import OUTFITS, dressed
from composer.crowd.horse.levels import fit_mounted, mounted_levels, rider_views
from composer.crowd.horse.riders import rider_clips
from composer.crowd.horse.skeleton import MOUNTED
from composer.crowd.skeleton import SKELETON

CLIPS = (*default_cast().clips, *clips_of_the_fallen())
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


def parts_of(kit: str, build: Build) -> Callable[[], list[Mesh]]:
    """What builds a man of this kit."""
    return partial(kits.KITS[kit], build) if kit in kits.KITS else partial(dressed, OUTFITS[kit], build)


def fit_all(figures: list[tuple[str, Build]]) -> dict[str, Fit]:
    """All fits anew."""
    seen = {False: views(CLIPS, SKELETON.bind_m, phases=6, directions=6), True: rider_views(6, 6)}
    found = {}
    for kit, build in figures:
        rides = OUTFITS[kit].mount == "horse"
        fit = fit_mounted if rides else fit_levels
        found[f"{kit}_{build.name}"] = fit(parts_of(kit, build), seen[rides], average_albedo(kit), rounds=16)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fit", nargs="*", metavar="KIT", help="find fits anew: of all kits, or of these")
    figures = [(kit, build) for kit in OUTFITS for build in BUILDS]
    found = dict(fits.FITS)
    wanted = options.parse_args().fit
    if wanted is not None:
        found |= fit_all([f for f in figures if not wanted or f[0] in wanted])
        Path(fits.__file__).write_text(written(found))
    low_high = (1.0, 14.0)
    on_foot = views(CLIPS, SKELETON.bind_m, phases=7, directions=3, elevation_deg=low_high)
    mounted = views(rider_clips(), MOUNTED.bind_m, phases=7, directions=3, elevation_deg=low_high)
    worst = np.zeros(2)
    print(f"{'figure':20s}" + "".join(f"{f'{t}: triangles, area %, colour %':>36s}" for t in ("near", "mid", "far")))
    for kit, build in figures:
        name = f"{kit}_{build.name}"
        rides = OUTFITS[kit].mount == "horse"
        lods = (mounted_levels if rides else levels)(parts_of(kit, build), found[name])
        cells = []
        for mesh in lods[1:]:
            check = mounted if rides else on_foot
            errors = [shown_error(mesh, lods[0], check, albedo) for albedo in average_albedo(kit)]
            area, colour = errors[0][0], max(e[1] for e in errors)
            worst = np.maximum(worst, (abs(area), colour))
            cells.append(f"{len(mesh.triangle):6d} {100 * area:+7.2f} {100 * colour:6.2f}")
        print(f"{name:20s}" + "".join(f"{c:>36s}" for c in cells))
    print(f"worst: area {100 * worst[0]:.2f} %, colour {100 * worst[1]:.2f} %")


if __name__ == "__main__":
    main()
