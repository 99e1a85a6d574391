"""A UNet that spends less on what lies between its matrices: the same weights, other code.

Only classes of modules are changed, so that names and shapes of weights stay: whoever loads, saves, trains or
fills them sees no difference.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel

_log = logging.getLogger(__name__)


@cache
def kernels_problem(device: torch.device) -> str | None:
    """Why Triton's kernels can't run here, or None: a real one tells, compiled and called once."""
    if device.type != "cuda":
        return "there is no GPU"
    try:
        from inference.kernels import Gate

        both = torch.ones(1, 32, device=device)
        right = torch.allclose(Gate.apply(both), torch.nn.functional.gelu(both[:, :16]))
        problem = None if right else "Triton computes something else"
    except ImportError:  # PyTorch's builds for some systems come without it
        problem = "Triton is not installed"
    except Exception as error:  # an old GPU, or no C compiler
        problem = f"Triton fails with {type(error).__name__}"
    if problem is not None:
        _log.warning("slower without our kernels: %s", problem)
    return problem


def fuse(unet: UNet2DConditionModel) -> None:
    """Use the kernels of `inference.kernels`; where they can't run, on the CPU above all, nothing changes."""
    if kernels_problem(unet.device) is not None:
        return
    for module in [*unet.modules()]:
        kind = _FUSED.get(type(module))
        if kind is not None:
            module.__class__ = kind
        if isinstance(module, ResnetBlock2D):
            # Its one activation serves the time embedding as well: that comes activated from now on.
            module.norm1.silu = module.norm2.silu = True
            module.nonlinearity = torch.nn.Identity()
    unet.time_embed_act = torch.nn.SiLU()
    unet.conv_norm_out.silu = True
    unet.conv_act = torch.nn.Identity()


class _GroupNorm(torch.nn.GroupNorm):
    silu = False
    """Whether SiLU follows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from inference.kernels import GroupNorm

        return GroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps, self.silu)


class _Gated(GEGLU):
    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        from inference.kernels import Gate

        return Gate.apply(self.proj(hidden_states))


class _Transformer(Transformer2DModel):
    def _get_output_for_continuous_inputs(
        self,
        hidden_states: torch.Tensor,
        residual: torch.Tensor,
        batch_size: int,
        height: int,
        width: int,
        inner_dim: int,
    ) -> torch.Tensor:
        """As in the class above, without the copy from pixels to planes that the convolutions would undo."""
        if self.use_linear_projection:
            hidden_states = self.proj_out(hidden_states)
        hidden_states = hidden_states.reshape(batch_size, height, width, inner_dim).permute(0, 3, 1, 2)
        if not self.use_linear_projection:
            hidden_states = self.proj_out(hidden_states)
        return hidden_states + residual


_FUSED: dict[type, type] = {
    torch.nn.GroupNorm: _GroupNorm,
    GEGLU: _Gated,
    Transformer2DModel: _Transformer,
}
