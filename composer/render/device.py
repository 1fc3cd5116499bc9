"""Which device draws the guides."""

from __future__ import annotations

from composer.errors import InputError, Where
from composer.io.warp_log import quiet_warp


def choose_device(name: str) -> str:
    """`auto` is CUDA where Warp finds a card, else the CPU; asking for CUDA where there is none is an InputError."""
    import warp as wp

    quiet_warp()
    if name == "cuda" and not wp.is_cuda_available():
        raise InputError(
            "no CUDA device",
            where=Where(field="--device"),
            expected="a CUDA card and its driver",
            got="none",
            hint="use --device cpu",
        )
    return "cuda" if name != "cpu" and wp.is_cuda_available() else "cpu"
