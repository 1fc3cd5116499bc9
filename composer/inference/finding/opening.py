"""A finding bundle's one network, and pictures as it takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.inference.families.loading import Config, load, read_config
from composer.inference.kinds import FINDERS

F32 = NDArray[np.float32]
#: ImageNet's, which every family here was trained with; preprocessor_config.json may say otherwise.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Settings by which transformers builds a part of a network from elsewhere than the bundle.
_ELSEWHERE = ("use_timm_backbone", "use_pretrained_backbone")


@dataclass(frozen=True)
class Network:
    """net: of the class that config.json names, on the device. settings: preprocessor_config.json; empty where there is none."""

    net: torch.nn.Module
    class_name: str
    settings: Config
    device: torch.device
    dtype: torch.dtype


def check_family(bundle: Bundle, family: str) -> None:
    """Raises InputError where a bundle of another family is named."""
    if bundle.family != family:
        raise InputError(
            "a bundle of another family", where=Where(file=bundle.folder / "bundle.yaml", field="family"),
            expected=family, got=bundle.family, hint="muster models list shows which there are",
        )  # fmt: skip


def open_network(bundle: Bundle, family: str, device: str) -> Network:
    """Load the network from the bundle's own files; nothing is fetched. Raises InputError."""
    check_family(bundle, family)
    folder = bundle.components["network"]
    config = read_config(folder)
    names = config.get("architectures")
    allowed = FINDERS[family].classes["network"]
    name = names[0] if isinstance(names, list) and len(names) == 1 else None
    if name not in allowed:
        raise InputError(
            "a model component is of another class", where=Where(folder / "config.json"),
            expected=" or ".join(allowed), got=str(names),
        )  # fmt: skip
    for key in _ELSEWHERE:
        if config.get(key):
            raise InputError(
                f"{key} is refused", where=Where(folder / "config.json"), hint="a network is whole in its bundle"
            )
    where = torch.device(device)
    # single precision: the edge of a mask and the order of depths hang on small differences, and one pass a frame is cheap
    net = load(folder, getattr(transformers, str(name)), where, torch.float32, plain=True)
    settings = read_config(folder, _SETTINGS) if (folder / _SETTINGS).is_file() else {}
    return Network(net, str(name), settings, where, torch.float32)


_SETTINGS = "preprocessor_config.json"


def as_input(network: Network, picture: F32, size: tuple[int, int], mode: str) -> Tensor:
    """Tensor [1, 3, h, w] on the device. picture: float32 [H, W, 3] in 0..1, as a photograph. size: (h, w)."""
    tensor = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(network.device)
    small = interpolate(tensor, size, mode=mode, align_corners=False, antialias=True).clamp_(0, 1)
    mean, deviation = (
        torch.tensor(_three(network.settings.get(key), usual), device=network.device).view(1, 3, 1, 1)
        for key, usual in (("image_mean", MEAN), ("image_std", DEVIATION))
    )
    return ((small - mean) / deviation).to(network.dtype)


def _three(told: object, usual: tuple[float, float, float]) -> tuple[float, ...]:
    sound = isinstance(told, list) and len(told) == 3 and all(isinstance(v, int | float) for v in told)
    return tuple(told) if sound else usual  # type: ignore[arg-type]
