"""What a hook may answer at each point, and what becomes of an answer that it may not give."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import PluginFailed, Refused
from jackfield.sdk import (
    POINTS,
    Answer,
    Candidate,
    ChatRequest,
    ChatResponse,
    Continue,
    Drop,
    EmbeddingsRequest,
    ErrorResponse,
    Head,
    Identity,
    InboundRequest,
    OutgoingRequest,
    Reject,
    Replace,
    TextDelta,
)
from jackfield.sdk.hooks import PointName
from jackfield.wire.chat import TokenCount

from .scene import Asked, answer_with, decide_all, make_exchange, make_hook

RESPONSE = ChatResponse(id="1", model="gpt", choices=())
VALUES: dict[str, Any] = {
    "ingress": InboundRequest("POST", "/", (), b""),
    "pre_flight": ChatRequest(model="gpt", messages=()),
    "routing": Candidate(upstream="u", model="m", provider="p"),
    "attempt": OutgoingRequest("POST", "http://127.0.0.1/", (), b""),
    "response_head": Head(200, ()),
    "response_chunk": TextDelta(text="x"),
    "response_body": RESPONSE,
}
MADE = {
    Continue: lambda point: Continue(),
    Replace: lambda point: Replace(VALUES.get(point)),
    Reject: lambda point: Reject(418, "no", "No."),
    Answer: lambda point: Answer(RESPONSE),
    Drop: lambda point: Drop(),
    Identity: lambda point: Identity(user="u"),
}
ALL = [(point, kind) for point in POINTS for kind in MADE]


@pytest.mark.parametrize(("point", "kind"), [pair for pair in ALL if pair[1] in POINTS[pair[0]].outcomes])
async def test_each_point_takes_its_outcomes(point: PointName, kind: type[Any]) -> None:
    outcome = MADE[kind](point)
    asked = Asked(make_hook(answer_with(outcome), point))
    expected = None if kind is Continue else outcome
    assert await asked.ask() == expected
    assert asked.outcome == ("passed" if kind is Continue else kind.__name__.lower())
    assert asked.hook.guard.stats.report()["errors"] == 0


@pytest.mark.parametrize(("point", "kind"), [pair for pair in ALL if pair[1] not in POINTS[pair[0]].outcomes])
async def test_each_point_refuses_the_other_outcomes(point: PointName, kind: type[Any]) -> None:
    asked = Asked(make_hook(answer_with(MADE[kind](point)), point, on_failure="open"))
    if asked.hook.closed:
        with pytest.raises(PluginFailed) as refusal:
            await asked.ask()
        assert refusal.value.plugin == "tested"
    else:
        assert await asked.ask() is None
    assert asked.outcome == "failed"
    told = asked.hook.guard.stats.last_error
    assert told is not None
    assert told.startswith(f"check: TypeError: answered {kind.__name__}; {point} takes None, Continue")


NONSENSE: list[object] = [False, True, 0, "", "reject", b"", {}, [], (), object(), Reject, KeyError("x")]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("answer", NONSENSE, ids=lambda value: repr(value)[:20])
async def test_whatever_is_no_outcome_is_a_failure(point: PointName, answer: object) -> None:
    asked = Asked(make_hook(answer_with(answer), point))
    if asked.hook.closed:
        with pytest.raises(PluginFailed, match="plugin tested failed"):
            await asked.ask()
    else:
        assert await asked.ask() is None
    assert asked.outcome == "failed"


WRONG_VALUES: list[tuple[PointName, object]] = [
    ("ingress", None),
    ("ingress", InboundRequest("POST", "/", [("a", "b")], b"")),  # type: ignore[arg-type]
    ("ingress", InboundRequest("POST", "/", (), "text")),  # type: ignore[arg-type]
    ("ingress", InboundRequest("POST", "/", ((b"Upper", b"x"),), b"")),
    ("pre_flight", {"model": "gpt"}),
    ("pre_flight", EmbeddingsRequest(model="m", input=b"")),  # type: ignore[arg-type]
    ("pre_flight", ChatRequest(model=None, messages=())),  # type: ignore[arg-type]
    ("pre_flight", ChatRequest(model="gpt", messages=({"role": "user"},))),  # type: ignore[arg-type]
    ("pre_flight", (ChatRequest(model="gpt", messages=()),)),
    ("routing", "upstream"),
    ("routing", (Candidate(upstream="u", model="m", provider="p"), "other")),
    ("routing", Candidate(upstream=7, model="m", provider="p")),  # type: ignore[arg-type]
    ("attempt", "http://127.0.0.1/"),
    ("attempt", OutgoingRequest("POST", "http://127.0.0.1/", ((b"a", b"x\r\nb: y"),), b"")),
    ("attempt", OutgoingRequest("POST", b"http://127.0.0.1/", (), b"")),  # type: ignore[arg-type]
    ("response_head", Head(99, ())),
    ("response_head", Head(200, ((b"a b", b""),))),
    ("response_head", Head(200, ((b"a", b"x\r\nset-cookie: y"),))),
    ("response_head", Head(200, ((b"a", "text"),))),  # type: ignore[arg-type]
    ("response_head", Head("200", ())),  # type: ignore[arg-type]
    ("response_chunk", "text"),
    ("response_chunk", (TextDelta(text="x"), "text")),
    ("response_chunk", [TextDelta(text="x")]),
    ("response_chunk", TextDelta(text=None)),  # type: ignore[arg-type]
    ("response_body", "text"),
    ("response_body", TokenCount(input=1)),
    ("response_body", ChatResponse(id="1", model="m", choices=({},))),  # type: ignore[arg-type]
    ("response_body", ErrorResponse(status=200, code="c", message="m")),
    ("response_body", ErrorResponse(status=400, code="c", message=None)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("point", "value"), WRONG_VALUES)
async def test_a_replacement_of_the_wrong_kind_or_shape_is_a_failure(point: PointName, value: object) -> None:
    asked = Asked(make_hook(answer_with(Replace(value)), point))
    if asked.hook.closed:
        with pytest.raises(PluginFailed):
            await asked.ask()
    else:
        assert await asked.ask() is None
    assert asked.outcome == "failed"
    assert "replaced with" in str(asked.hook.guard.stats.last_error)


@pytest.mark.parametrize(
    ("path", "response"),
    [
        ("/v1/chat/completions", TokenCount(input=1)),
        ("/v1/embeddings", RESPONSE),
        ("/v1/messages/count_tokens", RESPONSE),
        ("/v1/chat/completions", None),
        ("/v1/chat/completions", "hello"),
        ("/v1/chat/completions", ChatResponse(id="1", model="m", choices=("hello",))),  # type: ignore[arg-type]
    ],
)
async def test_an_answer_must_fit_the_operation(path: str, response: Any) -> None:
    asked = Asked(make_hook(answer_with(Answer(response))), make_exchange(path=path))
    assert await asked.ask() is None
    assert "answered a" in str(asked.hook.guard.stats.last_error)


async def test_replacements_are_applied_between_hooks_in_order() -> None:
    first, second = (ChatRequest(model=name, messages=()) for name in ("one", "two"))
    decision, replaced, trace = await decide_all(
        make_hook(answer_with(Replace(first)), plugin="a"),
        make_hook(answer_with(None), plugin="b"),
        make_hook(answer_with(Replace(second)), plugin="c"),
    )
    assert decision is None
    assert replaced == [first, second]
    assert [(call[1], call[3]) for call in trace.hooks] == [("a", "replace"), ("b", "passed"), ("c", "replace")]


async def test_the_first_answer_ends_the_asking() -> None:
    hooks = [make_hook(answer_with(Answer(RESPONSE)), plugin=plugin) for plugin in "ab"]
    decision, _, trace = await decide_all(*hooks)
    assert decision.hook is hooks[0]
    assert decision.outcome == Answer(RESPONSE)
    assert [call[1] for call in trace.hooks] == ["a"]


async def test_a_rejection_carries_the_plugins_own_words() -> None:
    hooks = [make_hook(answer_with(Reject(429, "slow", "Slow down.", 7.0)), plugin=plugin) for plugin in "ab"]
    with pytest.raises(Refused) as refusal:
        await decide_all(*hooks)
    error = refusal.value
    assert (error.status, error.code, error.message) == (429, "slow", "Slow down.")
    assert (error.plugin, error.retry_after_s) == ("a", 7.0)
    assert hooks[0].guard.stats.blocks == 1
    assert hooks[1].guard.stats.report()["calls"] == 0


@pytest.mark.parametrize("fields", [(200, "c", "m"), (600, "c", "m"), ("400", "c", "m"), (400, None, "m")])
async def test_a_rejection_that_is_none_is_the_plugins_failure(fields: tuple[Any, ...]) -> None:
    async def hook(_: object) -> Reject:
        return Reject(*fields)

    asked = Asked(make_hook(hook))
    assert await asked.ask() is None
    assert asked.outcome == "failed"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), "soon"])
def test_a_rejection_names_a_time_that_can_be_told(seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Reject(429, "slow", "Slow down.", seconds)
