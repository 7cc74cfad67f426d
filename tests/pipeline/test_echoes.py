from __future__ import annotations

import asyncio

import pytest

from jackfield.pipeline.echoes import LONGEST, is_an_echo, told_to_operators
from jackfield.testing import Answer, Reply

from .conftest import OpenGate
from .gate import CHAT

BODY = b'{"model": "gpt-4o-2024-08-06", "messages": [{"content": "my word is Tr0ub4dor-and-3"}], "temperature": 9}'
MODELS = ("gpt-4o-2024-08-06",)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'Tr0ub4dor-and-3' is not allowed", "'***' is not allowed"),
        ("Not allowed: Tr0ub4dor-and-3.", "Not allowed: ***."),
        ("the model gpt-4o-2024-08-06 is busy", "the model gpt-4o-2024-08-06 is busy"),
        ("temperature must be below 2, in messages", "temperature must be below 2, in messages"),
        ("request req_12345678 failed", "request req_12345678 failed"),
        ("a key like sk-abcdefghijkl", "a key like sk-***"),
        ("word=Tr0ub4dor-and-3 is wrong", "word=*** is wrong"),
        ("messages[0].content:Tr0ub4dor-and-3!", "messages[0].content:***!"),
        ("see https://there.example/Tr0ub4dor-and-3?x", "see https://there.example/***?x"),
        ("begins with Tr0ub4dor-a...", "begins with ***..."),
        ("model:gpt-4o-2024-08-06 is busy", "model:gpt-4o-2024-08-06 is busy"),
    ],
)
def test_what_the_client_wrote_is_not_repeated(said: str, told: str) -> None:
    assert told_to_operators(said, BODY, MODELS) == told


@pytest.mark.parametrize("written", [r"Pr\u00e4sident/8-x", "Präsident\\/8-x", r"\u0050r\u00e4sident\/8\u002dx"])
def test_however_the_client_wrote_it(written: str) -> None:
    assert told_to_operators("Präsident/8-x is wrong", f'{{"a": ["{written}"]}}'.encode(), ()) == "*** is wrong"


@pytest.mark.parametrize(
    ("code", "echo"),
    [
        ("Tr0ub4dor-and-3", True),
        ("user=Tr0ub4dor-and-3", True),
        ("context_length_exceeded", False),
        ("invalid_api_key", False),
        ("1301", False),
    ],
)
def test_the_name_of_an_error_is_no_echo_though_the_client_wrote_of_it(code: str, echo: bool) -> None:
    body = BODY.replace(b"word", b"1301 context_length_exceeded word")
    assert is_an_echo(code, body) is echo


def test_a_long_message_is_cut_and_a_large_request_not_searched() -> None:
    assert len(told_to_operators("x y" * 1_000_000, BODY, ())) == LONGEST + 1
    said = "word=Tr0ub4dor-and-3 of gpt-4o-2024-08-06 is forbidden"
    assert told_to_operators(said, BODY + b" " * 300_000, MODELS) == "*** of gpt-4o-2024-08-06 is forbidden"


def test_a_long_text_is_hidden_though_it_has_only_letters() -> None:
    secret = "correcthorsebatterystaplex"
    assert told_to_operators(f"{secret}?", f'"{secret}"'.encode(), ()) == "***?"


def test_half_characters_are_no_trouble() -> None:
    assert told_to_operators("\udfff12345678", b"{}", ()) == "\udfff12345678"


async def test_neither_log_nor_trace_has_it(open_gate: OpenGate, capsys: pytest.CaptureFixture[str]) -> None:
    gate = await open_gate({})
    release = asyncio.Event()
    gate.upstream.script(
        Answer.status(400, message="Tr0ub4dor-and-3 is refused"),
        Answer.error_event(3, "Tr0ub4dor-and-3 is too much", Reply(text="one two three"), release=release),
    )
    assert (await gate.chat("Tr0ub4dor-and-3")).json["error"]["message"].startswith("Tr0ub4dor-and-3")
    async with gate.gateway.caller() as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "Tr0ub4dor-and-3"}], "stream": True}
        called = await caller.begin("POST", CHAT, body=body)
        await caller.read(called, events=1)
        release.set()
        await caller.finish(called)
    await gate.gateway.records(2)
    logged = capsys.readouterr().out
    traces = (await gate.gateway.admin("/api/v1/traces")).body.decode()
    assert "*** is refused" in logged
    assert "*** is refused" in traces
    assert "Tr0ub4dor" not in logged + traces
