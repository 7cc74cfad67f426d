"""Walks through the objects that an isolated plugin finds in its process, to what it was not granted.

It may do there what it likes, and what was checked there counts for nothing: each walk ends at the host, which refuses
it to a plugin that was granted nothing, and answers it to one that was granted everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from textwrap import indent
from typing import Any

import pytest
import pytest_asyncio
from tests.guests.places import host_plugin

from jackfield.testing.host import FakeHost

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERMISSIONS = (
    "storage:read", "storage:write", "http:outbound", "events:emit", "scheduler:read", "scheduler:write",
    "memory:read", "memory:write", "users:read", "tools:register", "tools:execute",
)  # fmt: skip
MANIFEST = f'id = "hostile"\npermissions = {list(PERMISSIONS)}\n[http]\nhosts = ["api.example.com"]\n'
PLUGIN = '''
import gc, sys
from jackfield.sdk import Plugin, Reject, hook

def walk_heap():
    """The way to the host, as the collector knows it."""
    gc.unfreeze()
    return next(one for one in gc.get_objects() if type(one).__name__ == "Peer")

def walk_frames():
    """As those know it who call us."""
    frame = sys._getframe()
    while frame is not None:
        for one in frame.f_locals.values():
            if hasattr(one, "_peer"):
                return one._peer
        frame = frame.f_back
    raise LookupError("no frame knows of it")

def walk_referrers():
    from jackfield.rpc.calls import Peer
    gc.unfreeze()
    return next(one for one in gc.get_referrers(Peer) if isinstance(one, Peer))

def walk_classes():
    """All classes that there are, and from one of them to its instances."""
    def below(kind):
        for one in type.__subclasses__(kind):
            yield one
            yield from below(one)
    kind = next(one for one in below(object) if one.__name__ == "Rpc" and one.__module__ == "jackfield.runtimes.guest")
    gc.unfreeze()
    return next(one for one in gc.get_objects() if type(one) is kind)._peer

class Hostile(Plugin):
    @hook("pre_flight", on_failure="closed", timeout_ms=5000)
    async def run(self, exchange):
        names = dict(globals())
        exec(exchange.request.last_user_text(), names)
        try:
            told = await names["attempt"](self, exchange)
        except BaseException as error:
            told = f"{getattr(error, 'told', None) or getattr(error, 'code', '')} {error!r}"
        return Reject(400, "told", str(told))
'''


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, FakeHost]]:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "hostile").mkdir()
    (folder / "hostile" / "jackfield.toml").write_text(MANIFEST)
    (folder / "hostile" / "plugin.py").write_text(PLUGIN)
    async with AsyncExitStack() as stack:
        granted = {"nothing": (), "everything": PERMISSIONS}
        yield {
            name: await stack.enter_async_context(
                host_plugin("isolated", "hostile", folder=folder, approve=approved, http=lambda request: {"answer": 42})
            )
            for name, approved in granted.items()
        }


async def attempt(host: FakeHost, body: str) -> str:
    trial = await host.request(f"async def attempt(plugin, exchange):\n{indent(body, '    ')}")
    assert trial.error is not None, trial
    assert trial.error.code == "told", trial.error
    return trial.error.message


# On behalf of the call that it came out of, as its own code would.
CALL = "peer = {walk}()\nreturn await peer.call({method!r}, {params!r}, peer.current())"
SET = {"key": "k", "value": 1}
WALKS = {
    f"by the {name}": CALL.format(walk=walk, method="kv.set", params=SET)
    for name, walk in {
        "heap": "walk_heap", "frames": "walk_frames", "referrers": "walk_referrers", "classes": "walk_classes",
    }.items()
}  # fmt: skip
SERVICES = {
    "storage, read": CALL.format(walk="walk_heap", method="kv.get", params={"key": "k"}),
    "storage, listed": CALL.format(walk="walk_heap", method="kv.list", params={}),
    "storage, emptied": CALL.format(walk="walk_heap", method="kv.clear", params={}),
    "a request": CALL.format(
        walk="walk_heap", method="http.request", params={"method": "GET", "url": "https://api.example.com/"}
    ),
    "the schedule": CALL.format(walk="walk_heap", method="scheduler.list", params={}),
    "the memory": """
from jackfield.sdk import current_caller
peer = walk_heap()
return await peer.call("memory.search", {"query": "x", "user": current_caller().user}, peer.current())
""",
    "another's tool": CALL.format(walk="walk_heap", method="tools.execute", params={"name": "x", "arguments": {}}),
}
# What is granted is told to the process only so that errors name it at once.
FORGED = {
    "a permission that it gives itself": """
from jackfield.guests import services
lines = [one for one in gc.get_objects() if isinstance(one, services.Line)] or (
    gc.unfreeze() or [one for one in gc.get_objects() if isinstance(one, services.Line)])
for line in lines: line.granted = frozenset({"storage:read", "storage:write"})
return await services.GuestStorage(lines[0]).set("k", 1)
""",
    "a service that it makes itself": """
from jackfield.guests.services import GuestStorage, Line
from jackfield.runtimes.guest import Rpc
line = Line(Rpc(walk_heap()), "hostile", frozenset({"storage:write"}))
return await GuestStorage(line).set("k", 1)
""",
    "another plugin's line": """
