"""What a plugin's wire format gives is what it is asked for, or the plugin's failure."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jackfield.errors import JackfieldError, Malformed, PluginFailed, UpstreamBroken
from jackfield.host.formats import AddedFormat
from jackfield.sdk import ChatFormat, ChatRequest, ChatResponse, Choice, FormatSpec, Message, Text, TextDelta
from jackfield.sdk.formats import formats_of
from jackfield.wire.base import Peek

USER = Message(role="user", parts=(Text(text="Hi"),))


class Given(ChatFormat):
    """Gives what it was made with, whatever it is asked."""

    name = "given"

    def __init__(self, value: Any) -> None:
        self._value = value

    def _give(self, *_: Any, **__: Any) -> Any:
        return self._value

    read_request = write_request = read_response = write_response = read_error = write_error = _give
    with_stream_usage = _give

    def read_events(self) -> Any:
        return self._give

    def write_events(self, model: str) -> Any:
        return self._give


class Bare(Given):
    """As one that has all of a `WireFormat` written itself."""

    peek = decode_request = decode_response = encode_request = encode_response = answering = encode_error = Given._give


def added(kind: type[Given], value: Any) -> AddedFormat:
    return AddedFormat(FormatSpec(format=kind(value)), "odd")


def request(**changed: Any) -> ChatRequest:
    return ChatRequest(**{"format": "given", "model": "m", "messages": (USER,), **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"model": 5},
        {"model": None},
        {"max_tokens": "7"},
        {"stream": "yes"},
        {"messages": ({"role": "user"},)},
        {"messages": (Message(role="user", parts=(Text(text=cast("str", 5)),)),)},
    ],
    ids=str,
)
def test_what_a_client_wrote_in_another_type_is_refused(changed: dict[str, Any]) -> None:
    for call in ("peek", "decode_request"):
        with pytest.raises(Malformed):
            getattr(added(Given, request(**changed)), call)(b"{}")


def test_what_an_upstream_wrote_in_another_type_is_its_failure() -> None:
    answer = Message(role="assistant", parts=(Text(text=cast("str", 5)),))
    response = ChatResponse(id="", model="", choices=(Choice(message=answer, finish_reason="stop"),))
    with pytest.raises(UpstreamBroken):
        added(Given, response).decode_response(b"{}")
    with pytest.raises(UpstreamBroken):
        added(Given, [TextDelta(text=cast("str", 5))]).stream_decoder().decode("", b"{}")


def test_what_is_in_a_list_is_in_a_tuple_for_all_others() -> None:
    assert added(Given, request(messages=[USER])).decode_request(b"{}") == request()


@pytest.mark.parametrize("value", [None, {"model": "m"}, request(messages=(object(),))], ids=["none", "dict", "object"])
@pytest.mark.parametrize("call", ["peek", "decode_request", "decode_response"])
def test_what_nobody_wrote_is_the_plugins_failure(call: str, value: Any) -> None:
    with pytest.raises(PluginFailed):
        getattr(added(Given, value), call)(b"{}")


def test_so_it_is_in_streams() -> None:
    with pytest.raises(PluginFailed):
        added(Given, [{"text": "Hi"}]).stream_decoder().decode("", b"{}")
    with pytest.raises(PluginFailed):
        added(Given, ["Hi"]).stream_encoder(model="m", usage=True).encode(TextDelta(text="Hi"))


@pytest.mark.parametrize("value", [None, Peek(model=cast("str", 5)), 7], ids=str)
def test_so_it_is_for_what_is_no_chat_format(value: Any) -> None:
    format_ = added(Bare, value)
    for call in ("peek", "decode_request", "decode_response", "with_stream_usage"):
        with pytest.raises(PluginFailed):
            getattr(format_, call)(b"{}")


def test_an_error_is_told_all_the_same() -> None:
    format_ = added(Bare, None)
    assert b"too fast" in format_.encode_error(JackfieldError("too fast"), "req_1")
    assert format_.answering(b"{}") is format_


class Weird(Given):
    operation = cast("Any", "weird")


class Embedding(Given):
    operation = "embeddings"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"format": Given}, "a class"),
        ({"format": 7}, "no WireFormat"),
        ({"format": Weird(None)}, "operation cannot be 'weird'"),
        ({"format": Embedding(None)}, "operation cannot be 'embeddings'"),
        ({"format": Given(None), "path": "/v1/../api"}, "a path is below /v1/"),
        ({"format": Given(None), "path": "/v1/./x"}, "a path is below /v1/"),
        ({"format": Given(None), "path": "/plain"}, "a path is below /v1/"),
        ({"format": Given(None), "upstream_path": "chat"}, "upstream_path begins with /"),
    ],
)
def test_what_cannot_be_a_format_is_refused_at_once(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        FormatSpec(**spec)


@pytest.mark.parametrize("listed", [7, (7,), None])
def test_what_is_no_list_of_them_is_named(listed: Any) -> None:
    class Listing:
        wire_formats = listed

    with pytest.raises(TypeError, match=r"wire_formats: .* is no "):
        formats_of(Listing())
