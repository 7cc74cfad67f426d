"""What is read of pages, and which pages are not."""

from pathlib import Path
from time import process_time

import pytest

from jackfield.errors import ConfigError
from jackfield.sdk import HttpResponse, UpstreamBroken
from jackfield.testing import FakeHost

FOLDER = Path(__file__).resolve().parents[1]
ALLOWED = {"hosts": ["docs.example.com", "*.example.org"]}
PAGE = """\
<!doctype html><html><head><title> The
 title </title><style>p { color: red }</style><script>if (1 < 2) alert("<p>no</p>")</script></head>
<body><h1>Heading</h1><p>One  two<br>three &amp; four.<!-- not this -->
<ul><li>first</li><li><a href="/x">second</a></li></ul><svg><title>drawn</title><text>not this</text></svg>
<table><tr><td>a</td><td>b</td></tr></table><pre>if x:
    print(1  &lt; 2)</pre><p title='a > "b"'>3 < 4 <b>unclosed
"""
TEXT = """\
Heading

One two
three & four.

- first
- second

| a | b

if x:
    print(1  < 2)

3 < 4 unclosed"""

pytestmark = pytest.mark.asyncio


def page(body, url="https://docs.example.com/", kind="text/html; charset=utf-8", status=200, **headers):
    body = body.encode() if isinstance(body, str) else body
    return HttpResponse(status=status, reason="", headers={"content-type": kind, **headers}, body=body, url=url)


async def fetch(answer, url="https://docs.example.com/", *, start=0, **config):
    async with FakeHost(FOLDER, config=ALLOWED | config, http=lambda request: answer) as host:
        return await host.call_tool("fetch", {"url": url, "start": start})


async def test_a_page_is_told_as_text():
    assert (await fetch(page(PAGE))).result == {
        "url": "https://docs.example.com/",
        "title": "The title",
        "text": TEXT,
    }


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (page("a  b\n\n\n\nc", kind="text/plain"), "a b\n\nc"),
        (page('{"a":  1}', kind="application/json"), '{"a":  1}'),
        (page("<a>  b</a>", kind="application/atom+xml"), "<a>  b</a>"),
        (page("häuser".encode("latin-1"), kind="text/html; charset=ISO-8859-1"), "häuser"),
        (page("häuser", kind="text/html; charset=nonsense"), "häuser"),
        (page(b"h\xe4user"), "h\N{REPLACEMENT CHARACTER}user"),
    ],
)
async def test_text_of_other_kinds_is_told_too(answer, text):
    assert (await fetch(answer)).result["text"] == text


async def test_what_is_cut_is_told_and_can_be_read_on():
    long = page("<p>" + "word " * 50, kind="text/html")
    first = (await fetch(long, most_chars=100)).result
    assert (len(first["text"]), first["cut"]) == (100, "The text has 249 characters; go on with start=100")
    last = (await fetch(long, start=200, most_chars=100)).result
    assert (len(last["text"]), "cut" in last) == (49, False)
    assert "only 249 characters" in (await fetch(long, start=249)).error
    large = (await fetch(page("x" * 3000, kind="text/plain"), largest_kb=1, most_chars=60_000)).result
    assert (len(large["text"]), large["not_read"]) == (1024, "Of 3,000 bytes only the first 1,024 were read")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com/", "'example.com' is not among the hosts"),
        ("https://example.org/", "'example.org' is not among the hosts"),
        ("https://docs.example.com.evil.example/", "not among the hosts"),
        ("https://evilexample.org/", "not among the hosts"),
        ("https://docs.example.com@evil.example/", "'evil.example' is not among the hosts"),
        ("http://127.0.0.1/", "not among the hosts"),
        ("file:///etc/passwd", "no address that begins with https://"),
        ("docs.example.com", "no address that begins with https://"),
        ("https://[", "is no address"),
    ],
)
async def test_other_hosts_are_never_asked(url, told):
    async with FakeHost(FOLDER, config=ALLOWED, http=lambda request: page("no")) as host:
        reply = await host.call_tool("fetch", {"url": url})
        assert (told in reply.error, host.sent_outside) == (True, [])


async def test_a_redirect_is_followed_where_it_may_lead():
    def moving(request):
        path = request.url.partition("docs.example.com")[2]
        places = {"/a": "/b", "/b": "https://www.example.org/", "/out": "https://example.net/", "/round": "/round"}
        if path in places:
            return page("", request.url, status=302, location=places[path])
        return page("arrived", request.url)

    async with FakeHost(FOLDER, config=ALLOWED, http=moving) as host:
        arrived = await host.call_tool("fetch", {"url": "https://docs.example.com/a"})
        assert (arrived.result["url"], arrived.result["text"]) == ("https://www.example.org/", "arrived")
        out = await host.call_tool("fetch", {"url": "https://docs.example.com/out"})
        assert "'example.net' is not among the hosts" in out.error
        assert "more than 5 times" in (await host.call_tool("fetch", {"url": "https://docs.example.com/round"})).error
        assert not any("example.net" in request.url for request in host.sent_outside)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (page("", status=404), "answered 404"),
        (page(b"\x89PNG", kind="image/png"), "is image/png, not text"),
        (UpstreamBroken("it hung up"), "cannot be read: it hung up"),
    ],
)
async def test_what_cannot_be_read_is_told(answer, told):
    def outside(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with FakeHost(FOLDER, config=ALLOWED, http=outside) as host:
        assert told in (await host.call_tool("fetch", {"url": "https://docs.example.com/"})).error


async def test_without_hosts_it_says_what_it_lacks():
    async with FakeHost(FOLDER) as host:
        assert (host.state, host.degraded) == ("degraded", "no hosts are allowed: set hosts")
    with pytest.raises(ConfigError, match="hosts"):
        async with FakeHost(FOLDER, config={"hosts": ["https://example.com"]}):
            pass


async def test_a_page_that_is_broken_on_purpose_takes_no_long_time():
    pieces = ["<", "<!--", "<p ", "<p '", "&", "&#1", "<script>", "</", "<svg/>", "<p>", "\n ", "<pre> "]
    broken = iter(pieces)
    async with FakeHost(FOLDER, config=ALLOWED, http=lambda request: page(next(broken) * 50_000)) as host:
        for piece in pieces:
            began = process_time()
            assert (await host.call_tool("fetch", {"url": "https://docs.example.com/"})).success
            assert process_time() - began < 2, piece
