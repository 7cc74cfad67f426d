"""Frames come out as they went in, however the stream was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.rpc.framing import LARGEST, FrameReader, FrameTooLarge, frame


def taken(reader: FrameReader) -> list[bytes]:
    bodies = []
    while (body := reader.take()) is not None:
        bodies.append(body)
    return bodies


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_frames_come_out_whole_and_in_order_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(body) for body in bodies)
    reader, out, at = FrameReader(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        reader.feed(stream[at : at + size])
        out += taken(reader)
        at += size
    assert out == bodies


def test_what_is_taken_later_waits() -> None:
    reader = FrameReader()
    reader.feed(frame(b"one") + frame(b"two") + frame(b"three")[:5])
    assert reader.take() == b"one"
    reader.feed(frame(b"three")[5:])
    assert taken(reader) == [b"two", b"three"]


def test_a_large_frame_is_taken_and_forgotten() -> None:
    reader, body = FrameReader(), bytes(LARGEST)
    reader.feed(frame(body))
    assert taken(reader) == [body]
    assert not reader._buffer


def test_one_byte_too_many_is_refused_when_it_is_announced() -> None:
    reader = FrameReader()
    reader.feed((LARGEST + 1).to_bytes(4, "big"))
    with pytest.raises(FrameTooLarge, match=r"16,777,217 bytes was announced; at most 16,777,216"):
        reader.take()


def test_nothing_larger_is_sent() -> None:
    with pytest.raises(FrameTooLarge, match="16,777,217 bytes"):
        frame(bytes(LARGEST + 1))
