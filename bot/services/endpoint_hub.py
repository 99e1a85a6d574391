"""The few calls of Hugging Face's Hub that endpoints need. All of them run in threads of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from bot.services.refusal import Refusal
from inference.endpoint_health import AT_ONCE

if TYPE_CHECKING:
    from huggingface_hub import HfApi, InferenceEndpoint

logger = logging.getLogger(__name__)

T = TypeVar("T")

SLEEP_MINUTES = 15
"""A deployed endpoint that nobody calls for so long sleeps, and costs nothing until the next call."""
_CALL_SECONDS = 60.0
_CODES = {401: "endpoint_bad_token", 402: "endpoint_payment", 403: "endpoint_token_rights"}


@dataclass(frozen=True, slots=True)
class Hardware:
    """What an endpoint can run on. The price is US dollars an hour."""

    id: str
    vendor: str
    region: str
    accelerator: str
    instance_type: str
    instance_size: str
    price_per_hour: float


@dataclass(frozen=True, slots=True)
class Deployed:
    """An endpoint as Hugging Face knows it; `url` is None while it is being set up."""

    status: str
    url: str | None


class EndpointHub:
    """`url` is the Hub's address.

    Every method raises Refusal: endpoint_bad_token, endpoint_token_rights, endpoint_payment,
    endpoint_hub_lost, endpoint_hub_refused.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def account(self, token: SecretStr) -> str:
        """The name of the account that a token belongs to."""
        return str((await self._ask(token, lambda api: api.whoami()))["name"])

    async def url_of(self, token: SecretStr, repository: str) -> str | None:
        """The address of the account's endpoint that draws with a repository, or None."""

        def find(api: HfApi) -> str | None:
            found = [one for one in api.list_inference_endpoints() if one.repository == repository]
            return next((one.url for one in found if one.url), None)

        return await self._ask(token, find)

    async def hardware(self, token: SecretStr) -> list[Hardware]:
        """GPUs that can be had now, cheapest first."""

        def look(api: HfApi) -> list[Hardware]:
            return [
                Hardware(
                    id=one.id,
                    vendor=one.vendor,
                    region=one.region,
                    accelerator=one.accelerator,
                    instance_type=one.instance_type,
                    instance_size=one.instance_size,
                    price_per_hour=one.price_per_hour,
                )
                for one in api.list_inference_endpoints_hardware()
                if one.accelerator == "gpu" and one.status in ("available", "low_availability")
            ]

        found = await self._ask(token, look)
        return sorted(found, key=lambda one: (one.price_per_hour, one.id))

    async def create(self, token: SecretStr, name: str, repository: str, on: Hardware) -> Deployed:
        """Have an endpoint set up that only the token's account can call, and that sleeps when idle."""
        return await self._ask(
            token,
            lambda api: _deployed(
                api.create_inference_endpoint(
                    name,
                    repository=repository,
                    framework="pytorch",
                    task="text-to-image",
                    accelerator=on.accelerator,
                    vendor=on.vendor,
                    region=on.region,
                    instance_type=on.instance_type,
                    instance_size=on.instance_size,
                    min_replica=0,
                    max_replica=AT_ONCE,
                    scale_to_zero_timeout=SLEEP_MINUTES,
                    type="authenticated",
                )
            ),
        )

    async def look(self, token: SecretStr, name: str) -> Deployed:
        return await self._ask(token, lambda api: _deployed(api.get_inference_endpoint(name)))

    async def pause(self, token: SecretStr, name: str) -> Deployed:
        return await self._ask(token, lambda api: _deployed(api.pause_inference_endpoint(name)))

    async def resume(self, token: SecretStr, name: str) -> Deployed:
        return await self._ask(token, lambda api: _deployed(api.resume_inference_endpoint(name)))

    async def delete(self, token: SecretStr, name: str) -> None:
        """Remove an endpoint; gone already is fine."""

        def remove(api: HfApi) -> None:
            if any(one.name == name for one in api.list_inference_endpoints()):
                api.delete_inference_endpoint(name)

        await self._ask(token, remove)

    async def _ask(self, token: SecretStr, call: Callable[[HfApi], T]) -> T:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        api = HfApi(endpoint=self._url, token=token.get_secret_value())
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                return await asyncio.to_thread(call, api)
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            code = _CODES.get(status, "endpoint_hub_refused" if 400 <= status < 500 else "endpoint_hub_lost")
        except Exception as error:
            # Whatever it is, its text may hold the request, token and all; the kind says enough.
            logger.warning("the Hub could not be asked: %s", type(error).__name__)
            code = "endpoint_hub_lost"
        raise Refusal(code)


def _deployed(endpoint: InferenceEndpoint) -> Deployed:
    return Deployed(status=str(getattr(endpoint.status, "value", endpoint.status)), url=endpoint.url)
