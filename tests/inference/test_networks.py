"""Networks made cheap to tile still say the same."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention import FeedForward
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from composer.inference import cpu_layers
from composer.inference.cpu_layers import (
    BlockedFeedForward,
    PackedLinear,
    PackedPointwise,
    attention,
    has_packed,
)
from composer.inference.lean import LeanResnet, LeanTransformer, make_lean
from composer.inference.networks import PictureEmbedding, settle, share_texts, share_where_plain, sided

packed = pytest.mark.skipif(not has_packed(), reason="this torch has no oneDNN")


@pytest.fixture(scope="module", params=[True, False], ids=["linear", "convolution"])
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    """With the transformers' projections as SDXL and as SD 1.5 have them."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, attention_head_dim=(2, 2),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, use_linear_projection=request.param,
    ).eval().requires_grad_(False)  # fmt: skip


def test_a_settled_network_with_shared_texts_predicts_the_same(unet: UNet2DConditionModel) -> None:
    x, texts = torch.randn(6, 4, 16, 16), torch.randn(2, 7, 16)
    expected = unet(x, torch.tensor(5.0), encoder_hidden_states=texts.repeat_interleave(3, 0)).sample
    ours = copy.deepcopy(unet)
    settle(ours)
    share_texts(ours)
    found = ours(x, torch.tensor(5.0), encoder_hidden_states=texts).sample
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    if has_packed():
        assert any(isinstance(m, PackedLinear) for m in ours.modules())
        assert any(isinstance(m, BlockedFeedForward) for m in ours.modules())
        assert any(isinstance(m, PackedPointwise) for m in ours.modules())


def test_a_text_is_computed_once(unet: UNet2DConditionModel) -> None:
    ours, rows = copy.deepcopy(unet), []
    share_texts(ours)
    layer = next(m for n, m in ours.named_modules() if n.endswith("attn2.to_k"))
    layer.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    ours(torch.randn(4, 4, 16, 16), torch.tensor(5.0), encoder_hidden_states=torch.randn(1, 7, 16))
    assert rows == [1]


def test_attention_of_another_kind_is_refused() -> None:
    from diffusers import AutoencoderKL

    codec = AutoencoderKL(block_out_channels=(32,))
    with pytest.raises(TypeError, match="another kind"):
        share_texts(codec)
    assert not share_where_plain(codec)


def test_a_picture_embedded_once_is_the_same_where_no_edge_is_near(unet: UNet2DConditionModel) -> None:
    control = ControlNetModel.from_unet(unet).eval().requires_grad_(False)
    nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, std=0.1)
    picture = torch.rand(1, 3, 192, 192)
    tile = control.controlnet_cond_embedding(picture[..., 64:, 64:])
    embed = PictureEmbedding(control)
    whole = embed(picture)
    assert whole.shape == (1, 32, 24, 24)
    torch.testing.assert_close(whole[..., 12:, 12:], tile[..., 4:, 4:], atol=1e-5, rtol=0)
    torch.testing.assert_close(control.controlnet_cond_embedding(whole), whole)


