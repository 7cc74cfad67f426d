"""Waiting for the network without an end, beside the hooks, whose deadline is the host's."""

from __future__ import annotations

import pytest

from .conftest import Look, Trips

CONNECT = "await asyncio.open_connection('a.example', 80)"


LOAD = "async def on_load(self):\n    "
RUN = f"\nasync def run(self):\n    {CONNECT}"
SPAWN = "self.t = asyncio.create_task(self.run())"
WITHIN = "async with asyncio.timeout(5):\n        "


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (LOAD + CONNECT, 2),
        (f"async def on_unload(self):\n    await self.run(){RUN}", 4),
        (f"{LOAD}{SPAWN}{RUN}", 4),
        (f"async def health(self):\n    async with asyncio.timeout(None):\n        {CONNECT}", 3),
        (f"{LOAD}r, w = await asyncio.wait_for({CONNECT.removeprefix('await ')}, 3)\n    await r.readline()", 3),
        (f"{LOAD}await asyncio.get_running_loop().getaddrinfo('a.example', 80)", 2),
    ],
)
def test_a_call_that_nothing_ends_is_told(trips: Trips, body: str, line: int) -> None:
    assert trips(body) == [(line, "no-deadline")]


@pytest.mark.parametrize(
    "body",
    [
        LOAD + WITHIN + CONNECT,
        f"{LOAD}await asyncio.wait_for({CONNECT.removeprefix('await ')}, 5)",
        f"{LOAD}{WITHIN}await self.run(){RUN}",
        f'@hook("auth")\nasync def check(self, exchange):\n    {CONNECT}',
        f"async def complete(self, request, upstream):\n    {CONNECT}",
        f"{LOAD}await self.reader.read()",
        f"{LOAD}await asyncio.sleep(1)",
    ],
)
def test_what_has_a_deadline_is_passed(trips: Trips, body: str) -> None:
    assert trips(body) == []


def test_a_task_outlives_the_deadline_it_was_made_under(trips: Trips) -> None:
    assert trips(f"{LOAD}{WITHIN}{SPAWN}{RUN}") == [(5, "no-deadline")]


@pytest.mark.parametrize(("timeout", "codes"), [("None", ["no-deadline"]), ("5", [])])
def test_a_client_whose_deadline_is_taken_away_is_told(look: Look, timeout: str, codes: list[str]) -> None:
    source = f"""
        import httpx
        from jackfield.sdk import Plugin
        class Tried(Plugin):
            async def on_load(self):
                self.client = httpx.AsyncClient(timeout={timeout})
    """
    assert [found.code for found in look({"tried/plugin.py": source}).findings] == codes
