"""From a loss to changed weights: loss scaling, clipping, warm-up and AdamW in the plan's form."""

from __future__ import annotations

from typing import Any

import torch

from trainer.events import Plan
from trainer.spec import Recipe


class Descent:
    """AdamW over given parameters. `backward` adds gradients, `step` uses them up."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], recipe: Recipe, plan: Plan, device: torch.device
    ) -> None:
        self._parameters = parameters
        self._norm = recipe.max_grad_norm
        self._warmup = recipe.warmup_steps
        self._rate = recipe.lora_learning_rate if plan.method == "lora" else recipe.learning_rate
        self._scaler = torch.amp.GradScaler(device.type, enabled=plan.precision == "fp16")
        self._optimizer = _adamw(parameters, self._rate, plan, device, changing=self._warmup > 0)

    def backward(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()

    def step(self) -> None:
        """One optimiser step; with loss scaling, none where a gradient overflowed."""
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._parameters, self._norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def clear(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def warm_up(self, done: int) -> None:
        """Set the rate for the step after `done` others: it rises evenly to the recipe's and stays there."""
        if done > self._warmup:
            return
        for group in self._optimizer.param_groups:
            rate = self._rate * (done + 1) / (self._warmup + 1)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def state(self) -> dict[str, Any]:
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


def _adamw(
    parameters: list[torch.nn.Parameter], rate: float, plan: Plan, device: torch.device, *, changing: bool
) -> torch.optim.Optimizer:
    """Weight decay is AdamW's usual 0.01, as in the lesson."""
    if plan.optimizer == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(parameters, lr=rate, weight_decay=0.01)
    cuda = device.type == "cuda"
    # A captured step reads the rate from the device: a plain number would be frozen into the graph.
    lr = torch.tensor(rate, device=device) if cuda and changing else rate
    return torch.optim.AdamW(parameters, lr=lr, fused=True, capturable=cuda)
