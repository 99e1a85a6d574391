"""From a loss to changed weights: loss scaling, clipping, warm-up and AdamW in the plan's form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from trainer.events import Plan
from trainer.memory import is_split
from trainer.spec import Recipe
from trainer.split_adamw import SplitAdamW


class Descent(Protocol):
    """AdamW over given parameters. `backward` adds gradients, `step` uses them up."""

    def backward(self, loss: torch.Tensor) -> None: ...

    def step(self) -> None: ...

    def clear(self) -> None:
        """Forget the gradients."""
        ...

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come, those of a captured graph too."""
        ...

    def masters(self) -> Iterator[torch.Tensor]:
        """The exact value of each parameter."""
        ...

    def release(self) -> None:
        """Leave the parameters with their exact values, and give back what only steps need."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def descent(
    parameters: list[torch.nn.Parameter], recipe: Recipe, plan: Plan, device: torch.device
) -> Descent:
    """What a plan asks for."""
    rate = rate_at(0, recipe, plan)
    if is_split(plan):
        return SplitAdamW(parameters, rate, recipe.max_grad_norm)
    return PlainAdamW(parameters, rate, recipe.max_grad_norm, plan, device)


def rate_at(done: int, recipe: Recipe, plan: Plan) -> float:
    """The learning rate of the step after `done` others: it rises evenly to the recipe's and stays there."""
    rate = recipe.lora_learning_rate if plan.method == "lora" else recipe.learning_rate
    return rate * min(1.0, (done + 1) / (recipe.warmup_steps + 1))


class PlainAdamW:
    """Weights in single precision; the plan's precision is autocast's."""

    def __init__(
        self,
        parameters: list[torch.nn.Parameter],
        rate: float,
        max_norm: float,
        plan: Plan,
        device: torch.device,
    ) -> None:
        self._parameters = parameters
        self._max_norm = max_norm
        self._scaler = torch.amp.GradScaler(device.type, enabled=plan.precision == "fp16")
        self._optimizer = _adamw(parameters, rate, plan, device)

    def backward(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()

    def step(self) -> None:
        """One optimiser step; with loss scaling, none where a gradient overflowed."""
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._parameters, self._max_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def clear(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def set_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def masters(self) -> Iterator[torch.Tensor]:
        return (parameter.detach() for parameter in self._parameters)

    def release(self) -> None:
        self.clear()
        self._optimizer.state.clear()

    def state(self) -> dict[str, Any]:
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


def _adamw(
    parameters: list[torch.nn.Parameter], rate: float, plan: Plan, device: torch.device
) -> torch.optim.Optimizer:
    """Weight decay is AdamW's usual 0.01, as in the lesson."""
    if plan.optimizer == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(parameters, lr=rate, weight_decay=0.01)
    cuda = device.type == "cuda"
    # A captured step reads the rate from the device: a plain number would be frozen into the graph.
    lr = torch.tensor(rate, device=device) if cuda else rate
    return torch.optim.AdamW(parameters, lr=lr, fused=True, capturable=cuda)
