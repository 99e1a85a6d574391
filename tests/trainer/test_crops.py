"""Several looks at one photo."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trainer.crops import crops


def test_the_first_look_is_the_photo_and_the_others_are_closer() -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    photo = Image.fromarray(np.stack([np.tile(ramp, (64, 1))] * 3, axis=2))
    first, *closer = crops(photo, 4, seed=3)
    assert first is photo
    assert len(closer) == 3
    spans = [np.ptp(np.asarray(look, dtype=int)[:, 4:-4]) for look in (photo, *closer)]
    assert all(0.8 * spans[0] < span < spans[0] for span in spans[1:])
    assert all(look.size == photo.size for look in closer)


def test_a_seed_says_it_all() -> None:
    photo = Image.effect_noise((48, 48), 80).convert("RGB")
    once, again, other = (crops(photo, 2, seed)[1].tobytes() for seed in (1, 1, 2))
    assert once == again != other
