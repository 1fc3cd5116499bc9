"""Samplers as numbers: `schedule_of` reads a diffusers scheduler's config and gives a linear `Schedule`.

One rule makes nearly all of them: a prediction is split into a clean latent x0 and noise e, both linear in the latents x
and the prediction p, and the next level is signal' x0 + sqrt(sigma'^2 - n^2) e + n z. This is DDIM (Song et al. 2021) in
variance-preserving latents, Euler and Euler ancestral (Karras et al. 2022) in variance-exploding ones, Euler of a flow
(Lipman et al. 2023, Esser et al. 2024), and DPM-Solver++'s first order with or without noise (Lu et al. 2022).

Multistep samplers keep one prediction beside the present one: two-step Adams-Bashforth on noise and flow predictions,
DPM-Solver++ 2M itself where the network predicts the clean latent. `substitution` says where that is not the sampler that the
config names. At the first step that is run `previous` multiplies the present prediction: this is the first-order step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from composer.errors import InputError
from composer.inference.adapter import Schedule
from composer.inference.schedule_levels import (
    F64,
    Config,
    Respaced,
    alphas_cumprod,
    dynamic_shift,
    flag,
    number,
    shifted,
    spaced,
    spaced_multistep,
    stretched,
    timestep_of,
    training_steps,
    word,
)

PREDICTIONS = ("epsilon", "v_prediction", "sample", "flow_prediction")


def _split(prediction: str, signal: F64, sigma: F64) -> tuple[F64, F64, F64, F64]:
    """x0 = a x + b p and e = c x + d p: a, b, c, d where x = signal x0 + sigma e."""
    zero, one = np.zeros_like(signal), np.ones_like(signal)
    if prediction == "epsilon":
        if (signal <= 0).any():
            raise InputError(
                "a noise prediction says nothing at zero-terminal SNR", expected="v_prediction or sample", got="epsilon"
            )
        return 1 / signal, -sigma / signal, zero, one
    if prediction == "sample":
        return zero, one, 1 / sigma, -signal / sigma
    if prediction == "v_prediction":
        size = np.hypot(signal, sigma)
        a, s = signal / size, sigma / size
        return a / size, -s, s / size, a
    return one, -sigma, one, signal


def _first_order(
    timestep: F64, prediction: str, here: tuple[F64, F64], there: tuple[F64, F64], noise: F64 | None = None
) -> Schedule:
    """here, there: (signal, sigma) float64 [S] before and after each step. noise: what each step adds anew."""
    (signal, sigma), (signal2, sigma2) = here, there
    n = np.zeros_like(sigma) if noise is None else noise
    a, b, c, d = _split(prediction, signal, sigma)
    back = np.sqrt(np.maximum(sigma2**2 - n**2, 0.0))
    keep, pred = signal2 * a + back * c, signal2 * b + back * d
    return _schedule(timestep, np.hypot(signal, sigma), keep, pred, np.zeros_like(n), n, here, there)


def _schedule(
    timestep: F64, size: F64, keep: F64, pred: F64, previous: F64, noise: F64, here: tuple[F64, F64],
    there: tuple[F64, F64],
) -> Schedule:  # fmt: skip
    """size: of the latents' noise and signal together; the network wants latents of size one."""
    signal, sigma = (np.append(a, b[-1]) for a, b in zip(here, there, strict=True))
    rows = (timestep, 1 / size, keep, pred, previous, noise, signal, sigma)
    return Schedule(*(np.ascontiguousarray(row, dtype=np.float32) for row in rows))


def _in_flow(schedule: Schedule) -> Schedule:
    """A flow's network takes the latents as they are."""
    return replace(schedule, scale_in=np.ones_like(schedule.scale_in))


