"""Where people's tokens may go: Hugging Face's own domains, and hosts that the operator listed."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from inference.errors import EndpointError

DOMAINS = (".endpoints.huggingface.cloud",)
HOSTS = ("router.huggingface.co",)
_NAME = re.compile(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*")
"""A host by its name: no address, and no zone of one, which can end in anything."""
_HANDED_OUT = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given to anybody: beside it lie only special addresses, of this machine or network."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CONNECTIONS = 32
_CONNECTIONS_PER_HOST = 8
_KEEP_SECONDS = 4.0
"""How long an idle connection is kept: shorter than servers do, the container 5 seconds, so that none closes
as we send.
"""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Hosts:
    """Judges URLs, and opens sessions that connect to nothing else.

    `listed` are hosts, or hosts with a port, that are trusted beside Hugging Face's: they alone may speak
    plain HTTP and have any address, loopback included.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(entry.strip().casefold() for entry in listed if entry.strip())

    def check(self, url: str) -> URL:
        """The URL, in the form that requests take. Raises EndpointError, code endpoint_address."""
        try:
            parsed = URL(url.strip())
            host = (parsed.host or "").casefold()
            listed = self.lists(host, parsed.port)
        except ValueError:
            raise _refused() from None
        if not host or parsed.user or parsed.password or parsed.query_string or parsed.fragment:
            raise _refused()
        if listed and parsed.scheme in ("http", "https"):
            return parsed
        known = host.endswith(DOMAINS) or host in HOSTS
        if not known or not _NAME.fullmatch(host) or parsed.scheme != "https" or parsed.port != 443:
            raise _refused()
        return parsed

    def lists(self, host: str, port: int | None = None) -> bool:
        """Whether the operator trusts a host; without a port, whether with any."""
        if host in self._listed:
            return True
        return any(
            entry.rpartition(":")[0] == host and port in (None, int(entry.rpartition(":")[2]))
            for entry in self._listed
            if entry.rpartition(":")[2].isdecimal()
        )

    def admits(self, host: str, address: str) -> bool:
        """Whether a request for `host` may connect to `address`, which is where it would really go."""
        return self.lists(host.casefold()) or is_public(address)

    def session(self, *, pooled: bool = True) -> aiohttp.ClientSession:
        """A bounded session. It keeps no cookies and knows no proxy; needs a running loop."""
        connector = _PinnedConnector(
            self,
            resolver=_PinnedResolver(self),
            use_dns_cache=False,
            limit=_CONNECTIONS,
            limit_per_host=_CONNECTIONS_PER_HOST,
            keepalive_timeout=_KEEP_SECONDS if pooled else None,
            force_close=not pooled,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _PinnedConnector(aiohttp.TCPConnector):
    """Judges addresses that stand in a URL themselves: those are never resolved."""

    def __init__(self, hosts: Hosts, **options: Any) -> None:
        super().__init__(**options)
        self._hosts = hosts

    async def connect(self, req: aiohttp.ClientRequest, *how: Any, **named: Any) -> Connection:
        host = req.url.host or ""
        if not _NAME.fullmatch(host) and not self._hosts.admits(host, host):
            raise _refused()
        return await super().connect(req, *how, **named)


class _PinnedResolver(AbstractResolver):
    """Hands out only addresses that it has checked, and these are what is connected to.

    A name that is resolved twice, once for a check and once for the connection, could change in between.
    """

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(self._hosts.admits(host, entry["host"]) for entry in found):
            raise OSError(None, "the name leads to an address that is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_public(text: str) -> bool:
    """Whether a text is an address of the open Internet; a wrapped IPv4 one counts as what is inside."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is None and address not in _HANDED_OUT:
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


def _refused() -> EndpointError:
    return EndpointError("endpoint_address", "Only https addresses of Hugging Face's endpoints are allowed.")
