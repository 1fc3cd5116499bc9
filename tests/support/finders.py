"""Tiny finding networks with random weights, saved and added as bundles: what they find means nothing, how they are run does."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from composer.inference.bundle import Bundle
from composer.inference.bundle_add import add_bundle
from composer.inference.bundle_text import Told

#: Side of the tiny SAM 2's square.
SIDE = 64


def depth_net() -> torch.nn.Module:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        out_indices=[1, 2], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, reassemble_factors=[1, 0.5], neck_hidden_sizes=[8, 16],
        fusion_hidden_size=8, head_hidden_size=4, patch_size=14,
    )  # fmt: skip
    return DepthAnythingForDepthEstimation(config)


def _sam2_parts() -> dict[str, object]:
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig

    sides = [[SIDE // s, SIDE // s] for s in (4, 8, 16)]
    backbone = Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[SIDE, SIDE], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[4, 4, 4, 2],
        global_attention_blocks=[3],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=sides,
        fpn_hidden_size=128,
    )
    return {
        "vision_config": vision,
        "prompt_encoder_config": {"hidden_size": 128, "image_size": SIDE, "patch_size": 16},
        "mask_decoder_config": {
            "hidden_size": 128, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16, "num_hidden_layers": 1,
        },
    }  # fmt: skip


def sam2_video_net() -> torch.nn.Module:
    from transformers import Sam2VideoConfig, Sam2VideoModel

    config = Sam2VideoConfig(
        **_sam2_parts(), image_size=SIDE, num_maskmem=3, max_object_pointers_in_encoder=4, memory_attention_hidden_size=128,
        memory_attention_num_layers=1, memory_attention_feed_forward_hidden_size=32, memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64, memory_attention_rope_feat_sizes=[SIDE // 16, SIDE // 16],
        mask_downsampler_embed_dim=128, memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=32, memory_fuser_num_layers=1,
    )  # fmt: skip
    return Sam2VideoModel(config)


def sam2_net() -> torch.nn.Module:
    from transformers import Sam2Config, Sam2Model

    return Sam2Model(Sam2Config(**_sam2_parts()))


NETS = {"depth-anything": depth_net, "sam2": sam2_video_net, "sam2-still": sam2_net}
SETTINGS = {"ensure_multiple_of": 14, "keep_aspect_ratio": True, "size": {"height": 56, "width": 56}}


def save_finder(folder: Path, kind: str) -> Path:
    """The network's folder as the hub has it."""
    torch.manual_seed(3)
    net = NETS[kind]().eval()
    for weight in net.parameters():  # the library starts many at zero, and then nothing depends on them
        torch.nn.init.normal_(weight, std=0.2)
    if hasattr(net, "mask_decoder"):  # nothing is found hidden
        layer = net.mask_decoder.pred_obj_score_head.proj_out
        torch.nn.init.constant_(layer.bias, 10.0)
        torch.nn.init.zeros_(layer.weight)
    net.save_pretrained(folder)
    settings = SETTINGS if kind == "depth-anything" else {"size": {"height": SIDE, "width": SIDE}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def finder_bundle(folder: Path, kind: str, name: str = "finder", **told: object) -> Bundle:
    """models/<name> below a folder."""
    weights = save_finder(folder / f"weights-{name}", kind)
    given = {"licence": "apache-2.0", "commercial": True, "trained_on": "nothing", **told}
    return add_bundle(Told(weights, name=name, models=folder / "models", **given)).bundle
