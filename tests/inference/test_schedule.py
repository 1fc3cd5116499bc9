"""`schedule_of` against diffusers' own schedulers: whole trajectories with a random linear network in the model's place."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
import pytest
import torch

from composer.errors import InputError
from composer.inference.adapter import Schedule
from composer.inference.schedule import flow_mu, inflated, schedule_of, substitution

diffusers = pytest.importorskip("diffusers")
SHAPE = (1, 4, 3, 5)
#: diffusers computes its levels and steps in float32; a trajectory of up to 25 linear steps gathers that many roundings.
TOLERANCE = 3e-4
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SD = {**BETAS, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}


class Network:
    """p = channel mix of x plus a smooth function of the timestep; any fixed one would do."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(5)
        self.mix = 0.4 * torch.randn(4, 4, generator=g)
        self.bias = torch.randn(SHAPE, generator=g)

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.einsum("ij,bjhw->bihw", self.mix, x) + self.bias * float(np.cos(t / 300.0))


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def ours(schedule: Schedule, upto: int | None = None) -> torch.Tensor:
    network = Network()
    x = drawn(99) * float(schedule.sigma[0])
    before = torch.zeros(SHAPE)
    for i in range(len(schedule) if upto is None else upto):
        p = network(x * float(schedule.scale_in[i]), float(schedule.timestep[i]))
        x = (
            float(schedule.keep[i]) * x
            + float(schedule.pred[i]) * p
            + float(schedule.previous[i]) * before
            + float(schedule.noise[i]) * drawn(i)
        )
        before = p
    return x


def theirs(scheduler: Any, start: float, **step: float) -> torch.Tensor:
    network = Network()
    x = drawn(99) * start
    draws = "generator" in inspect.signature(scheduler.step).parameters
    for i, t in enumerate(scheduler.timesteps):
        drawing = {"generator": torch.Generator().manual_seed(i)} if draws else {}
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        p = network(scaled, float(t))
        x = scheduler.step(p, t, x, **drawing, **step).prev_sample
    return x


