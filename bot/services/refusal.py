"""How a service says no, or "yes, but": codes for the face to put into words."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field

from data.database import Unwritable
from data.errors import is_disk_full


class Refusal(Exception):
    """What was asked for can't be done, and the person can be told why: `params` fill the sentence."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth telling that stops nothing."""

    code: str
    params: dict[str, object] = field(default_factory=dict)


def out_of_space(error: BaseException) -> bool:
    """Whether an error, of the file system or of the database, means a full disk."""
    if isinstance(error, Unwritable):
        return error.code == "disk_full"
    return isinstance(error, OSError) and is_disk_full(error)


@contextlib.contextmanager
def refuse_when_full() -> Generator[None, None, None]:
    """Turn a full disk into a Refusal."""
    try:
        yield
    except (OSError, Unwritable) as error:
        if out_of_space(error):
            raise Refusal("disk_full") from error
        raise
