"""What a model in diffusers layout says of itself: architecture, sizes, what it predicts. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field

from inference.errors import ModelError

INDEX = "model_index.json"
_UNET, _VAE = "unet/config.json", "vae/config.json"
_TEXT_ENCODER, _SCHEDULER = "text_encoder/config.json", "scheduler/scheduler_config.json"
CONFIGURATIONS = (INDEX, _UNET, _VAE, _TEXT_ENCODER, _SCHEDULER)

_MOST_BYTES = 2**20
_PREDICTIONS = ("epsilon", "v_prediction")

_Count = Annotated[int, Field(ge=1, le=2**14)]
_Widths = Annotated[tuple[_Count, ...], Field(min_length=1, max_length=8)]
_Component = tuple[str | None, str | None]


class _Index(BaseModel):
    pipeline: str = Field("model of unknown kind", alias="_class_name")
    text_encoder: _Component = (None, None)
    safety_checker: _Component | None = None


class _UNet(BaseModel):
    sample_size: _Count
    in_channels: _Count = 4
    out_channels: _Count = 4
    block_out_channels: _Widths
    layers_per_block: _Count = 2
    cross_attention_dim: _Count
    addition_embed_type: str | None = None
    class_embed_type: str | None = None


class _Vae(BaseModel):
    block_out_channels: _Widths
    latent_channels: _Count = 4


class _TextEncoder(BaseModel):
    hidden_size: _Count


class _Scheduler(BaseModel):
    prediction_type: str = "epsilon"


_Read = TypeVar("_Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A Stable Diffusion 1.x or 2.x pipeline by its own configuration; all sides in pixels."""

    resolution: int
    size_step: int
    """See `inference.model.Model.size_step`."""
    prediction_type: str
    """`epsilon` or `v_prediction`."""
    shape: tuple[tuple[int, ...], int, int]
    """The UNet's widths, its layers a block and the width of its texts: models alike in it train alike."""
    safety_checker: bool
    """Whether it names one of its own."""


def read_configuration(folder: Path, title: str) -> Configuration:
    """Read the configuration of the model `title` from `CONFIGURATIONS`, which lie in `folder`.

    Raises ModelError: unknown_base (no model), unsupported_architecture, base_incomplete (a configuration is
    missing or makes no sense).
    """
    if not (folder / INDEX).is_file():
        raise ModelError("unknown_base", f"{title!r} holds no diffusers model (no {INDEX}).")
    index = _read(folder, title, INDEX, _Index)
    if index.pipeline != "StableDiffusionPipeline" or index.text_encoder[1] != "CLIPTextModel":
        raise _unsupported(title, f"is a {index.pipeline[:80]}")
    unet, vae = _read(folder, title, _UNET, _UNet), _read(folder, title, _VAE, _Vae)
    scheduler = _read(folder, title, _SCHEDULER, _Scheduler)
    _check_fit(title, unet, vae, _read(folder, title, _TEXT_ENCODER, _TextEncoder))
    if scheduler.prediction_type not in _PREDICTIONS:
        raise _unsupported(title, f"predicts {scheduler.prediction_type[:80]!r}")
    scale = 2 ** (len(vae.block_out_channels) - 1)
    return Configuration(
        resolution=unet.sample_size * scale,
        size_step=scale * 2 ** (len(unet.block_out_channels) - 1),
        prediction_type=scheduler.prediction_type,
        shape=(unet.block_out_channels, unet.layers_per_block, unet.cross_attention_dim),
        safety_checker=bool(index.safety_checker and index.safety_checker[1]),
    )


def _read(folder: Path, title: str, file: str, kind: type[_Read]) -> _Read:
    path = folder / file
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too long for a configuration")
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError("base_incomplete", f"{file} of {title!r} is missing or can't be read.") from error


def _check_fit(title: str, unet: _UNet, vae: _Vae, text_encoder: _TextEncoder) -> None:
    """Raise ModelError(unsupported_architecture) unless the parts are those of text to image and fit."""
    if unet.in_channels == 9:
        raise _unsupported(title, "is an inpainting model (its UNet takes 9 channels)")
    if (unet.in_channels, unet.out_channels, vae.latent_channels) != (4, 4, 4):
        raise _unsupported(title, f"has a UNet from {unet.in_channels} to {unet.out_channels} channels")
    if unet.addition_embed_type or unet.class_embed_type:
        raise _unsupported(title, "has a UNet that wants more than a text")
    if unet.cross_attention_dim != text_encoder.hidden_size:
        widths = f"{text_encoder.hidden_size} and {unet.cross_attention_dim}"
        raise _unsupported(title, f"has a text encoder for another UNet (widths {widths})")


def _unsupported(title: str, finding: str) -> ModelError:
    return ModelError(
        "unsupported_architecture",
        f"{title!r} {finding}; Likeness works with Stable Diffusion 1.5 and 2.1.",
    )