def _pairs(sigma: F64, kind: str) -> tuple[tuple[F64, F64], tuple[F64, F64]]:
    """Levels before and after each step from sigma [S + 1]. kind: 'preserving' or 'exploding' variance (sigma: noise over
    signal), or 'flow' (sigma: noise, 1 - sigma: signal)."""
    if kind == "exploding":
        signal, level = np.ones_like(sigma), sigma
    elif kind == "flow":
        signal, level = 1 - sigma, sigma
    else:
        signal = 1 / np.sqrt(1 + sigma**2)
        level = sigma * signal
    return (signal[:-1], level[:-1]), (signal[1:], level[1:])


def _prediction(config: Config, allowed: tuple[str, ...] = PREDICTIONS[:3]) -> str:
    return word(config, "prediction_type", "epsilon", allowed)


def _unclipped(config: Config, clips: bool) -> None:
    """Clipping is not linear: refused."""
    if flag(config, "clip_sample", clips) or flag(config, "thresholding"):
        raise InputError(
            "this scheduler clips its clean estimate, which a linear sampler cannot",
            expected="clip_sample: false and thresholding: false",
            hint="samplers for latents do not clip; set it in the bundle's scheduler config",
        )


def ddim_schedule(config: Config, steps: int, eta: float = 0.0) -> Schedule:
    """DDIM (Song et al. 2021). eta: 0 deterministic, 1 as noisy as DDPM."""
    alpha = alphas_cumprod(config, tiny=False)
    t = spaced(config, steps, "leading", whole=True).astype(np.int64)
    before = t - training_steps(config) // steps
    final = 1.0 if flag(config, "set_alpha_to_one", True) else alpha[0]
    if t.min() < 0 or t.max() >= len(alpha):
        raise InputError("the scheduler's timesteps leave the training's", got=f"{t.min()} to {t.max()}")
    here, there = alpha[t], np.where(before >= 0, alpha[np.maximum(before, 0)], final)
    noise = eta * np.sqrt(np.maximum((1 - there) / (1 - here) * (1 - here / there), 0.0))
    levels = [(np.sqrt(one), np.sqrt(1 - one)) for one in (here, there)]
    return _first_order(t.astype(np.float64), _prediction(config), levels[0], levels[1], noise)


def inflated(schedule: Schedule, gain: float) -> Schedule:
    """The steps of a sampler whose network predicts the clean latent and that adds no noise, with the noise that they carry
    on growing by `gain` from the first step to the last, over what the network is told of: it takes what is too much for
    detail (S_noise of Karras et al. 2022, which grows all noise of a stochastic sampler against the loss of detail)."""
    if schedule.noise.any() or schedule.previous.any():
        raise InputError("noise cannot be made to grow in this sampler", expected="DDIM without eta")
    each = gain ** (1 / max(len(schedule) - 1, 1))
    clean = schedule.signal[1:]
    return replace(schedule, keep=schedule.keep * each, pred=clean + (schedule.pred - clean) * each)


