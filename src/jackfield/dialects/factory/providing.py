"""A provider's adapter as a provider of the gateway: its models are those of `/v1/…`, and each request to it goes the
way of all others, through the adapter's `prepare_provider_request` and `process_provider_response`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel

from jackfield.dialects.factory.client import find_library
from jackfield.dialects.factory.names.formats import (
    ENDPOINTS,
    FORMAT_ANTHROPIC_MESSAGES,
    FORMAT_OPENAI_CHAT,
    FORMAT_OPENAI_RESPONSES,
    WIRE,
)
from jackfield.dialects.factory.names.mapping import ModelMapper
from jackfield.dialects.factory.names.models import HttpAdapter
from jackfield.errors import UpstreamBroken, UpstreamRejected
from jackfield.sdk.context import CREDENTIAL_HEADERS
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.providers import PreparedRequest, Target, Upstream
from jackfield.wire import format_named
from jackfield.wire.base import Operation

PATIENCE_S = 120.0
_METHODS = ("prepare_provider_request", "get_target_url", "process_provider_response")
_FRAMING = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding", "te", "upgrade"})
_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_SECRET = re.compile(r"auth|key|token|secret|cookie|credential|session")
# Of the client's headers those that an adapter may pass on.
_FORWARDS = {
    FORMAT_OPENAI_CHAT: frozenset({b"openai-beta"}),
    FORMAT_OPENAI_RESPONSES: frozenset({b"openai-beta"}),
    FORMAT_ANTHROPIC_MESSAGES: frozenset({b"anthropic-beta", b"anthropic-version"}),
}
_HEADERS: Headers = ((b"content-type", b"application/json"),)


class Spoken(NamedTuple):
    """A format by the name that plugins know it by, and where the provider takes it."""

    format: str
    endpoint: str


class AdapterProvider:
    """Serves a plugin's models through its adapter. `entered` is what the plugin's code runs inside of."""

    revision = 1
    names: tuple[str, ...] = ()

    def __init__(
        self,
        plugin: str,
        adapter: Any,
        spoken: Spoken,
        config: BaseModel,
        mapper: ModelMapper | None,
        entered: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._plugin, self._adapter, self._config = plugin, adapter, config
        self._endpoint, self._mapper, self._entered = spoken.endpoint, mapper, entered
        self._library = find_library()
        self._models = _models_of(config)
        self.formats: Mapping[Operation, str] = {"chat": WIRE[spoken.format]}
        self.forwards = _FORWARDS[spoken.format]

    def face(self) -> dict[str, Any]:
        """What makes a plugin a provider, by name."""
        methods = ("target", "offered", "trouble", "patience_s", "prepare_request", "read_whole")
        return {name: getattr(self, name) for name in ("formats", "forwards", "revision", "names", *methods)}

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        """Where it goes for certain the adapter says for each request."""
        base = str(getattr(self._config, "base_url", None) or f"http://{self._plugin}.invalid")
        return Target(url=f"{base.rstrip('/')}/{self._endpoint.lstrip('/')}", headers=_HEADERS)

    def offered(self) -> tuple[str, ...]:
        return self._models

    def trouble(self) -> str | None:
        return None

    def patience_s(self) -> float:
        return PATIENCE_S

    async def prepare_request(self, url: str, headers: Headers, body: bytes, format: str) -> PreparedRequest:  # noqa: A002
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        with self._entered():
            made, named = await self._adapter.prepare_provider_request(
                self._mapped(body, format), given, self._endpoint
            )
            wanted = await _settle(self._adapter.get_target_url(self._endpoint))
        kept = _headers_of(named)
        return PreparedRequest(
            url=str(wanted),
            headers=tuple(pair for pair in kept if not _is_secret(pair[0])),
            body=_bytes_of(made),
            credentials=tuple(pair for pair in kept if _is_secret(pair[0])),
        )

    async def read_whole(self, status: int, headers: Headers, body: bytes, format: str) -> bytes:  # noqa: A002
        named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        kept = [(name, value) for name, value in named if name not in _DECODED]
        with self._entered():
            answer = await _settle(
                self._adapter.process_provider_response(
                    self._library.Response(status, headers=kept, content=body), self._endpoint
                )
            )
        content = next((getattr(answer, name) for name in ("body", "content") if hasattr(answer, name)), None)
        if not isinstance(content, bytes | memoryview):
            raise UpstreamBroken(f"its process_provider_response gave {type(answer).__name__}, and no whole answer")
        if answer.status_code >= 400:
            _, message = format_named(format).decode_error(bytes(content))
            raise UpstreamRejected(answer.status_code, message, body=bytes(content), format=format)
        return bytes(content)

    def _mapped(self, body: bytes, format: str) -> bytes:  # noqa: A002
        if self._mapper is None or not self._mapper.has_rules:
            return body
        spoken = format_named(format)
        model = spoken.peek(body).model
        mapped = self._mapper.map(model).mapped
        return body if mapped == model else spoken.with_model(body, mapped)


def is_http_adapter(adapter: Any) -> bool:
    """Whether it says itself how a request to its provider is made, and what its answer is."""
    if not all(callable(getattr(adapter, name, None)) for name in _METHODS):
        return False
    return all(getattr(type(adapter), name, None) is not getattr(HttpAdapter, name) for name in _METHODS)


def find_spoken(adapter: Any, config: BaseModel, routers: Iterable[Any]) -> Spoken | None:
    """The `format` (and `endpoint`) of the adapter or the config, else the provider's own that its routes name."""
    for owner in (adapter, config):
        stated = getattr(owner, "format", None)
        if isinstance(stated, str) and stated in WIRE:
            return Spoken(stated, str(getattr(owner, "endpoint", None) or ENDPOINTS[stated]))
    for route in (route for router in routers for route in getattr(router, "routes", ())):
        function = getattr(route, "endpoint", None)
        last = (*getattr(function, "__format_chain__", ()), "")[-2:][0]
        if last in WIRE:
            return Spoken(last, getattr(function, "__endpoint__", None) or ENDPOINTS[last])
    return None


def _models_of(config: BaseModel) -> tuple[str, ...]:
    """Their names, where the config lists them."""
    listed = getattr(config, "models_endpoint", None) or getattr(config, "models", None)
    if not isinstance(listed, list | tuple):
        return ()
    named = [one if isinstance(one, str) else _of_card(one) for one in listed]
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))


def _of_card(card: Any) -> Any:
    return card.get("id") if isinstance(card, Mapping) else getattr(card, "id", None)


def _headers_of(named: Mapping[str, Any]) -> Headers:
    pairs = [(str(name).lower(), str(value)) for name, value in named.items() if value is not None]
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs if name not in _FRAMING)


def _is_secret(name: bytes) -> bool:
    return name in CREDENTIAL_HEADERS or _SECRET.search(name.decode("latin-1")) is not None


def _bytes_of(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)


async def _settle(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
