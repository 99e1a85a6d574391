"""What can be wrong with a model, a request or an endpoint."""

from math import inf

from data.errors import CodedError


class ModelError(CodedError):
    """Codes: unknown_base, unsupported_architecture, base_incomplete, base_refused, base_unreachable,
    lora_mismatch, bad_size, bad_init, not_finite, out_of_memory, cancelled, bad_setting, bad_out.
    """


class PictureError(CodedError):
    """A picture that a person gave can't be used. Codes: not_an_image, truncated, too_large."""


class EndpointError(CodedError):
    """Codes begin with `endpoint_`. The text never holds what the endpoint said: it may say a token back.

    `wait` is after how many seconds the same call may be made again, because nothing was drawn for it yet;
    None where it must not be. `reason` says what is waited for, `patience` for how many seconds at most that
    makes sense. `asleep`: nobody is behind the proxy. `sick` counts against the endpoint.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        wait: float | None = None,
        reason: str = "",
        patience: float = inf,
        asleep: bool = False,
        sick: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.wait = wait
        self.reason = reason
        self.patience = patience
        self.asleep = asleep
        self.sick = sick
