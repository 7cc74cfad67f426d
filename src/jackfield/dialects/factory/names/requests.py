"""What plugins ask of requests under way: their context, a tracer, and answers that stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jackfield.dialects.factory.names.log import PluginLogger

__all__ = ["RequestContext", "RequestTracer", "StreamingHandler"]


@dataclass
class RequestContext:
    """The request that an event is about."""

    request_id: str
    started_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def get_current(cls) -> RequestContext | None:
        return _current.get()

    def get_log_timestamp_prefix(self) -> str:
        return self.started_at.strftime("%Y%m%d%H%M%S")

    @contextmanager
    def entered(self) -> Iterator[None]:
        before = _current.set(self)
        try:
            yield
        finally:
            _current.reset(before)


_current: ContextVar[RequestContext | None] = ContextVar("jackfield_factory_request", default=None)


class RequestTracer:
    """Notes at level `debug` that something went out or came in, and never what."""

    def __init__(self, log: PluginLogger) -> None:
        self._log = log

    async def trace_request_start(
        self, request_id: str, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> None:
        self._log.debug("request_start", request=request_id, method=method, bytes=len(body or b""))

    async def trace_request_complete(
        self, request_id: str, status_code: int, headers: Mapping[str, str], body: bytes | None = None
    ) -> None:
        self._log.debug("request_complete", request=request_id, status=status_code, bytes=len(body or b""))

    async def trace_stream_start(self, request_id: str, headers: Mapping[str, str]) -> None:
        self._log.debug("stream_start", request=request_id)

    async def trace_stream_chunk(self, request_id: str, chunk: bytes, chunk_number: int) -> None:
        self._log.debug("stream_chunk", request=request_id, number=chunk_number, bytes=len(chunk))

    async def trace_stream_complete(self, request_id: str, total_chunks: int, total_bytes: int) -> None:
        self._log.debug("stream_complete", request=request_id, chunks=total_chunks, bytes=total_bytes)


class StreamingHandler:
    """Streams what a plugin's own route answers."""

    def stream(
        self, pieces: AsyncIterable[bytes], *, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> Any:
        # Imported here: only who streams needs it.
        from starlette.responses import StreamingResponse

        return StreamingResponse(
            pieces, status_code=status_code, headers=dict(headers or {}), media_type="text/event-stream"
        )
