"""Errors that a person will read: a stable code for translation, and one English sentence."""

from __future__ import annotations

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)


class CodedError(Exception):
    """`code` is stable and has a translated text in the bot; `message` says what to do, without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what led to it, says that no more bytes can be written (full disk or quota)."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        # safetensors writes in Rust: only the text of its own kind of error keeps the number.
        if any(f"os error {number})" in str(seen) for number in _FULL):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
