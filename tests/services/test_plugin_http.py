"""What a plugin sends, and what it gets back."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.errors import EgressRefused, RateLimited, UpstreamBroken, UpstreamTimeout
from jackfield.sdk.services import NotGranted
from jackfield.services.hop import LARGEST_REQUEST
from jackfield.services.http import LARGEST_ANSWER, MOST_AT_ONCE, PluginHttp
from jackfield.transport import HttpClient

from .conftest import HandClock, MakeHttp
from .internet import Internet, redirected, said, within

URL = "http://api.example/"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "get", "Patch"])
async def test_each_method_is_sent(http: PluginHttp, internet: Internet, method: str) -> None:
    internet.answers["api.example"] = lambda request: said(b"" if request.method == "HEAD" else b"yes", "x-a: b")
    answered = await within(http.request(method, URL + "a?b=c"))
    assert (answered.status, answered.reason, answered.headers["x-a"]) == (200, "OK", "b")
    assert (answered.url, answered.text()) == (URL + "a?b=c", "" if method == "HEAD" else "yes")
    assert (internet.requests[0].method, internet.requests[0].path) == (method.upper(), "/a?b=c")


@pytest.mark.parametrize("method", ["", "CONNECT", "TRACE", "OPTIONS", "GET / HTTP/1.1\r\nx: y", "GE T", 5, None])
async def test_other_methods_are_none(http: PluginHttp, internet: Internet, method: Any) -> None:
    with pytest.raises(ValueError, match="is none of DELETE, GET, HEAD"):
        await http.request(method, URL)
    assert internet.connected == []


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        (b"\x00\xff", b"\x00\xff", None),
        ("grün", "grün".encode(), None),
        ({"a": [1, None]}, b'{"a":[1,null]}', "application/json"),
        ([], b"[]", "application/json"),
        (0, b"0", "application/json"),
        (False, b"false", "application/json"),
        (None, b"", None),
        ("", b"", None),
    ],
)
async def test_a_body_is_sent_as_it_is_or_as_json(
    http: PluginHttp, internet: Internet, body: Any, sent: bytes, kind: str | None
) -> None:
    await within(http.post(URL, body))
    (request,) = internet.requests
    assert (request.body, request.headers.get("content-type")) == (sent, kind)
    assert request.headers["content-length"] == str(len(sent))


async def test_json_may_be_called_something_else(http: PluginHttp, internet: Internet) -> None:
    await within(http.post(URL, {}, headers={"Content-Type": "application/ld+json"}))
    assert internet.requests[0].headers["content-type"] == "application/ld+json"


@pytest.mark.parametrize("body", [object(), {1, 2, object()}, {"a": print}])
async def test_what_is_no_json_is_refused(http: PluginHttp, internet: Internet, body: Any) -> None:
    with pytest.raises(ValueError, match="neither text, bytes nor JSON"):
        await http.post(URL, body)
    assert internet.connected == []


async def test_a_get_has_no_body(http: PluginHttp) -> None:
    with pytest.raises(ValueError, match="a GET request has no body"):
        await http.request("GET", URL, body={})


@pytest.mark.parametrize("body", [bytes(LARGEST_REQUEST + 1), "x" * (LARGEST_REQUEST + 1), ["x" * LARGEST_REQUEST]])
async def test_a_request_has_at_most_a_megabyte(http: PluginHttp, internet: Internet, body: Any) -> None:
    with pytest.raises(ValueError, match="a request may have 1,048,576"):
        await http.post(URL, body)
    assert internet.connected == []
    assert (await within(http.post(URL, bytes(LARGEST_REQUEST)))).status == 200


SPELLINGS = ["User-Agent", "user-agent", "USER-AGENT", "uSeR-aGeNt", "User_Agent"]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_the_user_agent_is_the_gateways_however_it_is_spelled(
    http: PluginHttp, internet: Internet, name: str
) -> None:
    await within(http.get(URL, headers={name: "Mozilla/5.0", "x-own": "stays"}))
    (request,) = internet.requests
    agents = {key: value for key, value in request.headers.items() if "agent" in key.lower()}
    assert agents == {"user-agent": "Jackfield-Plugin/scout"}
    assert request.headers["x-own"] == "stays"


async def test_a_dialect_has_its_own_user_agent(make_http: MakeHttp, internet: Internet) -> None:
    for plugin in ("weather", "odd name/ü\r\n"):
        await within(make_http(plugin=plugin, agent="OpenSentinel-Plugin").get(URL))
    told = [request.headers["user-agent"] for request in internet.requests]
    assert told == ["OpenSentinel-Plugin/weather", "OpenSentinel-Plugin/odd%20name%2F%C3%BC%0D%0A"]


OURS = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect"]
OURS += [
    "Proxy-Authorization",
    "Proxy-Connection",
    "proxy-anything",
    "Accept-Encoding",
    "HTTP2-Settings",
    "transfer_encoding",
]


@pytest.mark.parametrize("name", OURS)
async def test_headers_of_the_connection_are_left_out(http: PluginHttp, internet: Internet, name: str) -> None:
    await within(http.post(URL, b"body", headers={name: "evil.example, chunked, 999"}))
    (request,) = internet.requests
    assert "evil" not in str(request.headers)
    assert (request.headers["host"], request.headers["content-length"]) == ("api.example", "4")


@pytest.mark.parametrize(
    "headers", [{"a b": "x"}, {"": "x"}, {"a:": "x"}, {"a\r\nb": "x"}, {"ü": "x"}, {"a": 5}, {5: "a"}, {"a": "\u2028"}]
)
async def test_a_name_or_value_that_is_none_is_refused(http: PluginHttp, internet: Internet, headers: Any) -> None:
    with pytest.raises(ValueError, match="header"):
        await http.get(URL, headers=headers)
    assert internet.connected == []


@pytest.mark.parametrize("value", ["a\r\nhost: evil", "a\nb", "a\rb", "a\x00b", "a\x7fb"])
async def test_a_value_cannot_become_two_lines(http: PluginHttp, internet: Internet, value: str) -> None:
    with pytest.raises(ValueError, match="the value of header x-secret") as refused:
        await http.get(URL, headers={"x-secret": value})
    assert value not in str(refused.value)
    assert internet.connected == []


async def test_headers_are_bounded(http: PluginHttp) -> None:
    for headers in ({f"x-{number}": "" for number in range(101)}, {"x": "y" * 40_000}):
        with pytest.raises(ValueError, match="at most 100 headers"):
            await http.get(URL, headers=headers)


async def test_what_a_browser_would_encode_is_encoded(http: PluginHttp, internet: Internet) -> None:
    answered = await within(http.get(URL + "São Paulo?q=a b%20c&u=\u200d#part"))
    assert internet.requests[0].path == "/S%C3%A3o%20Paulo?q=a%20b%20c&u=%E2%80%8D"
    assert answered.url == URL + "S%C3%A3o%20Paulo?q=a%20b%20c&u=%E2%80%8D"


@pytest.mark.parametrize("url", [None, 5, b"http://api.example/", "http://api.example/" + "x" * 9000])
async def test_a_url_that_is_none_is_refused(http: PluginHttp, url: Any) -> None:
    with pytest.raises(ValueError, match="the URL"):
        await http.get(url)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_an_error_status_is_an_answer(http: PluginHttp, internet: Internet, status: int) -> None:
    internet.answers["api.example"] = lambda _: said(b'{"why": 1}', status=f"{status} No")
    answered = await within(http.get(URL))
    assert (answered.status, answered.json()) == (status, {"why": 1})


async def test_headers_that_come_twice_are_joined(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda _: said(b"", "X-A: 1", "x-a: 2", status="299 Odd")
    answered = await within(http.get(URL))
    assert (answered.headers["x-a"], answered.reason) == ("1, 2", "")


async def test_no_cookie_is_kept(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda _: said(b"", "set-cookie: id=1; Path=/")
    assert (await within(http.get(URL))).headers["set-cookie"] == "id=1; Path=/"
    await within(http.get(URL))
    assert "cookie" not in internet.requests[1].headers


async def test_an_answer_has_at_most_five_megabytes(http: PluginHttp, internet: Internet) -> None:
    sizes = iter([LARGEST_ANSWER, LARGEST_ANSWER + 1])
    internet.answers["api.example"] = lambda _: said(bytes(next(sizes)))
    assert len((await within(http.get(URL))).body) == LARGEST_ANSWER
    with pytest.raises(UpstreamBroken, match="larger than max_body_bytes = 5242880"):
        await within(http.get(URL))


async def test_an_answer_without_end_is_cut(http: PluginHttp, internet: Internet) -> None:
    chunk = b"%x\r\n" % 65536 + bytes(65536) + b"\r\n"
    internet.answers["api.example"] = lambda _: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 100
    with pytest.raises(UpstreamBroken, match="larger than"):
        await within(http.get(URL))


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_bomb_does_not_unfold(http: PluginHttp, internet: Internet, layers: int) -> None:
    bomb = bytes(200 * 1024 * 1024 // (1 if layers == 1 else 4))
    for _ in range(layers):
        bomb = gzip.compress(bomb, 1)
    coding = ", ".join(["gzip"] * layers)
    internet.answers["api.example"] = lambda _: said(bomb, f"content-encoding: {coding}")
    with pytest.raises(UpstreamBroken, match=r"larger than|times its size"):
        await within(http.get(URL))


async def test_what_was_coded_comes_decoded(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda _: said(gzip.compress(b"[1]"), "content-encoding: gzip")
    assert (await within(http.get(URL))).json() == [1]
    assert "gzip" in internet.requests[0].headers["accept-encoding"]


async def test_all_of_it_has_one_deadline(http: PluginHttp, internet: Internet) -> None:
    internet.answers["one.example"] = redirected("http://two.example/")
    internet.answers["two.example"] = lambda _: None
    with pytest.raises(UpstreamTimeout, match=r"http://one\.example: no whole answer within 0\.05 s"):
        await within(http.request("GET", "http://one.example/", timeout_s=0.05))


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "1", None])
async def test_a_deadline_is_a_number(http: PluginHttp, timeout_s: Any) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        await http.request("GET", URL, timeout_s=timeout_s)


async def test_a_deadline_is_never_longer_than_ten_seconds(
    http: PluginHttp, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    timeout = asyncio.timeout
    monkeypatch.setattr("jackfield.services.http.asyncio.timeout", lambda s: asked.append(s) or timeout(s))
    for timeout_s in (3600, 4):
        await within(http.request("GET", URL, timeout_s=timeout_s))
    assert [each for each in asked if each in (10, 4)] == [10, 4]
    assert max(asked) <= 10


async def test_one_who_goes_away_leaves_no_socket(http: PluginHttp, egress: HttpClient, internet: Internet) -> None:
    internet.answers["api.example"] = lambda _: None
    asking = asyncio.create_task(http.get(URL))
    async with asyncio.timeout(5):
        while not internet.requests:
            await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert egress.stats().idle == 0


async def test_without_the_permission_nothing_is_sent(make_http: MakeHttp, internet: Internet) -> None:
    with pytest.raises(NotGranted, match="http:outbound"):
        await make_http(permission="storage:read").get(URL)
    assert internet.connected == []


async def test_a_request_is_one_operation_whatever_its_redirects(
    http: PluginHttp, internet: Internet, clock: HandClock
) -> None:
    internet.answers["api.example"] = redirected("http://other.example/")
    for _ in range(100):
        await within(http.get(URL))
    with pytest.raises(RateLimited, match="plugin scout has done 100 operations"):
        await http.get(URL)
    clock.now += 60
    assert (await within(http.get(URL))).status == 200


async def test_what_is_refused_was_an_attempt(http: PluginHttp) -> None:
    for _ in range(100):
        with pytest.raises(EgressRefused):
            await http.get("http://127.0.0.1/")
    with pytest.raises(RateLimited):
        await http.get("http://127.0.0.1/")


async def test_a_refusal_is_told_to_the_operator(http: PluginHttp) -> None:
    with capture_logs() as logs, pytest.raises(EgressRefused):
        await http.get("http://10.0.0.1/?token=hidden")
    (entry,) = logs
    assert (entry["event"], entry["plugin"]) == ("egress_refused", "scout")
    assert "10.0.0.1 is a private address" in entry["reason"]
    assert "hidden" not in json.dumps(entry)


async def test_ten_requests_of_a_plugin_are_under_way_at_once(
    http: PluginHttp, make_http: MakeHttp, internet: Internet
) -> None:
    internet.answers["api.example"] = lambda _: None
    asking = [asyncio.create_task(http.get(URL)) for _ in range(12)]
    async with asyncio.timeout(5):
        while len(internet.requests) < MOST_AT_ONCE:
            await asyncio.sleep(0)
    with pytest.raises(UpstreamTimeout):
        await http.request("GET", "http://other.example/", timeout_s=0.02)
    assert (await within(make_http(plugin="rambler").get("http://other.example/"))).status == 200
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert (await within(http.get("http://other.example/"))).status == 200
    assert [request.host for request in internet.requests].count("api.example") == MOST_AT_ONCE
