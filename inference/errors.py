"""What can be wrong with a model or a request."""

from data.errors import CodedError


class ModelError(CodedError):
    """Codes: unknown_base, unsupported_architecture, bad_size, not_finite, out_of_memory, cancelled."""
