"""Server-sent events mean the same whatever the line ends and wherever the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import UpstreamBroken
from jackfield.wire.sse import EventReader, SseEvent, pair_events, parse_event, split_events, split_whole, write_event

PIECES = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\r\n",
        b"data: a",
        b"data:b",
        b"data",
        b"event: ping",
        b"event:x",
        b": note",
        b"id: 7",
        b"x",
    ]
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def read_as_specified(stream: bytes) -> list[tuple[str, bytes]]:
    """The algorithm of the HTML standard, one line at a time, without a thought for speed."""
    found, name, data = [], "", None
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if line == b"":
            if data:
                found.append((name, b"\n".join(data)))
            name, data = "", None
        elif field == b"data":
            data = [*(data or []), value]
        elif field == b"event":
            name = value.decode()
    return found


def read_all(pieces: list[bytes]) -> tuple[list[SseEvent], bytes]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events, reader.finish()


def meanings(events: list[SseEvent]) -> list[tuple[str, bytes]]:
    return [(event.event, event.data) for event in events if event.data]


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
def test_any_cut_of_the_bytes_gives_the_events_of_the_standard(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in pairwise(places)]
    events, rest = read_all(pieces)
    expected = [(name, data) for name, data in read_as_specified(stream) if data]
    assert meanings(events) == expected
    assert b"".join(event.raw for event in events) + rest == stream


@given(STREAMS)
def test_the_fast_split_and_the_reader_agree(stream: bytes) -> None:
    whole, rest = split_whole(stream)
    events, left = read_all([stream])
    assert whole + rest == stream
    assert left == rest
    assert b"".join(event.raw for event in events) == whole
    if whole:
        assert b"".join(split_events(whole)) == whole


@given(st.binary(max_size=200), st.sampled_from([None, "message_start"]))
def test_what_is_written_is_read_back(data: bytes, name: str | None) -> None:
    (event,) = EventReader().feed(write_event(data, name))
    assert event.event == (name or "")
    assert event.data == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_fields(line_end: str) -> None:
    lines = ["\ufeff: hello", "id: 1", "retry: 5", "event: delta", "data: one", "data:  two", "data", "", ""]
    (event,) = EventReader().feed(line_end.join(lines).encode())
    assert (event.event, event.data) == ("delta", b"one\n two\n")


def test_a_byte_order_mark_stands_before_the_first_event_only() -> None:
    reader = EventReader()
    events = [
        event for byte in b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n" for event in reader.feed(bytes([byte]))
    ]
    assert [event.data for event in events] == [b"a", b"\xef\xbb\xbfb"]
    assert [event.raw for event in events] == [b"data: a\n\n", b"data: \xef\xbb\xbfb\n\n"]


def test_a_comment_is_an_event_without_data_so_that_it_can_be_forwarded_at_once() -> None:
    assert EventReader().feed(b": keep-alive\n\n") == [SseEvent("", b"", b": keep-alive\n\n")]


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r")[0].data == b"a"
    assert reader.feed(b"\ndata: b\r\n") == []
    assert reader.feed(b"\r\n")[0].data == b"b"
    assert reader.feed(b"data: c") == []
    assert reader.finish() == b"data: c"


def test_an_event_beyond_the_limit_breaks_the_stream_whether_it_ends_or_not() -> None:
    for tail in (b"", b"\n\n"):
        with pytest.raises(UpstreamBroken, match="more than 100 bytes"):
            EventReader(max_event_bytes=100).feed(b"data: " + b"x" * 100 + tail)


def test_many_small_events_may_together_be_larger_than_the_limit() -> None:
    events = EventReader(max_event_bytes=100).feed(b"data: 12345\n\n" * 50)
    assert len(events) == 50


def test_a_long_event_in_small_reads_is_read_in_linear_time() -> None:
    reader = EventReader()
    for _ in range(2000):
        assert reader.feed(b"x" * 4000) == []
    assert reader.feed(b"\n\n")[0].raw[-3:] == b"x\n\n"


@given(st.lists(st.sampled_from([b"data: ", b"data:", b"event: x", b"word", b" ", b":", b"\n", b"\r", b"\r\n"])))
def test_the_short_way_to_an_events_data_agrees_with_the_long_one(pieces: list[bytes]) -> None:
    pairs = pair_events(b"".join(pieces) + b"\n\n")
    assert [raw for raw, _ in pairs] == split_events(b"".join(pieces) + b"\n\n")
    for raw, told in pairs:
        assert told is None or parse_event(raw) == SseEvent("", told, raw)


def test_the_short_way_is_taken_where_an_event_is_one_line_of_data() -> None:
    raw = b'data: {"a": 1}\n\n'
    assert pair_events(raw * 2) == [(raw, b'{"a": 1}')] * 2
