"""What a hook is given can be read and not changed."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from jackfield.errors import Malformed
from jackfield.hooks.table import HookTable
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.exchange import State
from jackfield.sdk import ChatRequest, Exchange, Head, InboundRequest
from jackfield.server.inference import ROUTES

BODY = b'{"model": "gpt", "messages": [{"role": "user", "content": "hello"}], "seed": 7, "x_own": {"a": 1}}'
PATH = "/v1/chat/completions"


def make_state(body: bytes = BODY) -> State:
    snapshot = Snapshot(generation=1, plugins={}, table=HookTable(()), routes=Routes(()))
    inbound = InboundRequest("POST", PATH, ((b"x-one", b"1"), (b"x-one", b"2")), body, b"a=b", "127.0.0.1")
    return State("req_1", ROUTES[PATH], inbound, snapshot, time.perf_counter_ns())


@pytest.fixture
def exchange() -> Exchange:
    return make_state().view


READABLE = [name for name in vars(Exchange) if isinstance(vars(Exchange)[name], property)]


@pytest.mark.parametrize("name", READABLE)
def test_nothing_of_it_can_be_set(exchange: Exchange, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(exchange, name, None)


def test_nothing_can_be_added_to_it(exchange: Exchange) -> None:
    with pytest.raises(AttributeError):
        exchange.note = "mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["inbound.headers", "request.model", "request.messages", "request.seed"])
def test_its_values_are_frozen(exchange: Exchange, path: str) -> None:
    owner, _, name = path.partition(".")
    with pytest.raises(AttributeError):
        setattr(getattr(exchange, owner), name, None)


def test_the_message_list_cannot_be_changed_in_place(exchange: Exchange) -> None:
    assert isinstance(exchange.request, ChatRequest)
    assert isinstance(exchange.request.messages, tuple)
    assert isinstance(exchange.request.messages[0].parts, tuple)


def test_it_tells_what_came_in(exchange: Exchange) -> None:
    assert exchange.id == "req_1"
    assert exchange.route == "POST /v1/chat/completions"
    assert exchange.operation == "chat"
    assert exchange.client_format == "openai_chat"
    assert (exchange.model, exchange.stream) == ("gpt", False)
    assert (exchange.inbound.header("X-One"), exchange.inbound.header("absent")) == ("1", None)
    assert exchange.request.last_user_text() == "hello"


def test_what_is_not_known_yet_is_none(exchange: Exchange) -> None:
    for name in (
        "identity",
        "outgoing",
        "head",
        "response",
        "usage",
        "finish_reason",
        "cost_usd",
        "decided_by",
        "timings",
    ):
        assert getattr(exchange, name) is None
    assert exchange.attempts == ()
    assert exchange.candidates == ()


def test_the_body_is_decoded_once_and_only_when_asked_for() -> None:
    state = make_state()
    view = state.view
    assert state._request is None
    assert view.request is view.request is state.view.request


def test_a_malformed_body_is_told_when_it_is_asked_for() -> None:
    view = make_state(b"{").view
    with pytest.raises(Malformed):
        _ = view.request
    with pytest.raises(Malformed):
        _ = view.model


class Memory:
    def __init__(self) -> None:
        self.words: list[str] = []


def test_local_state_is_made_once_for_each_exchange_and_kind() -> None:
    state = make_state()
    state.view.local(Memory).words.append("first")
    assert state.view.local(Memory).words == ["first"]
    assert make_state().view.local(Memory).words == []


def test_local_states_of_different_plugins_do_not_meet() -> None:
    view = make_state().view
    other: Any = type("Memory", (Memory,), {})
    view.local(Memory).words.append("mine")
    assert view.local(other).words == []


def test_a_head_with_a_header_is_another_head() -> None:
    head = Head(200, ((b"a", b"1"), (b"b", b"2"), (b"a", b"3")))
    changed = head.with_header("A", "4")
    assert changed.headers == ((b"b", b"2"), (b"a", b"4"))
    assert head.header("a") == "1"
    assert msgspec.structs.astuple(head)[0] == 200
