"""Redirects are followed by the rules that browsers have."""

from __future__ import annotations

import pytest

from jackfield.errors import EgressRefused, UpstreamBroken
from jackfield.services.http import PluginHttp

from .internet import Internet, Request, redirected, said, within

URL = "http://api.example/"


@pytest.mark.parametrize(
    ("status", "method", "follows"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "PATCH", "PATCH"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "DELETE", "DELETE"),
    ],
)
async def test_they_keep_method_and_body_as_browsers_do(
    http: PluginHttp, internet: Internet, status: int, method: str, follows: str
) -> None:
    internet.answers["api.example"] = redirected("http://other.example/b", status)
    body = None if method in ("HEAD", "DELETE") else {"a": 1}
    await within(http.request(method, URL, body=body, headers={"content-language": "en"}))
    first, second = internet.requests
    kept = follows == method
    assert (second.host, second.method, second.path) == ("other.example", follows, "/b")
    assert second.body == (first.body if kept else b"")
    assert [name in second.headers for name in ("content-language", "content-type")] == [
        kept,
        kept and body is not None,
    ]
    assert second.headers["user-agent"] == "Jackfield-Plugin/scout"


CREDENTIALS = ("authorization", "cookie", "x-api-key", "x-auth-token", "x-goog-api-key")


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/elsewhere", True),
        ("http://api.example:80/", True),
        ("//API.example./", True),
        ("http://other.example/", False),
        ("http://sub.api.example/", False),
        ("http://api.example:8080/", False),
    ],
)
async def test_credentials_stay_with_their_origin(
    http: PluginHttp, internet: Internet, location: str, kept: bool
) -> None:
    internet.answers["api.example"] = lambda request: (
        redirected(location)(request) if request.path == "/" and len(internet.requests) == 1 else said(b"")
    )
    await within(http.get(URL, headers={"X-Plain": "p"} | dict.fromkeys(CREDENTIALS, "mine")))
    second = internet.requests[1]
    assert [name in second.headers for name in CREDENTIALS] == [kept] * len(CREDENTIALS)
    assert second.headers["x-plain"] == "p"


async def test_credentials_that_were_dropped_do_not_come_back(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda request: (
        redirected("http://other.example/")(request) if request.path == "/" else said(b"")
    )
    internet.answers["other.example"] = redirected("http://api.example/back")
    await within(http.get(URL, headers={"authorization": "mine"}))
    assert ["authorization" in request.headers for request in internet.requests] == [True, False, False]


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
async def test_other_statuses_are_answers(http: PluginHttp, internet: Internet, status: int) -> None:
    internet.answers["api.example"] = redirected("http://other.example/", status)
    assert (await within(http.get(URL))).status == status


async def test_one_that_does_not_say_where_is_an_answer(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda _: said(b"where?", status="302 Found")
    assert (await within(http.get(URL))).text() == "where?"


@pytest.mark.parametrize("location", ["http://[::1", "http://[x]/", "/" + "x" * 9000])
async def test_one_to_what_is_no_url_is_the_servers_fault(http: PluginHttp, internet: Internet, location: str) -> None:
    internet.answers["api.example"] = redirected(location)
    with pytest.raises((UpstreamBroken, EgressRefused)):
        await within(http.get(URL))


async def test_one_in_utf_8_is_encoded(http: PluginHttp, internet: Internet) -> None:
    def answer(request: Request) -> bytes:
        there = "/São".encode().decode("latin-1")
        return redirected(there)(request) if request.path == "/" else said(b"")

    internet.answers["api.example"] = answer
    assert (await within(http.get(URL))).url == URL + "S%C3%A3o"


async def test_without_following_the_redirect_is_the_answer(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = redirected("http://other.example/b", 302)
    answer = await within(http.request("GET", URL, follow=False))
    assert (answer.status, answer.headers["location"], answer.url) == (302, "http://other.example/b", URL)
    assert len(internet.requests) == 1
