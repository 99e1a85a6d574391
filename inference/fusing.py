"""A UNet that spends less on what lies between its matrices: the same weights, other code.

Only classes of modules are changed, so that names and shapes of weights stay: whoever loads, saves, trains or
fills them sees no difference.
"""

from __future__ import annotations

import importlib.util

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel


def fuse(unet: UNet2DConditionModel) -> None:
    """Use the kernels of `inference.kernels`; where they can't run, on the CPU above all, nothing changes."""
    if unet.device.type != "cuda" or importlib.util.find_spec("triton") is None:
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