def agree(name: str, settings: dict[str, Any], steps: int, step: dict[str, float] | None = None, **extra: Any) -> None:
    made = {k: extra[k] for k in ("mu", "sigmas") if k in extra}
    scheduler = getattr(diffusers, name)(**settings)
    config = {**scheduler.config, "_class_name": name}
    schedule = schedule_of(config, steps, **made, **(step or {}))
    scheduler.set_timesteps(**({} if "sigmas" in made else {"num_inference_steps": steps}), **made)
    np.testing.assert_allclose(schedule.timestep, scheduler.timesteps.numpy(), rtol=1e-5, atol=2e-3)
    expected = theirs(scheduler, float(schedule.sigma[0]), **(step or {}))
    got = ours(schedule)
    assert torch.isfinite(expected).all()
    assert (got - expected).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_ddim(prediction: str, spacing: str, eta: float) -> None:
    settings = {**SD, "prediction_type": prediction, "timestep_spacing": spacing}
    settings |= {"steps_offset": 0} if spacing != "leading" else {}
    agree("DDIMScheduler", settings, 13, {"eta": eta})


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
def test_ddim_from_pure_noise(prediction: str) -> None:
    settings = {**SD, "prediction_type": prediction, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
    agree("DDIMScheduler", {**settings, "set_alpha_to_one": True}, 10)
    schedule = schedule_of({"_class_name": "DDIMScheduler", **settings}, 10)
    assert schedule.signal[0] == pytest.approx(0, abs=1e-6) and schedule.sigma[0] == 1
    with pytest.raises(InputError, match="zero-terminal"):
        schedule_of({"_class_name": "DDIMScheduler", **settings, "prediction_type": "epsilon"}, 10)


@pytest.mark.parametrize("betas", [{"beta_schedule": "linear"}, {"beta_schedule": "squaredcos_cap_v2"}])
def test_other_betas(betas: dict[str, str]) -> None:
    agree("DDIMScheduler", {**betas, "clip_sample": False}, 7)
    given = {"trained_betas": np.linspace(1e-4, 0.02, 100).tolist(), "num_train_timesteps": 100}
    agree("DDIMScheduler", {**given, "clip_sample": False}, 7)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    "levels",
    [
        {},
        {"timestep_spacing": "leading", "steps_offset": 1},
        {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True, "final_sigmas_type": "sigma_min"},
        {"use_beta_sigmas": True},
        {"timestep_type": "continuous", "use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 12.0},
    ],
)
def test_euler(prediction: str, levels: dict[str, Any]) -> None:
    agree("EulerDiscreteScheduler", {**BETAS, **levels, "prediction_type": prediction}, 11)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_euler_ancestral(prediction: str, spacing: str) -> None:
    agree("EulerAncestralDiscreteScheduler", {**BETAS, "prediction_type": prediction, "timestep_spacing": spacing}, 9)


@pytest.mark.parametrize("settings", [{}, {"timestep_scaling": 4.0, "prediction_type": "v_prediction"}])
@pytest.mark.parametrize("steps", [1, 4])
def test_lcm(settings: dict[str, Any], steps: int) -> None:
    agree("LCMScheduler", {**BETAS, **settings, "clip_sample": False}, steps)


@pytest.mark.parametrize(
    "settings",
    [
        {"shift": 3.0},
        {"shift": 1.0, "use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
        {"shift": 5.0, "stochastic_sampling": True},
        {"shift_terminal": 0.02},
    ],
)
def test_flow(settings: dict[str, Any]) -> None:
    agree("FlowMatchEulerDiscreteScheduler", settings, 12)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_flow_shifts_by_the_pictures_size(kind: str) -> None:
    settings = {"use_dynamic_shifting": True, "time_shift_type": kind, "shift_terminal": 0.02, "base_shift": 0.5,
                "max_shift": 0.9, "max_image_seq_len": 8192}  # fmt: skip
    mu = flow_mu(settings, 4096)
    assert mu == pytest.approx(0.5 + 0.4 * (4096 - 256) / (8192 - 256))
    agree("FlowMatchEulerDiscreteScheduler", settings, 8, mu=mu)
    agree("FlowMatchEulerDiscreteScheduler", settings, 8, mu=mu, sigmas=np.linspace(1.0, 1 / 8, 8))
    with pytest.raises(InputError, match="picture's size"):
        schedule_of({"_class_name": "FlowMatchEulerDiscreteScheduler", **settings}, 8)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize(
    "levels",
    [
        {"timestep_spacing": "linspace"},
        {"timestep_spacing": "leading", "steps_offset": 1},
        {"timestep_spacing": "trailing", "final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True},
        {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
    ],
)
def test_first_order_solvers(prediction: str, levels: dict[str, Any]) -> None:
    settings = {**BETAS, **levels, "prediction_type": prediction, "solver_order": 1}
    agree("DPMSolverMultistepScheduler", settings, 10)
    agree("DPMSolverMultistepScheduler", {**settings, "algorithm_type": "sde-dpmsolver++"}, 10)
    settings.pop("lambda_min_clipped", None)
    agree("UniPCMultistepScheduler", {**settings, "disable_corrector": list(range(11))}, 10)


@pytest.mark.parametrize("extra", [{}, {"use_karras_sigmas": True}, {"shift_terminal": 0.05}])
def test_first_order_flow_solvers(extra: dict[str, Any]) -> None:
    settings = {**FLOW, **extra, "solver_order": 1}
    agree("UniPCMultistepScheduler", {**settings, "disable_corrector": list(range(11))}, 10)
    if not extra:
        agree("DPMSolverMultistepScheduler", settings, 10)


@pytest.mark.parametrize("steps", [9, 20])
def test_solver_of_clean_predictions_is_the_solver_itself(steps: int) -> None:
    agree("DPMSolverMultistepScheduler", {**BETAS, "prediction_type": "sample"}, steps)
    config = {**BETAS, "_class_name": "DPMSolverMultistepScheduler", "prediction_type": "sample"}
    assert substitution(config) == ""


@pytest.mark.parametrize("settings", [{"use_karras_sigmas": True}, FLOW])
def test_second_order_is_adams_bashforth(settings: dict[str, Any]) -> None:
    """LMSDiscreteScheduler integrates the same two-step polynomial by quadrature; the last step is ours alone."""
    dpm = diffusers.UniPCMultistepScheduler(**BETAS, **settings)
    dpm.set_timesteps(10)
    lms = diffusers.LMSDiscreteScheduler(**BETAS)
    lms.set_timesteps(10)
    lms.sigmas, lms.is_scale_input_called = dpm.sigmas, True
    flow = "use_flow_sigmas" in settings
    network = Network()
    schedule = schedule_of({**dpm.config, "_class_name": "UniPCMultistepScheduler"}, 10)
    size = np.ones(11) if flow else np.sqrt(1 + dpm.sigmas.double().numpy() ** 2)
    x = drawn(99) * float(schedule.sigma[0]) * float(size[0])
    for i, t in enumerate(dpm.timesteps[:9]):
        p = network(x / float(size[i]), float(t))
        x = lms.step(p, lms.timesteps[i], x, order=2).prev_sample
    got = ours(schedule, upto=9)
    assert (got - x / float(size[9])).abs().max() <= TOLERANCE * max(1.0, float(got.abs().max()))
    assert "Adams" in substitution(dict(dpm.config) | {"_class_name": "UniPCMultistepScheduler"})


def test_second_order_comes_closer_to_the_flow() -> None:
    """Velocity of a Gaussian of spread 0.5: the flow ends at 0.5 z exactly."""

    def miss(order: int) -> float:
        schedule = schedule_of({"_class_name": "UniPCMultistepScheduler", **FLOW, "solver_order": order}, 20)
        x, before = 1.0, 0.0
        for i in range(20):
            s = float(schedule.sigma[i])
            variance = (1 - s) ** 2 * 0.25 + s * s
            p = x * (s - (1 - s) * 0.25) / variance
            x = float(schedule.keep[i]) * x + float(schedule.pred[i]) * p + float(schedule.previous[i]) * before
            before = p
        return abs(x - 0.5)

    assert miss(2) < 0.5 * miss(1)


def test_pndm_runs_as_ddim_and_says_so() -> None:
    pndm = {**SD, "_class_name": "PNDMScheduler", "skip_prk_steps": True}
    ddim = schedule_of({**SD, "_class_name": "DDIMScheduler"}, 20)
    np.testing.assert_array_equal(schedule_of(pndm, 20).keep, ddim.keep)
    assert "DDIM" in substitution(pndm) and substitution({**SD, "_class_name": "DDIMScheduler"}) == ""


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"_class_name": "HeunDiscreteScheduler"}, "not known"),
        ({}, "no _class_name"),
        ({"_class_name": "DDIMScheduler"}, "clips"),
        ({"_class_name": "DDIMScheduler", "clip_sample": False, "prediction_type": "score"}, "prediction_type"),
        ({"_class_name": "DDIMScheduler", "clip_sample": False, "beta_start": "0.1"}, "no number"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": True}, "invert_sigmas"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_lu_lambdas": True}, "use_lu_lambdas"),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}, "algorithm_type"),
        ({"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True, "use_beta_sigmas": True}, "several"),
        ({"_class_name": "LCMScheduler", "original_inference_steps": 4}, "at most 4"),
    ],
)
def test_what_is_not_linear_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        schedule_of(config, 5)