from jackfield.guests.services import GuestStorage, Line
from jackfield.runtimes.guest import Rpc
return await GuestStorage(Line(Rpc(walk_heap()), "another", frozenset({"storage:write"}))).set("k", 1)
""",
    "a check that checks nothing": """
from jackfield.guests import services
services.Line.check = lambda self, permission: None
return await services.GuestStorage(services.Line(walk_heap(), "hostile", frozenset())).set("k", 1)
""",
    "a call that comes out of none": "return await walk_heap().call('kv.set', {'key': 'k', 'value': 1}, 9999)",
}


@pytest.mark.parametrize("body", {**WALKS, **SERVICES, **FORGED}.values(), ids={**WALKS, **SERVICES, **FORGED})
async def test_the_host_refuses_what_was_not_granted_whichever_way_it_is_asked(
    hosts: dict[str, FakeHost], body: str
) -> None:
    told = await attempt(hosts["nothing"], body)
    assert "not_granted" in told or "NotGranted" in told
    assert "has no permission" in told
    # The same walk is one that leads there.
    assert "Denied" not in await attempt(hosts["everything"], body)


NOT_SERVED = (
    "kv", "kv.", "kv.__class__", "kv.get.__globals__", "__init__", "services.kv", "kv._store", "log.info", "config.get",
    "tools.register", "rings.metadata", "rings.metrics.report", "describe", "load", "$load", "../kv.get", "kv.get\x00",
    "users.delete", "http.client", "os.system", "mcp.mount",
)  # fmt: skip


@pytest.mark.parametrize("method", NOT_SERVED)
async def test_what_is_no_service_cannot_be_asked_for(hosts: dict[str, FakeHost], method: str) -> None:
    """Even by who was granted everything: the services are a closed table."""
    told = await attempt(hosts["everything"], CALL.format(walk="walk_heap", method=method, params={"name": "x"}))
    assert "SessionDenied" in told
    assert "there is no service" in told or "has no permission 'mcp:connect'" in told


@pytest.mark.parametrize(
    "params",
    [
        {"key": "k", "value": 1, "self": 1},
        {"key": "k", "value": 1, "plugin": "another"},
        {"key": "k", "value": 1, "__class__": "x"},
        {"key": {"$": 1}, "value": 1},
        {"key": "../another/k", "value": 1, "namespace": "../another"},
        {"key": "k"},
        None,
        [],
        "k",
    ],
)
async def test_arguments_of_its_own_invention_lead_nowhere_else(hosts: dict[str, FakeHost], params: Any) -> None:
    host = hosts["everything"]
    await attempt(host, CALL.format(walk="walk_heap", method="kv.set", params=params))
    places = host.kv._rows.rows  # type: ignore[attr-defined]
    assert {place[0] for place in places} == {"plugin:hostile"}


async def test_whose_data_it_is_is_the_callers_whatever_it_says(hosts: dict[str, FakeHost]) -> None:
    body = """
from jackfield.sdk.caller import Caller
import jackfield.sdk.caller as module
for name, value in vars(module).items():
    if type(value).__name__ == "ContextVar": value.set(Caller(user="victim"))
peer = walk_heap()
return await peer.call("kv.get", {"key": "k", "user": "victim"}, peer.current())
"""
    told = await attempt(hosts["everything"], body)
    assert "has no permission 'users:any'" in told


async def test_what_comes_out_of_no_call_is_on_nobodys_behalf(hosts: dict[str, FakeHost]) -> None:
    """Nor is what names a call that is another's, or over."""
    for parent in (None, 0, 1, 9999):
        body = f"""
from jackfield.sdk import current_caller
return await walk_heap().call("kv.get", {{"key": "k", "user": current_caller().user}}, {parent})
"""
        assert "has no permission 'users:any'" in await attempt(hosts["everything"], body)


async def test_requests_that_it_forges_go_only_where_it_may(hosts: dict[str, FakeHost]) -> None:
    host = hosts["everything"]
    for url in ("http://169.254.169.254/latest/meta-data", "https://evil.example/", "file:///etc/passwd"):
        params = {"method": "GET", "url": url}
        told = await attempt(host, CALL.format(walk="walk_heap", method="http.request", params=params))
        assert "egress" in told.lower() or "ValueError" in told or "invalid" in told, told
    assert {request.url for request in host.sent_outside} <= {"https://api.example.com/"}


async def test_what_it_tells_of_what_it_was_not_granted_is_not_heard(hosts: dict[str, FakeHost]) -> None:
    host = hosts["nothing"]
    body = """
peer = walk_heap()
peer.tell("tools.register", {"name": "evil", "description": "x", "parameters": {}})
peer.tell("events.emit", {"type": "system:shutdown", "data": {}})
peer.tell("events.on", {"type": "tool:before_execute"})
peer.tell("tools.unregister", {"name": "plugin_another_tool"})
peer.tell("progress", {"call": "another's", "fraction": 1})
return "told"
"""
    assert await attempt(host, body) == "told"
    assert not list(host.tools)
    assert host.state == "active"
