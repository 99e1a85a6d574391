"""Draw the toy portraits, train the mini model on them and write it: `python -m trainer.pretrain`.

The whole takes under 25 minutes on one H100. State lies in the work folder: run the same command
again, with `--minutes` if time is short, and it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from data.disk import is_free
from inference.layout import save_half
from trainer.pretrain.architecture import build_scheduler, build_text_encoder, build_unet, build_vae
from trainer.pretrain.data import drawn, token_ids, tokenizer_for
from trainer.pretrain.loop import Schedule
from trainer.pretrain.stages import Denoiser, encode_all, train_diffusion, train_vae


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trainer.pretrain", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures and training state")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the finished pipeline")
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--vae-steps", type=int, default=3_000)
    parser.add_argument("--vae-batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop by then, to go on later")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--compile", action="store_true", help="compile the UNet first (needs a C compiler)")
    arguments = parser.parse_args()
    going_on = (arguments.work / "diffusion.pt").exists()  # then the folder holds what it made until then
    if not (going_on or is_free(arguments.out)):
        parser.error(f"{arguments.out} holds other files: choose a new folder as --out")
    return arguments


def main() -> int:
    arguments = _arguments()
    deadline = time.monotonic() + 60.0 * arguments.minutes
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(arguments.seed)
    torch.backends.cudnn.benchmark = True
    arguments.work.mkdir(parents=True, exist_ok=True)

    began = time.monotonic()
    array, captions = drawn(arguments.work, arguments.pictures, arguments.seed, arguments.workers)
    tokenizer = tokenizer_for(arguments.work, captions)
    pictures = torch.from_numpy(array).to(device)
    print(f"{len(captions)} pictures, {len(tokenizer)} tokens, {time.monotonic() - began:.0f} s", flush=True)

    vae = build_vae().to(device, memory_format=torch.channels_last)
    schedule = Schedule(arguments.vae_steps, learning_rate=1e-3)
    whole = train_vae(
        vae, pictures, schedule, batch=arguments.vae_batch, file=arguments.work / "vae.pt", deadline=deadline
    )
    if not whole:
        return _unfinished()
    # The VAE's output is rescaled to unit variance, as Stable Diffusion's is (arXiv:2112.10752, appendix G).
    latents = encode_all(vae, pictures)
    scaling = 1.0 / latents.float().std().item()
    vae.register_to_config(scaling_factor=scaling)

    ids = token_ids(tokenizer, captions).to(device)
    empty = token_ids(tokenizer, [""]).to(device)[0]
    denoiser = Denoiser(build_text_encoder(tokenizer), build_unet()).to(
        device, memory_format=torch.channels_last
    )
    whole = train_diffusion(
        denoiser,
        build_scheduler(),
        latents * scaling,
        ids,
        empty,
        Schedule(arguments.steps, learning_rate=8e-4, average_decay=0.9995),
        batch=arguments.batch,
        file=arguments.work / "diffusion.pt",
        deadline=deadline,
        compiled=arguments.compile,
    )
    _export(vae, denoiser, tokenizer, arguments.out)
    return 0 if whole else _unfinished()


def _unfinished() -> int:
    print("time is up; run the same command again to go on", flush=True)
    return 3


def _export(vae: AutoencoderKL, denoiser: Denoiser, tokenizer: CLIPTokenizer, out: Path) -> None:
    """Write the pipeline in half precision: 24 MiB at most, no file above 16."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    save_half(pipeline, out)


if __name__ == "__main__":
    raise SystemExit(main())
