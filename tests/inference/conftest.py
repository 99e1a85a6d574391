from collections.abc import AsyncIterator

import pytest

from inference.endpoint import EndpointClient
from inference.endpoint_hosts import Hosts
from tests.endpoint_server import Container
from tests.inference.endpoints import QUICK


@pytest.fixture
async def container() -> AsyncIterator[Container]:
    async with Container().served() as container:
        yield container


@pytest.fixture
async def client() -> AsyncIterator[EndpointClient]:
    client = EndpointClient(Hosts(["127.0.0.1"]), QUICK)
    yield client
    await client.close()
