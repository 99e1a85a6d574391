"""What stands in for a model's parts gives its memory back at once: a training may be waiting for it."""

import gc
import weakref

import torch

from inference.denoiser import _Graph


def test_a_graph_is_gone_with_its_last_holder_without_the_collector() -> None:
    double = _Graph(lambda one: 2 * one, (torch.ones(2),))
    assert torch.equal(double((torch.full((2,), 3.0),)), torch.full((2,), 6.0))
    held = weakref.ref(double)
    gc.disable()
    try:
        del double
        assert held() is None
    finally:
        gc.enable()
