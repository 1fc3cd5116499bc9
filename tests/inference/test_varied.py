"""Where wear lies: fields of the noise against SciPy, mixtures of known pictures, and through the engine."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.adapters import SmallAdapter, small_request, within
from torch import Tensor

from composer.guides.control import control_depth
from composer.inference import varied
from composer.inference.adapter import Prepared, Schedule
from composer.inference.engine import Engine, EngineOptions
from composer.inference.hold import silhouettes
from composer.inference.noise import ScreenNoise
from composer.inference.request import F32, PaintRequest, Prompt
from composer.inference.schedule import schedule_of
from composer.inference.varied import Varied, largeness, other_words, reworded, shares_of, varied_of

CLEAN = {"_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}
CLEAN |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}  # type: ignore[dict-item]
WEARS = ("clean", "worn", "muddy", "bloody", "dusty and torn")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("red army, worn, high sun", ("red army, clean, high sun", "red army, dusty and torn, high sun")),
        ("archers, clean", ("archers, worn", "archers, dusty and torn")),
        ("dusty and torn, worn boots", ("clean, worn boots", "bloody, worn boots")),
        ("uncleaned swords", ("uncleaned swords, clean", "uncleaned swords, dusty and torn")),
        ("", ("clean", "dusty and torn")),
    ],
)
def test_other_words_are_the_ends_that_a_text_does_not_name(text: str, others: tuple[str, str]) -> None:
    assert other_words(WEARS, text) == others


def test_all_prompts_come_in_one_state_after_the_other() -> None:
    weight = np.ones((1, 8, 8), np.float32)
    prompts = (Prompt("worn", "smoke", weight), Prompt("muddy"))
    told = reworded(prompts, WEARS)
    assert [p.text for p in told] == ["clean", "clean", "dusty and torn", "dusty and torn"]
    assert told[0].negative == told[2].negative == "smoke" and told[2].weight is weight


def noise(seed: int, size: tuple[int, int] = (48, 64)) -> Tensor:
    return torch.from_numpy(
        np.stack([ScreenNoise(9 * seed + t).smooth(0, varied.STATES, size, 2) for t in range(2)], 1)
    )


def test_no_state_is_rare() -> None:
    share = shares_of(noise(1), torch.ones(2, 48, 64))
    torch.testing.assert_close(share.sum(0), torch.ones(2, 48, 64))
    many = torch.cat([shares_of(noise(seed), torch.ones(2, 48, 64)) for seed in range(12)], 1).mean((1, 2, 3))
    assert many.min() > 0.2 and many.max() < 0.45
    np.testing.assert_allclose((share[1] / share[0]).log(), varied.SHARP * noise(1)[0], atol=1e-4)
    half = shares_of(noise(1), torch.full((2, 48, 64), 0.5))
    torch.testing.assert_close(half.sum(0), torch.ones(2, 48, 64))
    torch.testing.assert_close(half[1:], 0.5 * share[1:])


def test_each_agent_keeps_his_mean_and_nobody_else_changes() -> None:
    dice = torch.Generator().manual_seed(3)
    own = torch.rand(12, 2, 48, 64, generator=dice)
    others = [own + torch.rand(12, 1, 1, 1, generator=dice) for _ in range(varied.STATES)]
    agents = torch.zeros(2, 48, 64, dtype=torch.int64)
    agents[:, 4:40, 5:25], agents[0, 10:44, 30:60], agents[1, 3, 3] = 7, 4_000_000_000, 9
    got = Varied(agents, shares_of(noise(4), torch.ones(2, 48, 64))).mixed(own, others)
    assert torch.equal(got[:, agents == 0], own[:, agents == 0])
    for t in range(2):
        for who in (7, 4_000_000_000):
            his = agents[t] == who
            if his.any():
                torch.testing.assert_close(got[:, t, his].mean(1), own[:, t, his].mean(1), atol=1e-5, rtol=0)
                assert (got - own)[:, t, his].std(1).min() > 0.02
    torch.testing.assert_close(got[:, 1, 3, 3], own[:, 1, 3, 3])  # he is as large as one latent
    span = (got - own).flatten(1).max(1).values - (got - own).flatten(1).min(1).values
    most = torch.stack([(other - own).flatten(1).amax(1) for other in others]).amax(0)
    assert (span <= 2 * varied.STRENGTH * most).all()
    assert torch.equal(Varied(agents, shares_of(noise(4), torch.ones(2, 48, 64))).mixed(own, [own, own]), own)


class TwoStates(SmallAdapter):
    """Its texts come in two more states."""

    def __init__(self, states: int = varied.STATES) -> None:
        super().__init__()
        self._states, self.asked = states, list[int]()

    def schedule(self, steps: int) -> Schedule:
        self.asked.append(steps)
        return schedule_of(CLEAN, steps)

    def prepare(self, request: PaintRequest) -> Prepared:
        prompts = request.prompts or (Prompt("worn"),)
        own = super().prepare(request)
        if self._states:
            blank = np.ones_like(request.mask)
            everywhere = tuple(replace(p, weight=blank) for p in (*prompts, *reworded(prompts, WEARS)))
            super().prepare(replace(request, prompts=everywhere))
        return replace(own, states=self._states)


def _request() -> PaintRequest:
    request = small_request((96, 128))
    who = np.zeros_like(request.agent_id)
    who[0, 10:60, 10:50], who[0, 30:90, 60:110] = 3, 4
    return replace(request, agent_id=who, prompts=(Prompt("worn"),))


def _painted(request: PaintRequest, steps: int, adapter: TwoStates, tile: tuple[int, int] = (24, 32)) -> F32:
    return Engine(adapter, EngineOptions(tile=tile)).paint(replace(request, steps=steps)).rgb[0]


def test_the_states_are_asked_in_place_of_steps() -> None:
    """As many calls as without, two of them in other words, and a picture that differs where somebody stands."""
    request, plain, mixing = _request(), TwoStates(0), TwoStates()
    without, mixed = _painted(request, 4, plain), _painted(request, 4, mixing)
    assert plain.asked == [4] and mixing.asked == [2]
    ran = [text for *_, text in mixing.seen]
    assert {0, 1, 2} == set(ran) and ran.count(1) == ran.count(2)
    men = request.agent_id[0] > 0
    assert np.abs(mixed - without)[men].mean() > 0.003
    for steps in (1, 3):
        few = TwoStates()
        np.testing.assert_array_equal(_painted(request, steps, few), _painted(request, steps, TwoStates(0)))
        assert few.asked == [steps]


def test_mixtures_are_tiled_alike_and_keep_what_is_not_painted() -> None:
    request = within(_request(), 24, 72, 32, 96, strength=1.0)
    whole, tiled = (_painted(request, 4, TwoStates(), tile) for tile in ((24, 32), (12, 20)))
    assert np.abs(whole - tiled).max() < 1e-4
    outside = request.mask[0] == 0
    np.testing.assert_allclose(whole[outside], request.guide[0][outside], atol=1e-5)


def test_those_who_begin_first_are_mixed() -> None:
    """Whoever is to be nearer to his guide than others stays, and so do silhouettes."""
    request, space = _request(), SmallAdapter().space
    strength = np.full_like(request.strength, 0.6)
    strength[:, :48] = 0.3
    edges = silhouettes(request, space)
    found = varied_of(replace(request, strength=strength), space, 6, edges)
    assert found is not None
    assert not found.agents[:, :12].any() and set(found.agents.unique().tolist()) == {0, 3, 4}
    assert not found.agents[edges].any()


def test_weaker_pictures_are_mixed_at_their_first_step() -> None:
    request = _request()
    weak = replace(request, strength=np.full_like(request.strength, 0.6))
    mixing = TwoStates()
    mixed = _painted(weak, 8, mixing)
    assert mixing.asked == [6]
    ran = [text for *_, text in mixing.seen]
    assert ran == [0, 0, 1, 2, 0, 0, 0]  # to measure memory; then steps 2 to 5, the first of them in three states
    assert np.abs(mixed - _painted(weak, 8, TwoStates(0)))[request.agent_id[0] > 0].mean() > 0.002


def test_a_mans_height_follows_from_the_control_depth() -> None:
    near, far, focal = 8.0, 200.0, 1500.0
    distance = np.array([[8.0, 30.0, 45.0, 60.0, 199.0]], np.float32)
    depth = control_depth(distance, near, far)
    height = varied.MAN_M * focal / distance
    expected = (height - varied.SMALL_PX) / (varied.LARGE_PX - varied.SMALL_PX)
    np.testing.assert_allclose(largeness(depth, (focal / far, focal / near)), expected.clip(0, 1), atol=1e-4)
    assert largeness(depth, (focal / far, focal / near))[0].tolist()[::4] == [1, 0]
    assert (largeness(depth, (math.inf, math.inf)) == 1).all()


def _seen_at(height_px: tuple[float, float]) -> PaintRequest:
    """The first agent's and the second's height."""
    request = _request()
    depth = np.where(request.agent_id == 3, np.float32(0), np.float32(1))
    far, near = (h / varied.MAN_M for h in height_px)
    return replace(request, depth=depth, metre_px=(far, near))


def test_small_people_are_not_mixed_and_nobody_is_asked_where_all_are() -> None:
    mixing, two = TwoStates(), TwoStates(0)
    painted = _painted(_seen_at((20.0, 47.0)), 4, mixing)
    assert mixing.asked == [2] and {text for *_, text in mixing.seen} == {0}
    np.testing.assert_array_equal(painted, _painted(_seen_at((20.0, 47.0)), 2, two))
    some, who = _painted(_seen_at((20.0, 90.0)), 4, TwoStates()), _request().agent_id[0]
    space = SmallAdapter().space
    found = varied_of(_seen_at((20.0, 90.0)), space, 4, silhouettes(_request(), space))
    assert found is not None and set(found.agents.unique().tolist()) == {0, 4}
    assert np.abs(some - painted)[who == 4].mean() > 0.001


def test_coming_nearer_nobody_jumps() -> None:
    """Nothing changes at once where the first of them is large enough."""
    small, first, more = (_painted(_seen_at((20.0, h)), 4, TwoStates()) for h in (47.9, 48.2, 60.0))
    assert 0 < np.abs(first - small).max() < 0.05 * np.abs(more - small).max()


@pytest.mark.parametrize("change", ["weak", "nobody"])
def test_without_anybody_to_mix_all_steps_are_the_samplers(change: str) -> None:
    """Nobody is there, or a single step would be left after the mixture."""
    request = _request()
    if change == "weak":
        request = replace(request, strength=np.full_like(request.strength, 0.45))
    else:
        request = replace(request, agent_id=np.zeros_like(request.agent_id))
    mixing = TwoStates()
    np.testing.assert_array_equal(_painted(request, 4, mixing), _painted(request, 4, TwoStates(0)))
    assert mixing.asked == [4]
