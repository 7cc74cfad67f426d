"""A stream folded into its answer, and an answer told as a stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from jackfield.wire.chat import (
    ChatEvent,
    ChatResponse,
    Choice,
    Finish,
    Message,
    Opaque,
    OpaqueEvent,
    Refusal,
    RefusalDelta,
    StreamEnd,
    StreamFailure,
    StreamStart,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    Usage,
    UsageReport,
)
from jackfield.wire.collect import StreamCollector, merge_usage, replay

from .conversations import responses, streams

PATIENT = settings(max_examples=40, deadline=None)


def collected(events: list[ChatEvent]) -> StreamCollector:
    collector = StreamCollector()
    for event in events:
        collector.add(event)
    return collector


@given(response=responses(signed=True))
@PATIENT
def test_what_is_replayed_is_collected_again(response: ChatResponse) -> None:
    collector = collected(list(replay(response)))
    assert collector.response() == response
    assert collector.finished


@given(response=responses(signed=True), data=st.data())
@PATIENT
def test_any_stream_of_an_answer_is_folded_into_it(response: ChatResponse, data: st.DataObject) -> None:
    assert collected(data.draw(streams(response))).response() == response


def test_parts_stand_in_the_order_in_which_they_began() -> None:
    parts = (
        Thinking(text="Hm.", signature="s1"),
        Thinking(redacted="secret"),
        Text(text="First "),
        ToolCall(id="a", name="f", arguments="{}"),
        Text(text="second"),
        Refusal(text="No."),
    )
    choice = Choice(message=Message(role="assistant", parts=parts), finish_reason="refusal")
    response = ChatResponse(id="r", model="m", choices=(choice,), created=9)
    assert collected(list(replay(response))).response() == response


def test_choices_are_kept_apart_whatever_their_order() -> None:
    events: list[ChatEvent] = [
        StreamStart(id="r", model="m"),
        TextDelta(text="b", choice=1),
        RefusalDelta(text="a"),
        TextDelta(text="c", choice=1),
        Finish(reason="stop_sequence", stop_sequence="END", choice=1),
    ]
    first, second = collected(events).response().choices
    assert first.message.parts == (Refusal(text="a"),)
    assert (second.message.text(), second.stop_sequence, second.index) == ("bc", "END", 1)
    assert (first.finish_reason, second.finish_reason) == (None, "stop_sequence")


def test_reasoning_of_a_source_without_block_numbers_is_parted_by_signatures() -> None:
    events: list[ChatEvent] = [
        ThinkingDelta(text="one"),
        ThinkingDelta(signature="s1"),
        ThinkingDelta(redacted="secret"),
        ThinkingDelta(text="two"),
        ThinkingDelta(signature="s2"),
    ]
    assert collected(events).response().choices[0].message.parts == (
        Thinking(text="one", signature="s1"),
        Thinking(redacted="secret"),
        Thinking(text="two", signature="s2"),
    )


def test_usage_adds_up_field_by_field() -> None:
    events: list[ChatEvent] = [
        StreamStart(id="r", model="m", usage=Usage(input=10, output=1, cached=4)),
        UsageReport(usage=Usage(output=7)),
    ]
    assert collected(events).response().usage == Usage(input=10, output=7, cached=4)
    assert merge_usage(Usage(input=1), Usage(input=2, reasoning=3)) == Usage(input=2, reasoning=3)
    assert collected([]).response().usage is None


def test_what_went_wrong_and_what_has_no_meaning_is_told_apart() -> None:
    failure, opaque = StreamFailure(code="c", message="m"), OpaqueEvent(format="f", type="t", raw=Raw(b"{}"))
    collector = collected([TextDelta(text="half"), opaque, failure])
    assert (collector.failure, collector.opaque, collector.finished) == (failure, [opaque], False)
    assert collector.response().text() == "half"


def test_a_stream_of_nothing_is_an_empty_answer() -> None:
    (choice,) = collected([StreamEnd()]).response().choices
    assert choice.message == Message(role="assistant", parts=())


def test_a_replay_always_ends_each_choice() -> None:
    opaque = Opaque(format="f", type="t", raw=Raw(b"{}"))
    choice = Choice(message=Message(role="assistant", parts=(opaque,)))
    events = list(replay(ChatResponse(id="r", model="m", choices=(choice, replace(choice, index=1)))))
    assert events == [
        StreamStart(id="r", model="m"),
        Finish(reason="stop"),
        Finish(reason="stop", choice=1),
        StreamEnd(),
    ]
