"""Depth of one picture by itself: Depth Anything (Yang et al., "Depth Anything V2", NeurIPS 2024) and DPT (Ranftl et al., "Vision
Transformers for Dense Prediction", ICCV 2021), as transformers has them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.inference.finding.opening import Network, as_input, open_network

F32 = NDArray[np.float32]
FAMILY = "depth-anything"


class DepthNet:
    """What a bundle of the family depth-anything tells of pictures."""

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        """Raises InputError where the bundle does not load."""
        self.network: Network = open_network(bundle, FAMILY, device)
        self.native = bundle.native_px
        config = self.network.net.config
        patch = getattr(config, "patch_size", None) or getattr(config.backbone_config, "patch_size", 16)
        multiple = self.network.settings.get("ensure_multiple_of")
        self.multiple = multiple if isinstance(multiple, int) and multiple % patch == 0 else int(patch)
        self.keeps_aspect = (
            self.network.settings.get("keep_aspect_ratio", self.network.class_name.startswith("DepthAnything")) is True
        )
        self.is_metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        self._where = bundle.folder / "bundle.yaml"

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the picture that the network sees: about its native size, the plate's aspect kept."""
        tall, wide = self.native[0] / height, self.native[1] / width
        if self.keeps_aspect:
            # as little change of size as may be, as transformers' own processor does
            tall = wide = wide if abs(1 - wide) < abs(1 - tall) else tall
        h, w = (max(1, round(s / self.multiple)) * self.multiple for s in (tall * height, wide * width))
        return h, w

    @torch.inference_mode()
    def tell(self, picture: F32) -> F32:
        """float32 [h, w], larger is nearer: inverse depth but for scale and shift. The size is the network's; `at_size` brings it
        to the plate's. picture: float32 [H, W, 3] in 0..1. Raises InputError where what it tells is not finite."""
        height, width = picture.shape[:2]
        seen = as_input(self.network, picture, self.size_for(height, width), "bicubic")
        told = self.network.net(pixel_values=seen).predicted_depth[0].float()
        if self.is_metric:
            told = 1 / told.clamp_min(1e-3)
        if not bool(torch.isfinite(told).all()):
            raise InputError("the model tells depths that are not finite", where=Where(file=self._where))
        return told.cpu().numpy()


def at_size(told: F32, size_px: tuple[int, int]) -> F32:
    """float32 [H, W] at (W, H)."""
    tensor = torch.from_numpy(told)[None, None]
    return interpolate(tensor, size_px[::-1], mode="bilinear", align_corners=False)[0, 0].numpy()
