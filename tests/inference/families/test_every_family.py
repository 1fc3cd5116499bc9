"""What holds for every family: conditions count, the mask confines, texts speak where they are asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.bundles import VARIANTS
from support.painting import batch_of, noise_of, paint_plain, request_of, sample
from torch.utils._python_dispatch import TorchDispatchMode

from composer.inference.adapter import Adapter
from composer.inference.bundle import load_bundle
from composer.inference.engine import Engine, EngineOptions
from composer.inference.families import FAMILIES, open_adapter
from composer.inference.request import CONDITIONS, PaintRequest, Prompt

AdapterOf = Callable[[str], Adapter]


def _request(adapter: Adapter, **changes: object) -> PaintRequest:
    return request_of(adapter.space.frames, **{"steps": 2, **changes})


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def adapter(variant: str, adapter_of: AdapterOf) -> Adapter:
    return adapter_of(variant)


def test_depth_pose_text_and_guidance_each_change_the_picture(adapter: Adapter) -> None:
    base = _request(adapter)
    picture = paint_plain(adapter, base)
    assert torch.equal(picture, paint_plain(adapter, base)), "the same request must give the same picture"
    changes = {
        "depth": {"depth": np.roll(base.depth, 5, axis=2)},
        "pose": {"pose": np.roll(base.pose, 3, axis=1)},
        "text": {"prompts": (Prompt("clean knights"),)},
        "guidance": {"guidance": 1.0},
        "guide": {"guide": 1 - base.guide},
    }
    for name, change in changes.items():
        moved = (paint_plain(adapter, replace(base, **change)) - picture).abs().max()
        assert moved > 1e-5, f"{name} changes nothing"


def test_the_mask_confines_the_painting(adapter: Adapter) -> None:
    base = _request(adapter)
    known = adapter.prepare(base).known
    painted = sample(adapter, base, noise_of(base, adapter))
    outside = torch.ones_like(known, dtype=torch.bool)
    outside[:, :, 2:6, 2:6] = False
    assert torch.equal(painted[outside], known[outside])
    assert (painted - known)[~outside].abs().mean() > 0.1


def test_texts_need_not_be_there(adapter: Adapter) -> None:
    none = paint_plain(adapter, _request(adapter, prompts=()))
    empty = paint_plain(adapter, _request(adapter, prompts=(Prompt(""),)))
    assert torch.equal(none, empty) and bool(none.isfinite().all())


def test_a_bundle_s_own_text_stands_in_for_none(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    said = paint_plain(adapter, _request(adapter, prompts=(Prompt("muddy spearmen"),)))
    other = paint_plain(adapter, _request(adapter, prompts=(Prompt("gold"),)))
    options = {**adapter.bundle.options, "default_prompt": "muddy spearmen"}  # type: ignore[attr-defined]
    monkeypatch.setattr(adapter, "bundle", replace(adapter.bundle, options=options))  # type: ignore[attr-defined]
    for prompts in ((), (Prompt(""),)):
        assert torch.equal(paint_plain(adapter, _request(adapter, prompts=prompts)), said)
    assert torch.equal(paint_plain(adapter, _request(adapter, prompts=(Prompt("gold"),))), other)


def test_texts_speak_where_their_weight_is(adapter: Adapter) -> None:
    base = _request(adapter)
    left = np.zeros_like(base.mask)
    left[:, :, :32] = 0.5
    both = replace(base, prompts=(Prompt("mud", weight=left), Prompt("gold", weight=np.roll(left, 40, axis=2))))
    prepared = adapter.prepare(both)
    # from column 40 to the end the second speaks, with the first in columns 0 to 8; nobody does in columns 32 to 40
    total = prepared.weights.sum(0)
    assert prepared.weights.shape[0] == 3 and torch.allclose(total, torch.ones_like(total))
    assert torch.allclose(prepared.weights[:, 0, 0, 0], torch.tensor([0.5, 0.5, 0.0]))
    assert torch.equal(prepared.weights[:, 0, 0, 4], torch.tensor([0.0, 0.0, 1.0]))
    assert not torch.equal(*(_predicted(adapter, both, text) for text in (0, 1)))


def _predicted(adapter: Adapter, request: PaintRequest, text: int) -> torch.Tensor:
    prepared = adapter.prepare(request)
    return adapter.denoise(batch_of(adapter, prepared, noise_of(request, adapter), text, 500.0))


def test_a_batch_is_its_tiles_one_by_one(adapter: Adapter) -> None:
    base = _request(adapter, size=(64, 128))
    prepared, noise = adapter.prepare(base), noise_of(base, adapter)
    cuts = [slice(0, 8), slice(8, 16)]
    one = batch_of(adapter, prepared, noise, 0, 700.0)

    def tiles(which: list[slice]) -> torch.Tensor:
        canvases = {
            name: torch.cat([c.data[None, :, :, :, s.start * c.scale : s.stop * c.scale] for s in which])
            for name, c in prepared.canvases.items()
        }
        places = torch.tensor([(0, s.start) for s in which], dtype=torch.int32)
        latents, times = torch.stack([noise[..., s] for s in which]), torch.full((len(which),), 700.0)
        return adapter.denoise(replace(one, latents=latents, canvases=canvases, places=places, timestep=times))

    alone = torch.cat([tiles([s]) for s in cuts])
    assert torch.allclose(tiles(cuts), alone, atol=1e-4 * float(alone.abs().max()))
    assert not torch.allclose(alone[0], alone[1])


def test_what_is_not_taken_is_recorded(adapter: Adapter) -> None:
    base = _request(adapter, references=(np.full((20, 30, 3), 0.4, np.float32),))
    given = set(CONDITIONS)
    assert set(adapter.prepare(base).dropped) == given - adapter.takes
    assert adapter.takes <= FAMILIES[adapter.family].takes
    bare = replace(base, references=(), normal=0 * base.normal, albedo=0 * base.albedo, agent_id=0 * base.agent_id)
    assert not {"references", "normal", "albedo", "id"} & set(adapter.prepare(bare).dropped)


def test_a_text_that_is_too_long_is_recorded(adapter: Adapter) -> None:
    long = adapter.prepare(_request(adapter, prompts=(Prompt("mud and " * 300),)))
    assert any(d.startswith("text after") for d in long.dropped)


def test_the_engine_paints_what_the_plain_loop_paints(adapter: Adapter) -> None:
    """As one tile; and with tiles the same whether they are taken one by one or several at once."""
    request = _request(adapter, size=(64, 96))
    whole = Engine(adapter, EngineOptions(whole=True)).paint(request)
    plain = paint_plain(adapter, request).permute(1, 2, 3, 0).numpy()
    assert np.abs(whole.rgb - plain).max() < 1e-4
    tiled = [Engine(adapter, EngineOptions(batch=count)).paint(request) for count in (1, 4)]
    assert tiled[0].tiles["jobs"] > 1
    assert np.abs(tiled[0].rgb - tiled[1].rgb).max() < 1e-4


@pytest.mark.parametrize("family", ["sd15", "levy", "sdxl"])
def test_a_text_is_read_once_for_all_tiles_of_a_batch(family: str, adapter_of: AdapterOf) -> None:
    """By UNet and ControlNets: two rows, without and with it."""
    adapter, rows = adapter_of(family), list[int]()
    nets = (adapter.unet, adapter.controlnet)
    layers = [m for net in nets for n, m in net.named_modules() if n.endswith("attn2.to_k")]
    hooks = [layer.register_forward_pre_hook(lambda _, given: rows.append(len(given[0]))) for layer in layers]
    tiles = Engine(adapter, EngineOptions(batch=4)).paint(_request(adapter, size=(64, 96), steps=1)).tiles
    for hook in hooks:
        hook.remove()
    assert int(tiles["jobs"]) > 1 and len(layers) > 1 and set(rows) == {2}


class _ReadsBack(TorchDispatchMode):
    """Refuses what would wait for a device: numbers taken out of tensors, shapes that depend on them."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique2", "equal"), name
        return func(*args, **(kwargs or {}))


