"""Paths of plugins whose code runs elsewhere: they answer as they would in process, and what they answer is guarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
import pytest
from tests.guests.places import SIDES, host_plugin

from jackfield.errors import ConfigError, TooLarge
from jackfield.guests import endpoints
from jackfield.guests.endpoints import MOST_ENDPOINTS, check_endpoint, make_routers, read_head
from jackfield.guests.protocol import Endpoint, EndpointReply
from jackfield.host.paths import PUBLIC, Paths, collect_paths
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.plugin import Plugin, PluginConfig
from jackfield.testing.waiting import until

GUARDED = {b"content-security-policy": b"sandbox allow-scripts allow-forms", b"x-content-type-options": b"nosniff"}


class Asked:
    """One request at the paths of a plugin, without the server around them."""

    def __init__(self, paths: Paths, method: str, path: str, body: bytes = b"", query: bytes = b"") -> None:
        headers = [(b"authorization", b"Bearer secret"), (b"cookie", b"session=1"), (b"x-own", b"yes")]
        self.status, self.body = 0, b""
        self.headers: dict[bytes, bytes] = {}
        self._body, self._gone = [body], asyncio.Event()
        self.begun = asyncio.Event()
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": headers,
        }
        scope |= {"root_path": "", "scheme": "http", "client": None, "server": None}
        mounted = next(one for one in paths if one.match(scope) == 2)
        self.task = asyncio.ensure_future(mounted.serve(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.body += message["body"]
        self.begun.set()

    async def whole(self) -> Asked:
        async with asyncio.timeout(5):
            await self.task
        return self

    async def leave(self) -> None:
        self._gone.set()
        await self.whole()

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@pytest.fixture(params=[side for side in SIDES if side != "inprocess"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def paths_of(plugin: Plugin[Any], approved: tuple[str, ...] = (PUBLIC,)) -> Paths:
    return collect_paths(plugin, "paths", approved)


async def test_it_answers_as_in_process(place: str) -> None:
    async with host_plugin(place, "paths") as host:
        paths = paths_of(host.plugin)
        with acting_for(Caller(app="shop")):
            found = await Asked(paths, "GET", "/plugins/paths/things/7", query=b"times=3").whole()
        assert (found.status, found.json) == (200, {"thing": 21, "count": 1, "app": "shop"})
        assert (await Asked(paths, "GET", "/plugins/paths/things/404").whole()).status == 404
        assert (await Asked(paths, "GET", "/plugins/paths/things/leek").whole()).status == 422
        assert (await Asked(paths, "DELETE", "/plugins/paths/none").whole()).status == 204
        with pytest.raises(Exception, match="its own words"):
            await Asked(paths, "GET", "/plugins/paths/things/500").whole()


async def test_it_is_sent_no_credentials_and_sets_none(place: str) -> None:
    async with host_plugin(place, "paths") as host:
        paths = paths_of(host.plugin)
        taken = await Asked(paths, "POST", "/plugins/paths/things", b"x" * 3_000_000).whole()
        assert taken.json == {"size": 3_000_000, "headers": {"x-own": "yes"}}
        shown = await Asked(paths, "GET", "/plugins/paths/").whole()
        assert shown.body == b"<p>hi</p>"
        assert shown.headers == {b"x-own": b"1", b"content-type": b"text/html; charset=utf-8", **GUARDED}


async def test_its_answer_comes_as_it_is_made_and_ends_with_its_client(place: str) -> None:
    async with host_plugin(place, "paths") as host:
        paths = paths_of(host.plugin)
        counting = Asked(paths, "GET", "/plugins/paths/numbers")
        async with asyncio.timeout(5):
            await counting.begun.wait()
        await counting.leave()

        async def ended() -> Any:
            return (await Asked(paths, "GET", "/plugins/paths/ended").whole()).json

        assert await until(ended, lambda count: count == 1, within=5) == 1


async def test_what_is_public_needs_leave(place: str) -> None:
    with pytest.raises(ConfigError, match="offers paths without a key, for which it lacks the permission"):
        async with host_plugin(place, "paths", approve=()):
            pass


# What a stranger may say and answer


def routed(*replies: Any, endpoint: Endpoint | None = None) -> Paths:
    async def serve(call: Any) -> AsyncGenerator[Any, None]:
        for reply in replies:
            yield reply

    plugin = Plugin[PluginConfig]("paths", PluginConfig())
    plugin.routers = make_routers("paths", serve, (endpoint or Endpoint(path="/", methods=("GET", "POST")),))  # type: ignore[attr-defined]
    return paths_of(plugin, ())


@pytest.mark.parametrize(
    "reply", [{}, {"status": 101}, {"status": 700}, {"status": "200"}, {"status": 200, "headers": [["a\r\nb", ""]]}, 3]
)
async def test_what_is_no_answer_is_refused(reply: Any) -> None:
    asked = Asked(routed(reply), "GET", "/plugins/paths/")
    with pytest.raises(ValueError, match=r"its answer|Expected"):
        await asked.whole()
    assert asked.status == 0


async def test_no_answer_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="it answered nothing"):
        await Asked(routed(), "GET", "/plugins/paths/").whole()


async def test_what_has_no_body_gets_none() -> None:
    found = await Asked(routed({"status": 304}, {"body": b"smuggled"}), "GET", "/plugins/paths/").whole()
    assert (found.status, found.body) == (304, b"")


async def test_a_request_that_is_larger_than_a_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "LARGEST_BODY", 10)
    with pytest.raises(TooLarge):
        await Asked(routed({"status": 200}), "POST", "/plugins/paths/", b"x" * 11).whole()


def test_it_frames_nothing_and_sets_nothing_for_the_whole_address() -> None:
    names = ("Transfer-Encoding", "content-length", "Set-Cookie", "connection", "Clear-Site-Data", "X-Own")
    head = read_head(EndpointReply(status=200, headers=tuple((name, "1") for name in names)))
    assert dict(head) == {b"x-own": b"1", **GUARDED}


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\0", "€"])
def test_a_header_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="a header that is none: 'x'"):
        read_head(EndpointReply(status=200, headers=(("x", value),)))


def test_headers_without_end_are_refused() -> None:
    for headers in ((("x", "y"),) * 101, (("x", "y" * 40_000),)):
        with pytest.raises(ValueError, match="more than 100 headers, or"):
            read_head(EndpointReply(status=200, headers=headers))


@pytest.mark.parametrize(
    "path", ["", "things", "/a b", "/{x}{y}", "/{x:path}/y", "/{x:hex}", "/{x", "/" + "a" * 500, "/{1}", "/\n", "/?a"]
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        check_endpoint(Endpoint(path=path))


@pytest.mark.parametrize("path", ["/", "/a/b", "/{x}", "/{x:int}.json", "/files/{rest:path}", "/v{n}/a/{b}"])
def test_a_path_may_have_a_parameter_in_each_segment(path: str) -> None:
    assert len(routed(endpoint=Endpoint(path=path)).offered) == 1


@pytest.mark.parametrize("methods", [(), ("GET", "TRACE"), ("get",)])
def test_a_method_that_is_none_is_refused(methods: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="methods are DELETE, GET"):
        check_endpoint(Endpoint(path="/", methods=methods))


def test_endpoints_without_end_are_refused() -> None:
    nothing: Callable[..., Any] = lambda call: None  # noqa: E731 - it is never called
    with pytest.raises(ValueError, match="a plugin has at most 100"):
        make_routers("paths", nothing, (Endpoint(path="/"),) * (MOST_ENDPOINTS + 1))


async def test_a_path_of_the_gateway_is_refused_whatever_a_guest_says_of_it() -> None:
    with pytest.raises(ConfigError, match="/api/v1/x is among the gateway's own paths"):
        routed(endpoint=Endpoint(path="/api/v1/x", at_root=True))
    with pytest.raises(ConfigError, match="lacks the permission"):
        routed(endpoint=Endpoint(path="/x", public=True))
