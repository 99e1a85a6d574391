"""What an endpoint's answers mean: a picture, a reason to wait, or a reason to give up."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from PIL import Image, UnidentifiedImageError

from inference.errors import EndpointError

MAX_PICTURE_BYTES = 32 * 2**20
MAX_SIDE = 2048
_FORMATS = ("PNG", "JPEG", "WEBP")
_MOST_SCANS = 64
"""Each is another pass over the whole picture. JPEG encoders write one, or about ten progressive ones."""
_JPEG, _START_OF_SCAN = b"\xff\xd8", b"\xff\xda"
_FIRST_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 15.0

_NO_MEMORY = re.compile(
    r"out.?of.?memory|alloc.?failed|not enough memory|(can't|can ?not|unable to|failed to) allocate"
)
"""As CUDA, cuBLAS and cuDNN, HIP, MPS and plain CPUs say it; in lower case."""

_REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("endpoint_bad_request", "The endpoint refused the values of this request."),
    401: ("endpoint_bad_token", "The endpoint does not accept the token."),
    402: ("endpoint_payment", "The account behind the endpoint has to be paid first."),
    403: ("endpoint_forbidden", "The token may not use this endpoint."),
    404: ("endpoint_not_found", "There is no such endpoint or model."),
    413: ("endpoint_too_long", "The request is too long for the endpoint."),
    422: ("endpoint_bad_request", "The endpoint refused the values of this request."),
}


def fault(
    status: int, headers: Mapping[str, str], body: bytes, *, starting: Collection[int] = ()
) -> EndpointError:
    """The error that an answer other than 200 stands for.

    `starting`: which of 502, 503 and 504 can only mean that it still starts. None of them once it has shown
    that it is up: proxies say them, too, of a machine that fell over while it drew.
    """
    said = _object(body)
    text = str(said.get("error", "")).casefold()
    if 300 <= status < 400:
        return EndpointError("endpoint_redirected", "The endpoint sends us to another address.")
    if _NO_MEMORY.search(text):
        return EndpointError("endpoint_out_of_memory", "The endpoint's graphics memory is too small.")
    if status != 429 and "paused" in text:
        return EndpointError("endpoint_paused", "The endpoint is paused.")
    if status == 429:
        wait = _seconds(headers.get("Retry-After"), _FIRST_WAIT_SECONDS, longest=3600)
        return EndpointError("endpoint_busy", "The endpoint has too much to do.", wait=wait, reason="busy")
    if status in starting or (status == 503 and "loading" in text):
        stated = said.get("estimated_time", headers.get("Retry-After"))
        wait = _seconds(stated, _FIRST_WAIT_SECONDS, longest=_LONGEST_WAIT_SECONDS)
        message = "The endpoint did not start in time."
        return EndpointError("endpoint_cold", message, wait=wait, reason="starting", asleep=status == 503)
    if status in (502, 503, 504):
        return EndpointError("endpoint_gateway", "The endpoint broke off while it worked.", sick=True)
    if status >= 500:
        return EndpointError("endpoint_error", "The endpoint failed inside.", sick=True)
    code, message = _REFUSALS.get(status, _REFUSALS[400])
    return EndpointError(code, message)


def picture(body: bytes, size: tuple[int, int] | None) -> Image.Image:
    """The RGB picture in an answer: bytes of a PNG, JPEG or WebP, or JSON with one in base64. Blocking.

    `size` is what was asked for, None takes any. Raises EndpointError: endpoint_not_picture,
    endpoint_broken_picture, endpoint_wrong_size.
    """
    if body.lstrip()[:1] in (b'"', b"{", b"["):
        body = _unpacked(body)
    if body.startswith(_JPEG) and body.count(_START_OF_SCAN) > _MOST_SCANS:
        raise EndpointError("endpoint_too_large", "The endpoint's picture takes far too long to read.")
    try:
        image = Image.open(io.BytesIO(body), formats=_FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise _not_a_picture() from None
    except (OSError, ValueError, SyntaxError):
        raise _broken() from None
    if size not in (None, image.size) or max(image.size) > MAX_SIDE:
        raise EndpointError("endpoint_wrong_size", "The endpoint's picture has another size than asked for.")
    try:
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        raise _broken() from None


def _unpacked(body: bytes) -> bytes:
    try:
        said = json.loads(body)
        said = said[0] if isinstance(said, list) and said else said
        said = said.get("image", said.get("generated_image")) if isinstance(said, dict) else said
        return base64.b64decode(str(said), validate=True)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise _not_a_picture() from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(stated: object, default: float, longest: float) -> float:
    """A time that somebody else stated, kept within reason."""
    try:
        seconds = float(str(stated))
    except ValueError:
        return default
    return min(max(seconds, 1.0), longest) if seconds == seconds else default


def _not_a_picture() -> EndpointError:
    return EndpointError("endpoint_not_picture", "The endpoint answered with something that is no picture.")


def _broken() -> EndpointError:
    return EndpointError("endpoint_broken_picture", "The endpoint's picture arrived damaged.")
