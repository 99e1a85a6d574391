"""Models on the Hugging Face Hub: what is asked and fetched of them. Blocking, but for `is_id` and `cached`.

The library's errors become sentences of ours, without what they quote. It loads, and reads its environment,
when something of it is first used: who knows a base by its folder needs none of it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path

import huggingface_hub

from data.errors import is_disk_full
from inference.configuration import CONFIGURATIONS, INDEX, read_configuration
from inference.errors import ModelError
from inference.weights import CHECKER, check_paths, names_of, part_weights

# What the HTTP library says in passing quotes the signed addresses that weights are fetched from.
for _name in ("httpx", "httpx2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_VAE_PATTERNS = ["config.json", "*.safetensors"]
_VAE_IGNORED = ["*.fp16.safetensors"]
_SECONDS = 10.0


def is_id(name: str) -> bool:
    """Whether a name has the form OWNER/NAME of the Hub's models."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented there
        HFValidationError,
        validate_repo_id,
    )

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def cached(repository: str) -> Path | None:
    """The folder in the Hub's cache with what is on this machine of a model; None where nothing is."""
    index = huggingface_hub.try_to_load_from_cache(repository, INDEX)
    return Path(index).parent if isinstance(index, str) else None


def examine(repository: str) -> frozenset[str]:
    """Read a model's configuration, which stays in the cache, and look for its files; their paths.

    Raises ModelError: unknown_base, unsupported_architecture, base_incomplete, base_refused,
    base_unreachable.
    """
    with _explained(repository):
        info = huggingface_hub.HfApi().model_info(repository, timeout=_SECONDS)
        paths = frozenset(file.rfilename for file in info.siblings or ())
        if INDEX not in paths:
            raise ModelError("unknown_base", f"{repository!r} holds no diffusers model (no {INDEX}).")
        for path in CONFIGURATIONS:
            if path in paths:
                huggingface_hub.hf_hub_download(repository, path)
        folder = Path(huggingface_hub.hf_hub_download(repository, INDEX)).parent
    read_configuration(folder, repository)
    check_paths(paths, repository)
    return paths


def download(repository: str) -> Path:
    """Fetch what is needed of a model into the cache, after `examine` has seen that it is there. Its folder.

    Raises ModelError as `examine` does.
    """
    paths = examine(repository)
    chosen = dict(check_paths(paths, repository))
    if checker := part_weights(CHECKER, names_of(paths, CHECKER)):
        chosen[CHECKER] = checker
    wanted = [INDEX, *(path for path in paths if "/" in path and path.endswith((".json", ".txt")))]
    wanted += [f"{part}/{name}" for part, weights in chosen.items() for name in weights.files]
    with _explained(repository):
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted))


def download_vae(repository: str) -> Path:
    """Fetch a VAE that is a model of its own. Raises ModelError as `examine` does."""
    with _explained(repository):
        folder = huggingface_hub.snapshot_download(
            repository, allow_patterns=_VAE_PATTERNS, ignore_patterns=_VAE_IGNORED
        )
        return Path(folder)


@contextlib.contextmanager
def _explained(repository: str) -> Iterator[None]:
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        ours = None if is_disk_full(error) else _sentence(repository, error)
        if ours is None:
            raise
        raise ours from None


def _sentence(name: str, error: BaseException) -> ModelError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            "base_refused",
            f"The Hub gives {name!r} only to those who accepted its licence: accept it on the model's page, "
            "then set HF_TOKEN to a token of that account.",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            "unknown_base",
            f"There is no folder {name!r}, and no such model on the Hub that this machine may read. "
            "Check the name; for a private model, set HF_TOKEN.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError("unknown_base", f"The Hub's model {name!r} has no branch main.")
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return ModelError("base_incomplete", f"A file of {name!r} has just gone from the Hub.")
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
        return ModelError("base_refused", f"The Hub does not let this machine read {name!r}: check HF_TOKEN.")
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        return ModelError(
            "base_unreachable", f"The Hub's cache can't be used for {name!r}: {error.strerror}."
        )
    if isinstance(error, OSError) or broke_off(error):
        return ModelError(
            "base_unreachable", f"The model {name!r} is not on this machine and the Hub can't be reached."
        )
    return None


def broke_off(error: BaseException) -> bool:
    """Whether an error of the Hub's library comes from the way there, and not from the Hub."""
    # The HTTP library under it has changed its name, its errors have not. The one for large files, xet, says
    # RuntimeError to whatever happens; a network's own page to log in at is no JSON.
    kinds = (ConnectionError, RuntimeError, JSONDecodeError)
    return isinstance(error, kinds) or type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
