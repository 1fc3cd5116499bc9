"""A captured step of every family may be replayed wherever the engine replays it: other tiles, other steps, other frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.bundles import VARIANTS
from support.painting import batch_of, noise_of, request_of
from support.tape import Tape, TapedDenoiser, reads_of

from composer.inference.adapter import Adapter, TileBatch
from composer.inference.bundle import load_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import open_adapter
from composer.inference.graphs import Denoiser
from composer.inference.request import PaintRequest, Prompt

AdapterOf = Callable[[str], Adapter]
EARLY, LATE = 950.0, 900.0  # of the first stage


@pytest.fixture(params=VARIANTS)
def adapter(request: pytest.FixtureRequest, adapter_of: AdapterOf) -> Adapter:
    return adapter_of(request.param)


def reference(shade: float) -> tuple[np.ndarray, ...]:
    return (np.full((20, 30, 3), shade, np.float32),)


def first_request(adapter: Adapter, **changes: object) -> PaintRequest:
    return request_of(adapter.space.frames, **{"references": reference(0.4), **changes})


def other_frame(request: PaintRequest) -> PaintRequest:
    """Other pictures, the same texts, references and guidance."""
    moved = {n: np.roll(getattr(request, n), 5, axis=2) for n in ("plate", "guide", "depth", "pose", "normal")}
    return replace(request, frames=tuple(n + 40 for n in request.frames), **moved)


def batch_at(adapter: Adapter, request: PaintRequest, timestep: float, place: int = 0) -> TileBatch:
    """The request's first text; the whole picture as one tile that says it is elsewhere."""
    batch = batch_of(adapter, adapter.prepare(request), noise_of(request, adapter), 0, timestep)
    batch = replace(batch, places=torch.tensor([[0, place]], dtype=torch.int32), size=(64, 64))
    return replace(batch, latents=batch.latents * (1 + 0.1 * place))


def captured(adapter: Adapter) -> TapedDenoiser:
    """Called twice: the first call fills caches, the second is kept."""
    denoiser = TapedDenoiser(adapter)
    for _ in range(2):
        denoiser(batch_at(adapter, first_request(adapter), EARLY))
    assert len(denoiser.tapes) == 1
    return denoiser


def test_a_graph_serves_other_tiles_steps_and_frames(adapter: Adapter) -> None:
    denoiser = captured(adapter)
    base = first_request(adapter)
    for request, timestep, place in ((base, EARLY, 24), (base, LATE, 0), (other_frame(base), LATE, 40)):
        batch = batch_at(adapter, request, timestep, place)
        denoiser.new_request(1)
        count = denoiser.replays
        replayed = denoiser(batch).clone()
        assert denoiser.replays == count + 1 and len(denoiser.tapes) == 1
        torch.testing.assert_close(replayed, adapter.denoise(batch), atol=1e-6, rtol=1e-5)


def test_it_does_not_serve_what_it_cannot_know_of(adapter: Adapter) -> None:
    """Text, guidance and, where they are taken, references are in the code's hands, not in the graph's."""
    base = first_request(adapter)
    changes: list[dict[str, object]] = [{"guidance": 7.0}, {"guidance": 1.0}, {"prompts": (Prompt("clean knights"),)}]
    changes += [{"prompts": (Prompt("a muddy soldier", "gold"),)}]
    changes += [{"references": reference(0.9)}] if "references" in adapter.takes else []
    denoiser = captured(adapter)
    for change in changes:
        batch = batch_at(adapter, replace(base, **change), EARLY)
        found = denoiser(batch).clone()
        assert denoiser.replays == 1, f"{change}: replayed"  # the one of the capture
        torch.testing.assert_close(found, adapter.denoise(batch), atol=1e-6, rtol=1e-5)
    assert len(denoiser._ready) == 1
    denoiser.new_request(1)
    assert not denoiser._ready  # its memory goes with it


def test_each_stage_has_a_graph_of_its_own(adapter_of: AdapterOf) -> None:
    adapter = adapter_of("wan-vace-2.2")
    denoiser, base = captured(adapter), first_request(adapter)
    for timestep in (100.0, 90.0, 80.0):
        batch = batch_at(adapter, base, timestep)
        torch.testing.assert_close(denoiser(batch).clone(), adapter.denoise(batch), atol=1e-6, rtol=1e-5)
    assert [tape.replays for tape in denoiser.tapes] == [1, 2]


def test_what_a_step_reads_of_its_adapter_stays_or_is_in_the_key(adapter: Adapter) -> None:
    """Another frame leaves everything as it was. With another text, guidance or reference only these two change, inside."""
    base = first_request(adapter)
    before = reads_of(adapter, batch_at(adapter, base, EARLY))
    key = adapter.work_key(0)
    same = reads_of(adapter, batch_at(adapter, other_frame(base), LATE, 24))
    assert before.keys() == same.keys() and all(same[name] is before[name] for name in before)
    assert adapter.work_key(0) == key
    assert not {
        n for n, v in before.items() if isinstance(v, dict | list | set) and n not in ("controls", "modes", "scales")
    }
    told = replace(base, prompts=(Prompt("clean knights"),), guidance=5.0, references=reference(0.9))
    after = reads_of(adapter, batch_at(adapter, told, EARLY))
    assert all(after[name] is before[name] for name in before) and adapter.work_key(0) != key


def test_a_tape_is_as_strict_as_a_graph() -> None:
    """The oracle itself: it repeats the work on the same tensors, and refuses what a card would."""
    x, kept = torch.ones(3), {"scale": 2.0}
    with Tape() as tape:
        out = (x * kept["scale"])[1:] + x[:2]
    x.fill_(5.0)
    kept["scale"] = 7.0
    tape.replay()
    assert out.tolist() == [15.0, 15.0]  # the number that the code had then
    for refused in (lambda: float(x.sum()), lambda: torch.tensor([1.0]) + x, lambda: x[x > 0]):
        with pytest.raises(RuntimeError, match="capturing"), Tape():
            refused()


def test_what_cannot_be_captured_is_called_and_noted(adapter_of: AdapterOf, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapter_of("sd15")
    real = adapter.predict
    monkeypatch.setattr(adapter, "predict", lambda batch: real(batch) * float(batch.timestep[0] > 0))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    denoiser, batch = TapedDenoiser(adapter), batch_at(adapter, first_request(adapter), EARLY)
    for _ in range(3):
        torch.testing.assert_close(denoiser(batch), adapter.denoise(batch))
    assert "cannot be captured (not permitted" in denoiser.take_notes()[0] and denoiser.take_notes() == []


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS)
def test_on_a_card(variant: str, bundle_folder: Callable[[str], Path]) -> None:
    """The same with real graphs: frame after frame, with and without them."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    adapter = open_adapter(load_bundle(bundle_folder(variant)), "cuda", "float32")
    plain, graphs = (Engine(adapter, EngineOptions(graphs=on, batch=2)) for on in (False, True))
    base = first_request(adapter, size=(64, 128), steps=4)
    for request in (base, other_frame(base), replace(base, guidance=1.0), base):
        without, with_graphs = plain.paint(request), graphs.paint(request)
        assert not any("cannot be captured" in note for note in with_graphs.notes)
        assert np.abs(with_graphs.rgb - without.rgb).max() < 1e-4
    denoiser = graphs._denoiser
    assert isinstance(denoiser, Denoiser) and denoiser._ready, "nothing was captured"
