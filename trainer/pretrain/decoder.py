"""Sharpen a finished model's pictures without touching what it knows: `python -m trainer.pretrain.decoder`.

Trains only the autoencoder's decoder, so the denoiser's latents keep their meaning. Resumable.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from data.cores import share_cores

share_cores()

from inference.layout import save_half  # noqa: E402
from inference.model import load, pick_device  # noqa: E402
from trainer.pretrain.data import drawn  # noqa: E402
from trainer.pretrain.loop import Schedule  # noqa: E402
from trainer.pretrain.stages import encode_all, train_decoder  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer.pretrain.decoder", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="pipeline folder; replaced when done")
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures and training state")
    parser.add_argument("--pictures", type=int, default=6_000)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop by then, to go on later")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60.0 * arguments.minutes
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    device = pick_device()
    model = load(str(arguments.model), device, torch.float32)
    array, _ = drawn(arguments.work, arguments.pictures, 7, arguments.workers)
    pictures = torch.from_numpy(array).to(device)
    whole = train_decoder(
        model.vae,
        pictures,
        encode_all(model.vae, pictures, batch=64),
        Schedule(arguments.steps, learning_rate=6e-4, average_decay=0.995, warm_up=50),
        batch=arguments.batch,
        file=arguments.work / "decoder.pt",
        deadline=deadline,
    )
    save_half(model.pipeline(), arguments.model)
    return 0 if whole else 3


if __name__ == "__main__":
    raise SystemExit(main())