@pytest.fixture(params=[True, False], ids=["ours", "torch's"])
def ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Which attention this processor is said to be faster with."""
    monkeypatch.setattr(cpu_layers, "_gains", lambda: request.param)
    return request.param


@packed
@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize(("n", "m"), [(300, 300), (256, 77), (40, 7)])
def test_attention(n: int, m: int) -> None:
    q, k, v = torch.randn(2, 3, n, 16), torch.randn(2, 3, m, 16), torch.randn(2, 3, m, 16)
    scores = (q.double() @ k.double().transpose(2, 3)) / 4
    expected = (scores.softmax(-1) @ v.double()).float()
    torch.testing.assert_close(attention(q, k, v), expected, atol=2e-6, rtol=1e-5)


@packed
@pytest.mark.usefixtures("ours")
def test_attention_in_half_precision() -> None:
    q, k, v = (torch.randn(1, 2, 130, 16).bfloat16() for _ in range(3))
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    found = attention(q, k, v)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, atol=4e-3, rtol=1e-2)


@packed
def test_packed_layers() -> None:
    linear = nn.Linear(48, 80)
    x: Tensor = torch.randn(2, 700, 48)
    torch.testing.assert_close(PackedLinear(linear)(x), F.linear(x, linear.weight, linear.bias), atol=1e-5, rtol=1e-5)
    forward = FeedForward(48, activation_fn="geglu").eval()
    blocked = BlockedFeedForward(forward.net[0], forward.net[2])
    torch.testing.assert_close(blocked(x), forward(x), atol=1e-5, rtol=1e-5)


@packed
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_of_one_pixel(layout: torch.memory_format) -> None:
    conv, x = nn.Conv2d(24, 40, 1), torch.randn(3, 24, 17, 9).contiguous(memory_format=layout)
    found = PackedPointwise(conv)(x)
    expected = torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0].double(), x.double()) + conv.bias[:, None, None]
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


@packed
def test_a_codec_keeps_its_convolutions() -> None:
    """They are run band by band, by their own weights."""
    from diffusers import AutoencoderKL

    codec = settle(AutoencoderKL(block_out_channels=(32,)))
    assert isinstance(codec.quant_conv, nn.Conv2d)


def test_lean_blocks_keep_the_layout_and_what_they_are_given(unet: UNet2DConditionModel) -> None:
    ours, lost = settle(copy.deepcopy(unet)), []

    def see(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: object, out: object) -> None:
            x = out[0] if isinstance(out, tuple) else getattr(out, "sample", out)
            if isinstance(x, Tensor) and x.ndim == 4 and not x.is_contiguous(memory_format=torch.channels_last):
                lost.append(name)

        return hook

    for name, module in ours.named_modules():
        module.register_forward_hook(see(name))
    tiles = sided(torch.randn(3, 4, 16, 16).contiguous(memory_format=torch.channels_last), 2)
    ours(tiles, torch.tensor(5.0), encoder_hidden_states=torch.randn(6, 7, 16))
    assert len(tiles) == 6 and lost == []
    assert any(isinstance(m, LeanResnet) for m in ours.modules())
    assert any(isinstance(m, LeanTransformer) for m in ours.modules())
    block = next(m for m in ours.modules() if isinstance(m, LeanResnet))
    x, temb = torch.randn(2, block.in_channels, 8, 8), torch.randn(2, 128)
    was = x.clone(), temb.clone()
    block(x, temb)
    assert torch.equal(x, was[0]) and torch.equal(temb, was[1])


@pytest.mark.parametrize("pictures", [1, 3])
def test_a_lean_block_whose_time_scales_says_the_same(pictures: int) -> None:
    torch.manual_seed(1)
    more = {"in_channels": 32, "out_channels": 48, "temb_channels": 64, "groups": 8}
    plain = ResnetBlock2D(**more, time_embedding_norm="scale_shift").eval().requires_grad_(False)
    for norm in (plain.norm1, plain.norm2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    lean = copy.deepcopy(plain)
    make_lean(lean)
    assert isinstance(lean, LeanResnet)
    x, temb = torch.randn(pictures, 32, 12, 10), torch.randn(pictures, 64)
    was = x.clone()
    torch.testing.assert_close(lean(x, temb), plain(x, temb), atol=1e-5, rtol=1e-5)
    assert torch.equal(x, was)


def test_blocks_of_another_kind_stay_what_they_are() -> None:
    odd = [ResnetBlock2D(in_channels=32, temb_channels=None, **more) for more in ODD]
    make_lean(nn.ModuleList(odd))
    assert all(type(block) is ResnetBlock2D for block in odd)


ODD = ({"up": True}, {"down": True}, {"output_scale_factor": 2.0}, {"non_linearity": "gelu"}, {"skip_time_act": True})