def test_inflated_noise_grows_evenly_to_the_gain_and_leaves_the_clean_latent() -> None:
    config = {
        "_class_name": "DDIMScheduler", "prediction_type": "sample", "clip_sample": False, "timestep_spacing": "trailing",
        "beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True,
    }  # fmt: skip
    plain = schedule_of(config, 5)
    louder = inflated(plain, 2.0)
    clean, noise = 0.3, -1.7
    x = plain.signal[0] * clean + plain.sigma[0] * noise
    for k in range(5):
        x = louder.keep[k] * x + louder.pred[k] * clean
        grown = 2.0 ** ((k + 1) / 4) * noise
        assert x == pytest.approx(plain.signal[k + 1] * clean + plain.sigma[k + 1] * grown, abs=1e-5)
    assert x == pytest.approx(clean, abs=1e-6)
    one = schedule_of(config, 1)
    np.testing.assert_array_equal(inflated(one, 2.0).pred, one.pred)
    with pytest.raises(InputError, match="cannot be made to grow"):
        inflated(schedule_of(config, 5, eta=1.0), 2.0)


def test_steps_and_extras_are_checked() -> None:
    config = {"_class_name": "EulerDiscreteScheduler"}
    for steps in (0, 1001):
        with pytest.raises(InputError, match="number of steps"):
            schedule_of(config, steps)
    with pytest.raises(InputError, match="eta"):
        schedule_of(config, 5, eta=1.0)
    with pytest.raises(InputError, match="levels of its own"):
        schedule_of(config, 5, sigmas=np.ones(5))


logging.getLogger("diffusers").setLevel(logging.ERROR)
