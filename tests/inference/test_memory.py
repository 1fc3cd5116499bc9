"""What tiles cost, as measured."""

from __future__ import annotations

import pytest
import torch

from composer.inference.memory import LiveBytes, TileCost, cost_of, download, free_bytes, peak_of, upload

CPU = torch.device("cpu")
MB = 1 << 20


def test_live_bytes_counts_what_is_alive() -> None:
    with LiveBytes() as live:
        first = torch.zeros(MB, dtype=torch.uint8)
        second = torch.zeros(2 * MB, dtype=torch.uint8)
        view = second[: MB // 2]  # no memory of its own
        del second
        assert live.live == 3 * MB
        del view
        third = torch.zeros(MB, dtype=torch.uint8)
    assert live.peak == 3 * MB and live.live == 2 * MB
    assert first.numel() == third.numel()


def test_what_was_there_before_does_not_count() -> None:
    before = torch.zeros(4 * MB, dtype=torch.uint8)
    with LiveBytes() as live:
        before[:MB].add_(1)
        before[:MB].clone()
    assert live.peak == MB


def test_the_cost_of_a_tile_is_measured() -> None:
    cost = cost_of(lambda b: torch.zeros(b * MB, dtype=torch.uint8).add(1), CPU, tiles=9)
    assert cost.of(3) == 6 * MB


@pytest.mark.gpu
def test_the_cost_of_a_tile_on_a_card() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    card = torch.device("cuda")
    cost = cost_of(lambda b: torch.zeros((b + 2) * MB, dtype=torch.uint8, device=card).add(1), card, tiles=9)
    assert cost.per_tile == pytest.approx(2 * MB, rel=0.01) and cost.fixed == pytest.approx(4 * MB, rel=0.01)


def test_the_batch_is_what_fits() -> None:
    cost = TileCost(fixed=10, per_tile=10)
    assert cost.batch_within(100, 16) == 8  # 90 of 100 bytes may be taken
    assert cost.batch_within(100, 4) == 4
    assert cost.batch_within(15, 4) == 0


def test_a_limit_is_the_most_there_is() -> None:
    assert free_bytes(CPU, 1000) == 1000
    assert free_bytes(CPU, None) > 100 * MB


def test_a_block_is_measured() -> None:
    with peak_of(CPU) as peak:
        torch.zeros(3 * MB, dtype=torch.uint8)
    assert peak.bytes == 3 * MB


def test_there_and_back() -> None:
    data = torch.randn(3, 4).numpy()
    assert (download(upload(data, CPU)) == data).all()
