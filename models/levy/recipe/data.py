"""Pairs on disk: rendered by many processes, one file each, whatever was there kept; and read again for training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.levy.recipe.scenes import HELD_OUT

U8 = NDArray[np.uint8]

#: (width, height) of a held-out picture, and of one to train on: small ones, because light, kit and wear are one for each
#: picture, and a network soon knows a few thousand of them by heart.
HELD_PX, SIZE_PX = (320, 256), (192, 160)
#: Every so many of those to train on is a large one: shots are painted in tiles that are larger still.
LARGE_PX, LARGE_EVERY = (384, 320), 16
#: Eight-bit pictures of a pair and their channels, as they lie one after the other in `Stored.bytes`.
PARTS = (
    ("plate", 3), ("guide", 3), ("target", 3), ("other", 3), ("normal", 3), ("albedo", 3), ("pose", 3), ("mask", 1),
    ("coverage", 1),
)  # fmt: skip
CHANNELS = sum(n for _, n in PARTS)


def slices() -> dict[str, slice]:
    """Where each part lies along the channels."""
    out, at = {}, 0
    for name, count in PARTS:
        out[name] = slice(at, at + count)
        at += count
    return out


@dataclass(frozen=True)
class Stored:
    """bytes: uint8 [H, W, CHANNELS], 255 is 1. depth: float16 [H, W]. agent: uint16 [H, W], 0 nobody, numbered anew.
    other_text: of the part `other`, the same people in another state of wear."""

    number: int
    text: str
    other_text: str
    bytes: U8
    depth: NDArray[np.float16]
    agent: NDArray[np.uint16]

    def part(self, name: str) -> NDArray[np.float32]:
        """float32 [H, W] or [H, W, 3], 0..1."""
        picture = self.bytes[..., slices()[name]].astype(np.float32) / 255
        return picture[..., 0] if picture.shape[-1] == 1 else picture


def size_of(number: int) -> tuple[int, int]:
    if number >= HELD_OUT:
        return HELD_PX
    return LARGE_PX if number % LARGE_EVERY == LARGE_EVERY - 1 else SIZE_PX


def stored(number: int, size_px: tuple[int, int] | None = None, height_px: float | None = None) -> Stored:
    """Render one pair, as it is kept. size_px: `size_of(number)` if not told."""
    from models.levy.recipe.pairs import pair_of

    pair = pair_of(number, size_px or size_of(number), height_px)
    request = pair.request
    pictures = {
        "plate": request.plate[0], "guide": request.guide[0], "target": pair.target, "other": pair.other,
        "normal": request.normal[0], "albedo": request.albedo[0], "pose": request.pose[0],
        "mask": request.mask[0][..., None], "coverage": pair.coverage[..., None],
    }  # fmt: skip
    stack = np.concatenate([pictures[name] for name, _ in PARTS], -1)
    _, agent = np.unique(np.append(request.agent_id[0].ravel(), 0), return_inverse=True)
    return Stored(
        number, pair.text, pair.other_text, np.round(stack.clip(0, 1) * 255).astype(np.uint8),
        request.depth[0].astype(np.float16), agent[:-1].reshape(request.agent_id[0].shape).astype(np.uint16),
    )  # fmt: skip


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.npz"


def save(folder: Path, pair: Stored) -> None:
    """Whole or not at all."""
    path = path_of(folder, pair.number)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        texts = np.array([pair.text, pair.other_text])
        np.savez(file, texts=texts, bytes=pair.bytes, depth=pair.depth, agent=pair.agent)
    os.replace(part, path)


def read(path: Path) -> Stored:
    with np.load(path, allow_pickle=False) as file:
        return Stored(int(path.stem), *map(str, file["texts"]), file["bytes"], file["depth"], file["agent"])


def there(folder: Path, held_out: bool = False) -> list[Path]:
    """The pairs that are on disk, by number."""
    return sorted(p for p in folder.glob("*.npz") if (int(p.stem) >= HELD_OUT) == held_out)


def numbers(count: int, held_out: bool = False) -> range:
    return range(HELD_OUT, HELD_OUT + count) if held_out else range(count)


# --- rendering ---


@dataclass(frozen=True)
class Progress:
    """failed: numbers whose scene could not be rendered, with why."""

    done: int
    total: int
    seconds: float
    failed: tuple[tuple[int, str], ...]

    def line(self) -> str:
        rate = self.done / max(self.seconds, 1e-9)
        return f"{self.done}/{self.total} pictures, {rate:.2f} a second" + (
            f", {len(self.failed)} failed" if self.failed else ""
        )


def render(
    folder: Path, wanted: Iterable[int], jobs: int, told: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False, size_px: tuple[int, int] | None = None,
) -> Progress:  # fmt: skip
    """Render those of the wanted numbers that are not there yet, `jobs` at a time, each in a process of one thread. stop:
    asked between pictures. jobs 0: here, in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    _clear_parts(folder)
    todo = [n for n in wanted if not path_of(folder, n).exists()]
    begin, done, failed = time.monotonic(), 0, list[tuple[int, str]]()

    def finished(number: int, error: BaseException | None) -> None:
        nonlocal done
        if error is not None:
            failed.append((number, f"{type(error).__name__}: {error}"))
        done += 1
        if told is not None:
            told(so_far())

    def so_far() -> Progress:
        return Progress(done, len(todo), time.monotonic() - begin, tuple(failed))

    if jobs == 0:
        for number in todo:
            if stop():
                break
            _work(str(folder), number, size_px)
            finished(number, None)
        return so_far()
    queue = iter(todo)
    running: dict[Future[None], int] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_alone) as pool:
        while True:
            while len(running) < 2 * jobs and not stop() and (number := next(queue, None)) is not None:
                running[pool.submit(_work, str(folder), number, size_px)] = number
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                finished(running.pop(future), future.exception())
    return so_far()


def _clear_parts(folder: Path) -> None:
    """What a killed run left half written."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def _alone() -> None:
    """One thread and low priority: there is a process for each core, and training beside them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a card trains meanwhile
    os.nice(5)
    import cv2

    cv2.setNumThreads(1)


def _work(folder: str, number: int, size_px: tuple[int, int] | None) -> None:
    save(Path(folder), stored(number, size_px))


def in_memory(paths: Sequence[Path], most_bytes: int) -> list[Path]:
    """As many of the pairs as fit, spread over all of them."""
    total = sum(path.stat().st_size for path in paths)
    step = max(1.0, total / most_bytes)
    return [paths[int(k * step)] for k in range(int(len(paths) / step))] or list(paths[:1])
