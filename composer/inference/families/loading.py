"""Networks out of a bundle's folders: local files, safetensors, the class that the family expects, every weight accounted for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from composer.errors import InputError, MachineError, MusterError, Where
from composer.inference.families import FAMILIES
from composer.inference.networks import settle

if TYPE_CHECKING:
    from composer.inference.bundle import Bundle

M = TypeVar("M", bound=torch.nn.Module)
Config = dict[str, object]


def pick_dtype(device: torch.device, dtype: str | torch.dtype | None) -> torch.dtype:
    """What the denoiser runs in: as asked, or the best that the device does well."""
    if isinstance(dtype, str):
        known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
        if dtype not in known:
            raise InputError("unknown number format", expected=", ".join(known), got=dtype)
        return known[dtype]
    if dtype is not None:
        return dtype
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def option(bundle: Bundle, name: str) -> str | int | float | bool:
    """A plain setting of the bundle, or the family's own."""
    default = FAMILIES[bundle.family].options[name]
    value = bundle.options.get(name, default)
    wanted = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
        raise InputError(
            "this option is of another kind",
            where=Where(bundle.folder / "bundle.yaml", field=f"options.{name}"),
            expected=type(default).__name__,
            got=repr(value),
        )
    return value


def number(bundle: Bundle, name: str) -> float:
    return float(option(bundle, name))


def read_config(folder: Path, name: str = "config.json") -> Config:
    """A component's config file. InputError where it is missing or no JSON object."""
    path = folder / name
    if not path.is_file():
        raise InputError("a model component has no config", where=Where(path), hint="the bundle is not complete")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("this config is no JSON", where=Where(path), got=str(error)) from error
    if not isinstance(config, dict):
        raise InputError("this config is no JSON object", where=Where(path))
    return config


def check_class(folder: Path, name: str) -> Config:
    """The component's config, once it says that it is of this class and its weights are there. InputError."""
    config = read_config(folder)
    said = config.get("_class_name") or config.get("architectures") or "nothing"
    names = [said] if isinstance(said, str) else [str(s) for s in said]  # type: ignore[union-attr]
    if name not in names:
        raise InputError(
            "a model component is of another class", where=Where(folder / "config.json"), expected=name,
            got=", ".join(names),
        )  # fmt: skip
    if not any(folder.glob("*.safetensors")):
        raise InputError("a model component has no weights", where=Where(folder), expected="*.safetensors")
    return config


def _variant(folder: Path) -> str | None:
    """'fp16' where the weights lie only under such a name (model.fp16.safetensors)."""
    marks = set()
    for path in folder.glob("*.safetensors"):
        stem = path.name.removesuffix(".safetensors").split("-0000")[0]
        marks.add(stem.split(".", 1)[1] if "." in stem else "")
    return None if "" in marks or not marks else sorted(marks)[0]


def load(folder: Path, kind: type[M], device: torch.device, dtype: torch.dtype, *, plain: bool = False) -> M:
    """A network of one class on the device, for inference. InputError where a weight is missing or misshapen. plain: as the
    library has it, nothing about it made for tiles."""
    check_class(folder, kind.__name__)
    try:
        with _silent():
            network, found = kind.from_pretrained(  # type: ignore[attr-defined]
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
                variant=_variant(folder),
            )
    except (MusterError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise anything, from OSError to KeyError, for a file that does not fit
        raise InputError(
            f"this {kind.__name__} does not load", where=Where(folder), got=f"{type(error).__name__}: {error}"[:400]
        ) from error
    for fault in ("missing_keys", "mismatched_keys"):
        if found.get(fault):
            names = sorted(str(name) for name in found[fault])
            raise InputError(
                f"the weights do not fit the config of {kind.__name__}", where=Where(folder),
                got=f"{fault.replace('_', ' ')}: {', '.join(names[:3])}" + (" ..." if len(names) > 3 else ""),
            )  # fmt: skip
    try:
        network = network.to(device).eval().requires_grad_(False)
    except torch.OutOfMemoryError as error:
        size = sum(p.numel() * p.element_size() for p in network.parameters())
        raise MachineError(
            f"the card's memory does not hold this {kind.__name__}",
            where=Where(folder),
            expected=f"{size / 2**30:.1f} GB free",
            hint="free the card's memory, take a smaller bundle, or --device cpu",
        ) from error
    return settle(network) if _is_2d(network) and not plain else network


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the libraries' progress bars and remarks: what is wrong is told as an error."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    was = [library.get_verbosity() for library in (diffusers_logging, transformers_logging)]
    bars = [library.is_progress_bar_enabled() for library in (diffusers_logging, transformers_logging)]
    try:
        for library in (diffusers_logging, transformers_logging):
            library.set_verbosity_error()
            library.disable_progress_bar()
        yield
    finally:
        for library, level, bar in zip((diffusers_logging, transformers_logging), was, bars, strict=True):
            library.set_verbosity(level)
            if bar:
                library.enable_progress_bar()


def _is_2d(network: torch.nn.Module) -> bool:
    """Made of plane convolutions only: channels-last is for those."""
    axes = {weight.ndim for weight in network.parameters()}
    return 4 in axes and 5 not in axes


def check_tokenizer(folder: Path) -> None:
    """InputError where there is no tokenizer."""
    if not any(folder.glob("*.json")) and not any(folder.glob("*.model")):
        raise InputError("a model component has no tokenizer files", where=Where(folder))


def load_tokenizer(folder: Path, kind: type) -> object:
    """A tokenizer of one class. InputError."""
    check_tokenizer(folder)
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)  # type: ignore[attr-defined]
    except Exception as error:
        raise InputError(
            f"this {kind.__name__} does not load", where=Where(folder), got=f"{type(error).__name__}: {error}"[:400]
        ) from error
