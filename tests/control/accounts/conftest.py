from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from tests.control.conftest import SetClock
from tests.oauth_server import OAuthServer, run_oauth_server

from jackfield.stores.database import Database

from .house import House


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


@pytest.fixture
async def house(database: Database, clock: SetClock, oauth: OAuthServer) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack, database, clock, oauth)
