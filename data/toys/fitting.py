"""Fits the reader's network to drawn pictures. The only part of the toys that needs torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from data.toys.dataset import dataset
from data.toys.reader import CONVOLUTIONS, HIDDEN, INPUT, WEIGHTS, places
from data.toys.traits import VALUES, sample

_BATCH = 128
_RATE = 2e-3
_UNSEEN = -1


def fit(count: int, epochs: int, seed: int, workers: int) -> None:
    """Draws `count` pictures, fits the network to disturbed copies of them, and stores its weights."""
    torch.manual_seed(seed)
    pictures, _ = dataset(count, seed, INPUT * 2, workers)
    # The mean of four pixels, as the reader reduces a picture.
    small = pictures.reshape(count, INPUT, 2, INPUT, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    inputs = torch.from_numpy(small).permute(0, 3, 1, 2)
    labels = torch.from_numpy(_labels(count, seed))
    network = _network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.02)
    steps = epochs * (count // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        total = 0.0
        for picked in _batches(count):
            loss = _loss(network(_disturbed(inputs[picked])), labels[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (count // _BATCH):.4f}", file=sys.stderr)
    np.savez_compressed(WEIGHTS, allow_pickle=False, **_stored(network))


def _labels(count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    labels = np.full((count, len(VALUES)), _UNSEEN, dtype=np.int64)
    for number in range(count):
        shown = sample(np.random.default_rng([seed, number])).visible()
        for column, (name, values) in enumerate(VALUES.items()):
            if name in shown:
                labels[number, column] = values.index(shown[name])
    return labels


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels, side = 3, INPUT
    for outputs, kernel in CONVOLUTIONS:
        layers += [nn.Conv2d(channels, outputs, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
        channels, side = outputs, side // 2
    outputs = sum(len(values) for values in VALUES.values())
    flat = channels * side * side
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(flat, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


def _batches(count: int) -> Iterator[Tensor]:
    return iter(torch.randperm(count)[: count // _BATCH * _BATCH].split(_BATCH))


def _disturbed(pictures: Tensor) -> Tensor:
    """Copies that are moved, turned, stretched, tinted, blurred and noisy."""
    count = len(pictures)
    values = pictures.float() / 127.5 - 1
    angle = torch.empty(count).uniform_(-0.08, 0.08)
    scale = torch.empty(count, 2).uniform_(0.92, 1.08)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos() * scale[:, 0], -angle.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin(), angle.cos() * scale[:, 1]
    matrix[:, :, 2] = torch.empty(count, 2).uniform_(-0.11, 0.11)
    grid = functional.affine_grid(matrix, list(values.shape), align_corners=False)
    values = functional.grid_sample(values, grid, padding_mode="border", align_corners=False)
    blurred = functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    values = torch.lerp(values, blurred, torch.rand(count, 1, 1, 1))
    gain = (
        1
        + torch.empty(count, 3, 1, 1).uniform_(-0.05, 0.05)
        + torch.empty(count, 1, 1, 1).uniform_(-0.06, 0.06)
    )
    values = values * gain + torch.empty(count, 1, 1, 1).uniform_(-0.06, 0.06)
    return values + torch.randn_like(values) * (0.06 * torch.rand(count, 1, 1, 1))


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    losses = [
        functional.cross_entropy(scores[:, place], labels[:, column], ignore_index=_UNSEEN, reduction="sum")
        for column, place in enumerate(places().values())
    ]
    return torch.stack(losses).sum() / (labels != _UNSEEN).sum()


def _stored(network: nn.Sequential) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    """The weights in the reader's layout: channels last, inputs before outputs."""
    stored = {}
    convolutions = [module for module in network if isinstance(module, nn.Conv2d)]
    for layer, module in enumerate(convolutions):
        stored[f"conv{layer}.weight"] = module.weight.permute(2, 3, 1, 0).reshape(-1, module.out_channels)
        stored[f"conv{layer}.bias"] = module.bias
    hidden, scores = (module for module in network if isinstance(module, nn.Linear))
    channels = convolutions[-1].out_channels
    side = INPUT >> len(convolutions)
    rows = hidden.weight.reshape(HIDDEN, channels, side, side).permute(2, 3, 1, 0)
    stored["hidden.weight"], stored["hidden.bias"] = rows.reshape(-1, HIDDEN), hidden.bias
    stored["scores.weight"], stored["scores.bias"] = scores.weight.T, scores.bias
    return {name: np.asarray(tensor.detach().numpy(), dtype=np.float16) for name, tensor in stored.items()}
