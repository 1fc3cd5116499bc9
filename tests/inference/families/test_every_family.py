"""What holds for every family: conditions count, the mask confines, texts speak where they are asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.bundles import VARIANTS
from support.painting import batch_of, noise_of, paint_plain, request_of, sample

from composer.inference.adapter import Adapter
from composer.inference.families import FAMILIES
from composer.inference.request import CONDITIONS, PaintRequest, Prompt

AdapterOf = Callable[[str], Adapter]


def _request(adapter: Adapter, **changes: object) -> PaintRequest:
    return request_of(adapter.space.frames, **{"steps": 2, **changes})


@pytest.fixture(params=VARIANTS)
def adapter(request: pytest.FixtureRequest, adapter_of: AdapterOf) -> Adapter:
    return adapter_of(request.param)


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
        origin = np.array([(0, s.start) for s in which])
        return adapter.denoise(
            replace(
                one,
                latents=torch.stack([noise[..., s] for s in which]),
                canvases=canvases,
                origin=origin,
                timestep=torch.full((len(which),), 700.0),
            )  # fmt: skip
        )

    alone = torch.cat([tiles([s]) for s in cuts])
    assert torch.allclose(tiles(cuts), alone, atol=1e-4 * float(alone.abs().max()))
    assert not torch.allclose(alone[0], alone[1])


def test_what_is_not_taken_is_recorded(adapter: Adapter) -> None:
    base = _request(adapter, references=(np.full((20, 30, 3), 0.4, np.float32),))
    given = set(CONDITIONS)
    assert set(adapter.prepare(base).dropped) == given - adapter.takes
    assert adapter.takes <= FAMILIES[adapter.family].takes
    bare = replace(base, references=(), normal=0 * base.normal, agent_id=0 * base.agent_id)
    assert not {"references", "normal", "id"} & set(adapter.prepare(bare).dropped)


def test_a_text_that_is_too_long_is_recorded(adapter: Adapter) -> None:
    long = adapter.prepare(_request(adapter, prompts=(Prompt("mud and " * 300),)))
    assert any(d.startswith("text after") for d in long.dropped)


def test_slots_stay_where_they_are_for_captured_graphs(adapter: Adapter) -> None:
    adapter.prepare(_request(adapter, prompts=(Prompt("mud"),)))
    key, there = adapter.work_key(), adapter.texts.slots[0].positive[0]
    before = there.clone()
    adapter.prepare(_request(adapter, prompts=(Prompt("axe"),)))
    assert adapter.texts.slots[0].positive[0] is there and not torch.equal(there, before)
    assert adapter.work_key() == key
    adapter.prepare(_request(adapter, prompts=(Prompt("axe"),), guidance=1.0))
    assert adapter.work_key() != key


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
