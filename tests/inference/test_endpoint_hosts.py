"""Where tokens may go."""

from __future__ import annotations

import aiohttp
import pytest
from pydantic import SecretStr

from inference.endpoint import EndpointClient
from inference.endpoint_calls import Target
from inference.endpoint_hosts import Hosts, is_public
from inference.errors import EndpointError
from tests.endpoint_server import TOKEN, Container


@pytest.mark.parametrize(
    "url",
    [
        "http://x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://endpoints.huggingface.cloud.evil.com",
        "https://evil-endpoints.huggingface.cloud",
        "https://127.0.0.1",
        "https://[::1]",
        "https://[::1%251.endpoints.huggingface.cloud]/",
        "https://[2606:4700::1111%25x.endpoints.huggingface.cloud]/",
        "https://[::ffff:1.1.1.1%25.endpoints.huggingface.cloud]:443",
        "https://1.1.1.1",
        "https://a%2fb.endpoints.huggingface.cloud",
        "https://x.endpoints.huggingface.cloud.",
        "http://169.254.169.254/latest",
        "https://huggingface.co.evil.com",
        "https://user:secret@x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud:8443",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud/?to=elsewhere",
        "file:///etc/passwd",
        "http://listed.example:81",
        "https://x.endpoints.huggingface.cloud:port",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(EndpointError) as refused:
        Hosts(["listed.example:80"]).check(url)
    assert refused.value.code == "endpoint_address"


def test_hugging_face_and_listed_hosts_are_taken() -> None:
    hosts = Hosts(["listed.example:81", "home.example"])
    for url in (
        "https://x.us-east-1.aws.endpoints.huggingface.cloud",
        "https://router.huggingface.co/hf-inference/models/ann/abraza",
        "http://listed.example:81",
        "http://home.example:1234/path",
    ):
        assert str(hosts.check(url)).rstrip("/") == url


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
     "0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "100.64.0.1", "2002:7f00:1::", "::",
     "::127.0.0.1", "::8.8.8.8", "fec0::1", "fc00::1", "ff02::1", "64:ff9b:1::808:808", "64:ff9b::a01:203",
     "100::1", "2001:db8::1", "2001:0:808:808::f5ff:fffe",
     "::1%1.endpoints.huggingface.cloud", "localhost", ""],
)  # fmt: skip
def test_addresses_inside_are_no_targets(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1", "2002:101:101::1"],
)
def test_addresses_of_the_open_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::1%25lo]", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_session_connects_to_nothing_inside_whatever_the_url_says(host: str) -> None:
    """Also where nobody has checked the URL, as with a redirect that is followed."""
    async with Container().served() as container, Hosts().session() as session:
        port = container.url.rpartition(":")[2]
        with pytest.raises((EndpointError, aiohttp.ClientConnectorError)) as refused:
            await session.get(f"http://{host}:{port}/health")
        assert container.looks == 0
        assert "not public" in str(refused.value) or "Only https addresses" in str(refused.value)


async def test_a_listed_address_is_connected_to() -> None:
    async with Container().served() as container, Hosts(["127.0.0.1"]).session() as session:
        await session.get(f"{container.url}/health")
        assert container.looks == 1


async def test_a_name_that_leads_inside_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS says one thing when it is checked and another when it is connected: only one answer counts."""
    from aiohttp.resolver import ThreadedResolver

    async with Container().served() as container:
        port = int(container.url.rpartition(":")[2])

        async def inside(self: object, host: str, *_: object) -> list[dict[str, object]]:
            return [
                {"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 4}
            ]

        monkeypatch.setattr(ThreadedResolver, "resolve", inside)
        client = EndpointClient(Hosts())
        target = Target("https://x.us-east-1.aws.endpoints.huggingface.cloud", SecretStr(TOKEN), 0)
        with pytest.raises(EndpointError) as refused:
            await client.check(target)
        await client.close()
        assert refused.value.code == "endpoint_unreachable" and container.looks == 0
