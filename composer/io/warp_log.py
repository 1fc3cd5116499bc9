"""Warp without its banner and its lines about kernels: they would stand in the middle of `--json`."""

from __future__ import annotations

import warp as wp


def quiet_warp() -> None:
    """Let Warp say errors only. To be called before anything starts Warp."""
    wp.config.log_level = wp.LOG_ERROR
