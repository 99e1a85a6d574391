"""The parts of the mini model: Stable Diffusion 1.5 in small, in the standard diffusers layout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

RESOLUTION = 96
LATENT_SCALE = 4  # pixels per latent; 8 in the full-size model would blur pictures this small
TEXT_WIDTH = 160
TOKENS = 77
VOCABULARY = 1600
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
# CLIP's own splitting rule (github.com/openai/CLIP): contractions, letters, single digits, the rest.
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def build_tokenizer(captions: Iterable[str], folder: Path) -> CLIPTokenizer:
    """Learn a byte-level BPE vocabulary from `captions`; every text has tokens, emoji and Chinese too."""
    tokenizer = Tokenizer(models.BPE(unk_token=EOS, end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        (EOS, 1), (BOS, 0), trim_offsets=False, add_prefix_space=False
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    learned = json.loads(tokenizer.to_str())["model"]
    vocabulary = _with_word_ends(learned["vocab"])
    merges = [tuple(pair) for pair in learned["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n"
    )
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def _with_word_ends(vocabulary: dict[str, int]) -> dict[str, int]:
    """Add the `x</w>` form of every byte that no caption ends a word with: CLIP needs all of them."""
    ended = dict(vocabulary)
    for letter in sorted(pre_tokenizers.ByteLevel.alphabet()):
        ended.setdefault(f"{letter}</w>", len(ended))
    return ended


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text transformer of 4 layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=TEXT_WIDTH * 4,
            num_hidden_layers=4,
            num_attention_heads=5,
            max_position_embeddings=TOKENS,
            projection_dim=TEXT_WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_vae() -> AutoencoderKL:
    """A KL autoencoder: [N,3,96,96] in -1..1 to latents [N,4,24,24] and back."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        sample_size=RESOLUTION,
        block_out_channels=(32, 64, 128),
        layers_per_block=1,
        norm_num_groups=16,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )


def build_unet() -> UNet2DConditionModel:
    """The denoiser: attention to the prompt at 12x12 and 6x6 latents, plain convolutions at 24x24."""
    return UNet2DConditionModel(
        sample_size=RESOLUTION // LATENT_SCALE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 96, 160),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of Stable Diffusion 1.5, sampled as in lesson step 9."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