def lcm_schedule(config: Config, steps: int) -> Schedule:
    """Latent consistency sampling (Luo et al. 2023): each step guesses the clean latent, then noises it afresh."""
    alpha = alphas_cumprod(config, tiny=False)
    original = int(number(config, "original_inference_steps", 50))
    if steps > original:
        raise InputError("a consistency model cannot do so many steps", expected=f"at most {original}", got=str(steps))
    grid = (np.arange(1, original + 1) * (training_steps(config) // original) - 1)[::-1]
    t = grid[np.floor(np.linspace(0, original, steps, endpoint=False)).astype(np.int64)]
    scaled = t * number(config, "timestep_scaling", 10.0)
    skip, out = 0.25 / (scaled**2 + 0.25), scaled / np.sqrt(scaled**2 + 0.25)
    here = (np.sqrt(alpha[t]), np.sqrt(1 - alpha[t]))
    signal, noise = np.append(here[0][1:], 1.0), np.append(here[1][1:], 0.0)
    a, b, _, _ = _split(_prediction(config), *here)
    keep, pred = signal * (out * a + skip), signal * out * b
    return _schedule(
        t.astype(np.float64), np.ones(steps), keep, pred, np.zeros(steps), noise, here, (signal, noise)
    )  # fmt: skip


def euler_schedule(config: Config, steps: int, ancestral: bool = False) -> Schedule:
    """Euler over noise levels (Karras et al. 2022, algorithm 1), or its ancestral kin, which noises each step afresh."""
    alpha = alphas_cumprod(config, tiny=True)
    table = np.sqrt((1 - alpha) / alpha)
    prediction = _prediction(config, PREDICTIONS[:2])
    t = spaced(config, steps, "linspace", whole=False)
    if word(config, "interpolation_type", "linear", ("linear", "log_linear")) == "linear":
        sigma = np.interp(t, np.arange(len(table)), table)
    else:
        sigma = np.exp(np.linspace(np.log(table[-1]), np.log(table[0]), steps + 1))[:steps]
    respaced = None if ancestral else Respaced.of(config)
    if respaced is not None:
        sigma = respaced.between(config, sigma[0], sigma[-1], steps)
        t = timestep_of(sigma, table)
    last = word(config, "final_sigmas_type", "zero", ("zero", "sigma_min"))
    sigma = np.append(sigma, table[0] if last == "sigma_min" and not ancestral else 0.0)
    if word(config, "timestep_type", "discrete", ("discrete", "continuous")) == "continuous" and (
        prediction == "v_prediction"
    ):
        t = 0.25 * np.log(sigma[:-1])
    noise = sigma[1:] * np.sqrt(np.maximum(1 - (sigma[1:] / sigma[:-1]) ** 2, 0)) if ancestral else None
    return _first_order(t, prediction, *_pairs(sigma, "exploding"), noise)


def flow_mu(config: Config, tokens: int) -> float:
    """The exponent of a dynamic shift for a picture of so many tokens (Esser et al. 2024; Flux's straight line)."""
    low, high = number(config, "base_image_seq_len", 256), number(config, "max_image_seq_len", 4096)
    a, b = number(config, "base_shift", 0.5), number(config, "max_shift", 1.15)
    return a + (b - a) * (tokens - low) / (high - low)


def flow_schedule(config: Config, steps: int, mu: float | None = None, sigmas: F64 | None = None) -> Schedule:
    """Euler along a flow (Esser et al. 2024). mu: where the config shifts dynamically, see `flow_mu`. sigmas: float [S], the
    levels before shifting, where the pipeline has its own (Qwen-Image: linspace(1, 1 / S, S))."""
    count = training_steps(config)
    if flag(config, "invert_sigmas"):
        raise InputError("a flow that runs from picture to noise is not taken", got="invert_sigmas: true")
    dynamic, fixed = dynamic_shift(config, mu), number(config, "shift", 1.0)
    if sigmas is None:
        # as diffusers has it, the lowest level is shifted here and once more below
        ends = np.array([1.0, 1.0 / count])
        sigma = np.linspace(*(ends if dynamic else shifted(ends, fixed)), steps)
    else:
        sigma = np.asarray(sigmas, np.float64)
        if sigma.shape != (steps,):
            raise InputError("levels do not fit the number of steps", expected=str(steps), got=str(len(sigma)))
    sigma = stretched(config, shifted(sigma, dynamic if dynamic else fixed))
    respaced = Respaced.of(config)
    if respaced is not None:
        sigma = respaced.between(config, sigma[0], sigma[-1], steps)
    levels = np.append(sigma, 0.0)
    noise = levels[1:] if flag(config, "stochastic_sampling") else None
    return _in_flow(_first_order(sigma * count, "flow_prediction", *_pairs(levels, "flow"), noise))


def _multistep_levels(config: Config, steps: int, unipc: bool, mu: float | None) -> tuple[F64, F64, str]:
    """(timestep [S], sigma [S + 1], kind) of DPM-Solver++ and UniPC."""
    count = training_steps(config)
    alpha = alphas_cumprod(config, tiny=True)
    table = np.sqrt((1 - alpha) / alpha)
    respaced = Respaced.of(config)
    flow = flag(config, "use_flow_sigmas")
    last = table[0]
    if respaced is not None:
        if flow and (respaced.kind != "karras" or not unipc):
            raise InputError("flow levels with that spacing are not taken", got=f"use_{respaced.kind}_sigmas")
        sigma = respaced.between(config, table[-1], table[0], steps)
        t = timestep_of(sigma, table)
        last = sigma[-1] if unipc else last
        if respaced.kind == "karras":
            cosine = config.get("beta_schedule") == "squaredcos_cap_v2"
            t = np.round(t) if unipc or not cosine else t
        if flow:
            sigma = sigma / (sigma + 1)
            t, last = sigma * count, sigma[-1]
    elif flow:
        ramp = np.linspace(1, 1 / count, steps + 1)
        dynamic = dynamic_shift(config, mu)
        sigma = shifted(ramp[:-1] if unipc else (1 - ramp)[::-1][:-1], dynamic or number(config, "flow_shift", 1.0))
        if unipc:
            sigma = stretched(config, sigma)
            sigma[0] = min(sigma[0], 1 - 1e-6)
            last = sigma[-1]
        t = sigma * count
    else:
        clip = number(config, "lambda_min_clipped", -np.inf)
        top = count if unipc else count - int(np.searchsorted(-np.log(table)[::-1], clip))
        t = spaced_multistep(config, steps, top)
        sigma = np.interp(t, np.arange(count), table)
    zero = word(config, "final_sigmas_type", "zero", ("zero", "sigma_min")) == "zero"
    # both schedulers cut their timesteps to whole numbers
    return np.trunc(t), np.append(sigma, 0.0 if zero else last), "flow" if flow else "preserving"


def multistep_schedule(config: Config, steps: int, unipc: bool = False, mu: float | None = None) -> Schedule:
    """DPM-Solver++ and UniPC on their own levels, as far as one prediction before the present one carries: see
    `substitution`."""
    _unclipped(config, False)
    if flag(config, "use_lu_lambdas"):
        raise InputError("that spacing of levels is not taken", got="use_lu_lambdas: true")
    prediction = _prediction(config, PREDICTIONS)
    t, sigma, kind = _multistep_levels(config, steps, unipc, mu)
    if (prediction == "flow_prediction") != (kind == "flow"):
        raise InputError("a flow's levels and its prediction go together", expected="both", got=f"{prediction}, {kind}")
    here, there = _pairs(sigma, kind)
    noise = None
    if not unipc and word(config, "algorithm_type", "dpmsolver++", DPM).startswith("sde"):
        ratio = (there[1] * here[0]) / (there[0] * here[1])
        noise = there[1] * np.sqrt(1 - ratio**2)
    schedule = _first_order(t, prediction, here, there, noise)
    if _order(config, unipc) > 1:
        schedule = _second_order(config, schedule, prediction, sigma, here, there)
    return _in_flow(schedule) if kind == "flow" else schedule


DPM = ("dpmsolver++", "sde-dpmsolver++", "deis")


def _order(config: Config, unipc: bool) -> int:
    """1 or 2: what is run of a multistep config."""
    noisy = not unipc and str(config.get("algorithm_type", "")).startswith("sde")
    twice = number(config, "solver_order", 2) >= 2 and config.get("prediction_type") != "v_prediction" and not noisy
    return 2 if twice else 1


def _second_order(
    config: Config, schedule: Schedule, prediction: str, sigma: F64, here: tuple[F64, F64], there: tuple[F64, F64]
) -> Schedule:
    """The change from the prediction before to this one, carried on to the step's middle."""
    steps = len(schedule)
    if prediction == "sample":
        with np.errstate(divide="ignore"):
            place = -np.log(sigma)
        weight = there[0] - here[0] * there[1] / here[1]
    else:
        place = sigma
        weight = np.diff(sigma) * (1.0 if prediction == "flow_prediction" else there[0])
    h = np.diff(place)
    share = np.zeros(steps)
    with np.errstate(invalid="ignore"):
        share[1:] = 0.5 * h[1:] / h[:-1]
    if (flag(config, "lower_order_final", True) and steps < 15) or sigma[-1] == 0 or flag(config, "euler_at_final"):
        share[-1] = 0.0
    extra = weight * share
    return _schedule(
        schedule.timestep.astype(np.float64), np.ones(steps), schedule.keep.astype(np.float64), schedule.pred + extra,
        -extra, schedule.noise.astype(np.float64), here, there,
    )  # fmt: skip


def _pndm(config: Config, steps: int) -> Schedule:
    return ddim_schedule({"set_alpha_to_one": False, **config}, steps)


def substitution(config: Config) -> str:
    """What is run in place of the sampler that the config names, in one sentence; empty where it is that sampler."""
    name = str(config.get("_class_name", ""))
    if name == "PNDMScheduler":
        return "sampler: PNDM's levels are run by DDIM, one prediction a step"
    unipc = name == "UniPCMultistepScheduler"
    if not unipc and name != "DPMSolverMultistepScheduler":
        return ""
    order, label = _order(config, unipc), "UniPC" if unipc else "DPM-Solver++"
    asked = number(config, "solver_order", 2)
    exact = not unipc and asked == order and (order == 1 or config.get("prediction_type") == "sample")
    exact = exact and (order == 1 or config.get("solver_type") in (None, "midpoint"))
    if exact:
        return ""
    if order == 1:
        return f"sampler: {label}'s levels are run at first order"
    if config.get("prediction_type") == "sample":
        return f"sampler: {label}'s levels are run by DPM-Solver++ 2M"
    return f"sampler: {label}'s levels are run by two-step Adams-Bashforth"


_SAMPLERS: Mapping[str, Callable[..., Schedule]] = {
    "DDIMScheduler": ddim_schedule,
    "LCMScheduler": lcm_schedule,
    "PNDMScheduler": _pndm,
    "EulerDiscreteScheduler": euler_schedule,
    "EulerAncestralDiscreteScheduler": lambda config, steps: euler_schedule(config, steps, ancestral=True),
    "FlowMatchEulerDiscreteScheduler": flow_schedule,
    "DPMSolverMultistepScheduler": multistep_schedule,
    "UniPCMultistepScheduler": lambda config, steps, mu=None: multistep_schedule(config, steps, True, mu),
}


def schedule_of(
    config: Config, steps: int, *, eta: float = 0.0, mu: float | None = None, sigmas: F64 | None = None
) -> Schedule:
    """The sampler of a diffusers scheduler's config (`scheduler_config.json`) as a linear `Schedule`.

    eta: DDIM's noise. mu: of flows that shift by the picture's size. sigmas: a flow's own levels, as in `flow_schedule`.
    InputError for samplers that are not linear or not known, and for settings that would be passed over.
    """
    name = str(config.get("_class_name", ""))
    if name not in _SAMPLERS:
        raise InputError("this sampler is not known", expected=", ".join(_SAMPLERS), got=name or "no _class_name")
    if not 1 <= steps <= training_steps(config):
        raise InputError(
            "the number of steps is out of range", expected=f"1 to {training_steps(config)}", got=str(steps)
        )
    extra: dict[str, object] = {}
    if name in ("DDIMScheduler", "LCMScheduler"):
        _unclipped(config, name == "DDIMScheduler")
    if name == "DDIMScheduler":
        extra["eta"] = eta
    elif eta:
        raise InputError("only DDIM takes eta", got=f"eta {eta} for {name}")
    if name.startswith(("FlowMatch", "UniPC")) or name == "DPMSolverMultistepScheduler":
        extra["mu"] = mu
    if name.startswith("FlowMatch"):
        extra["sigmas"] = sigmas
    elif sigmas is not None:
        raise InputError("only flow Euler takes levels of its own", got=name)
    return _SAMPLERS[name](config, steps, **extra)
