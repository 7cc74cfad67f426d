"""A URL leads to exactly one place, or is refused with the part that is wrong."""

from __future__ import annotations

import pytest

from jackfield.errors import EgressRefused
from jackfield.transport.origin import parse_target


@pytest.mark.parametrize(
    ("url", "origin", "first_line"),
    [
        ("http://a.example", "http://a.example", b" / HTTP/1.1"),
        ("https://a.example:443/v1?x=1", "https://a.example", b" /v1?x=1 HTTP/1.1"),
        ("https://a.example?x=1", "https://a.example", b" /?x=1 HTTP/1.1"),
        ("HTTP://A.Example:8080/P#part", "http://a.example:8080", b" /P HTTP/1.1"),
        ("http://a.example./", "http://a.example", b" / HTTP/1.1"),
        ("http://[::1]:9/", "http://[::1]:9", b" / HTTP/1.1"),
        ("http://[0:0::0:1]/", "http://[::1]", b" / HTTP/1.1"),
        ("http://127.0.0.1:9100/v1", "http://127.0.0.1:9100", b" /v1 HTTP/1.1"),
        ("http://my_service-1:80/", "http://my_service-1", b" / HTTP/1.1"),
    ],
)
def test_origin_and_first_line(url: str, origin: str, first_line: bytes) -> None:
    target = parse_target(url)
    assert (str(target.origin), target.suffix.split(b"\r\n")[0]) == (origin, first_line)
    assert target.suffix.endswith(b"\r\nhost: " + origin.partition("://")[2].encode())


@pytest.mark.parametrize(
    ("url", "culprit"),
    [
        ("a.example/x", "http:// or https://"),
        ("ftp://a.example/", "'ftp'"),
        ("//a.example/", "http:// or https://"),
        ("http://user:pass@a.example/", "user name"),
        ("http://a.example@169.254.169.254/", "user name"),
        ("http://a.example\\@b.example/", "backslashes"),
        ("http://a.example/a b", "spaces"),
        ("http://a.example/\r\nx: y", "printable"),
        ("http://a.example/\tx", "printable"),
        ("http://a.example/\x00", "printable"),
        ("http://①②⑦.⓪.⓪.①/", "ASCII"),
        ("http://127。0。0。1/", "ASCII"),
        ("http://b\u00fccher.example/", "ASCII"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("http://0x7f.0.0.1/", "four decimal numbers"),
        ("http://0177.0.0.1/", "four decimal numbers"),
        ("http://127.1/", "four decimal numbers"),
        ("http://127.0.0.1.5/", "four decimal numbers"),
        ("http://1.2.3.0x/", "four decimal numbers"),
        ("http://a.example../", "no host name"),
        ("http://a..example/", "no host name"),
        ("http://.a.example/", "no host name"),
        ("http://-a.example/", "no host name"),
        ("http://a%2eexample/", "no host name"),
        ("http:///path", "no host name"),
        ("http://" + "a" * 64 + ".example/", "no host name"),
        ("http://[fe80::1%25eth0]/", "zone id"),
        ("http://[fe80::1%eth0]/", "zone id"),
        ("http://[::1/", "closing bracket"),
        ("http://[::1]9/", "closing bracket"),
        ("http://[v1.x]/", "no IPv6 address"),
        ("http://::1/", "no host name"),
        ("http://a.example:0/", "no port"),
        ("http://a.example:65536/", "no port"),
        ("http://a.example:+80/", "no port"),
        ("http://a.example:8 0/", "spaces"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(url: str, culprit: str) -> None:
    with pytest.raises(EgressRefused, match=culprit) as refused:
        parse_target(url)
    assert not refused.value.sent


def test_a_refusal_does_not_repeat_the_query() -> None:
    with pytest.raises(EgressRefused) as refused:
        parse_target("http://user@a.example/?key=secret")
    assert "secret" not in str(refused.value)
