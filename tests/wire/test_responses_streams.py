"""Streams of the Responses API that are not as they should be, and what follows them cheaply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import Refused, UpstreamBroken
from jackfield.wire.chat import (
    Finish,
    OpaqueEvent,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)
from jackfield.wire.openai_responses import OpenAIResponses, stream_encoder
from jackfield.wire.sse import write_event

from .golden_cases import GOLDEN, documents, encoded

FORMAT = OpenAIResponses()
TEXT = (GOLDEN / "openai_responses" / "stream_text" / "in.sse").read_bytes()
MESSAGE = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "ab"}]}


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def tell(decoder: Any, kind: str, **fields: Any) -> list[Any]:
    return [told for told in decoder.decode("", event(kind, **fields)) if not isinstance(told, OpaqueEvent)]


def test_a_text_that_no_delta_told_is_told_once() -> None:
    decoder = FORMAT.stream_decoder()
    assert tell(decoder, "response.output_text.done", text="ab") == [TextDelta(text="ab")]
    assert tell(decoder, "response.output_item.done", item=MESSAGE) == []
    told = tell(decoder, "response.completed", response={"output": [MESSAGE], "status": "completed"})
    assert told == [StreamStart(id="", model=""), Finish(reason="stop"), StreamEnd()]
    assert decoder.faithful


@pytest.mark.parametrize("kind", ["response.output_text.done", "response.output_item.done", "response.completed"])
def test_a_text_that_is_repeated_otherwise_is_noticed(kind: str) -> None:
    decoder = FORMAT.stream_decoder()
    assert tell(decoder, "response.output_text.delta", delta="ac") == [TextDelta(text="ac")]
    assert decoder.faithful
    told = tell(decoder, kind, text="ab", item=MESSAGE, response={"output": [MESSAGE]})
    assert not decoder.faithful
    assert TextDelta(text="ab") not in told


def test_a_call_without_an_id_gets_one() -> None:
    decoder = FORMAT.stream_decoder()
    item = {"type": "function_call", "name": "f", "arguments": "{}"}
    told = tell(decoder, "response.output_item.done", item=item)
    assert told == [ToolCallDelta(index=0, id="call_0", name="f"), ToolCallDelta(index=0, arguments="{}")]


def test_items_of_other_kinds_may_have_anything_in_their_fields() -> None:
    decoder = FORMAT.stream_decoder()
    item = {"type": "tool_search_call", "id": "t", "arguments": {"a": 1}, "content": 7, "summary": "x"}
    assert tell(decoder, "response.output_item.added", item=item) == []
    assert tell(decoder, "response.output_item.done", item=item) == []
    assert tell(decoder, "response.shell_call_output_content.delta", delta={"stdout": "x"}) == []
    assert tell(decoder, "keepalive") == []


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (event("error", code="c", message="m"), StreamFailure(code="c", message="m")),
        (event("error", error={"code": "c", "message": "m"}), StreamFailure(code="c", message="m")),
        (
            event("response.failed", response={"error": {"code": "c", "message": "m"}}),
            StreamFailure(code="c", message="m"),
        ),
        (b'{"error": {"code": "c", "message": "m"}}', StreamFailure(code="c", message="m")),
    ],
)
def test_an_error_in_any_of_its_forms(data: bytes, failure: StreamFailure) -> None:
    assert FORMAT.stream_decoder().decode("", data) == (failure,)
    scanner = FORMAT.stream_scanner(strip_usage=False)
    scanner.feed(write_event(data))
    assert scanner.scan.error == "m"


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"type": 7}', b'{"type":"response.created","response":[]}', b"\xff"])
def test_nonsense_is_the_upstreams_fault(data: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_decoder().decode("", data)


def test_a_name_cannot_begin_another_event() -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_decoder().decode("", event("a\ndata: x"))


@pytest.mark.parametrize("size", [1, 7, 200, 100_000])
def test_following_a_stream_finds_its_end_and_changes_nothing(size: int) -> None:
    scanner = FORMAT.stream_scanner(strip_usage=True)
    raws = [raw + b"\n\n" for raw in TEXT.split(b"\n\n") if raw]
    pieces = [b"".join(raws[start : start + size]) for start in range(0, len(raws), size)]
    assert b"".join(map(scanner.feed, pieces)) == TEXT
    assert scanner.scan.finished
    assert scanner.scan.finish_reason == "stop"
    assert scanner.scan.usage == Usage(input=40, output=9, cached=16, cache_write=4, reasoning=3)
    assert scanner.scan.error is None


def test_a_forwarded_stream_that_breaks_off_ends_in_an_event_with_the_next_number() -> None:
    scanner = FORMAT.stream_scanner(strip_usage=False)
    cut = b"".join(raw + b"\n\n" for raw in TEXT.split(b"\n\n")[:5])
    told = documents(scanner.feed(cut) + scanner.fail(Refused(403, "no", "Not that.")))
    assert [document["sequence_number"] for document in told] == [0, 1, 2, 3, 4, 5]
    assert documents(FORMAT.stream_scanner(strip_usage=False).fail(UpstreamBroken("x")))[0]["sequence_number"] == 0


def test_a_text_about_ends_is_none() -> None:
    scanner = FORMAT.stream_scanner(strip_usage=False)
    said = event("response.output_text.delta", delta='"response.completed" or an "error": {}', output_index=0)
    scanner.feed(write_event(said, "response.output_text.delta"))
    assert not scanner.scan.finished
    assert scanner.scan.error is None


def test_what_is_too_long_to_be_repeated_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_encoder, "HELD_CHARACTERS", 10)
    encoder = FORMAT.stream_encoder(model="m", usage=True)
    encoder.encode(TextDelta(text="x" * 10))
    with pytest.raises(UpstreamBroken, match="longer than what can be held"):
        encoder.encode(TextDelta(text="x"))


def test_after_a_failure_nothing_more_is_said() -> None:
    encoder = FORMAT.stream_encoder(model="m", usage=True)
    begun = encoder.encode(StreamStart(id="r", model="m"))
    failed = encoder.fail(Refused(403, "no", "Not that.", plugin="a"))
    assert (
        encoder.encode(TextDelta(text="x")) + encoder.encode(StreamEnd()) + encoder.fail(Refused(403, "no", "No."))
        == b""
    )
    told = documents(begun + failed)
    assert [document["type"] for document in told[-2:]] == ["response.failed", "error"]
    assert told[-1]["error"]["plugin"] == "a"


def test_a_failure_before_the_beginning_is_one_event() -> None:
    (told,) = documents(FORMAT.stream_encoder(model="m", usage=True).fail(Refused(403, "no", "Not that.")))
    assert (told["type"], told["sequence_number"], told["message"]) == ("error", 0, "Not that.")


def test_a_signature_ends_its_item() -> None:
    events = [ThinkingDelta(text="a", signature="s"), ThinkingDelta(text="b"), ThinkingDelta(redacted="r")]
    written = encoded(FORMAT.stream_encoder(model="m", usage=True), [*events, StreamEnd()])
    output = documents(written)[-1]["response"]["output"]
    assert [(item["summary"] and item["summary"][0]["text"], item.get("encrypted_content")) for item in output] == [
        ("a", "jackfield_signature:s"),
        ("b", None),
        ([], "jackfield_redacted:r"),
    ]
