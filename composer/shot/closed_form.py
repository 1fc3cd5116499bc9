"""Closed-form matting: the alpha that is nearest to linear in the plate's colour in every 3 x 3 window at once, with the known
pixels held.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (PAMI 2008). Its matting Laplacian is set up for the
windows that reach an unknown pixel only, and solved by conjugate gradients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import cg

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Noise that is no edge, as a part of the window's own mean square.
NOISE = 3e-4
#: How much the first guess counts against the windows: it decides only where they say nothing.
PRIOR = 5e-3
TOLERANCE = 1e-5
MOST_STEPS = 400
#: Windows that are set up at once: 81 entries each.
_AT_ONCE = 65536


def closed_form(rgb: F32, guess: F32, known: Mask, noise: float = NOISE, prior: float | F32 = PRIOR) -> F64:
    """Alpha [H, W] as float64, not clipped: `guess` where it is known, solved elsewhere.

    rgb: float32 [H, W, 3], linear light. guess: float32 [H, W]. known: bool [H, W]; along the picture's own border every pixel
    may be unknown. noise: the window's epsilon, as a part of its mean square. prior: the weight of the guess, one for all or
    [H, W].
    """
    alpha = guess.astype(np.float64)
    unknown = ~known
    if not unknown.any() or min(known.shape) < 3:
        return alpha
    number = np.full(known.shape, -1, dtype=np.int64)
    near = _near(unknown)
    number[near] = np.arange(near.sum())
    laplacian = _laplacian(rgb.astype(np.float64), unknown, number, noise)
    here = unknown[near]
    free, held = np.flatnonzero(here), np.flatnonzero(~here)
    values = alpha[near]
    rows = laplacian[free]
    weights = np.broadcast_to(np.float64(prior), known.shape)[near][free]
    matrix = (rows[:, free] + diags_array(weights)).tocsr()
    right = weights * values[free] - rows[:, held] @ values[held]
    jacobi = diags_array(1.0 / matrix.diagonal())
    solved, _ = cg(matrix, right, x0=values[free], rtol=TOLERANCE, maxiter=MOST_STEPS, M=jacobi)
    values[free] = solved
    alpha[near] = values
    return alpha


def _near(unknown: Mask) -> Mask:
    """The pixels of all windows that hold an unknown one: within two pixels of one."""
    grown = unknown.copy()
    for _ in range(2):
        wide = grown.copy()
        wide[:, 1:] |= grown[:, :-1]
        wide[:, :-1] |= grown[:, 1:]
        tall = wide.copy()
        tall[1:] |= wide[:-1]
        tall[:-1] |= wide[1:]
        grown = tall
    return grown


def _laplacian(rgb: F64, unknown: Mask, number: NDArray[np.int64], noise: float) -> csr_array:
    """The matting Laplacian over the numbered pixels, from every 3 x 3 window inside the picture with an unknown pixel."""
    height, width = unknown.shape
    count = int(number.max()) + 1
    once = np.zeros((height, width), dtype=bool)
    once[1:-1, 1:-1] = _reached(unknown)[1:-1, 1:-1]
    middle_y, middle_x = np.nonzero(once)
    step_y, step_x = (s.ravel() for s in np.mgrid[-1:2, -1:2])
    total = csr_array((count, count))
    for at in range(0, len(middle_y), _AT_ONCE):
        y = middle_y[at : at + _AT_ONCE, None] + step_y
        x = middle_x[at : at + _AT_ONCE, None] + step_x
        index = number[y, x]
        colour = rgb[y, x]  # [K, 9, 3]
        own = colour - colour.mean(axis=1, keepdims=True)
        epsilon = noise * (colour**2).mean(axis=(1, 2)) + 1e-12
        variance = np.einsum("kia,kib->kab", own, own) / 9 + epsilon[:, None, None] / 9 * np.eye(3)
        share = (1 + np.einsum("kia,kaj->kij", own, np.linalg.solve(variance, own.transpose(0, 2, 1)))) / 9
        entry = np.eye(9) - share
        row = np.broadcast_to(index[:, :, None], entry.shape).ravel()
        column = np.broadcast_to(index[:, None, :], entry.shape).ravel()
        total = total + coo_array((entry.ravel(), (row, column)), shape=(count, count)).tocsr()
    return total


def _reached(unknown: Mask) -> Mask:
    """Middles of windows with an unknown pixel in them."""
    padded = np.pad(unknown, 1)
    height, width = unknown.shape
    return np.logical_or.reduce([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])
