"""`options.json`: the scale options for a page or a program."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import composer
from composer.io.files import atomic_write
from composer.review.options_shown import Options, Shown


def write_index(result: Options) -> Path:
    """`options.json`: everything that a page or a program needs, paths relative to it."""
    path = result.folder / "options.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(index_of(result), indent=1, default=str) + "\n")
    return path


def index_of(result: Options) -> dict[str, object]:
    """What `options.json` says."""
    model = result.model
    return {
        "muster": composer.__version__,
        "shot": result.shot.shot,
        "version": result.shot.version,
        "quality": result.quality.name,
        "frames": list(result.frames),
        "frame_rate": str(result.frame_rate),
        "size_px": list(result.size_px),
        "plate_px": list(result.full_px),
        "complete": model is not None,
        "sheet": "sheet.png",
        "sheet_pdf": "sheet.pdf",
        "machine": asdict(result.machine),
        "rates": asdict(result.rates),
        "assumptions": list(result.assumptions),
        "notes": list(result.notes),
        "model": None
        if model is None
        else {
            "seconds": dict(model.seconds.costs),
            "paint_s": dict(model.paint_s.costs),
            "peak_mib": dict(model.peak_mib.costs),
            "error": model.seconds.error,
            "paint_error": model.paint_s.error,
            "measures": [asdict(m) for m in model.measures],
        },
        "options": [_entry(s, result) for s in result.shown],
    }


def _entry(shown: Shown, result: Options) -> dict[str, object]:
    def relative(path: Path) -> str:
        return path.relative_to(result.folder).as_posix()

    return {
        "name": shown.option.name,
        "title": shown.option.title,
        "asked": shown.option.told(),
        "soldiers": shown.soldiers,
        "folder": relative(shown.folder),
        "manifest": relative(shown.folder / "manifest.json"),
        "exr": {n: f"{relative(shown.folder)}/exr/{result.shot.shot}_{result.shot.version}.{n:04d}.exr" for n in result.frames},
        "pictures": {n: relative(path) for n, path in shown.pictures.items()},
        "proxy": relative(shown.proxy) if shown.proxy else None,
        "measured": asdict(shown.measure) if shown.measure else None,
        "start_s": shown.start_s,
        "forecast": {f.quality: asdict(f) for f in shown.forecasts},
        "limit": {"text": shown.limit, "regions": [asdict(s) for s in shown.short]},
        "notes": list(shown.notes),
    }  # fmt: skip
