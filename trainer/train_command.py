"""`python -m trainer train`: from folders of photos and options to a job's folder."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from PIL import Image

from data.disk import typed_path
from inference.bases import Base, look_up
from trainer.errors import TrainError
from trainer.job import JobFolder, write_job
from trainer.names import check_name, is_common_word
from trainer.photos import check_count, read_folder
from trainer.preflight import check_out, check_parts, unwritable
from trainer.presets import Preset, recipe_for
from trainer.spec import Concept, Memory, Method, Optimizer, Precision, Recipe, TrainSpec
from trainer.subjects import kind_of

_log = logging.getLogger("trainer")


def train_parser() -> argparse.ArgumentParser:
    """The command's options; those of the recipe are left out of the result unless they were given."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer train",
        description="Learn a person, or several, from photos and draw samples.",
    )
    who = parser.add_argument_group("who (--name and --photos, or --concept again and again)")
    who.add_argument("--photos", type=typed_path, help="folder of 3 to 20 photos")
    who.add_argument("--name", help="2-16 letters and digits that mean nothing, like abraza")
    who.add_argument("--class", dest="class_name", default="person")
    who.add_argument(
        "--concept", action="append", default=[], metavar="NAME:CLASS:DIR", help="one subject of several"
    )
    parser.add_argument("--base", default="mini", help="mini, sd15, sd21-base, sd21, a Hub id or a folder")
    parser.add_argument(
        "--out", type=typed_path, required=True, help="new folder: receives model/, samples/ and job.json"
    )
    parser.add_argument(
        "--class-pool", type=typed_path, help="folder of class images shared with other jobs of this base"
    )
    parser.add_argument("--preset", choices=get_args(Preset), default="lesson")
    parser.add_argument("--method", choices=get_args(Method), help="default: the preset's")
    _add_recipe_options(parser)
    return parser


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe (default: the preset's)")

    def option(field: str, **how: Any) -> None:
        group.add_argument("--" + field.replace("_", "-"), default=argparse.SUPPRESS, **how)

    for field in (
        "lora_rank", "steps", "steps_per_photo", "warmup_steps", "batch_size", "accumulation",
        "text_encoder_steps", "seed", "crops", "class_image_steps", "class_batch", "samples",
        "sample_steps", "preview_steps",
    ):  # fmt: skip
        option(field, type=int)
    for field in (
        "lora_alpha", "learning_rate", "lora_learning_rate", "min_snr_gamma", "max_grad_norm",
        "prior_weight", "guidance", "checkpoint_seconds",
    ):  # fmt: skip
        option(field, type=float)
    option("class_images", type=int, help="0 switches prior preservation off")
    option("preview_every", type=int, help="0 draws none; without it, one at each quarter")
    for field in ("train_text_encoder", "encode_vae", "early_stop", "gradient_checkpointing", "compiled"):
        option(field, action=argparse.BooleanOptionalAction)
    option("vae", help="VAE that draws and is saved: a Hub id or a folder")
    option("memory", choices=get_args(Memory))
    option("precision", choices=get_args(Precision))
    option("optimizer", choices=get_args(Optimizer))
    group.add_argument(
        "--sample-prompt",
        dest="sample_prompts",
        action="append",
        default=argparse.SUPPRESS,
        help="again for more",
    )


def create_job(arguments: argparse.Namespace) -> Path:
    """Make the job folder, or go on with the one that is there when it asks the same.

    All is looked at first: after an error nothing was written, and `--out` is as free as it was.
    Raises TrainError, ModelError, pydantic.ValidationError.
    """
    base = look_up(arguments.base).base
    sources = _sources(arguments)
    for concept in sources:
        _check(concept, base)
    spec = TrainSpec(
        base=arguments.base,
        concepts=tuple(sources),
        recipe=_recipe(arguments),
        class_pool=str(arguments.class_pool.resolve()) if arguments.class_pool else None,
    )
    folder = JobFolder(arguments.out)
    if _is_there(folder) and folder.spec() == spec:
        _log.info("going on with the job in %s, and with the photos that it took", arguments.out)
        return arguments.out
    check_out(folder, sources.values())
    photos = {
        concept.photos: _photos(source, base, concept.class_name) for concept, source in sources.items()
    }
    check_parts(spec)
    try:
        _write(folder, spec, photos)
    except OSError as error:
        raise unwritable("--out", folder.root, error) from error
    return arguments.out


def _is_there(folder: JobFolder) -> bool:
    try:
        return folder.spec_file.exists()
    except OSError as error:
        raise unwritable("--out", folder.root, error) from error


def _recipe(arguments: argparse.Namespace) -> Recipe:
    recipe = recipe_for(arguments.base, arguments.preset, arguments.method)
    changes = {name: value for name, value in vars(arguments).items() if name in Recipe.model_fields}
    changes.pop("method")
    return Recipe.model_validate({**recipe.model_dump(), **changes})


def _write(folder: JobFolder, spec: TrainSpec, photos: Mapping[str, Sequence[Image.Image]]) -> None:
    """Write a job in the place of one that came to nothing. Raises TrainError(bad_job), OSError."""

    def busy() -> NoReturn:
        raise TrainError("bad_job", f"Another training is at work in {folder.root}; choose another --out.")

    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.locked(busy):
        folder.clear()
        try:
            write_job(folder.root, spec, photos)
        except OSError:
            folder.clear()
            raise


def _sources(arguments: argparse.Namespace) -> dict[Concept, Path]:
    """Each concept and the folder that its photos come from."""
    asked = [tuple(text.split(":", 2)) for text in arguments.concept]
    if arguments.name and arguments.photos:
        asked.insert(0, (arguments.name, arguments.class_name, str(arguments.photos)))
    elif arguments.name or arguments.photos or not asked:
        raise TrainError("bad_job", "Give --name and --photos, or --concept NAME:CLASS:DIR.")
    if any(len(parts) != 3 or not all(parts) for parts in asked):
        raise TrainError("bad_job", "A --concept is NAME:CLASS:DIR, like abraza:person:selfies.")
    return {
        Concept(name=name, class_name=class_name, photos=f"photos/{name}"): typed_path(photos)
        for name, class_name, photos in asked
    }


def _check(concept: Concept, base: Base) -> None:
    check_name(concept.name)
    if is_common_word(concept.name, Path(base.source) / "tokenizer"):
        _log.warning("%r means something already; an invented word learns better", concept.name)


def _photos(folder: Path, base: Base, class_name: str) -> list[Image.Image]:
    report = read_folder(folder, base.resolution, class_name)
    for rejected in report.rejected:
        _log.warning("left out: %s", rejected.message)
    if kind_of(class_name) and base.preset != "mini":  # its people are drawn: no detector finds them
        for photo in report.accepted:
            if not photo.face:
                _log.warning("%s: no face found, so it is cut from the middle", photo.name)
    check_count(len(report.accepted))
    return [photo.image for photo in report.accepted]
