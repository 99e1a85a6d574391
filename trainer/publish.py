"""A model on the Hugging Face Hub: one commit with all that a person needs to use it (lesson step 11)."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from data.disk import locked
from data.errors import CodedError, is_disk_full
from data.imports import heavy_imports
from inference.errors import ModelError
from trainer.handover import MadePrivate, Moved, Published
from trainer.hub import Hub, Standing, machine_token
from trainer.hub_names import PublishError
from trainer.job import JobFolder
from trainer.publish_card import Facts, SampleFact
from trainer.publish_files import HANDLER, LIST, listed, others, single_files

Emit = Callable[[BaseModel], None]
_log = logging.getLogger("trainer")


def publish(
    model: Path,
    repo: str,
    described: Path | None,
    *,
    token: str,
    public: bool,
    single_file: bool = True,
    stage: Path | None,
    emit: Emit,
) -> Published:
    """Publish the model in folder `model` as `repo` (`NAME` or `USER/NAME`); again and again if need be.

    `described` is a file with its `Facts`; None asks the job's folder around it. An empty `token` means the
    one of this machine (HF_TOKEN, `hf auth login`). `single_file` adds the model as one file, which other
    programs take and endpoints download for nothing. `stage` is a folder for what has to be made first; it is
    removed after the commit and kept after a failure, so that the next try goes on.
    Raises PublishError, ModelError, OSError.
    """
    if not model.is_dir():
        raise ModelError("unknown_base", f"There is no folder {model}.")
    model = model.absolute()  # so that it is never taken for the base of that name
    facts = read_facts(described) if described else facts_of(model)
    stage = stage or model.with_name(f".{model.name}.publish")
    hub = Hub(token or machine_token())
    repo = hub.account().full_name(repo)
    there = hub.find(repo)
    repo = there.name if there else repo
    emit(Moved(stage="check", done=1, total=1))
    with heavy_imports():  # they take seconds: a token or a name of no use needn't wait for them
        from trainer.publish_stage import staged
    with _alone(stage):
        # Whatever may be wrong with the model shows here, before anything is made on the Hub.
        files = staged(model, repo, facts, stage, single_file=single_file, emit=emit)
        made = there is None and hub.create(repo)
        try:
            if there is not None and not public:
                _hide(hub, there, emit)
            published = _send(hub, repo, files, facts, public, emit)
        except Exception as error:
            if made and not (isinstance(error, PublishError) and error.code == "hub_offline"):
                _take_back(hub, repo)
            raise
        shutil.rmtree(stage, ignore_errors=True)
    return published


def _send(
    hub: Hub, repo: str, files: Mapping[str, Path], facts: Facts, public: bool, emit: Emit
) -> Published:
    """Upload the files and commit them in place of what an earlier publication wrote."""
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
    there = hub.find(repo)  # as it is now: uploading took its time
    if there is None:
        raise PublishError("repo_conflict", "The repository was removed at the same moment. Try again.")
    former = listed(hub.read(there, LIST)) if LIST in there.files else single_files(facts.slug)
    outdated, foreign = others(there.files, files, former)
    if not public:
        _hide(hub, there, emit)
    commit = hub.commit(there, additions, sorted(outdated), f"{facts.trigger}, trained with Likeness")
    if public and there.private:
        hub.show(repo, public=True)
    if foreign:
        _log.warning("This repository also holds files that are not ours: %s.", ", ".join(sorted(foreign)))
    if HANDLER in foreign:
        _log.warning("Endpoints run %s instead of the model.", HANDLER)
    return Published(
        repo=there.name,
        url=hub.url(there.name),
        visibility="public" if public else "private",
        commit=commit,
        changed=commit != there.revision,
        others=tuple(sorted(foreign)),
    )


def _hide(hub: Hub, there: Standing, emit: Emit) -> None:
    """Make what everybody can see private, before anything that is meant to be private gets into it."""
    if not there.private:
        hub.show(there.name, public=False)
        emit(MadePrivate(repo=there.name))
        _log.warning("%s was public and is private from now on; --public opens it again.", there.name)


def _take_back(hub: Hub, repo: str) -> None:
    """Remove the repository that was made for what then failed."""
    if not hub.remove_empty(repo):
        _log.warning("An empty private repository %s may be left on the Hub.", repo)


@contextlib.contextmanager
def _alone(stage: Path) -> Iterator[None]:
    """Make the folder and hold it, so that two publications of one model don't write the same files."""

    def taken() -> None:
        raise PublishError("handover_running", "This model is being published already. Wait for that to end.")

    try:
        stage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ModelError("bad_out", f"{stage} can't be made; give another folder with --stage.") from error
    with locked(stage / "lock", taken):
        yield


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