def test_a_step_reads_nothing_back_from_the_device(adapter: Adapter) -> None:
    """Or it could not be captured as a graph. The first call may: it fills caches."""
    request = _request(adapter, references=(np.full((20, 30, 3), 0.4, np.float32),))
    batch = batch_of(adapter, adapter.prepare(request), noise_of(request, adapter), 0, 500.0)
    warm = adapter.denoise(batch)
    with _ReadsBack():
        again = adapter.denoise(batch)
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            float(again.sum())
    assert torch.equal(warm, again)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_step_can_be_captured(variant: str, bundle_folder: Callable[[str], Path]) -> None:
    """On the device a replayed graph gives what the call gives, and both are near the CPU's."""
    bundle, graph = load_bundle(bundle_folder(variant)), torch.cuda.CUDAGraph()
    cpu, gpu = open_adapter(bundle), open_adapter(bundle, "cuda", "float32")
    request = _request(cpu, references=(np.full((20, 30, 3), 0.4, np.float32),))
    noise = noise_of(request, cpu)
    near = cpu.denoise(batch_of(cpu, cpu.prepare(request), noise, 0, 500.0))
    batch = batch_of(gpu, gpu.prepare(request), noise.cuda(), 0, 500.0)
    batch = replace(batch, timestep=batch.timestep.cuda())
    called = gpu.denoise(batch).clone()
    with torch.cuda.graph(graph):
        out = gpu.denoise(batch)
    graph.replay()
    assert torch.allclose(out, called, atol=1e-5) and torch.allclose(out.cpu(), near, rtol=1e-2, atol=1e-2)


def test_pictures_come_back_about_as_they_went(adapter: Adapter) -> None:
    """Scaling and shift are each other's inverse: the codec's own networks are called on the same raw latents."""
    codec = adapter.codec()
    video = torch.rand(1, 3, adapter.space.frames, 64, 64)
    latents = codec.encode(video)
    count = 1 + (adapter.space.frames - 1) // adapter.space.time_factor
    assert latents.shape == (1, adapter.space.channels, count, 8, 8)
    one = adapter.space.frames == 1 and adapter.family.startswith("sd")  # a codec of single pictures
    raw = codec.vae.encode((video[:, :, 0] if one else video) * 2 - 1).latent_dist.mode()
    again = codec.vae.decode(raw).sample / 2 + 0.5
    assert torch.allclose(codec.decode(latents).reshape(again.shape), again, atol=1e-5)
    assert set(codec.modules()) == {"encoder", "decoder"}
