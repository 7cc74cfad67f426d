"""What a server tells of its tools, such that one that is wrong does not take the others with it: the SDK refuses a
whole list for one entry."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse, Tool
from pydantic import ValidationError

from jackfield.mcp.remote import RemoteTool

if TYPE_CHECKING:
    from mcp.client._transport import ReadStream

Incoming = SessionMessage | Exception
MOST_REFUSED = 200


class SievedStream:
    """The messages of a server. Entries that are no tools are put into `refused`, by name."""

    def __init__(self, stream: ReadStream[Incoming], refused: dict[str, RemoteTool]) -> None:
        self._stream, self._refused = stream, refused

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Incoming:
        return self._sieve(await self._stream.receive())

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        return self._sieve(await self._stream.__anext__())

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stream.__aexit__(kind, error, trace)

    def _sieve(self, incoming: Incoming) -> Incoming:
        if isinstance(incoming, SessionMessage) and isinstance(incoming.message, JSONRPCResponse):
            result = incoming.message.result
            if isinstance(result.get("tools"), list):
                result["tools"] = [tool for tool in result["tools"] if self._is_tool(tool)]
        return incoming

    def _is_tool(self, told: Any) -> bool:
        """As every version has it; the newest alone would take schemas of any type."""
        try:
            Tool.model_validate(told, by_name=False)
        except (ValidationError, RecursionError):
            sound = False
        else:
            sound = told["inputSchema"].get("type") == "object"
        if not sound and isinstance(told, Mapping) and isinstance(told.get("name"), str):
            schema = told.get("inputSchema")
            tool = RemoteTool(name=told["name"], description="", schema=schema if isinstance(schema, dict) else {})
            if len(self._refused) < MOST_REFUSED:
                self._refused[tool.name] = tool
        return sound
