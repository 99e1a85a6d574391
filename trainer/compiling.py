"""The UNet's blocks compiled, for whoever trains so long or so often that it pays.

The first job on a machine waits minutes, later ones some seconds: what was compiled stays on the disk.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D

_SHAPES = 64
"""More than the blocks of a UNet differ in: beyond it they would run uncompiled without a word."""


def compile_blocks(unet: torch.nn.Module) -> None:
    """Compile residual and transformer blocks at their first call; equal ones share what is compiled."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "likeness" / "inductor"))
    torch._dynamo.config.recompile_limit = _SHAPES
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D | BasicTransformerBlock):
            module.compile(fullgraph=True, dynamic=False)


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Run blocks as they are: a preview in between is not worth compiling for."""
    with torch.compiler.set_stance("force_eager"):
        yield
