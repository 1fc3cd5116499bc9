"""What a model found, kept by the digest of all that it was found from: a second render looks it up, and one that was cut off
goes on. Only plain arrays and safetensors are read; what cannot be read is found again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.errors import MachineError
from composer.io.cache import cache_folder
from composer.io.files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

F32 = NDArray[np.float32]


class Kept:
    """name: the bundle's digest. A cache that cannot be written is none: what is found is found again."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder("found")) / name

    def read(self, key: str) -> F32 | None:
        """float32 [h, w]; None where it is not kept."""
        try:
            with (self.folder / f"{key}.npy").open("rb") as file:
                found = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return found if found.dtype == np.float32 and found.ndim == 2 else None

    def write(self, key: str, found: F32) -> None:
        with (
            contextlib.suppress(OSError, MachineError),
            atomic_write(self.folder / f"{key}.npy") as path,
            path.open("wb") as file,
        ):
            np.save(file, found, allow_pickle=False)

    def read_memory(self, key: str) -> dict[str, Tensor] | None:
        """A track's memory after the frame of this key."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / f"{key}.safetensors"
        try:
            return load_file(path) if path.is_file() else None
        except (OSError, SafetensorError):
            return None

    def write_memory(self, key: str, memory: dict[str, Tensor], instead_of: str | None = None) -> None:
        """instead_of: the key of an older one that goes."""
        from safetensors.torch import save_file

        with contextlib.suppress(OSError, MachineError):
            with atomic_write(self.folder / f"{key}.safetensors") as path:
                save_file(memory, path)
            if instead_of is not None:
                (self.folder / f"{instead_of}.safetensors").unlink(missing_ok=True)
