"""Calls over the network that nothing ends: hooks have a deadline of the host's, what runs beside them has none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.functions import Call, Known
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.source import own_nodes

_OPENING = frozenset({"asyncio.open_connection", "asyncio.open_unix_connection"})
_READING = frozenset({"read", "readline", "readexactly", "readuntil", "drain", "wait_closed"})
_LOOP = frozenset(
    {"create_connection", "create_unix_connection", "getaddrinfo", "sock_connect", "sock_recv", "sock_sendall"}
)
_CLIENTS = frozenset({"httpx.AsyncClient", "httpx2.AsyncClient", "aiohttp.ClientTimeout", "websockets.connect"})
_LIMITS = ("timeout", "total", "open_timeout")


def check_deadlines(file: PluginFile) -> Iterator[Finding]:
    for one in file.functions.reached(file.lives(), bounded=False).values():
        streams = _streams(file, one)
        for call in one.calls:
            if call.awaited and not call.bounded and (what := _waits_for(call, streams)):
                yield _tell(file, one, call, f"waits for {what} without a deadline; put it into asyncio.timeout(…)")
    for one in file.functions:
        for call in one.calls:
            if call.origin in _CLIENTS and (given := _unlimited(call.node)):
                yield _tell(file, one, call, f"{given}=None takes the client's deadline away; state one")


def _waits_for(call: Call, streams: set[str]) -> str | None:
    if call.origin in _OPENING:
        return f"{call.origin}()"
    function = call.node.func
    if not isinstance(function, ast.Attribute):
        return None
    holder = ast.unparse(function.value)
    if function.attr in _READING and holder in streams:
        return f"{holder}.{function.attr}()"
    return f"{holder}.{function.attr}()" if function.attr in _LOOP and "loop" in holder else None


def _streams(file: PluginFile, one: Known) -> set[str]:
    """The names that a reader and a writer were given here."""
    found: set[str] = set()
    for node in own_nodes(one.node):
        if isinstance(node, ast.Assign) and any(
            isinstance(inner, ast.Call) and file.source.origin(inner.func, one.shadowed) in _OPENING
            for inner in ast.walk(node.value)
        ):
            for target in node.targets:
                found |= {ast.unparse(each) for each in (target.elts if isinstance(target, ast.Tuple) else [target])}
    return found


def _unlimited(node: ast.Call) -> str | None:
    return next(
        (
            one.arg
            for one in node.keywords
            if one.arg in _LIMITS and isinstance(one.value, ast.Constant) and one.value.value is None
        ),
        None,
    )


def _tell(file: PluginFile, one: Known, call: Call, message: str) -> Finding:
    return finding(file.source.path, call.line, "no-deadline", f"{one.name}: {message}")
