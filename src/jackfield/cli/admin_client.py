"""The running gateway's admin API, as commands use it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from jackfield.errors import ConfigError, EgressRefused, RequestError, Unavailable, UpstreamError

if TYPE_CHECKING:
    from jackfield.settings import ServerSettings
    from jackfield.transport import HttpClient, UpstreamResponse

CONNECT_S = 5.0
# A reload waits for what each plugin does when it starts.
ANSWER_S = 300.0
# Packages are fetched and laid out for ten minutes at most, and what is begun before comes first.
LASTING_S, TOLD_EVERY_S = 3600.0, 30.0
EVERYWHERE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104 - never bound

UrlOption = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="JACKFIELD_URL", help="The gateway; default JACKFIELD_URL, or as configured."),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file with the admin key alone; default JACKFIELD_ADMIN_KEY."),
]


class AdminClient:
    """`ask` raises what was refused with the gateway's own words."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def ask(self, method: str, path: str, body: Any = None, *, if_match: int | None = None) -> Any:
        """The decoded answer. Raises `RequestError`, or `Unavailable` where no gateway answers."""
        return asyncio.run(self._ask(method, path, body, if_match, ANSWER_S))

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """As `ask`, for who has an event loop already."""
        return await self._ask(method, path, body, None, ANSWER_S)

    def follow(self, method: str, path: str, body: Any, tell: Callable[[float], None], look: str) -> Any:
        """As `ask`, for what may last: `tell` hears every now and then for how many seconds it has. `look` is how to
        find out what became of it, where the gateway is lost meanwhile."""

        async def ask() -> Any:
            telling = asyncio.create_task(_tell_on(tell))
            try:
                return await self._ask(method, path, body, None, LASTING_S)
            except Unavailable as error:
                if not isinstance(error.__cause__, UpstreamError) or not error.__cause__.sent:
                    raise
                raise Unavailable(f"{error}; it may go on there: {look}") from error
            finally:
                telling.cancel()

        return asyncio.run(ask())

    async def _ask(self, method: str, path: str, body: Any, if_match: int | None, answer_s: float) -> Any:
        from jackfield.transport import EgressPolicy, HttpClient

        client = HttpClient(policy=EgressPolicy.anywhere())
        try:
            answer = await self._send(client, method, path, body, if_match, answer_s)
            return self._read(answer, await answer.read())
        except EgressRefused as error:
            raise ConfigError(f"--url: {error}") from error
        except UpstreamError as error:
            raise Unavailable(self._explain(error)) from error
        finally:
            await client.aclose()

    def _explain(self, error: UpstreamError) -> str:
        if error.sent:
            return f"the gateway at {self._url} gave no whole answer: {error}"
        advice = "start it with `jackfield serve`, or say where it is with --url"
        return f"no gateway answers at {self._url} ({error}): {advice}"

    async def _send(
        self, client: HttpClient, method: str, path: str, body: Any, if_match: int | None, answer_s: float
    ) -> UpstreamResponse:
        from jackfield.transport import Deadlines, OutgoingRequest

        headers = [(b"authorization", f"Bearer {self._key}".encode()), (b"content-type", b"application/json")]
        if if_match is not None:
            headers.append((b"if-match", f'"{if_match}"'.encode()))
        data = b"" if body is None else json.dumps(body).encode()
        request = OutgoingRequest(method, self._url + path, tuple(headers), data)
        return await client.send(request, Deadlines(connect_s=CONNECT_S, first_byte_s=answer_s, whole_s=answer_s))

    def _read(self, answer: UpstreamResponse, body: bytes) -> Any:
        try:
            told = json.loads(body)
            refusal = _describe_refusal(told) if answer.status >= 400 else None
        except (ValueError, KeyError, TypeError) as wrong:
            raise Unavailable(f"what answers at {self._url} is no Jackfield gateway: status {answer.status}") from wrong
        if refusal is not None:
            raise RequestError(refusal)
        return told


async def _tell_on(tell: Callable[[float], None]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        tell(loop.time() - began)


def _describe_refusal(told: Mapping[str, Any]) -> str:
    """In one line."""
    error = told["error"]
    plugin, message = error.get("plugin"), " ".join(str(error["message"]).split())
    undone = "nothing has changed: " if told.get("status") == "rolled_back" else ""
    return f"{undone}{plugin}: {message}" if plugin and plugin not in message else f"{undone}{message}"


def below(path: str, name: str, rest: str = "") -> str:
    """A path with a name in it that may hold anything."""
    return f"{path}/{quote(name, safe='')}{rest}"


def reach(config: Path | None, url: str | None, key_file: Path | None) -> AdminClient:
    """Raises `ConfigError` where it is not known which gateway, or with which key."""
    if url is None:
        from jackfield.cli.options import read_server_settings

        url = _url_of(read_server_settings(config))
    return AdminClient(url, _read_key(key_file))


def _url_of(server: ServerSettings) -> str:
    if server.port == 0:
        raise ConfigError("server.port is 0, so the gateway's port is not known here: say where it is with --url")
    host = EVERYWHERE.get(server.host, server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def _read_key(key_file: Path | None) -> str:
    key = os.environ.get("JACKFIELD_ADMIN_KEY", "").strip()
    if key_file is not None:
        try:
            key = key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--admin-key-file: {error}") from error
    if not key:
        raise ConfigError("the admin key is missing: set JACKFIELD_ADMIN_KEY, or name a file with --admin-key-file")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("the admin key must be one line of printable ASCII without spaces")
    return key
