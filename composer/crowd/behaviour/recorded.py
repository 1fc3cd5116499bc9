"""Launches that are kept between steps: most of what a small crowd's step costs is telling Warp what to launch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import warp as wp
from numpy.typing import NDArray


class Recorded:
    """A kernel's launches over parts of the crowd, kept between steps: to launch one again costs a few microseconds."""

    def __init__(self, kernel: wp.Kernel, edges: NDArray[np.integer], inputs: Sequence[object], device: str) -> None:
        self.inputs = list(inputs)
        self.parts = [
            wp.launch(kernel, dim=int(b - a), inputs=[int(a), *inputs], device=device, record_cmd=True)
            for a, b in itertools.pairwise(edges)
        ]

    def take(self, inputs: Sequence[object]) -> None:
        """Pass on what is another object than before."""
        for k, (old, new) in enumerate(zip(self.inputs, inputs, strict=True)):
            if old is not new:
                self.inputs[k] = new
                for part in self.parts:
                    part.set_param_at_index(k + 1, new)
