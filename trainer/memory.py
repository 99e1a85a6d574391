"""The memory plan: what a GPU's free memory allows, from plenty to next to nothing. No torch.

Bytes a trained parameter takes: in bfloat16 a working weight and the rest of its bits 2 each, its gradient 2
and AdamW's moments 8 (`trainer.split_adamw`); else single-precision weight and gradient 4 each and moments of
8, in 8 bits 2. A frozen one takes 4, or 2 in half precision. Activations come on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.events import Plan
from trainer.spec import Memory, Method, Recipe

_GIB = 2**30
_RESERVE = 0.95
"""Share of the free memory that a plan may fill: allocators leave gaps."""
_CONTEXT_GIB = 0.5
"""What CUDA's libraries take for themselves."""
_ACTIVATION_BYTES = {"split": 5000.0, "fp16": 7500.0, "bf16": 7500.0, "fp32": 15000.0}
"""Bytes that a picture leaves for the backward pass, a pixel and 1e9 parameters.

Taken from the peak of Stable Diffusion 1.5 at 512x512; with checkpointing about a quarter stays.
"""
_CHECKPOINTED = 0.25
_LORA_SHARE = 0.01
"""Parameters that rank 16 adds, as a share of the model's."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a device can do. `free_gib` is None where there is no GPU."""

    free_gib: float | None = None
    half: Literal["bf16", "fp16"] = "bf16"
    """The half precision that it computes fast."""
    eight_bit_problem: str | None = None
    """Why 8-bit AdamW can't run; None where it can."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters of a model's parts, and its resolution in pixels."""

    unet: int
    text_encoder: int
    vae: int
    resolution: int


@dataclass(frozen=True, slots=True)
class _Choice:
    name: Memory
    method: Method
    eight_bit: bool
    checkpointing: bool


_CHOICES = (
    _Choice("roomy", "full", eight_bit=False, checkpointing=False),
    _Choice("lean", "full", eight_bit=False, checkpointing=True),
    _Choice("eight-bit", "full", eight_bit=True, checkpointing=True),
    _Choice("lora", "lora", eight_bit=False, checkpointing=False),
    _Choice("lora-lean", "lora", eight_bit=False, checkpointing=True),
)


def is_split(plan: Plan) -> bool:
    """Whether the model computes with bfloat16 weights and exact ones are kept beside them."""
    return plan.precision == "bf16" and plan.optimizer == "adamw"


def choose_plan(recipe: Recipe, size: ModelSize, hardware: Hardware) -> Plan:
    """The first plan that fits into the free memory, with what the recipe insists on.

    The recipe's method is kept as long as anything of it fits; a plan that was asked by name is taken
    whether it fits or not.
    """
    if hardware.free_gib is None:
        return _on_cpu(recipe)
    plans = [_plan(choice, recipe, size, hardware) for choice in _candidates(recipe)]
    if recipe.memory == "auto" and hardware.eight_bit_problem:
        # Without 8-bit AdamW that plan is the one before it once more.
        plans = [plan for plan in plans if plan.name != "eight-bit"]
    room = hardware.free_gib * _RESERVE
    chosen = next((plan for plan in plans if plan.needed_gib <= room), plans[-1])
    notes = chosen.notes
    if chosen.needed_gib > room:
        notes += ("The GPU may have too little memory: no smaller plan is left.",)
    if recipe.memory == "auto" and chosen.method != recipe.method:
        notes += ("The GPU's memory is too small to train every weight: LoRA takes its place.",)
    return chosen.model_copy(update={"notes": notes})


def _candidates(recipe: Recipe) -> list[_Choice]:
    if recipe.memory != "auto":
        return [choice for choice in _CHOICES if choice.name == recipe.memory]
    return [choice for choice in _CHOICES if recipe.method == "full" or choice.method == "lora"]


def _plan(choice: _Choice, recipe: Recipe, size: ModelSize, hardware: Hardware) -> Plan:
    notes: tuple[str, ...] = ()
    optimizer = recipe.optimizer
    if optimizer == "auto":
        optimizer = "adamw8bit" if choice.eight_bit else "adamw"
    if optimizer == "adamw8bit" and hardware.eight_bit_problem:
        optimizer = "adamw"
        notes = (f"8-bit AdamW can't run here ({hardware.eight_bit_problem}); AdamW takes its place.",)
    checkpointing = recipe.gradient_checkpointing
    plan = Plan(
        name=choice.name,
        method=choice.method,
        precision=hardware.half if recipe.precision == "auto" else recipe.precision,
        optimizer=optimizer,
        gradient_checkpointing=choice.checkpointing if checkpointing is None else checkpointing,
        needed_gib=0.0,
        free_gib=hardware.free_gib,
        notes=notes,
    )
    return plan.model_copy(update={"needed_gib": round(needed_gib(plan, recipe, size), 2)})


def _on_cpu(recipe: Recipe) -> Plan:
    notes: tuple[str, ...] = ()
    if recipe.optimizer == "adamw8bit":
        notes = ("8-bit AdamW needs a GPU; AdamW takes its place.",)
    return Plan(
        name="cpu",
        method="lora" if recipe.memory in ("lora", "lora-lean") else recipe.method,
        precision="fp32" if recipe.precision == "auto" else recipe.precision,
        optimizer="adamw",
        gradient_checkpointing=bool(recipe.gradient_checkpointing),
        needed_gib=0.0,
        notes=notes,
    )


def needed_gib(plan: Plan, recipe: Recipe, size: ModelSize) -> float:
    """Estimate of a plan's peak: as the model is loaded, at the backward pass's start, or at its end."""
    whole = size.unet + size.text_encoder
    loaded = 4.0 * (whole + size.vae)
    learning = size.unet + (size.text_encoder if recipe.train_text_encoder else 0)
    frozen_bytes = 4.0
    if plan.method == "lora":
        learning = int(_LORA_SHARE * whole * recipe.lora_rank / 16)
        frozen_bytes = 4.0 if plan.precision == "fp32" else 2.0
    frozen = whole - learning if plan.method == "full" else whole
    split = is_split(plan)
    moments = 2 if plan.optimizer == "adamw8bit" else 8
    gradients = (2.0 if split else 4.0) * learning
    held = frozen_bytes * frozen + (4 + moments) * learning + 4 * size.vae
    pictures = recipe.batch_size * (2 if recipe.prior_weight > 0 and recipe.class_images else 1)
    activations = _ACTIVATION_BYTES["split" if split else plan.precision] * pictures * size.resolution**2
    activations *= whole / 1e9 * (_CHECKPOINTED if plan.gradient_checkpointing else 1.0)
    return max(held + max(activations, gradients), loaded) / _GIB + _CONTEXT_GIB
