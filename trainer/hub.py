"""The Hugging Face Hub, as far as publishing a model needs it.

Errors become sentences of ours: what the library raises may quote signed addresses, and goes no further.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from trainer.hub_errors import explained
from trainer.hub_names import HOW_TO_MAKE_ONE, Account, PublishError

# What they say in passing quotes the signed addresses that files are uploaded to.
for _name in ("huggingface_hub", "httpx", "httpx2"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_SMALL = 2**20
"""Bytes below which files are sent together, and their progress is not worth telling."""
_ITS_OWN = frozenset({".gitattributes"})
"""Files that the Hub puts into every repository."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a repository is at one moment."""

    name: str
    """As the Hub writes it."""
    revision: str | None
    """Id of the last commit."""
    private: bool
    files: frozenset[str]
    """Paths, without the Hub's own."""


class Hub:
    """One person's access to the Hub. Blocking; methods raise PublishError, nothing of the library's."""

    def __init__(self, token: str, endpoint: str | None = None) -> None:
        # Checked here: an error about an impossible header would quote it.
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise PublishError("token_invalid", f"This is no token. {HOW_TO_MAKE_ONE}")
        self._api = HfApi(token=token, endpoint=endpoint)

    def account(self) -> Account:
        """Ask whose token this is. Raises PublishError(token_invalid | token_read_only) if it can't write."""
        with explained():
            who: Mapping[str, Any] = self._api.whoami()
        access = (who.get("auth") or {}).get("accessToken") or {}
        role = str(access.get("role", ""))
        writable = None
        if role == "fineGrained":
            scopes = (access.get("fineGrained") or {}).get("scoped") or []
            writable = tuple(
                str(scope.get("entity", {}).get("name"))
                for scope in scopes
                if "repo.write" in scope.get("permissions", ())
            )
        if role not in ("write", "fineGrained") or writable == ():
            raise PublishError("token_read_only", f"This token can only read. {HOW_TO_MAKE_ONE}")
        organisations = tuple(str(org.get("name")) for org in who.get("orgs") or ())
        return Account(str(who["name"]), organisations, role, writable)

    def find(self, repo: str) -> Standing | None:
        """What is there under this name, or None. Raises PublishError(repo_taken) where it may not write."""
        with explained(forbidden="repo_taken"):
            try:
                info = self._api.model_info(repo)
            except RepositoryNotFoundError:
                return None
            self._api.auth_check(info.id, write=True)
        files = frozenset(file.rfilename for file in info.siblings or ()) - _ITS_OWN
        return Standing(info.id, info.sha, info.private is not False, files)

    def create(self, repo: str) -> bool:
        """Make a private repository. False when it is there already. Raises PublishError."""
        with explained(forbidden="repo_taken"):
            try:
                self._api.create_repo(repo, private=True)
            except HfHubHTTPError as error:
                if error.response.status_code != HTTPStatus.CONFLICT:
                    raise
                return False
        return True

    def remove_empty(self, repo: str) -> bool:
        """Remove a repository in which there is nothing. False when it stays."""
        try:
            there = self.find(repo)
            if there is None or there.files:
                return False
            with explained():
                self._api.delete_repo(there.name)
        except PublishError:
            return False
        return True

    def read(self, there: Standing, path: str) -> bytes:
        """The contents of a small file. Raises PublishError."""
        with tempfile.TemporaryDirectory() as folder, explained(forbidden="hub_refused"):
            found = self._api.hf_hub_download(there.name, path, revision=there.revision, cache_dir=folder)
            return Path(found).read_bytes()

    def show(self, repo: str, *, public: bool) -> None:
        """Say who may see a repository: everybody, or its owner alone. Raises PublishError."""
        with explained(forbidden="hub_refused"):
            self._api.update_repo_settings(repo, private=not public)

    def upload(
        self, repo: str, files: Mapping[str, Path], told: Callable[[int], None]
    ) -> list[CommitOperationAdd]:
        """Send the contents of `files` (path in the repository -> file), the large ones one by one.

        What the Hub has already is not sent again, so after a broken connection the next try goes on.
        `told` hears how many bytes are there.
        """
        additions = [_Addition(path_in_repo=name, path_or_fileobj=str(file)) for name, file in files.items()]
        done = 0
        small = [addition for addition in additions if addition.upload_info.size < _SMALL]
        batches = [small, *([addition] for addition in additions if addition not in small)]
        for batch in batches:
            if batch is not small:
                batch[0].moved = functools.partial(_add, told, done)
            with explained(forbidden="hub_refused"):
                self._api.preupload_lfs_files(repo, additions=batch)
            done += sum(addition.upload_info.size for addition in batch)
            told(done)
        return list(additions)

    def commit(
        self, there: Standing, additions: list[CommitOperationAdd], outdated: Iterable[str], message: str
    ) -> str:
        """Commit everything at once, and take out what is outdated. Returns the commit's id.

        Raises PublishError(repo_conflict) when the repository is no longer as it was in `there`.
        """
        deletions = [CommitOperationDelete(path_in_repo=path) for path in outdated]
        with explained(forbidden="hub_refused"):
            commit = self._api.create_commit(
                there.name, [*additions, *deletions], commit_message=message, parent_commit=there.revision
            )
        return str(commit.oid)

    def url(self, repo: str) -> str:
        """Where a person looks at the repository."""
        return f"{self._api.endpoint}/{repo}"


def machine_token() -> str:
    """The token that this machine's owner has set. Raises PublishError(token_missing)."""
    token = get_token()
    if not token:
        raise PublishError(
            "token_missing", f"A token is needed: set HF_TOKEN or run `hf auth login`. {HOW_TO_MAKE_ONE}"
        )
    return token


def _add(told: Callable[[int], None], before: int, within: int) -> None:
    told(before + within)


class _Addition(CommitOperationAdd):
    """A file to commit that tells how far it was read for its upload."""

    moved: Callable[[int], None] = staticmethod(lambda _: None)

    @contextlib.contextmanager
    def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
        """The open file. Uploads are what asks for it with a progress bar; here they get our progress."""
        with super().as_file() as file:
            if with_tqdm:
                read = file.read

                def told(size: int = -1) -> bytes:
                    data: bytes = read(size)
                    self.moved(file.tell())
                    return data

                file.read = told  # type: ignore[method-assign]  # as the library does for its bar
            yield file
