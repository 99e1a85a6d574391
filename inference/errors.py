"""What can be wrong with a model, a request or an endpoint."""

from data.errors import CodedError


class ModelError(CodedError):
    """Codes: unknown_base, unsupported_architecture, base_incomplete, base_refused, base_unreachable,
    lora_mismatch, bad_size, bad_init, not_finite, out_of_memory, cancelled.
    """


class EndpointError(CodedError):
    """Codes begin with `endpoint_`. The text never holds what the endpoint said: it may say a token back.

    `wait` is after how many seconds the same call may be made again, because nothing was drawn for it yet;
    None where it must not be. `reason` says what is waited for. `sick` counts against the endpoint.
    """

    def __init__(
        self, code: str, message: str, *, wait: float | None = None, reason: str = "", sick: bool = False
    ) -> None:
        super().__init__(code, message)
        self.wait = wait
        self.reason = reason
        self.sick = sick
