"""Training: the clean picture predicted from a noisy one, by wall seconds or by steps, with checkpoints to go on from.

Zero-terminal SNR (Lin et al., Common Diffusion Noise Schedules and Sample Steps are Flawed, 2024). The loss counts every
timestep alike: weights by signal-to-noise ratio spend the training on nearly clean pictures, which four to eight steps hardly
visit, and leave light and colour wrong, which the first step decides."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import avg_pool2d, pixel_shuffle, smooth_l1_loss

from composer.errors import InputError, Where
from models.levy.recipe.crops import Batch, Crops
from models.levy.recipe.measures import LEAST_PX
from models.levy.recipe.net import FACTOR, SIZES, Levy, loaded, scheduler

#: Sides of the crops in pixels, how many a step where 16 are of the smallest, and how often each side comes, in the first half
#: of the training and in the second. Small ones show many scenes. But a network normalises over all it sees, and of a small
#: crop the crowd is most: one that saw little else lost half of what it adds to its guide on pictures of 768 x 512.
SIDES_PX, COUNTS = (64, 160, 320), (16, 4, 2)
EARLY, LATE = (0.6, 0.25, 0.15), (0.3, 0.4, 0.3)
#: Share of the samples that start from pure noise, whose answer decides light and colour (the bundle holds them through
#: the steps after); the rest is spread over the timesteps from the last that few steps visit.
PURE, LAST_STEP = 0.65, 60
#: Errors from depth and pose alone are ten times those over the guide, and would drown them.
BLIND_WEIGHT = 0.25
#: Weights of the errors of averages of so many latents a side: the light and the colour that pixels' own error hides, of men
#: of five pixels' width and of larger ones.
LOW = ((2, 6.0), (4, 6.0))
#: Weight of the mean error of agents' mean colours, each agent counted once however few his pixels; errors above SMALL_ERROR
#: count as they are, and below it by their square.
AGENTS, SMALL_ERROR = 1.0, 0.03
#: Weight of the error of the difference between two states of wear, above its share of the plain error.
TOLD_WEIGHT = 6.0
#: How much faster what reads the text learns: little of any step's error is the text's, and words that mean nearly the same
#: are told apart late.
WORDS_RATE, READS_TEXT = 4.0, ("text.", "add_embedding.", ".attn2.")
WARM_UP_STEPS = 150
#: Of the rate, where a training begins with another's weights.
AGAIN = 0.5
#: In a bundle, beside its card: the state of the training that made it, to go on from.
HISTORY = "training.json"
#: A slow machine writes a line at least so often.
LOG_S = 30.0


@dataclass(frozen=True)
class TrainSpec:
    """size: of `net.SIZES`. steps: in place of seconds, for runs that must be the same again. start: folder
    of another training, or a bundle, whose averaged weights this one begins with. batch: crops of 64 px a
    step, fewer of larger ones. ema: of the weights that are kept."""

    size: str = "small"
    seconds: float = 3600.0
    steps: int | None = None
    batch: int = 16
    rate: float = 1.2e-3
    ema: float = 0.998
    seed: int = 1
    device: str = "cpu"
    threads: int | None = None
    compiled: bool = False
    start: Path | None = None
    save_every_s: float = 300.0
    log_every: int = 20

    @staticmethod
    def on(device: str, size: str, seconds: float) -> TrainSpec:
        """What suits a device."""
        if device.startswith("cuda"):
            return TrainSpec(size, seconds, batch=192, rate=1.5e-3, ema=0.9995, device=device, save_every_s=120.0)
        return TrainSpec(size, seconds, device=device)


class Trainer:
    """A network on its way. folder: checkpoint, log. more: called now and then, may bring more pairs."""

    def __init__(
        self, spec: TrainSpec, crops: Crops, folder: Path, more: Callable[[Crops], None] | None = None
    ) -> None:
        self.spec, self.crops, self.folder, self.more = spec, crops, folder, more
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(spec.seed)
        if spec.threads:
            torch.set_num_threads(spec.threads)
        self.device = torch.device(spec.device)
        self.net = Levy(SIZES[spec.size]).to(self.device, memory_format=torch.channels_last)
        self.kept = {name: p.detach().clone() for name, p in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            _groups(self.net), lr=spec.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.signal, self.sigma = (t.to(self.device) for t in levels())
        self.step, self.spent = 0, 0.0
        self.before: list[dict[str, float]] = []
        self._call = torch.compile(self.net, dynamic=False) if spec.compiled else self.net
        if (folder / "checkpoint").is_dir():
            self._resume()
        elif spec.start is not None:
            self._begin_with(spec.start)

    @property
    def share(self) -> float:
        """How much of the training is done, 0..1."""
        return min(1.0, self.step / self.spec.steps if self.spec.steps else self.spent / self.spec.seconds)

    def run(self, told: Callable[[dict[str, float]], None] | None = None, until: int | None = None) -> None:
        """Train to the end, or to a step."""
        saved = logged = time.monotonic()
        losses = list[float]()
        while self.share < 1 and (until is None or self.step < until):
            begin = time.monotonic()
            losses.append(self.one_step())
            self.spent += time.monotonic() - begin
            if self.step % self.spec.log_every == 0 or time.monotonic() - logged > LOG_S:
                logged = time.monotonic()
                self._log(losses, told)
                losses.clear()
                if self.more is not None:
                    self.more(self.crops)
            if time.monotonic() - saved > self.spec.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def one_step(self) -> float:
        """One batch. What is drawn depends on seed and step alone."""
        rng = np.random.default_rng((self.spec.seed, 97, self.step))
        kind = int(rng.choice(len(SIDES_PX), p=LATE if self.share >= 0.5 else EARLY))
        count = max(min(2, self.spec.batch), self.spec.batch * COUNTS[kind] // COUNTS[0])
        batch = self.crops.batch(rng, count, SIDES_PX[kind])
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate() * group["times"]
        loss = self.loss(batch, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        count = len(batch.clean)
        t = torch.from_numpy(np.where(rng.random(count) < PURE, 999, rng.integers(LAST_STEP, 1000, size=count)))
        dice = torch.Generator(self.device).manual_seed(int(rng.integers(1 << 62)))
        noise = torch.randn(batch.clean.shape, generator=dice, device=self.device)
        first, second = slice(0, 2 * batch.couples, 2), slice(1, 2 * batch.couples, 2)
        t[second], noise[second] = t[first], noise[first]
        t = t.to(self.device)
        at = (slice(None), None, None, None)
        x = self.signal[t][at] * batch.clean + self.sigma[t][at] * noise
        with torch.autocast(self.device.type, torch.bfloat16), self._attention():
            said = self._call(*(_last(v) for v in (x, batch.mask, batch.masked)), batch.hints, batch.ids, t)
        error = said.float() - batch.clean
        counts = BLIND_WEIGHT + (1 - BLIND_WEIGHT) * batch.guided
        loss = (counts * _squares(error, batch.weight)).sum()
        told = (error[first] - error[second]) / 2
        loss = loss + 2 * TOLD_WEIGHT * (counts[first] * _squares(told, batch.weight[first])).sum()
        return loss / count + AGENTS * agents_error(error, batch.agent, batch.guided)

    def _attention(self) -> AbstractContextManager[None]:
        """A CPU multiplies sixteen tokens faster plainly than in blocks."""
        return sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        rate = self.spec.rate * (AGAIN if self.before else 1.0)
        return rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.share)))

    def _average(self) -> None:
        keep = min(self.spec.ema, (1 + self.step) / (10 + self.step))
        mine, net = [], []
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                mine.append(self.kept[name])
                net.append(value.detach())
        torch._foreach_lerp_(mine, net, 1 - keep)

    def averaged(self) -> Levy:
        """The network that is delivered."""
        net = Levy(SIZES[self.spec.size])
        net.load_state_dict({name: value.cpu() for name, value in self.kept.items()})
        return net.eval()

    # --- what is written ---

    def save(self) -> None:
        """A new checkpoint beside the old one, then in its place."""
        new, now = self.folder / "checkpoint.new", self.folder / "checkpoint"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        save_file(_plain(self.net.state_dict()), new / "model.safetensors")
        save_file(_plain(self.kept), new / "ema.safetensors")
        torch.save(self.optimizer.state_dict(), new / "optimizer.pt")
        (new / "state.json").write_text(json.dumps(self.state(), indent=1), encoding="utf-8")
        old = self.folder / "checkpoint.old"
        shutil.rmtree(old, ignore_errors=True)
        if now.is_dir():
            os.replace(now, old)
        os.replace(new, now)
        shutil.rmtree(old, ignore_errors=True)

    def state(self) -> dict[str, Any]:
        spec = {**asdict(self.spec), "start": str(self.spec.start) if self.spec.start else None}
        return {"step": self.step, "spent": self.spent, "before": self.before, "spec": spec}

    def _resume(self) -> None:
        folder = self.folder / "checkpoint"
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state["spec"]["size"] != self.spec.size:
            raise _other_network(folder / "state.json", self.spec.size, state["spec"]["size"])
        self.step, self.spent, self.before = state["step"], state["spent"], state.get("before", [])
        self.net.load_state_dict(load_file(folder / "model.safetensors"))
        self.kept = {name: value.to(self.device) for name, value in load_file(folder / "ema.safetensors").items()}
        self.optimizer.load_state_dict(torch.load(folder / "optimizer.pt", map_location=self.device, weights_only=True))

    def _begin_with(self, folder: Path) -> None:
        net, state = trained(folder)
        if state["spec"]["size"] != self.spec.size:
            raise _other_network(folder, self.spec.size, state["spec"]["size"])
        self.net.load_state_dict(net.state_dict())
        self.kept = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self.before = [*state.get("before", []), {"steps": state["step"], "seconds": state["spent"]}]

    def _log(self, losses: list[float], told: Callable[[dict[str, float]], None] | None) -> None:
        line = {
            "step": self.step, "seconds": round(self.spent, 2), "share": round(self.share, 4),
            "loss": round(float(np.mean(losses)), 6), "rate": round(self._rate(), 7), "pairs": len(self.crops),
        }  # fmt: skip
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if told is not None:
            told(line)


def _other_network(where: Path, wanted: str, got: str) -> InputError:
    return InputError(
        "the checkpoint is of another network", where=Where(where), expected=wanted, got=got,
        hint="another --work, or take the checkpoint away",
    )  # fmt: skip


def trained(folder: Path) -> tuple[Levy, dict[str, Any]]:
    """The averaged network of a training's folder, or of a bundle, and its state: `step`, `spent`, `before`, `spec`."""
    if (folder / HISTORY).is_file():
        return loaded(folder / "weights/base").eval(), json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    path = folder / "checkpoint" / "state.json"
    if not path.is_file():
        raise InputError(
            "nothing is trained there", where=Where(folder), expected=f"checkpoint/state.json, or {HISTORY} of a bundle",
            hint="python -m models.levy.recipe train",
        )  # fmt: skip
    state = json.loads(path.read_text(encoding="utf-8"))
    net = Levy(SIZES[state["spec"]["size"]])
    net.load_state_dict(load_file(path.parent / "ema.safetensors"))
    return net.eval(), state


