"""Bundles small enough to load in a moment: the real classes and config files of each family, random weights.

Every weight that a fresh network starts at zero is drawn too, or the ControlNets would say nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from composer.io.files import sha256_bytes

#: What a tiny bundle may be made of, and the tile it was made for.
VARIANTS = ("sd15", "sd15-inpaint", "sdxl", "qwen-image", "wan-vace", "wan-vace-2.2")
NATIVE_PX = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;'!?<>|_-"


def tiny_bundle(folder: Path, family: str, seed: int = 0, options: Mapping[str, object] | None = None) -> Path:
    """Write a bundle of a family (or a variant of it: 'sd15-inpaint', 'wan-vace-2.2'), with its bundle.yaml, and give its
    folder. The same seed gives the same weights."""
    weights = folder / "weights" / "base"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        controls = _MAKERS[family](weights)
    (folder / "card.md").write_text(f"# Tiny {family}\n\nRandom weights, for tests.\n", encoding="utf-8")
    (folder / "bundle.yaml").write_text(_yaml(folder, family, controls, options or {}), encoding="utf-8")
    return folder


def _yaml(folder: Path, family: str, controls: Mapping[str, str], options: Mapping[str, object]) -> str:
    base = folder / "weights" / "base"
    hashes = {
        p.relative_to(base).as_posix(): sha256_bytes(p.read_bytes()) for p in sorted(base.rglob("*")) if p.is_file()
    }
    video = family.startswith("wan-vace")
    # what the checker and an artist read; the control networks stand in folders of their own
    conditions = ["depth", "pose", *(c for c in controls if c not in ("depth", "pose", "plate"))]
    conditions += ["mask", "plate", "guide", "text", *(["references", "id"] if video else [])]
    lines = [
        "muster_bundle: 1",
        f"bundle: tiny-{family.replace('.', '-')}",
        f"family: {family.removesuffix('-inpaint').removesuffix('-2.2')}",
        "licence: {id: Apache-2.0, commercial: true}",
        "trained_on: nothing at all",
        f"conditions: [{', '.join(conditions)}]",
        f"native_px: [{NATIVE_PX}, {NATIVE_PX}]",
        "steps: {preview: 1, draft: 2, final: 4}",
    ]
    more = {**({"frames": 5, "pose_from_px": 12} if video else {}), **options}
    lines += ["options:", *(f"  {k}: {v}" for k, v in more.items())] if more else []
    lines += ["sources:", "  base:", "    files:", *(f"      {path}: {sha}" for path, sha in hashes.items())]
    lines += ["controls:", *(f"  {name}: base/{place}" for name, place in controls.items())] if controls else []
    return "\n".join(lines) + "\n"


def _save(network: torch.nn.Module, folder: Path, spread: float = 0.1) -> None:
    """Draw what starts at zero, and save as safetensors."""
    for name, weight in network.named_parameters():
        if not weight.any() and "norm" not in name:
            torch.nn.init.normal_(weight, std=spread)
    network.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]


def _clip(folder: Path, pooled: bool) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    marks = ["<|startoftext|>", "<|endoftext|>"]
    pieces = [*marks, *_LETTERS, *(letter + "</w>" for letter in _LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    suffix = "_2" if pooled else ""
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16).save_pretrained(folder / f"tokenizer{suffix}")
    config = CLIPTextConfig(
        vocab_size=len(pieces), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16, projection_dim=16, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    network = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config)
    # a fresh CLIP gives nearly the same for every text
    torch.nn.init.normal_(network.get_input_embeddings().weight, std=1.0)
    _save(network, folder / f"text_encoder{suffix}")


def _kl(folder: Path, scaling: float) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4, sample_size=NATIVE_PX,
        scaling_factor=scaling,
    )  # fmt: skip
    _save(vae, folder / "vae")


def _sd15(folder: Path, channels: int = 4) -> dict[str, str]:
    from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel

    shared = {
        "block_out_channels": (16, 32), "layers_per_block": 1, "cross_attention_dim": 16, "attention_head_dim": 2,
        "norm_num_groups": 8, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    }  # fmt: skip
    unet = UNet2DConditionModel(
        in_channels=channels,
        out_channels=4,
        sample_size=8,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **shared,
    )
    _save(unet, folder / "unet")
    for name in ("depth", "pose"):
        net = ControlNetModel(conditioning_embedding_out_channels=(8, 8, 8, 16), **shared)
        _save(net, folder / f"controlnet_{name}", spread=0.3)
    _kl(folder, 0.18215)
    _clip(folder, pooled=False)
    DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1,
        set_alpha_to_one=False,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    return {"depth": "controlnet_depth", "pose": "controlnet_pose"}


def _levy(folder: Path) -> dict[str, str]:
    """Pixels for latents: no VAE, mask and masked picture beside the noise, depth and normals in one network."""
    from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel

    shared = {
        "block_out_channels": (16, 32), "layers_per_block": 1, "cross_attention_dim": 16, "attention_head_dim": 2,
        "norm_num_groups": 8, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    }  # fmt: skip
    unet = UNet2DConditionModel(
        in_channels=25, out_channels=12, sample_size=8, up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **shared
    )
    _save(unet, folder / "unet")
    for name, channels in (("depth", 4), ("pose", 3)):
        net = ControlNetModel(
            in_channels=12, conditioning_channels=channels, conditioning_embedding_out_channels=(8, 16), **shared
        )
        _save(net, folder / f"controlnet_{name}", spread=0.3)
    _clip(folder, pooled=False)
    DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="sample", rescale_betas_zero_snr=True, clip_sample=False,
        timestep_spacing="trailing",
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    return {"depth": "controlnet_depth", "normal": "controlnet_depth", "pose": "controlnet_pose"}


def _sdxl(folder: Path) -> dict[str, str]:
    from diffusers import ControlNetUnionModel, EulerDiscreteScheduler, UNet2DConditionModel

    shared = {
        "block_out_channels": (16, 32), "layers_per_block": 1, "cross_attention_dim": 32, "attention_head_dim": (2, 4),
        "norm_num_groups": 8, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "use_linear_projection": True,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "transformer_layers_per_block": (1, 2),
        "projection_class_embeddings_input_dim": 6 * 8 + 16,
    }  # fmt: skip
    unet = UNet2DConditionModel(
        in_channels=4, out_channels=4, sample_size=8, up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **shared
    )
    _save(unet, folder / "unet")
    net = ControlNetUnionModel(
        conditioning_embedding_out_channels=(8, 8, 8, 16), num_control_type=8, num_trans_channel=16, num_trans_head=2,
        num_proj_channel=16, **shared,
    )  # fmt: skip
    _save(net, folder / "controlnet", spread=0.3)
    _kl(folder, 0.13025)
    _clip(folder, pooled=False)
    _clip(folder, pooled=True)
    EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, timestep_spacing="leading"
    ).save_pretrained(folder / "scheduler")
    return {"depth": "controlnet", "pose": "controlnet", "normal": "controlnet", "plate": "controlnet"}


def _spread(count: int) -> dict[str, list[float]]:
    """Means and deviations of latents that are not 0 and 1."""
    return {"latents_mean": [0.1 * i for i in range(count)], "latents_std": [1.0 + 0.2 * i for i in range(count)]}


def _video_vae(folder: Path, kind: type) -> None:
    vae = kind(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        **_spread(4),
    )
    _save(vae, folder / "vae")


def _qwen(folder: Path) -> dict[str, str]:
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageControlNetModel,
        QwenImageTransformer2DModel,
    )

    shared = {
        "in_channels": 16, "out_channels": 4, "attention_head_dim": 16, "num_attention_heads": 2,
        "joint_attention_dim": 16, "axes_dims_rope": (4, 6, 6),
    }  # fmt: skip
    _save(QwenImageTransformer2DModel(num_layers=2, **shared), folder / "transformer")
    _save(QwenImageControlNetModel(num_layers=1, **shared), folder / "controlnet", spread=0.3)
    _video_vae(folder, AutoencoderKLQwenImage)
    _qwen_text(folder)
    FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
    ).save_pretrained(folder / "scheduler")
    return {"depth": "controlnet", "pose": "controlnet"}


def _qwen_text(folder: Path) -> None:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

    # bytes as the byte-level alphabet writes them: a space and a line end have signs of their own
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pieces = [*marks, *_LETTERS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "\u0120", "\u010a"]
    tokenizer = Qwen2Tokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:]})
    tokenizer.save_pretrained(folder / "tokenizer")
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 160, "bos_token_id": 0, "eos_token_id": 0,
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
    )  # fmt: skip
    network = Qwen2_5_VLForConditionalGeneration(config)
    torch.nn.init.normal_(network.get_input_embeddings().weight, std=1.0)
    _save(network, folder / "text_encoder")


def _wan(folder: Path, stages: int = 1) -> dict[str, str]:
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanVACETransformer3DModel

    for name in ("transformer", "transformer_2")[:stages]:
        network = WanVACETransformer3DModel(
            num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=16, freq_dim=16,
            ffn_dim=32, num_layers=2, vace_layers=[0], vace_in_channels=2 * 4 + 64,
        )  # fmt: skip
        _save(network, folder / name, spread=0.3)
    _video_vae(folder, AutoencoderKLWan)
    _umt5(folder)
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    return {}


def _umt5(folder: Path) -> None:
    from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -2.0) for piece in ["\u2581", *_LETTERS])]
    T5Tokenizer(vocab=pieces, extra_ids=0).save_pretrained(folder / "tokenizer")
    config = UMT5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    _save(UMT5EncoderModel(config), folder / "text_encoder")


_MAKERS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "sd15": _sd15,
    "levy": _levy,
    "sd15-inpaint": lambda folder: _sd15(folder, channels=9),
    "sdxl": _sdxl,
    "qwen-image": _qwen,
    "wan-vace": _wan,
    "wan-vace-2.2": lambda folder: _wan(folder, stages=2),
}
