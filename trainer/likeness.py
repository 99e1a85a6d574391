"""How much drawn pictures look like the photos, as the VAE sees them: no other model is needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from trainer.dreambooth import LatentSet

_GRID = 8
_PATIENCE = 3
_MARGIN = 0.01


class Likeness:
    """Measures pictures against photos, apart from what all pictures of the class have in common."""

    def __init__(self, photos: LatentSet, others: LatentSet) -> None:
        """`others` are pictures of the class without the person: class images, or the base's own."""
        self._common = _seen(others.mean).mean(dim=0)
        self._person = F.normalize(_seen(photos.mean).mean(dim=0) - self._common, dim=0)

    def of(self, pictures: LatentSet) -> float:
        """Mean cosine, -1 to 1, between what sets the pictures and what sets the photos apart."""
        apart = F.normalize(_seen(pictures.mean) - self._common, dim=1)
        return float((apart @ self._person).mean())


def _seen(latents: torch.Tensor) -> torch.Tensor:
    """Latents [N,4,h,w] as coarse layouts [N,4*8*8]: where which colours are, not each line."""
    return F.adaptive_avg_pool2d(latents, _GRID).flatten(1)


def has_peaked(likeness: Sequence[float]) -> bool:
    """Whether the last three measures all stayed below, or hardly above, the best before them."""
    if len(likeness) <= _PATIENCE:
        return False
    best = max(likeness[:-_PATIENCE])
    return max(likeness[-_PATIENCE:]) < best + _MARGIN
