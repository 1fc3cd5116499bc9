"""Data on disk, crops, and a training that learns, stops and goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from composer.errors import InputError
from models.levy.recipe import data, train
from models.levy.recipe.commands import HOME
from models.levy.recipe.crops import Batch, Crops
from models.levy.recipe.data import Stored
from models.levy.recipe.export import write_bundle
from models.levy.recipe.net import SIZES
from models.levy.recipe.train import Trainer, TrainSpec, levels, trained, write_history


def test_pairs_come_back_from_disk_and_are_rendered_once(tmp_path: Path, pairs: list[Stored]) -> None:
    for pair in pairs:
        data.save(tmp_path, pair)
    (tmp_path / "00000009.123.part").write_bytes(b"half")
    back = data.read(data.path_of(tmp_path, pairs[1].number))
    assert back.text == pairs[1].text and (back.bytes == pairs[1].bytes).all() and (back.depth == pairs[1].depth).all()
    assert [int(p.stem) for p in data.there(tmp_path)] == [pairs[0].number]
    assert [int(p.stem) for p in data.there(tmp_path, held_out=True)] == [pairs[1].number]
    assert data.render(tmp_path, [p.number for p in pairs], jobs=0).total == 0
    assert data.render(tmp_path, [0, pairs[0].number], jobs=0, size_px=(64, 48)).done == 1
    assert data.read(data.path_of(tmp_path, 0)).depth.shape == (48, 64)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".npz"] * 3


@pytest.mark.slow
def test_processes_render_the_same(tmp_path: Path) -> None:
    """Its fast twin renders in this process."""
    done = data.render(tmp_path / "a", [0, 1], jobs=2, size_px=(64, 48))
    data.render(tmp_path / "b", [0, 1], jobs=0, size_px=(64, 48))
    assert done.done == 2 and not done.failed
    for a, b in zip(data.there(tmp_path / "a"), data.there(tmp_path / "b"), strict=True):
        assert (data.read(a).bytes == data.read(b).bytes).all()


def crops_of(pairs: list[Stored]) -> Crops:
    crops = Crops()
    for pair in pairs:
        crops.add(pair)
    return crops


def test_crops_are_shown_somebody_and_now_and_then_no_guide(pairs: list[Stored]) -> None:
    crops = crops_of(pairs)
    batch = crops.batch(np.random.default_rng(1), 48, 64)
    assert batch.clean.shape == (48, 12, 32, 32) and batch.hints[0].shape == (48, 7, 64, 64)
    assert (batch.weight.amax((1, 2, 3)) > 2).float().mean() > 0.7
    blank = [not h.any() for h in batch.hints[0][:, :4]]
    bare = [not h.any() for h in batch.hints[0][:, 4:]]
    assert 0 < sum(blank) < 20 and 0 < sum(bare) < 35
    assert all(b for b, guided in zip(bare, batch.guided, strict=True) if not guided), "no albedo without a guide"
    grey = (batch.masked.abs() < 1e-6).flatten(1).float().mean(1) > 0.02
    assert 2 < int(grey.sum()) < 35
    again = crops.batch(np.random.default_rng(1), 48, 64)
    assert (again.clean == batch.clean).all() and (again.ids == batch.ids).all()


def test_couples_are_the_same_crop_in_two_states(pairs: list[Stored]) -> None:
    crops = crops_of(pairs)
    batch = crops.batch(np.random.default_rng(2), 24, 64)
    assert batch.couples == 6
    texts = [crops._tokens(t) for pair in pairs for t in (pair.text, pair.other_text)]
    differ = 0
    for k in range(0, 12, 2):
        for part in (batch.mask, batch.masked, batch.weight, batch.guided, *batch.hints):
            assert torch.equal(part[k], part[k + 1])
        first, second = batch.ids[k].tolist(), batch.ids[k + 1].tolist()
        if first in texts:
            differ += 1
            assert texts.index(second) == texts.index(first) + 1 and not torch.equal(batch.clean[k], batch.clean[k + 1])
    assert differ >= 3
    states = {texts.index(row) % 2 for row in batch.ids[12:].tolist() if row in texts}
    assert states == {0, 1}


def test_what_the_text_tells_weighs_more(tmp_path: Path, pairs: list[Stored], tiny: str) -> None:
    """An error that is opposite in the two states of a couple costs more than the same error in both."""
    crops = crops_of(pairs)
    trainer = Trainer(TrainSpec(tiny, steps=1, batch=8), crops, tmp_path)
    batch = crops.batch(np.random.default_rng(2), 8, 64)
    assert batch.couples == 2
    batch = replace(batch, guided=torch.ones(8), agent=torch.zeros_like(batch.agent))

    def loss(signs: list[float]) -> float:
        off = torch.tensor(signs)[:, None, None, None]
        trainer._call = lambda *_: batch.clean + 0.1 * off
        return float(trainer.loss(batch, np.random.default_rng(3)))

    alone = loss([0, 0, 0, 0, 1, 1, 1, 1])
    same, opposite = loss([1, 1, 1, 1, 0, 0, 0, 0]), loss([1, -1, 1, -1, 0, 0, 0, 0])
    assert alone > 0 and opposite == pytest.approx((1 + train.TOLD_WEIGHT) * same, rel=1e-3)


def test_levels_end_in_pure_noise() -> None:
    signal, sigma = levels()
    assert signal[-1] == 0 and sigma[-1] == 1 and signal[0] > 0.99
    torch.testing.assert_close(signal**2 + sigma**2, torch.ones(1000))


def test_averages_count_what_pixels_hide() -> None:
    """A wrong level costs the same as its square; an error that alternates costs nothing."""
    weight = torch.ones(1, 12, 8, 8)
    level = train._low(torch.full((1, 12, 8, 8), 0.1), weight, 4)
    torch.testing.assert_close(level, torch.tensor([0.01]))
    signs = torch.ones(8, 8)
    signs[::2] = -1
    assert float(train._low(0.1 * signs.expand(1, 12, 8, 8), weight, 4)) < 1e-12


def test_an_agent_counts_once_however_small(pairs: list[Stored]) -> None:
    """Who has fewer than 24 pixels, who is not guided, and nobody: not at all."""
    agent = torch.zeros(2, 16, 16, dtype=torch.int64)
    agent[0, :5, :5], agent[0, 6:, :], agent[0, 5, :5], agent[1] = 1, 2, 3, 4
    error = torch.zeros(2, 3, 16, 16)
    error[0, :, agent[0] == 0], error[0, :, agent[0] == 3], error[1] = 9.0, 9.0, 9.0
    guided = torch.tensor([1.0, 0.0])

    def loss() -> float:
        return float(train.agents_error(torch.nn.functional.pixel_unshuffle(error, 2), agent, guided))

    assert loss() == 0
    error[0, :, agent[0] == 1] = 0.2
    assert loss() == pytest.approx((0.2 - train.SMALL_ERROR / 2) / 2)
    error[0, :, agent[0] == 2] = -0.01
    half = 0.5 * 0.01**2 / train.SMALL_ERROR
    assert loss() == pytest.approx((0.2 - train.SMALL_ERROR / 2 + half) / 2)
    assert float(train.agents_error(torch.ones(2, 12, 8, 8), agent, torch.zeros(2))) == 0


def test_crops_of_one_batch_share_no_agent(pairs: list[Stored]) -> None:
    batch = crops_of(pairs).batch(np.random.default_rng(4), 8, 160)
    assert batch.agent.shape == (8, 128, 128), "the small pictures give no larger ones"
    seen = [set(torch.unique(a).tolist()) - {0} for a in batch.agent]
    assert all(seen) and sum(map(len, seen)) == len(set().union(*seen))


class Fixed(Crops):
    """The same two crops at every step."""

    def batch(self, rng: np.random.Generator, count: int, side_px: int) -> Batch:
        return super().batch(np.random.default_rng(5), 2, 64)


def test_a_few_steps_lower_the_loss(
    tmp_path: Path, pairs: list[Stored], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "WARM_UP_STEPS", 2)
    crops = Fixed()
    crops.add(pairs[0])
    trainer = Trainer(TrainSpec(tiny, steps=30, batch=2, rate=3e-3, log_every=5), crops, tmp_path)
    batch = crops.batch(np.random.default_rng(0), 2, 64)

    def loss() -> float:
        with torch.no_grad():
            return float(trainer.loss(batch, np.random.default_rng(3)))

    before = loss()
    trainer.run(until=24)
    assert loss() < 0.7 * before
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {5, 10, 15, 20} <= {line["step"] for line in lines} and all(line["loss"] > 0 for line in lines)


def test_going_on_is_as_if_never_stopped(tmp_path: Path, pairs: list[Stored], tiny: str) -> None:
    spec, crops = TrainSpec(tiny, steps=5, batch=2), crops_of(pairs)
    whole = Trainer(spec, crops, tmp_path / "whole")
    whole.run()
    Trainer(spec, crops, tmp_path / "parts").run(until=3)
    second = Trainer(spec, crops, tmp_path / "parts")
    assert second.step == 3
    second.run()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    net, state = trained(tmp_path / "parts")
    assert state["step"] == 5 and all(
        torch.equal(v, net.state_dict()[k]) for k, v in whole.averaged().state_dict().items()
    )
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["checkpoint"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, pairs: list[Stored], tiny: str) -> None:
    crops = crops_of(pairs[:1])
    Trainer(TrainSpec(tiny, steps=2, batch=2), crops, tmp_path).save()
    with pytest.raises(InputError, match="another network"):
        Trainer(TrainSpec("small", steps=2, batch=2), crops, tmp_path)
    with pytest.raises(InputError, match="nothing is trained"):
        trained(tmp_path / "elsewhere")


def test_a_training_begins_where_another_ended(tmp_path: Path, pairs: list[Stored], tiny: str) -> None:
    crops = crops_of(pairs)
    first = Trainer(TrainSpec(tiny, steps=3, batch=2), crops, tmp_path / "first")
    first.run()
    spec = TrainSpec(tiny, steps=2, batch=2, start=tmp_path / "first")
    second = Trainer(spec, crops, tmp_path / "second")
    for name, value in first.averaged().state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    assert second.step == 0
    second.run()
    assert trained(tmp_path / "second")[1]["before"] == [{"steps": 3, "seconds": pytest.approx(first.spent)}]
    with pytest.raises(InputError, match="another network"):
        Trainer(TrainSpec("thin", steps=2, start=tmp_path / "first"), crops, tmp_path / "third")


def test_a_training_begins_with_a_bundle(tmp_path: Path, pairs: list[Stored], tiny: str) -> None:
    """As it is shipped: half precision, with the history that `export` leaves beside the card."""
    first = Trainer(TrainSpec(tiny, steps=3, batch=2), crops_of(pairs), tmp_path / "first")
    first.run()
    net = first.averaged().half().float()
    write_bundle(net, tmp_path / "levy")
    with pytest.raises(InputError, match="nothing is trained"):
        trained(tmp_path / "levy")
    write_history(first.state(), tmp_path / "levy")
    second = Trainer(TrainSpec(tiny, steps=2, start=tmp_path / "levy"), crops_of(pairs), tmp_path / "second")
    assert second.before == [{"steps": 3, "seconds": pytest.approx(first.spent, abs=0.1)}]
    for name, value in net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    with pytest.raises(InputError, match="another network"):
        Trainer(TrainSpec("thin", steps=2, start=tmp_path / "levy"), crops_of(pairs), tmp_path / "third")


def test_the_shipped_weights_can_be_trained_on() -> None:
    net, state = trained(HOME)
    assert sum(p.numel() for p in net.parameters()) > 1e7 and state["spec"]["size"] in SIZES and state["step"] > 1000


def test_pairs_in_memory_are_spread_over_all_of_them(tmp_path: Path) -> None:
    """By their bytes: pictures may be of several sizes."""
    paths = [tmp_path / f"{n}.npz" for n in range(12)]
    for n, path in enumerate(paths):
        path.write_bytes(b"0" * (300 if n < 4 else 100))
    assert data.in_memory(paths, 10_000) == paths and data.in_memory([], 5) == []
    some = data.in_memory(paths, 1000)
    assert len(some) == 6 and some[0] == paths[0] and some[-1] == paths[10]
