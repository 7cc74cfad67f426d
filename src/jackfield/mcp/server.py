"""The gateway as an MCP server: the tools that a key may use, and their calls."""

from __future__ import annotations

from typing import Any

import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import validate_mcp_param_headers
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from jackfield.mcp.exchange import Head, Reply, Send, answer, check_notification, find_repeated
from jackfield.mcp.messages import REQUEST_CANCELLED, Message, encode_error
from jackfield.mcp.progress import progress_told
from jackfield.mcp.running import CallKey, RunningCalls
from jackfield.mcp.visit import Visit
from jackfield.sdk.tools import ToolReply
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import OfferedTool

Context = ServerRequestContext[Any, Visit]


class McpServer:
    """Keeps nothing between two messages but the calls that run."""

    def __init__(self, gate: ToolGate, version: str) -> None:
        self._gate = gate
        self._running = RunningCalls()
        self._sdk: Server[Any] = Server(
            "jackfield", version=version, on_list_tools=self._list_tools, on_call_tool=self._call_tool
        )

    async def serve(self, message: Message, visit: Visit, headers: list[tuple[str, str]], send: Send) -> None:
        """Answers one message."""
        head: Head = dict(headers)
        reply = Reply(send, takes_events=visit.takes_events)
        if (repeated := find_repeated(headers)) is not None:
            await reply.finish(encode_error(-32600, f"The header {repeated} is there twice", None, message.id), 400)
        elif message.is_request:
            await answer(self._sdk, message, visit, head, reply)
        elif (refused := check_notification(head)) is not None:
            await reply.finish(refused, 400)
        else:
            if message.cancels is not None:
                self._running.cancel(CallKey(visit.credential, visit.session, message.cancels))
            await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    async def _list_tools(self, ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        """All at once: there are no pages."""
        visit = _visit(ctx)
        return ListToolsResult(tools=[_told(tool) for tool in self._gate.offered(visit.tools, visit.caller)])

    async def _call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        visit = _visit(ctx)
        tool = self._gate.find(visit.tools, params.name, visit.caller)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:200]}")
        arguments = params.arguments or {}
        mismatch = validate_mcp_param_headers(_schema(tool), arguments, visit.headers) if visit.enveloped else None
        if mismatch is not None:
            raise MCPError(mismatch.code, mismatch.message)
        visit.found = tool
        assert ctx.request_id is not None
        with self._running.entered(CallKey(visit.credential, visit.session, ctx.request_id)):
            reply = await self._run(ctx, visit, tool, arguments)
            visit.failed = not reply.success
            return _result(reply)
        visit.taken_back = True
        raise MCPError(REQUEST_CANCELLED, "Request cancelled")

    async def _run(self, ctx: Context, visit: Visit, tool: OfferedTool, arguments: dict[str, Any]) -> ToolReply:
        wanted = ctx.meta is not None and ctx.meta.get("progress_token") is not None
        async with progress_told(ctx.session.report_progress, wanted=wanted):
            return await self._gate.run_tool(tool, arguments, visit.caller)


def _visit(ctx: Context) -> Visit:
    assert ctx.request is not None
    return ctx.request


def _schema(tool: OfferedTool) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.to_builtins(tool.spec.input_schema)
    return schema


def _told(tool: OfferedTool) -> Tool:
    return Tool(name=tool.name, description=tool.description, input_schema=_schema(tool))


def _result(reply: ToolReply) -> CallToolResult:
    """The text is JSON whatever the result is: a client need not guess whether a string is one."""
    if not reply.success:
        return CallToolResult(content=[TextContent(type="text", text=reply.error or "")], is_error=True)
    value = msgspec.to_builtins(reply.result)
    text = msgspec.json.encode(reply.result).decode()
    structured = value if isinstance(value, dict) else None
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)
