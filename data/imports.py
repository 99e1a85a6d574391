"""How the worker processes import torch and what stands on it: their starter waits for nothing else."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Import within this block. What was made before its end is never looked through for garbage again.

    The modules of torch, diffusers and transformers make a million objects that all stay: looking through
    them over and over took a fifth of a worker's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