def write_history(state: Mapping[str, Any], folder: Path) -> None:
    """Into a bundle's folder: what a later training that begins with it needs to know."""
    spec = {key: state["spec"][key] for key in ("size", "device", "threads")}
    kept = {"step": state["step"], "spent": round(state["spent"], 1), "before": state.get("before", []), "spec": spec}
    (folder / HISTORY).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def levels() -> tuple[Tensor, Tensor]:
    """float32 [1000] each: signal and sigma at each timestep."""
    kept = scheduler().alphas_cumprod.double()
    return kept.sqrt().float(), (1 - kept).sqrt().float()


def _groups(net: Levy) -> list[dict[str, Any]]:
    """What reads the text, and the rest, each with how many times the rate it learns at."""
    reads, rest = list[Tensor](), list[Tensor]()
    for name, value in net.named_parameters():
        (reads if any(part in name for part in READS_TEXT) else rest).append(value)
    return [{"params": rest, "times": 1.0}, {"params": reads, "times": WORDS_RATE}]


def _squares(error: Tensor, weight: Tensor) -> Tensor:
    """[B]: of pixels and of averages."""
    plain = (weight * error**2).mean((1, 2, 3))
    return plain + sum(counts * _low(error, weight, latents) for latents, counts in LOW)


def agents_error(error: Tensor, agent: Tensor, guided: Tensor) -> Tensor:
    """How far agents' mean colours are off, by the mean over all who are large enough to be measured, in guided crops.
    error: latents [B, 12, h, w]. agent: int64 [B, H, W], 0 nobody. guided: [B]."""
    who = (agent * guided.long()[:, None, None]).flatten()
    colours = pixel_shuffle(error, FACTOR).permute(0, 2, 3, 1).reshape(-1, 3)
    numbers, index, pixels = torch.unique(who, return_inverse=True, return_counts=True)
    sums = colours.new_zeros(len(pixels), 3).index_add(0, index, colours)
    means = (sums / pixels[:, None])[(numbers > 0) & (pixels >= LEAST_PX)]
    return smooth_l1_loss(means, torch.zeros_like(means), beta=SMALL_ERROR) if len(means) else error.sum() * 0


def _low(error: Tensor, weight: Tensor, latents: int) -> Tensor:
    """[B]: squared error of weighted averages over latents x latents and the pixels in them."""
    side = error.shape[-2:]
    phases = (len(error), 3, FACTOR * FACTOR, *side)
    counts = avg_pool2d(weight.reshape(phases).mean(2), latents)
    sums = avg_pool2d((error * weight).reshape(phases).mean(2), latents)
    return (sums**2 / counts).mean((1, 2, 3))


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().contiguous().cpu() for name, value in state.items()}


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
