"""A CUDA graph's rules on the CPU: the operations of one call are kept with the very tensors that they worked on, and done
again without the code that asked for them. What the code decided, it decided once; what it would read from the device or
bring from the host, it may not."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from composer.inference.adapter import Adapter, TileBatch
from composer.inference.graphs import Denoiser

#: Numbers out of tensors, shapes that depend on them, tensors made of the host's numbers.
FORBIDDEN = {
    "_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique2", "_unique2", "equal", "lift_fresh",
    "bincount",
}  # fmt: skip


class Tape(TorchDispatchMode):
    """Records inside; `replay` does it all again. replays: how often."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[tuple[object, tuple[object, ...], dict[str, object], object]] = []
        self.replays = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put_") and any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1])
        )
        if name in FORBIDDEN or masks:
            raise RuntimeError(f"not permitted when stream is capturing: {name}")
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self._done.append((func, args, kwargs, out))
        return out

    def replay(self) -> None:
        self.replays += 1
        for func, args, kwargs, was in self._done:
            now = func(*args, **kwargs)  # type: ignore[operator]
            for old, new in zip(tree_leaves(was), tree_leaves(now), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():  # else a view, or in place
                    old.copy_(new)


class TapedDenoiser(Denoiser):
    """The engine's own, with tapes for graphs. tapes: in the order of their capture."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(adapter, graphs=True, compiled=False, attention=None)
        self._graphs = True
        self.tapes: list[Tape] = []

    def _recorded(self, batch: TileBatch) -> tuple[Tape, Tensor]:  # type: ignore[override]
        self.tapes.append(Tape())
        with self.tapes[-1]:
            out = self._call(batch)
        return self.tapes[-1], out

    @property
    def replays(self) -> int:
        return sum(tape.replays for tape in self.tapes)


def reads_of(adapter: Adapter, batch: TileBatch) -> dict[str, object]:
    """The adapter's own attributes that `denoise` reads once its caches are filled, and what they are."""
    adapter.denoise(batch)
    kind, names = type(adapter), set[str]()

    class Watched(kind):  # type: ignore[misc,valid-type]
        def __getattribute__(self, name: str) -> object:
            names.add(name)
            return super().__getattribute__(name)

    adapter.__class__ = Watched
    try:
        with torch.no_grad():
            adapter.denoise(batch)
    finally:
        adapter.__class__ = kind
    return {name: vars(adapter)[name] for name in sorted(names & set(vars(adapter)))}
