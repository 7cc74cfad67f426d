"""How commands find the gateway and its admin key, and what they say where they do not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jackfield.cli import admin_client
from jackfield.cli.admin_client import AdminClient
from jackfield.errors import Unavailable
from jackfield.testing.gateway import ADMIN_KEY, API_KEY, find_free_port

from .conftest import Run
from .operator import Operator


async def test_a_gateway_is_found_by_its_settings(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(operator.gateway.url.rpartition(":")[2])
    monkeypatch.delenv("JACKFIELD_URL")
    monkeypatch.setenv("JACKFIELD_SERVER__PORT", str(port))
    for host in ("127.0.0.1", "0.0.0.0", "localhost"):
        monkeypatch.setenv("JACKFIELD_SERVER__HOST", host)
        assert await operator.told("list")
    monkeypatch.delenv("JACKFIELD_SERVER__PORT")
    monkeypatch.delenv("JACKFIELD_SERVER__HOST")
    file = Path("other.toml")
    file.write_text(f"[server]\nport = {port}\n[[upstreams]]\nname = 'a'\nprovider = 'p'\nmodels = ['x']\n")
    assert await operator.told("list", "--config", str(file))
    assert await operator.told("list", "--url", f"{operator.gateway.url}/")


async def test_an_admin_key_is_read_from_a_file(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("admin.key")
    file.write_text(f"{ADMIN_KEY}\n")
    monkeypatch.setenv("JACKFIELD_ADMIN_KEY", "jf-wrong")
    assert "needs an admin key" in await operator.refused("list")
    assert await operator.told("list", "--admin-key-file", str(file))
    file.write_text(API_KEY)
    assert "inference key" in await operator.refused("list", "--admin-key-file", str(file))


@pytest.mark.parametrize(
    ("key", "said"),
    [("", "the admin key is missing: set JACKFIELD_ADMIN_KEY"), ("two words", "one line"), ("ключ", "one line")],
)
def test_a_key_that_cannot_be_one_is_not_sent(run: Run, folder: Path, key: str, said: str) -> None:
    folder.joinpath("key").write_text(key, encoding="utf-8")
    outcome = run("plugin", "list", "--admin-key-file", "key")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert said in outcome.err


def test_a_key_file_that_is_not_there_is_named(run: Run) -> None:
    assert "nowhere.key" in run("plugin", "list", "--admin-key-file", "nowhere.key").err


def test_where_no_gateway_runs_it_says_how_to_start_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    port = find_free_port()
    monkeypatch.setenv("JACKFIELD_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("JACKFIELD_SERVER__PORT", str(port))
    outcome = run("plugin", "list")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert f"no gateway answers at http://127.0.0.1:{port}" in outcome.err
    assert "jackfield serve" in outcome.err


@pytest.mark.parametrize("url", ["gateway:8090", "ftp://gateway", "http://user:word@gateway", "http://"])
def test_a_wrong_address_is_told_as_one(run: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("JACKFIELD_ADMIN_KEY", ADMIN_KEY)
    outcome = run("plugin", "list", "--url", url)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert outcome.err.startswith("jackfield: --url: ")


def test_a_port_that_the_system_chose_must_be_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACKFIELD_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("JACKFIELD_SERVER__PORT", "0")
    assert "say where it is with --url" in run("plugin", "list").err


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"detail": "Not Found"}'])
async def test_what_is_no_gateway_is_told_as_such(operator: Operator, body: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await operator.refused("list", "--url", f"http://127.0.0.1:{port}")
    assert said == f"what answers at http://127.0.0.1:{port} is no Jackfield gateway: status 404"


async def test_a_gateway_that_breaks_off_is_told_as_that(operator: Operator) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhel")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "gave no whole answer" in await operator.refused("list", "--url", f"http://127.0.0.1:{port}")


async def test_what_lasts_is_followed_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_client, "ANSWER_S", 0.01)
    monkeypatch.setattr(admin_client, "TOLD_EVERY_S", 0.02)
    waited: list[float] = []
    loop, twice = asyncio.get_running_loop(), asyncio.Event()

    def tell(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            loop.call_soon_threadsafe(twice.set)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await twice.wait()
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"done": 1}')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        client = AdminClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", ADMIN_KEY)
        told = await asyncio.to_thread(client.follow, "POST", "/install", {}, tell, "look there")
    assert told == {"done": 1}
    assert waited == sorted(waited)


async def test_where_the_gateway_is_lost_meanwhile_it_says_how_to_look() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        client = AdminClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", ADMIN_KEY)
        with pytest.raises(Unavailable, match=r"gave no whole answer.*; it may go on there: look there$"):
            await asyncio.to_thread(client.follow, "POST", "/install", {}, print, "look there")
    with pytest.raises(Unavailable, match="no gateway answers") as refused:
        await asyncio.to_thread(client.follow, "POST", "/install", {}, print, "look there")
    assert "look there" not in str(refused.value)
