"""Noise levels and timesteps as diffusers' schedulers choose them, out of their config files. Plain numpy in float64:
diffusers itself is not asked, it is the oracle of the tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.errors import InputError

F64 = NDArray[np.float64]
Config = Mapping[str, object]


def number(config: Config, name: str, default: float) -> float:
    """A number of the config; its default where it is absent or null."""
    value = config.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"the scheduler's {name} is no number", got=repr(value))
    return float(value)


def word(config: Config, name: str, default: str, known: tuple[str, ...]) -> str:
    """One of the known words."""
    value = config.get(name)
    if value is None:
        return default
    if value not in known:
        raise InputError(f"unknown {name} in the scheduler's config", expected=" or ".join(known), got=repr(value))
    return str(value)


def flag(config: Config, name: str, default: bool = False) -> bool:
    """True or false of the config; its default where it is absent or null."""
    value = config.get(name)
    return default if value is None else bool(value)


def alphas_cumprod(config: Config, tiny: bool) -> F64:
    """float64 [T], the share of signal power at each training step (Ho et al. 2020). tiny: with zero-terminal SNR (Lin et
    al. 2023) the last stays just above zero, as samplers in sigmas need it."""
    count = training_steps(config)
    low, high = number(config, "beta_start", 0.0001), number(config, "beta_end", 0.02)
    trained = config.get("trained_betas")
    kind = word(config, "beta_schedule", "linear", ("linear", "scaled_linear", "squaredcos_cap_v2"))
    if trained is not None:
        betas = np.asarray(trained, np.float64)
        if betas.shape != (count,) or not ((betas > 0) & (betas < 1)).all():
            raise InputError("the scheduler's trained_betas do not fit", expected=f"{count} numbers in 0..1")
    elif kind == "linear":
        betas = np.linspace(low, high, count)
    elif kind == "scaled_linear":
        betas = np.linspace(low**0.5, high**0.5, count) ** 2
    else:
        t = np.arange(count + 1) / count
        bar = np.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = np.minimum(1.0 - bar[1:] / bar[:-1], 0.999)
    alphas = np.cumprod(1.0 - betas)
    if flag(config, "rescale_betas_zero_snr"):
        root = np.sqrt(alphas)
        alphas = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
        if tiny:
            alphas[-1] = 2.0**-24
    return alphas


def training_steps(config: Config) -> int:
    """The number of training steps."""
    count = number(config, "num_train_timesteps", 1000)
    if count != int(count) or not 1 < count <= 1_000_000:
        raise InputError("the scheduler's num_train_timesteps is out of range", got=str(count))
    return int(count)


def spaced(config: Config, steps: int, default: str, whole: bool) -> F64:
    """Descending timesteps by `timestep_spacing` (Lin et al. 2023, table 2) of samplers of order one."""
    count = training_steps(config)
    spacing = word(config, "timestep_spacing", default, ("linspace", "leading", "trailing"))
    if spacing == "linspace":
        t = np.linspace(0, count - 1, steps)[::-1]
        return np.round(t) if whole else t
    if spacing == "leading":
        return np.arange(steps)[::-1] * float(count // steps) + number(config, "steps_offset", 0)
    return np.round(count - np.arange(steps) * (count / steps)) - 1


def spaced_multistep(config: Config, steps: int, last: int) -> F64:
    """The same for the multistep samplers, which leave the end out. last: one past the highest timestep."""
    count = training_steps(config)
    spacing = word(config, "timestep_spacing", "linspace", ("linspace", "leading", "trailing"))
    if spacing == "linspace":
        return np.round(np.linspace(0, last - 1, steps + 1))[::-1][:-1]
    if spacing == "leading":
        return np.arange(1, steps + 1)[::-1] * float(last // (steps + 1)) + number(config, "steps_offset", 0)
    return np.round(last - np.arange(steps) * (count / steps)) - 1


def timestep_of(sigma: F64, table: F64) -> F64:
    """Fractional timesteps whose level is sigma. table: ascending sigmas by timestep."""
    return np.interp(np.log(np.maximum(sigma, 1e-10)), np.log(table), np.arange(len(table), dtype=np.float64))


@dataclass(frozen=True)
class Respaced:
    """Levels between two ends: Karras et al. 2022, equal steps of the logarithm, or a beta distribution (Lee et al. 2024)."""

    kind: str

    @staticmethod
    def of(config: Config) -> Respaced | None:
        kinds = [name for name in ("karras", "exponential", "beta") if flag(config, f"use_{name}_sigmas")]
        if len(kinds) > 1:
            raise InputError("the scheduler's config asks for several spacings", expected="one", got=", ".join(kinds))
        return Respaced(kinds[0]) if kinds else None

    def between(self, config: Config, high: float, low: float, steps: int) -> F64:
        low = max(number(config, "sigma_min", low), 1e-10)
        high = number(config, "sigma_max", high)
        if self.kind == "karras":
            return (high ** (1 / 7) + np.linspace(0, 1, steps) * (low ** (1 / 7) - high ** (1 / 7))) ** 7
        if self.kind == "exponential":
            return np.exp(np.linspace(math.log(high), math.log(low), steps))
        from scipy.stats import beta

        return low + beta.ppf(1 - np.linspace(0, 1, steps), 0.6, 0.6) * (high - low)


def shifted(sigma: F64, shift: float) -> F64:
    """Flow levels moved towards noise (Esser et al. 2024, equation 23)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def stretched(config: Config, sigma: F64) -> F64:
    """Stretched so that the last level is `shift_terminal`, where the config has one."""
    terminal = number(config, "shift_terminal", 0.0)
    return 1 - (1 - sigma) * (1 - terminal) / (1 - sigma[-1]) if terminal else sigma


def dynamic_shift(config: Config, mu: float | None) -> float | None:
    """The shift that `mu` means; None where the config does not shift by the picture's size."""
    if not flag(config, "use_dynamic_shifting"):
        return None
    if mu is None:
        raise InputError(
            "this scheduler shifts its levels by the picture's size", expected="mu (see flow_mu)", got="no mu"
        )
    linear = word(config, "time_shift_type", "exponential", ("exponential", "linear")) == "linear"
    return mu if linear else math.exp(mu)
