"""A resumable training loop over one captured step, with a moving average of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inference.replay import Replay

_REPORT_EVERY = 50
_SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: linear warm-up, then a cosine down to a hundredth."""

    steps: int
    learning_rate: float
    average_decay: float = 0.999
    warm_up: int = 300

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))

    def decay(self, step: int) -> float:
        """Share of the average that a step keeps: little at first, else the random start would stay in it."""
        return min(self.average_decay, (step + 1) / (step + 10))


def fit(
    module: torch.nn.Module,
    loss: Callable[[], torch.Tensor],
    schedule: Schedule,
    *,
    file: Path,
    device: torch.device,
    deadline: float,
) -> bool:
    """Minimise `loss`, a function over static tensors, and leave the averaged weights in `module`.

    State goes to `file` every minute and is picked up from there. Returns False when `deadline`
    (of time.monotonic) came before the last step: call again to go on.
    """
    parameters = list(module.parameters())
    rate, decay = torch.zeros((), device=device), torch.zeros((), device=device)
    optimizer = torch.optim.AdamW(
        parameters,
        lr=rate,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
        capturable=device.type == "cuda",
    )
    average = [parameter.detach().clone() for parameter in parameters]
    total = torch.zeros((), device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_mul_(average, decay)
        torch._foreach_add_(average, torch._foreach_mul(parameters, 1.0 - decay))
        total.add_(value.detach())

    done = _restore(file, module, optimizer, average)
    replay = Replay(step, device)
    saved = reported = time.monotonic()
    while done < schedule.steps and time.monotonic() < deadline:
        rate.fill_(schedule.rate(done))
        decay.fill_(schedule.decay(done))
        replay()
        done += 1
        if done % _REPORT_EVERY == 0:
            mean, now = total.item() / _REPORT_EVERY, time.monotonic()
            seconds = (now - reported) / _REPORT_EVERY
            print(f"{file.stem} {done}/{schedule.steps} loss {mean:.4f} {seconds:.4f} s/step", flush=True)
            total.zero_()
            reported = now
        if time.monotonic() - saved > _SAVE_SECONDS:
            _store(file, module, optimizer, average, done)
            saved = time.monotonic()
    _store(file, module, optimizer, average, done)
    with torch.no_grad():
        for parameter, value in zip(parameters, average, strict=True):
            parameter.copy_(value)
    return done >= schedule.steps


def _store(
    file: Path,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: list[torch.Tensor],
    done: int,
) -> None:
    state: dict[str, Any] = {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average,
        "done": done,
    }
    incoming = file.with_suffix(".incoming")
    torch.save(state, incoming)
    incoming.rename(file)


def _restore(
    file: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: list[torch.Tensor]
) -> int:
    if not file.exists():
        return 0
    rate = optimizer.param_groups[0]["lr"]
    state = torch.load(file, map_location=rate.device, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    for group in optimizer.param_groups:
        group["lr"] = rate  # the tensor that the loop fills, not the one that was loaded
    for kept, value in zip(average, state["average"], strict=True):
        kept.copy_(value)
    return int(state["done"])
