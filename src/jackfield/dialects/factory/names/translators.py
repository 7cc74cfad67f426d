"""From one format that the gateway knows to another, for the JSON values of requests, answers, errors and streams."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import msgspec

from jackfield.dialects.factory.names.formats import WIRE
from jackfield.errors import UpstreamRejected
from jackfield.wire import format_named
from jackfield.wire.sse import parse_event, split_events

__all__ = ["Translator", "translates"]

_DONE = b"[DONE]"


def translates(from_format: str, to_format: str) -> bool:
    return from_format in WIRE and to_format in WIRE and from_format != to_format


class Translator:
    """By the gateway's one canonical form. Raises `Malformed` for what is no request of `from_format`, and
    `UpstreamBroken` for what is no answer."""

    def __init__(self, from_format: str, to_format: str) -> None:
        self.from_format, self.to_format = from_format, to_format
        self._source, self._target = format_named(WIRE[from_format]), format_named(WIRE[to_format])

    async def convert_request(self, data: Mapping[str, Any]) -> dict[str, Any]:
        request = self._source.decode_request(msgspec.json.encode(data))
        return _value(self._target.encode_request(request).body)

    async def convert_response(self, data: Mapping[str, Any]) -> dict[str, Any]:
        response = self._source.decode_response(msgspec.json.encode(data))
        return _value(self._target.encode_response(response).body)

    async def convert_error(self, data: Mapping[str, Any]) -> dict[str, Any]:
        code, message = self._source.decode_error(msgspec.json.encode(data))
        return _value(self._target.encode_error(UpstreamRejected(400, message, code=code), ""))

    async def convert_stream(self, stream: AsyncIterable[Mapping[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """`stream` is the data of each server-sent event, and so is what comes of it."""
        decoder = self._source.stream_decoder()
        encoder = self._target.stream_encoder(model="", usage=True)
        async for data in stream:
            for event in decoder.decode(str(data.get("type", "")), msgspec.json.encode(data)):
                for raw in split_events(encoder.encode(event)):
                    told = parse_event(raw).data
                    if told and told != _DONE:
                        yield _value(told)


def _value(body: bytes) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.json.decode(body)
    return value
