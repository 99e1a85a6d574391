"""Deploying a model as an endpoint, with its price said first, and stopping what it costs."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from pydantic import SecretStr

from bot.services.endpoint_accounts import REPOSITORY, EndpointAccounts
from bot.services.endpoint_hub import EndpointHub, Hardware
from bot.services.endpoints import PURPOSE
from bot.services.handover_work import HUB
from bot.services.refusal import Refusal
from data.database import Database
from data.endpoints import Endpoint, Endpoints
from data.models import Model
from data.secrets import Scope, Vault
from trainer.hub_names import repository_name

_OFFER_SECONDS = 900.0
_PRICES_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A deployment that was shown with its price and waits for a yes."""

    scope: Scope
    scope_id: int
    repository: str
    trigger: str
    model_id: int | None
    hardware: Hardware
    account: str
    until: float


class EndpointDeploys:
    """Endpoints that are deployed from here. Every method may raise what `EndpointHub` has."""

    def __init__(
        self,
        db: Database,
        endpoints: Endpoints,
        vault: Vault,
        hub: EndpointHub,
        accounts: EndpointAccounts,
        *,
        wait_seconds: int,
    ) -> None:
        self._db = db
        self._endpoints = endpoints
        self._vault = vault
        self._hub = hub
        self._accounts = accounts
        self._wait_seconds = wait_seconds
        self._offers: dict[int, Offer] = {}
        self._prices: dict[tuple[Scope, int], tuple[float, list[Hardware]]] = {}

    async def hardware(self, scope: Scope, scope_id: int) -> list[Hardware]:
        """What can be had, with prices of the last minutes. Raises Refusal: endpoint_no_token, ..."""
        known = self._prices.get((scope, scope_id))
        if known is None or time.monotonic() - known[0] > _PRICES_SECONDS:
            found = await self._hub.hardware(await self._any_token(scope, scope_id))
            old = time.monotonic() - _PRICES_SECONDS
            self._prices = {whose: one for whose, one in self._prices.items() if one[0] > old}
            known = self._prices[scope, scope_id] = (time.monotonic(), found)
        return known[1]

    async def offer(
        self,
        scope: Scope,
        scope_id: int,
        repository: str,
        hardware_id: str,
        model: Model | None = None,
        trigger: str = "",
    ) -> tuple[int, Offer]:
        """Put a deployment together, to be shown before anything is paid for; the number accepts it.

        Raises Refusal: endpoint_no_token, endpoint_exists, endpoint_repository, endpoint_no_hardware.
        """
        repository = repository_name(repository)
        if not REPOSITORY.fullmatch(repository):
            raise Refusal("endpoint_repository")
        await self._accounts.check_free(scope, scope_id)
        token = await self._any_token(scope, scope_id)
        found = await self.hardware(scope, scope_id)
        chosen = next((one for one in found if one.id == hardware_id), None)
        if chosen is None:
            raise Refusal("endpoint_no_hardware")
        offer = Offer(
            scope=scope,
            scope_id=scope_id,
            repository=repository,
            trigger=model.trigger if model else " ".join(trigger.split()),
            model_id=model.id if model else None,
            hardware=chosen,
            account=await self._hub.account(token),
            until=time.monotonic() + _OFFER_SECONDS,
        )
        self._offers = {key: one for key, one in self._offers.items() if one.until > time.monotonic()}
        number = secrets.randbelow(10**12)
        self._offers[number] = offer
        return number, offer

    def offered(self, number: int, scope_ids: dict[Scope, int]) -> Offer:
        """An offer that still holds, to one of these. Raises Refusal(endpoint_offer_over)."""
        offer = self._offers.get(number)
        if offer is None or offer.until < time.monotonic() or scope_ids.get(offer.scope) != offer.scope_id:
            raise Refusal("endpoint_offer_over")
        return offer

    async def accept(self, number: int, scope_ids: dict[Scope, int]) -> Endpoint:
        """Deploy what was offered, for whoever it was offered to; an offer is good once.

        It is recorded before Hugging Face is asked: nothing may run and cost there that nobody here knows of.

        Raises Refusal: endpoint_offer_over, endpoint_exists, endpoint_deploy_unsure and what the Hub refuses.
        """
        offer = self.offered(number, scope_ids)
        token = await self._any_token(offer.scope, offer.scope_id)
        name = f"likeness-{secrets.token_hex(4)}"
        former = await self._record(offer, name, token)
        self._offers.pop(number, None)
        try:
            made = await self._hub.create(token, name, offer.repository, offer.hardware)
        except Refusal as refusal:
            if refusal.code == "endpoint_hub_lost":  # it may be there all the same
                raise Refusal("endpoint_deploy_unsure") from None
            await self._take_back(offer, former)
            raise
        endpoint = await self._accounts.get(offer.scope, offer.scope_id)
        if url := self._accounts.checked(made.url):
            await self._endpoints.set_url(endpoint.id, url)
        return endpoint

    async def _record(self, offer: Offer, name: str, token: SecretStr) -> Endpoint | None:
        """Keep what is about to be deployed; what was connected in its place until now, if anything."""
        async with self._db.transaction() as tx:
            # Looked at inside: of two clicks at once, or a `connect` meanwhile, only one finds it free.
            await self._accounts.check_free(offer.scope, offer.scope_id)
            former = await self._endpoints.of(offer.scope, offer.scope_id)
            await self._endpoints.put(
                offer.scope,
                offer.scope_id,
                url="",
                repository=offer.repository,
                trigger=offer.trigger,
                model_id=offer.model_id,
                account=offer.account,
                wait_seconds=self._wait_seconds,
                name=name,
                price_per_hour=offer.hardware.price_per_hour,
                tx=tx,
            )
            await self._vault.put(offer.scope, offer.scope_id, PURPOSE, token, tx)
        return former

    async def _take_back(self, offer: Offer, former: Endpoint | None) -> None:
        """Nothing was deployed: everything is as it was before."""
        async with self._db.transaction() as tx:
            await self._endpoints.delete(offer.scope, offer.scope_id, tx)
            if former is not None:
                await self._endpoints.put_back(former, tx)
            else:
                await self._vault.delete(offer.scope, offer.scope_id, PURPOSE, tx)

    async def pause(self, scope: Scope, scope_id: int) -> Endpoint:
        """Stop a deployed endpoint, and what it costs. Raises Refusal: no_endpoint, endpoint_not_ours."""
        endpoint, name = await self._deployed(scope, scope_id)
        await self._hub.pause(await self._accounts.token_of(endpoint), name)
        await self._endpoints.run_ended(endpoint.id)
        return endpoint

    async def resume(self, scope: Scope, scope_id: int) -> Endpoint:
        """Let a paused endpoint run again. Raises Refusal: no_endpoint, endpoint_not_ours."""
        endpoint, name = await self._deployed(scope, scope_id)
        await self._hub.resume(await self._accounts.token_of(endpoint), name)
        await self._endpoints.run_began(endpoint.id)
        return endpoint

    async def delete(self, scope: Scope, scope_id: int) -> tuple[Endpoint, float]:
        """Remove a deployed endpoint at Hugging Face and here; also says how many seconds it ran."""
        endpoint, name = await self._deployed(scope, scope_id)
        await self._hub.delete(await self._accounts.token_of(endpoint), name)
        seconds = await self._endpoints.seconds_run(endpoint.id)
        await self._accounts.disconnect(scope, scope_id)
        return endpoint, seconds

    async def _deployed(self, scope: Scope, scope_id: int) -> tuple[Endpoint, str]:
        endpoint = await self._accounts.get(scope, scope_id)
        if endpoint.name is None:
            raise Refusal("endpoint_not_ours")
        return endpoint, endpoint.name

    async def _any_token(self, scope: Scope, scope_id: int) -> SecretStr:
        """The token of the connected endpoint, else the one that was kept when a model was published."""
        for purpose in (PURPOSE, HUB):
            token = await self._vault.get(scope, scope_id, purpose)
            if token is not None:
                return token
        raise Refusal("endpoint_no_token")
