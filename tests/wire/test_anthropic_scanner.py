"""What a forwarded Anthropic stream says of itself."""

from __future__ import annotations

import pytest

from jackfield.wire.anthropic_messages import AnthropicMessages, AnthropicStreamScanner
from jackfield.wire.base import Scan
from jackfield.wire.chat import Usage
from jackfield.wire.sse import split_events

from .golden_cases import GOLDEN

FORMAT = AnthropicMessages()


def stream_named(case: str) -> bytes:
    return (GOLDEN / "anthropic_messages" / case / "in.sse").read_bytes()


def scan_of(stream: bytes, *, at_once: bool) -> Scan:
    scanner = FORMAT.stream_scanner(strip_usage=False)
    reads = [stream] if at_once else split_events(stream)
    assert b"".join(scanner.feed(read) for read in reads) == stream
    return scanner.scan


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("stream_text", Scan(usage=Usage(input=25, output=15), finish_reason="stop", finished=True)),
        ("stream_parallel_tools", Scan(usage=Usage(input=25, output=89), finish_reason="tool_calls", finished=True)),
        (
            "stream_thinking",
            Scan(usage=Usage(input=125, output=40, cached=100), finish_reason="stop", finished=True),
        ),
        (
            "stream_usage_at_end",
            Scan(
                usage=Usage(input=38, output=15, cached=8, reasoning=4),
                finish_reason="stop_sequence",
                finished=True,
            ),
        ),
        ("stream_refusal", Scan(usage=Usage(input=25, output=1), finish_reason="refusal", finished=True)),
        ("stream_error", Scan(usage=Usage(input=25, output=1), error="Overloaded")),
        ("stream_quirks", Scan(usage=Usage(input=25, output=2), finish_reason="stop", finished=True)),
    ],
)
def test_a_stream_tells_its_usage_its_end_and_its_errors(case: str, expected: Scan, at_once: bool) -> None:
    assert scan_of(stream_named(case), at_once=at_once) == expected


def scanned(data: bytes) -> AnthropicStreamScanner:
    scanner = FORMAT.stream_scanner(strip_usage=True)
    assert scanner.feed(data) == data
    return scanner


def test_a_text_about_events_is_not_taken_for_one() -> None:
    text = rb'{"type":"message_stop"} \"error\" message_delta'
    data = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}\n\n'
    assert scanned(data % text.replace(b'"', b'\\"')).scan == Scan()


def test_an_end_that_is_nonsense_is_an_error_of_the_stream() -> None:
    scan = scanned(b'event: message_delta\ndata: {"type":"message_delta","usage":7}\n\n').scan
    assert scan.error is not None
    assert not scan.finished


def test_what_is_not_json_passes_unread() -> None:
    assert scanned(b": ping\n\ndata: hello\n\n").scan == Scan()
