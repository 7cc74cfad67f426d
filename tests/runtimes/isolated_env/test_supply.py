"""Wheels that a plugin did not bring: fetched by pip from an index on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.runtimes.isolated_env.wheels import make_wheel, write_lock

from jackfield.clock import SystemClock
from jackfield.errors import ConfigError
from jackfield.runtimes.isolated import supply as supplies
from jackfield.runtimes.isolated.environments import environment_for
from jackfield.runtimes.isolated.supply import Supply


class Index:
    """A package index of the files in a folder, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.stands = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request)
        if self.stands:
            await reader.read()
        path = request.split()[1]
        name = path.rpartition("/")[2]
        if path.startswith("/simple/"):
            links = "".join(f'<a href="/files/{file.name}">{file.name}</a>' for file in self.folder.iterdir())
            body, kind = f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html"
        else:
            body, kind = (self.folder / name).read_bytes(), "application/octet-stream"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    def supply(self, **settings: float) -> Supply:
        """As an operator with a private index sets it."""
        url = f"http://operator:very-secret@127.0.0.1:{self.port}/simple"
        environ = {"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "OPENAI_API_KEY": "sk-secret", "PYTHONPATH": "/evil"}
        return Supply(environ=environ, **{"deadline_s": 30, **settings})


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    index = Index(tmp_path / "index")
    index.folder.mkdir()
    server = await asyncio.start_server(index.serve, "127.0.0.1", 0)
    async with server:
        index.port = server.sockets[0].getsockname()[1]
        yield index


async def test_what_is_missing_is_fetched_from_the_operators_index(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the plugin brought is not."""
    folder = tmp_path / "plugin"
    brought = make_wheel(folder / "wheels", "brought")
    write_lock(folder, brought, make_wheel(index.folder, "demo"))
    # As a data folder is given by default.
    monkeypatch.chdir(tmp_path)
    environment = await environment_for(Path("plugin"), Path("data"), SystemClock(), index.supply())
    assert environment is not None
    assert environment.packages == ("brought 1.0", "demo 1.0")
    assert {path.name for path in environment.site_packages.iterdir()} >= {"brought.py", "demo.py"}
    assert {path.name for path in environment.site_packages.parent.iterdir()} == {"site-packages", "environment.json"}
    assert not any("brought" in asked for asked in index.asked)
    assert not any("sk-secret" in asked for asked in index.asked)


async def test_what_the_index_has_must_be_what_was_locked(tmp_path: Path, index: Index) -> None:
    folder = tmp_path / "plugin"
    folder.mkdir()
    write_lock(folder, make_wheel(index.folder))
    make_wheel(index.folder, files={"demo.py": "evil"})
    with pytest.raises(
        ConfigError, match=r"lock:1: demo==1\.0: the wheel of the package index has a digest that is none"
    ):
        await environment_for(folder, tmp_path / "data", SystemClock(), index.supply())


async def test_an_index_that_has_sources_only_is_told_of_without_its_password(tmp_path: Path, index: Index) -> None:
    folder = tmp_path / "plugin"
    folder.mkdir()
    wheel = make_wheel(index.folder)
    write_lock(folder, wheel)
    wheel.rename(index.folder / "demo-1.0.tar.gz")
    with pytest.raises(ConfigError, match=r"lock:1: demo==1\.0: the package index has no wheel of it") as caught:
        await environment_for(folder, tmp_path / "data", SystemClock(), index.supply())
    assert "very-secret" not in str(caught.value)


async def test_an_index_that_does_not_answer_is_not_waited_for(tmp_path: Path, index: Index) -> None:
    index.stands = True
    folder = tmp_path / "plugin"
    folder.mkdir()
    write_lock(folder, make_wheel(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="within 1 s"):
        await environment_for(folder, tmp_path / "data", SystemClock(), index.supply(deadline_s=1))
    assert list((tmp_path / "data" / "environments").iterdir()) == []


def test_where_there_is_no_pip_the_one_of_python_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supplies, "find_spec", lambda name: None)
    *_, place = supplies._find_pip(supplies.Lock(Path("requirements.lock"), ()))
    with ZipFile(Path(place).parent) as bundled:
        assert f"{Path(place).name}/__main__.py" in bundled.namelist()
