"""On whose behalf an exchange runs: who may say it, how it is kept apart, and in which conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.hooks.caller import caller_of
from jackfield.hooks.table import HookTable
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.exchange import Route, State
from jackfield.sdk.caller import Caller
from jackfield.sdk.context import InboundRequest
from jackfield.sdk.outcomes import Identity
from jackfield.wire import format_named

KEY = Identity(credential="key_1")
APP = Identity(credential="key_1", app="shop")
HELLO = {"role": "user", "content": "hello"}


def caller(
    identity: Identity | None = APP,
    headers: dict[str, str] | None = None,
    body: Any = None,
    format: str = "openai_chat",  # noqa: A002 - the word of the field
    **fields: Any,
) -> Caller:
    given = tuple((name.encode(), value.encode()) for name, value in (headers or {}).items())
    asked = body if isinstance(body, bytes) else json.dumps({"model": "m", "messages": [HELLO], **fields}).encode()
    inbound = InboundRequest("POST", "/v1/chat/completions", given, asked)
    snapshot = Snapshot(generation=1, plugins={}, table=HookTable(()), routes=Routes(()))
    state = State("req_1", Route("POST /v1/chat/completions", format_named(format)), inbound, snapshot, 0)
    state.identity = identity
    return caller_of(state)


def test_it_is_the_identitys_user_whatever_the_client_says() -> None:
    known = Identity(user="alice", credential="key_1", app="shop", models=frozenset({"m"}))
    found = caller(known, {"x-jackfield-user": "mallory"}, user="mallory")
    assert (found.user, found.app, found.credential, found.request) == ("alice", "shop", "key_1", "req_1")
    assert found.models == {"m"}


def test_else_whom_the_app_names_with_the_app_before_it() -> None:
    assert caller(APP, {"x-jackfield-user": "alice"}, user="other").user == "shop/alice"
    assert caller(APP, user="alice").user == "shop/alice"
    assert caller(KEY, user="alice").user == "key_1/alice"


def test_an_anthropic_client_names_its_user_in_the_metadata() -> None:
    named = caller(APP, format="anthropic_messages", max_tokens=5, metadata={"user_id": "alice"})
    assert named.user == "shop/alice"


def test_else_it_is_the_credential() -> None:
    assert caller(APP).user == "key_1"
    assert caller(APP, {"x-jackfield-user": "  "}).user == "key_1"
    assert caller(None).user is None


@pytest.mark.parametrize("name", ["x" * 201, "line\nbreak", "a\0b"])
def test_what_is_no_name_is_a_digest_of_its_own(name: str) -> None:
    found, other = caller(APP, user=name).user, caller(APP, user=name + "!").user
    assert found is not None
    assert found.startswith("shop/sha256:")
    assert len(found) < 100
    assert found != other


def test_no_two_pairs_of_app_and_user_make_the_same_name() -> None:
    pairs = [("a", "b/c"), ("a/b", "c"), ("a%2Fb", "c")]
    assert len({caller(Identity(app=app), user=user).user for app, user in pairs}) == 3


def test_the_conversation_is_the_one_that_a_header_names() -> None:
    assert caller(APP, {"x-jackfield-conversation": "c-7"}).conversation == "c-7"


def test_else_it_begins_with_its_first_words() -> None:
    longer = [{"role": "system", "content": "be kind"}, HELLO, {"role": "assistant", "content": "hi"}, HELLO]
    first = caller(APP).conversation
    assert first is not None
    assert caller(APP, messages=longer).conversation == first
    assert caller(APP, messages=[{"role": "user", "content": "bye"}]).conversation != first
    assert caller(APP, {"x-jackfield-user": "alice"}).conversation != first


def test_marks_for_caching_move_on_without_a_new_conversation() -> None:
    def said(**mark: Any) -> list[Any]:
        return [{"role": "user", "content": [{"type": "text", "text": "hello", **mark}]}]

    plain, marked = said(), said(cache_control={"type": "ephemeral"})
    found = {
        caller(APP, format="anthropic_messages", max_tokens=5, messages=messages).conversation
        for messages in (plain, marked)
    }
    assert len(found) == 1


def test_what_cannot_be_read_says_nothing() -> None:
    found = caller(APP, body=b"{")
    assert (found.user, found.conversation) == ("key_1", None)


def test_embeddings_have_a_user_and_no_conversation() -> None:
    found = caller(APP, format="openai_embeddings", body=b'{"model": "m", "input": "x", "user": "alice"}')
    assert (found.user, found.conversation) == ("shop/alice", None)
