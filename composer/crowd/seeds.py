"""Chance by name: a number in [0, 1) is a function of a seed and of what it is for, never of what was drawn before
it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

U32 = NDArray[np.uint32]


def _mix(x: U32) -> U32:
    """MurmurHash3's 32-bit finaliser: every input bit moves every output bit."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def purpose_key(purpose: str) -> np.uint32:
    """FNV-1a of the UTF-8 name of a purpose."""
    key = 0x811C9DC5
    for byte in purpose.encode():
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    return np.uint32(key)


def hash_u32(seed: ArrayLike, purpose: str) -> U32:
    """uint32, the shape of `seed` (whole numbers, taken modulo 2^32): well mixed bits for (seed, purpose)."""
    wide = np.asarray(seed).astype(np.int64, copy=False) & 0xFFFFFFFF
    x = np.atleast_1d(wide.astype(np.uint32))
    with np.errstate(over="ignore"):
        x = _mix(_mix(x + np.uint32(0x9E3779B9)) ^ purpose_key(purpose))
    return x.reshape(np.shape(seed))


def hash01(seed: ArrayLike, purpose: str) -> NDArray[np.float32]:
    """float32 in [0, 1), the shape of `seed`: the chance that (seed, purpose) draws. 24 bits, exact in float32."""
    return (hash_u32(seed, purpose) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
