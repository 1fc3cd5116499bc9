"""Options in words: what an option costs, holds and assumes, for the sheet and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.crowd.laid import Short
    from composer.render.forecast import Forecast, Measure, Rates
    from composer.render.measure import Machine


def measured(measure: Measure, size_px: tuple[int, int], quality: str) -> str:
    """`0.42 s and 812 MiB a frame at 960 x 540, preview`."""
    return f"{seconds(measure.seconds)} and {measure.peak_mib:,} MiB a frame at {size_px[0]} x {size_px[1]}, {quality}"


def forecast_line(told: Forecast, currency: str) -> str:
    """`draft: 24 frames at 1.9 s: 50 s on this machine, 0.02 machine hours, USD 0.01; ± 8 %`."""
    error = f"± {told.error:.0%}" if told.error is not None else "error not known: too few measures"
    painted = ", painted" if told.painted else ""
    return (
        f"{told.quality}{painted}: {seconds(told.frame_s)} and {told.peak_mib:,} MiB a frame; "
        f"{told.frames} frames {clock(told.alone_s)} here, {told.machine_hours:.2g} machine hours, "
        f"{money(told.money, currency)}; {error}"
    )


def limit_line(asked: int, there: int, short: Sequence[Short]) -> str:
    """What limits an option, or that nothing does."""
    if not short:
        return "all of them fit"
    holds, wanted = sum(s.holds for s in short), sum(s.wanted for s in short)
    text = f"the regions hold {there:,} of {asked:,}"
    if wanted < asked:  # others have room
        who = short[0].region if len(short) == 1 else f"{len(short)} of them"
        text += f": {who} can hold {holds:,} of {wanted:,}"
    return f"{text}; {_would_do(short)}"


def _would_do(short: Sequence[Short]) -> str:
    """Which spacing would hold those who were asked for; where none would, how much more room they need."""
    worst = max(short, key=lambda s: s.wanted / max(s.holds, 1))
    if all(s.nearer_m is not None for s in short) and worst.nearer_m is not None:
        across, deep = worst.nearer_m
        return (
            f"spacing {across:g} x {deep:g} m would hold them (now {worst.spacing_m[0]:g} x {worst.spacing_m[1]:g} m)"
        )
    more = sum(s.wanted for s in short) / max(sum(s.holds for s in short), 1)
    return f"no spacing would hold them: they need {more:.1f} times the ground"


def assumptions(machine: Machine, rates: Rates, load: float | None, size_px: tuple[int, int]) -> tuple[str, ...]:
    """What the hours and the money rest on."""
    price = (
        f"{rates.currency} {rates.gpu_hour:g} an hour of a GPU with its machine"
        if machine.device == "cuda"
        else f"{rates.currency} {rates.core_hour:g} a core hour, so {rates.currency} "
        f"{rates.core_hour * machine.cores:g} an hour of this machine"
    )
    lines = (
        f"measured on {machine}; forecasts are for the plate's own size, {size_px[0]} x {size_px[1]}, by a model fitted "
        "to measured frames; ± is its error on measures left out",
        f"machine hours: of machines like this one, tasks of {rates.frames_per_task} frames with a start each, busy "
        f"{rates.busy_share:.0%} of their paid time; money: {price} ({rates.file.name})",
    )
    if load is not None and load > 2 * machine.cores:
        lines += (
            f"the machine was busy with other work (load {load:.1f} on {machine.cores} cores): times are too long",
        )
    return lines


def seconds(value: float) -> str:
    """`0.42 s`, `12 s`."""
    return f"{value:.2f} s" if value < 9.95 else f"{value:.0f} s"


def clock(value: float) -> str:
    """`50 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def money(value: float, currency: str) -> str:
    """`USD 0.42`."""
    return f"{currency} {value:,.2f}" if value >= 0.01 else f"under {currency} 0.01"
