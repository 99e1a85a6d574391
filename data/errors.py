"""Errors that a person will read: a stable code for translation, and one English sentence."""

from __future__ import annotations

import errno


class CodedError(Exception):
    """`code` is stable and has a translated text in the bot; `message` says what to do, without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_disk_full(error: OSError) -> bool:
    """Whether an error says that no more bytes can be written (full disk or quota)."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
