"""What the Hub's library raises, as sentences of ours: its own may quote signed addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from huggingface_hub.errors import HfHubHTTPError

from inference.hub import broke_off
from trainer.hub_names import HOW_TO_MAKE_ONE, PublishError


@contextlib.contextmanager
def explained(forbidden: str = "token_invalid") -> Iterator[None]:
    """Turn what the library raises in the block into a PublishError; `forbidden` is the code of a 403."""
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
        if broke_off(cause):
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
