"""The Hugging Face Hub, as far as publishing a model needs it.

Errors become sentences of ours: what the library raises may quote signed addresses, and goes no further.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError

from data.errors import CodedError

# What they say in passing quotes the signed addresses that files are uploaded to.
for _name in ("huggingface_hub", "httpx", "httpx2"):
    logging.getLogger(_name).setLevel(logging.ERROR)

HOW_TO_MAKE_ONE = (
    "Make one at https://huggingface.co/settings/tokens: New token, type Write "
    "(or fine-grained with write access to your own repositories)."
)
_SMALL = 2**20
"""Bytes below which files are sent together, and their progress is not worth telling."""
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,41}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")


class PublishError(CodedError):
    """Codes: token_missing, token_invalid, token_read_only, repo_name, repo_taken, repo_conflict,
    hub_offline, hub_refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is, and what it may do."""

    name: str
    organisations: tuple[str, ...]
    role: str
    writable: tuple[str, ...] | None
    """Names (of people, organisations, repositories) that a fine-grained token may write to; None: all."""

    def full_name(self, repo: str) -> str:
        """`USER/NAME` of a repository that this token may write to. Raises PublishError."""
        if not NAME.fullmatch(repo) or "--" in repo or ".." in repo:
            raise PublishError(
                "repo_name",
                "A repository's name has letters, digits, dots, - and _, like abraza or ann/abraza.",
            )
        owner, _, name = repo.rpartition("/")
        full = f"{owner or self.name}/{name}"
        if owner and owner not in (self.name, *self.organisations):
            raise PublishError(
                "repo_taken", f"{owner} is not the account of this token, which is {self.name}'s."
            )
        if self.writable is not None and not {full.split("/")[0], full} & set(self.writable):
            raise PublishError("token_read_only", f"This token may not write to {full}. {HOW_TO_MAKE_ONE}")
        return full


class Hub:
    """One person's access to the Hub. Blocking; methods raise PublishError, nothing of the library's."""

    def __init__(self, token: str, endpoint: str | None = None) -> None:
        # Checked here: an error about an impossible header would quote it.
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise PublishError("token_invalid", f"This is no token. {HOW_TO_MAKE_ONE}")
        self._api = HfApi(token=token, endpoint=endpoint)

    def account(self) -> Account:
        """Ask whose token this is. Raises PublishError(token_invalid | token_read_only) if it can't write."""
        with _explained():
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

    def prepare(self, repo: str, *, public: bool) -> str | None:
        """Make the repository, or take the one that is there; returns its last commit.

        A new one is private in any case, and an old public one becomes private at once unless `public`.
        Raises PublishError(repo_taken) where this person may not write.
        """
        with _explained(forbidden="repo_taken"):
            self._api.create_repo(repo, private=True, exist_ok=True)
            self._api.auth_check(repo, write=True)
            info = self._api.model_info(repo)
            if not public and info.private is False:
                self._api.update_repo_settings(repo, private=True)
        return info.sha

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
            with _explained(forbidden="hub_refused"):
                self._api.preupload_lfs_files(repo, additions=batch)
            done += sum(addition.upload_info.size for addition in batch)
            told(done)
        return list(additions)

    def commit(self, repo: str, additions: list[CommitOperationAdd], message: str, *, public: bool) -> str:
        """Commit everything at once; then open the repository if that was asked. Returns the commit's id."""
        with _explained(forbidden="hub_refused"):
            commit = self._api.create_commit(repo, additions, commit_message=message)
            if public:
                self._api.update_repo_settings(repo, private=False)
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


@contextlib.contextmanager
def _explained(forbidden: str = "token_invalid") -> Iterator[None]:
    """Turn the library's errors into ours; `forbidden` is the code of a 403."""
    try:
        yield
    except Exception as error:
        ours = _sentence(error, forbidden)
        if ours is None:
            raise
        raise ours from None


def _sentence(error: BaseException, forbidden: str) -> PublishError | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HfHubHTTPError):
            return _refused(cause, forbidden)
        # The HTTP library under huggingface_hub has changed its name, its errors have not.
        if type(cause).__module__.partition(".")[0] in ("httpx", "httpx2") or isinstance(
            cause, ConnectionError
        ):
            return PublishError(
                "hub_offline",
                "The connection to the Hub broke. Try again: what has arrived is not sent again.",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def _refused(error: HfHubHTTPError, forbidden: str) -> PublishError:
    status = error.response.status_code
    if status == 401:
        return PublishError(
            "token_invalid", f"The Hub does not know this token (any more). {HOW_TO_MAKE_ONE}"
        )
    if status in (403, 404) and forbidden == "repo_taken":
        return PublishError(
            "repo_taken",
            "A repository of this name belongs to somebody else, or this token may not write to it.",
        )
    if status in (409, 412):
        return PublishError("repo_conflict", "The repository was changed at the same moment. Try again.")
    if status >= 500 or status == 429:
        return PublishError("hub_offline", f"The Hub is not well (status {status}). Try again later.")
    return PublishError("hub_refused", f"The Hub refused (status {status}).")
