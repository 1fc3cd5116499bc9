"""What lies on the director's table: the options of `muster options`, or versions that `muster render` delivered.

Only what the index or a manifest lists is there, by name and frame number; a listed path that leads out of its folder is an
error, whoever wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from composer.errors import InputError, Where
from composer.io.timecode import frame_rate
from composer.render.manifest import all_records, record_of

MOST_ITEMS, MOST_FRAMES, LARGEST_INDEX = 64, 20_000, 64 << 20


@dataclass(frozen=True)
class Item:
    """One option or version. folder: its delivery. ledger: the folder with its decisions. exr, pictures: files by frame.
    parts: of its EXRs. asked: what an option is made of. lines: what it holds and costs, in words. price: quality to words."""

    name: str
    title: str
    kind: Literal["option", "version"]
    shot: str
    folder: Path
    ledger: Path
    soldiers: int
    exr: Mapping[int, Path]
    pictures: Mapping[int, Path] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    asked: Mapping[str, object] | None = None
    lines: tuple[str, ...] = ()
    price: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Catalog:
    """complete: whether nothing more is to come."""

    shot: str
    kind: Literal["option", "version"]
    items: Mapping[str, Item]
    frame_rate: float
    complete: bool
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> tuple[int, ...]:
        """Those that any item has."""
        return tuple(sorted({n for item in self.items.values() for n in item.exr}))

    def item(self, name: str) -> Item:
        """Raises InputError."""
        if name not in self.items:
            raise InputError("no such option or version", expected=", ".join(self.items), got=name[:80])
        return self.items[name]

    def frame(self, name: str, frame: int) -> Path:
        """The EXR of one frame. Raises InputError."""
        exr = self.item(name).exr
        if frame not in exr:
            raise InputError("no such frame", expected=f"{min(exr)}-{max(exr)}", got=str(frame))
        return exr[frame]


def open_catalog(folders: Sequence[Path]) -> Catalog:
    """One folder of options; or deliveries, or the folder over them. Raises InputError."""
    if len(folders) == 1:
        (one,) = folders
        if (one / "options.json").is_file():
            return _options(one)
        if not (one / "manifest.json").is_file():
            folders = sorted(p.parent for p in one.glob("*/manifest.json"))
    if not folders:
        raise InputError(
            "nothing to review here",
            where=Where(file=one),
            expected="a folder of `muster options` (OUT/<shot>/options), or deliveries of `muster render` or the folder "
            "over them (OUT/<shot>)",
        )
    return _versions(folders)


def inside(folder: Path, name: object, where: Path) -> Path:
    """A listed file, if it is one in the folder. Raises InputError."""
    path = folder / str(name)
    try:
        real = path.resolve(strict=True)
        good = real.is_relative_to(folder.resolve()) and real.is_file()
    except (OSError, ValueError):
        good = False
    if not good:
        raise InputError("lists a file that is not in its folder", where=Where(file=where), got=str(name)[:120])
    return path


def _options(folder: Path) -> Catalog:
    index = folder / "options.json"
    told = _read(index)
    try:
        shot, rates = str(told["shot"]), told["rates"]
        entries = told["options"]
        currency = str(rates["currency"])
        items = [_option(folder, index, shot, entry, currency) for entry in entries]
        rate = float(frame_rate(str(told.get("frame_rate", "24"))))
        notes, complete = tuple(map(str, told["notes"])), bool(told["complete"])
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise _unreadable(index, error) from None
    if not items:
        raise InputError("no option is there yet", where=Where(file=index), hint="wait for its first picture")
    return Catalog(shot, "option", _by_name(items, index), rate, complete, notes)


def _option(folder: Path, index: Path, shot: str, told: Mapping[str, object], currency: str) -> Item:
    from composer.review.options_words import clock, money

    measured, forecasts, limit = told.get("measured"), told.get("forecast") or {}, told["limit"]
    lines = [str(limit["text"])]  # type: ignore[index]
    if measured:
        lines.append(f"{measured['seconds']:.2f} s and {measured['peak_mib']:,} MiB a frame, measured")  # type: ignore[index]
    price = tuple(
        {
            "quality": str(quality),
            "time": clock(f["alone_s"]),
            "hours": f"{f['machine_hours']:.2g} machine hours",
            "money": money(f["money"], currency),
            "error": "" if f["error"] is None else f"± {f['error']:.0%}",
        }
        for quality, f in forecasts.items()  # type: ignore[attr-defined]
    )
    delivery = folder / str(told["folder"])
    exr = {int(n): inside(folder, name, index) for n, name in told["exr"].items()}  # type: ignore[attr-defined]
    pictures = {int(n): inside(folder, name, index) for n, name in told["pictures"].items()}  # type: ignore[attr-defined]
    return Item(
        str(told["name"]), str(told["title"]), "option", shot, delivery, folder, int(str(told["soldiers"])), exr, pictures,
        _parts(delivery), dict(told["asked"]), tuple(lines), price,  # type: ignore[call-overload]
    )  # fmt: skip


def _versions(folders: Sequence[Path]) -> Catalog:
    items, rates, shots = [], set(), set()
    for folder in folders:
        manifest = folder / "manifest.json"
        told = _read(manifest)
        try:
            records = [record_of(r) for r in told["frames"]]
            shots.add(str(told["shot"]))
            rates.add(float(frame_rate(str(told["frame_rate"]))))
            files = {r.frame: next(f for f in r.files if f.startswith("exr/")) for r in records}
            lines = [f"{int(told['soldiers']):,} soldiers, quality {told['quality']}"]
            if paint := told.get("paint"):
                lines.append(f"painted with {paint['bundle']}")
            seconds = [sum(r.seconds.values()) for r in records]
            if seconds:
                peak = max(r.peak_memory_mib for r in records)
                lines.append(f"{sum(seconds) / len(seconds):.2f} s a frame, peak {peak:,} MiB")
            item = Item(
                str(told["version"]), str(told["version"]), "version", str(told["shot"]), folder, folder,
                int(told["soldiers"]), {n: inside(folder, f, manifest) for n, f in files.items()},
                parts=tuple(dict.fromkeys(p for r in records for p in r.parts)), lines=tuple(lines),
            )  # fmt: skip
        except (TypeError, KeyError, ValueError, AttributeError, StopIteration) as error:
            raise _unreadable(manifest, error) from None
        if item.exr:
            items.append(item)
    if len(shots) > 1:
        raise InputError("versions of different shots", expected="one shot", got=", ".join(sorted(shots)))
    if not items:
        raise InputError("no frame is there yet", where=Where(file=folders[0]))
    notes = ("the versions differ in frame rate",) if len(rates) > 1 else ()
    return Catalog(shots.pop(), "version", _by_name(items, folders[0]), min(rates), True, notes)


def _by_name(items: Sequence[Item], where: Path) -> dict[str, Item]:
    named = {item.name: item for item in items}
    if len(named) < len(items):
        raise InputError(
            "two of them have one name", where=Where(file=where), got=", ".join(i.name for i in items)[:200]
        )
    if len(items) > MOST_ITEMS or any(len(i.exr) > MOST_FRAMES for i in items):
        raise InputError(
            "too many", where=Where(file=where), expected=f"{MOST_ITEMS} of {MOST_FRAMES:,} frames at most"
        )
    return named


def _parts(delivery: Path) -> tuple[str, ...]:
    records, _ = all_records(delivery)
    return tuple(dict.fromkeys(p for r in records for p in r.parts))


def _read(path: Path) -> dict:  # type: ignore[type-arg]
    try:
        if path.stat().st_size > LARGEST_INDEX:
            raise InputError("too big", where=Where(file=path), expected=f"at most {LARGEST_INDEX} bytes")
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        hint = "a delivery of `muster render` has its manifest.json"
        raise InputError("not there", where=Where(file=path), hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(told, dict):
        raise InputError("cannot be read", where=Where(file=path), expected="a JSON object")
    return told


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError("cannot be read", where=Where(file=path), got=f"{type(error).__name__}: {str(error)[:80]}")
