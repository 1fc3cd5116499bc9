"""Warp without its banner and its lines about kernels: they would stand in the middle of `--json`."""

from __future__ import annotations

from functools import lru_cache

import warp as wp

from composer.io.quiet import caught_output

#: What Warp's C core writes to stderr at its start, whatever the level of its log.
NO_DRIVER = "Warp CUDA warning: Could not find or load the NVIDIA CUDA driver"


@lru_cache(maxsize=1)
def quiet_warp() -> None:
    """Start Warp and let it say errors only. Whoever uses Warp calls this first; where CUDA is asked for and missing,
    `render.device` says so."""
    wp.config.log_level = wp.LOG_ERROR
    with caught_output(drop=NO_DRIVER):
        wp.init()
