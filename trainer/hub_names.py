"""Whose repositories a token may write, and under which names people mean them. No network, no library."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.errors import CodedError

HOW_TO_MAKE_ONE = (
    "Make one at https://huggingface.co/settings/tokens: New token, type Write "
    "(or fine-grained with write access to your own repositories)."
)
_NAME = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,41}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?(?<!\.git)"
)
_ADDRESS = re.compile(
    r"(?:https?|ssh)://[^/\s]+/|git@[^/:\s]+[:/]|(?:www\.)?(?:huggingface|hf)\.co/", re.IGNORECASE
)
"""What stands before the name in a page's address, or in one to clone from."""


class PublishError(CodedError):
    """Codes: token_missing, token_invalid, token_read_only, repo_name, repo_taken, repo_conflict,
    hub_offline, hub_refused, handover_running."""


def repository_name(text: str) -> str:
    """`NAME` or `USER/NAME` out of what people paste: `USER/NAME.git`, or the address of a page or a clone.

    It is for `Account.full_name` to say whether that is a name at all. A token within an address is not kept.
    """
    text = text.strip()
    if address := _ADDRESS.match(text):
        path = re.split(r"[?#]", text[address.end() :])[0]
        text = "/".join(path.split("/")[:2])  # what follows is a place within the repository
    return text.rstrip("/").removesuffix(".git")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is, and what it may do."""

    name: str
    organisations: tuple[str, ...]
    role: str
    writable: tuple[str, ...] | None
    """Names (of people, organisations, repositories) that a fine-grained token may write to; None: all."""

    def full_name(self, text: str) -> str:
        """`USER/NAME` of a repository that this token may write to. Raises PublishError."""
        repo = repository_name(text)
        if not _NAME.fullmatch(repo) or "--" in repo or ".." in repo:
            raise PublishError(
                "repo_name",
                "A repository's name has letters, digits, dots, - and _, like abraza or ann/abraza.",
            )
        given, _, name = repo.rpartition("/")
        # The Hub knows one account whatever its capitals, but writes it in one way.
        owner = next(
            (one for one in (self.name, *self.organisations) if one.casefold() == (given or one).casefold()),
            None,
        )
        if owner is None:
            raise PublishError(
                "repo_taken", f"{given} is not the account of this token, which is {self.name}'s."
            )
        full = f"{owner}/{name}"
        if self.writable is not None and not _any_of((owner, full), self.writable):
            raise PublishError("token_read_only", f"This token may not write to {full}. {HOW_TO_MAKE_ONE}")
        return full


def _any_of(names: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    return bool({name.casefold() for name in names} & {name.casefold() for name in allowed})
