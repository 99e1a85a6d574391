"""A model on the Hugging Face Hub: one commit with all that a person needs to use it (lesson step 11)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from data.disk import replacing
from data.errors import CodedError
from inference.errors import ModelError
from trainer.export import export, open_model, write_folder
from trainer.export_files import weight_files
from trainer.export_lora import adapter_of
from trainer.handover import Moved, Published
from trainer.hub import Hub, machine_token
from trainer.job import JobFolder
from trainer.publish_card import Facts, SampleFact, model_card

Emit = Callable[[BaseModel], None]


def publish(
    model: Path,
    repo: str,
    described: Path | None,
    *,
    token: str,
    public: bool,
    stage: Path | None,
    emit: Emit,
) -> Published:
    """Publish the model in folder `model` as `repo` (`NAME` or `USER/NAME`); again and again if need be.

    `described` is a file with its `Facts`; None asks the job's folder around it. An empty `token` means the
    one of this machine (HF_TOKEN, `hf auth login`). `stage` is a folder for what has to be made first; it is
    removed after the commit and kept after a failure, so that the next try goes on.
    Raises PublishError, ModelError, OSError.
    """
    facts = read_facts(described) if described else facts_of(model)
    stage = stage or model.with_name(f".{model.name}.publish")
    hub = Hub(token or machine_token())
    account = hub.account()
    repo = account.full_name(repo)
    emit(Moved(stage="check", done=1, total=1))
    before = hub.prepare(repo, public=public)
    files = _stage(model, repo, facts, stage, emit)
    total = sum(file.stat().st_size for file in files.values())
    told = -1

    def moved(done: int) -> None:
        nonlocal told
        if (percent := 100 * done // max(total, 1)) > told:
            told = percent
            emit(Moved(stage="upload", done=done, total=total))

    moved(0)
    additions = hub.upload(repo, files, moved)
    emit(Moved(stage="commit", done=0, total=1))
    commit = hub.commit(repo, additions, f"{facts.trigger}, trained with Likeness", public=public)
    shutil.rmtree(stage, ignore_errors=True)
    return Published(
        repo=repo,
        url=hub.url(repo),
        visibility="public" if public else "private",
        commit=commit,
        changed=commit != before,
    )


def read_facts(file: Path) -> Facts:
    """Read a description. Raises ModelError(bad_facts)."""
    try:
        return Facts.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError("bad_facts", f"{file.name} doesn't describe a model.") from error


def facts_of(model: Path) -> Facts:
    """What the job's folder around a model tells of it. Raises ModelError where there is none."""
    job = JobFolder(model.parent)
    try:
        spec = job.spec()
        concept = spec.concepts[0]
        samples = tuple(
            SampleFact(path=path, prompt=concept.instance_prompt)
            for path in sorted(job.samples.glob("*.png"))
        )
        return Facts(
            name=concept.name,
            class_name=concept.class_name,
            base=spec.base,
            method=spec.recipe.method,
            photos=len(list(job.path(concept.photos).glob("*"))) or None,
            recipe=spec.recipe.model_dump(),
            samples=samples,
        )
    except (CodedError, ValidationError) as error:
        raise ModelError(
            "bad_facts", f"{model.parent} holds no job.json that tells what the model is; give --facts FILE."
        ) from error


def _stage(model: Path, repo: str, facts: Facts, stage: Path, emit: Emit) -> dict[str, Path]:
    """Make what isn't there yet; returns path in the repository -> file."""
    stage.mkdir(parents=True, exist_ok=True)
    newest = max(file.stat().st_mtime for file in model.rglob("*.safetensors"))
    pipeline = model
    described: dict[str, str] = {}
    files: dict[str, Path] = {}
    if adapter_of(str(model)) is not None:
        pipeline = stage / "pipeline"
        if not _fresh(pipeline, newest):
            folder, weights = open_model(str(model))
            shutil.rmtree(pipeline, ignore_errors=True)
            write_folder(weights, folder, pipeline, emit)
        adapter = f"{facts.slug}-lora.safetensors"
        described[adapter] = "the LoRA alone, to be used with its base"
        export(str(model), "lora", stage / adapter, half=True, emit=lambda _: None)
        files[adapter] = stage / adapter
    single = f"{facts.slug}.safetensors"
    described[single] = "the whole model in Stable Diffusion's original format, half precision"
    if not _fresh(stage / single, newest):
        export(str(pipeline), "safetensors", stage / single, half=True, emit=emit)
    files[single] = stage / single
    files |= _pipeline_files(pipeline)
    files |= {f"samples/{number}.png": sample.path for number, sample in enumerate(facts.samples)}
    with replacing(stage / "README.md") as card:
        card.write(model_card(facts, repo, described).encode())
    return files | {"README.md": stage / "README.md"}


def _fresh(made: Path, newest: float) -> bool:
    """Whether an earlier try made this from the weights that are there now."""
    return made.exists() and made.stat().st_mtime >= newest


def _pipeline_files(folder: Path) -> dict[str, Path]:
    """What loads as a diffusers pipeline, and nothing else that may lie there."""
    files = [folder / "model_index.json"]
    for part in ("unet", "vae", "text_encoder"):
        files += [folder / part / "config.json", *weight_files(folder / part)]
    for part in ("tokenizer", "scheduler"):
        files += sorted(path for path in (folder / part).iterdir() if path.suffix in (".json", ".txt"))
    return {file.relative_to(folder).as_posix(): file for file in files}
